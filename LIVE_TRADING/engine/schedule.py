"""When sessions open and close and cycles are due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from LIVE_TRADING.common.events import ScheduledTrigger
from LIVE_TRADING.common.types import Session

SESSION_OPEN, CYCLE, SESSION_CLOSE = "session_open", "cycle", "session_close"


class Sessions(Protocol):
    """The sessions of a calendar, in order."""

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Return them."""
        ...


@dataclass(frozen=True, slots=True)
class Due:
    """A trigger and the instant at which the shell should queue it."""

    due_ns: int
    trigger_type: str
    scheduled_time_ns: int
    session: Session

    def event(self, now_ns: int) -> ScheduledTrigger:
        """Return the event as it is queued at `now_ns`."""
        return ScheduledTrigger(self.trigger_type, self.scheduled_time_ns, self.session, now_ns)


def schedule(sessions: Sessions, interval_ns: int, grace_ns: int, start_ns: int, end_ns: int) -> Iterator[Due]:
    """Yield what is due in (start, end]: a session's opening, a cycle per bar end, its close after the last cycle.

    A session that `start` falls into is opened at `start`. Cycles are due `grace_ns` after their bar end.
    """
    for session in sessions.sessions:
        if session.close_ns <= start_ns:
            continue
        if session.open_ns >= end_ns:
            return
        yield Due(max(session.open_ns, start_ns), SESSION_OPEN, session.open_ns, session)
        for number in range(1, session.n_bars(interval_ns) + 1):
            bar_end_ns = session.open_ns + number * interval_ns
            if start_ns < bar_end_ns <= end_ns:
                yield Due(bar_end_ns + grace_ns, CYCLE, bar_end_ns, session)
        if session.close_ns <= end_ns:
            yield Due(session.close_ns + grace_ns, SESSION_CLOSE, session.close_ns, session)
