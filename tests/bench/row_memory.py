"""Row 11: memory and cost over many cycles, ridge in place of trees. Bars come again and again, moved on in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from LIVE_TRADING.backtest.engine import BacktestEngine
from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.brokers.simulated import BacktestBroker
from LIVE_TRADING.common.types import FloatArray, RawPredictions, Session
from LIVE_TRADING.data.calendars import SIMULATED, SessionTable, session_table
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.interface import FeedItem
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.models.families.ridge import FAMILY
from LIVE_TRADING.models.inference import InferenceEngine
from tests.bench.rows import Measured, at_most
from tests.bench.worlds import N_HORIZONS, exchange_of, market, plan_of, training_rows

SETTLED_CYCLES = 1_000
# for free: an account that wears out would trade less and less, and the last cycles cost less than the first
FREE = ExchangeConfig(fee_bps=0.0, impact_coefficient=0.0, spread_multiple=0.0)
SESSIONS_OF_BARS = 10


class EndlessProvider(HistoricalDataProvider):
    """A few sessions of bars, given out over and over under the dates of a long calendar; holds nothing more."""

    def __init__(self, panel: BarPanel, sessions: SessionTable) -> None:
        super().__init__(panel)
        self._long = sessions

    @property
    def sessions(self) -> SessionTable:
        return self._long

    def timeline(self, start_ns: int, end_ns: int) -> Iterator[FeedItem]:
        number = 0
        for session in self._long.sessions:
            for slot in range(session.n_bars(self.interval_ns)):
                end = session.open_ns + (slot + 1) * self.interval_ns
                if start_ns < end <= end_ns:
                    yield FeedItem(end, replace(self._panel.batch(number % len(self._panel)), bar_end_ns=end))
                number += 1


@dataclass(frozen=True)
class Ridge:
    """Ridge models on the grid of horizons."""

    engine: InferenceEngine

    @classmethod
    def fitted(cls) -> Ridge:
        rows = training_rows()[:5_000]
        targets = [np.random.default_rng(number).standard_normal(len(rows)) for number in range(N_HORIZONS)]
        params = FAMILY.params()
        return cls(InferenceEngine([[FAMILY.train(rows, target, seed=0, params=params)] for target in targets]))

    def predict(self, features: FloatArray) -> RawPredictions:
        return RawPredictions(self.engine.predict(features))

    def predict_block(self, features: FloatArray) -> RawPredictions:
        return RawPredictions(self.engine.predict_block(features))


@dataclass(frozen=True)
class Sample:
    """Memory and CPU time so far, at the opening of a session."""

    cycles: int
    rss_mb: float
    cpu_s: float


def rss_mb() -> float:
    """Memory that the process holds now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1024**2


def samples_of(n_symbols: int, n_cycles: int) -> list[Sample]:
    """Run cycles without recording them; a sample per session."""
    panel = market(n_symbols, SESSIONS_OF_BARS)
    n_sessions = -(-n_cycles // panel.bars_per_session)
    weeks = session_table(SIMULATED, "2025-01-06", f"{2025 + n_sessions // 250 + 1}-12-31").sessions[:n_sessions]
    provider = EndlessProvider(panel, SessionTable(SIMULATED, weeks))
    long_panel = replace(panel, sessions=provider.sessions)
    config = EngineConfig.model_validate({"risk": {"guardrails": False}})
    plan = plan_of(long_panel, 2, config, families=1, ic_val=0.02)
    core, samples = plan.core(), []

    def note(_: Session) -> None:
        samples.append(Sample(core.state.cycle_number, rss_mb(), time.process_time()))

    engine = BacktestEngine(
        Driver(core, None, (), strict=True),
        provider,
        BacktestBroker(exchange_of(panel, FREE), provider.sessions),
        Ridge.fitted(),
        plan.assembly.market.features,
        on_session=note,
    )
    engine.run(plan.feed_start_ns, plan.end_ns)
    return [*samples, Sample(core.state.cycle_number, rss_mb(), time.process_time())]


def growth(samples: list[Sample], settled: int = SETTLED_CYCLES) -> tuple[float, float]:
    """Growth of memory since `settled` cycles, and cost per cycle of the last fifth over that of the first after it."""
    after = [sample for sample in samples if sample.cycles >= settled]
    fifth = max(1, len(after) // 5)

    def cost(part: list[Sample]) -> float:
        return (part[-1].cpu_s - part[0].cpu_s) / (part[-1].cycles - part[0].cycles)

    return after[-1].rss_mb / after[0].rss_mb - 1.0, cost(after[-fifth - 1 :]) / cost(after[: fifth + 1])


def flat(n_cycles: int = 100_000) -> list[Measured]:
    samples = samples_of(100, n_cycles)
    grown, dearer = growth(samples)
    after = next(sample for sample in samples if sample.cycles >= SETTLED_CYCLES)
    note = f"{samples[-1].cycles:,} cycles; {after.rss_mb:.0f} MB then, {samples[-1].rss_mb:.0f} MB at the end"
    per_cycle = (samples[-1].cpu_s - after.cpu_s) / (samples[-1].cycles - after.cycles) * 1e3
    return [
        at_most("11", "growth of memory after the first 1,000 cycles", 100 * grown, 5.0, "%", note),
        at_most("11", "cost per cycle, last fifth over first", dearer, 1.1, "x", f"{per_cycle:.2f} ms of CPU a cycle"),
    ]
