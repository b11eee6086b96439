"""The engine's orders: a state machine over reports that may come late, twice or out of order.

`pending → submitted → accepted → partially_filled → filled | cancelled | rejected | expired | not_at_venue`, and
`unknown` after a timeout. Status follows from the cumulative filled quantity; a terminal state stays.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from LIVE_TRADING.common.events import OrderFill
from LIVE_TRADING.common.layered import Layered
from LIVE_TRADING.common.records import quick_init, replaced
from LIVE_TRADING.common.types import Leg, Order
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.engine.ledger import EntryTicket

REMEMBERED_CLOSED_ORDERS = 1000
REMEMBERED_STRANGERS = 10_000
ASK_AGAIN_NS = 30 * NS_PER_S  # a cancel without an answer is asked for again; cancelling twice harms nothing


class OrderStatus(StrEnum):
    """Where an order stands."""

    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    NOT_AT_VENUE = "not_at_venue"

    @property
    def is_terminal(self) -> bool:
        """Return whether nothing can follow but a late fill."""
        return self in TERMINAL


TERMINAL = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELLED,
        OrderStatus.REJECTED,
        OrderStatus.EXPIRED,
        OrderStatus.NOT_AT_VENUE,
    }
)
# no sign of life from the venue yet: it may have the order or not
UNCONFIRMED = frozenset({OrderStatus.SUBMITTED, OrderStatus.UNKNOWN})


@dataclass(frozen=True)
class OrderRecord:
    """An order and what has become of it.

    reason           `Reason` code of the decision behind it
    cancel_asked_ns  when a cancel was last asked for, -1 never; `cancel_reason` says why
    then_exit        the position is to be left, for `cancel_reason`, once this order is out of the way
    """

    order: Order
    status: OrderStatus
    reason: int
    ticket: EntryTicket | None = None
    filled: Decimal = Decimal(0)
    filled_notional: Decimal = Decimal(0)
    executions: tuple[str, ...] = ()
    cancel_asked_ns: int = -1
    cancel_reason: int = 0
    then_exit: bool = False
    venue_reason: str = ""

    @property
    def remaining(self) -> Decimal:
        """Return what may still fill."""
        return Decimal(0) if self.status.is_terminal else self.order.quantity - self.filled

    @property
    def leaves(self) -> bool:
        """Return whether the order leaves a position and does nothing else."""
        return self.order.leg in (Leg.EXIT, Leg.FLATTEN)

    def may_ask_cancel(self, now_ns: int) -> bool:
        """Return whether to ask for a cancel: never asked, refused since, or long without an answer."""
        return self.cancel_asked_ns < 0 or now_ns - self.cancel_asked_ns >= ASK_AGAIN_NS

    def with_fill(self, fill: OrderFill) -> OrderRecord:
        """Return the record after an execution it has not seen; a terminal status stays as it is."""
        filled = self.filled + fill.fill_amount
        if self.status.is_terminal:
            status = self.status
        else:
            status = OrderStatus.FILLED if filled >= self.order.quantity else OrderStatus.PARTIALLY_FILLED
        return replaced(
            self,
            status=status,
            filled=filled,
            filled_notional=self.filled_notional + fill.fill_amount * fill.fill_price,
            executions=(*self.executions, fill.execution_id),
        )


@quick_init
@dataclass(frozen=True, slots=True)
class OrderBook:
    """Open orders by id, closed ones of this session and the one before, and executions of orders that are not ours.

    Closed orders are remembered so that a report which comes again is known: after a reconnect a venue may repeat every
    execution of its day.
    """

    open: dict[str, OrderRecord]
    closed: Mapping[str, OrderRecord]
    strangers: tuple[str, ...] = ()

    def __contains__(self, order_id: object) -> bool:
        """Return whether an order of this id was sent."""
        return order_id in self.open or order_id in self.closed

    def find(self, order_id: str) -> OrderRecord | None:
        """Return an order by id, open or lately closed."""
        return self.open.get(order_id) or self.closed.get(order_id)

    def knows(self, fill: OrderFill) -> bool:
        """Return whether an execution has been booked, under this order or another one."""
        record, execution_id = self.find(fill.order_id), fill.execution_id
        if execution_id in self.strangers:  # empty, as a rule
            return True
        if record is not None:
            return execution_id in record.executions
        records = itertools.chain(self.open.values(), self.closed.values())  # order: any
        return any(execution_id in other.executions for other in records)

    def with_record(self, record: OrderRecord) -> OrderBook:
        """Return the book with one order's record put in its place."""
        order_id = record.order.client_order_id
        if not record.status.is_terminal:
            return OrderBook({**self.open, order_id: record}, self.closed, self.strangers)
        # left out, not deleted: each later copy of a dict with a gap in it would take ten times as long
        opened = {key: other for key, other in self.open.items() if key != order_id}  # order: of sending
        return OrderBook(opened, Layered.of(self.closed).with_item(order_id, record), self.strangers)

    def with_sent(self, records: Iterable[OrderRecord]) -> OrderBook:
        """Return the book with new orders behind those that are open."""
        sent = {record.order.client_order_id: record for record in records}
        return OrderBook({**self.open, **sent}, self.closed, self.strangers)

    def without_closed_before(self, instant_ns: int) -> OrderBook:
        """Return the book without closed orders decided before an instant; the last 1,000 are kept in any case.

        None is forgotten that was decided after an order which is still open: a restart asks for executions from there.
        """
        oldest_ns = min((record.order.decision_time_ns for record in self.open.values()), default=instant_ns)
        since_ns, old = min(instant_ns, oldest_ns), len(self.closed) - REMEMBERED_CLOSED_ORDERS
        closed = {
            order_id: record
            for number, (order_id, record) in enumerate(self.closed.items())  # order: of closing
            if number >= old or record.order.decision_time_ns >= since_ns
        }
        return replaced(self, closed=closed)

    def with_stranger(self, execution_id: str) -> OrderBook:
        """Return the book with an execution of an unknown order remembered."""
        return replaced(self, strangers=(*self.strangers, execution_id)[-REMEMBERED_STRANGERS:])

    def has_open(self, symbol: str) -> bool:
        """Return whether an order of a symbol is open."""
        return any(record.order.symbol == symbol for record in self.open.values())  # order: any

    def of_symbol(self, symbol: str) -> tuple[OrderRecord, ...]:
        """Return the open orders of a symbol, oldest first."""
        return tuple(record for record in self.open.values() if record.order.symbol == symbol)  # order: of sending
