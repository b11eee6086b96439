"""Opening a run: what fits together, where the memory starts, what is refused."""

from __future__ import annotations

# covers: P8, P30, A14
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from LIVE_TRADING.common.exceptions import ConfigurationError, ModelLoadError
from LIVE_TRADING.common.types import Instrument, RawPredictions
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.data.instruments import instruments_for
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.assembly import assemble, prediction_age_limit_ns
from LIVE_TRADING.engine.config import EngineConfig, RuntimeConfig
from LIVE_TRADING.engine.run_setup import RunPlan, expressible_horizons, open_run
from LIVE_TRADING.training.config import TrainingConfig
from LIVE_TRADING.training.train import train_run
from tests.support.runs import facts_of

N_SESSIONS, TRAINED = 38, 25
CONFIG = EngineConfig()


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return simulate_market(SimulatedMarketConfig(n_symbols=12, n_sessions=N_SESSIONS, bars_per_session=26))


@pytest.fixture(scope="module")
def run_root(panel: BarPanel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("setup") / "run"
    config = TrainingConfig(horizons=("15m", "30m", "1d"), families=("ridge",))
    train_run(panel, config, root, panel.sessions.sessions[TRAINED - 1].date, engine=CONFIG)
    return root


@pytest.fixture
def opened(panel: BarPanel) -> Callable[..., RunPlan]:
    """Return a function that opens a run; `facts` and `instruments` may be changed."""

    def open_it(config: EngineConfig = CONFIG, **changes: Any) -> RunPlan:
        facts = replace(facts_of(panel), **changes.pop("facts", {}))
        instruments = changes.pop("instruments", None) or instruments_for(facts.symbols)
        return open_run(config, facts, instruments, run_id="r", nonce="n", account="PAPER", **changes)

    return open_it


def opens_ns(panel: BarPanel, number: int) -> int:
    return panel.sessions.sessions[number].open_ns


def closes_ns(panel: BarPanel, number: int) -> int:
    return panel.sessions.sessions[number].close_ns


def test_without_a_start_the_run_decides_from_the_snapshot_on(
    opened: Callable[..., RunPlan], panel: BarPanel, run_root: Path
) -> None:
    plan = opened(run_root=run_root)
    assert plan.run.warmup_until_ns == plan.feed_start_ns == closes_ns(panel, TRAINED - 1)
    assert plan.end_ns == closes_ns(panel, N_SESSIONS - 1)
    assert plan.market.advanced_to_ns == closes_ns(panel, TRAINED - 1)


@pytest.mark.parametrize("sessions_later", [0, 1, 9, 10])
def test_up_to_ten_sessions_later_the_memory_steps_on_from_the_snapshot(
    opened: Callable[..., RunPlan], panel: BarPanel, run_root: Path, sessions_later: int
) -> None:
    start_ns = opens_ns(panel, TRAINED + sessions_later)
    plan = opened(run_root=run_root, start_ns=start_ns)
    assert plan.feed_start_ns == closes_ns(panel, TRAINED - 1)
    assert plan.run.warmup_until_ns == start_ns
    assert plan.market.advanced_to_ns == closes_ns(panel, TRAINED - 1)


def test_later_than_that_the_last_ten_sessions_warm_up(
    opened: Callable[..., RunPlan], panel: BarPanel, run_root: Path
) -> None:
    plan = opened(run_root=run_root, start_ns=opens_ns(panel, TRAINED + 11))
    assert plan.feed_start_ns == opens_ns(panel, TRAINED + 1)
    assert plan.market.advanced_to_ns == closes_ns(panel, TRAINED - 1)


def test_without_artifacts_the_memory_starts_empty_ten_sessions_before(
    opened: Callable[..., RunPlan], panel: BarPanel
) -> None:
    plan = opened(start_ns=opens_ns(panel, 14))
    assert plan.feed_start_ns == opens_ns(panel, 4)
    assert plan.market.advanced_to_ns == -1
    early = opened(start_ns=opens_ns(panel, 3))
    assert early.feed_start_ns == opens_ns(panel, 0)
    whole = opened()
    assert whole.feed_start_ns == whole.run.warmup_until_ns == opens_ns(panel, 0)


def test_an_end_past_the_data_is_the_data_s(opened: Callable[..., RunPlan], panel: BarPanel) -> None:
    assert opened(end_ns=2**62).end_ns == closes_ns(panel, N_SESSIONS - 1)
    assert opened(end_ns=closes_ns(panel, 7)).end_ns == closes_ns(panel, 7)


def test_a_start_within_training_is_refused(opened: Callable[..., RunPlan], panel: BarPanel, run_root: Path) -> None:
    with pytest.raises(ConfigurationError, match="models that have seen the answer"):
        opened(run_root=run_root, start_ns=opens_ns(panel, TRAINED - 1))


def test_a_start_at_the_end_is_refused(opened: Callable[..., RunPlan], panel: BarPanel) -> None:
    with pytest.raises(ConfigurationError, match="is not before the end"):
        opened(start_ns=closes_ns(panel, 5), end_ns=closes_ns(panel, 5))


def test_what_opens_a_run_says_all_that_a_replay_needs(
    opened: Callable[..., RunPlan], panel: BarPanel, run_root: Path
) -> None:
    run = opened(run_root=run_root).run
    assert run.symbols == panel.symbols
    assert run.horizons == ("15m", "30m", "1d")
    assert run.families == ("ridge",)
    assert set(run.model_hashes) == {"ret_15m/ridge", "ret_30m/ridge", "ret_1d/ridge"}
    assert all(len(text) == 64 for text in run.model_hashes.values())
    assert run.data_hash == panel.data_hash
    assert run.initial_cash == "100000.00"
    assert [entry["symbol"] for entry in run.instruments] == list(panel.symbols)
    assert np.array(run.ic_val, dtype=float).shape == np.array(run.rmse_val, dtype=float).shape == (3, 1)
    assert assemble(run).config == CONFIG


def test_figures_that_there_are_not_are_null(opened: Callable[..., RunPlan]) -> None:
    run = opened().run
    assert all(row == [None] for row in run.rmse_val)
    assert all(row == [0.0] for row in run.n_val)


def test_a_subset_of_targets_has_views_on_its_horizons_only(opened: Callable[..., RunPlan], run_root: Path) -> None:
    whole, part = opened(run_root=run_root), opened(run_root=run_root, targets=("ret_1d", "ret_15m"))
    assert part.run.horizons == whole.run.horizons
    assert set(part.run.model_hashes) == {"ret_15m/ridge", "ret_1d/ridge"}  # so that no other subset resumes the run
    features = np.random.default_rng(0).normal(size=(4, len(whole.run.feature_names), 12))
    assert whole.predictor is not None
    assert part.predictor is not None
    one, few = whole.predictor.predict(features[0]).raw, part.predictor.predict(features[0]).raw
    np.testing.assert_array_equal(few[[0, 2]], one[[0, 2]])
    assert np.isnan(few[1]).all()
    block = part.predictor.predict_block(features).raw
    assert block.shape == (4, 3, 1, 12)
    np.testing.assert_array_equal(block[0], few)


@pytest.mark.parametrize("targets", [("ret_7m",), ("ret_5m", "ret_15m"), ()], ids=["unknown", "untrained", "none"])
def test_targets_that_the_run_lacks_are_refused(
    opened: Callable[..., RunPlan], run_root: Path, targets: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError, match="the run has ret_15m, ret_30m, ret_1d"):
        opened(run_root=run_root, targets=targets)


def test_a_predictor_of_one_s_own_stands_in_for_the_models(opened: Callable[..., RunPlan], run_root: Path) -> None:
    class Mine:
        def predict(self, features: np.ndarray) -> RawPredictions:
            return RawPredictions(np.zeros((3, 1, features.shape[1])))

        def predict_block(self, features: np.ndarray) -> RawPredictions:
            return RawPredictions(np.zeros((len(features), 3, 1, features.shape[2])))

    mine = Mine()
    assert opened(run_root=run_root, predictor=mine).predictor is mine
    assert opened(predictor=mine).run.families == ("rule",)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        pytest.param({"symbols": tuple(f"S{n:04d}" for n in range(11))}, "trained on S0011 too", id="symbol-missing"),
        pytest.param({"calendar": "XNYS"}, "trained on calendar", id="calendar"),
        pytest.param(
            {"interval_ns": 5 * NS_PER_MINUTE}, "bar interval: the run wants 15 minutes, the bars have 5", id="interval"
        ),
    ],
)
def test_data_that_do_not_fit_the_artifacts_are_refused(
    opened: Callable[..., RunPlan], run_root: Path, facts: dict[str, Any], said: str
) -> None:
    with pytest.raises(ModelLoadError, match=said):
        opened(run_root=run_root, facts=facts)


