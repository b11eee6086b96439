"""What the venue says of orders. A fill is a fact: it is booked, and said aloud where it surprises."""

from __future__ import annotations

from collections.abc import Iterator

from LIVE_TRADING.common.events import (
    DUPLICATE_ID,
    CancelRejected,
    OrderAck,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderReject,
)
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import Leg
from LIVE_TRADING.engine.commands import Anomaly, Command, TradeClosed
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.ledger import FillContext
from LIVE_TRADING.engine.old_folder import judge_numbers, judge_repeated
from LIVE_TRADING.engine.orders import UNCONFIRMED, OrderRecord, OrderStatus
from LIVE_TRADING.engine.sending import send_exit
from LIVE_TRADING.engine.state import TRADE_HISTORY, CoreState


def on_ack(context: CoreContext, state: CoreState, ack: OrderAck, now_ns: int) -> Step:
    """Note that the venue has the order; a report that came earlier than its acknowledgement stands."""
    record = state.orders.open.get(ack.order_id)
    if record is None or record.status not in UNCONFIRMED:
        return unless_known(context, state, ack.order_id, now_ns)
    return replaced(state, orders=state.orders.with_record(replaced(record, status=OrderStatus.ACCEPTED))), []


def on_fill(context: CoreContext, state: CoreState, fill: OrderFill, now_ns: int) -> Step:
    """Book an execution once, by its id."""
    record = state.orders.find(fill.order_id)
    if state.orders.knows(fill):
        return state, [Anomaly("duplicate_report", f"execution {fill.execution_id} came again")]
    commands: list[Command] = [
        Anomaly(kind, f"{message}: booked") for kind, message in _surprises(context, fill, record)
    ]
    if record is None:
        orders, origin, leg = state.orders.with_stranger(fill.execution_id), FillContext(None, -1, 0), "unknown"
    else:
        orders = state.orders.with_record(record.with_fill(fill))
        origin = FillContext(record.ticket, record.order.order_number, record.reason)
        leg = record.order.leg
    ledger, trade = state.ledger.apply(fill, origin)
    state = replaced(state, ledger=ledger, orders=orders, digest=state.digest.with_fill(fill, leg))
    if trade is not None:
        commands.append(TradeClosed(trade))
        state = replaced(state, matured=(*state.matured, trade), trades=(*state.trades, trade)[-TRADE_HISTORY:])
    if record is None:
        state, halted = judge_numbers(context, state, (fill.order_id,), f"execution {fill.execution_id}", now_ns)
        commands += halted
    if fill.order_id in state.orders.closed:
        state, sent = _exit_that_waited(context, state, fill.order_id, now_ns)
        commands += sent
    return state, commands


def _surprises(context: CoreContext, fill: OrderFill, record: OrderRecord | None) -> Iterator[tuple[str, str]]:
    """Yield (kind, message) of whatever an operator should know of a fill."""
    if fill.currency != context.run.currency:
        yield (
            "foreign_currency",
            f"fill {fill.execution_id} in {fill.currency}, the account is in {context.run.currency}",
        )
    if record is None:
        yield "unknown_order", f"fill {fill.execution_id} of {fill.order_id}"
        return
    order = record.order
    if (fill.symbol, fill.side) != (order.symbol, order.side):
        said = f"{fill.side} {fill.symbol} for an order to {order.side} {order.symbol}"
        yield "mismatched_fill", f"fill {fill.execution_id} says {said}"
    if record.status.is_terminal:
        yield "late_fill", f"{fill.order_id} was {record.status}"
    if record.filled + fill.fill_amount > order.quantity:
        yield "overfill", f"{fill.order_id}: more than {order.quantity}"


def on_reject(context: CoreContext, state: CoreState, reject: OrderReject, now_ns: int) -> Step:
    """Close an order that the venue refused; one that it has had before says that more was sent than is known here."""
    record = state.orders.open.get(reject.order_id)
    if record is not None and DUPLICATE_ID in reject.reason:
        refused = replaced(record, status=OrderStatus.REJECTED, venue_reason=reject.reason)
        state = replaced(state, orders=state.orders.with_record(refused))
        state, halted = judge_repeated(context, state, record.order, now_ns)
        state, rest = _exit_that_waited(context, state, reject.order_id, now_ns)
        return state, [*halted, *rest]
    return finish(context, state, reject.order_id, OrderStatus.REJECTED, reject.reason, now_ns)


def on_expired(context: CoreContext, state: CoreState, expired: OrderExpired, now_ns: int) -> Step:
    """Close an order whose session is over."""
    return finish(context, state, expired.order_id, OrderStatus.EXPIRED, "session over", now_ns)


def on_cancelled(context: CoreContext, state: CoreState, cancelled: OrderCancelled, now_ns: int) -> Step:
    """Close an order of which the rest no longer works."""
    return finish(context, state, cancelled.order_id, OrderStatus.CANCELLED, "cancelled", now_ns)


def on_cancel_rejected(context: CoreContext, state: CoreState, rejected: CancelRejected, now_ns: int) -> Step:
    """Say it. What became of the order stands in its own reports; one that still works may be cancelled again."""
    record = state.orders.open.get(rejected.order_id)
    if record is not None:
        state = replaced(state, orders=state.orders.with_record(replaced(record, cancel_asked_ns=-1)))
    return state, [Anomaly("cancel_rejected", f"{rejected.order_id}: {rejected.reason}")]


def finish(context: CoreContext, state: CoreState, order_id: str, status: OrderStatus, why: str, now_ns: int) -> Step:
    """Close an order for good; an exit that waited for it follows."""
    record = state.orders.open.get(order_id)
    if record is None:
        return unless_known(context, state, order_id, now_ns)
    finished = replaced(record, status=status, venue_reason=why)
    state = replaced(state, orders=state.orders.with_record(finished))
    return _exit_that_waited(context, state, order_id, now_ns)


def _exit_that_waited(context: CoreContext, state: CoreState, order_id: str, now_ns: int) -> Step:
    """Send the exit that waited for an order to be out of the way, however it ended."""
    record = state.orders.closed[order_id]
    symbol = record.order.symbol
    is_open = state.session is not None and now_ns < state.session.close_ns
    can_send = is_open or not context.parts.session_ends
    if not (record.then_exit and can_send and state.ledger.quantity(symbol)) or state.orders.of_symbol(symbol):
        return state, []
    leg = Leg.FLATTEN if record.cancel_reason == Reason.GUARDRAIL else Leg.EXIT
    return send_exit(context, state, symbol, now_ns, leg, record.cancel_reason)


def unless_known(context: CoreContext, state: CoreState, order_id: str, now_ns: int) -> Step:
    """Tell a report on an order that was not sent from here; a repeated report of a closed one is nothing."""
    if state.orders.find(order_id) is not None:
        return state, []
    state, halted = judge_numbers(context, state, (order_id,), "a report", now_ns)
    return state, [Anomaly("unknown_order", f"report on {order_id}"), *halted]
