"""`python -m bin.demo`: the whole path on an embedded simulated market, offline, in 25 s of processor time."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID

from LIVE_TRADING.backtest.outputs import write_outputs
from LIVE_TRADING.cli.backtest import BacktestRequest, backtest
from LIVE_TRADING.cli.compose import Source, open_source, settings_for
from LIVE_TRADING.cli.exits import ExitCode
from LIVE_TRADING.cli.live import LiveRequest, build_engine, trade
from LIVE_TRADING.cli.settings import Settings, engine_config
from LIVE_TRADING.cli.tables import live_table, summary_table
from LIVE_TRADING.cli.train import classifier_table, progress_display, training_table
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import Session
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.resume import recorded_run, start_core
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.training.model_card import write_model_card
from LIVE_TRADING.training.train import train_run

RUN_ID = "demo"
MARKER = "made-by-demo"
# small enough for 25 s of processor time (two cores of 2026); nothing here is tuned to what it earns
SIZES = (
    "simulated.n_symbols=20",
    "simulated.n_sessions=40",
    "training.horizons=[5m, 15m, 60m]",
    "training.params.lightgbm.num_trees=40",
    "training.params.lightgbm.num_leaves=15",
    "training.params.lightgbm.min_data_in_leaf=400",
    "training.params.lightgbm.learning_rate=0.1",
    "training.barrier.params.num_trees=30",
    "training.barrier.params.num_leaves=8",
    "training.barrier.params.min_data_in_leaf=400",
    "training.barrier.params.learning_rate=0.1",
)
TEST_SESSIONS = 12


def demo(seed: int, out: Path) -> int:
    """Train small models, backtest them, trade the same sessions on paper, replay the journal; print what came out."""
    started = time.perf_counter()
    folder = _fresh(out)
    settings = settings_for(None, [*SIZES, f"simulated.seed={seed}", f"engine.seed={seed}"])
    source = open_source("simulated", settings, None)
    sessions = source.facts.sessions
    until = sessions[-TEST_SESSIONS - 1].date
    with progress_display() as display:
        bars = _Bars(display)
        report = train_run(
            source.panel,
            settings.training,
            folder / "run",
            until,
            lambda what, done, total: bars.show("train", done, total) if what.startswith("fit") else None,
            engine=engine_config(settings),
        )
        trained_s = time.perf_counter() - started
        record = backtest(
            source,
            settings,
            BacktestRequest(folder / "run", RUN_ID),
            lambda _session, total: bars.step("backtest", total),
        )
        summary: dict[str, Any] = write_outputs(record, folder / "backtest")
        engine = _paper(source, settings, folder, bars)
    same = _replayed(folder / "state", engine, summary)
    console = Console()
    console.print(training_table(report, trained_s))
    console.print(classifier_table(report))
    console.print(summary_table(summary, folder / "backtest"))
    console.print(live_table(engine.core.state, folder / "state"))
    console.print(f"report: {folder / 'backtest' / 'report.html'}")
    console.print(f"model card: {write_model_card(folder / 'run')}")
    console.print(f"backtest, paper session and replay took the same decisions: {'yes' if same else 'NO'}")
    console.print("a simulated market with a planted signal: the demo promises trades, not profit")
    console.print(f"{time.perf_counter() - started:.1f} s")
    return int(ExitCode.DONE if same else ExitCode.CRASH)


class _Bars:
    """One progress bar per part of the demo."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, name: str, done: int, total: int) -> None:
        """Show how far a part is."""
        self._progress.update(self._task(name, total), completed=done, total=total)

    def step(self, name: str, total: int) -> None:
        """Show one more step of a part."""
        self._progress.update(self._task(name, total), advance=1, total=total)

    def _task(self, name: str, total: int) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        return self._tasks[name]


def _paper(source: Source, settings: Settings, folder: Path, bars: _Bars) -> TradingEngine:
    """Trade the sessions of the backtest on paper, through the asyncio shell."""
    request = LiveRequest(run_root=folder / "run", run_id=RUN_ID, state_dir=folder / "state")
    engine = build_engine(source, settings, request)
    cycles = sum(_n_bars(session, source) for session in source.facts.sessions[-TEST_SESSIONS:])
    try:
        asyncio.run(trade(engine, None, lambda _: bars.step("paper trading", cycles)))
    finally:
        engine.close()
    return engine


def _n_bars(session: Session, source: Source) -> int:
    return session.n_bars(source.facts.interval_ns)


def _replayed(state_dir: Path, engine: TradingEngine, summary: dict[str, Any]) -> bool:
    """Return whether backtest, paper session and replay of its journal agree."""
    run = recorded_run(state_dir)
    if run is None:
        return False
    core = start_core(state_dir, run)
    fed = feed_journal(core, read_journal(state_dir / FOLDER))
    digests = core.state.digest.texts()
    live = engine.core.state.digest.texts()
    return fed.difference is None and digests == live and all(summary[name] == text for name, text in live.items())


def _fresh(out: Path) -> Path:
    """Return an empty folder for the demo; one that it made earlier is replaced, anything else is refused."""
    if out.exists() and any(out.iterdir()) and not (out / MARKER).exists():
        raise ConfigurationError(f"--out {out}: holds something that the demo did not make; give another folder")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / MARKER).touch()
    return out
