"""The asyncio shell: events from feed, broker and schedule into one queue, through the core, commands out.

    feed ──┐                                    ┌─► broker (orders, cancels)
    broker ┼─► queue ─► driver ─► core ─► commands ─► worker thread (inference) ─► queue
    clock ─┘           (journal)                └─► observers, notices, checkpoints

This file is the loop in the middle and its ends; what comes in is `sources`, what goes out `outbound`, models are
`inference`, what precedes the first bar is `start_up`. The core is touched by the event loop alone. Models run in one
worker thread. In virtual time the clock moves only when queue, inference and sends are idle, so a session on recorded
data takes the decisions that the backtest takes.

An order or a cancel waits until what led to it is durable; the sync runs in a thread (`group_commit`), checkpoints are
written in another (`checkpointing`). A journal that cannot be written or synced ends the run at once: no order leaves
after it, and no checkpoint is written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from LIVE_TRADING.brokers.interface import Broker
from LIVE_TRADING.common.async_clock import RealTimeClock, VirtualClock
from LIVE_TRADING.common.events import ControlRequest, Event, SystemFault
from LIVE_TRADING.common.exceptions import BrokerError, LiveTradingError, ReconciliationError, StateError
from LIVE_TRADING.data.interface import DataProvider
from LIVE_TRADING.engine.actors import Actors
from LIVE_TRADING.engine.checkpoint import Checkpoints
from LIVE_TRADING.engine.checkpointing import CheckpointTimes, CheckpointWriter
from LIVE_TRADING.engine.commands import BookAdjusted, Command, CycleDecided, TradingStateChanged
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.group_commit import GroupCommit
from LIVE_TRADING.engine.housekeeping import Housekeeper
from LIVE_TRADING.engine.inbox import Inbox
from LIVE_TRADING.engine.inference import Inference, Predictor
from LIVE_TRADING.engine.kill_file import KillFile
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.outbound import Outbound
from LIVE_TRADING.engine.quote_pace import QuotePace
from LIVE_TRADING.engine.rule import TargetRule
from LIVE_TRADING.engine.schedule import CYCLE, SESSION_CLOSE
from LIVE_TRADING.engine.sources import Sources
from LIVE_TRADING.engine.start_up import StartUp
from LIVE_TRADING.engine.task_failure import TASK_FAILED, TaskWatch, first_error
from LIVE_TRADING.engine.venue_link import CallLimits, VenueLink
from LIVE_TRADING.observability import emit
from LIVE_TRADING.observability.bus import NoticeBus
from LIVE_TRADING.risk import TradingState

LOOK_EVERY_S = 0.5
DATA_ENDED, STOP_REQUESTED, MAX_CYCLES = "the data ended", "a stop was requested", "the cycles asked for are decided"


@dataclass(frozen=True, slots=True)
class ShellTimes:
    """Times of the shell: bar grace, and how often checkpoints are due."""

    grace_ns: int = 0
    checkpoint_s: float = 60.0
    arrays_s: float = 3600.0


class LiveShell:
    """Runs a core between a feed, a broker and a clock until the data end or somebody stops it.

    `decided` counts the cycles that were decided.
    """

    def __init__(
        self,
        driver: Driver,
        broker: Broker,
        provider: DataProvider,
        predictor: Predictor | TargetRule,
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
        self._clock = clock
        self._times = times or ShellTimes()
        self._keeper = keeper
        self._bus = bus or NoticeBus()
        self._resumed = resumed
        self._kill = kill or KillFile(None)
        self._inbox = Inbox(clock)
        self._inference = Inference(predictor, clock, self._inbox, self._bus, latency)
        column = {symbol: place for place, symbol in enumerate(driver.core.run.symbols)}
        self._pace = QuotePace(self._inbox.queue, column, lambda: driver.core.state)
        self._sources = Sources(
            provider, broker, clock, self._inbox, self._bus, self._pace, grace_ns=self._times.grace_ns
        )
        self._venue = VenueLink(broker, clock, self.put, lambda: driver.core.state, limits)
        self._start_up = StartUp(self._venue, clock, self._inbox, lambda: driver.core.state)
        self._checkpoints = checkpoints
        self._watched = TaskWatch()
        self._failure: LiveTradingError | None = None
        self._stopping = False
        self._killed, self._asked_to_halt = "", False
        self.on_cycle: Callable[[int], None] | None = None
        self.decided = 0

    @property
    def inference_s(self) -> float:
        """Return the time spent in models."""
        return self._inference.seconds

    def request_stop(self) -> None:
        """Stop at the next instant at which nothing is under way; safe in a signal handler of the loop."""
        self._stopping = True
        self._inbox.wake.set()

    def put(self, event: Event) -> None:
        """Queue an event; from the loop's thread."""
        self._inbox.put(event)

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
        broker = type(self._broker).__name__
        emit.emit_broker_connected(
            self._bus, self._clock.now_ns(), broker=broker, account=self._driver.core.run.account
        )
        self._commit = GroupCommit(self._driver.journal, self._journal_lost)
        self._outbound = Outbound(
            self._venue, self._inference, self._start_up, self._commit, self._kill, self._clock, self._inbox
        )
        self._writer = CheckpointWriter(
            self._driver,
            self._checkpoints,
            self._keeper,
            self._commit,
            CheckpointTimes(self._times.checkpoint_s, self._times.arrays_s),
            self._told_of_checkpoint,
            self._checkpoint_failed,
        )
        try:
            reason = await self._run(start_ns, end_ns, max_cycles)
        finally:
            self._inference.close()
            try:
                await self._writer.finish()
            finally:
                await self._commit.close()
                await self._broker.disconnect()
                emit.emit_broker_disconnected(
                    self._bus, self._clock.now_ns(), broker=broker, reason="shutdown", expected=True
                )
        if self._failure is not None:  # a sync that was under way when the loop ended
            raise self._failure
        return reason

    async def _run(self, start_ns: int, end_ns: int, max_cycles: int | None) -> str:
        reason: str = ""
        failure: LiveTradingError | None = None
        broken: BaseExceptionGroup[BaseException] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                actors = Actors(group, self._clock, self._watched)
                actors.start_until_end(self._sources.pump_reports())
                actors.start_until_end(self._open_sources(actors, start_ns, end_ns))
                if isinstance(self._clock, RealTimeClock):  # virtual time looks at every event, and ends
                    actors.start_until_end(self._watch())
                try:
                    reason = await self._serve(actors, max_cycles)
                except (StateError, ReconciliationError, BrokerError) as error:
                    failure = error  # orders that left earlier are on file: let them reach the venue
                actors.give_up()
        except BaseExceptionGroup as errors:
            broken = errors
        if broken is not None:
            raise self._task_failed(broken)
        if failure is not None:
            raise failure
        return reason

    async def _open_sources(self, actors: Actors, start_ns: int, end_ns: int) -> None:
        """Open feed and schedule, not before the venue's book is ours: so the first order is not before it either."""
        try:
            await self._commit.durable(self._commit.position)  # cancels on file may leave once more
            await self._start_up.run(resumed=self._resumed)
        except (StateError, ReconciliationError, BrokerError) as error:
            self._end_with(error)
            return
        actors.start_until_end(self._sources.pump_feed(start_ns, end_ns))
        actors.start_until_end(self._sources.pump_quotes())
        actors.start_until_end(self._sources.pump_schedule(start_ns, end_ns))

    async def _serve(self, actors: Actors, max_cycles: int | None) -> str:
        queue, wake = self._inbox.queue, self._inbox.wake
        while True:
            if isinstance(self._clock, VirtualClock):
                await self._clock.wait_idle()
            if self._failure is not None:
                raise self._failure
            self._look_for_kill()
            self._sources.release_quotes()
            if len(queue):
                event = queue.pop()
                commands = self._driver.step(event, self._clock.now_ns())
                self._outbound.carry_out(actors, commands)
                self._count(event, commands)
                self._commit.tend()
                if not isinstance(self._clock, VirtualClock):
                    await asyncio.sleep(0)
                continue
            self._writer.tend()
            if self._keeper is not None and (low := self._keeper.disk_fault(time.monotonic())) is not None:
                self.put(SystemFault(*low, self._clock.now_ns()))
                continue
            if self._start_up.tell_quiet():
                continue
            if self._stopping:
                return STOP_REQUESTED
            if max_cycles is not None and self.decided >= max_cycles:
                return MAX_CYCLES
            if isinstance(self._clock, VirtualClock):
                wake.clear()
                if await self._clock.hold(wake) and not self._clock.advance():
                    return DATA_ENDED
            elif self._sources.open == 0 and self._driver.core.state.pending is None:
                return DATA_ENDED
            else:
                wake.clear()
                await wake.wait()

    def _count(self, event: Event, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, CycleDecided):
                if not command.result.is_warmup:
                    self.decided += 1
                if self.on_cycle is not None:
                    self.on_cycle(command.result.scheduled_time_ns)
            elif isinstance(command, (TradingStateChanged, BookAdjusted)):
                self._writer.changed()
        trigger = getattr(event, "trigger_type", "")
        if trigger == SESSION_CLOSE:
            self._writer.session_closed()
        elif trigger == CYCLE:
            self._tell_quotes()

    def _tell_quotes(self) -> None:
        """Tell what became of the trades and quotes since the cycle before; nothing where there were none."""
        counts = self._pace.counted()
        if counts.offered:
            emit.emit_quotes_conflated(
                self._bus,
                self._clock.now_ns(),
                offered=counts.offered,
                conflated=counts.conflated,
                old=counts.old,
                unknown_symbols=counts.unknown,
            )

    # -- the kill file -------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Look for the kill file while nothing happens."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._inbox.wake.set()

    def _look_for_kill(self) -> None:
        """Halt when the kill file appears, and again when somebody resumes under it."""
        pulled, is_halted = self._kill.pulled(), self._driver.core.state.risk.state is TradingState.HALTED
        if pulled and (not self._killed or not (is_halted or self._asked_to_halt)):
            self.put(ControlRequest("halt", pulled, self._clock.now_ns()))
            self._asked_to_halt = True
        elif is_halted:
            self._asked_to_halt = False
        self._killed = pulled

    # -- what fails ----------------------------------------------------------------------------------------------

    def _end_with(self, error: LiveTradingError) -> None:
        self._failure = error
        self._inbox.wake.set()

    def _journal_lost(self, error: StateError) -> None:
        """End the run: nothing that follows from what is on file may leave any more."""
        self._driver.journal_lost(error)
        self._end_with(error)

    def _task_failed(self, errors: BaseExceptionGroup[BaseException]) -> BaseException:
        """Return the error that ended all tasks, told; a bug halts until an operator resumes.

        Orders whose sending was cut off are on file: the next start asks the venue for them.
        """
        error = first_error(errors)
        if not isinstance(error, Exception) or self._driver.journal_failed:
            return error
        now_ns, said = self._clock.now_ns(), self._watched.says(error)
        if isinstance(error, LiveTradingError):
            emit.emit_error(self._bus, now_ns, component=TASK_FAILED, message=said)
            return error
        try:
            self._driver.step(SystemFault(TASK_FAILED, said, "critical", now_ns), now_ns)
        except StateError as lost:
            error.add_note(f"and then {lost}")
        return error

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def _told_of_checkpoint(self, kind: str, seq: int, duration_s: float) -> None:
        emit.emit_checkpoint_written(self._bus, self._clock.now_ns(), kind=kind, sequence=seq, duration_s=duration_s)

    def _checkpoint_failed(self, error: Exception) -> None:
        self._inbox.fault("checkpoint_failed", error, "error")
