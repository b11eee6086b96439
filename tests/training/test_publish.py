"""A run appears whole or not at all."""

# covers: P4, P30

from __future__ import annotations

import errno
from pathlib import Path, PurePosixPath

import pytest

from LIVE_TRADING.common.exceptions import ConfigurationError, StateError
from LIVE_TRADING.common.file_layer import OsFileLayer
from LIVE_TRADING.training.publish import publish_run

OLD = {PurePosixPath("manifest.json"): b"old", PurePosixPath("a/b/model.txt"): b"1"}
NEW = {PurePosixPath("manifest.json"): b"new", PurePosixPath("c/model.txt"): b"2"}


class FullDisk(OsFileLayer):
    """Fails at the n-th operation that changes something."""

    def __init__(self, operations: int) -> None:
        self._left = operations

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    def open_new(self, path: Path) -> int:
        self._spend()
        return super().open_new(path)

    def write(self, descriptor: int, data: bytes) -> None:
        self._spend()
        super().write(descriptor, data)

    def replace(self, source: Path, target: Path) -> None:
        self._spend()
        super().replace(source, target)


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_files_are_written_and_nothing_else_is_left(tmp_path):
    publish_run(tmp_path / "runs" / "x", OLD, replace=False)
    assert tree(tmp_path / "runs") == {"x/manifest.json": b"old", "x/a/b/model.txt": b"1"}


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "x").mkdir()
    publish_run(tmp_path / "x", NEW, replace=False)
    assert tree(tmp_path) == {"x/manifest.json": b"new", "x/c/model.txt": b"2"}


def test_a_run_is_replaced_only_on_request_and_then_whole(tmp_path):
    publish_run(tmp_path / "x", OLD, replace=False)
    with pytest.raises(ConfigurationError, match="a run stands here already; give another run id"):
        publish_run(tmp_path / "x", NEW, replace=False)
    assert tree(tmp_path) == {"x/manifest.json": b"old", "x/a/b/model.txt": b"1"}
    publish_run(tmp_path / "x", NEW, replace=True)
    assert tree(tmp_path) == {"x/manifest.json": b"new", "x/c/model.txt": b"2"}


@pytest.mark.parametrize("replace", [False, True])
def test_what_is_no_run_is_never_touched(tmp_path, replace):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="is no training run and not empty"):
        publish_run(tmp_path / "x", NEW, replace=replace)
    assert tree(tmp_path) == {"x/thesis.txt": b"mine"}


@pytest.mark.parametrize("operations", range(5))
def test_a_full_disk_leaves_nothing_half_done(tmp_path, operations):
    with pytest.raises(StateError, match="No space left"):
        publish_run(tmp_path / "x", OLD, replace=False, files=FullDisk(operations))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("operations", range(6))
def test_a_full_disk_keeps_the_old_run(tmp_path, operations):
    publish_run(tmp_path / "x", OLD, replace=False)
    with pytest.raises(StateError, match="No space left"):
        publish_run(tmp_path / "x", NEW, replace=True, files=FullDisk(operations))
    assert tree(tmp_path) == {"x/manifest.json": b"old", "x/a/b/model.txt": b"1"}
