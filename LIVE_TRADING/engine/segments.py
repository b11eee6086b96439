"""The journal's folder: segments named by their first event, read as one journal.

    journal/000000000000.jsonl.gz   the run and its first events, closed and compressed
    journal/000000004711.jsonl      from event 4711 on; the last one is open

A torn last line of the last segment is what a crash leaves behind. Anything else that does not check is an error, and a
segment that is missing is named. A crash may leave a segment both plain and compressed; the plain one is read if it is
whole and not just the beginning of the other.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.engine.journal_record import RESTORE, JournalRecord, check_line, from_line

FOLDER = "journal"
OLD_FILE = "journal.jsonl"
_PLAIN, _PACKED = ".jsonl", ".jsonl.gz"
_NAME = re.compile(r"(\d{12})(\.jsonl|\.jsonl\.gz)")


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment on file: its first event (0: the run), and in which forms it is there."""

    folder: Path
    first_seq: int
    is_plain: bool
    is_packed: bool

    @property
    def plain(self) -> Path:
        """Where the plain form stands, or would."""
        return segment_path(self.folder, self.first_seq)

    @property
    def packed(self) -> Path:
        """Where the compressed form stands, or would."""
        return self.folder / f"{self.first_seq:012d}{_PACKED}"

    @property
    def path(self) -> Path:
        """The form to name in messages."""
        return self.plain if self.is_plain else self.packed


def segment_path(folder: Path, first_seq: int) -> Path:
    """Return where the plain segment that starts with an event stands in the journal's folder."""
    return folder / f"{first_seq:012d}{_PLAIN}"


def list_segments(folder: Path) -> list[Segment]:
    """Return the segments of a journal's folder, oldest first; none where there is no folder.

    Raises
    ------
    StateError
        The folder cannot be read, or beside it stands the single file of a version that knew no segments.
    """
    if (old := folder.parent / OLD_FILE).exists():
        raise StateError(
            f"{old}: one file, from before the journal had segments; keep it as the first one: "
            f"mkdir -p {folder} && mv {old} {segment_path(folder, 0)}"
        )
    try:
        names = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
    except NotADirectoryError as error:
        raise StateError(f"{folder}: is no folder; move it away and restore the folder from a copy") from error
    except OSError as error:
        raise StateError(f"{folder}: cannot be read ({error.strerror or error}); check its permissions") from error
    forms: dict[int, set[str]] = {}
    for name in names:
        if found := _NAME.fullmatch(name):
            forms.setdefault(int(found[1]), set()).add(found[2])
    return [Segment(folder, seq, _PLAIN in forms[seq], _PACKED in forms[seq]) for seq in sorted(forms)]


def read_journal(folder: Path, *, after_seq: int = 0, files: FileLayer = OS_FILES) -> Iterator[JournalRecord]:
    """Yield the records of a journal's folder; a torn last line ends it silently (`torn_tail` tells).

    Parameters
    ----------
    folder
        The journal's folder, `<state>/journal`.
    after_seq
        Leave out whole segments that end at this event or before, but not the one that holds the journal's end.

    Raises
    ------
    StateError
        There is no journal, a segment is missing or cannot be read, or a record that is not the last does not check.
    """
    segments = list_segments(folder)
    if not segments:
        raise StateError(f"{folder}: there is no journal")
    last_seq: int | None = None  # up to which events have been read, or are known to have been removed
    cut = False
    end = _end_of(segments, files) if after_seq else len(segments) - 1
    for number, segment in enumerate(segments):
        is_last = number + 1 == len(segments)
        seen = after_seq if last_seq is None else last_seq
        if number < end and segments[number + 1].first_seq <= seen + 1 and (cut or seen):
            continue
        _check_joins(segment, last_seq, after_seq, cut)
        last_seq, cut = max(segment.first_seq - 1, 0), False
        for record in read_segment(segment, files, is_last=is_last):
            if record.kind in ("event", "cut"):
                last_seq, cut = record.seq, record.kind == "cut"
            yield record


