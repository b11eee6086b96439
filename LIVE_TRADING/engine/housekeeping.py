"""What keeps a state folder in order while an engine runs: old checkpoints, closed segments, room on the disk."""

from __future__ import annotations

from pathlib import Path

from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.common.units import NS_PER_DAY
from LIVE_TRADING.engine.archive import compress_closed, cut_beginning, journal_start
from LIVE_TRADING.engine.checkpoint import GENERATIONS, Checkpoints
from LIVE_TRADING.engine.control import DISK_LOW
from LIVE_TRADING.engine.journal import FOLDER
from LIVE_TRADING.engine.segments import list_segments

DISK_FULL = "disk_full"
LOOK_EVERY_S = 5.0
_MB = 2**20

Fault = tuple[str, str, str]  # kind, message, severity


class Housekeeper:
    """Clears up after a checkpoint, and watches the disk.

    Parameters
    ----------
    keep_days
        How much of the journal is kept, in the engine's time; None: all of it. Each kept segment then keeps its first
        checkpoint, so that a replay can begin there.
    min_free_mb
        Below this there is to be no new risk, below an eighth of it nothing; 0: never.
    """

    def __init__(
        self,
        state_dir: Path,
        checkpoints: Checkpoints,
        *,
        keep_days: float | None = None,
        min_free_mb: float = 0.0,
        files: FileLayer = OS_FILES,
    ) -> None:
        self._state_dir = state_dir
        self._folder = state_dir / FOLDER
        self._checkpoints = checkpoints
        self._keep_ns = None if keep_days is None else round(keep_days * NS_PER_DAY)
        self._levels = ((min_free_mb / 8, DISK_FULL, "critical"), (min_free_mb, DISK_LOW, "error"))
        self._files = files
        self._told = ""
        self._next_look_s = 0.0

    def tidy(self, now_ns: int) -> None:
        """Compress segments that no checkpoint needs, cut the journal's beginning where asked, drop old checkpoints.

        In any thread, one at a time. `now_ns` is the engine's time.

        Raises
        ------
        StateError
            The file system refused, or a segment is damaged; nothing is lost by that.
        """
        sequences = self._checkpoints.sequences()
        if len(sequences) >= GENERATIONS:
            compress_closed(self._folder, sequences[-GENERATIONS], files=self._files)
        if self._keep_ns is None:
            self._checkpoints.drop_old(journal_start(self._folder, files=self._files)[0])
            return
        self._checkpoints.drop_old(journal_start(self._folder, files=self._files)[0], self._bases(sequences))
        bases = self._checkpoints.sequences()[:-GENERATIONS]
        cut = cut_beginning(self._folder, bases, now_ns - self._keep_ns, files=self._files)
        if cut is not None:
            self._checkpoints.drop_old(cut, [seq for seq in bases if seq > cut])
            self._checkpoints.drop_changes(cut)

    def _bases(self, sequences: list[int]) -> set[int]:
        """Return the first checkpoint in each segment."""
        firsts = [segment.first_seq for segment in list_segments(self._folder)]
        bases: dict[int, int] = {}
        for seq in sequences:
            inside = max((first for first in firsts if first <= seq + 1), default=0)
            bases.setdefault(inside, seq)
        return set(bases.values())

    def disk_fault(self, now_s: float) -> Fault | None:
        """Return the fault to report, once per level, where the disk runs full; looks every few seconds.

        A disk that cannot be asked is not reported here: writing to it will fail.
        """
        if now_s < self._next_look_s:
            return None
        self._next_look_s = now_s + LOOK_EVERY_S
        try:
            free_mb = self._files.free_bytes(self._state_dir) / _MB
        except OSError:
            return None
        for level_mb, kind, severity in self._levels:
            if free_mb < level_mb:
                return None if kind == self._told else self._tell(kind, free_mb, level_mb, severity)
        self._told = ""
        return None

    def _tell(self, kind: str, free_mb: float, level_mb: float, severity: str) -> Fault:
        self._told = kind
        return kind, f"{self._state_dir}: {free_mb:.0f} MB free, below {level_mb:.0f} MB: make room", severity
