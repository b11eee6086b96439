"""`python -m bin.run_live_trading`: the asyncio shell over the core, here with the paper broker on recorded bars."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from LIVE_TRADING.brokers.simulated import PAPER_ACCOUNT, PaperBroker
from LIVE_TRADING.cli.compose import (
    Source,
    holes_text,
    left_out_text,
    open_source,
    session_close_ns,
    session_open_ns,
    venue,
    without_bars_text,
)
from LIVE_TRADING.cli.exits import ExitCode, LiveGateError
from LIVE_TRADING.cli.settings import Settings, engine_config
from LIVE_TRADING.common.async_clock import PacedClock, VirtualClock
from LIVE_TRADING.common.events import RunStarted
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.garbage import settle_memory
from LIVE_TRADING.common.handover import hand_over_soon
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.engine.control import ADOPT_NONCE, code_change_text
from LIVE_TRADING.engine.driver import Observer
from LIVE_TRADING.engine.resume import VENUE_FILE, check_same_run, recorded_run
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.observability.bus import NoticeBus
from LIVE_TRADING.risk import TradingState

PAPER = "paper"


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """What to trade: artifacts (None: limited mode), dates, pace, and where to keep state (None: nowhere).

    `adopt_nonce`: orders of a lost state folder that still work at the venue are cancelled, and refuse no start.
    """

    run_root: Path | None
    run_id: str
    start: str | None = None
    end: str | None = None
    speed: str = "max"
    state_dir: Path | None = None
    max_cycles: int | None = None
    targets: tuple[str, ...] | None = None
    adopt_nonce: bool = False
    observers: Sequence[Observer] = field(default_factory=tuple)


def refuse_live(live: bool, broker: str, settings: Settings) -> None:
    """Refuse real money unless every condition holds; none can hold before there is a broker for it.

    Raises
    ------
    LiveGateError
        `--live` or `mode: live` was given.
    """
    if live or settings.engine.mode == "live":
        asked = "--live" if live else "engine.mode: live"
        raise LiveGateError(
            f"{asked}: the broker {broker!r} moves no real money, and this version has no other; leave {asked} out"
        )
    if broker != PAPER:
        raise ConfigurationError(f"--broker {broker}: this version knows {PAPER}")


def build_engine(
    source: Source, settings: Settings, request: LiveRequest, bus: NoticeBus | None = None
) -> TradingEngine:
    """Return an engine over a paper venue, at the start of a run or where it stopped."""
    config = engine_config(settings)
    start_ns, end_ns = session_open_ns(source, request.start), session_close_ns(source, request.end)
    file = request.state_dir / VENUE_FILE if request.state_dir is not None else None
    clock = run_clock(request.speed)
    broker = PaperBroker(venue(source, settings), source.panel.sessions, clock, file)
    engine = TradingEngine(
        broker,
        source.provider,
        request.run_root,
        targets=request.targets,
        config=config,
        clock=clock,
        facts=source.facts,
        instruments=source.instruments,
        run_id=request.run_id,
        account=PAPER_ACCOUNT,
        start_ns=start_ns,
        end_ns=end_ns,
        state_dir=request.state_dir,
        observers=request.observers,
        grace_ns=0,
        bus=bus,
    )
    if request.adopt_nonce:
        engine.control(ADOPT_NONCE, "--adopt-nonce")
    if isinstance(clock, PacedClock):
        clock.pace_from(max(engine.run_started.warmup_until_ns, engine.recovered.resume_ns))
    return engine


def _still_to_trade(source: Source, engine: TradingEngine, request: LiveRequest) -> str:
    """Return which symbols have no bar in what is still to be traded, or that nothing is."""
    start_ns = max(engine.run_started.warmup_until_ns, engine.recovered.resume_ns)
    last_ns = source.facts.sessions[-1].close_ns
    end_ns = min(session_close_ns(source, request.end) or last_ns, last_ns)
    if start_ns >= end_ns:
        what = "the data end" if request.end is None else f"--end {request.end} is"
        return f"nothing is left to trade: the run stands at {iso_utc(start_ns)}, {what} at {iso_utc(end_ns)}"
    return without_bars_text(source.panel, start_ns, end_ns)


def _restrictions(engine: TradingEngine) -> list[str]:
    """Return what an operator should know before a resumed run goes on: other code, and what restricts trading."""
    change = engine.recovered.change
    said = [] if change is None else [code_change_text(change)]
    if change is not None and change.difference:
        said.append(f"trading starts as {TradingState.REDUCE_ONLY}")
    latches = engine.core.state.risk.latches
    return said + [f"{latch.state} since {iso_utc(latch.time_ns)}: {latch.message}" for latch in latches]


def run_clock(speed: str) -> VirtualClock:
    """Return the clock of recorded data: `max` as fast as decisions can be taken, else a multiple of real time.

    Raises
    ------
    ConfigurationError
        The speed is no positive number.
    """
    if speed == "max":
        return VirtualClock()
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise ConfigurationError(f"--speed {speed}: write max, or a positive multiple of real time such as 60")
    return PacedClock(factor)


async def trade(
    engine: TradingEngine, max_cycles: int | None = None, on_cycle: Callable[[int], None] | None = None
) -> None:
    """Run an engine until its data end or SIGINT or SIGTERM asks it to stop; a second signal ends at once."""
    loop = asyncio.get_running_loop()
    asked = False

    def stop(number: int) -> None:
        nonlocal asked
        if asked:
            loop.remove_signal_handler(number)
            signal.raise_signal(number)
        asked = True
        engine.request_stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        await engine.run(max_cycles, on_cycle)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def exit_code(engine: TradingEngine) -> int:
    """Return how the process ends: halted is a code of its own, so that a supervisor leaves it alone."""
    return int(ExitCode.HALTED if engine.core.state.risk.state is TradingState.HALTED else ExitCode.DONE)


def _check_recorded(request: LiveRequest, planned: RunStarted) -> None:
    """Refuse a state folder that holds another run, without touching it."""
    recorded = recorded_run(request.state_dir) if request.state_dir is not None else None
    if recorded is not None and request.state_dir is not None:
        if request.start is None:  # as the session itself would go on
            planned = replace(planned, warmup_until_ns=recorded.warmup_until_ns)
        check_same_run(recorded, planned, request.state_dir)


def run_live_trading(
    data: str,
    request: LiveRequest,
    settings: Settings,
    *,
    interval_minutes: int | None,
    calendar: str,
    metrics_port: int | None,
    dry_run: bool,
) -> int:
    """Trade, and print the closing table."""
    from rich.console import Console
    from rich.progress import Progress

    from LIVE_TRADING.alerting import AlertManager, alert_channels
    from LIVE_TRADING.cli.tables import live_table
    from LIVE_TRADING.observability.latency import LatencyWatch
    from LIVE_TRADING.observability.logging import NoticeLogger
    from LIVE_TRADING.observability.metrics import MetricsCollector

    source = open_source(data, settings, interval_minutes, calendar, request.run_root)
    bus = NoticeBus()
    metrics, alerts = MetricsCollector(), AlertManager(settings.alerting, alert_channels(settings.alerting))
    bus.subscribe("metrics", metrics)
    bus.subscribe("log", NoticeLogger())
    bus.subscribe("latency", LatencyWatch(bus), LatencyWatch.TYPES)
    alerts.attach(bus)
    console = Console(stderr=True)
    try:
        if metrics_port is not None:
            console.print(f"metrics on http://127.0.0.1:{metrics.serve(metrics_port)}/metrics")
        engine = build_engine(source, settings, replace(request, state_dir=None) if dry_run else request, bus)
        try:
            run = engine.run_started
            console.print(
                f"run {run.run_id}: {len(run.symbols)} symbols, horizons {', '.join(run.horizons)}, paper broker, "
                f"decides after {iso_utc(run.warmup_until_ns)}"
                + (f", resumes at {iso_utc(engine.recovered.resume_ns)}" if engine.recovered.resumed else "")
            )
            left_out = left_out_text(source.left_out, len(run.symbols))
            for told in (left_out, holes_text(source.panel), _still_to_trade(source, engine, request)):
                if told:
                    console.print(told, soft_wrap=True, highlight=False)
            if engine.barrier_gate_off:
                console.print(f"barrier gate off: {engine.barrier_gate_off}", highlight=False)
            for line in _restrictions(engine):
                console.print(line, style="bold", soft_wrap=True, highlight=False, markup=False)
            if dry_run:
                _check_recorded(request, run)
                console.print("dry run: everything fits; nothing was traded")
                return int(ExitCode.DONE)
            settle_memory()
            hand_over_soon()
            with Progress(console=console, transient=True) as progress:
                task = progress.add_task("trading", total=None)
                asyncio.run(
                    trade(
                        engine,
                        request.max_cycles,
                        lambda now_ns: progress.update(task, advance=1, description=iso_utc(now_ns)),
                    )
                )
            Console().print(live_table(engine.core.state, request.state_dir))
            return exit_code(engine)
        finally:
            engine.close()
    finally:
        alerts.close()
        metrics.close()