def test_features_that_the_models_were_not_trained_on_are_refused(
    opened: Callable[..., RunPlan], run_root: Path
) -> None:
    other = EngineConfig.model_validate({"volatility": {"session_decay": 0.5}})
    with pytest.raises(ModelLoadError, match="session_decay"):
        opened(other, run_root=run_root)


def test_a_foreign_quote_currency_is_refused(opened: Callable[..., RunPlan], panel: BarPanel) -> None:
    instruments = instruments_for(panel.symbols)
    instruments["S0003"] = replace(instruments["S0003"], currency="EUR")
    with pytest.raises(ConfigurationError, match=r"S0003 \(EUR\)"):
        opened(instruments=instruments)


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (5, ("5m", "10m", "15m", "30m", "60m", "1d")),
        (15, ("15m", "30m", "60m", "1d")),
        (60, ("60m", "1d")),
        (45, ("1d",)),
    ],
)
def test_horizons_are_whole_numbers_of_bars(minutes: int, expected: tuple[str, ...]) -> None:
    assert expressible_horizons(minutes * NS_PER_MINUTE) == expected


def test_a_symbol_to_trade_that_is_none_of_the_universe_is_refused(opened: Callable[..., RunPlan]) -> None:
    config = EngineConfig.model_validate({"engine": {"trade_symbols": ["S0001", "NOPE"]}})
    with pytest.raises(ConfigurationError, match="NOPE"):
        opened(config)


