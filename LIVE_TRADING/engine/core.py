"""The deterministic core: an event in, commands out.

No IO, no threads, no clock, no randomness of its own. Live, backtest and replay feed it the same events and get the same
commands. A handler computes a whole new state and returns it; when it raises, the state is the one before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from LIVE_TRADING.arbitration import CycleMoment
from LIVE_TRADING.common.events import (
    CancelRejected,
    ControlRequest,
    CycleAborted,
    OrderAck,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderReject,
    PredictionsReady,
    RunStarted,
    ScheduledTrigger,
    Stamped,
    SystemFault,
)
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action, BarBatch, Leg, Order, Rejection, Side
from LIVE_TRADING.engine.assembly import Assembly
from LIVE_TRADING.engine.book import account_of, book_view, empty_batch, merged, risk_context, round_trip
from LIVE_TRADING.engine.commands import (
    AccountMarked,
    Anomaly,
    BanditUpdated,
    CancelOrder,
    Command,
    CycleDecided,
    CycleSkipped,
    RunInference,
    SubmitOrder,
    TradeClosed,
    TradingStateChanged,
)
from LIVE_TRADING.engine.cycle import CycleResult, DecisionTrace
from LIVE_TRADING.engine.digest import RunDigest
from LIVE_TRADING.engine.ledger import EntryTicket, FillContext, Ledger
from LIVE_TRADING.engine.market import MarketMemory, MarketModel
from LIVE_TRADING.engine.order_plan import PlanInputs, client_order_id, plan_orders
from LIVE_TRADING.engine.orders import OrderBook, OrderRecord, OrderStatus
from LIVE_TRADING.engine.pipeline import BookView, Decision, decide
from LIVE_TRADING.engine.state import TRADE_HISTORY, CoreState, PendingCycle, Quotes
from LIVE_TRADING.risk import RiskMemory, TradingState

Step = tuple[CoreState, list[Command]]


class EngineCore:
    """The state machine that takes every decision.

    Parameters
    ----------
    run
        What opened the run; a replay uses the recorded one.
    assembly
        Stages and models built from the run's configuration (`assemble`).
    market
        Market memory to start from: the artifacts' snapshot, a checkpoint, or an empty one.
    """

    def __init__(self, run: RunStarted, assembly: Assembly, market: MarketMemory) -> None:
        self.run = run
        self._with = assembly
        self._names = run.symbols
        self._column = {symbol: column for column, symbol in enumerate(run.symbols)}
        self._handlers: dict[type, Callable[[CoreState, Any, int], Step]] = {
            SystemFault: self._on_fault,
            OrderAck: self._on_ack,
            OrderFill: self._on_fill,
            OrderReject: self._on_reject,
            OrderCancelled: self._on_cancelled,
            CancelRejected: self._on_cancel_rejected,
            OrderExpired: self._on_expired,
            ControlRequest: self._on_control,
            PredictionsReady: self._on_predictions,
            BarBatch: self._on_bars,
            ScheduledTrigger: self._on_trigger,
            CycleAborted: self._on_aborted,
        }
        cash = Decimal(run.initial_cash)
        self._state = CoreState(
            ledger=Ledger({run.currency: cash}, {}),
            orders=OrderBook({}, {}),
            risk=assembly.guardrails.initial(cash),
            bandit=assembly.bandit.initial(),
            market=market,
            quotes=Quotes.empty(len(run.symbols)),
            digest=RunDigest(),
            equity=cash,
        )

    @property
    def state(self) -> CoreState:
        """Return the current state."""
        return self._state

    @property
    def market_model(self) -> MarketModel:
        """Return the models behind the market memory."""
        return self._with.market

    def restore(self, state: CoreState) -> None:
        """Go on from a checkpointed state."""
        self._state = state

    def handle(self, stamped: Stamped) -> list[Command]:
        """Take an event and return what follows from it, in order.

        Raises
        ------
        Exception
            Whatever a handler raises; the state is then the one before the event.
        """
        now_ns = max(stamped.t_ns, self._state.now_ns)
        state, commands = self._handlers[type(stamped.event)](self._state, stamped.event, now_ns)
        self._state = replace(state, now_ns=now_ns)
        return commands

    # -- market --------------------------------------------------------------------------------------------------

    def _on_bars(self, state: CoreState, bars: BarBatch, now_ns: int) -> Step:
        if bars.bar_end_ns <= state.market.advanced_to_ns:
            late = [name for name, close in zip(self._names, bars.close.tolist(), strict=True) if close == close]
            return state, [Anomaly("late_bar", f"bar end {bars.bar_end_ns}: {', '.join(late)} not applied")]
        collected = bars
        if state.collected is not None and state.collected.bar_end_ns == bars.bar_end_ns:
            collected = merged(state.collected, bars)
        return replace(state, collected=collected, quotes=state.quotes.with_bars(bars)), []

    def _on_trigger(self, state: CoreState, trigger: ScheduledTrigger, now_ns: int) -> Step:
        if trigger.trigger_type == "session_open":
            if trigger.session.open_ns <= state.opened_ns:
                return state, []  # a restart within the session
            risk = self._with.guardrails.open_session(state.risk, trigger.session.date, state.equity)
            opened = replace(
                state,
                session=trigger.session,
                session_number=state.session_number + 1,
                opened_ns=trigger.session.open_ns,
                risk=risk,
            )
            return opened, _state_changes(state.risk, risk)
        if trigger.trigger_type == "session_close":
            return replace(state, session=None), []
        return self._on_cycle(state, trigger, now_ns)

    def _on_cycle(self, state: CoreState, trigger: ScheduledTrigger, now_ns: int) -> Step:
        """Advance the market memory, mark the book, judge the guardrails, ask for predictions."""
        end_ns, session, interval_ns = trigger.scheduled_time_ns, trigger.session, self.run.interval_ns
        bars = state.collected
        if bars is None or bars.bar_end_ns != end_ns:
            bars = empty_batch(end_ns, interval_ns, len(self._names))
        market, view = self._with.market.advance(state.market, bars, session)
        slot, n_bars = session.slot(end_ns, interval_ns), session.n_bars(interval_ns)
        commands: list[Command] = []
        after = replace(state, market=market, collected=None, session=session)
        if state.pending is not None:
            commands.append(CycleSkipped(end_ns, "skipped_overlap"))
        else:
            pending = PendingCycle(end_ns, view, session, state.session_number, slot, n_bars)
            after = replace(after, pending=pending)
            commands.append(RunInference(end_ns, bars, view.features))
        account = account_of(state.ledger, state.quotes, self._column, self.run.currency)
        risk, status = self._with.guardrails.evaluate(state.risk, account.equity, end_ns)
        if not self._warming_up(end_ns):
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
            digest = state.digest.with_account(end_ns, account.cash, account.quantities)
            after = replace(after, digest=digest)
        commands += _state_changes(state.risk, risk)
        after = replace(after, risk=risk, equity=account.equity)
        if status.flatten:
            after, orders = self._flatten(after, end_ns, can_fill=self._can_fill(slot, n_bars))
            commands += orders
        return after, commands

    def _flatten(self, state: CoreState, time_ns: int, can_fill: bool) -> Step:
        """Leave every position that no exit works on yet; repeated at each bar end until flat."""
        commands: list[Command] = []
        if not can_fill:
            return state, commands
        for symbol in sorted(state.ledger.positions):
            working = state.orders.of_symbol(symbol)
            for record in working:
                if record.order.leg not in (Leg.EXIT, Leg.FLATTEN) and not record.cancel_requested:
                    state, command = _request_cancel(state, record, int(Reason.GUARDRAIL))
                    commands.append(command)
            if not working:
                state, sent = self._send_exit(state, symbol, time_ns, Leg.FLATTEN, int(Reason.GUARDRAIL))
                commands += sent
        return state, commands

    # -- decision ------------------------------------------------------------------------------------------------

    def _on_predictions(self, state: CoreState, ready: PredictionsReady, now_ns: int) -> Step:
        pending = state.pending
        if pending is None or pending.cycle_time_ns != ready.cycle_time_ns:
            return state, [Anomaly("dropped_predictions", f"no cycle waits for those of {ready.cycle_time_ns}")]
        state = replace(state, pending=None, cycle_number=state.cycle_number + 1)
        end_ns = pending.cycle_time_ns
        quotes = state.quotes
        age_ns = np.where(quotes.bar_end_ns >= 0, end_ns - quotes.bar_end_ns, np.iinfo(np.int64).max)
        planned_usd = 0.5 * self._with.max_weight * float(state.equity)
        market, predictions = self._with.market.predict(
            state.market, ready.raw, pending.slot, pending.view, age_ns, planned_usd
        )
        state = replace(state, market=market)
        if self._warming_up(end_ns):
            return state, [CycleDecided(CycleResult(state.cycle_number, end_ns, self._names, None))]
        state, learned = self._learn(state)
        late_ns = now_ns - end_ns
        stale = late_ns > self._with.max_prediction_age_ns
        view = self._book_view(state, pending, planned_usd, ready, stale)
        decision = decide(
            self._with.stages,
            predictions,
            self._with.market.forecast.forecast_covariance(market.forecast),
            pending.view,
            view,
            self._with.selector(state.bandit, self.run.seed),
        )
        state, result, commands = self._order(state, pending, predictions, decision, now_ns, stale)
        digest = state.digest.with_cycle(result.decision_digest, result.trace_digest)
        return replace(state, digest=digest), [*learned, CycleDecided(result), *commands]

    def _book_view(
        self, state: CoreState, pending: PendingCycle, planned_usd: float, ready: PredictionsReady, stale: bool
    ) -> BookView:
        moment = CycleMoment(
            pending.cycle_time_ns, pending.slot, pending.n_bars_session, self._with.session_ends, stale
        )
        return book_view(
            state,
            self._with,
            self._names,
            self._column,
            moment,
            planned_usd,
            (ready.p_peak, ready.p_valley),
            may_increase=not stale and state.risk.state is TradingState.ACTIVE,
            interval_ns=self.run.interval_ns,
        )

    def _order(
        self,
        state: CoreState,
        pending: PendingCycle,
        predictions: Any,
        decision: Decision,
        now_ns: int,
        stale: bool,
    ) -> tuple[CoreState, CycleResult, list[Command]]:
        """Turn targets into orders past the pre-trade rules; returns the state that has sent them."""
        chosen, sizing = decision.arbitration, decision.sizing
        net_usd = float(account_of(state.ledger, state.quotes, self._column, self.run.currency).positions_value)
        planned = plan_orders(
            PlanInputs(
                symbols=self._names,
                time_ns=pending.cycle_time_ns,
                action=chosen.action,
                stage_reason=chosen.reason,
                target_shares=sizing.target_shares,
                ledger=state.ledger,
                orders=state.orders,
                price_usd=state.quotes.close,
                net_usd=net_usd,
                lots=self._with.lots,
                nonce=self.run.nonce,
                next_order_number=state.order_number + 1,
                can_fill=self._can_fill(pending.slot, pending.n_bars_session),
            ),
            self._checker(state, now_ns),
        )
        risk_reason = planned.reason
        wants = np.isin(chosen.action, (Action.ENTER,)) & (risk_reason == Reason.OK)
        if stale:
            risk_reason = np.where(wants, np.int16(Reason.STALE_PREDICTIONS), risk_reason)
        elif state.risk.state is not TradingState.ACTIVE:
            blocked = Reason.HALTED if state.risk.state is TradingState.HALTED else Reason.REDUCE_ONLY
            risk_reason = np.where(wants, np.int16(blocked), risk_reason)
        trace = DecisionTrace(
            predictions,
            decision.blend,
            chosen,
            decision.barrier,
            decision.spread,
            sizing,
            risk_reason.astype(np.int16),
        )
        result = CycleResult(
            state.cycle_number,
            pending.cycle_time_ns,
            self._names,
            trace,
            planned.orders,
            tuple(order_id for order_id, _ in planned.cancels),
            planned.rejections,
        )
        commands: list[Command] = []
        state = self._reclock(state, pending, decision)
        for order_id, symbol in planned.cancels:
            record = state.orders.open[order_id]
            reason = int(chosen.reason[self._column[symbol]])
            state, cancel = _request_cancel(state, record, reason)
            commands.append(cancel)
        for order, reason in zip(planned.orders, planned.order_reasons, strict=True):
            ticket = self._ticket(order, pending, decision) if order.leg is Leg.ENTRY else None
            state, submit = _sent(state, order, reason, ticket, now_ns)
            commands.append(submit)
        return state, result, commands

    def _reclock(self, state: CoreState, pending: PendingCycle, decision: Decision) -> CoreState:
        ledger = state.ledger
        for column in np.flatnonzero(decision.arbitration.action == Action.EXTEND).tolist():
            ledger = ledger.reclocked(
                self._names[column],
                int(decision.arbitration.horizon[column]),
                pending.cycle_time_ns,
                pending.session_number,
                pending.slot,
            )
        return replace(state, ledger=ledger)

    def _ticket(self, order: Order, pending: PendingCycle, decision: Decision) -> EntryTicket:
        column = self._column[order.symbol]
        chosen = decision.arbitration
        horizon = int(chosen.horizon[column])
        return EntryTicket(
            horizon=horizon,
            probability=float(chosen.entry_probability[column]),
            qualifies=tuple(bool(flag) for flag in chosen.qualifies[:, column]),
            sigma_h_bps=float(decision.blend.sigma_bps[horizon, column]),
            cost_bps=float(chosen.cost_bps[column]),
            decision_time_ns=pending.cycle_time_ns,
            session_number=pending.session_number,
            slot=pending.slot,
        )

    def _checker(self, state: CoreState, now_ns: int) -> Callable[[Order], Rejection | None]:
        """Return the pre-trade check; what it lets through counts for the orders after it."""
        admitted: list[Order] = []

        def check(order: Order) -> Rejection | None:
            context = risk_context(state, order, admitted, self._with.instruments[order.symbol], self._column, now_ns)
            rejection = self._with.rules.check(order, context)
            if rejection is None:
                admitted.append(order)
            return rejection

        return check

    def _learn(self, state: CoreState) -> Step:
        """Fold matured round trips into the bandit, ordered by exit time and order number."""
        trips = [trip for trade in state.matured if (trip := round_trip(trade)) is not None]
        if not trips:
            return replace(state, matured=()), []
        bandit = self._with.rewards.learn(state.bandit, trips)
        commands: list[Command] = []
        if bandit is not state.bandit:
            probabilities = self._with.bandit.probabilities(bandit)
            commands.append(BanditUpdated(bandit.rounds, tuple(float(p) for p in probabilities)))
        return replace(state, bandit=bandit, matured=()), commands

    def _on_aborted(self, state: CoreState, aborted: CycleAborted, now_ns: int) -> Step:
        if state.pending is None or state.pending.cycle_time_ns != aborted.cycle_time_ns:
            return state, []
        return replace(state, pending=None), [CycleSkipped(aborted.cycle_time_ns, aborted.reason)]

    # -- orders --------------------------------------------------------------------------------------------------

    def _on_ack(self, state: CoreState, ack: OrderAck, now_ns: int) -> Step:
        record = state.orders.open.get(ack.order_id)
        if record is None or record.status is not OrderStatus.SUBMITTED:
            return state, _unless_known(state, ack.order_id)
        return replace(state, orders=state.orders.with_record(replace(record, status=OrderStatus.ACCEPTED))), []

    def _on_fill(self, state: CoreState, fill: OrderFill, now_ns: int) -> Step:
        """Book a fact. A fill that surprises is booked too, and said."""
        record = state.orders.find(fill.order_id)
        commands: list[Command] = []
        if record is None:
            if fill.execution_id in state.orders.strangers:
                return state, [Anomaly("duplicate_report", f"execution {fill.execution_id} came again")]
            commands.append(Anomaly("unknown_order", f"fill {fill.execution_id} of {fill.order_id}: booked"))
            orders, context, leg = state.orders.with_stranger(fill.execution_id), FillContext(None, -1, 0), "unknown"
        else:
            if fill.execution_id in record.executions:
                return state, [Anomaly("duplicate_report", f"execution {fill.execution_id} came again")]
            if record.status.is_terminal:
                commands.append(Anomaly("late_fill", f"{fill.order_id} was {record.status}: booked"))
            if record.filled + fill.fill_amount > record.order.quantity:
                commands.append(Anomaly("overfill", f"{fill.order_id}: more than {record.order.quantity}: booked"))
            orders = state.orders.with_record(record.with_fill(fill))
            context = FillContext(record.ticket, record.order.order_number, record.reason)
            leg = record.order.leg
        ledger, trade = state.ledger.apply(fill, context)
        digest = state.digest.with_fill(fill, leg)
        state = replace(state, ledger=ledger, orders=orders, digest=digest)
        if trade is not None:
            commands.append(TradeClosed(trade))
            state = replace(state, matured=(*state.matured, trade), trades=(*state.trades, trade)[-TRADE_HISTORY:])
        return state, commands

    def _on_reject(self, state: CoreState, reject: OrderReject, now_ns: int) -> Step:
        return self._finish(state, reject.order_id, OrderStatus.REJECTED, reject.reason)

    def _on_expired(self, state: CoreState, expired: OrderExpired, now_ns: int) -> Step:
        return self._finish(state, expired.order_id, OrderStatus.EXPIRED, "session over")

    def _on_cancelled(self, state: CoreState, cancelled: OrderCancelled, now_ns: int) -> Step:
        state, commands = self._finish(state, cancelled.order_id, OrderStatus.CANCELLED, "cancelled")
        record = state.orders.find(cancelled.order_id)
        waiting = dict(state.exit_after_cancel)
        if record is None or record.order.symbol not in waiting:
            return state, commands
        reason = waiting.pop(record.order.symbol)
        state = replace(state, exit_after_cancel=tuple(sorted(waiting.items())))
        if state.ledger.quantity(record.order.symbol) and state.session is not None:
            state, sent = self._send_exit(state, record.order.symbol, now_ns, Leg.EXIT, reason)
            commands = [*commands, *sent]
        return state, commands

    def _on_cancel_rejected(self, state: CoreState, rejected: CancelRejected, now_ns: int) -> Step:
        return state, [Anomaly("cancel_rejected", f"{rejected.order_id}: {rejected.reason}")]

    def _finish(self, state: CoreState, order_id: str, status: OrderStatus, why: str) -> Step:
        record = state.orders.open.get(order_id)
        if record is None:
            return state, _unless_known(state, order_id)
        finished = replace(record, status=status, venue_reason=why)
        return replace(state, orders=state.orders.with_record(finished)), []

    def _send_exit(self, state: CoreState, symbol: str, now_ns: int, leg: Leg, reason: int) -> Step:
        held = state.ledger.quantity(symbol)
        number = state.order_number + 1
        order = Order(
            client_order_id=client_order_id(self.run.nonce, number),
            order_number=number,
            symbol=symbol,
            side=Side.SELL if held > 0 else Side.BUY,
            quantity=abs(held),
            leg=leg,
            decision_time_ns=now_ns,
        )
        rejection = self._checker(state, now_ns)(order)
        if rejection is not None:
            return state, [Anomaly("exit_rejected", f"{symbol}: {rejection.rule_id}: {rejection.message}")]
        state, command = _sent(state, order, reason, None, now_ns)
        return state, [command]

    # -- operator ------------------------------------------------------------------------------------------------

    def _on_control(self, state: CoreState, request: ControlRequest, now_ns: int) -> Step:
        guardrails = self._with.guardrails
        if request.action == "halt":
            risk = guardrails.halt(state.risk, "operator", request.reason, now_ns)
        elif request.action == "resume":
            risk = guardrails.resume(state.risk, request.reason, now_ns)
        elif request.action == "reset":
            risk = guardrails.reset(state.risk, state.equity, request.reason, now_ns)
        else:
            return state, [Anomaly("unknown_control", request.action)]
        return replace(state, risk=risk), _state_changes(state.risk, risk)

    def _on_fault(self, state: CoreState, fault: SystemFault, now_ns: int) -> Step:
        if fault.severity != "critical":
            return state, []
        risk = self._with.guardrails.halt(state.risk, fault.error_type, fault.message, now_ns)
        return replace(state, risk=risk), _state_changes(state.risk, risk)

    def _can_fill(self, slot: int, n_bars: int) -> bool:
        """Return whether a bar follows in this session that could fill an order sent now."""
        return not self._with.session_ends or slot < n_bars - 1

    def _warming_up(self, cycle_time_ns: int) -> bool:
        return cycle_time_ns <= self.run.warmup_until_ns


def _sent(
    state: CoreState, order: Order, reason: int, ticket: EntryTicket | None, now_ns: int
) -> tuple[CoreState, SubmitOrder]:
    record = OrderRecord(order, OrderStatus.SUBMITTED, reason, ticket)
    last = dict(state.last_order_ns) | {order.symbol: now_ns}
    return (
        replace(
            state,
            orders=state.orders.with_record(record),
            order_number=order.order_number,
            last_order_ns=tuple(sorted(last.items())),
        ),
        SubmitOrder(order, reason),
    )


def _request_cancel(state: CoreState, record: OrderRecord, reason: int) -> tuple[CoreState, CancelOrder]:
    orders = state.orders.with_record(replace(record, cancel_requested=True))
    waiting = dict(state.exit_after_cancel) | {record.order.symbol: reason}
    return (
        replace(state, orders=orders, exit_after_cancel=tuple(sorted(waiting.items()))),
        CancelOrder(record.order.client_order_id, record.order.symbol, reason),
    )


def _unless_known(state: CoreState, order_id: str) -> list[Command]:
    """Return an anomaly for a report on an order that is not ours; a repeated report of a closed one is nothing."""
    if state.orders.find(order_id) is not None:
        return []
    return [Anomaly("unknown_order", f"report on {order_id}")]


def _state_changes(before: RiskMemory, after: RiskMemory) -> list[Command]:
    if before.state is after.state and before.latches == after.latches:
        return []
    latch = after.latches[-1] if after.latches else None
    return [
        TradingStateChanged(
            before.state.value,
            after.state.value,
            latch.rule_id if latch is not None else "operator",
            latch.message if latch is not None else "lifted",
        )
    ]
