"""The step that live engine and backtest share: stamp, journal, handle, journal, tell."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from LIVE_TRADING.common.events import Event, Stamped, SystemFault
from LIVE_TRADING.engine.commands import Command
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.journal import Journal

Observer = Callable[[Stamped, Sequence[Command]], None]


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
        """Return the sequence number of the last event."""
        return self._seq

    def step(self, event: Event, now_ns: int) -> list[Command]:
        """Take an event off the queue; return the commands to carry out, already on file."""
        self._seq += 1
        stamped = Stamped(self._seq, max(now_ns, self.core.state.now_ns), event)
        if self.journal is not None:
            self.journal.append_event(stamped)
        try:
            commands = self.core.handle(stamped)
        except Exception as error:  # the engine's one outer boundary
            if self._strict:
                raise
            return self._failed(stamped, error)
        if self.journal is not None:
            self.journal.append_commands(stamped, commands)
        for observe in self._observers:
            observe(stamped, commands)
        return commands

    def _failed(self, stamped: Stamped, error: Exception) -> list[Command]:
        """Put the failure on file and halt; the state is the one before the event."""
        if isinstance(stamped.event, SystemFault):
            raise error
        if self.journal is not None:
            self.journal.append_failure(stamped, "".join(traceback.format_exception(error))[-4000:])
        message = f"{type(stamped.event).__name__}: {type(error).__name__}: {error}"
        return self.step(SystemFault("handler_failed", message, "critical", stamped.t_ns), stamped.t_ns)
