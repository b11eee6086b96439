"""A feature of the user's own, from training to replay, by the command line."""

# covers: P9, P30, R3

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from cli_bench import STOP_AFTER, Bench, digest_of, run_verb
from typer.testing import Result

from LIVE_TRADING.cli.exits import ExitCode

RUN_ID = "with_extra"
MODULE = "desk_features"
FUNCTION = '''
import numpy as np


def slow_momentum(bars):
    """Log of the close over the mean of the last 40 closes."""
    out = np.full(bars.close.shape, np.nan)
    for t in range(len(bars)):
        window = bars.close[max(0, t - 39) : t + 1]
        if len(window) == 40:
            out[t] = np.log(bars.close[t] / window.mean(axis=0))
    return out
'''
SETTINGS = ("--set", f"features.extra=[{MODULE}:slow_momentum]", "--set", "features.extra_lookback=40")
TRAINING = (*SETTINGS, "--set", "training.horizons=[15m, 30m, 1d]", "--set", "training.families=[lightgbm]")
SMALL = ("--set", "training.params.lightgbm.num_trees=10", "--set", "training.params.lightgbm.min_data_in_leaf=50")


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of the user's module."""
    path = tmp_path_factory.mktemp("code") / f"{MODULE}.py"
    path.write_text(FUNCTION)
    return path


@pytest.fixture(autouse=True)
def importable(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(code.parent)


@pytest.fixture(scope="module")
def trained(bench: Bench, code: Path) -> str:
    """Return the run that was trained with the feature."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(code.parent)
        for name, value in bench.environment.items():
            patched.setenv(name, value)
        common = ("--data", bench.bars, "--run-id", RUN_ID, "--until", bench.until)
        result = run_verb("train_models", *common, *TRAINING, *SMALL)
    assert result.exit_code == 0, result.output
    return RUN_ID


def backtest(bench: Bench, out: Path, *settings: object) -> Result:
    common = ("--data", bench.bars, "--run-id", RUN_ID, "--profile", "busy", "--out", out)
    return run_verb("run_backtest", *common, *settings)


@pytest.fixture(scope="module")
def traded(bench: Bench, code: Path, trained: str) -> Path:
    """Return the state folder of a session that was traded with the feature."""
    state = bench.root / "with_extra"
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(code.parent)
        for name, value in bench.environment.items():
            patched.setenv(name, value)
        common = ("--data", bench.bars, "--run-id", trained, "--profile", "busy", "--log-level", "error")
        result = run_verb("run_live_trading", *common, "--state-dir", state, *SETTINGS)
    assert result.exit_code == 0, result.output
    return state


def test_backtest_paper_session_and_replay_agree_bit_for_bit(bench: Bench, tmp_path: Path, traded: Path) -> None:
    result = backtest(bench, tmp_path / "out", *SETTINGS)
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["fills"] > 0
    assert summary["run_digest"] == digest_of(traded)
    replayed = run_verb("replay_session", "--state-dir", traded)
    assert replayed.exit_code == 0, replayed.output
    assert digest_of(traded) in replayed.output
    assert "it may differ" not in replayed.output


def test_a_session_goes_on_where_it_stopped(bench: Bench, tmp_path: Path, traded: Path) -> None:
    common = ("--data", bench.bars, "--run-id", RUN_ID, "--profile", "busy", "--log-level", "error")
    session = (*common, "--state-dir", tmp_path / "state", *SETTINGS)
    stopped = run_verb("run_live_trading", *session, "--max-cycles", STOP_AFTER)
    assert stopped.exit_code == 0, stopped.output
    resumed = run_verb("run_live_trading", *session)
    assert resumed.exit_code == 0, resumed.output
    assert digest_of(tmp_path / "state") == digest_of(traded)


def test_the_models_use_it(bench: Bench, trained: str) -> None:
    models = sorted((bench.runs / trained).rglob("model*.txt"))
    assert models
    assert any(_splits_on_last(path) for path in models)


def _splits_on_last(path: Path) -> bool:
    """Return whether a split is on the last column, which is the user's."""
    lines = path.read_text().splitlines()
    last = next(line for line in lines if line.startswith("max_feature_idx=")).partition("=")[2]
    return any(last in line.partition("=")[2].split() for line in lines if line.startswith("split_feature="))


def test_a_run_is_refused_without_it(bench: Bench, tmp_path: Path, trained: str) -> None:
    result = backtest(bench, tmp_path / "out")
    assert result.exit_code == ExitCode.USAGE
    assert "extra_slow_momentum" in result.output


def test_another_version_of_the_function_is_refused_and_said_by_a_replay(
    bench: Bench, tmp_path: Path, traded: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / f"{MODULE}.py"
    other.write_text(FUNCTION.replace("np.log(", "2 * np.log("))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, MODULE)
    refused = backtest(bench, tmp_path / "out", *SETTINGS)
    assert refused.exit_code == ExitCode.USAGE
    assert f"{MODULE}:slow_momentum" in refused.output
    replayed = run_verb("replay_session", "--state-dir", traded)
    assert f"user feature {MODULE}:slow_momentum: recorded with" in replayed.output
    assert replayed.exit_code == ExitCode.HALTED
    assert "slow_momentum" in replayed.output
    monkeypatch.delitem(sys.modules, MODULE)


def test_a_function_that_cannot_be_found_is_usage(bench: Bench, tmp_path: Path, trained: str) -> None:
    result = backtest(bench, tmp_path / "out", "--set", f"features.extra=[{MODULE}:slow_momentm]")
    assert result.exit_code == ExitCode.USAGE
    assert "it has slow_momentum" in result.output
