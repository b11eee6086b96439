"""Runs for tests: a plain forecast in place of models, over the simulated market or a recording, in any shell."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from LIVE_TRADING.backtest.engine import BacktestEngine
from LIVE_TRADING.brokers.exchange import ExchangeConfig, SimulatedExchange
from LIVE_TRADING.brokers.simulated import BacktestBroker, PaperBroker
from LIVE_TRADING.common.async_clock import VirtualClock
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.common.types import FloatArray, RawPredictions
from LIVE_TRADING.data.historical import HistoricalDataProvider, LateBar, QuoteSource
from LIVE_TRADING.data.instruments import instruments_for
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.driver import Driver, Observer
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.rule import TargetRule
from LIVE_TRADING.engine.run_setup import DataFacts, RunPlan, open_run
from LIVE_TRADING.engine.trading_engine import TradingEngine

# a confident belief in a plain rule, and cheap trading: many orders in few sessions
LOW_COST = {
    "arbitration": {"cost": {"enabled": False}, "reserve_bps": 0.0},
    "gating": {"spread": {"enabled": False}},
    "sizing": {"gross_cap": 2.0, "net_cap": 2.0},
    "risk": {"guardrails": False, "max_gross": 2.0, "max_net": 2.0},
}


class PlainForecast:
    """The last bar's return, reversed, for every horizon and family: enough to make the stages work."""

    def __init__(self, feature_names: Sequence[str], n_horizons: int, n_families: int = 1) -> None:
        self._row = list(feature_names).index("return_1") if "return_1" in feature_names else 0
        self._shape = (n_horizons, n_families)

    def predict(self, features: FloatArray) -> RawPredictions:
        signal = -features[self._row]
        return RawPredictions(np.broadcast_to(signal, (*self._shape, len(signal))).copy())

    def predict_block(self, features: FloatArray) -> RawPredictions:
        return RawPredictions(np.stack([self.predict(row).raw for row in features]))


@dataclass(frozen=True)
class Outcome:
    """What a run gave."""

    core: EngineCore
    inference_s: float = 0.0

    @property
    def digests(self) -> dict[str, str]:
        return self.core.state.digest.texts()


def facts_of(panel: BarPanel) -> DataFacts:
    return DataFacts(
        panel.symbols,
        panel.interval_ns,
        panel.sessions.name,
        panel.bars_per_session,
        panel.sessions.sessions,
        panel.data_hash,
    )


def exchange_for(panel: BarPanel, before_ns: int, config: ExchangeConfig | None = None) -> SimulatedExchange:
    """An exchange that has seen the bars before the feed starts."""
    exchange = SimulatedExchange(
        config or ExchangeConfig(),
        panel.symbols,
        instruments_for(panel.symbols),
        Decimal(100_000),
        session_ends=panel.sessions.name != "24/7",
    )
    last = -1
    for row in range(len(panel)):
        batch = panel.batch(row)
        if batch.bar_end_ns > before_ns:
            break
        exchange.prime(batch, first_of_session=int(panel.session_index[row]) != last)
        last = int(panel.session_index[row])
    return exchange


def plan_for(panel: BarPanel, config: EngineConfig, **options: object) -> RunPlan:
    return open_run(
        config, facts_of(panel), instruments_for(panel.symbols), run_id="test", nonce="n", account="PAPER", **options
    )


def run_backtest(
    panel: BarPanel,
    config: EngineConfig,
    *,
    start_ns: int,
    late: Sequence[LateBar] = (),
    latency: InferenceLatency | None = None,
    exchange: ExchangeConfig | None = None,
    observers: Sequence[Observer] = (),
    run_root: Path | None = None,
    rule: TargetRule | None = None,
    quotes: QuoteSource | None = None,
) -> Outcome:
    plan = plan_for(panel, config, start_ns=start_ns, run_root=run_root, rule=rule)
    predictor = rule or plan.predictor or PlainForecast(plan.run.feature_names, len(plan.run.horizons))
    provider = HistoricalDataProvider(panel, late=late, quotes=quotes)
    broker = BacktestBroker(exchange_for(panel, plan.feed_start_ns, exchange), panel.sessions)
    core = plan.core()
    engine = BacktestEngine(
        Driver(core, None, observers, strict=True),
        provider,
        broker,
        predictor,
        plan.assembly.market.features,
        latency=latency,
    )
    engine.run(plan.feed_start_ns, plan.end_ns)
    return Outcome(core, engine.inference_s)


def run_shell(
    panel: BarPanel,
    config: EngineConfig,
    *,
    start_ns: int,
    late: Sequence[LateBar] = (),
    latency: InferenceLatency | None = None,
    exchange: ExchangeConfig | None = None,
    state_dir: Path | None = None,
    run_root: Path | None = None,
    max_cycles: int | None = None,
    rule: TargetRule | None = None,
    quotes: QuoteSource | None = None,
    observers: Sequence[Observer] = (),
    files: FileLayer = OS_FILES,
) -> Outcome:
    plan = plan_for(panel, config, start_ns=start_ns, run_root=run_root, rule=rule)
    predictor = None
    if rule is None:
        predictor = plan.predictor or PlainForecast(plan.run.feature_names, len(plan.run.horizons))
    clock = VirtualClock(plan.feed_start_ns)
    venue_file = state_dir / "paper_venue.json" if state_dir is not None else None
    broker = PaperBroker(exchange_for(panel, plan.feed_start_ns, exchange), panel.sessions, clock, venue_file)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        engine = TradingEngine(
            broker,
            HistoricalDataProvider(panel, late=late, quotes=quotes),
            run_root,
            predictor,
            config=config,
            clock=clock,
            facts=facts_of(panel),
            instruments=instruments_for(panel.symbols),
            rule=rule,
            run_id="test",
            nonce="n",
            start_ns=start_ns,
            state_dir=state_dir,
            latency=latency,
            grace_ns=0,
            observers=observers,
            files=files,
        )
    asyncio.run(engine.run(max_cycles))
    engine.close()
    return Outcome(engine.core, engine.inference_s)
