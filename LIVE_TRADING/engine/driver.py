"""The step that live engine and backtest share: stamp, journal, handle, journal, tell."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from LIVE_TRADING.common.events import CycleAborted, Event, PredictionsReady, Stamped, SystemFault
from LIVE_TRADING.common.exceptions import StateError
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
        strict: bool = False,
        next_seq: int = 1,
    ) -> None:
        self.core = core
        self.journal = journal
        self._observers = tuple(observers)
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
        stamped = Stamped(self._seq + 1, max(now_ns, self.core.state.now_ns), event)
        if self.journal is not None:
            try:
                self.journal.append_event(stamped)
            except ValueError as error:
                return self._halt(EVENT_REFUSED, stamped, error)
        before = self.core.state
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
        for observe in self._observers:
            observe(stamped, commands)
        return commands

    def _record(self, stamped: Stamped, commands: list[Command], before: CoreState) -> ValueError | None:
        """Put the commands on file; what cannot be said there has not happened. Returns why, if so."""
        if self.journal is None:
            return None
        try:
            self.journal.append_commands(stamped, commands)
        except StateError:
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
        self._write(lambda journal: journal.append_failure(stamped, trace))
        return self._halt("handler_failed", stamped, error)

    def _halt(self, kind: str, stamped: Stamped, error: Exception) -> list[Command]:
        """Halt trading, so that positions stay watched; raise where that is what failed, or where strict."""
        if self._announcer is not None:
            self._announcer.handler_failed(stamped, error)
        if self._strict or isinstance(stamped.event, SystemFault):
            raise error
        message = f"{type(stamped.event).__name__}: {type(error).__name__}: {error}"
        return self.step(SystemFault(kind, message, "critical", stamped.t_ns), stamped.t_ns)
