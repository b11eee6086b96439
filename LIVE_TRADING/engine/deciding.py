"""The decision of a cycle: predictions in, through the stages, orders out past the pre-trade rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.arbitration import CycleMoment
from LIVE_TRADING.common.events import CycleAborted, PredictionsReady
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import Action, AllPredictions, CodeArray, FloatArray, Leg, Order
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.engine.book import book_view
from LIVE_TRADING.engine.commands import Anomaly, Command, CycleDecided, CycleSkipped
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.cycle import CycleResult, DecisionTrace
from LIVE_TRADING.engine.horizon_learning import await_outcomes, learn
from LIVE_TRADING.engine.ledger import EntryTicket
from LIVE_TRADING.engine.order_plan import PlanInputs, PlannedOrders, plan_orders
from LIVE_TRADING.engine.orders import OrderRecord, OrderStatus
from LIVE_TRADING.engine.pipeline import Decision, decide
from LIVE_TRADING.engine.pretrade import PreTradeCheck
from LIVE_TRADING.engine.sending import request_cancel, submit_all
from LIVE_TRADING.engine.state import CoreState, PendingCycle
from LIVE_TRADING.risk import TradingState

# plain integers: numpy takes several times longer over an enum member
_ENTER, _HOLD, _EXTEND, _OK = int(Action.ENTER), int(Action.HOLD), int(Action.EXTEND), int(Reason.OK)
_NEVER_NS = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Decided:
    """A cycle's decision with what it was taken on."""

    pending: PendingCycle
    moment: CycleMoment
    predictions: AllPredictions
    held_shares: FloatArray
    decision: Decision


def on_predictions(context: CoreContext, state: CoreState, ready: PredictionsReady, now_ns: int) -> Step:
    """Decide the cycle that waits for these predictions; a warm-up cycle forecasts and decides nothing."""
    pending = state.pending
    if pending is None or pending.cycle_time_ns != ready.cycle_time_ns:
        return state, [Anomaly("dropped_predictions", f"no cycle waits for those of {iso_utc(ready.cycle_time_ns)}")]
    parts, end_ns = context.parts, pending.cycle_time_ns
    bar_end_ns = state.quotes.bar_end_ns
    # a bar that ended since the trigger makes nothing fresher than fresh: the features are those of the trigger
    age_ns = np.where(bar_end_ns >= 0, np.maximum(end_ns - bar_end_ns, 0), _NEVER_NS)
    planned_usd = 0.5 * parts.max_weight * float(state.equity)
    market, predictions = parts.market.predict(state.market, ready.raw, pending.slot, pending.view, age_ns, planned_usd)
    state = state.cycle_answered(market)
    if context.is_warmup(end_ns):
        return state, [CycleDecided(CycleResult(state.cycle_number, end_ns, context.run.symbols, None))]
    state, learned = learn(context, state)
    stale = now_ns - end_ns > parts.max_prediction_age_ns
    moment = CycleMoment(end_ns, pending.slot, pending.n_bars_session, parts.session_ends, stale)
    book = book_view(
        state,
        parts,
        context.run.symbols,
        context.column,
        moment,
        planned_usd,
        (ready.p_peak, ready.p_valley),
        may_increase=not stale and state.risk.state is TradingState.ACTIVE,
        interval_ns=context.run.interval_ns,
    )
    covariance = parts.market.forecast.forecast_covariance(market.forecast)
    selector = parts.selector(state.bandit, context.run.seed)
    decision = decide(parts.stages, predictions, covariance, pending.view, book, selector)
    return conclude(context, state, Decided(pending, moment, predictions, book.held_shares, decision), learned, now_ns)


def conclude(context: CoreContext, state: CoreState, decided: Decided, learned: list[Command], now_ns: int) -> Step:
    """Order what was decided and chain its digests; `learned` is told before the decision."""
    state, result, commands = _order(context, state, decided, now_ns)
    digest = state.digest.with_cycle(result.decision_digest, result.trace_digest)
    return replaced(state, digest=digest), [*learned, CycleDecided(result), *commands]


def on_aborted(context: CoreContext, state: CoreState, aborted: CycleAborted, now_ns: int) -> Step:
    """End the cycle in flight without a decision."""
    if state.pending is None or state.pending.cycle_time_ns != aborted.cycle_time_ns:
        return state, []
    return replaced(state, pending=None), [CycleSkipped(aborted.cycle_time_ns, aborted.reason)]


