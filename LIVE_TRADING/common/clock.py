"""Clocks. Only `SystemClock` reads the time of the machine; all else is given one of these."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Source of now, in nanoseconds UTC."""

    def now_ns(self) -> int:
        """Return the current instant."""
        ...


class SystemClock:
    """The wall clock."""

    def now_ns(self) -> int:
        """Return the wall time."""
        return time.time_ns()


class SimulatedClock:
    """A clock that moves when it is told to, and only forward."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Return the simulated instant."""
        return self._now_ns

    def advance_to(self, instant_ns: int) -> None:
        """Move forward; an instant in the past leaves the clock where it is."""
        self._now_ns = max(self._now_ns, instant_ns)
