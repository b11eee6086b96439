"""When checkpoints are written live, and by whom: references are taken on the loop, a thread encodes and writes.

One is written at a time. It begins while nothing waits in the queue and no cycle is in flight or due, since a thread
that encodes slows the loop down; the state waits for that a few seconds at most. None reaches beyond what of the
journal is durable. One that fails is told and tried again later; at the end it is an error.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from LIVE_TRADING.engine.checkpoint import Checkpoints, can_checkpoint
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.group_commit import GroupCommit
from LIVE_TRADING.engine.housekeeping import Housekeeper

RETRY_S = 1.0
PUT_OFF_S = 5.0
CHANGED_S = 1.0  # after a significant change, and no more often


@dataclass(frozen=True, slots=True)
class CheckpointTimes:
    """How often engine_state.json and the arrays file are written at least."""

    state_s: float
    arrays_s: float


class CheckpointWriter:
    """Writes the checkpoints of a running engine.

    Parameters
    ----------
    checkpoints, keeper
        None where nothing is kept; the keeper clears up after a checkpoint.
    on_written
        Told kind (`arrays`, `engine`), sequence number and the seconds it took.
    on_failure
        Told of a checkpoint that could not be written, save the last one, which raises.
    """

    def __init__(
        self,
        driver: Driver,
        checkpoints: Checkpoints | None,
        keeper: Housekeeper | None,
        commit: GroupCommit,
        times: CheckpointTimes,
        on_written: Callable[[str, int, float], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._driver = driver
        self._checkpoints = checkpoints
        self._keeper = keeper
        self._commit = commit
        self._times = times
        self._on_written = on_written
        self._on_failure = on_failure
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._running: asyncio.Task[None] | None = None
        self._last_state_s = self._last_arrays_s = self._retry_s = time.monotonic()
        # what has come, and how much of it a file says: what comes while one is written is of the next
        self._closes = self._closes_kept = self._changes = self._changes_kept = 0

    def changed(self) -> None:
        """Let the state be written soon: what trading may do is no longer what the file says, or the book is not."""
        self._changes += 1

    def session_closed(self) -> None:
        """Let the journal begin a new segment and the arrays be written: a session has ended."""
        self._closes += 1
        if self._driver.journal is not None:
            self._driver.journal.close_segment()

    def tend(self) -> None:
        """Start to write what is due, unless the last one is still being written."""
        now_s = time.monotonic()
        if self._checkpoints is None or self._running is not None or now_s < self._retry_s:
            return
        if self._driver.journal_failed:
            return  # the core may stand where the journal does not reach
        quiet = can_checkpoint(self._driver.core.state)
        arrays = quiet and (self._closes > self._closes_kept or now_s - self._last_arrays_s >= self._times.arrays_s)
        is_changed = self._changes > self._changes_kept
        late_s = now_s - self._last_state_s - (CHANGED_S if is_changed else self._times.state_s)
        state = late_s >= (0.0 if quiet else PUT_OFF_S)
        if arrays or state:
            work = self._write(self._checkpoints, arrays, state)
            self._running = asyncio.get_running_loop().create_task(self._guarded(work))

    async def finish(self) -> None:
        """Write the last checkpoint.

        Raises
        ------
        StateError
            It cannot be written, or the journal cannot be made durable.
        """
        try:
            if self._running is not None:
                await self._running
            if self._driver.journal_failed:
                return
            if self._checkpoints is not None:
                await self._write(self._checkpoints, can_checkpoint(self._driver.core.state), True)
            else:
                await self._commit.durable(self._commit.position)
        finally:
            self._thread.shutdown(wait=False)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  whatever it is, trading goes on and the next one is tried
            self._retry_s = time.monotonic() + max(self._times.state_s, RETRY_S)
            if not self._driver.journal_failed:
                self._on_failure(error)
        finally:
            self._running = None

    async def _write(self, checkpoints: Checkpoints, arrays: bool, state: bool) -> None:
        core, seq, position = self._driver.core.state, self._driver.seq, self._commit.position
        now_s, closes, changes = time.monotonic(), self._closes, self._changes
        taken = checkpoints.take(core, seq) if arrays and seq else None  # the start's file is never written again
        await self._commit.durable(position)
        if taken is not None:
            await self._timed("arrays", seq, lambda: checkpoints.write_taken(taken))
            self._last_arrays_s, self._closes_kept = now_s, closes
        if state:
            await self._timed("engine", seq, lambda: checkpoints.write_state(core, seq))
            self._last_state_s, self._changes_kept = now_s, changes
        if (
            taken is not None and self._keeper is not None
        ):  # last: what it finds damaged keeps no file from being written
            await asyncio.get_running_loop().run_in_executor(self._thread, self._keeper.tidy, core.now_ns)

    async def _timed(self, kind: str, seq: int, write: Callable[[], None]) -> None:
        started = time.perf_counter()
        await asyncio.get_running_loop().run_in_executor(self._thread, write)
        self._on_written(kind, seq, time.perf_counter() - started)
