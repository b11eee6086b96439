"""`python -m bin.run_backtest`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from LIVE_TRADING.backtest.engine import BacktestEngine
from LIVE_TRADING.backtest.lookahead import CutFeed
from LIVE_TRADING.backtest.outputs import check_out_folder, write_outputs
from LIVE_TRADING.backtest.record import BacktestRecord, PriceLine
from LIVE_TRADING.backtest.recorder import Effort, Recorder
from LIVE_TRADING.brokers.simulated import PAPER_ACCOUNT, BacktestBroker
from LIVE_TRADING.cli.compose import (
    Source,
    holes_text,
    left_out_text,
    open_source,
    peak_rss_mb,
    session_close_ns,
    session_open_ns,
    settings_for,
    venue,
    without_bars_text,
)
from LIVE_TRADING.cli.options import RunOptions
from LIVE_TRADING.cli.settings import Settings, engine_config
from LIVE_TRADING.common.config import flat
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import Session
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.driver import Driver, Observer
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.run_setup import RunPlan, open_run

BACKTEST_NONCE = "backtest"


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """What to backtest: artifacts over a source, from `start` to `end` (session dates)."""

    run_root: Path
    run_id: str
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True)
class OpenedBacktest:
    """A backtest before its first bar."""

    plan: RunPlan
    core: EngineCore
    engine: BacktestEngine


def open_backtest(
    source: Source,
    settings: Settings,
    request: BacktestRequest,
    observer_of: Callable[[EngineCore], Observer],
    on_session: Callable[[Session, int], None] | None = None,
    feed: CutFeed | None = None,
) -> OpenedBacktest:
    """Open a run on a source, with an observer of its core. `feed` stands in for the source as what the loop reads."""
    config = engine_config(settings)
    plan = open_run(
        config,
        source.facts,
        source.instruments,
        run_id=request.run_id,
        nonce=BACKTEST_NONCE,
        account=PAPER_ACCOUNT,
        start_ns=session_open_ns(source, request.start),
        end_ns=session_close_ns(source, request.end),
        run_root=request.run_root,
    )
    if plan.predictor is None:
        raise ConfigurationError(f"{request.run_root}: holds no models to backtest")
    core = plan.core()
    total = sum(plan.feed_start_ns < session.close_ns <= plan.end_ns for session in source.facts.sessions)
    engine = BacktestEngine(
        Driver(core, None, (observer_of(core),), strict=True),
        feed or source.provider,
        BacktestBroker(venue(source, settings), feed or source.panel.sessions),
        plan.predictor,
        plan.assembly.market.features,
        latency=InferenceLatency(timeout_ns=round(config.engine.inference_timeout_s * NS_PER_S)),
        on_session=None if on_session is None else lambda session: on_session(session, total),
    )
    return OpenedBacktest(plan, core, engine)


def backtest(
    source: Source,
    settings: Settings,
    request: BacktestRequest,
    on_session: Callable[[Session, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> BacktestRecord:
    """Run a backtest and return its record.

    `on_session` is told each session and the number there are, `tell` what a user should know before it starts.
    """
    started = time.perf_counter()
    recorders: list[Recorder] = []

    def record(core: EngineCore) -> Observer:
        recorders.append(Recorder(core, settings.exchange.spread_multiple))
        return recorders[0]

    opened = open_backtest(source, settings, request, record, on_session)
    plan, engine, (recorder,) = opened.plan, opened.engine, recorders
    if tell is not None and plan.barrier_gate_off:
        tell(f"barrier gate off: {plan.barrier_gate_off}")
    silent, holes = without_bars_text(source.panel, plan.run.warmup_until_ns, plan.end_ns), holes_text(source.panel)
    for said in (holes, silent):
        if tell is not None and said:
            tell(said)
    engine.run(plan.feed_start_ns, plan.end_ns)
    effort = Effort(engine.bar_events, time.perf_counter() - started, engine.inference_s, peak_rss_mb())
    sessions = tuple(s for s in source.facts.sessions if s.close_ns <= plan.end_ns)
    return recorder.record(
        sessions,
        effort,
        source.panel.quotes_estimated,
        _notes(source, holes, silent, plan.barrier_gate_off),
        _used(settings),
        lambda symbol: _closes(source.panel, symbol, sessions),
    )


def _used(settings: Settings) -> dict[str, Any]:
    """Return the settings that a backtest can depend on, by dotted key, secrets hidden."""
    return {key: value for key, value in flat(settings).items() if not key.startswith(("alerting.", "training."))}


def _closes(panel: BarPanel, symbol: str, sessions: tuple[Session, ...]) -> PriceLine:
    """Return the closes of a symbol in these sessions."""
    first, last = (sessions[0].open_ns, sessions[-1].close_ns) if sessions else (0, 0)
    rows = slice(*np.searchsorted(panel.bar_end_ns, (first, last), side="right").tolist())
    return PriceLine(panel.bar_end_ns[rows], panel.close[rows, panel.column_of(symbol)].copy())


def _left_out(source: Source) -> str:
    return left_out_text(source.left_out, len(source.panel.symbols))


def _notes(source: Source, holes: str, silent: str, gate_off: str) -> tuple[str, ...]:
    """Return what a reader of the report should know of data and models."""
    notes = []
    if holes:
        notes.append(f"{holes[0].upper()}{holes[1:]}.")
    if source.left_out:
        notes.append(f"{_left_out(source)}.")
    if silent:
        notes.append(f"{silent}.")
    if gate_off:
        notes.append(f"The barrier gate was off, so it made no entry smaller and blocked none: {gate_off}.")
    return tuple(notes)


def run_backtest(run: RunOptions, out: Path, cash_usd: float | None, trade_symbols: tuple[str, ...]) -> int:
    """Backtest and write the result folder; print the summary."""
    from rich.console import Console
    from rich.progress import Progress

    from LIVE_TRADING.cli.tables import summary_table

    check_out_folder(out)
    settings = settings_for(run.profile, run.overrides, cash_usd=cash_usd, trade_symbols=trade_symbols)
    request = BacktestRequest(run.folder, run.name, *run.sessions)
    source = open_source(run.data, settings, run.interval_minutes, run.calendar, run.folder)
    console = Console(stderr=True)
    if source.left_out:
        console.print(_left_out(source), soft_wrap=True, highlight=False)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("backtest", total=None)

        def advance(session: Session, total: int) -> None:
            progress.update(task, total=total, description=f"backtest {session.date}", advance=1)

        def tell(text: str) -> None:
            progress.console.print(text, soft_wrap=True, highlight=False)

        record = backtest(source, settings, request, advance, tell)
    summary: dict[str, Any] = write_outputs(record, out)
    Console().print(summary_table(summary, out))
    return 0
