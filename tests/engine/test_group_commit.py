"""Group commit: who waits is let go once what is on file is durable, in order, and many share one sync."""

from __future__ import annotations

# covers: B8, P19
import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from LIVE_TRADING.common.events import OrderAck, Stamped
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OsFileLayer
from LIVE_TRADING.engine.group_commit import GroupCommit
from LIVE_TRADING.engine.journal import SYNC_BYTES, Journal


class HeldDisk(OsFileLayer):
    """Notes writes and syncs in order; a sync in a thread waits for `allow`, and fails where told to."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.allow = threading.Semaphore(0)
        self.fails = False

    def write(self, descriptor: int, data: bytes) -> None:
        super().write(descriptor, data)
        self.log.append("write")

    def fdatasync(self, descriptor: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            self.log.append("sync begins")
            assert self.allow.acquire(timeout=30)
            if self.fails:
                raise OSError(5, "Input/output error")
        super().fdatasync(descriptor)
        self.log.append("synced")


class Bench:
    """A journal, its group commit, and senders that note when they were let go."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.disk = HeldDisk()
        self.journal = Journal(folder, files=self.disk, **options)
        self.journal.sync()
        self.failures: list[StateError] = []
        self.commit = GroupCommit(self.journal, self.failures.append)
        self.seq = 0
        self.disk.log.clear()

    def append(self, text: str = "x") -> int:
        self.seq += 1
        self.journal.append_event(Stamped(self.seq, self.seq, OrderAck(text, 0)))
        return self.commit.position

    async def send(self, name: str, position: int) -> None:
        try:
            await self.commit.durable(position)
        except StateError:
            self.disk.log.append(f"{name} stays")
        else:
            self.disk.log.append(f"{name} leaves")


async def settle() -> None:
    """Let every task run until it waits for something outside the loop."""
    for _ in range(5):
        await asyncio.sleep(0)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 60))


def test_no_order_leaves_before_its_sync_and_all_of_a_cycle_share_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    async def work() -> None:
        position = bench.append()
        sends = [asyncio.create_task(bench.send(f"order {n}", position)) for n in range(3)]
        await settle()
        assert "order 0 leaves" not in bench.disk.log
        bench.disk.allow.release()
        await asyncio.gather(*sends)

    run(work)
    assert bench.disk.log == ["write", "sync begins", "synced", "order 0 leaves", "order 1 leaves", "order 2 leaves"]


def test_who_comes_during_a_sync_waits_for_the_next_in_the_order_of_coming(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    async def work() -> None:
        first = asyncio.create_task(bench.send("order", bench.append()))
        await settle()
        late = [asyncio.create_task(bench.send(name, bench.append())) for name in ("another", "its cancel")]
        await settle()
        bench.disk.allow.release()
        await first
        assert not any(task.done() for task in late)
        bench.disk.allow.release()
        await asyncio.gather(*late)

    run(work)
    leaving = [entry for entry in bench.disk.log if entry != "write"]
    assert leaving == [
        "sync begins",
        "synced",
        "order leaves",
        "sync begins",
        "synced",
        "another leaves",
        "its cancel leaves",
    ] or leaving == [  # the thread may begin the second sync before the first sender runs
        "sync begins",
        "synced",
        "sync begins",
        "order leaves",
        "synced",
        "another leaves",
        "its cancel leaves",
    ]


def test_what_is_durable_already_is_not_waited_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    position = bench.append()
    bench.journal.sync()

    async def work() -> None:
        await bench.commit.durable(position)
        await GroupCommit(None, bench.failures.append).durable(7)

    run(work)
    assert bench.disk.log == ["write", "synced"]


def test_a_failed_sync_lets_nobody_go_now_or_later(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.disk.fails = True

    async def work() -> None:
        position = bench.append()
        sends = [asyncio.create_task(bench.send(f"order {n}", position)) for n in range(2)]
        await settle()
        with_next = asyncio.create_task(bench.send("order 2", bench.append()))
        await settle()
        bench.disk.allow.release()
        await asyncio.gather(*sends, with_next)
        bench.disk.fails = False
        bench.disk.allow.release()
        await bench.send("order 3", position)

    run(work)
    assert [entry for entry in bench.disk.log if "order" in entry] == [f"order {n} stays" for n in range(4)]
    (failure,) = bench.failures
    assert "cannot be synced" in str(failure)
    with pytest.raises(StateError, match="nothing more is written"):
        bench.append()


def test_a_cancelled_waiter_does_not_hold_up_the_others(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    async def work() -> None:
        position = bench.append()
        given_up, other = (asyncio.create_task(bench.send(name, position)) for name in ("given up", "other"))
        await settle()
        given_up.cancel()
        bench.disk.allow.release()
        await other

    run(work)
    assert bench.disk.log[-1] == "other leaves"
    assert "given up leaves" not in bench.disk.log


def test_much_that_nobody_waits_for_is_synced_so_that_an_order_need_not_wait_for_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    async def work() -> None:
        bench.append("small")
        bench.commit.tend()
        assert not bench.journal.wants_sync
        bench.append("x" * SYNC_BYTES)
        bench.commit.tend()
        bench.disk.allow.release()
        await bench.commit.close()

    run(work)
    assert bench.disk.log == ["write", "write", "sync begins", "synced"]
    assert bench.journal.durable == bench.journal.appended


def test_a_segment_is_not_left_while_a_thread_syncs_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, segment_bytes=200)

    async def work() -> None:
        for _ in range(4):
            bench.append()
        bench.commit.tend()
        await settle()
        for _ in range(8):
            bench.append()
        assert len(list(bench.journal.folder.iterdir())) == 1
        bench.disk.allow.release(100)
        await bench.commit.durable(bench.commit.position)
        bench.append()
        assert len(list(bench.journal.folder.iterdir())) == 2

    run(work)
