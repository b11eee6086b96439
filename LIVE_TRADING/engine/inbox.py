"""What waits for the loop, and what wakes it."""

from __future__ import annotations

import asyncio

from LIVE_TRADING.common.async_clock import AsyncClock
from LIVE_TRADING.common.events import Event, SystemFault
from LIVE_TRADING.engine.queue import EventQueue


class Inbox:
    """The event queue of a running engine; touched by the loop's thread alone."""

    def __init__(self, clock: AsyncClock) -> None:
        self._clock = clock
        self.queue = EventQueue()
        self.wake = asyncio.Event()

    def put(self, event: Event) -> None:
        """Queue an event."""
        self.queue.put(event)
        self.wake.set()

    def fault(self, kind: str, error: Exception, severity: str = "critical") -> None:
        """Queue what went wrong."""
        self.put(SystemFault(kind, f"{type(error).__name__}: {error}", severity, self._clock.now_ns()))
