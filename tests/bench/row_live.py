"""Row 3: cycles of the live shell in real time, with journal, checkpoints, kill file, metrics and a paper venue.

What is timed, per cycle: from the bars put on the queue until they are handled, and from the trigger put on the queue
until its last order and cancel is handed to the broker; where nothing is sent, until the decision is on file. Fills
come with the bars, since the paper venue makes them of the bar: those that go before the bars count, those handled in
the grace between the two do not. The venue's own work (matching a bar, taking an order) is not of the cycle.

A bar end comes every 60 ms, and the nights are left out. Checkpoints are due far more often than the defaults have it,
measured in seconds: so one in some fifteen cycles runs beside a checkpoint that is being written.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import LIVE_TRADING  # isort: skip  # noqa: F401  sets thread counts before the numeric libraries are loaded

import numpy as np

from LIVE_TRADING.brokers.simulated import PaperBroker
from LIVE_TRADING.common.async_clock import RealTimeClock
from LIVE_TRADING.common.codec import to_json_value
from LIVE_TRADING.common.events import ScheduledTrigger, Stamped
from LIVE_TRADING.common.garbage import settle_memory
from LIVE_TRADING.common.handover import hand_over_soon
from LIVE_TRADING.common.types import BarBatch, FloatArray, Order, RawPredictions
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.announcer import Announcer
from LIVE_TRADING.engine.checkpoint import Checkpoints
from LIVE_TRADING.engine.commands import CancelOrder, Command, CycleDecided, RunInference, SubmitOrder
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.housekeeping import Housekeeper
from LIVE_TRADING.engine.inference import Predictor
from LIVE_TRADING.engine.journal import Journal
from LIVE_TRADING.engine.kill_file import KillFile
from LIVE_TRADING.engine.shell import LiveShell, ShellTimes
from LIVE_TRADING.observability.bus import NoticeBus
from LIVE_TRADING.observability.events import EventType
from LIVE_TRADING.observability.latency import LatencyWatch
from LIVE_TRADING.observability.metrics import MetricsCollector
from tests.bench.row_memory import FREE
from tests.bench.row_persistence import state_folder
from tests.bench.rows import Measured, at_most
from tests.bench.worlds import Forecaster, Noise, exchange_of, load_models, market, plan_of

N_SYMBOLS, N_CYCLES, WARM_SESSIONS = 100, 1_100, 3
PERIOD_S = 0.06
GRACE_FRAC = 0.1  # of a bar, from its end to the trigger: time for bars and fills to be handled
CHECKPOINT_S, ARRAYS_S = 1.0, 5.0
P50_MS, P99_MS = 6.0, 20.0
PATIENT = {"engine": {"max_prediction_age_s": 3600.0}}  # a bar is short here: half of one is the limit then
BELIEFS: dict[str, dict[str, Any]] = {
    "few orders": PATIENT,
    "many orders": PATIENT | {"arbitration": {"cost": {"enabled": False}, "reserve_bps": 0.0}},  # none costs anything
}


class BarsLateError(Exception):
    """This machine, with whatever else it does, is too slow for bars that come so fast."""


class BarClock(RealTimeClock):
    """Real time in which a bar takes `period_s`, and so does a night."""

    def __init__(self, panel: BarPanel, start_ns: int, period_s: float) -> None:
        super().__init__()
        after_close = [session.close_ns + panel.interval_ns for session in panel.sessions.sessions]
        instants = np.unique([start_ns, *panel.bar_end_ns.tolist(), *after_close])
        self._origin = int(instants[instants >= start_ns][0])
        self._at_ns = (instants[instants >= start_ns] - self._origin).astype(np.float64)
        self._at_s = np.arange(len(self._at_ns)) * period_s
        self._began_s = time.perf_counter()

    def start(self) -> None:
        self._began_s = time.perf_counter()

    def now_ns(self) -> int:
        return self._origin + int(np.interp(time.perf_counter() - self._began_s, self._at_s, self._at_ns))

    def wall_s(self, instant_ns: int) -> float:
        """The instant as `time.perf_counter` counts."""
        return self._began_s + float(np.interp(float(instant_ns - self._origin), self._at_ns, self._at_s))

    def seconds_until(self, instant_ns: int) -> float:
        return self.wall_s(instant_ns) - time.perf_counter()


@dataclass
class Cycle:
    """One cycle, s: how long its bars took, and when what happened, as `time.perf_counter` counts."""

    bars_s: float = 0.0
    triggered: float = 0.0
    asked: float = 0.0
    predicting: float = 0.0
    predicted: float = 0.0
    decided: float = 0.0
    ended: float = 0.0
    sent: int = 0

    @property
    def total_s(self) -> float:
        return self.bars_s + self.ended - self.triggered

    def parts_s(self) -> dict[str, float]:
        return {
            "bars and trigger": self.bars_s + self.asked - self.triggered,
            "to the models": self.predicting - self.asked,
            "models": self.predicted - self.predicting,
            "back, and the decision": self.decided - self.predicted,
            "journal sync and sending": self.ended - self.decided,
        }


class Watch:
    """Notes when what happens: an observer of the driver, and told by venue and models."""

    def __init__(self, clock: BarClock) -> None:
        self._clock = clock
        self._bars_put = 0.0
        self._bars_s = 0.0
        self._now = Cycle()
        self._awaited: dict[str, Cycle] = {}
        self.cycles: list[Cycle] = []

    def __call__(self, stamped: Stamped, commands: Sequence[Command]) -> None:
        now, event = time.perf_counter(), stamped.event
        if isinstance(event, BarBatch):
            self._bars_s = now - self._bars_put
        for command in commands:
            if isinstance(command, RunInference):
                assert isinstance(event, ScheduledTrigger)
                if not np.isfinite(command.bars.close).any():
                    raise BarsLateError("the bars came after their trigger")
                self._now = Cycle(self._bars_s, self._clock.wall_s(event.actual_time_ns), now)
            elif isinstance(command, CycleDecided) and not command.result.is_warmup:
                self._now.decided = self._now.ended = now
                self._awaited |= {_order_of(other): self._now for other in commands}
                self.cycles.append(self._now)

    def bars_put(self) -> None:
        self._bars_put = time.perf_counter()

    def predicts(self, began: float) -> None:
        self._now.predicting, self._now.predicted = began, time.perf_counter()

    def handed_over(self, order_id: str) -> None:
        cycle = self._awaited.pop(order_id, None)
        if cycle is not None:
            cycle.ended = time.perf_counter()
            cycle.sent += 1


def _order_of(command: Command) -> str:
    if isinstance(command, SubmitOrder):
        return command.order.client_order_id
    return command.client_order_id if isinstance(command, CancelOrder) else ""


class WatchedVenue(PaperBroker):
    """Its own work is not of the cycle: bars count from when it has matched them, orders until it has been called."""

    watch: Watch

    def observe_bars(self, batch: BarBatch) -> None:
        super().observe_bars(batch)
        self.watch.bars_put()

    async def submit_order(self, order: Order) -> None:
        self.watch.handed_over(order.client_order_id)
        await super().submit_order(order)

    async def cancel_order(self, client_order_id: str) -> None:
        self.watch.handed_over(client_order_id)
        await super().cancel_order(client_order_id)


@dataclass
class WatchedModels:
    """Models fitted to noise say nearly the same every time; their forecasts count, and others are traded on."""

    inner: Predictor
    watch: Watch
    noise: Noise = field(default_factory=Noise)

    def predict(self, features: FloatArray) -> RawPredictions:
        began = time.perf_counter()
        said = self.inner.predict(features)
        self.watch.predicts(began)
        return RawPredictions(said.raw + self.noise.predict(features).raw)


@dataclass
class Ran:
    """The cycles after the warm-up, and how often each kind of checkpoint was written beside them."""

    cycles: list[Cycle]
    checkpoints: Counter[str]


def run(
    panel: BarPanel,
    predictor: Predictor,
    n_cycles: int,
    folder: Path,
    settings: Mapping[str, Any],
    *,
    period_s: float = PERIOD_S,
) -> Ran:
    """Run the shell until so many cycles are decided; put together as `TradingEngine` and the live verb do it."""
    plan = plan_of(panel, WARM_SESSIONS, EngineConfig.model_validate(settings))
    bus, checkpoints = NoticeBus(), Counter[str]()
    clock = BarClock(panel, plan.feed_start_ns, period_s)
    venue, watch = WatchedVenue(exchange_of(panel, FREE), panel.sessions, clock), Watch(clock)
    venue.watch = watch
    metrics = MetricsCollector()
    bus.subscribe("metrics", metrics)
    bus.subscribe("latency", LatencyWatch(bus), LatencyWatch.TYPES)
    bus.subscribe("count", lambda notice: checkpoints.update([notice.fields["kind"]]), [EventType.CHECKPOINT_WRITTEN])
    core, files = plan.core(), Checkpoints(folder, plan.run, plan.assembly)
    journal = Journal(folder)
    files.write_arrays(core.state, 0)
    journal.append_run(plan.feed_start_ns, to_json_value(plan.run))
    shell = LiveShell(
        Driver(core, journal, (watch,), announcer=Announcer(bus, core)),
        venue,
        HistoricalDataProvider(panel),
        WatchedModels(predictor, watch),
        clock,
        times=ShellTimes(round(GRACE_FRAC * panel.interval_ns), CHECKPOINT_S, ARRAYS_S),
        checkpoints=files,
        keeper=Housekeeper(folder, files),
        bus=bus,
        kill=KillFile(folder),
    )
    settle_memory()
    hand_over_soon()
    clock.start()
    try:
        asyncio.run(shell.run(plan.feed_start_ns, plan.end_ns, n_cycles))
    finally:
        journal.close()
        metrics.close()
    return Ran(watch.cycles, checkpoints)


def live_cycle() -> list[Measured]:
    panel, models = market(N_SYMBOLS, WARM_SESSIONS + math.ceil(N_CYCLES / 78)), Forecaster(load_models(compiled=True))
    found: list[Measured] = []
    for words, settings in BELIEFS.items():
        with state_folder() as folder:
            found += lines(words, run(panel, models, N_CYCLES, folder, settings))
    return found


def lines(words: str, ran: Ran) -> list[Measured]:
    total_ms = np.array([cycle.total_s for cycle in ran.cycles]) * 1e3
    orders = np.mean([cycle.sent for cycle in ran.cycles])
    beside = ", ".join(f"{count} {kind}" for kind, count in sorted(ran.checkpoints.items()))
    note = f"{len(total_ms):,} cycles, {orders:.1f} orders and cancels each; checkpoints meanwhile: {beside}"
    p50, p99 = np.percentile(total_ms, [50, 99])
    found = [
        at_most("3", f"{words}, whole cycle, p50", float(p50), P50_MS, "ms", note),
        at_most("3", f"{words}, whole cycle, p99", float(p99), P99_MS, "ms", f"longest {total_ms.max():.3g} ms"),
    ]
    parts = [cycle.parts_s() for cycle in ran.cycles]
    for name in parts[0]:
        of_part = np.array([part[name] for part in parts]) * 1e3
        half, most = np.percentile(of_part, [50, 99])
        found.append(Measured("3", f"{words}, {name}, p50", f"{half:.3g} ms", note=f"p99 {most:.3g} ms"))
    return found
