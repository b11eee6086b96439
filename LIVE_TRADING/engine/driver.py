"""The step that live engine and backtest share: stamp, journal, handle, journal, tell."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from LIVE_TRADING.common.events import CycleAborted, Event, PredictionsReady, Stamped, SystemFault, TargetsReady
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.engine.announcer import Announcer
from LIVE_TRADING.engine.commands import Command
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.journal import Journal
from LIVE_TRADING.engine.state import CoreState

Observer = Callable[[Stamped, Sequence[Command]], None]

HANDLER_FAILED, EVENT_REFUSED = "handler_failed", "event_refused"


class Driver:
    """Feeds the core one event at a time.

    Parameters
    ----------
    journal
        Where events and commands go; None where nothing is kept.
    observers
        Told of every event and its commands after they are journaled. They only listen.
    announcer
        Told the same, before them, and what fails on the way.
    strict
        Raise what the core raises. Live it is journaled and trading is halted, so that positions stay watched.
    next_seq
        Sequence number of the next event.
    """

    def __init__(
        self,
        core: EngineCore,
        journal: Journal | None = None,
        observers: Sequence[Observer] = (),
        *,
        announcer: Announcer | None = None,
        strict: bool = False,
        next_seq: int = 1,
    ) -> None:
        self.core = core
        self.journal = journal
        self.journal_failed = False
        self._observers = tuple(observers)
        self._announcer = announcer
        self._strict = strict
        self._seq = next_seq - 1

    @property
    def seq(self) -> int:
        """Return the sequence number of the last event that the core's state contains or has passed over."""
        return self._seq

    def step(self, event: Event, now_ns: int) -> list[Command]:
        """Take an event off the queue; return the commands to carry out, already on file.

        Raises
        ------
        StateError
            The journal cannot be written: nothing that follows from the event may leave, and the core stands where it
            stood before it.
        """
        before = self.core.state
        stamped = Stamped(self._seq + 1, max(now_ns, before.now_ns), event)
        if self._announcer is not None:
            self._announcer.before()
        try:
            if self.journal is not None:
                self.journal.append_event(stamped)
        except StateError as error:
            self.journal_lost(error)
            raise
        except ValueError as error:
            return self._halt(EVENT_REFUSED, stamped, error)
        self._seq = stamped.seq
        try:
            commands = self.core.handle(stamped)
        except Exception as error:  # the engine's one outer boundary
            if self._strict:
                raise
            return self._failed(stamped, error)
        problem = self._record(stamped, commands, before)
        if problem is not None:
            return self._failed(stamped, problem)
        if self._announcer is not None:
            self._announcer(stamped, commands)
        for observe in self._observers:
            observe(stamped, commands)
        return commands

    def journal_lost(self, error: StateError) -> None:
        """Note that the journal takes nothing more, and tell it, once."""
        if self._announcer is not None and not self.journal_failed:
            self._announcer.journal_failed(error)
        self.journal_failed = True

    def _record(self, stamped: Stamped, commands: list[Command], before: CoreState) -> ValueError | None:
        """Put the commands on file; what cannot be said there has not happened. Returns why, if so."""
        if self.journal is None or not commands:
            return None
        try:
            self.journal.append_commands(stamped, commands)
        except StateError as error:
            self.journal_lost(error)
            self.core.restore(before)
            self._seq = stamped.seq - 1  # on file without what followed: a restart takes it up again
            raise
        except ValueError as error:
            self.core.restore(before)
            return error
        return None

    def _failed(self, stamped: Stamped, error: Exception) -> list[Command]:
        """Put the failure of a handler on file and halt; the state is the one before the event."""
        trace = "".join(traceback.format_exception(error))[-4000:]
        try:
            if self.journal is not None:
                self.journal.append_failure(stamped, trace)
        except StateError as lost:
            self.journal_lost(lost)
            raise
        return self._halt(HANDLER_FAILED, stamped, error)

    def _halt(self, kind: str, stamped: Stamped, error: Exception) -> list[Command]:
        """Halt trading, so that positions stay watched; a halt that fails is raised. A cycle in flight ends here."""
        event = stamped.event
        if self._announcer is not None:
            self._announcer.handler_failed(stamped, error)
        if isinstance(event, SystemFault) and kind == HANDLER_FAILED:
            raise error
        said = f"{type(event).__name__}: {type(error).__name__}: {error}"
        message = said.encode("utf-8", "backslashreplace").decode()
        commands = self.step(SystemFault(kind, message, "critical", stamped.t_ns), stamped.t_ns)
        if isinstance(event, (PredictionsReady, TargetsReady)):  # nothing else would end the cycle that waited for them
            commands = commands + self.step(CycleAborted(event.cycle_time_ns, kind), stamped.t_ns)
        return commands
