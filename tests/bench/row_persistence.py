"""Rows 7 to 9: events through journal, risk and ledger; from decision to wire; what persistence costs a cycle.

The journal is on a real disk (BENCH_CACHE, or the folder for temporary files); its speed is the disk's.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np

from LIVE_TRADING.common.codec import to_json_value
from LIVE_TRADING.common.events import Event, OrderAck, OrderFill, Stamped
from LIVE_TRADING.common.garbage import settle_memory
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import Leg, Order, Side
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.checkpoint import Checkpoints
from LIVE_TRADING.engine.commands import Command, SubmitOrder
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.group_commit import GroupCommit
from LIVE_TRADING.engine.journal import FOLDER, Journal, read_journal
from LIVE_TRADING.engine.queue import EventQueue
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.resume import resume_run
from LIVE_TRADING.engine.run_setup import RunPlan
from LIVE_TRADING.engine.sending import submit
from LIVE_TRADING.models.families.lightgbm import FAMILY
from tests.bench.rows import Measured, at_least, at_most
from tests.bench.worlds import Noise, backtest_of, cache_folder, load_models, market, plan_of

N_SYMBOLS, WARM_SESSIONS, WARM_CYCLES = 100, 3, 12
PARTS = 4  # executions of an order
RATE, SECONDS = 10_000, 60
SATURATED = 200_000
AT_NS = 1_800_000_000_000_000_000


@contextmanager
def state_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="journal-", dir=cache_folder()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class Reports:
    """A venue's reports on orders that work: an acknowledgement and a few fills each, in and out of positions.

    Orders are put into the core's book as a decision would; that is not measured.
    """

    def __init__(self, core: EngineCore) -> None:
        self._core = core
        self._symbols = core.run.symbols
        self._number = 0

    def next_orders(self, n: int) -> list[Event]:
        state, events = self._core.state, list[Event]()
        for _ in range(n):
            self._number += 1
            symbol, is_exit = self._symbols[self._number % len(self._symbols)], self._number // len(self._symbols) % 2
            order = Order(
                client_order_id=f"lt-{self._number:012d}",
                order_number=self._number,
                symbol=symbol,
                side=Side.SELL if is_exit else Side.BUY,
                quantity=Decimal(10 * PARTS),
                leg=Leg.EXIT if is_exit else Leg.ENTRY,
                decision_time_ns=AT_NS + self._number,
            )
            state, _sent = submit(state, order, 1, AT_NS + self._number)
            events.append(OrderAck(order.client_order_id, AT_NS))
            for part in range(PARTS):
                price, fee = Decimal("100.01"), Decimal("0.05")
                fill = (order.client_order_id, f"x{self._number}-{part}", symbol, order.side, price, Decimal(10), fee)
                events.append(OrderFill(*fill, "USD", AT_NS))
        # closed trades are learned from by the next cycle, and here there is none
        self._core.restore(replaced(state, orders=state.orders.without_closed_before(2 * AT_NS), matured=()))
        return events


class NoHandler:
    """Takes an event and does nothing: what is left is queue, driver and journal."""

    def __init__(self, core: EngineCore) -> None:
        self.run, self.parts, self.state = core.run, core.parts, core.state

    def handle(self, stamped: Stamped) -> list[Command]:
        return []


def saturated() -> list[Measured]:
    """As many events as go through: queue, journal (a sync whenever it asks for one), core; and with no handler."""
    core = plan_of(market(N_SYMBOLS, 2), 1).core()
    with state_folder() as folder:
        driver = Driver(core, Journal(folder), strict=True)
        seconds, n = list[float](), 0
        reports = Reports(core)
        settle_memory()  # as the start of a live session ends
        while n < SATURATED:
            events = reports.next_orders(200)
            seconds.append(_through(driver, events))
            n += len(events)
        assert core.state.orders.open == {}
        _close(driver)
    with state_folder() as folder:
        acks: list[Event] = [OrderAck(f"lt-{number:012d}", AT_NS) for number in range(SATURATED)]
        idle = Driver(NoHandler(core), Journal(folder), strict=True)  # type: ignore[arg-type]
        idle_s = _through(idle, acks)
        _close(idle)
    bare = Driver(NoHandler(core), None, strict=True)  # type: ignore[arg-type]
    bare_s = _through(bare, acks)
    return [
        at_least(
            "7",
            "saturated, journal, risk and ledger",
            n / sum(seconds),
            25_000,
            "events/s",
            _at_best(len(events), seconds),
        ),
        at_least("7", "no handler, without journal", len(acks) / bare_s, 100_000, "events/s"),
        Measured("7", "no handler, with journal", f"{len(acks) / idle_s:,.0f} events/s"),
    ]


def _at_best(n_events: int, seconds: list[float]) -> str:
    """Say what the machine gives while nobody else is on its cores: a hypervisor's neighbours halve its speed."""
    return f"{n_events / float(np.percentile(seconds, 10)):,.0f} events/s in the fastest tenth of {len(seconds)} passes"


