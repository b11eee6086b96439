"""The simulated exchange's own view of volatility and volume, of the sessions before this one."""

from __future__ import annotations

from typing import Any

import numpy as np

from LIVE_TRADING.common.kernels import READ, kernel
from LIVE_TRADING.common.types import BarBatch, FloatArray
from LIVE_TRADING.common.units import BPS

SESSIONS = 10


class SessionStatistics:
    """σ_day = √(mean over ten sessions of the sum of squared bar returns, gap included); ADV = mean of Σ close·volume.

    NaN until one session is complete. A symbol without bars in a session adds nothing to either mean.
    """

    def __init__(self, n_symbols: int) -> None:
        self._variances: list[FloatArray] = []
        self._volumes_usd: list[FloatArray] = []
        self._today = np.zeros((2, n_symbols))  # sum of squared returns, USD traded
        self._last_close = np.full(n_symbols, np.nan)
        self._day_vol_bps = np.full(n_symbols, np.nan)
        self._adv_usd = np.full(n_symbols, np.nan)
        self._bars_today = 0

    def observe(self, batch: BarBatch, first_of_session: bool) -> None:
        """Take a complete bar; the first of a session closes the session before."""
        if first_of_session and self._bars_today:
            self._close_session()
        close, volume = np.ascontiguousarray(batch.close), np.ascontiguousarray(batch.volume)
        today, last_close = np.empty_like(self._today), np.empty_like(self._last_close)
        add_bars(close, volume, self._today, self._last_close, today, last_close)
        self._today, self._last_close = today, last_close
        self._bars_today += 1

    def _close_session(self) -> None:
        variance, volume_usd = np.where(self._today[1] > 0, self._today, np.nan)
        self._variances = [*self._variances, variance][-SESSIONS:]
        self._volumes_usd = [*self._volumes_usd, volume_usd][-SESSIONS:]
        self._day_vol_bps = np.sqrt(_mean(self._variances)) * BPS
        self._adv_usd = _mean(self._volumes_usd)
        self._today = np.zeros_like(self._today)
        self._bars_today = 0

    def lagged(self, column: int) -> tuple[float, float]:
        """Return (σ_day in bps, ADV in USD) of one symbol; NaN where unknown."""
        return float(self._day_vol_bps[column]), float(self._adv_usd[column])

    def to_dict(self) -> dict[str, Any]:
        """Return the state; `common.strict_json` writes its arrays, NaN as null."""
        return {
            "variances": self._variances,
            "volumes_usd": self._volumes_usd,
            "today_variance": self._today[0],
            "today_usd": self._today[1],
            "last_close": self._last_close,
            "bars_today": self._bars_today,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `to_dict` gave."""
        self._variances = [np.array(row, dtype=np.float64) for row in state["variances"]]
        self._volumes_usd = [np.array(row, dtype=np.float64) for row in state["volumes_usd"]]
        self._today = np.array([state["today_variance"], state["today_usd"]], dtype=np.float64)
        self._last_close = np.array(state["last_close"], dtype=np.float64)
        self._bars_today = state["bars_today"]
        if self._variances:
            self._day_vol_bps = np.sqrt(_mean(self._variances)) * BPS
            self._adv_usd = _mean(self._volumes_usd)


def _mean(rows: list[FloatArray]) -> FloatArray:
    stacked = np.stack(rows)
    known = np.isfinite(stacked)
    count = known.sum(axis=0)
    total = np.where(known, stacked, 0.0).sum(axis=0)
    mean: FloatArray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


@kernel(f"void({READ}, {READ}, float64[:, ::1], float64[::1], float64[:, ::1], float64[::1])")
def add_bars(
    close: FloatArray,
    volume: FloatArray,
    before: FloatArray,
    last_close: FloatArray,
    today: FloatArray,
    closes: FloatArray,
) -> None:
    """Write sums of squared returns and of USD traded (2, N) with these bars, and the newest closes (N,)."""
    for i in range(close.shape[0]):
        change, traded = close[i] / last_close[i] - 1.0, close[i] * volume[i]
        today[0, i] = before[0, i] + change * change if change - change == 0.0 else before[0, i]
        today[1, i] = before[1, i] + traded if traded - traded == 0.0 else before[1, i]
        closes[i] = close[i] if close[i] - close[i] == 0.0 else last_close[i]
