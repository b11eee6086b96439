"""What the core does at a bar end: take bars, open and close sessions, advance the market memory, mark the book."""

from __future__ import annotations

from dataclasses import replace

from LIVE_TRADING.common.events import ScheduledTrigger
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import BarBatch, Leg
from LIVE_TRADING.engine.book import empty_batch, merged
from LIVE_TRADING.engine.commands import AccountMarked, Anomaly, Command, CycleSkipped, RunInference
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.control import state_changes
from LIVE_TRADING.engine.schedule import SESSION_CLOSE, SESSION_OPEN
from LIVE_TRADING.engine.sending import request_cancel, send_exit
from LIVE_TRADING.engine.state import CoreState, PendingCycle


def on_bars(context: CoreContext, state: CoreState, bars: BarBatch, now_ns: int) -> Step:
    """Collect the bars of a bar end; those that come after its cycle was triggered are said and not applied."""
    if bars.bar_end_ns <= state.market.advanced_to_ns:
        closes = zip(context.run.symbols, bars.close.tolist(), strict=True)
        late = [name for name, close in closes if close == close]
        return state, [Anomaly("late_bar", f"bar end {bars.bar_end_ns}: {', '.join(late)} not applied")]
    collected = bars
    if state.collected is not None and state.collected.bar_end_ns == bars.bar_end_ns:
        collected = merged(state.collected, bars)
    return replace(state, collected=collected, quotes=state.quotes.with_bars(bars)), []


def on_trigger(context: CoreContext, state: CoreState, trigger: ScheduledTrigger, now_ns: int) -> Step:
    """Open a session, start a cycle or close a session."""
    if trigger.trigger_type == SESSION_OPEN:
        return _open_session(context, state, trigger)
    if trigger.trigger_type == SESSION_CLOSE:
        return replace(state, session=None), []
    return _start_cycle(context, state, trigger)


def _open_session(context: CoreContext, state: CoreState, trigger: ScheduledTrigger) -> Step:
    session = trigger.session
    if session.open_ns <= state.opened_ns:
        return state, []  # a restart within the session
    risk = context.parts.guardrails.open_session(state.risk, session.date, state.equity)
    number = state.session_number + 1
    after = replace(state, session=session, session_number=number, opened_ns=session.open_ns, risk=risk)
    return after, state_changes(state.risk, risk)


def _start_cycle(context: CoreContext, state: CoreState, trigger: ScheduledTrigger) -> Step:
    """Advance the market memory, ask for predictions, mark the book, judge the guardrails."""
    end_ns, session, interval_ns = trigger.scheduled_time_ns, trigger.session, context.run.interval_ns
    bars = state.collected
    if bars is None or bars.bar_end_ns != end_ns:
        bars = empty_batch(end_ns, interval_ns, len(context.run.symbols))
    market, view = context.parts.market.advance(state.market, bars, session)
    slot, n_bars = session.slot(end_ns, interval_ns), session.n_bars(interval_ns)
    commands: list[Command] = []
    after = replace(state, market=market, collected=None, session=session)
    if state.pending is not None:
        commands.append(CycleSkipped(end_ns, "skipped_overlap"))
    else:
        pending = PendingCycle(end_ns, view, session, state.session_number, slot, n_bars)
        after = replace(after, pending=pending)
        commands.append(RunInference(end_ns, bars, view.features))
    after, marked, flatten = _mark(context, after, end_ns)
    commands += marked
    if flatten and context.can_fill(slot, n_bars):
        after, orders = _flatten(context, after, end_ns)
        commands += orders
    return after, commands


def _mark(context: CoreContext, state: CoreState, end_ns: int) -> tuple[CoreState, list[Command], bool]:
    """Mark the book and judge the guardrails; returns also whether they ask to leave every position."""
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
        digest = digest.with_account(end_ns, account.cash, account.quantities)
    commands += state_changes(state.risk, risk)
    return replace(state, risk=risk, equity=account.equity, digest=digest), commands, status.flatten


def _flatten(context: CoreContext, state: CoreState, time_ns: int) -> Step:
    """Leave every position that no exit works on yet; repeated at each bar end until flat."""
    commands: list[Command] = []
    for symbol in sorted(state.ledger.positions):
        working = state.orders.of_symbol(symbol)
        for record in working:
            if record.order.leg not in (Leg.EXIT, Leg.FLATTEN) and not record.cancel_requested:
                state, command = request_cancel(state, record, int(Reason.GUARDRAIL))
                commands.append(command)
        if not working:
            state, sent = send_exit(context, state, symbol, time_ns, Leg.FLATTEN, int(Reason.GUARDRAIL))
            commands += sent
    return state, commands