def _close(driver: Driver) -> None:
    if driver.journal is not None:
        driver.journal.close()


def _through(driver: Driver, events: list[Event]) -> float:
    queue = EventQueue()
    started = time.perf_counter()
    for event in events:
        queue.put(event)
    while len(queue):
        driver.step(queue.pop(), AT_NS)
        if driver.journal is not None and driver.journal.wants_sync:
            driver.journal.sync()
    return time.perf_counter() - started


@dataclass
class Paced:
    """What became of events at a pace: how long each took, what of them is on file and in the book."""

    latencies_s: list[float]
    on_file: int
    fills_booked: int
    fees: Decimal


def steady() -> list[Measured]:
    """10,000 events/s for a minute: the time from an event's due instant to its commands on file."""
    with state_folder() as folder:
        paced = pace(folder, RATE, RATE * SECONDS)
    n_fills = RATE * SECONDS * PARTS // (PARTS + 1)
    lost = max(RATE * SECONDS - paced.on_file, n_fills - paced.fills_booked)
    p99 = float(np.percentile(np.array(paced.latencies_s) * 1e3, 99))
    return [
        at_most("7", f"{RATE:,} events/s for {SECONDS} s, p99 to the commands on file", p99, 10.0, "ms"),
        at_most("7", "events not on file, or fills not booked", lost, 0, ""),
    ]


def pace(folder: Path, rate_hz: int, n_events: int) -> Paced:
    """Feed reports at a rate, and look afterwards for what is on file and in the book."""
    core = plan_of(market(N_SYMBOLS, 2), 1).core()
    journal = Journal(folder)
    settle_memory()
    latencies_s = asyncio.run(_feed(Driver(core, journal, strict=True), Reports(core), rate_hz, n_events))
    journal.close()
    on_file = sum(record.kind == "event" for record in read_journal(folder / FOLDER))
    return Paced(latencies_s, on_file, core.state.digest.fill_count, core.state.ledger.fees)


async def _feed(driver: Driver, reports: Reports, rate_hz: int, n_events: int) -> list[float]:
    commit = GroupCommit(driver.journal, lambda error: None)
    latencies_s = list[float]()
    upcoming = iter(())
    started = time.perf_counter()
    for number in range(n_events):
        due_s = started + number / rate_hz
        if due_s > time.perf_counter():
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        event = next(upcoming, None)
        if event is None:
            upcoming = iter(reports.next_orders(20))
            event = next(upcoming)
        driver.step(event, AT_NS)
        commit.tend()
        latencies_s.append(time.perf_counter() - due_s)
    await commit.close()
    return latencies_s


def to_the_wire(n_orders: int = 50, n_cycles: int = 200) -> list[Measured]:
    """From a decision's commands to each of its orders handed to the broker, intents durable."""
    core = plan_of(market(N_SYMBOLS, 2), 1).core()
    with state_folder() as folder:
        journal = Journal(folder)
        waits = asyncio.run(_send(journal, core, n_orders, n_cycles))
        bare = _bare_sync_s(folder)
        journal.close()
    p99, p50 = (float(np.percentile(np.array(waits) * 1e3, q)) for q in (99, 50))
    note = f"p50 {p50:.3g} ms; a bare fdatasync of the same bytes p99 {bare * 1e3:.3g} ms"
    return [at_most("8", f"decision to wire, {n_orders} orders a cycle, p99", p99, 3.0, "ms", note)]


async def _send(journal: Journal, core: EngineCore, n_orders: int, n_cycles: int) -> list[float]:
    commit, waits = GroupCommit(journal, lambda error: None), list[float]()
    reports = Reports(core)
    for cycle in range(n_cycles):
        acks = [event for event in reports.next_orders(n_orders) if isinstance(event, OrderAck)]
        orders = [core.state.orders.open[ack.order_id].order for ack in acks]
        stamped = Stamped(cycle + 1, AT_NS, acks[0])
        commands: list[Command] = [SubmitOrder(order, 1) for order in orders]
        started = time.perf_counter()
        journal.append_event(stamped)
        journal.append_commands(stamped, commands)
        position = commit.position

        async def leave(started: float = started, position: int = position) -> None:
            await commit.durable(position)
            waits.append(time.perf_counter() - started)

        await asyncio.gather(*(leave() for _ in orders))
    await commit.close()
    return waits


def _bare_sync_s(folder: Path, n: int = 200, size: int = 20_000) -> float:
    """Return the 99th percentile of a write and an fdatasync alone: what the disk takes."""
    times, data = [], b"x" * size
    descriptor = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for _ in range(n):
        started = time.perf_counter()
        os.write(descriptor, data)
        os.fdatasync(descriptor)
        times.append(time.perf_counter() - started)
    os.close(descriptor)
    return float(np.percentile(times, 99))


