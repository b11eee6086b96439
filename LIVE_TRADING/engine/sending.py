"""Sending and cancelling as steps of the state: what is asked of the venue is remembered as it is asked."""

from __future__ import annotations

from dataclasses import replace

from LIVE_TRADING.common.types import Leg, Order, Side
from LIVE_TRADING.engine.commands import Anomaly, CancelOrder, SubmitOrder
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.ledger import EntryTicket
from LIVE_TRADING.engine.order_plan import client_order_id
from LIVE_TRADING.engine.orders import OrderRecord, OrderStatus
from LIVE_TRADING.engine.pretrade import PreTradeCheck
from LIVE_TRADING.engine.state import CoreState


def submit(
    state: CoreState, order: Order, reason: int, now_ns: int, ticket: EntryTicket | None = None
) -> tuple[CoreState, SubmitOrder]:
    """Return the state in which the order is on its way, and the command that sends it."""
    record = OrderRecord(order, OrderStatus.SUBMITTED, reason, ticket)
    after = replace(
        state,
        orders=state.orders.with_record(record),
        order_number=order.order_number,
        last_order_ns={**state.last_order_ns, order.symbol: now_ns},
    )
    return after, SubmitOrder(order, reason)


def request_cancel(state: CoreState, record: OrderRecord, reason: int) -> tuple[CoreState, CancelOrder]:
    """Return the state in which a cancel is asked for and an exit follows it, and the command that asks."""
    orders = state.orders.with_record(replace(record, cancel_requested=True))
    waiting = dict(state.exit_after_cancel) | {record.order.symbol: reason}
    return (
        replace(state, orders=orders, exit_after_cancel=tuple(sorted(waiting.items()))),
        CancelOrder(record.order.client_order_id, record.order.symbol, reason),
    )


def send_exit(context: CoreContext, state: CoreState, symbol: str, now_ns: int, leg: Leg, reason: int) -> Step:
    """Leave a position whole, past the pre-trade rules."""
    held = state.ledger.quantity(symbol)
    number = state.order_number + 1
    order = Order(
        client_order_id=client_order_id(context.run.nonce, number),
        order_number=number,
        symbol=symbol,
        side=Side.SELL if held > 0 else Side.BUY,
        quantity=abs(held),
        leg=leg,
        decision_time_ns=now_ns,
    )
    rejection = PreTradeCheck(context, state, now_ns)(order)
    if rejection is not None:
        return state, [Anomaly("exit_rejected", f"{symbol}: {rejection.rule_id}: {rejection.message}")]
    state, command = submit(state, order, reason, now_ns)
    return state, [command]
