"""What sizing is asked."""

from __future__ import annotations

from dataclasses import dataclass

from LIVE_TRADING.common.types import BoolArray, CodeArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class SizingRequest:
    """Everything a target depends on; shape (N,) each unless said.

    `action`, `side` and `net_bps` are those of arbitration (`net_bps` its `chosen_net_bps`), `sigma_h_bps` the
    volatility over the chosen horizon, `sigma_day_bps` over a session. `gate_factor` scales sizes, `entry_allowed`
    joins every yes or no to entries and increases (gates, cooldown, trading state). `held_shares` is signed.
    `working_weight`, signed, is what orders not yet filled would add to the position. `lot` > 0 and
    `min_notional_usd` are the venue's. `equity_usd` is the account's, `reserve_bps` that of arbitration: what a
    resize must earn. NaN in a price or volatility: no trade but an exit.
    """

    action: CodeArray
    side: CodeArray
    net_bps: FloatArray
    sigma_h_bps: FloatArray
    sigma_day_bps: FloatArray
    gate_factor: FloatArray
    entry_allowed: BoolArray
    held_shares: FloatArray
    price_usd: FloatArray
    lot: FloatArray
    min_notional_usd: FloatArray
    working_weight: FloatArray
    equity_usd: float
    reserve_bps: float

    def of(self, index: IntArray) -> SizingRequest:
        """Return the request for some of the symbols."""
        return SizingRequest(
            self.action.take(index),
            self.side.take(index),
            self.net_bps.take(index),
            self.sigma_h_bps.take(index),
            self.sigma_day_bps.take(index),
            self.gate_factor.take(index),
            self.entry_allowed.take(index),
            self.held_shares.take(index),
            self.price_usd.take(index),
            self.lot.take(index),
            self.min_notional_usd.take(index),
            self.working_weight.take(index),
            self.equity_usd,
            self.reserve_bps,
        )
