"""The asyncio shell: events from feed, broker and schedule into one queue, through the core, commands out.

    feed ──┐                                    ┌─► broker (orders, cancels)
    broker ┼─► queue ─► driver ─► core ─► commands ─► worker thread (inference) ─► queue
    clock ─┘           (journal)                └─► observers, notices, checkpoints

The core is touched by the event loop alone. Models run in one worker thread. In virtual time the clock moves only when
queue, inference and sends are idle, so a session on recorded data takes the decisions that the backtest takes.

An order or a cancel waits until what led to it is durable; the sync runs in a thread (`group_commit`), checkpoints are
written in another (`checkpointing`). A journal that cannot be written or synced ends the run at once: no order leaves
after it, and no checkpoint is written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from LIVE_TRADING.brokers.interface import Broker, MarketObserver
from LIVE_TRADING.common.async_clock import RealTimeClock, Signal, VirtualClock
from LIVE_TRADING.common.events import ControlRequest, CycleAborted, Event, OrderReject, PredictionsReady, SystemFault
from LIVE_TRADING.common.exceptions import (
    BrokerError,
    DataProviderError,
    LiveTradingError,
    ReconciliationError,
    StateError,
)
from LIVE_TRADING.common.types import FloatArray, Order, RawPredictions
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.data.interface import DataProvider, FeedItem, RecordedDataProvider
from LIVE_TRADING.engine.checkpoint import Checkpoints
from LIVE_TRADING.engine.checkpointing import CheckpointTimes, CheckpointWriter
from LIVE_TRADING.engine.commands import (
    CancelOrder,
    Command,
    CycleDecided,
    QueryOrder,
    RequestSnapshot,
    RunInference,
    SubmitOrder,
)
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.group_commit import GroupCommit
from LIVE_TRADING.engine.housekeeping import Housekeeper
from LIVE_TRADING.engine.kill_file import KillFile
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.queue import EventQueue
from LIVE_TRADING.engine.reconcile import is_refused
from LIVE_TRADING.engine.schedule import SESSION_CLOSE, schedule
from LIVE_TRADING.engine.task_failure import TASK_FAILED, TaskWatch, first_error
from LIVE_TRADING.engine.venue_link import CallLimits, VenueLink
from LIVE_TRADING.models.windows import Windows
from LIVE_TRADING.observability import emit
from LIVE_TRADING.observability.bus import NoticeBus

LOOK_EVERY_S = 0.5
DATA_ENDED, STOP_REQUESTED, MAX_CYCLES = "the data ended", "a stop was requested", "the cycles asked for are decided"


class Predictor(Protocol):
    """The inference half of stage 1."""

    def predict(self, features: FloatArray, windows: Windows | None = None) -> RawPredictions:
        """Return raw forecasts (H, M, N) and barrier probabilities (N,) of features (F, N).

        `windows` (N, L, F) are handed over where the market memory keeps them; elsewhere the argument is left out.
        """
        ...


class NoForecasts:
    """Stands in where there are no models: no symbol ever has a view, so nothing is ever entered."""

    def __init__(self, n_horizons: int, n_families: int) -> None:
        self._shape = (n_horizons, n_families)

    def predict(self, features: FloatArray, windows: Windows | None = None) -> RawPredictions:
        """Return NaN of shape (H, M, N), and no probabilities."""
        return RawPredictions(np.full((*self._shape, features.shape[1]), np.nan))


@dataclass(frozen=True, slots=True)
class ShellTimes:
    """Times of the shell: bar grace, and how often checkpoints are due."""

    grace_ns: int = 0
    checkpoint_s: float = 60.0
    arrays_s: float = 3600.0


class LiveShell:
    """Runs a core between a feed, a broker and a clock until the data end or somebody stops it.

    `decided` counts the cycles that were decided, `inference_s` sums the time spent in models.
    """

    def __init__(
        self,
        driver: Driver,
        broker: Broker,
        provider: DataProvider,
        predictor: Predictor,
        clock: RealTimeClock | VirtualClock,
        *,
        latency: InferenceLatency | None = None,
        times: ShellTimes | None = None,
        checkpoints: Checkpoints | None = None,
        keeper: Housekeeper | None = None,
        bus: NoticeBus | None = None,
        limits: CallLimits | None = None,
        resumed: bool = False,
        kill: KillFile | None = None,
    ) -> None:
        self._driver = driver
        self._broker = broker
        self._provider = provider
        self._predictor = predictor
        self._clock = clock
        self._latency = latency or InferenceLatency()
        self._times = times or ShellTimes()
        self._checkpoints = checkpoints
        self._keeper = keeper
        self._bus = bus or NoticeBus()
        self._broker_name = type(broker).__name__
        self.on_cycle: Callable[[int], None] | None = None
        self._queue = EventQueue()
        self._wake = asyncio.Event()
        self._venue = VenueLink(broker, clock, self.put, lambda: driver.core.state, limits)
        self._resumed = resumed
        self._kill = kill or KillFile(None)
        self._killed = ""
        self._asking = 0
        self._answered, self._quiet, self._awaits_quiet = Signal(), Signal(), False
        self._stopping = False
        self._sources = 0
        self._given_up: set[asyncio.Task[None]] = set()
        self._failure: LiveTradingError | None = None
        self._tasks = TaskWatch()
        self.decided = 0
        self.inference_s = 0.0

    def request_stop(self) -> None:
        """Stop at the next instant at which nothing is under way; safe in a signal handler of the loop."""
        self._stopping = True
        self._wake.set()

    def put(self, event: Event) -> None:
        """Queue an event; from the loop's thread."""
        self._queue.put(event)
        self._wake.set()

    async def run(self, start_ns: int, end_ns: int, max_cycles: int | None = None) -> str:
        """Run over (start, end] of the feed, `max_cycles` decisions at most; return why it ended.

        Raises
        ------
        StateError
            The journal cannot be written, or the last checkpoint.
        BrokerError
            The broker cannot be reached.
        """
        await self._venue.connect()
        emit.emit_broker_connected(
            self._bus, self._clock.now_ns(), broker=self._broker_name, account=self._driver.core.run.account
        )
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")
        self._commit = GroupCommit(self._driver.journal, self._journal_lost)
        times = CheckpointTimes(self._times.checkpoint_s, self._times.arrays_s)
        self._writer = CheckpointWriter(
            self._driver,
            self._checkpoints,
            self._keeper,
            self._commit,
            times,
            self._told_of_checkpoint,
            self._checkpoint_failed,
        )
        try:
            return await self._run(worker, start_ns, end_ns, max_cycles)
        finally:
            worker.shutdown(wait=False, cancel_futures=True)
            try:
                await self._writer.finish()
            finally:
                await self._commit.close()
                await self._broker.disconnect()
                emit.emit_broker_disconnected(
                    self._bus, self._clock.now_ns(), broker=self._broker_name, reason="shutdown", expected=True
                )

    async def _run(self, worker: ThreadPoolExecutor, start_ns: int, end_ns: int, max_cycles: int | None) -> str:
        reason: str = ""
        failure: LiveTradingError | None = None
        broken: BaseExceptionGroup[BaseException] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                self._sources = 2
                for work in (self._pump_reports(), self._open_sources(group, start_ns, end_ns)):
                    self._give_up_at_end(self._spawn(group, work))
                if isinstance(self._clock, RealTimeClock):  # virtual time looks at every event, and ends
                    self._give_up_at_end(self._spawn(group, self._watch()))
                try:
                    reason = await self._serve(group, worker, max_cycles)
                except (StateError, ReconciliationError, BrokerError) as error:
                    failure = error  # orders that left earlier are on file: let them reach the venue
                for task in tuple(self._given_up):
                    task.cancel()
        except BaseExceptionGroup as errors:
            broken = errors
        if broken is not None:
            raise self._task_failed(broken)
        if failure is not None:
            raise failure
        return reason

    def _task_failed(self, errors: BaseExceptionGroup[BaseException]) -> BaseException:
        """Return the error that ended all tasks, told; a bug halts until an operator resumes.

        Orders whose sending was cut off are on file: the next start asks the venue for them.
        """
        error = first_error(errors)
        if not isinstance(error, Exception) or self._driver.journal_failed:
            return error
        now_ns, said = self._clock.now_ns(), self._tasks.says(error)
        if isinstance(error, LiveTradingError):
            emit.emit_error(self._bus, now_ns, component=TASK_FAILED, message=said)
            return error
        try:
            self._driver.step(SystemFault(TASK_FAILED, said, "critical", now_ns), now_ns)
        except StateError as lost:
            error.add_note(f"and then {lost}")
        return error

    # -- serving -------------------------------------------------------------------------------------------------

    async def _serve(self, group: asyncio.TaskGroup, worker: ThreadPoolExecutor, max_cycles: int | None) -> str:
        while True:
            if isinstance(self._clock, VirtualClock):
                await self._clock.wait_idle()
            if self._failure is not None:
                raise self._failure
            self._look_for_kill()
            if len(self._queue):
                event = self._queue.pop()
                commands = self._driver.step(event, self._clock.now_ns())
                self._carry_out(group, worker, commands)
                self._count(event, commands)
                self._commit.tend()
                if not isinstance(self._clock, VirtualClock):
                    await asyncio.sleep(0)
                continue
            self._writer.tend()
            if self._keeper is not None and (low := self._keeper.disk_fault(time.monotonic())) is not None:
                self.put(SystemFault(*low, self._clock.now_ns()))
                continue
            if self._awaits_quiet:
                self._awaits_quiet = False
                self._quiet.set()
                continue
            if self._stopping:
                return STOP_REQUESTED
            if max_cycles is not None and self.decided >= max_cycles:
                return MAX_CYCLES
            if isinstance(self._clock, VirtualClock):
                self._wake.clear()
                if await self._clock.hold(self._wake) and not self._clock.advance():
                    return DATA_ENDED
            elif self._sources == 0 and self._driver.core.state.pending is None:
                return DATA_ENDED
            else:
                self._wake.clear()
                await self._wake.wait()

    def _look_for_kill(self) -> None:
        """Halt when the kill file appears; once, as long as it stays."""
        pulled = self._kill.pulled()
        if pulled and not self._killed:
            self.put(ControlRequest("halt", pulled, self._clock.now_ns()))
        self._killed = pulled

    def _count(self, event: Event, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, CycleDecided):
                if not command.result.is_warmup:
                    self.decided += 1
                if self.on_cycle is not None:
                    self.on_cycle(command.result.scheduled_time_ns)
        if getattr(event, "trigger_type", "") == SESSION_CLOSE:
            self._writer.session_closed()

    def _carry_out(self, group: asyncio.TaskGroup, worker: ThreadPoolExecutor, commands: list[Command]) -> None:
        """Start what the core asks for. Orders leave only after what led to them is durable."""
        position = self._commit.position
        for command in commands:
            if isinstance(command, SubmitOrder):
                work = partial(self._send, command.order)
                self._spawn(group, self._once_durable(position, work), f"send {command.order.client_order_id}")
            elif isinstance(command, CancelOrder):
                work = partial(self._venue.cancel, command.client_order_id)
                self._spawn(group, self._once_durable(position, work), f"cancel {command.client_order_id}")
            elif isinstance(command, QueryOrder):
                question = partial(self._venue.query, command.client_order_id)
                self._give_up_at_end(self._spawn(group, self._asked(question)))
            elif isinstance(command, RequestSnapshot):
                question = partial(self._venue.snapshot, command.after_s, must_count=command.must_count)
                self._give_up_at_end(self._spawn(group, self._asked(question)))
            elif isinstance(command, RunInference):
                self._give_up_at_end(self._spawn(group, self._infer(worker, command.cycle_time_ns, command.inputs())))

    def _spawn(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str = "") -> asyncio.Task[None]:
        """Run an actor: it counts as busy from now on, not from when it first runs."""
        self._clock.enter()
        task = group.create_task(work, name=name or getattr(work, "__name__", "").lstrip("_"))
        task.add_done_callback(self._tasks.ended)
        task.add_done_callback(lambda _: self._clock.leave())
        return task

    def _give_up_at_end(self, task: asyncio.Task[None]) -> None:
        """Remember a task that nothing waits for once the run ends."""
        self._given_up.add(task)
        task.add_done_callback(self._given_up.discard)

    # -- going on after a restart ---------------------------------------------------------------------------------

    async def _open_sources(self, group: asyncio.TaskGroup, start_ns: int, end_ns: int) -> None:
        """Open feed and schedule, not before the venue's book is ours: so the first order is not before it either."""
        try:
            if self._resumed:
                await self._venue.catch_up(self._driver.core.state)
            await self._until_idle()
            await self._venue.snapshot(0, must_count=True)
            await self._until_idle()
            state = self._driver.core.state
            if is_refused(state):
                raise ReconciliationError(
                    f"the venue's book is not the ledger's ({state.reconcile.confirmed}): mend it at the venue, "
                    "or accept it with `control adopt` or `control ignore`, then `control resume`"
                )
        except (ReconciliationError, BrokerError) as error:
            self._failure = error
            self._wake.set()
            return
        for pump in (self._pump_feed(start_ns, end_ns), self._pump_schedule(start_ns, end_ns)):
            self._give_up_at_end(self._spawn(group, pump))

    async def _watch(self) -> None:
        """Look for the kill file while nothing happens."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._wake.set()

    async def _until_idle(self) -> None:
        """Return when nothing that the venue was asked is open and every event that is queued has been handled."""
        await self._until_quiet()
        while self._asking:
            await self._clock.wait(self._answered, None)
            await self._until_quiet()

    async def _until_quiet(self) -> None:
        """Return when every event that is queued has been handled."""
        self._awaits_quiet = True
        self._wake.set()
        await self._clock.wait(self._quiet, None)

    # -- sources -------------------------------------------------------------------------------------------------

    async def _pump_feed(self, start_ns: int, end_ns: int) -> None:
        observer = self._broker if isinstance(self._broker, MarketObserver) else None
        try:
            async for item in self._items(start_ns, end_ns):
                await self._clock.wait(None, item.arrival_ns)
                if observer is not None:
                    observer.observe_bars(item.batch)
                self.put(item.batch)
        except DataProviderError as error:
            self._fault("data_feed", error)
        self._source_ended()

    async def _items(self, start_ns: int, end_ns: int) -> AsyncIterator[FeedItem]:
        if isinstance(self._provider, RecordedDataProvider):
            for item in self._provider.timeline(start_ns, end_ns):
                yield item
        else:
            async for item in self._provider.stream():
                yield item

    async def _pump_schedule(self, start_ns: int, end_ns: int) -> None:
        grace_ns = self._times.grace_ns
        for due in schedule(self._provider.sessions, self._provider.interval_ns, grace_ns, start_ns, end_ns):
            await self._clock.wait(None, due.due_ns)
            self.put(due.event(self._clock.now_ns()))
        self._source_ended()

    async def _pump_reports(self) -> None:
        try:
            while True:
                self.put(await self._broker.get_next_event())
        except BrokerError as error:
            emit.emit_broker_disconnected(
                self._bus, self._clock.now_ns(), broker=self._broker_name, reason=str(error), expected=False
            )
            self._fault("broker_lost", error)

    def _source_ended(self) -> None:
        self._sources -= 1
        self._wake.set()

    # -- commands ------------------------------------------------------------------------------------------------

    async def _once_durable(self, position: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Carry out what must not leave before so many records are durable; if that cannot be, it stays."""
        try:
            await self._commit.durable(position)
        except StateError:
            return
        await work()

    async def _send(self, order: Order) -> None:
        """Hand an order over, unless everything is to stop: then it has never left."""
        if pulled := self._kill.pulled():
            self.put(OrderReject(order.client_order_id, f"never sent: {pulled}", self._clock.now_ns()))
        else:
            await self._venue.send(order)

    def _journal_lost(self, error: StateError) -> None:
        """End the run: nothing that follows from what is on file may leave any more."""
        self._failure = error
        self._driver.journal_lost(error)
        self._wake.set()

    async def _asked(self, question: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Ask the venue something; a start waits until all that was asked is answered."""
        self._asking += 1
        try:
            await question()
        finally:
            self._asking -= 1
            self._answered.set()

    def _fault(self, kind: str, error: Exception, severity: str = "critical") -> None:
        self.put(SystemFault(kind, f"{type(error).__name__}: {error}", severity, self._clock.now_ns()))

    async def _infer(self, worker: ThreadPoolExecutor, cycle_ns: int, inputs: tuple[Any, ...]) -> None:
        requested_ns = self._clock.now_ns()
        future = asyncio.get_running_loop().run_in_executor(worker, self._timed_predict, *inputs)
        if self._latency.times_out(cycle_ns):
            await self._clock.wait(None, requested_ns + self._latency.timeout_ns)
            self._timed_out(cycle_ns)
        elif not isinstance(self._clock, VirtualClock):
            await asyncio.wait([future], timeout=self._latency.timeout_ns / NS_PER_S)
            if not future.done():
                self._timed_out(cycle_ns)
        try:
            said, duration_s = await future
            ready = PredictionsReady(cycle_ns, said.raw, said.p_peak, said.p_valley)
        except Exception as error:  # noqa: BLE001  whatever a model raises ends its cycle and stops new orders
            self._fault("inference_failed", error)
            self.put(CycleAborted(cycle_ns, "inference_failed"))
            return
        await self._clock.wait(None, requested_ns + self._latency.of(cycle_ns))
        self.inference_s += duration_s
        emit.emit_inference_completed(self._bus, self._clock.now_ns(), cycle_time_ns=cycle_ns, duration_s=duration_s)
        self.put(ready)

    def _timed_out(self, cycle_ns: int) -> None:
        """Give a cycle up whose predictions do not come."""
        timeout_s = self._latency.timeout_ns / NS_PER_S
        emit.emit_prediction_timeout(self._bus, self._clock.now_ns(), cycle_time_ns=cycle_ns, timeout_s=timeout_s)
        self.put(CycleAborted(cycle_ns, "timeout"))

    def _timed_predict(self, *inputs: Any) -> tuple[RawPredictions, float]:
        started = time.perf_counter()
        said = self._predictor.predict(*inputs)
        return said, time.perf_counter() - started

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def _told_of_checkpoint(self, kind: str, seq: int, duration_s: float) -> None:
        emit.emit_checkpoint_written(self._bus, self._clock.now_ns(), kind=kind, sequence=seq, duration_s=duration_s)

    def _checkpoint_failed(self, error: Exception) -> None:
        self._fault("checkpoint_failed", error, "error")
