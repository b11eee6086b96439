"""`python -m bin.demo`."""

from __future__ import annotations

# covers: P26
import json
from pathlib import Path

import pytest
from cli_bench import contents, run_verb
from typer.testing import Result

from LIVE_TRADING.cli import demo
from LIVE_TRADING.cli.exits import ExitCode


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo of a few seconds."""
    sizes = (
        "simulated.n_symbols=12",
        "simulated.n_sessions=29",
        "simulated.bars_per_session=26",
        "training.horizons=[15m]",
        "training.families=[ridge]",
    )
    monkeypatch.setattr(demo, "SIZES", sizes)
    monkeypatch.setattr(demo, "TEST_SESSIONS", 3)


def run_demo(out: Path, seed: int = 7) -> Result:
    return run_verb("demo", "--out", out, "--seed", seed)


def test_the_demo_takes_the_same_decisions_three_times(small: None, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run_demo(out)
    assert result.exit_code == 0, result.output
    assert "took the same decisions: yes" in result.output
    summary = json.loads((out / "backtest" / "summary.json").read_text())
    state = json.loads((out / "state" / "engine_state.json").read_text())
    assert summary["run_digest"] == state["run_digest"]
    assert (out / "backtest" / "report.html").exists()


def test_another_seed_is_another_market_and_replaces_what_the_demo_made(small: None, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run_demo(out).exit_code == 0
    first = json.loads((out / "backtest" / "summary.json").read_text())
    assert run_demo(out, seed=8).exit_code == 0
    second = json.loads((out / "backtest" / "summary.json").read_text())
    assert first["data_hash"] != second["data_hash"]
    assert first["run_digest"] != second["run_digest"]


def test_a_folder_that_the_demo_did_not_make_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.txt").write_text("years of work")
    before = contents(out)
    result = run_demo(out)
    assert result.exit_code == ExitCode.USAGE
    assert contents(out) == before


def test_a_disagreement_is_told_and_fails(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_replayed", lambda *_: False)
    result = run_demo(tmp_path / "out")
    assert result.exit_code == ExitCode.CRASH
    assert "took the same decisions: NO" in result.output
