"""Every family finds the planted edge out of fold, and nothing in noise, also where scores are ranks."""

# covers: P31, P32

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training_panels import market_of

from LIVE_TRADING.common.horizons import parse_horizons
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.models.artifacts import memory_config
from LIVE_TRADING.models.families.interface import family_names
from LIVE_TRADING.models.loader import ModelLoader
from LIVE_TRADING.prediction.predictor import MultiHorizonPredictor
from LIVE_TRADING.training.config import BarrierTrainingConfig, TrainingConfig
from LIVE_TRADING.training.train import TrainingReport, train_run
from tests.support.onnx_graphs import planted_rule

FAMILIES = family_names()
NO_BARRIERS = BarrierTrainingConfig(enabled=False)
LOOKBACK = 40
SMALL = {
    "extra_trees": {"n_estimators": 20, "min_samples_leaf": 100},
    "hist_gradient_boosting": {"max_iter": 20, "max_leaf_nodes": 8, "learning_rate": 0.1},
    "lightgbm": {"num_trees": 20, "num_leaves": 8, "learning_rate": 0.1},
    "quantile_lightgbm": {"num_trees": 20, "num_leaves": 8},
}


def trained(root: Path, seed: int, edge: float) -> TrainingReport:
    market = SimulatedMarketConfig(seed=seed, edge=edge, n_symbols=20, n_sessions=32)
    panel = simulate_market(market)
    names = market_of(panel, parse_horizons(("5m",), panel.interval_ns, 390), FAMILIES).features.names
    rule = root / "rule.onnx"  # the model that is not trained here: what the edge is, in closed form
    rule.write_bytes(planted_rule(market, LOOKBACK, names))
    imported = {"files": {"ret_5m": str(rule)}, "lookback": LOOKBACK, "trained_until": "2024-12-31"}
    config = TrainingConfig(
        horizons=("5m",), families=FAMILIES, params={**SMALL, "onnx": imported}, barrier=NO_BARRIERS
    )
    return train_run(panel, config, root / "run")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> TrainingReport:
    return trained(tmp_path_factory.mktemp("planted"), 7, 0.12)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> TrainingReport:
    return trained(tmp_path_factory.mktemp("noise"), 21, 0.0)


def test_every_family_there_is_takes_part():
    assert set(FAMILIES) >= {
        "extra_trees", "hist_gradient_boosting", "lightgbm", "mlp", "onnx", "quantile_lightgbm", "ridge",
    }  # fmt: skip


def figures(report: TrainingReport, family: str) -> tuple[float, float]:
    """Return a family's out-of-fold IC, and the standard error of an IC that is 0."""
    (metrics,) = (model.metrics for model in report.models if model.family == family)
    assert metrics.ic is not None
    return metrics.ic, 1.0 / float(np.sqrt((20 - 1) * metrics.n_effective))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_planted_edge_is_found(planted: TrainingReport, family: str):
    ic, error = figures(planted, family)
    assert ic > 0.04
    assert ic > 6.0 * error


def test_what_is_fitted_finds_less_than_the_rule_itself(planted: TrainingReport):
    """The file computes the best estimate there is of the hidden x; no fit to a sample can do better, but for noise."""
    best, error = figures(planted, "onnx")
    assert best > max(figures(planted, family)[0] for family in FAMILIES if family != "onnx") - error


@pytest.mark.parametrize("family", FAMILIES)
def test_in_noise_nothing_is_found(noise: TrainingReport, family: str):
    ic, error = figures(noise, family)
    assert abs(ic) < 3.0 * error


def test_the_run_is_read_back_and_its_forecasts_do_not_depend_on_the_block(planted: TrainingReport):
    panel = simulate_market(SimulatedMarketConfig(seed=8, n_symbols=20, n_sessions=2))
    market = market_of(panel, parse_horizons(("5m",), panel.interval_ns, 390), FAMILIES)
    memory, blocks, windows = market.initial(LOOKBACK), [], []
    for row in range(60):
        memory, view = market.advance(memory, panel.batch(row), panel.session(row))
        blocks.append(view.features)
        windows.append(memory.windows.windows())
    predictor = MultiHorizonPredictor(ModelLoader(planted.run_root, memory_config=memory_config(EngineConfig())))
    assert predictor.families == FAMILIES
    whole = predictor.predict_block(np.stack(blocks), windows[0]).raw
    alone = np.stack([predictor.predict(*inputs).raw for inputs in zip(blocks, windows, strict=True)])
    assert whole.tobytes() == alone.tobytes()
    trained_here = [family != "onnx" for family in FAMILIES]
    assert np.isfinite(whole[-1][:, trained_here]).any(axis=2).all()


def test_what_a_model_does_with_missing_values_is_on_file(planted: TrainingReport):
    loader = ModelLoader(planted.run_root)
    for family in FAMILIES:
        assert loader.meta("ret_5m", family).notes["missing_values"]


def test_the_edge_is_found_by_rank_too(tmp_path: Path):
    panel = simulate_market(SimulatedMarketConfig(seed=7, edge=0.12, n_symbols=20, n_sessions=32))
    engine = EngineConfig.model_validate({"prediction": {"standardizer": {"standardize": "rank"}}})
    config = TrainingConfig(horizons=("5m",), families=("ridge",), barrier=NO_BARRIERS)
    report = train_run(panel, config, tmp_path / "run", engine=engine)
    ic, error = figures(report, "ridge")
    assert ic > 0.04
    assert ic > 6.0 * error
    assert ModelLoader(report.run_root).manifest.memory_config["prediction.standardizer.standardize"] == "rank"
