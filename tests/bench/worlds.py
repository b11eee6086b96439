"""Markets, models and runs to measure with: simulated bars, models fitted to noise, a core at the start of a run."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import LIVE_TRADING  # isort: skip  # noqa: F401  sets thread counts before the numeric libraries are loaded

import numpy as np

from LIVE_TRADING.backtest.engine import BacktestEngine
from LIVE_TRADING.backtest.recorder import Recorder
from LIVE_TRADING.brokers.exchange import ExchangeConfig, SimulatedExchange
from LIVE_TRADING.brokers.simulated import PAPER_ACCOUNT, BacktestBroker
from LIVE_TRADING.common.types import FloatArray, RawPredictions, Session
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.instruments import instruments_for
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.assembly import assemble
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.driver import Driver, Observer
from LIVE_TRADING.engine.journal import Journal
from LIVE_TRADING.engine.run_setup import DataFacts, RunPlan, open_run
from LIVE_TRADING.models.families.lightgbm import FAMILY, LightGbmModel, LightGbmParams
from LIVE_TRADING.models.features import FeatureBuilder, FeatureConfig, compute_all
from LIVE_TRADING.models.inference import InferenceEngine

N_FAMILIES, N_HORIZONS = 3, 6
CASH = Decimal(100_000)


def market(n_symbols: int, n_sessions: int) -> BarPanel:
    return simulate_market(SimulatedMarketConfig(n_symbols=n_symbols, n_sessions=n_sessions))


def cache_folder() -> Path:
    folder = Path(os.environ.get("BENCH_CACHE", Path(tempfile.gettempdir()) / f"live_trading_bench_{os.getuid()}"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def training_rows() -> FloatArray:
    """Features (R, F) of a simulated market, as models see them."""
    panel = market(40, 10)
    builder = FeatureBuilder(FeatureConfig(), len(panel.symbols), panel.bars_per_session)
    features = compute_all(builder, panel)[200:]
    return np.ascontiguousarray(features.transpose(0, 2, 1)).reshape(-1, len(builder.names))


def model_texts(n_models: int = N_FAMILIES * N_HORIZONS, trees: int = 200, leaves: int = 31) -> list[bytes]:
    """LightGBM models over all features, fitted to noise with a little of them in it; kept for the next time."""
    paths = [cache_folder() / f"noise-{trees}x{leaves}-{number:02d}.txt" for number in range(n_models)]
    if not all(path.exists() for path in paths):
        rows = training_rows()[:20_000]
        params = LightGbmParams(num_trees=trees, num_leaves=leaves, learning_rate=0.02, min_data_in_leaf=20)
        for number, path in enumerate(paths):
            rng = np.random.default_rng(number)
            known = np.nan_to_num(rows)
            target = np.tanh(known @ rng.standard_normal(rows.shape[1]) * 0.1) * 0.05 + rng.standard_normal(len(rows))
            path.write_bytes(FAMILY.train(rows, target, seed=number, params=params).files()["model.txt"])
    return [path.read_bytes() for path in paths]


def load_models(*, compiled: bool) -> list[LightGbmModel]:
    models = [FAMILY.load({"model.txt": text}) for text in model_texts()]
    if compiled:
        for model in models:
            model.compile_forest()
            if model.forest is None:
                raise SystemExit("a model was not compiled; see the log")
    return models


@dataclass
class Forecaster:
    """The inference half over a grid of models."""

    models: list[LightGbmModel]

    def __post_init__(self) -> None:
        grid = [self.models[row * N_FAMILIES : (row + 1) * N_FAMILIES] for row in range(N_HORIZONS)]
        self.engine = InferenceEngine(grid)

    @property
    def cheap_calls(self) -> bool:
        return self.engine.cheap_calls

    def predict(self, features: FloatArray) -> RawPredictions:
        return RawPredictions(self.engine.predict(features))

    def predict_block(self, features: FloatArray) -> RawPredictions:
        return RawPredictions(self.engine.predict_block(features))

    def bare_s(self, rows: FloatArray) -> float:
        """The time of the bare library calls over rows (R, F)."""
        started = time.perf_counter()
        for model in self.models:
            model.predict_by_library(rows)
        return time.perf_counter() - started


@dataclass
class Noise:
    """Forecasts drawn at random: what models cost is left out, what follows from them is not."""

    n_families: int = N_FAMILIES

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(1)

    def predict(self, features: FloatArray) -> RawPredictions:
        gap = np.where(np.isnan(features).all(axis=0), np.nan, 0.0)
        return RawPredictions(0.02 * self._rng.standard_normal((N_HORIZONS, self.n_families, len(gap))) + gap)

    def predict_block(self, features: FloatArray) -> RawPredictions:
        return RawPredictions(np.stack([self.predict(row).raw for row in features]))


def facts_of(panel: BarPanel) -> DataFacts:
    return DataFacts(
        panel.symbols,
        panel.interval_ns,
        panel.sessions.name,
        panel.bars_per_session,
        panel.sessions.sessions,
        panel.data_hash,
    )


def plan_of(
    panel: BarPanel, warm_sessions: int, config: EngineConfig | None = None, *, ic_val: float = 0.02, families: int = 3
) -> RunPlan:
    """A run whose models, `families` per horizon, are believed to have an IC; it decides after some sessions."""
    opened = open_run(
        config or EngineConfig(),
        facts_of(panel),
        instruments_for(panel.symbols),
        run_id="bench",
        nonce="bench",
        account=PAPER_ACCOUNT,
        start_ns=panel.sessions.sessions[warm_sessions].open_ns,
    )
    grid = [[ic_val] * families for _ in opened.run.horizons]
    run = replace(
        opened.run,
        families=tuple(f"family{number}" for number in range(families)),
        ic_val=grid,
        n_val=[[2000.0] * families for _ in grid],
        rmse_val=[[1.0] * families for _ in grid],
    )
    assembly = assemble(run)
    return replace(opened, run=run, assembly=assembly, market=assembly.market.initial())


def exchange_of(panel: BarPanel, config: ExchangeConfig | None = None) -> SimulatedExchange:
    return SimulatedExchange(config or ExchangeConfig(), panel.symbols, instruments_for(panel.symbols), CASH)


def backtest_of(
    panel: BarPanel,
    plan: RunPlan,
    predictor: object,
    *,
    record: bool = True,
    on_session: Callable[[Session], None] | None = None,
    journal: Journal | None = None,
) -> tuple[EngineCore, Recorder, BacktestEngine]:
    core = plan.core()
    recorder = Recorder(core)
    observers: tuple[Observer, ...] = (recorder,) if record else ()
    engine = BacktestEngine(
        Driver(core, journal, observers, strict=True),
        HistoricalDataProvider(panel),
        BacktestBroker(exchange_of(panel), panel.sessions),
        predictor,  # type: ignore[arg-type]
        plan.assembly.market.features,
        on_session=on_session,
    )
    return core, recorder, engine


def median(values: list[float]) -> float:
    return statistics.median(values)


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
