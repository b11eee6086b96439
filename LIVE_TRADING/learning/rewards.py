"""From a closed round trip to a reward, and from rewards to the bandit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from LIVE_TRADING.common.units import BPS
from LIVE_TRADING.learning.bandit import BanditState, Exp3IXBandit
from LIVE_TRADING.learning.config import LearningConfig


@dataclass(frozen=True, slots=True)
class PendingReward:
    """An entry that waits for its result.

    order_number         number of the entry order
    arm                  row of the horizon that was drawn
    probability          π of that draw, tilt included
    qualifies            the horizons it was drawn from, one flag per arm
    sigma_h_bps          volatility over the drawn horizon, at entry
    entry_notional_usd   notional of the fills that opened or increased the position

    Raises ValueError where one of these is impossible.
    """

    order_number: int
    symbol: str
    arm: int
    probability: float
    qualifies: tuple[bool, ...]
    sigma_h_bps: float
    entry_notional_usd: Decimal

    def __post_init__(self) -> None:
        if not 0 <= self.arm < len(self.qualifies) or not self.qualifies[self.arm]:
            raise ValueError(f"{self.symbol}: arm {self.arm} is not among those it was drawn from {self.qualifies}")
        if not 0.0 < self.probability <= 1.0 or not 0.0 < self.sigma_h_bps < math.inf:
            raise ValueError(f"{self.symbol}: probability {self.probability} or sigma_h {self.sigma_h_bps} impossible")
        if not self.entry_notional_usd.is_finite() or self.entry_notional_usd <= 0:
            raise ValueError(f"{self.symbol}: entry notional {self.entry_notional_usd} impossible")

    def matured(self, exit_time_ns: int, net_pnl_usd: Decimal) -> RoundTrip:
        """Return the round trip: when its last share left, and what it made net of all fees."""
        return RoundTrip(self, exit_time_ns, net_pnl_usd)


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A closed position: its entry, the time of its last fill, its P&L in USD net of all fees."""

    entry: PendingReward
    exit_time_ns: int
    net_pnl_usd: Decimal

    @property
    def pnl_bps(self) -> float:
        """Return the net P&L on the entry notional, bps."""
        return float(self.net_pnl_usd / self.entry.entry_notional_usd) * BPS


def reward(pnl_bps: float, sigma_h_bps: float, scale: float = 3.0) -> float:
    """Return clip(½ + pnl / (2·S·σ_h), 0, 1): a round trip that made nothing is worth one half.

    Raises
    ------
    ValueError
        P&L is NaN, or the volatility is not a positive finite number.
    """
    if math.isnan(pnl_bps) or not 0.0 < sigma_h_bps < math.inf:
        raise ValueError(f"no reward for a P&L of {pnl_bps} bps at a volatility of {sigma_h_bps} bps")
    return min(1.0, max(0.0, 0.5 + pnl_bps / (2.0 * scale * sigma_h_bps)))


class RewardTracker:
    """Teaches the bandit what closed round trips made.

    The reward goes to the arm of the entry, whatever horizon the position was held for later. Round trips are learned
    from in the order of (exit time, order number of the entry), so that fills which arrive in another order within a
    cycle teach the same.
    """

    def __init__(self, config: LearningConfig, bandit: Exp3IXBandit) -> None:
        self._off = config.mode != "exp3ix"
        self._scale = config.reward_scale
        self._bandit = bandit

    def reward_of(self, trip: RoundTrip) -> float:
        """Return the reward of one round trip."""
        return reward(trip.pnl_bps, trip.entry.sigma_h_bps, self._scale)

    def learn(self, state: BanditState, trips: Iterable[RoundTrip]) -> BanditState:
        """Return the bandit's state after these round trips; with another mode than exp3ix, the state as it was."""
        if self._off:
            return state
        for trip in sorted(trips, key=lambda trip: (trip.exit_time_ns, trip.entry.order_number)):
            entry = trip.entry
            qualifies = np.array(entry.qualifies, dtype=np.bool_)
            state = self._bandit.update(state, entry.arm, self.reward_of(trip), entry.probability, qualifies)
        return state
