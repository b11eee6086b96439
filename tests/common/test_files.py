"""Atomic files and the folder lock."""

# covers: P4, B8

from __future__ import annotations

import errno
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OsFileLayer
from LIVE_TRADING.common.files import (
    FolderLock,
    FolderLockedError,
    read_json,
    write_atomic_bytes,
    write_atomic_json,
    write_atomic_yaml,
)

REPO = Path(__file__).resolve().parents[2]


class RecordingLayer(OsFileLayer):
    """Notes the operations and fails at the named one, from its `nth` call on."""

    def __init__(self, fail_at: str = "", code: int = errno.ENOSPC) -> None:
        self.calls: list[str] = []
        self._fail_at = fail_at
        self._code = code

    def _note(self, name: str) -> None:
        self.calls.append(name)
        if name == self._fail_at:
            raise OSError(self._code, os.strerror(self._code))

    def open_new(self, path: Path) -> int:
        self._note("open_new")
        return super().open_new(path)

    def write(self, descriptor: int, data: bytes) -> None:
        if self._fail_at == "write":
            super().write(descriptor, data[: len(data) // 2])
        self._note("write")
        super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self._note("fsync")
        super().fsync(descriptor)

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        self._note("close")

    def replace(self, source: Path, target: Path) -> None:
        self._note("replace")
        super().replace(source, target)

    def remove(self, path: Path) -> None:
        super().remove(path)
        self._note("remove")

    def fsync_folder(self, folder: Path) -> None:
        self._note("fsync_folder")
        super().fsync_folder(folder)

    def read_bytes(self, path: Path) -> bytes:
        self._note("read_bytes")
        return super().read_bytes(path)


def test_the_order_of_operations_is_what_a_power_cut_needs(tmp_path: Path) -> None:
    layer = RecordingLayer()
    write_atomic_bytes(tmp_path / "a.bin", b"x" * 10, files=layer)
    assert layer.calls == ["open_new", "write", "fsync", "close", "replace", "fsync_folder"]


@pytest.mark.parametrize("step", ["open_new", "write", "fsync", "close", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failing_step_keeps_the_old_contents(tmp_path: Path, step: str, code: int) -> None:
    path = tmp_path / "state.json"
    write_atomic_json(path, {"v": 1})
    with pytest.raises(StateError, match=r"state\.json: cannot be written"):
        write_atomic_json(path, {"v": 2}, files=RecordingLayer(step, code))
    assert read_json(path) == {"v": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_a_failing_folder_sync_is_reported_and_nothing_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    with pytest.raises(StateError, match="No space"):
        write_atomic_json(path, {"v": 2}, files=RecordingLayer("fsync_folder"))
    assert read_json(path) == {"v": 2}


def test_a_leftover_that_cannot_be_removed_hides_no_error(tmp_path: Path) -> None:
    class Stuck(RecordingLayer):
        def remove(self, path: Path) -> None:
            raise OSError(errno.EIO, "stuck")

    with pytest.raises(StateError, match="No space"):
        write_atomic_bytes(tmp_path / "a", b"x", files=Stuck("fsync"))


def test_yaml_says_what_json_says(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write_atomic_yaml(path, {"z": 1, "a": [0.5, math.nan], "t": "é"})
    assert path.read_text() == "z: 1\na:\n- 0.5\n- null\nt: é\n"
    assert yaml.safe_load(path.read_text()) == {"z": 1, "a": [0.5, None], "t": "é"}


@pytest.mark.parametrize("write", [write_atomic_json, write_atomic_yaml])
def test_infinity_is_refused_and_the_file_untouched(tmp_path: Path, write: Callable[..., None]) -> None:
    path = tmp_path / "a"
    write(path, {"cash": 1.0})
    before = path.read_bytes()
    with pytest.raises(StateError, match=r"a: not written, cash is infinite"):
        write(path, {"cash": math.inf})
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("contents", "named"),
    [
        pytest.param(None, "no such file", id="absent"),
        pytest.param(b'{"a": 1', "is no JSON", id="torn"),
        pytest.param(b"\xff\xfe", "is no JSON", id="no-utf8"),
        pytest.param(b'{"a": NaN}', "is no JSON", id="nan"),
    ],
)
def test_unreadable_state_names_file_and_remedy(tmp_path: Path, contents: bytes | None, named: str) -> None:
    path = tmp_path / "engine_state.json"
    if contents is not None:
        path.write_bytes(contents)
    with pytest.raises(StateError, match=rf"engine_state\.json: {named}.*; (check|restore)"):
        read_json(path)


def test_a_disk_error_on_reading_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        read_json(tmp_path / "a", files=RecordingLayer("read_bytes", errno.EIO))


def test_append_truncate_and_datasync(tmp_path: Path) -> None:
    layer, path = OsFileLayer(), tmp_path / "journal"
    descriptor = layer.open_append(path)
    layer.write(descriptor, b"one\ntw")
    layer.truncate(descriptor, 4)
    layer.write(descriptor, b"two\n")
    layer.fdatasync(descriptor)
    layer.close(descriptor)
    assert layer.read_bytes(path) == b"one\ntwo\n"


WRITER = """
import itertools, sys
from pathlib import Path
from LIVE_TRADING.common.files import write_atomic_json
path = Path(sys.argv[1])
for number in itertools.count(1):
    write_atomic_json(path, {"number": number, "filler": [number] * 20_000})
    print(number, flush=True)
"""


def test_sigkill_during_writes_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for kill in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=REPO, text=True
        ) as writer:
            assert writer.stdout is not None
            done = [int(writer.stdout.readline()) for _ in range(2 + kill)]
            with pytest.raises(subprocess.TimeoutExpired):
                writer.wait(timeout=0.002 * kill)
            writer.send_signal(signal.SIGKILL)
        state = read_json(path)
        assert set(state["filler"]) == {state["number"]}
        assert state["number"] >= done[-1] == 2 + kill
    with FolderLock(tmp_path):
        assert sorted(entry.name for entry in tmp_path.iterdir()) == [".lock", "state.json"]


HOLDER = """
import sys
from pathlib import Path
from LIVE_TRADING.common.files import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_and_a_killed_one_frees_the_folder(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPO,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FolderLockedError, match=f"in use by process {holder.pid}; stop it") as caught:
            FolderLock(tmp_path).acquire()
        assert caught.value.pid == holder.pid
        holder.send_signal(signal.SIGKILL)
    with FolderLock(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_binds_within_a_process_and_is_given_back(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    lock = FolderLock(folder)
    with lock, pytest.raises(FolderLockedError, match=f"process {os.getpid()}"):
        FolderLock(folder).acquire()
    lock.release()
    with FolderLock(folder):
        (folder / ".lock").write_text("?")
        with pytest.raises(FolderLockedError, match="another process") as caught:
            FolderLock(folder).acquire()
        assert caught.value.pid == 0


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="file: cannot be used"):
        FolderLock(tmp_path / "file").acquire()


def test_a_folder_in_place_of_the_lock_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(StateError, match=rf"{tmp_path}/\.lock: is a folder where the lock file belongs; remove it"):
        FolderLock(tmp_path).acquire()
