"""Clocks that tasks can wait on: real time, and virtual time that moves only when everybody waits.

A task that works for the engine is an *actor*: `enter` is called when it is created and `leave` when it ends. In
virtual time the clock may move only when every actor waits in `wait`; whoever wakes one hands it its place among the
busy before it runs, so there is no instant at which work is pending and the clock could slip past it.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
from typing import Protocol

from LIVE_TRADING.common.clock import SimulatedClock
from LIVE_TRADING.common.units import NS_PER_S


class Signal:
    """A flag that one actor waits for and others raise."""

    def __init__(self) -> None:
        self._raised = False
        self._wake: asyncio.Future[None] | None = None
        self._on_wake: list[VirtualClock] = []

    def set(self) -> None:
        """Raise the flag; the waiting actor is busy from this moment."""
        if self._wake is not None and not self._wake.done():
            for clock in self._on_wake:
                clock.enter()
            self._wake.set_result(None)
        else:
            self._raised = True

    def consume(self) -> bool:
        """Lower the flag and return whether it was up."""
        raised, self._raised = self._raised, False
        return raised

    def arm(self, wake: asyncio.Future[None], clock: VirtualClock | None) -> None:
        """Let `wake` be resolved by the next `set`."""
        self._wake = wake
        self._on_wake = [clock] if clock is not None else []

    def disarm(self) -> None:
        """Forget the waiting actor."""
        self._wake = None


class AsyncClock(Protocol):
    """A clock with waiting."""

    def now_ns(self) -> int:
        """Return the current instant."""
        ...

    def enter(self) -> None:
        """Count one more busy actor."""
        ...

    def leave(self) -> None:
        """Count one busy actor less."""
        ...

    async def wait(self, signal: Signal | None, until_ns: int | None) -> None:
        """Return when the signal is raised or the instant is reached, whichever is first."""
        ...


class RealTimeClock:
    """Wall time, or a recorded time that runs `speed` times as fast as the wall from `origin_ns`."""

    def __init__(self, origin_ns: int | None = None, speed: float = 1.0) -> None:
        self._origin_ns = time.time_ns() if origin_ns is None else origin_ns
        self._speed = speed
        self._started_ns = time.monotonic_ns()
        self._wall = origin_ns is None

    def now_ns(self) -> int:
        """Return the current instant."""
        if self._wall:
            return time.time_ns()
        return self._origin_ns + round((time.monotonic_ns() - self._started_ns) * self._speed)

    def seconds_until(self, instant_ns: int) -> float:
        """Return how long it is by the wall until an instant; negative when it has passed."""
        return (instant_ns - self.now_ns()) / NS_PER_S / self._speed

    def enter(self) -> None:
        """Do nothing: real time waits for nobody."""

    def leave(self) -> None:
        """Do nothing."""

    async def wait(self, signal: Signal | None, until_ns: int | None) -> None:
        """Return when the signal is raised or the instant is reached, whichever is first."""
        if signal is not None and signal.consume():
            return
        timeout_s = None if until_ns is None else max(0.0, self.seconds_until(until_ns))
        wake = asyncio.get_running_loop().create_future()
        if signal is not None:
            signal.arm(wake, None)
        try:
            await asyncio.wait([wake], timeout=timeout_s)
        finally:
            if signal is not None:
                signal.disarm()


class VirtualClock(SimulatedClock):
    """Simulated time for asyncio."""

    def __init__(self, start_ns: int = 0) -> None:
        super().__init__(start_ns)
        self._busy = 0
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._idle: asyncio.Future[None] | None = None

    def enter(self) -> None:
        """Count one more busy actor."""
        self._busy += 1

    def leave(self) -> None:
        """Count one busy actor less."""
        self._busy -= 1
        if self._busy == 0 and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def wait(self, signal: Signal | None, until_ns: int | None) -> None:
        """Return when the signal is raised or the instant is reached, whichever is first."""
        if (signal is not None and signal.consume()) or (until_ns is not None and until_ns <= self.now_ns()):
            return
        wake = asyncio.get_running_loop().create_future()
        if until_ns is not None:
            heapq.heappush(self._sleepers, (until_ns, next(self._order), wake))
        if signal is not None:
            signal.arm(wake, self)
        self.leave()
        try:
            await wake
        except asyncio.CancelledError:
            if wake.cancelled():  # not woken by anybody: take the place back that the actor gives up when it ends
                self.enter()
            raise
        finally:
            if signal is not None:
                signal.disarm()

    async def wait_idle(self) -> None:
        """Return when every actor waits."""
        while self._busy:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle
        self._idle = None

    def next_instant_ns(self) -> int | None:
        """Return the next instant somebody waits for."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    async def hold(self, stop: asyncio.Event) -> bool:
        """Wait until the next instant may come, at once here; False if `stop` was set before."""
        return True

    def advance(self) -> bool:
        """Move to the next instant somebody waits for and wake all who wait for it; False if nobody does."""
        instant_ns = self.next_instant_ns()
        if instant_ns is None:
            return False
        self.advance_to(instant_ns)
        while self._sleepers and self._sleepers[0][0] == instant_ns:
            wake = heapq.heappop(self._sleepers)[2]
            if not wake.done():
                self.enter()
                wake.set_result(None)
        return True


class PacedClock(VirtualClock):
    """Virtual time that is held back to `speed` times real time, from the first instant past its origin on.

    Recorded data at a pace take the decisions that they take at full speed: nothing overtakes anything, whatever the
    machine is doing; a machine that is too slow only falls behind.
    """

    def __init__(self, speed: float, origin_ns: int = 0) -> None:
        super().__init__()
        self._origin_ns = origin_ns
        self._speed = speed
        self._started_s: float | None = None

    def pace_from(self, origin_ns: int) -> None:
        """Let everything up to an instant come at once: a warm-up, or what a resumed run has behind it."""
        self._origin_ns = origin_ns

    async def hold(self, stop: asyncio.Event) -> bool:
        """Wait until the next instant is due in real time; False if `stop` was set before."""
        next_ns = self.next_instant_ns()
        if next_ns is None or next_ns <= self._origin_ns:
            return True
        if self._started_s is None:
            self._started_s = time.monotonic()
        due_s = self._started_s + (next_ns - self._origin_ns) / NS_PER_S / self._speed
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(0.0, due_s - time.monotonic()))
            return False
        return True
