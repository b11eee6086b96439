"""Durability for whoever waits: one thread syncs the journal, and all who wait by then share the sync."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.engine.journal import Journal, PendingSync


class GroupCommit:
    """Makes a journal durable from the event loop without holding it up.

    A sync covers what had been appended when it began; who comes while it runs shares the next one. They are let go in
    the order of arrival, so that a cancel never overtakes its order.

    Parameters
    ----------
    journal
        None where nothing is kept: nobody waits then.
    on_failure
        Told once of a sync that failed; from then on nobody is let go.
    """

    def __init__(self, journal: Journal | None, on_failure: Callable[[StateError], None]) -> None:
        self._journal = journal
        self._on_failure = on_failure
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._running: asyncio.Future[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal-sync")

    @property
    def position(self) -> int:
        """Return how many records are on file, durable or not."""
        return self._journal.appended if self._journal is not None else 0

    async def durable(self, position: int) -> None:
        """Wait until so many records are durable.

        Raises
        ------
        StateError
            The journal has failed: what follows from those records may not leave.
        """
        if self._journal is None or (position <= self._journal.durable and not self._waiting):
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append((position, waiter))
        self._begin()
        await waiter

    def tend(self) -> None:
        """Start a sync that nobody waits for, where the journal asks for one."""
        if self._journal is not None and self._journal.wants_sync:
            self._begin()

    async def close(self) -> None:
        """Let a running sync end, and end the thread."""
        while self._running is not None:
            await asyncio.wait([self._running])
        self._thread.shutdown(wait=False)

    def _begin(self) -> None:
        if self._journal is None or self._running is not None:
            return
        try:
            pending = self._journal.begin_sync(in_thread=True)
        except StateError as error:
            self._refuse(error)
            return
        self._running = asyncio.get_running_loop().run_in_executor(self._thread, pending.run)
        self._running.add_done_callback(lambda done: self._ended(pending, done))

    def _ended(self, pending: PendingSync, done: asyncio.Future[None]) -> None:
        assert self._journal is not None
        self._running = None
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if isinstance(error, OSError):
            failure = self._journal.sync_failed(error)
            self._on_failure(failure)
            self._refuse(failure)
        elif error is not None:
            self._refuse(error)
        else:
            self._journal.synced(pending)
            self._let_go(self._journal.durable)

    def _let_go(self, durable: int) -> None:
        while self._waiting and self._waiting[0][0] <= durable:
            _, waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
        if self._waiting:
            self._begin()

    def _refuse(self, error: BaseException) -> None:
        while self._waiting:
            _, waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(error)
