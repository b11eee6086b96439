"""What comes in from outside, each source in a task of its own: bars and quotes, the schedule, the venue's reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from LIVE_TRADING.brokers.interface import Broker, MarketObserver
from LIVE_TRADING.common.async_clock import AsyncClock, Signal
from LIVE_TRADING.common.exceptions import BrokerError, DataProviderError
from LIVE_TRADING.data.interface import Arrival, DataProvider, QuoteItem, RecordedDataProvider
from LIVE_TRADING.engine.inbox import Inbox
from LIVE_TRADING.engine.quote_pace import QuotePace
from LIVE_TRADING.engine.schedule import schedule
from LIVE_TRADING.observability import emit
from LIVE_TRADING.observability.bus import NoticeBus

_WITHOUT_PAUSE = 64  # items of a feed that is behind, before others have a turn


class Sources:
    """Pumps events into the inbox. `open` counts feed and schedule until they have ended.

    Trades and quotes go by way of `pace`, which the loop asks to release what is due before it serves.
    """

    def __init__(
        self,
        provider: DataProvider,
        broker: Broker,
        clock: AsyncClock,
        inbox: Inbox,
        bus: NoticeBus,
        pace: QuotePace,
        *,
        grace_ns: int,
    ) -> None:
        self._provider = provider
        self._broker = broker
        self._clock = clock
        self._inbox = inbox
        self._bus = bus
        self._pace = pace
        self._paced = Signal()
        self._awaited_ns: int | None = None  # when the loop is to be woken for what is held back
        self._grace_ns = grace_ns
        self.open = 2

    async def pump_feed(self, start_ns: int, end_ns: int) -> None:
        """Pass on the bars, trades and quotes that arrive in (start, end]."""
        observer = self._broker if isinstance(self._broker, MarketObserver) else None
        passed_on = 0
        try:
            async for item in self._items(start_ns, end_ns):
                if item.arrival_ns > self._clock.now_ns():
                    await self._clock.wait(None, item.arrival_ns)
                elif passed_on % _WITHOUT_PAUSE == 0:
                    await asyncio.sleep(0)
                passed_on += 1
                if isinstance(item, QuoteItem):
                    self._offer(item)
                    continue
                if observer is not None:
                    observer.observe_bars(item.batch)
                self._inbox.put(item.batch)
        except DataProviderError as error:
            self._inbox.fault("data_feed", error)
        self._ended()

    def _offer(self, item: QuoteItem) -> None:
        self._pace.offer(item.told)
        due_ns = self._pace.next_ns()
        if due_ns is not None and due_ns <= self._clock.now_ns():
            self._inbox.wake.set()
        else:
            self._await(due_ns)

    def release_quotes(self) -> None:
        """Queue the trades and quotes whose time has come."""
        due_ns = self._pace.next_ns()
        if due_ns is not None and due_ns <= (now_ns := self._clock.now_ns()):
            self._pace.release(now_ns)
            due_ns = self._pace.next_ns()
        self._await(due_ns)

    def _await(self, due_ns: int | None) -> None:
        """Have the loop woken then, where that is another instant than the one awaited."""
        if due_ns != self._awaited_ns:
            self._awaited_ns = due_ns
            self._paced.set()

    async def pump_quotes(self) -> None:
        """Wake the loop when a trade or quote is due that was held back."""
        while True:
            due_ns = self._awaited_ns
            if due_ns is not None and due_ns <= self._clock.now_ns():
                self._inbox.wake.set()
                due_ns = None  # until the loop has released it
            await self._clock.wait(self._paced, due_ns)

    async def _items(self, start_ns: int, end_ns: int) -> AsyncIterator[Arrival]:
        if isinstance(self._provider, RecordedDataProvider):
            for item in self._provider.timeline(start_ns, end_ns):
                yield item
        else:
            async for item in self._provider.stream():
                yield item

    async def pump_schedule(self, start_ns: int, end_ns: int) -> None:
        """Trigger what is due in (start, end]."""
        for due in schedule(self._provider.sessions, self._provider.interval_ns, self._grace_ns, start_ns, end_ns):
            await self._clock.wait(None, due.due_ns)
            self._inbox.put(due.event(self._clock.now_ns()))
        self._ended()

    async def pump_reports(self) -> None:
        """Pass on what the venue says, until it says nothing more."""
        try:
            while True:
                self._inbox.put(await self._broker.get_next_event())
        except BrokerError as error:
            broker, now_ns = type(self._broker).__name__, self._clock.now_ns()
            emit.emit_broker_disconnected(self._bus, now_ns, broker=broker, reason=str(error), expected=False)
            self._inbox.fault("broker_lost", error)

    def _ended(self) -> None:
        self.open -= 1
        self._inbox.wake.set()
