"""The kill switch that works when all else is dead: `touch <state folder>/KILL`.

While the file is there nothing is sent but cancels; trading is halted and what works is cancelled. Removing it lifts
nothing: that is an operator's `resume`, and resuming while it is there halts again.
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = "KILL"


class KillFile:
    """Looks for the file. What cannot be looked at counts as there."""

    def __init__(self, folder: Path | None) -> None:
        self._path = str(folder / NAME) if folder is not None else None  # looked for at every event and every send

    def pulled(self) -> str:
        """Return why everything is to stop, "" while nothing is."""
        if self._path is None:
            return ""
        try:
            os.stat(self._path)  # noqa: PTH116  half of what Path.stat takes
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"kill file {self._path} cannot be looked at ({error.strerror or error})"
        return f"kill file {self._path}"
