"""Sending and cancelling as steps of the state: what is asked of the venue is remembered as it is asked."""

from __future__ import annotations

from collections.abc import Sequence

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import Leg, Order, Side
from LIVE_TRADING.engine.commands import Anomaly, CancelOrder, Command, SubmitOrder
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.ledger import EntryTicket
from LIVE_TRADING.engine.order_plan import client_order_id, whole_lots
from LIVE_TRADING.engine.orders import OrderRecord, OrderStatus
from LIVE_TRADING.engine.pretrade import PreTradeCheck
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.risk import TradingState


def submit(
    state: CoreState, order: Order, reason: int, now_ns: int, ticket: EntryTicket | None = None
) -> tuple[CoreState, SubmitOrder]:
    """Return the state in which the order is on its way, and the command that sends it."""
    after, (command,) = submit_all(state, [OrderRecord(order, OrderStatus.SUBMITTED, reason, ticket)], now_ns)
    return after, command


def submit_all(state: CoreState, records: Sequence[OrderRecord], now_ns: int) -> tuple[CoreState, list[SubmitOrder]]:
    """Return the state in which a cycle's orders are on their way, and the commands that send them."""
    after = replaced(
        state,
        orders=state.orders.with_sent(records),
        order_number=records[-1].order.order_number,
        last_order_ns={**state.last_order_ns, **{record.order.symbol: now_ns for record in records}},
    )
    return after, [SubmitOrder(record.order, record.reason) for record in records]


def request_cancel(state: CoreState, record: OrderRecord, reason: int, now_ns: int, *, then_exit: bool = False) -> Step:
    """Ask for a cancel, unless that has just been done; `then_exit`: what is held then is to be left."""
    ask, order = record.may_ask_cancel(now_ns), record.order
    asked = replaced(
        record,
        cancel_asked_ns=now_ns if ask else record.cancel_asked_ns,
        cancel_reason=reason if ask or then_exit else record.cancel_reason,
        then_exit=record.then_exit or then_exit,
    )
    if asked == state.orders.open[order.client_order_id]:
        return state, []
    commands: list[Command] = [CancelOrder(order.client_order_id, order.symbol, reason)] if ask else []
    return replaced(state, orders=state.orders.with_record(asked)), commands


def cancel_new_risk(state: CoreState, now_ns: int) -> Step:
    """Cancel what works and would add to a position, where no new risk is allowed; ask again what has no answer."""
    restricted = state.risk.state is not TradingState.ACTIVE
    reason = int(Reason.HALTED if state.risk.state is TradingState.HALTED else Reason.REDUCE_ONLY)
    commands: list[Command] = []
    for record in tuple(state.orders.open.values()):  # order: of sending
        adds = record.order.side.sign * state.ledger.quantity(record.order.symbol) >= 0
        if record.cancel_asked_ns >= 0:
            state, asked = request_cancel(state, record, record.cancel_reason, now_ns)
        elif restricted and adds:
            state, asked = request_cancel(state, record, reason, now_ns)
        else:
            continue
        commands += asked
    return state, commands


def cancel_all(state: CoreState, reason: int, now_ns: int) -> Step:
    """Cancel whatever works; nothing is left or opened in its place."""
    commands: list[Command] = []
    for record in tuple(state.orders.open.values()):  # order: of sending
        state, asked = request_cancel(state, replaced(record, then_exit=False), reason, now_ns)
        commands += asked
    return state, commands


def send_exit(context: CoreContext, state: CoreState, symbol: str, now_ns: int, leg: Leg, reason: int) -> Step:
    """Leave a position, in whole lots, past the pre-trade rules."""
    if symbol not in context.column:
        return state, [Anomaly("exit_rejected", f"{symbol} is not in the universe: leave it at the venue")]
    held, number = state.ledger.quantity(symbol), state.order_number + 1
    quantity = whole_lots(held, context.parts.instruments[symbol].lot)
    if not quantity:
        return state, []
    order = Order(
        client_order_id=client_order_id(context.run.nonce, number),
        order_number=number,
        symbol=symbol,
        side=Side.SELL if held > 0 else Side.BUY,
        quantity=quantity,
        leg=leg,
        decision_time_ns=now_ns,
    )
    rejection = PreTradeCheck(context, state, now_ns)(order)
    if rejection is not None:
        return state, [Anomaly("exit_rejected", f"{symbol}: {rejection.rule_id}: {rejection.message}")]
    state, command = submit(state, order, reason, now_ns)
    return state, [command]
