"""The two losses that are watched: from the highest equity, and since the session's open."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache


@lru_cache(maxsize=64)
def _kept(limit_frac: float) -> Decimal:
    return 1 - Decimal(repr(limit_frac))


@dataclass(frozen=True, slots=True)
class _LossLimit:
    """Trips when E ≤ base · (1 − limit), computed in decimals, so that the limit itself trips."""

    limit_frac: float

    def change_frac(self, equity_usd: Decimal, base_usd: Decimal) -> float:
        """Return E/base − 1, NaN where the base is not positive."""
        return float(equity_usd / base_usd - 1) if base_usd > 0 else float("nan")

    def tripped(self, equity_usd: Decimal, base_usd: Decimal) -> bool:
        """Return whether the loss has reached the limit."""
        return equity_usd <= base_usd * _kept(self.limit_frac)


class DrawdownMonitor(_LossLimit):
    """Drawdown E/peak − 1; the peak starts at the starting equity."""

    rule_id = "max_drawdown"


class DailyLossMonitor(_LossLimit):
    """Loss since the session's open, E/E_open − 1, marked to market, with fees, without deposits."""

    rule_id = "max_daily_loss"
