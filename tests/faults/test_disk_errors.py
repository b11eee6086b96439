"""A disk that refuses at any operation of a session: said clearly, nothing that left is lost, a restart goes on."""

from __future__ import annotations

# covers: B8, P18, P19, P21
import asyncio
import errno
import itertools
import os
import threading
from contextlib import closing
from pathlib import Path

import pytest
from small_session import NotingBroker, Promises, engine_over, losses, trade

from LIVE_TRADING.cli.exits import ExitCode, exit_code_of
from LIVE_TRADING.common.events import OrderEvent, Stamped
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OsFileLayer
from LIVE_TRADING.engine.schedule import SESSION_CLOSE

CODES = (errno.ENOSPC, errno.EIO, errno.EROFS)


class RefusingLayer(OsFileLayer):
    """Refuses from an operation on, for so many operations; a write leaves a part of its bytes."""

    def __init__(self, first: int, code: int, count: int = 10**9) -> None:
        self.first, self.last, self.code = first, first + count, code
        self.operations = 0
        self.refused: list[str] = []
        self._guard = threading.Lock()

    def _may_refuse(self, what: str) -> None:
        with self._guard:
            self.operations += 1
            if self.first <= self.operations < self.last:
                self.refused.append(what)
                raise OSError(self.code, os.strerror(self.code))

    def open_append(self, path: Path) -> int:
        self._may_refuse(f"open {path.name}")
        return super().open_append(path)

    def open_new(self, path: Path) -> int:
        self._may_refuse(f"open {path.name}")
        return super().open_new(path)

    def write(self, descriptor: int, data: bytes) -> None:
        try:
            self._may_refuse("write")
        except OSError:
            super().write(descriptor, data[: len(data) // 3])
            raise
        super().write(descriptor, data)

    def fdatasync(self, descriptor: int) -> None:
        self._may_refuse("fdatasync")  # the real one costs time, and no power is cut here

    def fsync(self, descriptor: int) -> None:
        self._may_refuse("fsync")

    def truncate(self, descriptor: int, size: int) -> None:
        self._may_refuse("truncate")
        super().truncate(descriptor, size)

    def replace(self, source: Path, target: Path) -> None:
        self._may_refuse(f"rename to {target.name}")
        super().replace(source, target)

    def remove(self, path: Path) -> None:
        self._may_refuse(f"remove {path.name}")
        super().remove(path)

    def make_folder(self, path: Path) -> None:
        self._may_refuse(f"folder {path.name}")
        super().make_folder(path)

    def fsync_folder(self, folder: Path) -> None:
        self._may_refuse(f"fsync of folder {folder.name}")


@pytest.fixture(scope="module")
def n_operations(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Of the whole session, about: what a thread does when differs from run to run."""
    layer = RefusingLayer(10**9, errno.EIO)
    trade(tmp_path_factory.mktemp("whole") / "state", Promises(), layer)
    return layer.operations


def refuse_and_go_on(folder: Path, first: int, code: int, count: int) -> bool:
    """Return whether anything was refused: not if the session was over by then."""
    state, venue = folder / "state", folder / "venue.json"
    layer, promises = RefusingLayer(first, code, count), Promises()
    try:
        trade(state, promises, layer, venue)
    except StateError as error:
        assert os.strerror(code) in str(error)
        assert str(folder) in str(error)
        assert exit_code_of(error) is ExitCode.HALTED
    else:
        # a checkpoint that is tried again, a temporary file that stays: trading goes on
        assert count < 10**9 or not layer.refused
    assert losses(state, promises) == [] or not state.exists(), layer.refused[:3]
    resumed = trade(state, Promises(), venue_file=venue)
    ledger = resumed.core.state.ledger.positions
    assert losses(state, promises) == []
    assert resumed.core.state.orders.open == {}
    assert all(position.quantity for position in ledger.values())
    return bool(layer.refused)


@pytest.mark.parametrize("number", range(24))
def test_a_disk_that_refuses_from_one_operation_in_many_on(tmp_path: Path, n_operations: int, number: int) -> None:
    first = 1 + number if number < 10 else 1 + number * n_operations // 26 + number % 5
    refuse_and_go_on(tmp_path, first, CODES[number % 3], 10**9)


@pytest.mark.parametrize("number", range(12))
def test_a_disk_that_refuses_once(tmp_path: Path, n_operations: int, number: int) -> None:
    refuse_and_go_on(tmp_path, 1 + number if number < 4 else 1 + number * n_operations // 14, CODES[number % 3], 1)


class FailsAtTheEnd(OsFileLayer):
    """A sync that begins once it is the last lasts until the loop that serves has ended, and fails."""

    def __init__(self) -> None:
        self.is_last = False
        self.loop_ended = threading.Event()

    def fdatasync(self, descriptor: int) -> None:
        if not self.is_last:
            return
        assert self.loop_ended.wait(30)
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_journal_that_is_lost_while_the_run_ends_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, closes = FailsAtTheEnd(), []
    listen = NotingBroker.get_next_event

    async def until_given_up(broker: NotingBroker) -> OrderEvent:
        try:
            return await listen(broker)
        except asyncio.CancelledError:
            layer.loop_ended.set()
            raise

    def observe(stamped: Stamped, commands: object) -> None:
        if getattr(stamped.event, "trigger_type", "") == SESSION_CLOSE:
            closes.append(stamped.seq)
            layer.is_last = len(closes) == 2

    monkeypatch.setattr(NotingBroker, "get_next_event", until_given_up)
    at_end_only = {"checkpoint_s": 1e6, "arrays_s": 1e6}
    engine = engine_over(tmp_path, Promises(), layer, observers=[observe], **at_end_only)
    with closing(engine), pytest.raises(StateError, match=r"\.jsonl: cannot be synced \(Input/output error\)"):
        asyncio.run(engine.run())
    assert not (tmp_path / "engine_state.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 10**9], ids=["once", "for-good"])
@pytest.mark.parametrize("first", range(1, 21))
def test_a_disk_that_refuses_at_every_operation(tmp_path: Path, first: int, count: int) -> None:
    """To the session's end, wherever that is."""
    for operation in itertools.count(first, 20):
        folder = tmp_path / f"{operation}"
        folder.mkdir()
        if not refuse_and_go_on(folder, operation, CODES[operation % 3], count):
            break
