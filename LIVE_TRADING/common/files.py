"""Files that survive a crash: atomic replacement, state that is read or refused by name, one process per folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import yaml

from LIVE_TRADING.common.determinism import glob_sorted
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.common.strict_json import json_bytes

LOCK_NAME = ".lock"
_TEMP_PATTERN = ".*.tmp~"
_temp_number = itertools.count()


def write_atomic_bytes(path: Path, data: bytes, *, files: FileLayer = OS_FILES) -> None:
    """Replace the contents of a file; whatever fails or crashes, the file holds the old or the new ones, whole.

    Raises
    ------
    StateError
        The file system refused; names the file. The old contents are kept (if only the sync of the folder failed, the
        new ones may be in place, not yet durable).
    """
    write_atomic_files({path: data}, files=files)


def write_atomic_files(contents: Mapping[Path, bytes], *, files: FileLayer = OS_FILES) -> None:
    """Replace the contents of files of one folder, each as `write_atomic_bytes`; all are durable when this returns.

    Raises
    ------
    StateError
        The file system refused; names the file. A crash between may leave some new and some old, each whole.
    """
    temps: dict[Path, Path] = {}
    path = Path()
    try:
        try:
            for path, data in contents.items():  # order: as given
                temps[path] = path.with_name(f".{path.name}.{os.getpid()}-{next(_temp_number)}.tmp~")
                _write_synced(temps[path], data, files)
            for path in contents:
                files.replace(temps[path], path)
                del temps[path]
        except OSError:
            for temp in temps.values():  # order: does not matter
                _remove_quietly(temp, files)
            raise
        files.fsync_folder(path.parent)
    except OSError as error:
        raise StateError(f"{path}: cannot be written ({_text(error)}); check space and permissions") from error


def replace_file(path: Path, data: bytes, *, files: FileLayer = OS_FILES) -> None:
    """Replace the contents of a file whole, for a kill, not for a power cut: nothing is synced.

    Raises
    ------
    StateError
        The file system refused; names the file.
    """
    temp = path.with_name(f".{path.name}.{os.getpid()}-{next(_temp_number)}.tmp~")
    try:
        try:
            descriptor = files.open_new(temp)
            try:
                files.write(descriptor, data)
            finally:
                files.close(descriptor)
            files.replace(temp, path)
        except OSError:
            _remove_quietly(temp, files)
            raise
    except OSError as error:
        raise StateError(f"{path}: cannot be written ({_text(error)}); check space and permissions") from error


def write_atomic_json(path: Path, obj: object, *, indent: bool = True, files: FileLayer = OS_FILES) -> None:
    """Write an object as JSON, atomically; `json_bytes` says what is allowed (NaN is null, infinity is refused).

    Raises
    ------
    StateError
        As `write_atomic_bytes`, or the object cannot be written as JSON; the file is untouched then.
    """
    write_atomic_bytes(path, json_file(path, obj, indent=indent), files=files)


def json_file(path: Path, obj: object, *, indent: bool = True) -> bytes:
    """Return the contents of a JSON file; StateError that names it where the object cannot be written as JSON."""
    return _encoded(path, obj, indent=indent) + b"\n"


def write_atomic_yaml(path: Path, obj: object, *, files: FileLayer = OS_FILES) -> None:
    """Write an object as YAML, atomically, by the rules of `write_atomic_json`, keys in the order given.

    Raises
    ------
    StateError
        As `write_atomic_json`.
    """
    tree = orjson.loads(_encoded(path, obj, indent=False))
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, default_flow_style=False)
    write_atomic_bytes(path, text.encode(), files=files)


def read_json(path: Path, *, files: FileLayer = OS_FILES) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    StateError
        The file is absent, unreadable or no JSON; names the file and the remedy.
    """
    try:
        return orjson.loads(files.read_bytes(path))
    except FileNotFoundError as error:
        raise StateError(f"{path}: no such file; check the folder given") from error
    except OSError as error:
        raise StateError(f"{path}: cannot be read ({_text(error)}); check permissions and the disk") from error
    except orjson.JSONDecodeError as error:
        raise StateError(f"{path}: is no JSON ({error}); restore it from a copy or move it away") from error


def make_folders(path: Path, *, files: FileLayer = OS_FILES) -> None:
    """Create a folder and those above it that are missing, durably: a power cut takes none of them away again.

    Raises
    ------
    StateError
        The file system refused; names the folder.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):
                files.make_folder(folder)
            files.fsync_folder(folder.parent)
        if not missing:  # a process that was killed may have made it
            with contextlib.suppress(PermissionError):
                files.fsync_folder(path.parent)
    except OSError as error:
        raise StateError(f"{path}: cannot be made ({_text(error)}); check space and permissions") from error


def remove_leftovers(folder: Path, *, files: FileLayer = OS_FILES) -> None:
    """Remove the temporary files that a killed process left."""
    for leftover in glob_sorted(folder, _TEMP_PATTERN):
        _remove_quietly(leftover, files)


class FolderLockedError(StateError):
    """Refuse to start: another process works in this folder. `pid` is 0 where it could not be read."""

    def __init__(self, folder: Path, pid: int) -> None:
        owner = f"process {pid}" if pid else "another process"
        super().__init__(f"{folder}: in use by {owner}; stop it, or give another folder")
        self.pid = pid


class FolderLock:
    """One process per folder, by `flock`; the kernel lifts it when the process ends, however it ends.

    The lock file stays: removing it would let two processes lock two files of the same name. On entering, temporary
    files that a killed process left are removed.
    """

    def __init__(self, folder: Path, *, files: FileLayer = OS_FILES) -> None:
        self._folder = folder
        self._files = files
        self._descriptor = -1

    def acquire(self) -> None:
        """Take the lock, creating the folder if need be.

        Raises
        ------
        FolderLockedError
            Another process, or another lock of this one, holds it.
        StateError
            The folder cannot be used.
        """
        make_folders(self._folder, files=self._files)
        path = self._folder / LOCK_NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except IsADirectoryError as error:
            raise StateError(f"{path}: is a folder where the lock file belongs; remove it") from error
        except OSError as error:
            raise StateError(f"{self._folder}: cannot be used ({_text(error)}); check its permissions") from error
        try:
            self._lock(descriptor)
            remove_leftovers(self._folder, files=self._files)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _lock(self, descriptor: int) -> None:
        """Lock an open file and write the process id into it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise StateError(f"{self._folder}: cannot be locked ({_text(error)}); use a local disk") from error
            text = os.pread(descriptor, 32, 0).strip()
            raise FolderLockedError(self._folder, int(text) if text.isdigit() else 0) from error
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise StateError(f"{self._folder}: cannot be written ({_text(error)}); check space") from error

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> FolderLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _write_synced(path: Path, data: bytes, files: FileLayer) -> None:
    """Create a file with these contents, durable."""
    descriptor = files.open_new(path)
    try:
        files.write(descriptor, data)
        files.fsync(descriptor)
    finally:
        files.close(descriptor)


def _encoded(path: Path, obj: object, *, indent: bool) -> bytes:
    """Return the JSON of an object; what cannot be said is a StateError that names the file."""
    try:
        return json_bytes(obj, indent=indent)
    except ValueError as error:
        raise StateError(f"{path}: not written, {error}") from error


def _remove_quietly(path: Path, files: FileLayer) -> None:
    """Remove a temporary file; on a broken disk it stays, and the next `FolderLock` removes it."""
    try:
        files.remove(path)
    except OSError:
        return


def _text(error: OSError) -> str:
    """Return the reason without the path, which the message names already."""
    return error.strerror or str(error)
