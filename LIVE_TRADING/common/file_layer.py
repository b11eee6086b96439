"""The file layer: the few operations that persistence asks of a file system.

Everything that must outlive the process goes through a `FileLayer`, whose operations mean what their POSIX namesakes
mean, so that tests can cut the power (what was not synced is gone) or fill the disk between any two of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


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

    def make_folder(self, path: Path) -> None:
        """Create a folder whose parent is there; FileExistsError if it is there."""
        ...

    def read_bytes(self, path: Path) -> bytes:
        """Return the whole contents."""
        ...

    def free_bytes(self, folder: Path) -> int:
        """Return how much may still be written where a folder lies."""
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
        written = os.write(descriptor, data)
        rest = memoryview(data)[written:]  # nothing, as a rule
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

    def make_folder(self, path: Path) -> None:
        """Create a folder whose parent is there; FileExistsError if it is there."""
        path.mkdir()

    def read_bytes(self, path: Path) -> bytes:
        """Return the whole contents."""
        return path.read_bytes()

    def free_bytes(self, folder: Path) -> int:
        """Return how much may still be written where a folder lies."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize


OS_FILES = OsFileLayer()