def test_symbols_to_trade_are_a_mask_over_the_universe(opened: Callable[..., RunPlan]) -> None:
    config = EngineConfig.model_validate({"engine": {"trade_symbols": ["S0001", "S0004"]}})
    assert np.flatnonzero(opened(config).assembly.tradable).tolist() == [1, 4]
    assert opened().assembly.tradable.all()


def test_a_run_without_an_instrument_is_refused(opened: Callable[..., RunPlan]) -> None:
    run = opened().run
    with pytest.raises(ConfigurationError, match="no instrument for S0000, S0002"):
        assemble(replace(run, instruments=[e for e in run.instruments if e["symbol"] not in ("S0000", "S0002")]))


def test_lots_and_notionals_stand_in_the_order_of_the_universe(opened: Callable[..., RunPlan], panel: BarPanel) -> None:
    instruments = {name: Instrument(name, lot=Decimal(n + 1), min_notional=n) for n, name in enumerate(panel.symbols)}
    parts = opened(instruments=instruments).assembly
    assert parts.lot_sizes.tolist() == [float(n + 1) for n in range(12)]
    assert parts.lots[3] == 4
    assert parts.min_notional_usd.tolist() == [float(n) for n in range(12)]


def test_sections_that_decisions_do_not_read_are_left_out_of_a_replay(opened: Callable[..., RunPlan]) -> None:
    run = opened().run
    assert assemble(replace(run, config={**run.config, "alerting": {"webhook": 3}})).config == CONFIG


@pytest.mark.parametrize(
    ("configured_s", "minutes", "expected_s"), [(30.0, 5, 30.0), (30.0, 1, 30.0), (300.0, 5, 150.0), (0.5, 5, 0.5)]
)
def test_predictions_may_be_half_a_bar_old_at_most(configured_s: float, minutes: int, expected_s: float) -> None:
    runtime = RuntimeConfig(max_prediction_age_s=configured_s)
    assert prediction_age_limit_ns(runtime, minutes * NS_PER_MINUTE) == expected_s * 10**9


def test_only_a_market_that_closes_ends_sessions(opened: Callable[..., RunPlan]) -> None:
    assert opened().assembly.session_ends
    assert not opened(facts={"calendar": "24/7"}).assembly.session_ends
