"""Models that gain nothing by blocks are asked bar by bar: the same decisions, and the features advance once."""

from __future__ import annotations

# covers: P27
from dataclasses import dataclass, field

import pytest

from LIVE_TRADING.backtest.engine import BacktestEngine
from LIVE_TRADING.brokers.simulated import BacktestBroker
from LIVE_TRADING.common.types import FloatArray, RawPredictions
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.models.inference import InferenceEngine
from tests.support.runs import LOW_COST, PlainForecast, exchange_for, plan_for

BARS = 13


@dataclass
class Counting:
    """A plain forecast that counts how it is asked."""

    forecast: PlainForecast
    cheap_calls: bool
    calls: list[str] = field(default_factory=list)

    def predict(self, features: FloatArray) -> RawPredictions:
        self.calls.append("bar")
        return self.forecast.predict(features)

    def predict_block(self, features: FloatArray) -> RawPredictions:
        self.calls.append("block")
        return self.forecast.predict_block(features)


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return simulate_market(SimulatedMarketConfig(n_symbols=12, n_sessions=13, bars_per_session=BARS))


def run(panel: BarPanel, *, cheap_calls: bool) -> tuple[dict[str, str], list[str]]:
    config = EngineConfig.model_validate(LOW_COST)
    plan = plan_for(panel, config, start_ns=panel.sessions.sessions[10].open_ns)
    predictor = Counting(PlainForecast(plan.run.feature_names, len(plan.run.horizons)), cheap_calls)
    core = plan.core()
    engine = BacktestEngine(
        Driver(core, None, (), strict=True),
        HistoricalDataProvider(panel),
        BacktestBroker(exchange_for(panel, plan.feed_start_ns), panel.sessions),
        predictor,
        plan.assembly.market.features,
    )
    engine.run(plan.feed_start_ns, plan.end_ns)
    return core.state.digest.texts(), predictor.calls


def test_bar_by_bar_decides_what_blocks_decide(panel: BarPanel) -> None:
    by_bar, bar_calls = run(panel, cheap_calls=True)
    by_block, block_calls = run(panel, cheap_calls=False)
    assert by_bar == by_block
    assert bar_calls == ["bar"] * BARS * 13
    assert block_calls == ["block"] * 13


def test_no_models_are_not_cheap_to_ask() -> None:
    assert not InferenceEngine([]).cheap_calls
