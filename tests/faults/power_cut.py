"""A file layer on which the power can be cut: what was not synced is gone, and so is the process.

Files and names live in the file system as usual; the layer remembers what of them is durable: per file the bytes at its
last sync, per folder the names at its last sync. `left_on_disk` gives what a disk would.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from LIVE_TRADING.common.file_layer import OsFileLayer

# what may become of what was never synced: all of it lost; new names on disk, their contents not; files gone that were
# removed, new names lost; half of the new bytes on disk
MODES = ("lost", "names", "removals", "torn")


class PowerCutError(BaseException):
    """The machine is off: no code of the process runs on."""


@dataclass(eq=False)
class _Inode:
    """A file or a folder."""

    durable: bytes = b""
    names: dict[str, _Inode] | None = None  # of a folder: what is durable
    current: dict[str, _Inode] = field(default_factory=dict)


class PowerCutFileLayer(OsFileLayer):
    """Cuts the power at an operation, from 1 on; 0: never.

    Parameters
    ----------
    root
        An existing folder under which everything happens; it is durable.
    cut_at
        Number of the operation that does not happen any more.
    skipped
        Labels of syncs that do nothing: what a careless program would leave out.
    """

    def __init__(self, root: Path, cut_at: int = 0, skipped: Collection[str] = ()) -> None:
        self.root = root
        self.cut_at = cut_at
        self.skipped = frozenset(skipped)
        self.has_skipped = False
        self.operations = 0
        self.labels: Counter[str] = Counter()
        self.log: list[str] = []
        self.is_off = False
        self.on_removal: Callable[[], None] = lambda: None
        self._guard = threading.RLock()
        self._top = _Inode(names={})
        self._open: dict[int, tuple[_Inode, Path]] = {}

    # -- operations ----------------------------------------------------------------------------------------------

    def open_append(self, path: Path) -> int:
        with self._guard:
            self._happens(f"open {path.name}")
            return self._opened(path, super().open_append(path))

    def open_new(self, path: Path) -> int:
        with self._guard:
            self._happens(f"open {path.name}")
            return self._opened(path, super().open_new(path))

    def write(self, descriptor: int, data: bytes) -> None:
        with self._guard:
            self._happens("write")
            super().write(descriptor, data)

    def fdatasync(self, descriptor: int) -> None:
        self._sync(descriptor, "fdatasync")

    def fsync(self, descriptor: int) -> None:
        self._sync(descriptor, "fsync")

    def truncate(self, descriptor: int, size: int) -> None:
        with self._guard:
            self._happens("truncate")
            super().truncate(descriptor, size)

    def close(self, descriptor: int) -> None:
        with self._guard:
            self._open.pop(descriptor, None)
            super().close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        with self._guard:
            self._happens(f"rename to {target.name}")
            super().replace(source, target)
            inode = self._folder(source.parent).current.pop(source.name)
            self._folder(target.parent).current[target.name] = inode

    def remove(self, path: Path) -> None:
        with self._guard:
            self._happens(f"remove {path.name}")
            super().remove(path)
            self._folder(path.parent).current.pop(path.name, None)
            self.on_removal()

    def make_folder(self, path: Path) -> None:
        with self._guard:
            self._happens(f"folder {path.name}")
            super().make_folder(path)
            self._folder(path.parent).current[path.name] = _Inode(names={})

    def fsync_folder(self, folder: Path) -> None:
        with self._guard:
            inode = self._folder(folder)
            assert inode.names is not None
            new = sorted({kind_of(name) for name, held in inode.current.items() if inode.names.get(name) is not held})
            label = f"folder of {', '.join(new) or 'nothing new'}"
            self._happens(label)
            self.labels[label] += 1
            if label in self.skipped:
                self.has_skipped = True
            else:
                inode.names = dict(inode.current)

    def _sync(self, descriptor: int, how: str) -> None:
        with self._guard:
            inode, path = self._open[descriptor]
            label = f"{how} of {kind_of(path.name)}"
            self._happens(label)
            self.labels[label] += 1
            if label in self.skipped:
                self.has_skipped = True
            else:
                inode.durable = _contents(descriptor)

    def _happens(self, what: str) -> None:
        if self.is_off:
            raise PowerCutError
        self.operations += 1
        self.log.append(what)
        if self.operations == self.cut_at:
            self.is_off = True
            raise PowerCutError

    # -- the disk ------------------------------------------------------------------------------------------------

    def _opened(self, path: Path, descriptor: int) -> int:
        current = self._folder(path.parent).current
        inode = current.setdefault(path.name, _Inode())
        self._open[descriptor] = (inode, path)
        return descriptor

    def _folder(self, path: Path) -> _Inode:
        inode = self._top
        for name in path.relative_to(self.root).parts:
            inode = inode.current[name]
        return inode

    def left_on_disk(self, mode: str, target: Path) -> Path:
        """Write into a folder what is on the disk if the power is cut now; return it."""
        with self._guard:
            self._settle(self.root, self._top, mode, target)
        return target

    def _settle(self, path: Path, inode: _Inode, mode: str, target: Path) -> None:
        assert inode.names is not None
        target.mkdir(parents=True)
        kept = dict(inode.names)
        if mode == "names":
            kept = dict(inode.current)
        elif mode == "removals":
            kept = {name: held for name, held in kept.items() if name in inode.current}
        for name, held in sorted(kept.items()):
            if held.names is not None:
                self._settle(path / name, held, mode, target / name)
            else:
                is_there = inode.current.get(name) is held
                written = (path / name).read_bytes() if is_there and mode == "torn" else None
                (target / name).write_bytes(_left_of(held.durable, written))


def _left_of(durable: bytes, written: bytes | None) -> bytes:
    if written is not None and written.startswith(durable):
        return written[: len(durable) + (len(written) - len(durable)) // 2]
    return durable


def _contents(descriptor: int) -> bytes:
    return Path(f"/proc/self/fd/{descriptor}").read_bytes()


def kind_of(name: str) -> str:
    """Return what a file is, whatever its number: a temporary file is what it will be."""
    if name.startswith(".") and name.endswith(".tmp~"):
        name = name[1:].rsplit(".", 2)[0]
    if name.startswith("arrays-"):
        return "arrays of the start" if name == "arrays-000000000000.npz" else "arrays"
    if name.endswith(".jsonl.gz"):
        return "compressed segment"
    if name.endswith(".jsonl"):
        return "first segment" if name.startswith("000000000000") else "segment"
    return name
