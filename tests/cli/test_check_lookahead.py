"""`python -m bin.check_lookahead`."""

from __future__ import annotations

# covers: R3
from pathlib import Path

import pytest
from cli_bench import RUN_ID, TRAINING, Bench, run_verb
from typer.testing import Result

from LIVE_TRADING.cli.exits import ExitCode

CENTRED = """
import numpy as np


def swing(bars):
    out = np.zeros(bars.close.shape)
    out[1:-1] = 2 * bars.close[1:-1] - bars.close[:-2] - bars.close[2:]
    return out


def turn(bars):
    return np.vstack([np.zeros((1, bars.close.shape[1])), np.diff(bars.close, axis=0)])


def age(bars):
    return np.cumsum(np.ones(bars.close.shape), axis=0)


def noise(bars):
    return np.random.default_rng().normal(size=bars.close.shape)


LATEST = {}


def kept(bars):
    # the newest close of the call before
    before = LATEST.get("close", bars.close[-1])
    LATEST["close"] = bars.close[-1]
    return np.zeros(bars.close.shape) + np.nan_to_num(before)
"""
UNLIKE_THEMSELVES = ("noise", "kept")
SETTINGS = ("--set", "features.extra_lookback=30")


def check(bench: Bench, *arguments: object) -> Result:
    return run_verb("check_lookahead", "--data", bench.bars, "--run-id", RUN_ID, "--profile", "busy", *arguments)


@pytest.fixture(scope="module")
def runs_with_features(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the module; runs `leaks` and `honest` are trained with one of its functions each."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "features_of_the_check.py").write_text(CENTRED)
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(folder)
        for name, value in bench.environment.items():
            patched.setenv(name, value)
        named = (("leaks", "swing"), ("honest", "turn"), ("long", "age"))
        for run_id, function in (*named, *((function, function) for function in UNLIKE_THEMSELVES)):
            extra = ("--set", f"features.extra=[features_of_the_check:{function}]", *SETTINGS)
            common = ("--data", bench.bars, "--run-id", run_id, "--until", bench.until)
            result = run_verb("train_models", *common, *TRAINING, *extra)
            assert result.exit_code == 0, result.output
    return folder


def check_feature(bench: Bench, folder: Path, run_id: str, function: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.syspath_prepend(folder)
    extra = ("--set", f"features.extra=[features_of_the_check:{function}]", *SETTINGS)
    common = ("--data", bench.bars, "--run-id", run_id, "--profile", "busy", "--instants", 8)
    return run_verb("check_lookahead", *common, *extra)


def test_a_run_that_does_not_look_ahead_passes_and_says_what_was_compared(bench: Bench) -> None:
    result = check(bench, "--instants", 10)
    assert result.exit_code == ExitCode.DONE, result.output
    assert "no difference at 10 instants" in result.stdout
    for stage in ("bars", "features", "market", "forecasts", "of ridge", "prediction", "sizing", "risk", "orders"):
        assert stage in result.stdout
    assert " orders and " in result.stdout
    assert check(bench, "--instants", 10, "--seed", 8).stdout != result.stdout


def test_dates_bound_the_instants(bench: Bench) -> None:
    first, last = bench.test_dates[1:3]
    result = check(bench, "--instants", 200, "--start", first, "--end", last)
    assert result.exit_code == ExitCode.DONE, result.output
    assert "no difference at 52 instants" in result.stdout


def test_data_with_more_symbols_than_the_run(bench: Bench) -> None:
    common = ("--run-id", RUN_ID, "--profile", "busy", "--instants", 5)
    wide = run_verb("check_lookahead", "--data", bench.wide, *common)
    assert wide.exit_code == ExitCode.DONE, wide.output
    assert "for the models do not know them: S0012" in wide.stderr
    assert wide.stdout == run_verb("check_lookahead", "--data", bench.bars, *common).stdout


def test_a_feature_that_looks_ahead_is_named(
    bench: Bench, runs_with_features: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = check_feature(bench, runs_with_features, "leaks", "swing", monkeypatch)
    assert result.exit_code == ExitCode.HALTED, result.output
    assert "user feature, extra_swing of the bar to 2025-" in result.stdout
    assert ", S0000: " in result.stdout
    assert "no difference" not in result.stdout


def test_a_feature_that_does_not_is_counted(
    bench: Bench, runs_with_features: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = check_feature(bench, runs_with_features, "honest", "turn", monkeypatch)
    assert result.exit_code == ExitCode.DONE, result.output
    assert "extra_turn over the whole recording" in result.stdout
    assert "looks back further" not in result.stdout


def test_a_feature_that_looks_back_too_far_is_told(
    bench: Bench, runs_with_features: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = check_feature(bench, runs_with_features, "long", "age", monkeypatch)
    assert result.exit_code == ExitCode.DONE, result.output
    assert "user feature extra_age: 96 of 96 values of the engine" in result.stdout


@pytest.mark.parametrize("function", UNLIKE_THEMSELVES)
def test_a_feature_that_does_not_give_the_same_twice_is_named(
    bench: Bench, runs_with_features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    result = check_feature(bench, runs_with_features, function, function, monkeypatch)
    assert result.exit_code == ExitCode.HALTED, result.output
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("not repeatable at 2025-")]
    assert f", features, extra_{function}, S0000: " in line
    extra = ("--set", f"features.extra=[features_of_the_check:{function}]", *SETTINGS, "--out", tmp_path / "out")
    stopped = run_verb("run_backtest", "--data", bench.bars, "--run-id", function, "--profile", "busy", *extra)
    assert stopped.exit_code == ExitCode.CRASH
    for word in (f"extra_{function} of S0000", "computed twice of the same bars", "bin.check_lookahead"):
        assert word in stopped.stderr


def test_what_cannot_be_checked_is_refused(bench: Bench) -> None:
    assert "--run-id or --run-root" in run_verb("check_lookahead", "--data", bench.bars).output
    ghost = run_verb("check_lookahead", "--data", bench.bars, "--run-id", "ghost")
    assert (ghost.exit_code, "ghost" in ghost.output) == (ExitCode.USAGE, True)
    assert check(bench, "--start", "2025-02-10").exit_code == ExitCode.USAGE
