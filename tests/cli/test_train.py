"""`python -m bin.train_models`."""

from __future__ import annotations

# covers: P26, P30, A14
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_bench import RUN_ID, TRAINING, Bench, contents, run_verb
from rich.console import Console
from rich.progress import Progress

from LIVE_TRADING.cli.exits import ExitCode
from LIVE_TRADING.cli.train import ProgressBars, classifier_table, silent_text
from LIVE_TRADING.models.artifacts import BARRIER_TARGETS, ModelMetrics
from LIVE_TRADING.training.classifier_metrics import Scored, classifier_metrics
from LIVE_TRADING.training.contents import ClassifierReport, ModelReport
from LIVE_TRADING.training.train import TrainingReport


def test_a_trained_run_holds_its_universe_and_its_horizons(bench: Bench) -> None:
    manifest = json.loads((bench.runs / RUN_ID / "manifest.json").read_text())
    assert len(manifest["symbols"]) == 12
    assert set(manifest["horizons"]) == {"15m", "30m", "1d"}


def test_training_prints_what_each_model_is_worth_out_of_sample(bench: Bench, tmp_path: Path) -> None:
    result = run_verb(
        "train_models", "--data", bench.bars, "--run-root", tmp_path / "run", "--until", bench.until, *TRAINING
    )
    assert result.exit_code == 0, result.output
    for horizon in ("15m", "30m", "1d"):
        assert horizon in result.stdout
    assert "n effective" in result.stdout
    assert "No barrier classifiers, the barrier gate will be off: five minutes are no whole" in result.stdout
    made = (tmp_path / "run" / "manifest.json").read_bytes()
    assert json.loads(made)["symbols"] == json.loads((bench.runs / RUN_ID / "manifest.json").read_bytes())["symbols"]


def test_the_classifiers_are_printed_beside_the_base_rate() -> None:
    metrics = classifier_metrics(
        Scored(np.linspace(0.1, 0.9, 100), (np.arange(100) >= 50).astype(float), np.arange(100) // 10), ()
    )
    classifiers = tuple(ClassifierReport(target, 1_234_567, metrics) for target in BARRIER_TARGETS)
    table = classifier_table(TrainingReport(Path("run"), "2025-06-30", 30, 12, 32, (), classifiers, ""))
    console = Console(file=io.StringIO(), width=80)
    console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    for word in ("will_peak_5m", "will_valley_5m", "1,234,567", "0.500", f"{metrics.brier:.5f}", "0.25000"):
        assert word in text


def test_what_can_teach_and_tell_nothing_is_named() -> None:
    said = ModelMetrics(ic=0.1, n_effective=9.0, rmse=1.0, n_forecasts=90, folds=())
    nothing = ModelMetrics(ic=None, n_effective=0.0, rmse=None, n_forecasts=0, folds=())
    models = tuple(
        ModelReport(horizon, family, 5, metrics)
        for horizon, family, metrics in (("5m", "ridge", said), ("5m", "onnx", nothing), ("1d", "onnx", nothing))
    )
    report = TrainingReport(Path("run"), "2025-06-30", 30, 12, 32, models, (), "")
    assert silent_text(report).startswith("5m/onnx, 1d/onnx: no number on rows that it had not seen")
    assert silent_text(replace(report, models=models[:1])) == ""
    assert silent_text(replace(report, models=models[:1], unvarying=("a", "b"))).startswith("a, b: one value in all")


def test_a_run_that_stands_is_replaced_only_when_told(bench: Bench, tmp_path: Path) -> None:
    arguments = ("--data", bench.bars, "--run-root", tmp_path / "run", "--until", bench.until, *TRAINING)
    assert run_verb("train_models", *arguments).exit_code == 0
    before = contents(tmp_path / "run")
    refused = run_verb("train_models", *arguments)
    assert refused.exit_code == ExitCode.USAGE
    assert "a run stands here already" in refused.output
    assert contents(tmp_path / "run") == before
    assert run_verb("train_models", *arguments, "--replace").exit_code == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param((), "--run-id or --run-root", id="no-run-named"),
        pytest.param(("--run-id", "new", "--until", "2025-02-31"), "--until 2025-02-31", id="until-no-date"),
        pytest.param(("--run-id", "new", "--until", "2025-02-20", *TRAINING), "sessions", id="too-little-data"),
        pytest.param(("--run-id", "new", "--set", "training.horizons=[7m]"), "7m", id="no-such-horizon"),
        pytest.param(("--run-id", "new", "--set", "training.horizons=[5m]"), "5m", id="horizon-below-the-interval"),
        pytest.param(("--run-id", "new", "--set", "training.families=[oracle]"), "oracle", id="no-such-family"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_no_run(bench: Bench, change: tuple[str, ...], said: str) -> None:
    result = run_verb("train_models", "--data", bench.bars, *change)
    assert result.exit_code == ExitCode.USAGE, result.output
    assert said in result.output
    assert not (bench.runs / "new").exists()


def test_progress_into_a_file_is_told_in_lines_as_it_is_made() -> None:
    file = io.StringIO()
    with Progress(console=Console(file=file)) as display:
        tell = ProgressBars(display)
        tell("fit", 0, 40)
        assert file.getvalue() == "fit 0 of 40\n"
        for done in range(1, 41):
            tell("fit", done, 40)
    lines = file.getvalue().strip().splitlines()
    assert lines == [f"fit {done} of 40" for done in range(0, 41, 4)]
