"""From the threads of a callback SDK into the event loop: nothing lost, the order of each thread kept, no lock.

thread ─put─┐
thread ─put─┼─► deque ─► get ─► one coroutine on the loop (an adapter's `get_next_event`)
thread ─put─┘     └─ one wake-up of the loop for all that came since the last one
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from LIVE_TRADING.common.exceptions import BrokerConnectionError

T = TypeVar("T")
GIVES_WAY_AFTER = 256  # events in a row, so that a flood does not keep the loop from handling them


class ReportBridge(Generic[T]):
    """A queue into the loop that any thread may put into, and one coroutine takes from.

    Everything put is delivered, or its `put` has raised. Made on the loop that takes from it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: deque[T | BrokerConnectionError] = deque()  # appending and taking are atomic
        self._told = False
        self._closing = False
        self._end: BrokerConnectionError | None = None
        self._wake: asyncio.Future[None] | None = None
        self._in_a_row = 0

    def __len__(self) -> int:
        """Return how many events wait, the end included."""
        return len(self._events)

    def put(self, event: T) -> None:
        """Hand an event over; from any thread, never blocking.

        Raises
        ------
        BrokerConnectionError
            The bridge is closed: the event may not be heard. The venue has to be asked for it after the next connect.
        """
        self._events.append(event)
        if self._closing:  # looked at after appending: what comes behind the end always sees it
            raise BrokerConnectionError(f"{type(event).__name__} came after the line was closed: it may not be heard")
        self._tell_loop()

    def close(self, reason: str) -> None:
        """Say that nothing more comes; from any thread, and more than once. What was put before is still delivered."""
        if not self._closing:
            self._closing = True
            self._events.append(BrokerConnectionError(reason))
            self._tell_loop()

    async def get(self) -> T:
        """Wait for the next event; one coroutine at a time.

        Raises
        ------
        BrokerConnectionError
            The bridge is closed, and all that came before has been delivered.
        """
        if self._in_a_row >= GIVES_WAY_AFTER:
            self._in_a_row = 0
            await asyncio.sleep(0)
        while not self._events and self._end is None:
            self._in_a_row = 0
            self._wake = self._loop.create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        if self._end is not None:
            raise self._end
        event = self._events.popleft()
        if isinstance(event, BrokerConnectionError):
            self._end = event
            raise event
        self._in_a_row += 1
        return event

    def _tell_loop(self) -> None:
        """Wake the loop, unless it has been told and has not come to it: then it sees this event as well."""
        if self._told:
            return
        self._told = True
        try:
            self._loop.call_soon_threadsafe(self._look)
        except RuntimeError as error:  # the loop has ended
            self._closing = True
            raise BrokerConnectionError("the event loop has ended: nothing is heard any more") from error

    def _look(self) -> None:
        """Let the coroutine that waits look; on the loop. Told is lowered first: who comes now tells again."""
        self._told = False
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
