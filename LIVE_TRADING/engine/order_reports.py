"""What the venue says of orders. A fill is a fact: it is booked, and said aloud where it surprises."""

from __future__ import annotations

from dataclasses import replace

from LIVE_TRADING.common.events import (
    CancelRejected,
    OrderAck,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderReject,
)
from LIVE_TRADING.common.types import Leg
from LIVE_TRADING.engine.commands import Anomaly, Command, TradeClosed
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.ledger import FillContext
from LIVE_TRADING.engine.orders import OrderStatus
from LIVE_TRADING.engine.sending import send_exit
from LIVE_TRADING.engine.state import TRADE_HISTORY, CoreState


def on_ack(context: CoreContext, state: CoreState, ack: OrderAck, now_ns: int) -> Step:
    """Note that the venue has the order; a report that came earlier than its acknowledgement stands."""
    record = state.orders.open.get(ack.order_id)
    if record is None or record.status is not OrderStatus.SUBMITTED:
        return state, _unless_known(state, ack.order_id)
    return replace(state, orders=state.orders.with_record(replace(record, status=OrderStatus.ACCEPTED))), []


def on_fill(context: CoreContext, state: CoreState, fill: OrderFill, now_ns: int) -> Step:
    """Book an execution once, by its id."""
    record = state.orders.find(fill.order_id)
    commands: list[Command] = []
    if record is None:
        if fill.execution_id in state.orders.strangers:
            return state, [Anomaly("duplicate_report", f"execution {fill.execution_id} came again")]
        commands.append(Anomaly("unknown_order", f"fill {fill.execution_id} of {fill.order_id}: booked"))
        orders, origin, leg = state.orders.with_stranger(fill.execution_id), FillContext(None, -1, 0), "unknown"
    else:
        if fill.execution_id in record.executions:
            return state, [Anomaly("duplicate_report", f"execution {fill.execution_id} came again")]
        if record.status.is_terminal:
            commands.append(Anomaly("late_fill", f"{fill.order_id} was {record.status}: booked"))
        if record.filled + fill.fill_amount > record.order.quantity:
            commands.append(Anomaly("overfill", f"{fill.order_id}: more than {record.order.quantity}: booked"))
        orders = state.orders.with_record(record.with_fill(fill))
        origin = FillContext(record.ticket, record.order.order_number, record.reason)
        leg = record.order.leg
    ledger, trade = state.ledger.apply(fill, origin)
    digest = state.digest.with_fill(fill, leg)
    state = replace(state, ledger=ledger, orders=orders, digest=digest)
    if trade is not None:
        commands.append(TradeClosed(trade))
        state = replace(state, matured=(*state.matured, trade), trades=(*state.trades, trade)[-TRADE_HISTORY:])
    return state, commands


def on_reject(context: CoreContext, state: CoreState, reject: OrderReject, now_ns: int) -> Step:
    """Close an order that the venue refused."""
    return _finish(state, reject.order_id, OrderStatus.REJECTED, reject.reason)


def on_expired(context: CoreContext, state: CoreState, expired: OrderExpired, now_ns: int) -> Step:
    """Close an order whose session is over."""
    return _finish(state, expired.order_id, OrderStatus.EXPIRED, "session over")


def on_cancelled(context: CoreContext, state: CoreState, cancelled: OrderCancelled, now_ns: int) -> Step:
    """Close an order; an exit that waited for it is sent now."""
    state, commands = _finish(state, cancelled.order_id, OrderStatus.CANCELLED, "cancelled")
    record = state.orders.find(cancelled.order_id)
    waiting = dict(state.exit_after_cancel)
    if record is None or record.order.symbol not in waiting:
        return state, commands
    reason = waiting.pop(record.order.symbol)
    state = replace(state, exit_after_cancel=tuple(sorted(waiting.items())))
    if state.ledger.quantity(record.order.symbol) and state.session is not None:
        state, sent = send_exit(context, state, record.order.symbol, now_ns, Leg.EXIT, reason)
        commands = [*commands, *sent]
    return state, commands


def on_cancel_rejected(context: CoreContext, state: CoreState, rejected: CancelRejected, now_ns: int) -> Step:
    """Say it; what became of the order stands in its own reports."""
    return state, [Anomaly("cancel_rejected", f"{rejected.order_id}: {rejected.reason}")]


def _finish(state: CoreState, order_id: str, status: OrderStatus, why: str) -> Step:
    record = state.orders.open.get(order_id)
    if record is None:
        return state, _unless_known(state, order_id)
    finished = replace(record, status=status, venue_reason=why)
    return replace(state, orders=state.orders.with_record(finished)), []


def _unless_known(state: CoreState, order_id: str) -> list[Command]:
    """Return an anomaly for a report on an order that is not ours; a repeated report of a closed one is nothing."""
    if state.orders.find(order_id) is not None:
        return []
    return [Anomaly("unknown_order", f"report on {order_id}")]
