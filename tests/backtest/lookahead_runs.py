"""Runs for tests of the look-ahead check: a plain forecast, cheap trading, a recording that remembers what it gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from LIVE_TRADING.backtest.engine import BacktestEngine, BlockPredictor
from LIVE_TRADING.backtest.lookahead import CutFeed, LookaheadReport, StartedRun, check_lookahead
from LIVE_TRADING.backtest.observed import Watch
from LIVE_TRADING.brokers.simulated import BacktestBroker
from LIVE_TRADING.common.types import BAR_FIELDS, FloatArray
from LIVE_TRADING.data.as_of import RecordedSimulation, Recording
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.driver import Driver
from tests.support.runs import LOW_COST, PlainForecast, exchange_for, plan_for

CONFIG = EngineConfig.model_validate(LOW_COST)
MARKET = SimulatedMarketConfig(n_symbols=12, n_sessions=16, bars_per_session=13, seed=2, halt_probability=0.1)
FIRST_SESSION = 12


@dataclass
class Loaded:
    """A recording; `latest` is what it gave last, as a module global would hold it."""

    recording: Recording
    latest: BarPanel = field(init=False)

    def panel(self) -> BarPanel:
        self.latest = self.recording.panel()
        return self.latest

    def as_of(self, instant_ns: int) -> BarPanel:
        self.latest = self.recording.as_of(instant_ns)
        return self.latest

    def ahead(self, name: str, bar_end_ns: int, n_bars: int = 1) -> FloatArray:
        """What a leak reads: a field `n_bars` after a bar end; NaN past the end of what was loaded."""
        row = int(np.searchsorted(self.latest.bar_end_ns, bar_end_ns)) + n_bars
        values: FloatArray = getattr(self.latest, name)
        return values[row] if row < len(values) else np.full(values.shape[1], np.nan)


@dataclass
class Blanked:
    """A panel, and the panel without what had not ended."""

    whole: BarPanel

    def panel(self) -> BarPanel:
        return self.whole

    def as_of(self, instant_ns: int) -> BarPanel:
        ahead = (self.whole.bar_end_ns > instant_ns)[:, None]
        return replace(self.whole, **{name: np.where(ahead, np.nan, getattr(self.whole, name)) for name in BAR_FIELDS})


def simulated() -> Loaded:
    return Loaded(RecordedSimulation(MARKET))


def checked(
    recording: Recording,
    predictor: BlockPredictor | None = None,
    config: EngineConfig = CONFIG,
    *,
    count: int = 12,
    seed: int = 1,
    first_session: int = FIRST_SESSION,
) -> LookaheadReport:
    """Check a run without models."""
    start_ns = recording.panel().sessions.sessions[first_session].open_ns

    def start(panel: BarPanel, feed: CutFeed) -> StartedRun:
        plan = plan_for(panel, config, start_ns=start_ns)
        core = plan.core()
        watch = Watch(core)
        engine = BacktestEngine(
            Driver(core, None, (watch,), strict=True),
            feed,
            BacktestBroker(exchange_for(panel, plan.feed_start_ns), feed),
            predictor or PlainForecast(plan.run.feature_names, len(plan.run.horizons)),
            plan.assembly.market.features,
        )
        return StartedRun(engine, core, watch, plan.feed_start_ns, start_ns, plan.end_ns)

    return check_lookahead(recording, start, count, seed)


def stages_of(report: LookaheadReport) -> Sequence[str]:
    """Return the stages that differ, each once, in order."""
    return list(dict.fromkeys(one.stage for one in report.differences))
