"""Brokers to put through the contract: how each is made, and how its market is moved.

A new broker adds a harness here and changes nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

from venue import BAR, SESSIONS, TODAY, bar_end, batch, exchange_with_history

from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.brokers.interface import Broker
from LIVE_TRADING.brokers.registry import get_broker
from LIVE_TRADING.brokers.simulated import PaperBroker
from LIVE_TRADING.common.async_clock import VirtualClock
from LIVE_TRADING.common.events import OrderEvent

T = TypeVar("T")


class BrokerHarness(Protocol):
    """A broker of AAA and BBB, both at 100 USD, with 100,000 USD on a flat account, and a hand on its market."""

    broker: Broker

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a test's coroutine to its end."""
        ...

    async def trade(self, volume: float = 10_000.0) -> None:
        """Let the market trade on: what works fills, as far as a twentieth of the volume goes."""
        ...

    async def report(self) -> OrderEvent:
        """Return the next report."""
        ...

    async def settled(self) -> bool:
        """Return whether no report is on its way."""
        ...


class PaperHarness:
    """The paper broker in virtual time."""

    def __init__(self, file: Path, config: ExchangeConfig | None = None) -> None:
        self.clock = VirtualClock(bar_end(0))
        self.file = file
        self.config = config
        self.broker: Broker = self.make()
        self._slot = 0

    def make(self) -> Broker:
        """A broker over the same file: the next process."""
        exchange = exchange_with_history(self.config)
        return get_broker("paper", exchange=exchange, sessions=SESSIONS, clock=self.clock, state_file=self.file)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(work)

    async def trade(self, volume: float = 10_000.0) -> None:
        assert isinstance(self.broker, PaperBroker)
        self._slot += 1
        self.clock.advance_to(TODAY.open_ns + (self._slot + 1) * BAR)
        self.broker.observe_bars(batch(bar_end(self._slot), volume=volume))

    async def report(self) -> OrderEvent:
        return await self._in_time(self.broker.get_next_event)

    async def _in_time(self, wait: Callable[[], Awaitable[T]]) -> T:
        self.clock.enter()
        task = asyncio.ensure_future(wait())
        task.add_done_callback(lambda _: self.clock.leave())
        while not task.done():
            await self.clock.wait_idle()
            if not task.done() and not self.clock.advance():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                raise LookupError("no report is on its way")
        return task.result()

    async def settled(self) -> bool:
        try:
            await self.report()
        except LookupError:
            return True
        return False


HARNESSES: dict[str, Callable[[Path], BrokerHarness]] = {
    "paper": lambda folder: PaperHarness(folder / "venue.json"),
    "paper-slow-to-answer": lambda folder: PaperHarness(folder / "venue.json", ExchangeConfig(ack_latency_ms=40)),
    "paper-slow-to-fill": lambda folder: PaperHarness(folder / "venue.json", ExchangeConfig(fill_latency_ms=70)),
}
