"""The barrier classifiers find what is planted, find nothing in noise, and are calibrated on what they had not seen."""

# covers: P13, P9

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from training_panels import market_of, random_panel

from LIVE_TRADING.common.horizons import Horizon, parse_horizons
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.models.artifacts import BARRIER_TARGETS, sha256
from LIVE_TRADING.models.barrier import probability
from LIVE_TRADING.training.barrier_labels import barrier_horizon
from LIVE_TRADING.training.barriers import Barriers, barrier_targets, fit_barriers
from LIVE_TRADING.training.config import BarrierTrainingConfig, TrainingConfig
from LIVE_TRADING.training.dataset import Dataset, build_dataset
from LIVE_TRADING.training.progress import no_progress
from LIVE_TRADING.training.train import TrainingReport, train_run
from LIVE_TRADING.training.walk_forward import plan_folds

PLANTED = SimulatedMarketConfig(seed=7, edge=0.15, n_symbols=16, n_sessions=30)
TREES = {"num_trees": 30, "num_leaves": 8, "learning_rate": 0.1, "min_data_in_leaf": 300}
CONFIG = TrainingConfig(
    horizons=("5m",), families=("ridge",), barrier=BarrierTrainingConfig.model_validate({"params": TREES})
)


def dataset_of(market: SimulatedMarketConfig) -> tuple[Dataset, Horizon]:
    panel = simulate_market(market)
    horizon = barrier_horizon(panel.interval_ns, 390)
    assert horizon is not None
    horizons = parse_horizons(("5m",), panel.interval_ns, 390)
    return build_dataset(panel, market_of(panel, horizons), horizons, barrier=horizon), horizon


def fitted(dataset: Dataset, horizon: Horizon | None, config: TrainingConfig = CONFIG) -> Barriers:
    return fit_barriers(dataset, horizon, plan_folds(dataset.panel, 4), config, no_progress)


@pytest.fixture(scope="module")
def planted() -> tuple[Dataset, Horizon]:
    return dataset_of(PLANTED)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainingReport:
    return train_run(simulate_market(PLANTED), CONFIG, tmp_path_factory.mktemp("runs") / "planted")


def test_a_planted_barrier_effect_is_found(run: TrainingReport) -> None:
    assert [report.target for report in run.classifiers] == list(BARRIER_TARGETS)
    for report in run.classifiers:
        metrics = report.metrics
        assert metrics.brier < metrics.brier_base_rate - 3.0 * metrics.brier_gain_error
        assert metrics.log_loss < metrics.log_loss_base_rate
        assert [b.observed for b in metrics.reliability][-1] > metrics.base_rate + 0.05
        for b in metrics.reliability:
            assert b.observed == pytest.approx(b.p_mean, abs=5.0 * np.sqrt(0.25 / b.n) + 0.02)


@pytest.mark.parametrize("seed", range(2))
def test_in_noise_nothing_is_found(planted: tuple[Dataset, Horizon], seed: int) -> None:
    dataset, horizon = planted
    noise = np.random.default_rng(seed).standard_normal(dataset.features.shape)
    for classifier in fitted(replace(dataset, features=noise), horizon).classifiers:
        metrics = classifier.metrics
        assert abs(metrics.brier_gain) < 3.0 * metrics.brier_gain_error


def test_without_an_edge_the_way_is_not_known() -> None:
    """How far the price moves may be known to the features, since σ is an estimate; which way it moves is not."""
    dataset, horizon = dataset_of(PLANTED.model_copy(update={"edge": 0.0}))
    for classifier in fitted(dataset, horizon).classifiers:
        assert classifier.metrics.brier_gain < 3.0 * classifier.metrics.brier_gain_error


