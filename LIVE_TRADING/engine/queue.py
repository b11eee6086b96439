"""The event queue: priority classes, first in first out within one, and no class starves."""

from __future__ import annotations

from collections import deque

from LIVE_TRADING.common.events import PRIORITY, Event, Priority

SERVED_BEFORE_A_LOWER_CLASS = 64


class EventQueue:
    """Events by class. After 64 events in a row of higher classes one of the next waiting lower class is served."""

    def __init__(self) -> None:
        self._classes: tuple[deque[Event], ...] = tuple(deque() for _ in Priority)
        self._in_a_row = 0

    def put(self, event: Event) -> None:
        """Queue an event behind those of its class."""
        self._classes[PRIORITY[type(event)]].append(event)

    def __len__(self) -> int:
        return sum(map(len, self._classes))

    def pop(self) -> Event:
        """Return the next event.

        Raises
        ------
        IndexError
            The queue is empty.
        """
        waiting = [number for number, events in enumerate(self._classes) if events]
        if not waiting:
            raise IndexError("the queue is empty")
        number = waiting[0]
        if self._in_a_row >= SERVED_BEFORE_A_LOWER_CLASS and len(waiting) > 1:
            number = waiting[1]
            self._in_a_row = 0
        elif len(waiting) > 1:
            self._in_a_row += 1
        else:
            self._in_a_row = 0
        return self._classes[number].popleft()
