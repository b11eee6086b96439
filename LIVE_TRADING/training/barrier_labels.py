"""What the barrier classifiers are trained on: which way the price moves by its volatility first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.horizons import INTRADAY_MINUTES, Horizon, parse_horizons
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.common.units import BPS, NS_PER_MINUTE
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.training.labels import LabelSpans

BARRIER_HORIZON = "15m"
_BAR = "5m"


@dataclass(frozen=True, slots=True, eq=False)
class BarrierLabels:
    """Outcomes (T, N): 1 it came so, 0 it did not, NaN not known. At most one of the two is 1."""

    peak: FloatArray
    valley: FloatArray


def barrier_horizon(interval_ns: int, session_minutes: int) -> Horizon | None:
    """Return the 15 minutes that a barrier may take to be reached; None where five minutes are no whole number of bars.

    At bars of five minutes these are three; finer bars see more of the path over the same time.
    """
    if (INTRADAY_MINUTES[_BAR] * NS_PER_MINUTE) % interval_ns:
        return None
    return parse_horizons((BARRIER_HORIZON,), interval_ns, session_minutes)[0]


def barrier_labels(panel: BarPanel, spans: LabelSpans, sigma_bps: FloatArray) -> BarrierLabels:
    """Return which barrier the price touches first.

    The reference is the open of bar t+1, at which an order decided at the end of bar t fills. The barriers stand at
    reference · (1 + σ) and reference / (1 + σ), equally far both ways in ratio. Bars t+1 to the end of the label are
    looked at in turn, a touch being high ≥ upper or low ≤ lower.

        lower first    a peak was here: a long would have been hurt. peak 1, valley 0
        upper first    a valley was here: a short would have been hurt. peak 0, valley 1
        neither        peak 0, valley 0
        both in the same bar, or a missing bar before any touch: the order is not known. NaN

    Parameters
    ----------
    spans
        Of the 15 minutes after each bar end, as `label_spans` gives them: none across a session's end.
    sigma_bps
        σ (T, N) of 15 minutes as of the end of bar t, bps; unknown or not positive gives NaN.
    """
    direction = np.full(panel.close.shape, np.nan)
    rows = np.flatnonzero(spans.end_row >= 0)
    entry_row = spans.entry_row[rows]
    n_bars = int((spans.end_row[rows] - entry_row).max(initial=-1)) + 1
    reference = panel.open[entry_row]
    width = 1.0 + np.where(sigma_bps[rows] > 0, sigma_bps[rows], np.nan) / BPS
    upper, lower = reference * width, reference / width
    first = np.where(np.isfinite(upper), 0.0, np.nan)  # +1: the upper one, -1: the lower one
    undecided = np.isfinite(upper)
    for ahead in range(n_bars):
        high, low = panel.high[entry_row + ahead], panel.low[entry_row + ahead]
        up, down, missing = high >= upper, low <= lower, np.isnan(high) | np.isnan(low)
        now = undecided & (up | down | missing)
        first[now] = np.where((up & down) | missing, np.nan, np.where(up, 1.0, -1.0))[now]
        undecided &= ~now
    direction[rows] = first
    known = np.isfinite(direction)
    return BarrierLabels(
        peak=np.where(known, direction < 0, np.nan),
        valley=np.where(known, direction > 0, np.nan),
    )