def test_the_calibration_is_made_on_rows_that_the_trees_were_not_fitted_to(planted: tuple[Dataset, Horizon]) -> None:
    """Trees that learn noise by heart separate their own rows: calibrated on those, the slope would not be near 0."""
    dataset, horizon = planted
    noise = np.random.default_rng(5).standard_normal(dataset.features.shape)
    greedy = BarrierTrainingConfig.model_validate(
        {"params": {"num_trees": 30, "num_leaves": 63, "learning_rate": 0.3, "min_data_in_leaf": 5, "lambda_l2": 0.0}}
    )
    noisy = replace(dataset, features=noise)
    for classifier in fitted(noisy, horizon, CONFIG.model_copy(update={"barrier": greedy})).classifiers:
        outcome = barrier_targets(noisy, horizon)[classifier.target].values
        known = np.isfinite(outcome)
        margin = classifier.trees.predict(noisy.features[known])
        apart = margin[outcome[known] == 1.0].mean() - margin[outcome[known] == 0.0].mean()
        assert apart > 0.5  # what was learnt by heart
        assert classifier.calibration.slope < 0.05
        p = probability(margin, classifier.calibration)
        assert p.mean() == pytest.approx(outcome[known].mean(), abs=0.03)
        assert p.max() - p.min() < 0.2


def test_figures_come_from_folds_calibrated_before_they_opened(run: TrainingReport) -> None:
    for report in run.classifiers:
        first, *later = report.metrics.folds
        assert first.brier is None
        assert sum(fold.n for fold in later) == report.metrics.n
        errors = sum(fold.n * fold.brier for fold in later if fold.brier is not None)
        assert errors / report.metrics.n == pytest.approx(report.metrics.brier)
        for fold in report.metrics.folds:
            assert fold.train_end < fold.validation_start <= fold.validation_end


def test_what_is_on_file_is_whole_and_pinned(run: TrainingReport) -> None:
    manifest = json.loads((run.run_root / "manifest.json").read_bytes())
    assert manifest["no_classifiers"] == ""
    for entry, report in zip(manifest["classifiers"], run.classifiers, strict=True):
        folder = run.run_root / "targets" / entry["target"] / "models" / "view=cross_sectional" / "family=lightgbm"
        stored = (folder / "model_meta.json").read_bytes()
        assert entry["meta_sha256"] == sha256(stored)
        meta = json.loads(stored)
        assert meta["files"] == {name: sha256((folder / name).read_bytes()) for name in ("model.txt", "forest.npz")}
        assert meta["metrics"]["brier"] == report.metrics.brier == entry["brier"]
        assert meta["metrics"]["reliability"][0].keys() == {"p_mean", "observed", "n"}
        assert meta["horizon"] == "15m"
        assert meta["calibration"]["slope"] > 0.3


def test_training_twice_gives_the_same_bits_whatever_the_threads(planted: tuple[Dataset, Horizon]) -> None:
    first, second = (fitted(*planted, CONFIG.model_copy(update={"threads": threads})).classifiers for threads in (1, 3))
    for one, other in zip(first, second, strict=True):
        assert one.trees.files() == other.trees.files()
        assert (one.calibration, one.metrics) == (other.calibration, other.metrics)


def test_more_rows_than_wanted_are_thinned(planted: tuple[Dataset, Horizon]) -> None:
    few = CONFIG.barrier.model_copy(update={"max_rows": 5_000})
    for classifier in fitted(*planted, CONFIG.model_copy(update={"barrier": few})).classifiers:
        assert classifier.on.n_rows == pytest.approx(5_000, rel=0.1)
        assert classifier.metrics.n > 10_000  # what is judged is not thinned


@pytest.mark.parametrize(
    ("minutes", "barrier", "missing", "why"),
    [
        pytest.param(5, {"enabled": False}, 0.0, "training.barrier.enabled was false", id="switched-off"),
        pytest.param(30, {}, 0.0, "five minutes are no whole number of bars", id="interval"),
        pytest.param(5, {}, 0.8, "too few outcomes of will_peak_5m to train on: ", id="too-few"),
    ],
)
def test_without_classifiers_the_run_says_why(
    tmp_path: Path, minutes: int, barrier: dict[str, object], missing: float, why: str
) -> None:
    table = session_table("simulated", "2025-01-02", "2025-02-12")
    panel = random_panel(table, minutes=minutes, n_symbols=2, missing=missing)
    config = TrainingConfig(
        horizons=("30m",), families=("ridge",), barrier=BarrierTrainingConfig.model_validate(barrier)
    )
    report = train_run(panel, config, tmp_path / "run")
    manifest = json.loads((report.run_root / "manifest.json").read_bytes())
    assert report.classifiers == ()
    assert manifest["classifiers"] == []
    assert why in report.no_classifiers == manifest["no_classifiers"]
    assert not list((report.run_root / "targets").glob("will_*"))
