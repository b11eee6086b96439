"""State folders as a kill would leave them."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from LIVE_TRADING.common.file_layer import OsFileLayer


class KillableFiles(OsFileLayer):
    """Files that can be copied between any two operations on them, whatever an engine's threads are about to do."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()

    def open_append(self, path: Path) -> int:
        with self._one_at_a_time:
            return super().open_append(path)

    def open_new(self, path: Path) -> int:
        with self._one_at_a_time:
            return super().open_new(path)

    def write(self, descriptor: int, data: bytes) -> None:
        with self._one_at_a_time:
            super().write(descriptor, data)

    def truncate(self, descriptor: int, size: int) -> None:
        with self._one_at_a_time:
            super().truncate(descriptor, size)

    def replace(self, source: Path, target: Path) -> None:
        with self._one_at_a_time:
            super().replace(source, target)

    def remove(self, path: Path) -> None:
        with self._one_at_a_time:
            super().remove(path)

    def make_folder(self, path: Path) -> None:
        with self._one_at_a_time:
            super().make_folder(path)

    def copied(self, state_dir: Path, to: Path) -> Path:
        """Copy a state folder, without what the next start removes or makes again; return the copy."""
        with self._one_at_a_time:
            return Path(shutil.copytree(state_dir, to, ignore=shutil.ignore_patterns(".*")))
