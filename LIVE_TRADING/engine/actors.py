"""The tasks that work for a running engine, all in one group."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from LIVE_TRADING.common.async_clock import AsyncClock
from LIVE_TRADING.engine.task_failure import TaskWatch


class Actors:
    """Starts tasks in a group and knows which of them nothing waits for once the run ends."""

    def __init__(self, group: asyncio.TaskGroup, clock: AsyncClock, watch: TaskWatch) -> None:
        self._group = group
        self._clock = clock
        self._watch = watch
        self._given_up: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], name: str = "") -> asyncio.Task[None]:
        """Run an actor to its end: it counts as busy from now on, not from when it first runs."""
        self._clock.enter()
        task = self._group.create_task(work, name=name or getattr(work, "__name__", "").lstrip("_"))
        task.add_done_callback(self._watch.ended)
        task.add_done_callback(lambda _: self._clock.leave())
        return task

    def start_until_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Run an actor that nothing waits for once the run ends."""
        task = self.start(work)
        self._given_up.add(task)
        task.add_done_callback(self._given_up.discard)

    def give_up(self) -> None:
        """Cancel what nothing waits for any more."""
        for task in tuple(self._given_up):
            task.cancel()
