"""What the simulated venue knows of the market: quoted spread, last closes, and the statistics behind its impact."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from LIVE_TRADING.brokers.statistics import SessionStatistics
from LIVE_TRADING.common.kernels import READ, kernel
from LIVE_TRADING.common.types import BarBatch, FloatArray
from LIVE_TRADING.common.units import BPS


class VenueMarket:
    """Spread of the last quote, mark of the last close, and σ_day and ADV of the sessions before this one."""

    def __init__(self, n_symbols: int) -> None:
        self._statistics = SessionStatistics(n_symbols)
        self._spread_bps = np.full(n_symbols, np.nan)
        self._marks = np.full(n_symbols, np.nan)

    def observe(self, batch: BarBatch, first_of_session: bool) -> None:
        """Count a complete bar; its quotes are learned apart, since they come after what it fills."""
        self._statistics.observe(batch, first_of_session)

    def learn_quotes(self, batch: BarBatch) -> None:
        """Take the quotes and closes at the end of a bar."""
        bid, ask, close = (np.ascontiguousarray(values) for values in (batch.bid, batch.ask, batch.close))
        spread_bps, marks = np.empty_like(self._spread_bps), np.empty_like(self._marks)
        learn(bid, ask, close, self._spread_bps, self._marks, spread_bps, marks)
        self._spread_bps, self._marks = spread_bps, marks

    def cost_bps(
        self, column: int, notional_usd: float, spread_multiple: float, impact_coefficient: float
    ) -> float | None:
        """Return ½·multiple·spread + coefficient·σ_day·√(q/ADV) of a fill; None where one of them is not known."""
        spread_bps = float(self._spread_bps[column])
        day_vol_bps, adv_usd = self._statistics.lagged(column)
        if not (math.isfinite(spread_bps + day_vol_bps + adv_usd) and adv_usd > 0):
            return None
        impact_bps = impact_coefficient * day_vol_bps * math.sqrt(notional_usd / adv_usd)
        return spread_multiple * spread_bps / 2 + impact_bps

    def mark(self, column: int) -> float:
        """Return the last close, NaN before the first."""
        return float(self._marks[column])

    def to_dict(self) -> dict[str, Any]:
        """Return the state; `common.strict_json` writes its arrays, NaN as null."""
        return {
            "statistics": self._statistics.to_dict(),
            "spread_bps": self._spread_bps,
            "marks": self._marks,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `to_dict` gave."""
        self._statistics.restore(state["statistics"])
        self._spread_bps = np.array(state["spread_bps"], dtype=np.float64)
        self._marks = np.array(state["marks"], dtype=np.float64)


@kernel(f"void({', '.join([READ] * 3)}, {', '.join(['float64[::1]'] * 4)})")
def learn(
    bid: FloatArray,
    ask: FloatArray,
    close: FloatArray,
    spread_before: FloatArray,
    marks_before: FloatArray,
    spread_bps: FloatArray,
    marks: FloatArray,
) -> None:
    """Write spreads in bps of the mid, and marks (N,), after quotes and closes; bad or unknown ones change nothing."""
    for i in range(close.shape[0]):
        mid = (bid[i] + ask[i]) / 2.0
        quoted = mid - mid == 0.0 and ask[i] >= bid[i] and bid[i] > 0.0
        spread_bps[i] = (ask[i] - bid[i]) / mid * BPS if quoted else spread_before[i]
        marks[i] = close[i] if close[i] - close[i] == 0.0 else marks_before[i]
