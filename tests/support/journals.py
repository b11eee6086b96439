"""A journal on file as lines, whatever its segments: for tests that read or change one."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

from LIVE_TRADING.engine.segments import FOLDER, list_segments, segment_path


def journal_lines(state_dir: Path) -> list[bytes]:
    """Return all lines of a journal, newlines included."""
    data = b""
    for segment in list_segments(state_dir / FOLDER):
        data += segment.plain.read_bytes() if segment.is_plain else gzip.decompress(segment.packed.read_bytes())
    return data.splitlines(keepends=True)


def write_journal(state_dir: Path, lines: Iterable[bytes]) -> Path:
    """Put a journal of one segment with these lines in place of what is there; return the segment."""
    folder = state_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    data = b"".join(lines)
    for path in sorted(folder.iterdir()):
        path.unlink()
    path = segment_path(folder, 0)
    path.write_bytes(data)
    return path


def last_segment(state_dir: Path) -> Path:
    """Return the segment that is open."""
    return list_segments(state_dir / FOLDER)[-1].plain
