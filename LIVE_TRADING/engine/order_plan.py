"""From target shares to orders: one per symbol at most, exits and reductions first, each past the pre-trade rules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import numpy as np

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action, CodeArray, FloatArray, Leg, Order, Rejection, Side
from LIVE_TRADING.common.units import money
from LIVE_TRADING.engine.ledger import Ledger
from LIVE_TRADING.engine.orders import OrderBook, OrderRecord
from LIVE_TRADING.risk import send_sequence

ORDER_ID_PREFIX = "lt-"
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"  # base32 of RFC 4648, small
_BLOCK = 5_000
_TWO_LETTERS = [first + second for first in _LETTERS for second in _LETTERS]


def client_order_id(nonce: str, order_number: int) -> str:
    """Return prefix + base32 of 128 bits of SHA-256(nonce, order number): 29 characters, unique across restarts."""
    digest = hashlib.sha256(f"{nonce}:{order_number}".encode()).digest()
    bits = int.from_bytes(digest[:16], "big") << 2  # 26 letters hold 130 bits
    return ORDER_ID_PREFIX + "".join([_TWO_LETTERS[bits >> shift & 0x3FF] for shift in range(120, -1, -10)])


def order_numbers(nonce: str, order_ids: Collection[str], first: int, last: int) -> dict[str, int]:
    """Return the numbers of those ids that a run makes between two numbers; an id tells its number only by trying."""
    ours = [order_id for order_id in order_ids if order_id.startswith(ORDER_ID_PREFIX)]
    found: dict[str, int] = {}
    for block in range(first // _BLOCK, last // _BLOCK + 1) if ours else ():
        numbers = _numbers(nonce, block)
        for order_id in ours:
            number = numbers.get(order_id)
            if number is not None and first <= number <= last:
                found[order_id] = number
    return found


@lru_cache(maxsize=8)
def _numbers(nonce: str, block: int) -> dict[str, int]:
    """Return the numbers of a block by their ids; only where a venue names ids that are not known here."""
    return {client_order_id(nonce, number): number for number in range(block * _BLOCK, (block + 1) * _BLOCK)}


@dataclass(frozen=True, slots=True)
class PlannedOrders:
    """Orders to send, each with its reason; (id, reason) to cancel; rejections; the risk stage's reason per symbol."""

    orders: tuple[Order, ...]
    order_reasons: tuple[int, ...]
    cancels: tuple[tuple[str, int], ...]
    rejections: tuple[Rejection, ...]
    reason: CodeArray


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What planning needs beside the target.

    `intraday` says of each horizon whether it ends with the session, `closing` whether the next bar is the last that
    can fill, `can_fill` whether there is one.
    """

    symbols: tuple[str, ...]
    column: Mapping[str, int]
    held_shares: FloatArray
    time_ns: int
    action: CodeArray
    stage_reason: CodeArray
    target_shares: FloatArray
    ledger: Ledger
    orders: OrderBook
    price_usd: FloatArray
    lots: tuple[Decimal, ...]
    nonce: str
    next_order_number: int
    can_fill: bool
    closing: bool
    intraday: tuple[bool, ...]


def plan_orders(inputs: PlanInputs, check: Callable[[Order], Rejection | None]) -> PlannedOrders:
    """Return what to send. `check` is asked in the order in which orders would be sent.

    A symbol with a working order gets no second one: an exit that is wanted while an entry works cancels the entry, and
    the exit follows once the cancel is confirmed. Nothing is sent when the session has no bar left to fill it, and an
    intraday entry of which nothing has filled is cancelled before the last bar can fill it.
    """
    symbols = inputs.symbols
    reason = np.zeros(len(symbols), dtype=np.int16)  # ok
    held = inputs.held_shares
    working = _by_column(inputs)
    cancels: list[tuple[str, int]] = []
    for column, records in sorted(working.items()):
        asked = _in_the_way(inputs, column, records)
        cancels += asked
        reason[column] = Reason.CANCEL_WORKING if asked else Reason.OK
    free: list[int] = []
    wanted = (np.isfinite(inputs.target_shares) & (inputs.target_shares != held)).nonzero()[0]
    for column in wanted.tolist():
        if not inputs.can_fill:
            reason[column] = Reason.SESSION_CLOSED
        elif column not in working:
            free.append(column)
        elif reason[column] == Reason.OK:
            reason[column] = Reason.WORKING_ORDER
    if not free:
        return PlannedOrders((), (), tuple(cancels), (), reason)
    chosen = np.array(free, dtype=np.intp)
    change_usd = (inputs.target_shares[chosen] - held[chosen]) * inputs.price_usd[chosen]
    reduces = np.abs(inputs.target_shares[chosen]) < np.abs(held[chosen])
    orders: list[Order] = []
    order_reasons: list[int] = []
    rejections: list[Rejection] = []
    net_usd = float(np.nansum(held * inputs.price_usd))
    for place in send_sequence(change_usd, reduces, net_usd):
        column = free[place]
        order = _order(inputs, column, inputs.next_order_number + len(orders))
        if order is None:
            reason[column] = Reason.BELOW_LOT
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


def _by_column(inputs: PlanInputs) -> dict[int, list[OrderRecord]]:
    """Return the working orders of each symbol of the universe, oldest first."""
    working: dict[int, list[OrderRecord]] = {}
    for record in inputs.orders.open.values():  # order: of sending
        column = inputs.column.get(record.order.symbol)
        if column is not None:
            working.setdefault(column, []).append(record)
    return working


def _in_the_way(inputs: PlanInputs, column: int, working: list[OrderRecord]) -> list[tuple[str, int]]:
    """Return (id, reason) of the working orders that an exit must wait for, or that could fill too late to leave."""
    if not inputs.can_fill:
        return []
    if inputs.action[column] in (Action.EXIT, Action.REVERSE):
        reason = int(inputs.stage_reason[column])
        return [(record.order.client_order_id, reason) for record in working if not record.leaves]
    return [
        (record.order.client_order_id, int(Reason.EXIT_SESSION_END))
        for record in working
        if inputs.closing and not record.filled and record.ticket is not None and inputs.intraday[record.ticket.horizon]
    ]


def whole_lots(quantity: Decimal, lot: Decimal) -> Decimal:
    """Return the size of a quantity in whole lots: what is less than one cannot be sent."""
    return abs(quantity) // lot * lot


def _order(inputs: PlanInputs, column: int, order_number: int) -> Order | None:
    symbol, lot = inputs.symbols[column], inputs.lots[column]
    held = inputs.ledger.quantity(symbol)
    target = money(float(inputs.target_shares[column]), lot)
    delta = target - held
    quantity = whole_lots(delta, lot)
    if not quantity:
        return None
    leg = Leg.ENTRY if not held else Leg.EXIT if not target else Leg.RESIZE
    return Order(
        client_order_id=client_order_id(inputs.nonce, order_number),
        order_number=order_number,
        symbol=symbol,
        side=Side.BUY if delta > 0 else Side.SELL,
        quantity=quantity,
        leg=leg,
        decision_time_ns=inputs.time_ns,
    )
