"""Trained runs over recorded bars do not look ahead; a leak that is planted in the reading of those bars is found."""

# covers: R3

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from real_runs import AFTER_TRAINING, FILE, WEEK, World, low_cost

from LIVE_TRADING.backtest.observed import FORECASTS
from LIVE_TRADING.cli.backtest import BacktestRequest
from LIVE_TRADING.cli.check_lookahead import Check, check
from LIVE_TRADING.cli.compose import open_recording, settings_for
from LIVE_TRADING.cli.settings import engine_config
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.data import spread
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.models.families.interface import family_names
from LIVE_TRADING.models.features import FeatureBuilder
from LIVE_TRADING.training.config import BarrierTrainingConfig, TrainingConfig
from LIVE_TRADING.training.train import train_run
from tests.support.onnx_graphs import planted_rule


def checked(bars: Path, run_root: Path, span: tuple[str, str | None], count: int) -> Check:
    settings = low_cost()
    recording, _ = open_recording(str(bars), settings, None, "auto", run_root)
    return check(recording, settings, BacktestRequest(run_root, "e2e", *span), count, seed=7)


def assert_proven(found: Check, count: int) -> None:
    report = found.report
    assert found.differences == ()
    assert report.agreed_ns == report.instants_ns
    assert len(report.instants_ns) == count
    assert set(report.forecasts) == {"lightgbm", "ridge"}
    assert min(report.forecasts.values()) > 4 * 60 * count  # horizons, symbols that have a bar
    assert min(report.numbers.values()) > 0
    assert report.orders > count
    assert report.fills > count


def test_a_week_with_a_half_day(world: World) -> None:
    found = checked(world.bars, world.run_root, WEEK, 15)
    assert_proven(found, 15)
    rows = [seen.rows[FORECASTS] for seen in found.report.observed.values()]
    assert sum(int(np.isfinite(row[name]).sum()) for row in rows for name in ("p_peak", "p_valley")) > 2 * 60 * 15


def test_a_spread_estimate_that_counts_the_session_it_is_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_today(values: FloatArray, window: int) -> FloatArray:
        padded = np.concatenate([np.zeros((window - 1, values.shape[1])), values])
        return np.lib.stride_tricks.sliding_window_view(padded, window, axis=0).sum(axis=-1)

    monkeypatch.setattr(spread, "_trailing_sum", with_today)
    found = checked(world.bars, world.run_root, WEEK, 5)
    first = found.differences[0]
    assert (first.stage, first.name) == ("bars", "bid")
    assert found.report.agreed_ns == ()


MARKET = {"n_symbols": 12, "n_sessions": 30, "bars_per_session": 26}
TRAINED_SESSIONS, LOOKBACK = 26, 10
SMALL_PARAMS = {
    "extra_trees": {"n_estimators": 10, "min_samples_leaf": 100},
    "hist_gradient_boosting": {"max_iter": 10, "max_leaf_nodes": 8},
    "lightgbm": {"num_trees": 10, "num_leaves": 8},
    "quantile_lightgbm": {"num_trees": 10, "num_leaves": 8},
}


def test_every_family_there_is(tmp_path: Path) -> None:
    """A run of all families, one of them over sequences, on the simulated market."""
    market = SimulatedMarketConfig(**MARKET)
    panel, families = simulate_market(market), family_names()
    settings = settings_for("low_cost", [f"simulated.{key}={value}" for key, value in MARKET.items()])
    names = FeatureBuilder(settings.features, 12, 26).names
    (tmp_path / "rule.onnx").write_bytes(planted_rule(market, LOOKBACK, names))
    sequences = {
        "files": {"ret_15m": str(tmp_path / "rule.onnx")},
        "lookback": LOOKBACK,
        "trained_until": "2024-12-31",
    }
    config = TrainingConfig(
        horizons=("15m",),
        families=families,
        params={**SMALL_PARAMS, "onnx": sequences},
        barrier=BarrierTrainingConfig(enabled=False),
    )
    until = panel.sessions.sessions[TRAINED_SESSIONS - 1].date
    train_run(panel, config, tmp_path / "run", until, engine=engine_config(settings))
    recording, _ = open_recording("simulated", settings, None, "auto", tmp_path / "run")
    found = check(recording, settings, BacktestRequest(tmp_path / "run", "all"), 20, seed=7)
    assert found.differences == ()
    assert len(found.report.agreed_ns) == 20
    assert set(found.report.forecasts) == set(families) >= {"mlp", "onnx", "quantile_lightgbm", "ridge"}
    assert min(found.report.forecasts.values()) > 20 * 10
    assert found.report.fills > 10


@pytest.mark.slow
def test_half_a_year(world: World, shared_data: Callable[[str], Path]) -> None:
    assert_proven(checked(shared_data(FILE), world.run_root, (AFTER_TRAINING, None), 50), 50)
