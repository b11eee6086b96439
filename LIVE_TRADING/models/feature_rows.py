"""What `FeatureBuilder` writes into its rows, from the memories that have advanced: kernels over (rows, N)."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.types import FloatArray, IntArray
from LIVE_TRADING.models.indicators import ATR, MACD, MIDDLE, SD
from LIVE_TRADING.models.session_levels import GAP, HIGH, LAST_SESSION, LOW, START_TOTAL
from LIVE_TRADING.models.volume_level import TREND


@kernel("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])")
def write_returns(
    added: FloatArray, windows: FloatArray, totals: FloatArray, session: FloatArray, out: FloatArray
) -> None:
    """Write return_1, return_k, return_session, return_last_session and gap (S + 4, N).

    `added`, `totals` (3, N): row 1 is of returns; `windows` (J, N): theirs are the S before the last;
    `session`: `SessionState.block`.
    """
    n_spans = out.shape[0] - 4
    first = windows.shape[0] - 1 - n_spans
    for i in range(out.shape[1]):
        out[0, i] = added[1, i]
        out[n_spans + 1, i] = totals[1, i] - session[START_TOTAL, i]
        out[n_spans + 2, i] = session[LAST_SESSION, i]
        out[n_spans + 3, i] = session[GAP, i]
    out[1 : n_spans + 1] = windows[first : first + n_spans]


@kernel("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])")
def write_price_rows(bars: FloatArray, session: FloatArray, indicators: FloatArray, ranges: FloatArray) -> None:
    """Turn indicators (7, N) in units of price into features, in place; write bar_range and both locations (3, N)."""
    high, low, close = bars[1], bars[2], bars[3]
    for i in range(close.shape[0]):
        for k in range(MACD, ATR + 1):
            indicators[k, i] /= close[i]
        middle, sd = indicators[MIDDLE, i], indicators[SD, i]
        indicators[MIDDLE, i] = (close[i] - middle) / (sd if sd != 0.0 else 1.0)
        indicators[SD, i] = 4.0 * sd / middle
        reach, session_reach = high[i] - low[i], session[HIGH, i] - session[LOW, i]
        ranges[0, i] = reach / close[i]
        ranges[1, i] = (close[i] - low[i]) / reach - 0.5 if reach != 0.0 else 0.0
        ranges[2, i] = (close[i] - session[LOW, i]) / session_reach - 0.5 if session_reach != 0.0 else 0.0


@kernel("void(float64[:, ::1], float64[::1], float64[:, ::1])")
def write_volatility(windows: FloatArray, spans: FloatArray, out: FloatArray) -> None:
    """Write volatility_k and volatility_ratio (S + 1, N); the first S of `windows` (J, N) are sums of squares."""
    n_spans = spans.shape[0]
    for i in range(out.shape[1]):
        for k in range(n_spans):
            out[k, i] = np.sqrt(windows[k, i] / spans[k])
        longest = out[n_spans - 1, i]
        out[n_spans, i] = out[0, i] / longest if longest != 0.0 else 1.0


@kernel("void(float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], int64, float64[:, ::1])")
def write_volume(
    surprise: FloatArray, volume: FloatArray, added: FloatArray, windows: FloatArray, span: int, out: FloatArray
) -> None:
    """Write volume_surprise, _trend and _ratio (first rows of `out`), all NaN where the surprise is.

    `volume`: `VolumeState.block`; the last of `added` and `windows` is clipped log volume, of the bar and of `span`.
    """
    last, last_window = added.shape[0] - 1, windows.shape[0] - 1
    for i in range(surprise.shape[0]):
        known = surprise[i] == surprise[i]
        out[0, i] = surprise[i]
        out[1, i] = volume[TREND, i] if known else np.nan
        out[2, i] = added[last, i] - windows[last_window, i] / span if known else np.nan


@kernel("void(float64[::1], int64[::1], int64[::1], float64[:, ::1])")
def blank(close: FloatArray, seen: IntArray, needs: IntArray, out: FloatArray) -> None:
    """Write NaN over the first rows of `out`, one per entry of `needs`: no bar, or fewer bars than are needed."""
    most = needs.max()
    for i in range(close.shape[0]):
        if close[i] == close[i] and seen[i] >= most:
            continue
        for k in range(needs.shape[0]):
            if close[i] != close[i] or seen[i] < needs[k]:
                out[k, i] = np.nan