def _order(
    context: CoreContext, state: CoreState, decided: Decided, now_ns: int
) -> tuple[CoreState, CycleResult, list[Command]]:
    """Turn targets into orders; returns the state that has sent them."""
    pending, decision = decided.pending, decided.decision
    planned = _plan(context, state, decided, now_ns)
    trace = DecisionTrace(
        decided.predictions,
        decision.blend,
        decision.arbitration,
        decision.barrier,
        decision.spread,
        decision.sizing,
        _risk_reasons(context, state, planned.reason, decided),
    )
    result = CycleResult(
        state.cycle_number,
        pending.cycle_time_ns,
        context.run.symbols,
        trace,
        planned.orders,
        tuple(order_id for order_id, _ in planned.cancels),
        planned.rejections,
    )
    commands: list[Command] = []
    state = _reclock(context, state, pending, decision)
    for order_id, reason in planned.cancels:
        state, cancel = request_cancel(state, state.orders.open[order_id], reason, now_ns, then_exit=True)
        commands += cancel
    if planned.orders:
        records = [
            OrderRecord(order, OrderStatus.SUBMITTED, reason, _ticket(context, order, pending, decision))
            for order, reason in zip(planned.orders, planned.order_reasons, strict=True)
        ]
        state, sent = submit_all(state, records, now_ns)
        commands += sent
    state = await_outcomes(context, state, planned.orders, pending, decision)
    return state, result, commands


def _plan(context: CoreContext, state: CoreState, decided: Decided, now_ns: int) -> PlannedOrders:
    pending, moment, decision = decided.pending, decided.moment, decided.decision
    inputs = PlanInputs(
        symbols=context.run.symbols,
        column=context.column,
        held_shares=decided.held_shares,
        time_ns=pending.cycle_time_ns,
        action=decision.arbitration.action,
        stage_reason=_order_reason(decision),
        target_shares=decision.sizing.target_shares,
        ledger=state.ledger,
        orders=state.orders,
        price_usd=state.quotes.price,
        lots=context.parts.lots,
        nonce=context.run.nonce,
        next_order_number=state.order_number + 1,
        can_fill=context.can_fill(pending.slot, pending.n_bars_session),
        closing=moment.closing,
        intraday=tuple(not horizon.is_daily for horizon in context.parts.horizons),
    )
    return plan_orders(inputs, PreTradeCheck(context, state, now_ns))


def _order_reason(decision: Decision) -> CodeArray:
    """Return per symbol why an order would be sent: arbitration's reason, or sizing's where a position stays."""
    chosen, sizing = decision.arbitration, decision.sizing
    stays = (chosen.action == _HOLD) | (chosen.action == _EXTEND)
    return np.where(stays, sizing.reason, chosen.reason)


def _risk_reasons(context: CoreContext, state: CoreState, planned: CodeArray, decided: Decided) -> CodeArray:
    """Return the risk stage's reason per symbol: why an entry that was wanted did not become an order."""
    wants = (decided.decision.arbitration.action == _ENTER) & (planned == _OK)
    if not wants.any():
        return planned
    reason = planned
    if decided.moment.stale_predictions:
        reason = np.where(wants, np.int16(Reason.STALE_PREDICTIONS), reason)
    elif state.risk.state is not TradingState.ACTIVE:
        blocked = Reason.HALTED if state.risk.state is TradingState.HALTED else Reason.REDUCE_ONLY
        reason = np.where(wants, np.int16(blocked), reason)
    reason = np.where(wants & ~context.parts.tradable, np.int16(Reason.NOT_SELECTED), reason)
    return reason.astype(np.int16)


def _reclock(context: CoreContext, state: CoreState, pending: PendingCycle, decision: Decision) -> CoreState:
    """Start the clock of positions that took another horizon."""
    chosen, ledger = decision.arbitration, state.ledger
    extended = (chosen.action == _EXTEND).nonzero()[0].tolist()
    if not extended:
        return state
    for column in extended:
        ledger = ledger.reclocked(
            context.run.symbols[column],
            int(chosen.horizon[column]),
            pending.cycle_time_ns,
            pending.session_number,
            pending.slot,
        )
    return replaced(state, ledger=ledger)


def _ticket(context: CoreContext, order: Order, pending: PendingCycle, decision: Decision) -> EntryTicket | None:
    """Return what an entry was decided on; None for other legs, and where no horizon was chosen, as by a rule."""
    if order.leg is not Leg.ENTRY:
        return None
    column, chosen = context.column[order.symbol], decision.arbitration
    horizon = int(chosen.horizon[column])
    if horizon < 0:
        return None
    return EntryTicket(
        horizon=horizon,
        probability=float(chosen.entry_probability[column]),
        qualifies=tuple(chosen.qualifies[:, column].tolist()),
        sigma_h_bps=float(decision.blend.sigma_bps[horizon, column]),
        cost_bps=float(chosen.cost_bps[column]),
        decision_time_ns=pending.cycle_time_ns,
        session_number=pending.session_number,
        slot=pending.slot,
    )
