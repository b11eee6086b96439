"""`python -m bin.model_card`."""

from __future__ import annotations

from pathlib import Path

from LIVE_TRADING.cli.options import named_run_folder
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.training.model_card import write_model_card


def write_card(run_id: str | None, run_root: Path | None, out: Path | None) -> int:
    """Write the model card of a run and say where it is."""
    folder = named_run_folder(run_id, run_root)
    if out is not None and out.is_dir():
        raise ConfigurationError(f"--out {out}: is a folder; name the HTML file to write")
    print(f"written to {write_model_card(folder, out)}")
    return 0
