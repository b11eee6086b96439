"""Files that survive a crash: atomic replacement, state that is read or refused by name, one process per folder.

Everything goes through a `FileLayer`, a few operations that mean what their POSIX namesakes mean, so that tests can cut
the power (what was not synced is gone) or fill the disk between any two of them.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import orjson
import yaml

from LIVE_TRADING.common.determinism import glob_sorted
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.strict_json import json_bytes

LOCK_NAME = ".lock"
_TEMP_PATTERN = ".*.tmp~"
_temp_number = itertools.count()


class FileLayer(Protocol):
    """What persistence asks of a file system. All raise OSError; `write` writes all of `data` or raises."""

    def open_append(self, path: Path) -> int:
        """Open for appending, created if absent, and return a descriptor."""
        ...

    def open_new(self, path: Path) -> int:
        """Create for writing; FileExistsError if it is there."""
        ...

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of `data`."""
        ...

    def fdatasync(self, descriptor: int) -> None:
        """Make the data durable, and of the metadata what is needed to read them."""
        ...

    def fsync(self, descriptor: int) -> None:
        """Make data and metadata durable."""
        ...

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut to `size` bytes."""
        ...

    def close(self, descriptor: int) -> None:
        """Close the descriptor."""
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Rename over the target, atomically."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file; one that is absent already is no error."""
        ...

    def fsync_folder(self, folder: Path) -> None:
        """Make creations, renames and removals in the folder durable."""
        ...

    def read_bytes(self, path: Path) -> bytes:
        """Return the whole contents."""
        ...


class OsFileLayer:
    """The operating system's files."""

    def open_append(self, path: Path) -> int:
        """Open for appending, created if absent, and return a descriptor."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def open_new(self, path: Path) -> int:
        """Create for writing; FileExistsError if it is there."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of `data`."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def fdatasync(self, descriptor: int) -> None:
        """Make the data durable, and of the metadata what is needed to read them."""
        os.fdatasync(descriptor)

    def fsync(self, descriptor: int) -> None:
        """Make data and metadata durable."""
        os.fsync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut to `size` bytes."""
        os.ftruncate(descriptor, size)

    def close(self, descriptor: int) -> None:
        """Close the descriptor."""
        os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Rename over the target, atomically."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Remove a file; one that is absent already is no error."""
        path.unlink(missing_ok=True)

    def fsync_folder(self, folder: Path) -> None:
        """Make creations, renames and removals in the folder durable."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read_bytes(self, path: Path) -> bytes:
        """Return the whole contents."""
        return path.read_bytes()


OS_FILES = OsFileLayer()


def write_atomic_bytes(path: Path, data: bytes, *, files: FileLayer = OS_FILES) -> None:
    """Replace the contents of a file; whatever fails or crashes, the file holds the old or the new ones, whole.

    Raises
    ------
    StateError
        The file system refused; names the file. The old contents are kept (if only the sync of the folder failed, the
        new ones may be in place, not yet durable).
    """
    temp = path.with_name(f".{path.name}.{os.getpid()}-{next(_temp_number)}.tmp~")
    try:
        try:
            _write_synced(temp, data, files)
            files.replace(temp, path)
        except OSError:
            _remove_quietly(temp, files)
            raise
        files.fsync_folder(path.parent)
    except OSError as error:
        raise StateError(f"{path}: cannot be written ({_text(error)}); check space and permissions") from error


def write_atomic_json(path: Path, obj: object, *, indent: bool = True, files: FileLayer = OS_FILES) -> None:
    """Write an object as JSON, atomically; `json_bytes` says what is allowed (NaN is null, infinity is refused).

    Raises
    ------
    StateError
        As `write_atomic_bytes`, or the object cannot be written as JSON; the file is untouched then.
    """
    write_atomic_bytes(path, _encoded(path, obj, indent=indent) + b"\n", files=files)


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

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StateError(f"{self._folder}: cannot be used ({_text(error)}); check its permissions") from error
        try:
            self._lock(descriptor)
            for leftover in glob_sorted(self._folder, _TEMP_PATTERN):
                _remove_quietly(leftover, OS_FILES)
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
