"""A short session of the real engine that does everything there is to do with files, and a look at what it left.

Two sessions of six bars, three symbols; at every bar each symbol is entered or left. Segments of a few kilobytes, and
a checkpoint whenever the engine is idle.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from core_desk import Wish, WishedDecisions, enter

from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.brokers.simulated import PaperBroker
from LIVE_TRADING.common.async_clock import VirtualClock
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.common.types import Action, Order
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.instruments import instruments_for
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.archive import journal_start
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.driver import Observer
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.resume import recorded_run, resume_run, start_core
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.observability import EventType, Notice, NoticeBus
from tests.support.runs import LOW_COST, PlainForecast, exchange_for, facts_of, plan_for

N_SYMBOLS = 3
WAITS_EVERY = 4  # instants: between them threads and loop go their own ways
FRICTIONLESS = ExchangeConfig(impact_coefficient=0.0, spread_multiple=0.0)


@cache
def panel() -> BarPanel:
    return simulate_market(
        SimulatedMarketConfig(n_symbols=N_SYMBOLS, n_sessions=2, bars_per_session=13, seed=5, halt_probability=0.0)
    )


def config(**engine: Any) -> EngineConfig:
    often = {"checkpoint_s": 1e-4, "arrays_s": 1e-4, "journal_segment_mb": 0.02, "min_free_disk_mb": 0.0}
    off = {"max_gross": 20.0, "max_net": 20.0, "max_position_weight": 20.0, "cooldown_s": 0.0, "guardrails": False}
    return EngineConfig.model_validate(LOW_COST | {"engine": often | engine, "risk": off})


class InAndOut(WishedDecisions):
    """Enters what is flat and leaves what is held."""

    def __call__(self, stages: Any, predictions: Any, covariance: Any, view: Any, book: Any, selector: Any) -> Any:
        wishes: dict[str, Wish] = {
            symbol: Wish(Action.EXIT, 0.0, predictions.horizons[0]) if held else enter(10.0, predictions.horizons[0])
            for symbol, held in zip(book.symbols, book.held_shares, strict=True)
        }
        self.wishes[book.moment.scheduled_time_ns] = wishes
        return super().__call__(stages, predictions, covariance, view, book, selector)


class WaitingClock(VirtualClock):
    """Virtual time that waits for the checkpoint under way, now and then: on a slow disk there are as many of them."""

    engine: TradingEngine
    instants = 0

    async def hold(self, stop: asyncio.Event) -> bool:
        self.instants += 1
        under_way = self.engine._shell._writer._running
        if under_way is not None and self.instants % WAITS_EVERY == 0:
            await asyncio.wait([under_way])
        return True


@dataclass
class Promises:
    """What the engine has let out of the process: orders it sent, and what it has told to be on file."""

    sent: list[str] = field(default_factory=list)
    has_begun: bool = False
    arrays: list[int] = field(default_factory=list)
    exports: list[int] = field(default_factory=list)
    on_made: Callable[[], None] = lambda: None

    def copy(self) -> Promises:
        return Promises(list(self.sent), self.has_begun, list(self.arrays), list(self.exports))

    def __call__(self, notice: Notice) -> None:
        if notice.type is EventType.RUN_STARTED:
            self.has_begun = True
        elif notice.type is EventType.CHECKPOINT_WRITTEN:
            (self.arrays if notice.fields["kind"] == "arrays" else self.exports).append(notice.fields["sequence"])
        else:
            return
        self.on_made()


class NotingBroker(PaperBroker):
    """A venue of another house: what reaches it stays."""

    promises: Promises

    async def submit_order(self, order: Order) -> None:
        self.promises.sent.append(order.client_order_id)
        self.promises.on_made()
        await super().submit_order(order)


def engine_over(
    state_dir: Path,
    promises: Promises,
    files: FileLayer = OS_FILES,
    venue_file: Path | None = None,
    observers: Sequence[Observer] = (),
    **engine: Any,
) -> TradingEngine:
    """Return an engine at the start of the session, or where it stopped; the venue's book is not in its hands."""
    settings, start_ns = config(**engine), panel().sessions.sessions[0].open_ns
    plan = plan_for(panel(), settings, start_ns=start_ns)
    clock = WaitingClock(plan.feed_start_ns)
    broker = NotingBroker(exchange_for(panel(), plan.feed_start_ns, FRICTIONLESS), panel().sessions, clock, venue_file)
    broker.promises = promises
    bus = NoticeBus()
    bus.subscribe("promises", promises)
    clock.engine = TradingEngine(
        broker,
        HistoricalDataProvider(panel()),
        predictor=PlainForecast(plan.run.feature_names, len(plan.run.horizons)),
        config=settings,
        clock=clock,
        facts=facts_of(panel()),
        instruments=instruments_for(panel().symbols),
        run_id="test",
        nonce="n",
        start_ns=start_ns,
        state_dir=state_dir,
        observers=observers,
        grace_ns=0,
        bus=bus,
        files=files,
    )
    return clock.engine


