"""What tests of the command line share: the files of a small market, a run's name, and how a verb is run."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from LIVE_TRADING.engine.journal import FOLDER, read_journal

RUN_ID = "tiny"
TRAIN_SESSIONS = 26
STOP_AFTER = 30  # in the middle of the second session
# trading is believed to be free, so that weak forecasts act; limits stand where they never trip
BUSY = """
live_trading:
  arbitration: {reserve_bps: 0.0, exit_bps: 0.5, cost: {enabled: false}}
  gating: {spread: {max_spread_bps: 1000.0}}
  sizing: {ic_ref: 0.002, net_cap: 1.0}
  risk: {guardrails: false, max_net: 1.0, max_position_weight: 0.2}
"""
TRAINING = ("--set", "training.horizons=[15m, 30m, 1d]", "--set", "training.families=[ridge]")


@dataclass(frozen=True)
class Bench:
    """Files that no test changes."""

    root: Path
    dates: tuple[str, ...]
    bars: Path
    wide: Path
    narrow: Path
    dear: Path
    silent: Path
    config: Path
    runs: Path
    until: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def test_dates(self) -> tuple[str, ...]:
        return self.dates[TRAIN_SESSIONS:]


def run_verb(verb: str, *arguments: Any, columns: int = 200) -> Result:
    """Run a verb as its command line would be, on a terminal of so many columns."""
    app = importlib.import_module(f"bin.{verb}").app
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": str(columns)})


def trade_on_paper(bench: Bench, state: Path | None, *arguments: Any, data: Path | None = None) -> Result:
    """Trade the sessions after training on paper; `state` None: keep none."""
    keeps = ("--no-state",) if state is None else ("--state-dir", state)
    common = ("--data", data or bench.bars, "--run-id", RUN_ID, "--profile", "busy", "--log-level", "error")
    return run_verb("run_live_trading", *common, *keeps, *arguments)


def digest_of(state: Path) -> str:
    """Return the run digest of a state folder's last checkpoint."""
    return str(json.loads((state / "engine_state.json").read_text())["run_digest"])


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def journal(state: Path, kind: str, name: str) -> list[dict[str, Any]]:
    """Return the events or commands of one name on file, in order."""
    found = []
    for record in read_journal(state / FOLDER):
        if record.kind == kind:
            entries = [record.data] if kind == "event" else record.data
            found += [entry[1] for entry in entries if entry[0] == name]
    return found
