"""Whether a journal is whole, judged by what stands beside it: checkpoints and exports carry the event they follow.

Each of them is written once the journal is durable up to its event, so a journal that ends earlier has lost its end.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from LIVE_TRADING.common.determinism import glob_sorted
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.common.files import read_json
from LIVE_TRADING.engine.archive import journal_start
from LIVE_TRADING.engine.checkpoint import EXPORTED_SEQ, UNREADABLE, arrays_name
from LIVE_TRADING.engine.journal_record import JournalRecord, check_line, from_line
from LIVE_TRADING.engine.segments import FOLDER, form_of, list_segments, segment_path
from LIVE_TRADING.models.snapshot import decode_arrays

NO_REPLAY = "without it this session cannot be replayed from its beginning; restore it from a copy"
_FOLLOWS = re.compile(r"(?:arrays|code)-(\d{12})\.npz")


def check_end(state_dir: Path, last_seq: int, *, files: FileLayer = OS_FILES) -> None:
    """Refuse a journal that ends before an event that a checkpoint or an export follows.

    Raises
    ------
    StateError
        Its end is lost, or an export is no JSON; names the file that is ahead and both events.
    """
    ahead = {name: seq for name, seq in _followed(state_dir, files).items() if seq > last_seq}  # order: of the names
    if ahead:
        name = max(ahead, key=lambda one: ahead[one])
        raise StateError(
            f"{state_dir / FOLDER}: ends with event {last_seq}, but {name} follows event {ahead[name]}: the journal's "
            "end is lost; restore it from a copy, or give another folder"
        )


def remarks(state_dir: Path, after_seq: int, *, files: FileLayer = OS_FILES) -> tuple[str, ...]:
    """Return what is lost or damaged of the journal before a checkpoint: a restart does without, a replay cannot.

    How far a segment that was compressed earlier reaches is not looked at; that would cost a start too much time.

    Raises
    ------
    StateError
        The folder cannot be read, or does not begin with a run.
    """
    folder = state_dir / FOLDER
    segments = list_segments(folder)
    found = []
    start = state_dir / arrays_name(journal_start(folder, files=files)[0])
    if not start.exists():
        found.append(f"{start}: is missing; {NO_REPLAY}")
    elif damage := _damage(start, files):
        found.append(f"{start}: is damaged ({damage}); {NO_REPLAY}")
    for segment, following in itertools.pairwise(segments):
        if following.first_seq > after_seq + 1:
            break
        try:
            if not segment.is_plain and not following.is_plain:
                continue
            path, data = form_of(segment, files)
            if segment.is_plain and path == segment.packed:
                found.append(f"{segment.plain}: is damaged; its whole compressed form is read instead")
            last = _last_record(path, data)
            if following.first_seq > last.seq + 1:
                lost = segment_path(folder, last.seq + 1)
                found.append(f"{lost}: is missing, events {last.seq + 1} to {following.first_seq - 1}; {NO_REPLAY}")
        except StateError as error:
            found.append(f"{error}; until then this session cannot be replayed from its beginning")
    return tuple(found)


def _damage(path: Path, files: FileLayer) -> str:
    """Return what keeps an arrays file from being read, "" where nothing does."""
    try:
        decode_arrays(files.read_bytes(path))
    except UNREADABLE as error:
        return str(error) or type(error).__name__
    return ""


def _last_record(path: Path, data: bytes) -> JournalRecord:
    """Return the last record of a segment of which every line checks."""
    where, line = str(path), b""
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        where = f"{path}:{number}"
        check_line(line, where)
    return from_line(line, where)


def _followed(state_dir: Path, files: FileLayer) -> dict[str, int]:
    """Return the event that each file of a session follows."""
    followed = {
        path.name: int(found[1]) for path in glob_sorted(state_dir, "*") if (found := _FOLLOWS.fullmatch(path.name))
    }
    for name, key in EXPORTED_SEQ.items():  # order: as written
        if (state_dir / name).is_file():
            exported = read_json(state_dir / name, files=files)
            seq = exported.get(key) if isinstance(exported, dict) else None
            if isinstance(seq, int):
                followed[name] = seq
    return followed
