"""What the core does at a bar end: take bars, open and close sessions, advance the market memory, mark the book."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from LIVE_TRADING.common.events import ScheduledTrigger
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import BarBatch, Leg
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.engine.book import empty_batch, merged
from LIVE_TRADING.engine.commands import AccountMarked, Anomaly, Command, CycleSkipped, RequestSnapshot, RunInference
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.digest import RunDigest
from LIVE_TRADING.engine.schedule import CYCLE, SESSION_CLOSE, SESSION_OPEN
from LIVE_TRADING.engine.sending import cancel_new_risk, request_cancel, send_exit
from LIVE_TRADING.engine.state import CoreState, PendingCycle
from LIVE_TRADING.engine.state_changes import state_changes
from LIVE_TRADING.risk import RiskMemory, TradingState


def on_bars(context: CoreContext, state: CoreState, bars: BarBatch, now_ns: int) -> Step:
    """Collect bars until the cycle of their bar end; those that come after it are said and not applied."""
    if bars.bar_end_ns <= state.market.advanced_to_ns:
        return state, [_not_applied("late_bar", context, bars)]
    earlier = state.bars_of(bars.bar_end_ns)
    others = (batch for batch in state.collected if batch is not earlier)
    joined = bars if earlier is None else merged(earlier, bars)
    collected = tuple(sorted((*others, joined), key=lambda batch: batch.bar_end_ns))
    return replaced(state, collected=collected, quotes=state.quotes.with_bars(bars)), []


def _not_applied(kind: str, context: CoreContext, bars: BarBatch) -> Anomaly:
    closes = zip(context.run.symbols, bars.close.tolist(), strict=True)
    names = ", ".join(name for name, close in closes if close == close)
    return Anomaly(kind, f"bar end {iso_utc(bars.bar_end_ns)}: {names} not applied")


def on_trigger(context: CoreContext, state: CoreState, trigger: ScheduledTrigger, now_ns: int) -> Step:
    """Open a session, start a cycle or close a session.

    Raises
    ------
    ValueError
        The trigger is none of these.
    """
    if trigger.trigger_type == SESSION_OPEN:
        return _open_session(context, state, trigger)
    if trigger.trigger_type == SESSION_CLOSE:
        return replaced(state, session=None), []
    if trigger.trigger_type != CYCLE:
        raise ValueError(f"trigger {trigger.trigger_type} is none of {SESSION_OPEN}, {CYCLE}, {SESSION_CLOSE}")
    if trigger.scheduled_time_ns <= state.market.advanced_to_ns:
        return state, [CycleSkipped(trigger.scheduled_time_ns, "repeated")]
    return _start_cycle(context, state, trigger, now_ns)


def _open_session(context: CoreContext, state: CoreState, trigger: ScheduledTrigger) -> Step:
    session = trigger.session
    if session.open_ns <= state.opened_ns:
        return state, []  # a restart within the session
    risk = context.parts.guardrails.open_session(state.risk, session.date, state.equity)
    after = replaced(
        state,
        session=session,
        session_number=state.session_number + 1,
        opened_ns=session.open_ns,
        orders=state.orders.without_closed_before(state.opened_ns),
        risk=risk,
    )
    return after, state_changes(state.risk, risk)


def _start_cycle(context: CoreContext, state: CoreState, trigger: ScheduledTrigger, now_ns: int) -> Step:
    """Advance the market memory, ask for predictions, mark the book, judge the guardrails."""
    end_ns, session = trigger.scheduled_time_ns, trigger.session
    bars = state.bars_of(end_ns) or empty_batch(end_ns, context.run.interval_ns, len(context.run.symbols))
    unscheduled = [batch for batch in state.collected if batch.bar_end_ns < end_ns]
    commands: list[Command] = [_not_applied("unscheduled_bars", context, batch) for batch in unscheduled]
    market, view = context.parts.market.advance(state.market, bars, session)
    slot, n_bars = session.slot(end_ns, bars.interval_ns), session.n_bars(bars.interval_ns)
    pending = state.pending
    if pending is not None:
        commands.append(CycleSkipped(end_ns, "skipped_overlap"))
    else:
        pending = PendingCycle(end_ns, view, session, state.session_number, slot, n_bars)
        commands.append(RunInference(end_ns, bars, view.features, market.windows))
    awaited, settled = context.parts.outcomes.advance(state.awaited, bars, context.column, market.session_number, slot)
    marked = _mark(context, state, end_ns)
    after = replaced(
        state,
        market=market,
        collected=tuple(batch for batch in state.collected if batch.bar_end_ns > end_ns),
        session=session,
        pending=pending,
        awaited=awaited,
        settled=(*state.settled, *settled),
        risk=marked.risk,
        equity=marked.equity,
        digest=marked.digest,
    )
    after, cancels = cancel_new_risk(after, now_ns)
    commands += [*marked.commands, *cancels]
    every = context.parts.config.reconcile.every_cycles
    if every and state.cycle_number % every == every - 1 and not context.is_warmup(end_ns):
        commands.append(RequestSnapshot(0))
    if marked.flatten and context.can_fill(slot, n_bars):
        after, orders = _flatten(context, after, now_ns)
        commands += orders
    return after, commands


@dataclass(frozen=True, slots=True)
class _Marked:
    """The book at a bar end; `flatten`: the guardrails ask to leave every position."""

    risk: RiskMemory
    equity: Decimal
    digest: RunDigest
    commands: list[Command]
    flatten: bool


def _mark(context: CoreContext, state: CoreState, end_ns: int) -> _Marked:
    """Mark the book and judge the guardrails."""
    account = context.account(state)
    risk, status = context.parts.guardrails.evaluate(state.risk, account.equity, end_ns)
    commands: list[Command] = []
    digest = state.digest
    if not context.is_warmup(end_ns):
        commands.append(
            AccountMarked(
                end_ns,
                account.cash,
                account.positions_value,
                account.equity,
                len(state.ledger.positions),
                account.gross,
                account.net,
                status.drawdown_frac,
                status.daily_loss_frac,
            )
        )
        digest = digest.with_account(end_ns, account.cash, account.book)
    return _Marked(risk, account.equity, digest, commands + state_changes(state.risk, risk), status.flatten)


def _flatten(context: CoreContext, state: CoreState, now_ns: int) -> Step:
    """Leave every position that no exit works on yet; repeated at each bar end until flat.

    While trading is halted nothing is sent: the positions stay until an operator resumes.
    """
    commands: list[Command] = []
    for record in tuple(state.orders.open.values()):  # order: of sending
        if not record.leaves:
            state, asked = request_cancel(state, record, int(Reason.GUARDRAIL), now_ns, then_exit=True)
            commands += asked
    if state.risk.state is TradingState.HALTED:
        return state, commands
    for symbol in sorted(state.ledger.positions):
        if not state.orders.of_symbol(symbol):
            state, sent = send_exit(context, state, symbol, now_ns, Leg.FLATTEN, int(Reason.GUARDRAIL))
            commands += sent
    return state, commands
