"""`--help` of every verb is there at once: it loads nothing that computes."""

from __future__ import annotations

# covers: P26, budget row 15
import subprocess
import sys

import pytest
from cli_bench import run_verb

VERBS = (
    "run_live_trading",
    "run_backtest",
    "train_models",
    "replay_session",
    "control",
    "config",
    "demo",
    "compare_runs",
)
FLAGS = (
    *("--run-id", "--run-root", "--broker", "--data", "--initial-cash", "--symbols", "--symbols-file", "--interval"),
    *("--max-cycles", "--dry-run", "--no-state", "--state-dir", "--log-level", "--log-dir", "--profile", "--live"),
)
HEAVY = ("numpy", "pandas", "lightgbm", "scipy", "sklearn", "pyarrow", "pydantic", "plotly", "exchange_calendars")
PROBE = """
import runpy, sys
sys.argv = ["verb", "--help"]
try:
    runpy.run_module("bin.{verb}", run_name="__main__")
except SystemExit as left:
    assert left.code == 0
print("LOADED", *[name for name in {heavy!r} if name in sys.modules])
"""


def test_help_of_the_trading_verb_loads_nothing_that_computes() -> None:
    probe = PROBE.format(verb="run_live_trading", heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["LOADED"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    result = run_verb(verb, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output
    assert "--" in result.output


def test_the_trading_verb_knows_the_flags_that_it_must() -> None:
    known = run_verb("run_live_trading", "--help").output
    assert [flag for flag in FLAGS if flag not in known] == []
