"""Rows 4 and 6: a backtest with models, its cost against size, and its memory with every report written."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from LIVE_TRADING.backtest.outputs import write_outputs
from LIVE_TRADING.backtest.recorder import Effort
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.panel import BarPanel
from tests.bench.rows import Measured, at_least, at_most
from tests.bench.worlds import Forecaster, Noise, backtest_of, load_models, market, median, plan_of

RECORDED = "us_equity_5m_2025.parquet"
WARM_SESSIONS = 10
WORTHLESS = 0.001  # an IC with which next to nothing trades, as with the defaults on recorded bars


@dataclass(frozen=True)
class Run:
    """What a backtest took, in seconds and CPU seconds, and what it was."""

    wall_s: float
    cpu_s: float
    inference_s: float
    bar_events: int
    fills: int

    @property
    def rest_us(self) -> float:
        return (self.wall_s - self.inference_s) / self.bar_events * 1e6


def run(panel: BarPanel, warm_sessions: int, predictor: object, *, ic_val: float, families: int = 3) -> Run:
    plan = plan_of(panel, warm_sessions, ic_val=ic_val, families=families)
    _, recorder, engine = backtest_of(panel, plan, predictor)
    wall, cpu = time.perf_counter(), time.process_time()
    engine.run(plan.feed_start_ns, plan.end_ns)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Run(wall, cpu, engine.inference_s, engine.bar_events, len(recorder._fills))


def recorded_or_simulated(n_sessions: int) -> tuple[BarPanel, str]:
    """The last sessions of the recorded bars, where they are; else a simulated market of the same shape."""
    repo = Path(__file__).resolve().parents[2]
    path = Path(os.environ.get("LIVE_TRADING_DATA", repo.parent / "shared" / "data")) / RECORDED
    if not path.exists():
        return market(81, n_sessions), "simulated bars of the same shape"
    from LIVE_TRADING.data.registry import DataOptions, get_data_provider

    provider = get_data_provider(str(path), DataOptions())
    if not isinstance(provider, HistoricalDataProvider):
        raise SystemExit(f"{path} gave no recorded bars")
    sessions = sorted({int(index) for index in provider.panel.session_index})
    first = provider.panel.sessions.sessions[sessions[-n_sessions]]
    panel = provider.panel.between(first.open_ns, int(provider.panel.bar_end_ns[-1]))
    return _own_sessions(panel, first.index), f"recorded bars, the last {n_sessions} sessions"


def _own_sessions(panel: BarPanel, first: int) -> BarPanel:
    """A panel whose table of sessions holds its own only."""
    from dataclasses import replace

    from LIVE_TRADING.data.calendars import SessionTable

    kept = tuple(replace(session, index=number) for number, session in enumerate(panel.sessions.sessions[first:]))
    return replace(panel, sessions=SessionTable(panel.sessions.name, kept), session_index=panel.session_index - first)


def with_models() -> list[Measured]:
    library, compiled = Forecaster(load_models(compiled=False)), Forecaster(load_models(compiled=True))
    panel, source = recorded_or_simulated(24)
    fast = [run(panel, WARM_SESSIONS, compiled, ic_val=WORTHLESS) for _ in range(3)]
    short = panel.between(panel.sessions.sessions[0].open_ns, panel.sessions.sessions[11].close_ns)
    slow = run(short, WARM_SESSIONS, library, ic_val=WORTHLESS)
    speed = median([one.bar_events / one.wall_s for one in fast])
    note = f"{source}: {fast[0].bar_events:,} bar events, {fast[0].fills} fills"
    rest, cpu = median([one.rest_us for one in fast]), median([one.cpu_s / one.bar_events * 1e6 for one in fast])
    return [
        at_most("4", "everything but inference, per bar event", rest, 5.0, "µs", note),
        at_most("4", "total over inference with the library", slow.wall_s / slow.inference_s, 1.1, "", "12 sessions"),
        at_least(
            "4", "bar events per second, compiled forest", speed, 40_000, "", f"{cpu:.1f} µs of CPU per bar event"
        ),
    ]


def against_size(n: int = 50, n_sessions: int = 10) -> list[Measured]:
    """Ten times the bars, ten times the symbols, with forecasts at random, many orders included.

    From the first decision on: the sessions that warm a run up cost less and do not multiply with it.
    """

    def seconds(n_symbols: int, n_sessions: int) -> float:
        panel, opened = market(n_symbols, 3 + n_sessions), []
        plan = plan_of(panel, 3)
        _, _, engine = backtest_of(panel, plan, Noise(), on_session=lambda _: opened.append(time.process_time()))
        engine.run(plan.feed_start_ns, plan.end_ns)
        return time.process_time() - opened[3]

    base = median([seconds(n, n_sessions) for _ in range(3)])
    bars, symbols = seconds(n, 10 * n_sessions), seconds(10 * n, n_sessions)
    note = f"{n} symbols x {n_sessions} sessions: {base:.2f} s of CPU"
    return [
        at_most("6", "bars x 10, time", bars / base, 11.0, "x", note),
        at_most("6", "symbols x 10, time", symbols / base, 11.0, "x", note),
    ]


def with_reports(n_symbols: int = 100, n_sessions: int = 129) -> list[Measured]:
    """A million bar events with every file and the report; run in a process of its own."""
    panel = market(n_symbols, n_sessions)
    plan = plan_of(panel, 3)
    _, recorder, engine = backtest_of(panel, plan, Noise())
    started = time.perf_counter()
    engine.run(plan.feed_start_ns, plan.end_ns)
    effort = Effort(engine.bar_events, time.perf_counter() - started, engine.inference_s, 0.0)
    record = recorder.record(panel.sessions.sessions, effort, False)
    with tempfile.TemporaryDirectory() as folder:
        write_outputs(record, Path(folder) / "out")
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    note = f"{engine.bar_events:,} bar events, {len(record.fills):,} fills, {len(record.trades):,} trades"
    return [at_most("6", "most memory held, all reports written", peak_gb, 1.5, "GB", note)]
