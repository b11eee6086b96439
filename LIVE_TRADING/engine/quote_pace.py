"""How often the core is told of a symbol between bars: what comes more often waits, and the newest of it is told."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from LIVE_TRADING.common.events import MarketData
from LIVE_TRADING.common.units import NS_PER_MS, NS_PER_S
from LIVE_TRADING.engine.queue import EventQueue
from LIVE_TRADING.engine.state import CoreState

IDLE_NS, EXPOSED_NS = NS_PER_S, 250 * NS_PER_MS


@dataclass(slots=True)
class QuoteCounts:
    """What became of trades and quotes.

    offered    all that came
    conflated  joined one of their symbol that waited
    old        told nothing that the core did not know
    unknown    of symbols outside the universe
    """

    offered: int = 0
    conflated: int = 0
    old: int = 0
    unknown: int = 0


class QuotePace:
    """Holds trades and quotes back until their symbol's time has come, then queues the newest of each.

    A symbol's time is a second after the core last took one of it, 250 ms where a position or an order of it is open.
    That instant is the core's own (`Quotes.taken_ns`), so a run that goes on after a restart keeps the pace. What is
    held is not on file: nothing is consumed that is not journaled. What the core knows already, and symbols outside the
    universe, are counted and dropped: nothing depends on them. So a recorded feed that is opened again after a restart
    does not slow down what is new.

    Parameters
    ----------
    queue
        Where they go when their time has come.
    column
        Place of each symbol of the universe.
    state
        Returns the core's state.
    """

    def __init__(self, queue: EventQueue, column: Mapping[str, int], state: Callable[[], CoreState]) -> None:
        self._queue = queue
        self._column = column
        self._state = state
        self._held: dict[str, tuple[int, MarketData]] = {}  # by symbol, with when it is due
        self._due: list[tuple[int, int, str]] = []  # a heap; an entry whose time is not that held is void
        self._number = itertools.count()
        self.counts = QuoteCounts()

    def counted(self) -> QuoteCounts:
        """Return what has been counted, and start over."""
        counts, self.counts = self.counts, QuoteCounts()
        return counts

    def offer(self, told: MarketData) -> None:
        """Take a trade or quote from a feed."""
        counts, asset = self.counts, told.asset
        counts.offered += 1
        at = self._column.get(asset)
        if at is None:
            counts.unknown += 1
            return
        if self._queue.waits(asset):
            counts.conflated += 1
            self._queue.put(told)
            return
        state = self._state()
        if state.quotes.holds(at, told):
            counts.old += 1
            return
        exposed = asset in state.ledger.positions or state.orders.has_open(asset)
        due_ns = state.quotes.taken_ns.item(at) + (EXPOSED_NS if exposed else IDLE_NS)
        held = self._held.get(asset)
        if held is not None:
            counts.conflated += 1
            told = held[1].joined(told)
        if held is None or due_ns < held[0]:
            heapq.heappush(self._due, (due_ns, next(self._number), asset))
        else:
            due_ns = held[0]
        self._held[asset] = (due_ns, told)

    def release(self, now_ns: int) -> None:
        """Queue what is due."""
        while (due_ns := self.next_ns()) is not None and due_ns <= now_ns:
            self._queue.put(self._held.pop(heapq.heappop(self._due)[2])[1])

    def next_ns(self) -> int | None:
        """Return when the next one is due; None while nothing is held."""
        while self._due:
            due_ns, _, asset = self._due[0]
            held = self._held.get(asset)
            if held is not None and held[0] == due_ns:
                return due_ns
            heapq.heappop(self._due)
        return None
