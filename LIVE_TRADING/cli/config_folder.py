"""Where the configuration is read from. Loads nothing that computes, so that `--help` can say it."""

from __future__ import annotations

import os
from pathlib import Path

CONFIG_DIR = Path(__file__).resolve().parents[2] / "CONFIG"
VARIABLE = "LIVE_TRADING_CONFIG"


def config_folder() -> Path:
    """Return the folder of the configuration: $LIVE_TRADING_CONFIG, else CONFIG/ of this checkout."""
    return Path(os.environ.get(VARIABLE, CONFIG_DIR))


def folder_in_words() -> str:
    """Return the folder, and who chose it."""
    return f"{config_folder()} ({f'by {VARIABLE}' if VARIABLE in os.environ else f'another: {VARIABLE}'})"
