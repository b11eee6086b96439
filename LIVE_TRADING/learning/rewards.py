"""From a closed round trip to a reward: entries wait here until their position is closed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
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
    entry_notional_usd   notional of the fills that opened or increased the position so far
    """

    order_number: int
    symbol: str
    arm: int
    probability: float
    qualifies: tuple[bool, ...]
    sigma_h_bps: float
    entry_notional_usd: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if not 0 <= self.arm < len(self.qualifies) or not self.qualifies[self.arm]:
            raise ValueError(f"{self.symbol}: arm {self.arm} is not among those it was drawn from {self.qualifies}")
        if not 0.0 < self.probability <= 1.0 or not 0.0 < self.sigma_h_bps < math.inf:
            raise ValueError(f"{self.symbol}: probability {self.probability} or sigma_h {self.sigma_h_bps} impossible")
        if not self.entry_notional_usd.is_finite() or self.entry_notional_usd < 0:
            raise ValueError(f"{self.symbol}: entry notional {self.entry_notional_usd} impossible")


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A closed position: its entry, when the last share left, and the P&L in USD net of all fees."""

    entry: PendingReward
    exit_time_ns: int
    net_pnl_usd: Decimal

    @property
    def pnl_bps(self) -> float:
        """Return the net P&L on the entry notional, bps."""
        return float(self.net_pnl_usd / self.entry.entry_notional_usd) * BPS


@dataclass(frozen=True, slots=True)
class RewardMemory:
    """Entries that are open, one per symbol, by symbol; round trips that are closed and not yet learned from."""

    pending: tuple[PendingReward, ...] = ()
    matured: tuple[RoundTrip, ...] = ()

    def entry_of(self, symbol: str) -> PendingReward | None:
        """Return the open entry of a symbol."""
        return next((entry for entry in self.pending if entry.symbol == symbol), None)


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
    """Keeps what an entry was drawn from until it closes, then teaches the bandit.

    The reward goes to the arm of the entry, whatever horizon the position was held for later. Round trips are learned
    from in the order of (exit time, order number of the entry), so that fills that arrive in another order within a
    cycle teach the same.
    """

    def __init__(self, config: LearningConfig, bandit: Exp3IXBandit) -> None:
        self._config = config
        self._bandit = bandit

    def opened(self, memory: RewardMemory, entry: PendingReward) -> RewardMemory:
        """Remember an entry; one of the same symbol still open is forgotten, its result cannot be told apart."""
        kept = (*_without(memory, entry.symbol), entry)
        return replace(memory, pending=tuple(sorted(kept, key=lambda item: item.symbol.encode())))

    def increased(self, memory: RewardMemory, symbol: str, notional_usd: Decimal) -> RewardMemory:
        """Add the notional of a fill that opened or increased the position of `symbol`."""
        entry = memory.entry_of(symbol)
        if entry is None:
            return memory
        return self.opened(memory, replace(entry, entry_notional_usd=entry.entry_notional_usd + notional_usd))

    def dropped(self, memory: RewardMemory, symbol: str) -> RewardMemory:
        """Forget the entry of `symbol`: it was refused, or nothing of it was filled."""
        return replace(memory, pending=_without(memory, symbol))

    def closed(self, memory: RewardMemory, symbol: str, exit_time_ns: int, net_pnl_usd: Decimal) -> RewardMemory:
        """Move the entry of `symbol` to the round trips to learn from.

        A position without an entry on record (adopted from the broker), or without notional, teaches nothing.
        """
        entry = memory.entry_of(symbol)
        remaining = self.dropped(memory, symbol)
        if entry is None or entry.entry_notional_usd == 0:
            return remaining
        trip = RoundTrip(entry, exit_time_ns, net_pnl_usd)
        return replace(remaining, matured=tuple(sorted((*memory.matured, trip), key=_order_of_learning)))

    def learn(self, memory: RewardMemory, state: BanditState) -> tuple[RewardMemory, BanditState]:
        """Fold the round trips into the bandit; with learning off they are put aside and the bandit stays."""
        if self._config.mode == "off":
            return replace(memory, matured=()), state
        for trip in sorted(memory.matured, key=_order_of_learning):
            entry = trip.entry
            value = reward(trip.pnl_bps, entry.sigma_h_bps, self._config.reward_scale)
            state = self._bandit.update(state, entry.arm, value, entry.probability, np.array(entry.qualifies))
        return replace(memory, matured=()), state


def _without(memory: RewardMemory, symbol: str) -> tuple[PendingReward, ...]:
    return tuple(entry for entry in memory.pending if entry.symbol != symbol)


def _order_of_learning(trip: RoundTrip) -> tuple[int, int]:
    return trip.exit_time_ns, trip.entry.order_number
