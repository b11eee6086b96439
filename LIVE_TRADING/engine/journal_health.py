"""Whether a journal is whole, judged by what stands beside it: checkpoints and exports carry the event they follow.

Each of them is written once the journal is durable up to its event, so a journal that ends earlier has lost its end.
"""

from __future__ import annotations

import re
from pathlib import Path

from LIVE_TRADING.common.determinism import glob_sorted
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.common.files import read_json
from LIVE_TRADING.engine.checkpoint import EXPORTED_SEQ
from LIVE_TRADING.engine.segments import FOLDER

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
