"""From target shares to orders: one per symbol at most, exits and reductions first, each past the pre-trade rules."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action, CodeArray, FloatArray, Leg, Order, Rejection, Side
from LIVE_TRADING.common.units import money
from LIVE_TRADING.engine.ledger import Ledger
from LIVE_TRADING.engine.orders import OrderBook, OrderRecord
from LIVE_TRADING.risk import send_sequence

ORDER_ID_PREFIX = "lt-"


def client_order_id(nonce: str, order_number: int) -> str:
    """Return prefix + base32 of 128 bits of SHA-256(nonce, order number): 29 characters, unique across restarts."""
    digest = hashlib.sha256(f"{nonce}:{order_number}".encode()).digest()[:16]
    return ORDER_ID_PREFIX + base64.b32encode(digest).decode().rstrip("=").lower()


@dataclass(frozen=True, slots=True)
class PlannedOrders:
    """Orders to send with the reason of each, ids to cancel, rejections, and the risk stage's reason per symbol."""

    orders: tuple[Order, ...]
    order_reasons: tuple[int, ...]
    cancels: tuple[tuple[str, str], ...]
    rejections: tuple[Rejection, ...]
    reason: CodeArray


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What planning needs beside the target."""

    symbols: tuple[str, ...]
    time_ns: int
    action: CodeArray
    stage_reason: CodeArray
    target_shares: FloatArray
    ledger: Ledger
    orders: OrderBook
    price_usd: FloatArray
    net_usd: float
    lots: tuple[Decimal, ...]
    nonce: str
    next_order_number: int
    can_fill: bool


def plan_orders(inputs: PlanInputs, check: Callable[[Order], Rejection | None]) -> PlannedOrders:
    """Return what to send. `check` is asked in the order in which orders would be sent.

    A symbol with a working order gets no second one: an exit that is wanted while an entry works cancels the entry, and
    the exit follows once the cancel is confirmed. Nothing is sent when the session has no bar left to fill it.
    """
    symbols = inputs.symbols
    reason = np.full(len(symbols), Reason.OK, dtype=np.int16)
    held = np.zeros(len(symbols))
    touched = {record.order.symbol for record in inputs.orders.open.values()} | inputs.ledger.positions.keys()
    columns = {symbol: column for column, symbol in enumerate(symbols)}
    for symbol in sorted(touched):
        if symbol in columns:
            held[columns[symbol]] = float(inputs.ledger.quantity(symbol))
    wanted = np.flatnonzero(np.isfinite(inputs.target_shares) & (inputs.target_shares != held))
    cancels: list[tuple[str, str]] = []
    free: list[int] = []
    for column in wanted.tolist():
        working = inputs.orders.of_symbol(symbols[column])
        if not inputs.can_fill:
            reason[column] = Reason.SESSION_CLOSED
        elif working:
            asked = _cancels(working, inputs.action[column] in (Action.EXIT, Action.REVERSE))
            cancels += asked
            reason[column] = Reason.CANCEL_WORKING if asked else Reason.WORKING_ORDER
        else:
            free.append(column)
    chosen = np.array(free, dtype=np.intp)
    change_usd = (inputs.target_shares[chosen] - held[chosen]) * inputs.price_usd[chosen]
    reduces = np.abs(inputs.target_shares[chosen]) < np.abs(held[chosen])
    orders: list[Order] = []
    order_reasons: list[int] = []
    rejections: list[Rejection] = []
    for place in send_sequence(change_usd, reduces, inputs.net_usd):
        column = free[place]
        order = _order(inputs, column, inputs.next_order_number + len(orders))
        if order is None:
            continue
        rejection = check(order)
        if rejection is not None:
            rejections.append(rejection)
            reason[column] = Reason.REJECTED
            continue
        orders.append(order)
        order_reasons.append(int(inputs.stage_reason[column]))
        reason[column] = Reason.ORDERED
    return PlannedOrders(tuple(orders), tuple(order_reasons), tuple(cancels), tuple(rejections), reason)


def _cancels(working: tuple[OrderRecord, ...], is_exit: bool) -> list[tuple[str, str]]:
    """Return the orders that stand in the way of an exit and are not being cancelled yet."""
    return [
        (record.order.client_order_id, record.order.symbol)
        for record in working
        if is_exit and record.order.leg not in (Leg.EXIT, Leg.FLATTEN) and not record.cancel_requested
    ]


def _order(inputs: PlanInputs, column: int, order_number: int) -> Order | None:
    symbol = inputs.symbols[column]
    held = inputs.ledger.quantity(symbol)
    target = money(float(inputs.target_shares[column]), inputs.lots[column])
    delta = target - held
    if not delta:
        return None
    leg = Leg.ENTRY if not held else Leg.EXIT if not target else Leg.RESIZE
    return Order(
        client_order_id=client_order_id(inputs.nonce, order_number),
        order_number=order_number,
        symbol=symbol,
        side=Side.BUY if delta > 0 else Side.SELL,
        quantity=abs(delta),
        leg=leg,
        decision_time_ns=inputs.time_ns,
    )
