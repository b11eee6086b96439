"""What entries teach about their horizons: by the trade that was made, or by what each horizon would have made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import Leg, Order
from LIVE_TRADING.engine.commands import BanditUpdated, Command
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.ledger import ClosedTrade
from LIVE_TRADING.engine.pipeline import Decision
from LIVE_TRADING.engine.state import CoreState, PendingCycle
from LIVE_TRADING.learning import PendingReward, RoundTrip, WaitingEntry


def learn(context: CoreContext, state: CoreState) -> Step:
    """Fold what has matured into the weights: round trips by exit time, outcomes by their end, then by order number."""
    if not state.matured and not state.settled:
        return state, []
    parts = context.parts
    trips = [trip for trade in state.matured if (trip := round_trip(trade)) is not None]
    bandit = parts.hedge.learn(parts.rewards.learn(state.bandit, trips), state.settled)
    commands: list[Command] = []
    if bandit is not state.bandit:
        probabilities = parts.bandit.probabilities(bandit)
        commands.append(BanditUpdated(bandit.rounds, tuple(float(p) for p in probabilities)))
    return replaced(state, bandit=bandit, matured=(), settled=()), commands


def round_trip(trade: ClosedTrade) -> RoundTrip | None:
    """Return what the bandit learns from a closed trade; None for one it did not decide."""
    ticket = trade.ticket
    if ticket is None or not ticket.qualifies:
        return None
    entry = PendingReward(
        order_number=trade.entry_order_number,
        symbol=trade.symbol,
        arm=ticket.horizon,
        probability=ticket.probability,
        qualifies=ticket.qualifies,
        sigma_h_bps=ticket.sigma_h_bps,
        entry_notional_usd=trade.entry_notional,
    )
    return entry.matured(trade.closed_ns, trade.net_pnl)


def await_outcomes(
    context: CoreContext, state: CoreState, orders: Sequence[Order], pending: PendingCycle, decision: Decision
) -> CoreState:
    """Remember entries whose horizons will all be judged; where trades teach, or only one horizon qualified, none are.

    Entries of a cycle that the next bar has overtaken are not among them: their first bar has gone by unseen.
    """
    if context.parts.learning.mode != "hedge" or state.market.advanced_to_ns != pending.cycle_time_ns:
        return state
    chosen, blend = decision.arbitration, decision.blend
    at = (pending.cycle_time_ns // context.run.interval_ns, state.market.session_number, pending.slot)
    entries = []
    for order in orders:
        column = context.column[order.symbol]
        if order.leg is not Leg.ENTRY or np.count_nonzero(chosen.qualifies[:, column]) < 2:
            continue
        entries.append(
            WaitingEntry.decided(
                order.order_number,
                order.symbol,
                at,
                qualifies=tuple(chosen.qualifies[:, column].tolist()),
                side=tuple(-1 if alpha < 0 else 1 for alpha in blend.alpha_bps[:, column].tolist()),
                sigma_h_bps=tuple(blend.sigma_bps[:, column].tolist()),
                cost_bps=float(chosen.cost_bps[column]),
            )
        )
    return replaced(state, awaited=(*state.awaited, *entries)) if entries else state
