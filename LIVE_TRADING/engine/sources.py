"""What comes in from outside, each source in a task of its own: bars, the schedule, the venue's reports."""

from __future__ import annotations

from collections.abc import AsyncIterator

from LIVE_TRADING.brokers.interface import Broker, MarketObserver
from LIVE_TRADING.common.async_clock import AsyncClock
from LIVE_TRADING.common.exceptions import BrokerError, DataProviderError
from LIVE_TRADING.data.interface import DataProvider, FeedItem, RecordedDataProvider
from LIVE_TRADING.engine.inbox import Inbox
from LIVE_TRADING.engine.schedule import schedule
from LIVE_TRADING.observability import emit
from LIVE_TRADING.observability.bus import NoticeBus


class Sources:
    """Pumps events into the inbox. `open` counts feed and schedule until they have ended."""

    def __init__(
        self,
        provider: DataProvider,
        broker: Broker,
        clock: AsyncClock,
        inbox: Inbox,
        bus: NoticeBus,
        *,
        grace_ns: int,
    ) -> None:
        self._provider = provider
        self._broker = broker
        self._clock = clock
        self._inbox = inbox
        self._bus = bus
        self._grace_ns = grace_ns
        self.open = 2

    async def pump_feed(self, start_ns: int, end_ns: int) -> None:
        """Pass on the bars that arrive in (start, end]."""
        observer = self._broker if isinstance(self._broker, MarketObserver) else None
        try:
            async for item in self._items(start_ns, end_ns):
                await self._clock.wait(None, item.arrival_ns)
                if observer is not None:
                    observer.observe_bars(item.batch)
                self._inbox.put(item.batch)
        except DataProviderError as error:
            self._inbox.fault("data_feed", error)
        self._ended()

    async def _items(self, start_ns: int, end_ns: int) -> AsyncIterator[FeedItem]:
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