def per_cycle(n_cycles: int = 200) -> list[Measured]:
    """What a cycle with 100 positions puts on file: its events and commands, and a share of engine_state.json."""
    plan = plan_of(market(N_SYMBOLS, 2), 1)
    core = plan.core()
    with state_folder() as folder:
        journal = Journal(folder)
        journal.append_run(0, to_json_value(plan.run))
        driver, reports = Driver(core, journal, strict=True), Reports(core)
        for event in reports.next_orders(N_SYMBOLS):
            driver.step(event, AT_NS)
        assert len(core.state.ledger.positions) == N_SYMBOLS
        panel, checkpoints = market(N_SYMBOLS, 2), Checkpoints(folder, plan.run, plan.assembly)
        loop, whole = list[float](), list[float]()
        for cycle in range(n_cycles):
            stamped = Stamped(driver.seq + 1 + cycle, AT_NS, panel.batch(cycle % len(panel)))
            started = time.perf_counter()
            journal.append_event(stamped)
            journal.sync()
            loop.append(time.perf_counter() - started)
            checkpoints.write_state(core.state, driver.seq)
            whole.append(time.perf_counter() - started)
        journal.close()
    journal_ms, whole_ms = (float(np.median(times)) * 1e3 for times in (loop, whole))
    note = "in the checkpoint's thread, once in engine.checkpoint_s"
    return [
        at_most("9", "journal of a cycle at 100 positions, synced, p50", journal_ms, 1.5, "ms"),
        Measured("9", "the same with the files of a state checkpoint, p50", f"{whole_ms:.3g} ms", note=note),
    ]


def checkpoint_pauses() -> list[Measured]:
    """How long the loop is held while an arrays file is taken; encoding and writing are a thread's."""
    found: list[Measured] = []
    for n_symbols, limit_ms in ((500, 5.0), (5_000, 50.0)):
        plan = plan_of(market(n_symbols, 2), 1)
        core = plan.core()
        with state_folder() as folder:
            take = partial(Checkpoints(folder, plan.run, plan.assembly).take, core.state, 1)
            pause_ms = float(np.median([_timed(take) for _ in range(20)])) * 1e3
        found.append(at_most("10", f"checkpoint of {n_symbols:,} symbols, the loop's part", pause_ms, limit_ms, "ms"))
    return found


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def restart() -> list[Measured]:
    """Models loaded, the newest checkpoint read, and the journal after it fed; imports are not counted."""
    files = [model.files() for model in load_models(compiled=True)]  # compiled once and kept, with their tables
    found: list[Measured] = []
    for n_symbols, n_cycles, limit_s, words in ((100, 1, 3.0, "one minute"), (500, 59, 10.0, "59 minutes")):
        panel = market(n_symbols, WARM_SESSIONS + 1)
        plan = plan_of(panel, WARM_SESSIONS)
        with state_folder() as folder:
            events = _session_on_file(folder, plan, panel, n_cycles)
            started = time.perf_counter()
            for each in files:
                FAMILY.load(each).compile_forest()
            recovered = resume_run(folder, plan.core())
            seconds = time.perf_counter() - started
            _close(recovered.driver)
        assert recovered.replayed == events
        held = len(recovered.driver.core.state.ledger.positions)
        note = f"{events:,} events after the checkpoint, {held} positions"
        found.append(
            at_most("10", f"restart, 18 models, {n_symbols} symbols, {words} of journal", seconds, limit_s, "s", note)
        )
    return found


def _session_on_file(folder: Path, plan: RunPlan, panel: BarPanel, n_cycles: int) -> int:
    """Leave a state folder behind as a killed session does; return how many events follow its checkpoint."""
    journal, checkpoints = Journal(folder), Checkpoints(folder, plan.run, plan.assembly)
    journal.append_run(0, to_json_value(plan.run))
    core, _, engine = backtest_of(panel, plan, Noise(), record=False, journal=journal)
    open_ns = panel.sessions.sessions[WARM_SESSIONS].open_ns
    checkpoint_ns = open_ns + WARM_CYCLES * panel.interval_ns
    engine.run(plan.feed_start_ns, checkpoint_ns, drain=False)
    before = engine.seq
    checkpoints.write_state(core.state, before)
    checkpoints.write_arrays(core.state, before)
    engine.run(checkpoint_ns, checkpoint_ns + n_cycles * panel.interval_ns, drain=False)
    journal.close()
    return engine.seq - before


def replay() -> list[Measured]:
    """The speed at which a journal of order reports gives its commands again."""
    plan = plan_of(market(N_SYMBOLS, 2), 1)
    core = plan.core()
    with state_folder() as folder:
        driver = Driver(core, Journal(folder), strict=True)
        reports = Reports(core)
        events = reports.next_orders(200)  # at work together, as after a decision
        begun = core.state
        _through(driver, events)
        _close(driver)
        times, again = list[float](), plan.core()
        for _ in range(100):
            again.restore(begun)
            started = time.perf_counter()
            fed = feed_journal(again, read_journal(folder / FOLDER))
            times.append(time.perf_counter() - started)
    assert fed.difference is None
    assert fed.events == len(events)
    return [
        at_least(
            "10",
            "journal of order reports, replayed and compared",
            fed.events / float(np.median(times)),
            25_000,
            "events/s",
            _at_best(fed.events, times),
        )
    ]
