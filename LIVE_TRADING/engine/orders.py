"""The engine's orders: a state machine over reports that may come late, twice or out of order.

`pending → submitted → accepted → partially_filled → filled | cancelled | rejected | expired | not_at_venue`, and
`unknown` after a timeout. Status follows from the cumulative filled quantity; a terminal state stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from LIVE_TRADING.common.events import OrderFill
from LIVE_TRADING.common.types import Order
from LIVE_TRADING.engine.ledger import EntryTicket

REMEMBERED_CLOSED_ORDERS = 1000


class OrderStatus(StrEnum):
    """Where an order stands."""

    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Return whether nothing can follow but a late fill."""
        return self in TERMINAL


TERMINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED})


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order and what has become of it. `reason` is the `Reason` code of the decision behind it."""

    order: Order
    status: OrderStatus
    reason: int
    ticket: EntryTicket | None = None
    filled: Decimal = Decimal(0)
    filled_notional: Decimal = Decimal(0)
    executions: tuple[str, ...] = ()
    cancel_requested: bool = False
    venue_reason: str = ""

    @property
    def remaining(self) -> Decimal:
        """Return what may still fill."""
        return Decimal(0) if self.status.is_terminal else self.order.quantity - self.filled

    def with_fill(self, fill: OrderFill) -> OrderRecord:
        """Return the record after an execution it has not seen; a terminal status stays as it is."""
        filled = self.filled + fill.fill_amount
        if self.status.is_terminal:
            status = self.status
        else:
            status = OrderStatus.FILLED if filled >= self.order.quantity else OrderStatus.PARTIALLY_FILLED
        return replace(
            self,
            status=status,
            filled=filled,
            filled_notional=self.filled_notional + fill.fill_amount * fill.fill_price,
            executions=(*self.executions, fill.execution_id),
        )


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Open orders by id, the last closed ones, and executions of orders that are not ours."""

    open: dict[str, OrderRecord]
    closed: dict[str, OrderRecord]
    strangers: tuple[str, ...] = ()

    def __contains__(self, order_id: object) -> bool:
        """Return whether an order of this id was sent."""
        return order_id in self.open or order_id in self.closed

    def find(self, order_id: str) -> OrderRecord | None:
        """Return an order by id, open or lately closed."""
        return self.open.get(order_id) or self.closed.get(order_id)

    def with_record(self, record: OrderRecord) -> OrderBook:
        """Return the book with one order's record put in its place."""
        order_id = record.order.client_order_id
        opened, closed = dict(self.open), self.closed
        if record.status.is_terminal:
            opened.pop(order_id, None)
            closed = {**closed, order_id: record}
            if len(closed) > REMEMBERED_CLOSED_ORDERS:
                closed.pop(next(iter(closed)))
        else:
            opened[order_id] = record
        return OrderBook(opened, closed, self.strangers)

    def with_stranger(self, execution_id: str) -> OrderBook:
        """Return the book with an execution of an unknown order remembered."""
        return replace(self, strangers=(*self.strangers, execution_id)[-REMEMBERED_CLOSED_ORDERS:])

    def of_symbol(self, symbol: str) -> tuple[OrderRecord, ...]:
        """Return the open orders of a symbol, oldest first."""
        return tuple(record for record in self.open.values() if record.order.symbol == symbol)  # order: of sending
