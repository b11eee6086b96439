"""The Broker Protocol over the venue in another process, behind a line that is not to be trusted.

What gets lost, late, repeated or overtaken follows from a seed. Requests and answers can be lost, whereupon the call
fails and nobody here knows whether the venue heard it; reports can be late, overtake each other and come twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from venue_process import HOST

from LIVE_TRADING.brokers.interface import AccountInfo, OrderReport
from LIVE_TRADING.common.async_clock import Signal, VirtualClock
from LIVE_TRADING.common.codec import decode, record_from, to_json_value
from LIVE_TRADING.common.events import OrderAck, OrderEvent, OrderFill, VenueStatus
from LIVE_TRADING.common.exceptions import BrokerConnectionError
from LIVE_TRADING.common.types import BarBatch, Order
from LIVE_TRADING.common.units import NS_PER_S

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LinePlan:
    """How often what happens, as probabilities; a late report is late by up to `late_s` of the engine's clock.

    of_questions  share of the losses that questions about the book have: four without an answer halt trading, rightly
    """

    request_lost: float = 0.04
    answer_lost: float = 0.08
    of_questions: float = 1 / 6
    late: float = 0.5
    repeated: float = 0.2
    late_s: float = 2.0


BAD_LINE = LinePlan()


class RemoteBroker:
    """A venue whose orders are acknowledged, filled and lost elsewhere."""

    proves_absence = True

    def __init__(self, port: int, clock: VirtualClock, seed: int, plan: LinePlan, step: Step) -> None:
        self._port = port
        self._clock = clock
        self._plan = plan
        self._step = step
        self._luck = Random(seed)
        self._number = itertools.count(1)
        self._order = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._bars_under_way: set[int] = set()
        self._late: list[tuple[int, int, OrderEvent]] = []
        self._arrived = Signal()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        reader, self._writer = await asyncio.open_connection(HOST, self._port, limit=2**24)
        self._reading = asyncio.get_running_loop().create_task(self._read(reader))
        await self._ask("listen")

    async def disconnect(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()
        if self._reading is not None:
            await asyncio.wait([self._reading])
        self._writer = None

    async def submit_order(self, order: Order) -> None:
        self._step("send-before")
        await self._risky("submit", to_json_value(order), self._clock.now_ns())
        self._step("send-answered")

    async def cancel_order(self, client_order_id: str) -> None:
        self._step("cancel-before")
        await self._risky("cancel", client_order_id, self._clock.now_ns())

    def observe_bars(self, batch: BarBatch) -> None:
        """Let the venue's market move; time here stands still until it has."""
        number = self._send("bars", batch.bar_end_ns)
        self._bars_under_way.add(number)
        self._clock.enter()

    async def get_positions(self) -> dict[str, Decimal]:
        return {symbol: Decimal(held) for symbol, held in (await self._risky("book"))["positions"].items()}

    async def get_cash(self) -> dict[str, Decimal]:
        return {"USD": Decimal((await self._risky("book"))["cash"])}

    async def get_portfolio_value(self) -> Decimal:
        return Decimal((await self._risky("book"))["value"])

    async def get_open_orders(self) -> Sequence[Order]:
        return [record_from(Order, entry) for entry in await self._risky("open_orders")]

    async def get_order(self, client_order_id: str) -> OrderReport | None:
        found = await self._risky("order", client_order_id)
        if found is None:
            return None
        return OrderReport(client_order_id, VenueStatus(found["status"]), Decimal(found["filled"]), found["reason"])

    async def get_executions(self, since_ns: int) -> Sequence[OrderFill]:
        fills: list[OrderFill] = [decode(entry) for entry in await self._risky("executions", since_ns)]
        return fills

    async def get_account_info(self) -> AccountInfo:
        return AccountInfo("PAPER", "USD", is_live=False)

    async def subscribe_market_data(self, symbols: Sequence[str]) -> None:
        """Accept: the venue has no quotes."""

    async def get_next_event(self) -> OrderEvent:
        while True:
            if self._writer is None:
                raise BrokerConnectionError("the venue is not connected")
            if self._late and self._late[0][0] <= self._clock.now_ns():
                event = heapq.heappop(self._late)[2]
                if isinstance(event, OrderAck):
                    self._step("ack")
                elif isinstance(event, OrderFill):
                    self._step("fill")
                return event
            await self._clock.wait(self._arrived, self._late[0][0] if self._late else None)

    # -- the line ------------------------------------------------------------------------------------------------

    async def _risky(self, verb: str, *values: Any) -> Any:
        """Ask over the line; what is lost is told as a connection that broke."""
        luck, share = self._luck.random(), 1.0 if verb in ("submit", "cancel", "order") else self._plan.of_questions
        if luck < self._plan.request_lost * share:
            raise BrokerConnectionError(f"{verb}: the connection broke")
        answer = await self._ask(verb, *values)
        if luck > 1.0 - self._plan.answer_lost * share:
            raise BrokerConnectionError(f"{verb}: the connection broke")
        return answer

    async def _ask(self, verb: str, *values: Any) -> Any:
        number = self._send(verb, *values)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        if verb in ("submit", "cancel"):
            self._step(f"{'send' if verb == 'submit' else 'cancel'}-after")
        return await future

    def _send(self, verb: str, *values: Any) -> int:
        if self._writer is None or self._writer.is_closing():
            raise BrokerConnectionError("the venue is not connected")
        number = next(self._number)
        self._writer.write(json.dumps({"id": number, "do": verb, "with": values}).encode() + b"\n")
        return number

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._take(json.loads(line))
        except ConnectionError:
            pass
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(BrokerConnectionError("the venue hung up"))
        for _ in self._bars_under_way:
            self._clock.leave()

    def _take(self, frame: dict[str, Any]) -> None:
        if "report" in frame:
            self._delay(frame["arrival_ns"], decode(frame["report"]))
        elif frame["id"] in self._bars_under_way:
            self._bars_under_way.remove(frame["id"])
            self._clock.leave()
        elif (future := self._waiting.pop(frame["id"], None)) is not None and not future.done():
            future.set_result(frame["answer"])

    def _delay(self, arrival_ns: int, event: OrderEvent) -> None:
        for _ in range(2 if self._luck.random() < self._plan.repeated else 1):
            late_s = self._luck.uniform(0.0, self._plan.late_s) if self._luck.random() < self._plan.late else 0.0
            at_ns = max(arrival_ns, self._clock.now_ns()) + round(late_s * NS_PER_S)
            heapq.heappush(self._late, (at_ns, next(self._order), event))
        self._arrived.set()
