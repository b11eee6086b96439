"""The event queue: priority classes, first in first out within one, nothing starves, quotes conflated by symbol."""

from __future__ import annotations

import itertools
from collections import deque

from LIVE_TRADING.common.events import PRIORITY, Event, MarketData, Priority

SERVED_BEFORE_A_LOWER_CLASS = 64


class EventQueue:
    """Events by class. After 64 events in a row that went before lower ones, what has waited longest is served.

    Longest of all, and not the next class: so every event has a finite number of others before it, and bars still come
    before the trigger that was queued behind them, also where they are what the higher classes left.

    Of the trades and quotes of a symbol the newest alone wait, joined into one event, at the place of the first: so
    they take O(symbols) of memory however fast they come, and a symbol that is quoted often goes before no other twice.
    Everything else comes out as often as it was put in.
    """

    def __init__(self) -> None:
        self._classes: tuple[deque[tuple[int, Event]], ...] = tuple(deque() for _ in Priority)
        self._number = itertools.count()
        self._told: dict[str, MarketData] = {}
        self._in_a_row = 0
        self._length = 0

    def put(self, event: Event) -> None:
        """Queue an event behind those of its class; a trade or quote joins the one of its symbol that waits."""
        if isinstance(event, MarketData):
            waiting = self._told.get(event.asset)
            self._told[event.asset] = event if waiting is None else waiting.joined(event)
            if waiting is not None:
                return
        self._classes[PRIORITY[type(event)]].append((next(self._number), event))
        self._length += 1

    def __len__(self) -> int:
        return self._length

    def waits(self, asset: str) -> bool:
        """Return whether a trade or quote of a symbol waits, which the next one would join."""
        return asset in self._told

    def pop(self) -> Event:
        """Return the next event.

        Raises
        ------
        IndexError
            The queue is empty.
        """
        if not self._length:
            raise IndexError("the queue is empty")
        for served in self._classes:
            if served:
                break
        if len(served) == self._length:  # no lower class waits
            self._in_a_row = 0
        elif self._in_a_row >= SERVED_BEFORE_A_LOWER_CLASS:
            served = min((events for events in self._classes if events), key=lambda events: events[0][0])
            self._in_a_row = 0
        else:
            self._in_a_row += 1
        self._length -= 1
        event = served.popleft()[1]
        return self._told.pop(event.asset) if isinstance(event, MarketData) else event
