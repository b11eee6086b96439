"""Closed segments of the journal: compressed once no checkpoint needs them, removed where retention says so.

A restart needs the journal since the older of the two checkpoints, so those segments stay as they are. A replay needs
all of it. Where `engine.journal_keep_days` cuts its beginning, the journal says so itself: its first segment then holds
the run and a record of kind `cut`, which names the last event removed, and the checkpoint after that event is kept, so
that a replay begins there.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.common.files import write_atomic_bytes
from LIVE_TRADING.engine.journal_record import JournalRecord, check_line, to_line
from LIVE_TRADING.engine.segments import Segment, form_of, list_segments, read_segment

COMPRESS_LEVEL = 6


def compress_closed(folder: Path, up_to_seq: int, *, files: FileLayer = OS_FILES) -> list[Segment]:
    """Compress the closed segments that end at an event or before; return those.

    The compressed form is whole and durable before the plain one goes. A crash between leaves both; a plain form that
    has been damaged beside a whole compressed one goes as well.

    Raises
    ------
    StateError
        The file system refused; the plain form is still there.
    """
    packed: list[Segment] = []
    for segment in _closed(folder, up_to_seq):
        if not segment.is_plain:
            continue
        try:
            path, data = form_of(segment, files)
            if path == segment.plain:
                for number, line in enumerate(data.splitlines(keepends=True), start=1):
                    check_line(line, f"{segment.plain}:{number}")
                write_atomic_bytes(segment.packed, gzip.compress(data, COMPRESS_LEVEL, mtime=0), files=files)
            files.remove(segment.plain)
        except OSError as error:
            raise StateError(f"{segment.plain}: cannot be compressed: {error.strerror or error}") from error
        packed.append(segment)
    return packed


def _closed(folder: Path, up_to_seq: int) -> list[Segment]:
    segments = list_segments(folder)
    ends = [following.first_seq - 1 for following in segments[1:]]
    return [segment for segment, end in zip(segments, ends, strict=False) if end <= up_to_seq]


def cut_beginning(
    folder: Path, checkpoints: Sequence[int], before_ns: int, *, files: FileLayer = OS_FILES
) -> int | None:
    """Remove the segments whose events are all older than an instant; return the event that a replay now follows.

    Parameters
    ----------
    checkpoints
        Events after which there is an arrays file, without the two newest: a restart needs the journal after those.
    before_ns
        Time of the engine; segments that hold a later event stay, and so does what a replay of them begins with.

    Raises
    ------
    StateError
        The file system refused, or the journal cannot be read.
    """
    segments = list_segments(folder)
    old = 0  # last event of the segments that are old enough
    for segment in segments[1:]:
        first = next(read_segment(segment, files))
        if first.t_ns >= before_ns:
            break
        old = segment.first_seq - 1
    start, run = journal_start(folder, files=files)
    bases = [seq for seq in checkpoints if start < seq <= old]
    if not bases:
        return None
    base = max(bases)
    cut = JournalRecord(base, run.t_ns, "cut", [f"events up to {base} were removed by engine.journal_keep_days"])
    write_atomic_bytes(segments[0].plain, to_line(run) + to_line(cut), files=files)
    try:
        if segments[0].is_packed:
            files.remove(segments[0].packed)
        for segment in _closed(folder, base):
            if segment.first_seq:
                files.remove(segment.plain)
                files.remove(segment.packed)
    except OSError as error:
        raise StateError(f"{folder}: an old segment cannot be removed: {error.strerror or error}") from error
    return base


def journal_start(folder: Path, *, files: FileLayer = OS_FILES) -> tuple[int, JournalRecord]:
    """Return the event that the journal's events follow (0: none was cut) and the record of the run.

    Raises
    ------
    StateError
        There is no journal, or it does not begin with a run.
    """
    segments = list_segments(folder)
    if not segments:
        raise StateError(f"{folder}: there is no journal")
    records = read_segment(segments[0], files, is_last=len(segments) == 1)
    run = next(records, None)
    if segments[0].first_seq or run is None or run.kind != "run":
        raise StateError(f"{segments[0].path}: does not begin with a run; restore it from a copy")
    second = next(records, None)
    return (second.seq if second is not None and second.kind == "cut" else 0), run
