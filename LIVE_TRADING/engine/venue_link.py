"""The shell's line to the venue: orders, cancels and questions out, and what to do when no answer comes.

Every call has a time limit. A submit without an answer is never repeated: the core is told that the order's fate is
unknown, and then the venue is asked for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from LIVE_TRADING.brokers.interface import Broker, OrderReport
from LIVE_TRADING.common.async_clock import AsyncClock
from LIVE_TRADING.common.events import (
    BrokerSnapshot,
    CancelRejected,
    Event,
    OrderReject,
    OrderStatusReport,
    OrderUnknown,
    SystemFault,
    VenueStatus,
)
from LIVE_TRADING.common.exceptions import BrokerConnectionError, BrokerError, OrderRejectedError
from LIVE_TRADING.common.types import Order
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.engine.orders import UNCONFIRMED
from LIVE_TRADING.engine.state import CoreState

ASK_AFTER_S = (0, 2, 5, 10)
CLOCK_SLACK_NS = 60 * NS_PER_S  # an exchange's clock may be behind ours; what is told again is known by its id
RESTARTED = "the process ended before the venue answered"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How long a call to the venue may take, s."""

    connect_s: float = 30.0
    submit_s: float = 30.0
    query_s: float = 10.0


class VenueLink:
    """Sends and asks. What it learns it puts into the queue as events; it decides nothing."""

    def __init__(
        self,
        broker: Broker,
        clock: AsyncClock,
        put: Callable[[Event], None],
        state: Callable[[], CoreState],
        limits: CallLimits | None = None,
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._put = put
        self._state = state
        self._limits = limits or CallLimits()

    async def connect(self) -> None:
        """Connect.

        Raises
        ------
        BrokerError
            The venue refused, or did not answer in time.
        """
        await self._within(self._broker.connect(), self._limits.connect_s, "connect")

    async def send(self, order: Order) -> None:
        """Hand an order over, once."""
        order_id = order.client_order_id
        try:
            await self._within(self._broker.submit_order(order), self._limits.submit_s, "submit")
        except OrderRejectedError as error:
            self._put(OrderReject(order_id, str(error), self._clock.now_ns()))
        except BrokerError as error:
            self._put(OrderUnknown(order_id, _text(error), self._clock.now_ns()))

    async def cancel(self, order_id: str) -> None:
        """Ask for a cancel; one that fails may be asked for again, which harms nothing."""
        try:
            await self._within(self._broker.cancel_order(order_id), self._limits.submit_s, "cancel")
        except BrokerError as error:
            self._put(CancelRejected(order_id, _text(error), self._clock.now_ns()))

    async def cancel_again(self, state: CoreState) -> None:
        """Ask for every cancel on file whose order is still open: the process may have ended before it left."""
        opened = tuple(state.orders.open.values())  # order: of sending
        asked = [record.order.client_order_id for record in opened if record.cancel_asked_ns >= 0]
        await asyncio.gather(*(self.cancel(order_id) for order_id in asked))

    async def query(self, order_id: str) -> None:
        """Ask what has become of an order, after 0, 2, 5 and 10 s, until the venue knows it; then say what it said."""
        asked_ns, answers, reason = self._clock.now_ns(), 0, "the venue knows no such order"
        for after_s in ASK_AFTER_S:
            await self._clock.wait(None, asked_ns + after_s * NS_PER_S)
            try:
                report = await self._ask(order_id)
            except BrokerError as error:
                reason = _text(error)
                continue
            if report is not None:
                self._tell(order_id, report.status, report.filled, False, report.reason)
                return
            answers += 1
        if answers == len(ASK_AFTER_S):
            self._tell(order_id, VenueStatus.ABSENT, Decimal(0), self._broker.proves_absence, reason)
        else:
            self._tell(order_id, VenueStatus.UNANSWERED, Decimal(0), False, reason)

    async def catch_up(self, state: CoreState) -> None:
        """Ask for what happened while no process listened: executions, then where each open order stands.

        Raises
        ------
        BrokerError
            The venue does not say which executions there were.
        """
        await self._tell_executions(_since_ns(state), None)
        for record in tuple(state.orders.open.values()):  # order: of sending
            order_id = record.order.client_order_id
            if record.status in UNCONFIRMED:
                self._put(OrderUnknown(order_id, RESTARTED, self._clock.now_ns()))
            else:
                await self.query(order_id)

    async def snapshot(self, after_s: int, *, must_count: bool = False) -> None:
        """Ask for the venue's book after a while, and again while the venue does not say."""
        asked_ns = self._clock.now_ns() + after_s * NS_PER_S
        for wait_s in ASK_AFTER_S:
            await self._clock.wait(None, asked_ns + wait_s * NS_PER_S)
            try:
                self._put(await self._book_there(must_count))
            except BrokerError as error:
                reason = _text(error)
                continue
            return
        severity = "critical" if must_count else "error"
        self._put(SystemFault("reconciliation_unanswered", reason, severity, self._clock.now_ns()))

    async def _book_there(self, must_count: bool) -> BrokerSnapshot:
        version, broker, limit_s = self._state().book_version, self._broker, self._limits.query_s
        positions = await self._within(broker.get_positions(), limit_s, "query")
        cash = await self._within(broker.get_cash(), limit_s, "query")
        orders = await self._within(broker.get_open_orders(), limit_s, "query")
        listed = tuple(sorted(order.client_order_id for order in orders))
        return BrokerSnapshot(version, dict(positions), dict(cash), listed, must_count, self._clock.now_ns())

    async def _ask(self, order_id: str) -> OrderReport | None:
        """Return the venue's word for an order, its executions told before."""
        report = await self._within(self._broker.get_order(order_id), self._limits.query_s, "query")
        record = self._state().orders.find(order_id)
        if report is not None and record is not None and report.filled > record.filled:
            await self._tell_executions(record.order.decision_time_ns, order_id)
        return report

    async def _tell_executions(self, since_ns: int, order_id: str | None) -> None:
        """Put the executions since an instant that are not booked, of one order or of all."""
        asked = self._broker.get_executions(since_ns - CLOCK_SLACK_NS)
        fills = await self._within(asked, self._limits.query_s, "query")
        for fill in fills:
            if order_id in (None, fill.order_id) and not self._state().orders.knows(fill):
                self._put(fill)

    def _tell(self, order_id: str, status: VenueStatus, filled: Decimal, final: bool, reason: str) -> None:
        self._put(OrderStatusReport(order_id, status, filled, final, reason, self._clock.now_ns()))

    async def _within(self, call: Awaitable[T], limit_s: float, what: str) -> T:
        try:
            async with asyncio.timeout(limit_s):
                return await call
        except TimeoutError as error:
            raise BrokerConnectionError(f"{what}: no answer within {limit_s:g} s") from error


def _since_ns(state: CoreState) -> int:
    """Return the instant from which on executions may be unknown: all of the last session, or since the oldest order.

    Orders that closed in that time are remembered with their executions, so that none is booked twice.
    """
    decided = [record.order.decision_time_ns for record in state.orders.open.values()]  # order: of sending
    return min([state.opened_ns, *decided])


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