def _end_of(segments: list[Segment], files: FileLayer) -> int:
    """Return which segment holds the journal's end: a crash may leave the last one begun and empty."""
    last = segments[-1]
    begun = len(segments) > 1 and last.is_plain and b"\n" not in _read(last.plain, files)
    return len(segments) - (2 if begun else 1)


def _check_joins(segment: Segment, last_seq: int | None, after_seq: int, cut: bool) -> None:
    """Refuse a segment that does not go on where the one before ended."""
    if last_seq is None:
        if segment.first_seq > (after_seq + 1 if after_seq else 0):
            expected = segment_path(segment.folder, after_seq + 1 if after_seq else 0).name
            raise StateError(
                f"{segment.folder}: begins with {segment.path.name}; {expected}, or one before it, is missing: "
                "restore it from a copy"
            )
    elif segment.first_seq > last_seq + 1 or (segment.first_seq <= last_seq and not cut):
        raise StateError(
            f"{segment.folder}: segment {segment_path(segment.folder, last_seq + 1).name} is missing: after event "
            f"{last_seq} comes {segment.path.name}; restore it from a copy"
        )


def read_segment(segment: Segment, files: FileLayer, *, is_last: bool = False) -> Iterator[JournalRecord]:
    """Yield the records of one segment; only the last one of a journal may end in a torn line."""
    path, lines = _lines(segment, is_last, files)
    first = True
    for number, line in enumerate(lines, start=1):
        if is_last and number == len(lines) and not line.endswith(b"\n"):
            return
        record = from_line(line, f"{path}:{number}")
        if first and segment.first_seq and (record.kind, record.seq) != ("event", segment.first_seq):
            raise StateError(
                f"{path}:{number}: begins with a record of kind {record.kind!r}, number {record.seq}, not with event "
                f"{segment.first_seq}: it is another segment; {RESTORE}"
            )
        first = False
        yield record


def _lines(segment: Segment, is_last: bool, files: FileLayer) -> tuple[Path, list[bytes]]:
    """Return the lines of a segment and the file they came from; the plain form unless only the other is whole."""
    path, data = form_of(segment, files)
    if is_last and path == segment.packed:
        raise StateError(f"{segment.packed}: was closed, so a segment after it is missing; restore it from a copy")
    return path, data.splitlines(keepends=True)


def form_of(segment: Segment, files: FileLayer) -> tuple[Path, bytes]:
    """Return the file to go by, plain or compressed, and its contents, unpacked.

    Raises
    ------
    StateError
        It cannot be read, or the compressed form is needed and damaged.
    """
    if not segment.is_packed:
        return segment.plain, _read(segment.plain, files)
    plain = _read(segment.plain, files) if segment.is_plain else b""
    is_whole = _is_whole(plain)
    try:
        packed = gzip.decompress(_read(segment.packed, files))
    except (StateError, OSError, EOFError, zlib.error) as error:
        if is_whole:
            return segment.plain, plain
        if isinstance(error, StateError):
            raise
        raise StateError(f"{segment.packed}: is damaged ({error}); restore it from a copy") from error
    if is_whole and not (len(plain) < len(packed) and packed.startswith(plain)):
        return segment.plain, plain
    return segment.packed, packed


def _is_whole(data: bytes) -> bool:
    lines = data.splitlines(keepends=True)
    try:
        for line in lines:
            check_line(line, "")
    except StateError:
        return False
    return bool(lines)


def _read(path: Path, files: FileLayer) -> bytes:
    try:
        return files.read_bytes(path)
    except OSError as error:
        raise StateError(
            f"{path}: cannot be read ({error.strerror or error}); check permissions and the disk"
        ) from error


def torn_tail(folder: Path, *, files: FileLayer = OS_FILES) -> int:
    """Return how many bytes after the last newline of the last segment a crash left behind."""
    segments = list_segments(folder)
    if not segments or not segments[-1].is_plain:
        return 0
    data = _read(segments[-1].plain, files)
    return len(data) - (data.rfind(b"\n") + 1)