def trade(
    state_dir: Path, promises: Promises, files: FileLayer = OS_FILES, venue_file: Path | None = None, **engine: Any
) -> TradingEngine:
    """Open the folder and trade the session."""
    running = engine_over(state_dir, promises, files, venue_file, **engine)
    try:
        asyncio.run(running.run())
    finally:
        running.close()
    return running


def losses(state_dir: Path, promises: Promises) -> list[str]:
    """Return what of the promises is not on file, and what a restart or a replay complains of."""
    found: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found += _journal_losses(state_dir, promises) + _checkpoint_losses(state_dir, promises)
        found += [str(warning.message) for warning in said if "checkpoint" in str(warning.message)]
    except Exception as error:  # noqa: BLE001  whatever a start or a replay stumbles on is a loss
        found.append(f"{type(error).__name__}: {error}")
    return found


def _journal_losses(state_dir: Path, promises: Promises) -> list[str]:
    run = recorded_run(state_dir)
    if run is None:
        return ["the run is not on file"] if promises.has_begun or promises.sent else []
    core = start_core(state_dir, run)
    recovered = resume_run(state_dir, core)
    recovered.driver.journal.close()  # type: ignore[union-attr]
    if recovered.change is not None:
        return [f"a restart finds a difference: {recovered.change.difference}"]
    replayed = start_core(state_dir, run)
    start_seq, _ = journal_start(state_dir / FOLDER)
    fed = feed_journal(replayed, read_journal(state_dir / FOLDER), after_seq=start_seq)
    found = [str(one) for one in (fed.difference, *fed.passed) if one is not None]
    on_file = {
        fields["order"]["client_order_id"]
        for record in read_journal(state_dir / FOLDER)
        if record.kind == "commands"
        for name, fields in record.data
        if name == "SubmitOrder"
    }
    return found + [
        f"order {order_id} was sent and is not on file" for order_id in promises.sent if order_id not in on_file
    ]


def _checkpoint_losses(state_dir: Path, promises: Promises) -> list[str]:
    found: list[str] = []
    newest = max((int(path.stem.removeprefix("arrays-")) for path in state_dir.glob("arrays-*.npz")), default=-1)
    if promises.arrays and newest < promises.arrays[-1]:
        found.append(f"the arrays after event {promises.arrays[-1]} are not on file, but those after {newest}")
    for name in ("engine_state.json", "trades.json", "bandit_state.json"):
        if promises.exports:
            said = orjson.loads((state_dir / name).read_bytes())
            seq = said["journal_seq"] if name == "engine_state.json" else said["seq"]
            if seq < promises.exports[-1]:
                found.append(f"{name} says event {seq}, told was {promises.exports[-1]}")
    if len(promises.exports) > 1:
        before = orjson.loads((state_dir / "engine_state.previous.json").read_bytes())["journal_seq"]
        if before < promises.exports[-2]:
            found.append(f"the previous state is of event {before}, told was {promises.exports[-2]}")
    return found
