"""Runs of trained models on real bars, in any shell; what they decided is kept for the tests to look at."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from LIVE_TRADING.backtest.engine import BacktestEngine, BlockPredictor
from LIVE_TRADING.brokers.simulated import PAPER_ACCOUNT, BacktestBroker, PaperBroker
from LIVE_TRADING.cli.compose import Source, session_close_ns, session_open_ns, settings_for, venue
from LIVE_TRADING.cli.settings import Settings, engine_config
from LIVE_TRADING.common.async_clock import VirtualClock
from LIVE_TRADING.common.events import Event, OrderFill, PredictionsReady, Stamped
from LIVE_TRADING.common.types import FloatArray, Order
from LIVE_TRADING.data.bars_file import read_bars
from LIVE_TRADING.data.historical import HistoricalDataProvider, LateBar
from LIVE_TRADING.data.instruments import instruments_for
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.assembly import Assembly, assemble
from LIVE_TRADING.engine.commands import Anomaly, BanditUpdated, Command, CycleDecided, CycleSkipped, SubmitOrder
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.cycle import CycleResult, DecisionTrace
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.run_setup import DataFacts, RunPlan, RunPredictor, open_run
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.training.config import BarrierTrainingConfig, TrainingConfig
from LIVE_TRADING.training.train import train_run

FILE = "us_equity_5m_2025.parquet"
UNTIL = "2025-06-30"
AFTER_TRAINING = "2025-07-01"
WEEK = ("2025-07-02", "2025-07-09")  # five sessions, one of them a half day; the session before them warms up
TWO_SESSIONS = ("2025-07-02", "2025-07-03")
HISTORY_FROM = "2025-06-13"  # the exchange's statistics reach back ten sessions
_TREES = {"num_trees": 30, "num_leaves": 15, "min_data_in_leaf": 2000}
SMALL = TrainingConfig(
    horizons=("5m", "15m", "60m", "1d"),
    params={"lightgbm": _TREES},
    barrier=BarrierTrainingConfig.model_validate({"params": _TREES}),
)
Barriers = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class World:
    """A trained run, and the bars after its training (with those that the exchange learns from) as a file."""

    run_root: Path
    bars: Path


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that is made once per test session, by whichever worker comes first."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, made = base / name, base / f"{name}.made"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            made.touch()
    return folder


def make_world(recorded: Path, folder: Path) -> None:
    """Train on the sessions up to `UNTIL`; write the bars of the weeks around it to a file."""
    train_run(read_bars(recorded, end=UNTIL), SMALL, folder / "run", UNTIL)
    table = pq.read_table(recorded)
    day = pc.strftime(table["timestamp"], "%Y-%m-%d")
    near = pc.and_(pc.greater_equal(day, HISTORY_FROM), pc.less_equal(day, WEEK[1]))
    pq.write_table(table.filter(near), folder / "bars.parquet")


def low_cost(*overrides: str) -> Settings:
    """Return the profile in which trading is free, with `section.key=value` on top."""
    return settings_for("low_cost", overrides)


def source_of(panel: BarPanel, settings: Settings, late: Sequence[LateBar] = ()) -> Source:
    """Return bars as the verbs of the command line see them, some of them late."""
    facts = DataFacts(
        panel.symbols,
        panel.interval_ns,
        panel.sessions.name,
        panel.bars_per_session,
        panel.sessions.sessions,
        panel.data_hash,
    )
    return Source(HistoricalDataProvider(panel, late=late), facts, instruments_for(panel.symbols, settings.instruments))


@dataclass
class Trail:
    """An observer: the cycles that decided, and what else the core said, in order."""

    core: EngineCore | None = None
    assembly: Assembly | None = None
    cycles: list[CycleResult] = field(default_factory=list)
    states: list[CoreState] = field(default_factory=list)  # right after each of those decisions
    orders: list[Order] = field(default_factory=list)
    fills: list[OrderFill] = field(default_factory=list)
    learned: list[BanditUpdated] = field(default_factory=list)
    skipped: list[CycleSkipped] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)

    def __call__(self, stamped: Stamped, commands: Sequence[Command]) -> None:
        if isinstance(stamped.event, OrderFill):
            self.fills.append(stamped.event)
        for command in commands:
            if isinstance(command, CycleDecided) and command.result.trace is not None:
                self.cycles.append(command.result)
                self.states.append(self.state)
            elif isinstance(command, SubmitOrder):
                self.orders.append(command.order)
            elif isinstance(command, BanditUpdated):
                self.learned.append(command)
            elif isinstance(command, CycleSkipped):
                self.skipped.append(command)
            elif isinstance(command, Anomaly):
                self.anomalies.append(command)

    @property
    def state(self) -> CoreState:
        assert self.core is not None
        return self.core.state

    @property
    def digests(self) -> dict[str, str]:
        return self.state.digest.texts()

    @property
    def traces(self) -> Iterator[DecisionTrace]:
        for cycle in self.cycles:
            assert cycle.trace is not None
            yield cycle.trace

    @property
    def first(self) -> DecisionTrace:
        """The first decision: the book is flat, so runs differ in it by their settings alone."""
        return next(self.traces)


class BarrierDriver(Driver):
    """Puts probabilities of a peak and of a valley into every event that brings predictions."""

    barriers: Barriers

    def step(self, event: Event, now_ns: int) -> list[Command]:
        if isinstance(event, PredictionsReady):
            event = replace(event, p_peak=self.barriers[0], p_valley=self.barriers[1])
        return super().step(event, now_ns)


def plan_of(
    source: Source, settings: Settings, run_root: Path, span: tuple[str, str], memory: EngineConfig | None = None
) -> RunPlan:
    """Return an opened run. `memory`: settings that the run was not trained with, put into its record all the same."""
    config = engine_config(settings)
    plan = open_run(
        config,
        source.facts,
        source.instruments,
        run_id="e2e",
        nonce="n",
        account=PAPER_ACCOUNT,
        start_ns=session_open_ns(source, span[0]),
        end_ns=session_close_ns(source, span[1]),
        run_root=run_root,
    )
    if memory is None:
        return plan
    run = replace(plan.run, config=memory.model_dump(mode="json"))
    assembly = assemble(run)
    market = assembly.market.from_parts(plan.assembly.market.to_parts(plan.market))
    return replace(plan, run=run, assembly=assembly, market=market)


def backtested(
    source: Source,
    settings: Settings,
    run_root: Path,
    span: tuple[str, str],
    *,
    latency: InferenceLatency | None = None,
    barriers: Barriers | None = None,
    memory: EngineConfig | None = None,
    predictor: Callable[[RunPredictor], BlockPredictor] | None = None,
) -> Trail:
    """Run the backtest's loop. `predictor` may put another in place of the run's, which it is given."""
    plan = plan_of(source, settings, run_root, span, memory)
    core, trail = plan.core(), Trail()
    trail.core, trail.assembly = core, plan.assembly
    driver = Driver(core, None, (trail,), strict=True)
    if barriers is not None:
        driver = BarrierDriver(core, None, (trail,), strict=True)
        driver.barriers = barriers
    assert plan.predictor is not None
    engine = BacktestEngine(
        driver,
        source.provider,
        BacktestBroker(venue(source, settings), source.panel.sessions),
        plan.predictor if predictor is None else predictor(plan.predictor),
        plan.assembly.market.features,
        latency=latency,
    )
    engine.run(plan.feed_start_ns, plan.end_ns)
    return trail


def traded(
    source: Source,
    settings: Settings,
    run_root: Path,
    span: tuple[str, str],
    *,
    latency: InferenceLatency | None = None,
    state_dir: Path | None = None,
    max_cycles: int | None = None,
) -> Trail:
    """Run the asyncio shell in virtual time on the paper venue."""
    clock, trail = VirtualClock(), Trail()
    file = state_dir / "paper_venue.json" if state_dir is not None else None
    engine = TradingEngine(
        PaperBroker(venue(source, settings), source.panel.sessions, clock, file),
        source.provider,
        run_root,
        config=engine_config(settings),
        clock=clock,
        facts=source.facts,
        instruments=source.instruments,
        run_id="e2e",
        nonce="n",
        start_ns=session_open_ns(source, span[0]),
        end_ns=session_close_ns(source, span[1]),
        state_dir=state_dir,
        latency=latency,
        observers=(trail,),
        grace_ns=0,
    )
    trail.core = engine.core
    try:
        asyncio.run(engine.run(max_cycles))
    finally:
        engine.close()
    return trail


def tree(folder: Path) -> dict[str, str]:
    """Return every file and folder below a folder with the SHA-256 of what it holds."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "/"
        for path in sorted(folder.rglob("*"))
    }


def with_values(panel: BarPanel, values: Mapping[str, np.ndarray]) -> BarPanel:
    """Return a panel with other arrays in place of its own."""
    arrays = {name: getattr(panel, name) for name in ("open", "high", "low", "close", "volume", "bid", "ask")}
    return BarPanel.on_grid(
        panel.symbols,
        panel.interval_ns,
        panel.sessions,
        {**arrays, **values},
        quotes_estimated=panel.quotes_estimated,
        dropped_outside_sessions=panel.dropped_outside_sessions,
    )
