"""Row 15: how long the help of the live verb takes, Python's own start included."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.bench.rows import Measured, at_most
from tests.bench.worlds import median, timed

REPO = Path(__file__).resolve().parents[2]


def help_text() -> list[Measured]:
    def call() -> None:
        subprocess.run(
            [sys.executable, "-m", "bin.run_live_trading", "--help"],
            cwd=REPO,
            env={**os.environ, "PYTHONPATH": str(REPO)},
            capture_output=True,
            check=True,
        )

    call()
    return [at_most("15", "wall time, median of 7", median([timed(call) for _ in range(7)]), 0.6, "s")]
