"""One life of an engine in a process of its own: it may kill itself at a labelled step, or be killed from outside.

What it has seen it appends to a file, a line at a time, so that nothing of it is lost with the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from kill_market import config, panel
from planted_defects import DEFECTS
from power_cut import kind_of
from remote_broker import BAD_LINE, LinePlan, RemoteBroker
from small_session import InAndOut
from venue_process import VenueClient

from LIVE_TRADING.common.async_clock import VirtualClock
from LIVE_TRADING.common.events import OrderFill, Stamped
from LIVE_TRADING.common.exceptions import BrokerError, LiveTradingError
from LIVE_TRADING.common.file_layer import OsFileLayer
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.instruments import instruments_for
from LIVE_TRADING.data.interface import FeedItem
from LIVE_TRADING.engine import deciding
from LIVE_TRADING.engine.commands import Command
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.risk import TradingState
from tests.support.runs import PlainForecast, facts_of

SPEED = 180_000.0  # a bar of half an hour in 10 ms
LONGEST_GAP_S = 0.01
FILES = ("arrays", "engine_state.json", "engine_state.previous.json", "trades.json", "bandit_state.json", "packed")
LABELS = (
    *("append-before", "append-torn", "append-after", "intent-appended", "ack-appended", "fill-appended"),
    *("sync-before", "sync-after", "segment-new"),
    *("send-before", "send-after", "send-answered", "cancel-before", "cancel-after", "ack", "fill", "apply"),
    *(f"{name}-{step}" for name in FILES for step in ("temp", "torn", "rename-before", "rename-after")),
    *("arrays-removed", "segment-removed"),
)


@dataclass(frozen=True, slots=True)
class Life:
    """What a life is to do.

    label, count  the step at which it kills itself, the so-many-th time; "": it does not
    halt_after    cycles after which an operator says halt; -1: nobody does
    resumes       an operator says resume at the start
    born_s        when it was started, by the monotonic clock that all processes share
    defect        what of the engine is broken on purpose, "" nothing: see `planted_defects`
    """

    state_dir: Path
    port: int
    seed: int
    line: LinePlan = BAD_LINE
    label: str = ""
    count: int = 1
    halt_after: int = -1
    resumes: bool = False
    born_s: float = 0.0
    defect: str = ""

    @property
    def diary(self) -> Path:
        """Return the file of what lives over this folder have seen."""
        return self.state_dir.parent / "diary.jsonl"


class Steps:
    """Counts labelled steps and kills the process at one of them."""

    def __init__(self, label: str, count: int) -> None:
        self._label, self._count = label, count
        self._seen: Counter[str] = Counter()

    def is_due(self, label: str) -> bool:
        self._seen[label] += 1
        return label == self._label and self._seen[label] == self._count

    def __call__(self, label: str) -> None:
        if self.is_due(label):
            kill_now()


def kill_now() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class SteppedFiles(OsFileLayer):
    """The operating system's files, with a step before and after whatever matters."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._names: dict[int, str] = {}

    def open_append(self, path: Path) -> int:
        descriptor = super().open_append(path)
        self._names[descriptor] = path.name
        if path.name.endswith(".jsonl"):
            self._steps("segment-new")
        return descriptor

    def open_new(self, path: Path) -> int:
        descriptor = super().open_new(path)
        self._names[descriptor] = path.name
        self._steps(f"{_kind(path.name)}-temp")
        return descriptor

    def write(self, descriptor: int, data: bytes) -> None:
        is_journal = self._names.get(descriptor, "").endswith(".jsonl")
        kind = "append" if is_journal else _kind(self._names.get(descriptor, ""))
        if is_journal:
            self._steps("append-before")
        if self._steps.is_due(f"{kind}-torn"):
            super().write(descriptor, data[: len(data) // 2])
            kill_now()
        super().write(descriptor, data)
        if is_journal:
            self._steps("append-after")
            for mark, label in ((b'"SubmitOrder"', "intent"), (b'"OrderAck"', "ack"), (b'"OrderFill"', "fill")):
                if mark in data:
                    self._steps(f"{label}-appended")

    def fdatasync(self, descriptor: int) -> None:
        self._steps("sync-before")
        super().fdatasync(descriptor)
        self._steps("sync-after")

    def replace(self, source: Path, target: Path) -> None:
        self._steps(f"{_kind(target.name)}-rename-before")
        super().replace(source, target)
        self._steps(f"{_kind(target.name)}-rename-after")

    def remove(self, path: Path) -> None:
        super().remove(path)
        self._steps(f"{_kind(path.name)}-removed")


def _kind(name: str) -> str:
    kind = kind_of(name)
    return {"compressed segment": "packed", "first segment": "segment", "arrays of the start": "arrays"}.get(kind, kind)


class Diary:
    """Lines about a life, each on file before it goes on."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def __call__(self, what: str, **fields: Any) -> None:
        os.write(self._descriptor, json.dumps({"what": what, **fields}).encode() + b"\n")


class CompressedClock(VirtualClock):
    """Virtual time in which a gap takes its share of real time, a night no more than a bar."""

    async def hold(self, stop: asyncio.Event) -> bool:
        """Wait until the next instant is due in real time; False if `stop` was set before."""
        next_ns = self.next_instant_ns()
        if next_ns is None:
            return True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), min((next_ns - self.now_ns()) / NS_PER_S / SPEED, LONGEST_GAP_S))
            return False
        return True


class CheckedProvider(HistoricalDataProvider):
    """Tells when the feed is opened: the venue's book is ours by then, and no order has left yet."""

    on_open: Callable[[], None]

    def timeline(self, start_ns: int, end_ns: int) -> Iterator[FeedItem]:
        self.on_open()
        return super().timeline(start_ns, end_ns)


def live(life: Life) -> None:
    """Live until the data end or death."""
    deciding.decide = InAndOut()  # type: ignore[assignment]  a rule in place of models: in, and out again
    warnings.simplefilter("ignore", RuntimeWarning)  # a start tells of a checkpoint that was torn
    diary = Diary(life.diary)
    if life.defect:
        DEFECTS[life.defect]()
    try:
        engine = _Run(life, diary).engine
    except LiveTradingError as error:
        diary("failed", error=f"{type(error).__name__}: {error}", retry=False)
        return
    engine.close()


class _Run:
    """The engine of a life, and what is looked at while it runs."""

    def __init__(self, life: Life, diary: Diary) -> None:
        self._life, self._diary = life, diary
        steps = Steps(life.label, life.count)
        settings, start_ns = config(), panel().sessions.sessions[0].open_ns
        clock = CompressedClock()
        provider = CheckedProvider(panel())
        provider.on_open = self._settled
        self._steps = steps
        self._cycles = 0
        self._is_open = self._is_halted = False
        self.engine = TradingEngine(
            RemoteBroker(life.port, clock, life.seed, life.line, steps),
            provider,
            predictor=PlainForecast((), 3),
            config=settings,
            clock=clock,
            facts=facts_of(panel()),
            instruments=instruments_for(panel().symbols),
            run_id="kills",
            nonce="kills",
            start_ns=start_ns,
            state_dir=life.state_dir,
            observers=[self._observe],
            grace_ns=0,
            files=SteppedFiles(steps),
        )
        self._is_open = True
        recovered = self.engine.recovered
        state = self.engine.core.state
        self._is_halted = state.risk.state is TradingState.HALTED
        diary("recovered", open=len(state.orders.open), risk=str(state.risk.state), seq=recovered.driver.seq)
        if life.resumes:
            self.engine.control("resume", "looked into")
        try:
            asyncio.run(self.engine.run(on_cycle=self._on_cycle))
        except BrokerError as error:
            diary("failed", error=f"{type(error).__name__}: {error}", retry=True)
        else:
            self._compare("ended")

    def _on_cycle(self, now_ns: int) -> None:
        self._cycles += 1
        if self._cycles == self._life.halt_after:
            self.engine.control("halt", "enough")

    def _observe(self, stamped: Stamped, commands: Sequence[Command]) -> None:
        if not self._is_open:
            return  # what a start settles before anything runs
        if isinstance(stamped.event, OrderFill):
            self._steps("apply")
        is_halted = self.engine.core.state.risk.state is TradingState.HALTED
        if is_halted != self._is_halted:
            self._is_halted = is_halted
            latches = [latch.message for latch in self.engine.core.state.risk.latches]
            self._diary("halted" if is_halted else "resumed", why=latches)

    def _settled(self) -> None:
        self._compare("settled")

    def _compare(self, when: str) -> None:
        """Note the book of both sides, by a line of its own that loses nothing."""
        client = VenueClient(self._life.port)
        book = client.ask("book")
        client.close()
        state = self.engine.core.state
        cash = {currency: amount - Decimal(book["cash"]) for currency, amount in state.ledger.cash.items()}
        held = {symbol: str(position.quantity) for symbol, position in sorted(state.ledger.positions.items())}
        self._diary(
            when,
            after_s=time.monotonic() - self._life.born_s,
            cash_apart={currency: str(apart) for currency, apart in cash.items() if apart},
            held=held,
            venue_held=book["positions"],
            risk=str(state.risk.state),
            latches=[latch.message for latch in state.risk.latches],
        )
