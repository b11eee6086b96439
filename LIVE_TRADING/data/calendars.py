"""Trading sessions: exchange calendars, UTC days for what never closes, plain weekdays for the simulated market."""

from __future__ import annotations

import difflib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import IntArray, Session
from LIVE_TRADING.common.units import NS_PER_DAY, instant_ns

ALWAYS_OPEN = "24/7"
SIMULATED = "simulated"
_NEW_YORK = ZoneInfo("America/New_York")
_SIMULATED_OPEN, _SIMULATED_CLOSE = time(9, 30), time(16, 0)
_PAD_DAYS = 15  # longer than any closure of an exchange, so that a range that starts in one still finds sessions


@dataclass(frozen=True, slots=True)
class SessionTable:
    """The sessions of one calendar over a range of dates, in order; `Session.index` is the position in `sessions`.

    A bar that ends at a session's close belongs to it, one that ends at its open belongs to none or, where sessions
    touch (24/7), to the one before.
    """

    name: str
    sessions: tuple[Session, ...]
    _opens: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _closes: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for position, session in enumerate(self.sessions):
            if session.index != position or session.close_ns <= session.open_ns:
                raise ConfigurationError(
                    f"calendar {self.name}: session {session} is not number {position} or is empty"
                )
            if position and session.open_ns < self.sessions[position - 1].close_ns:
                raise ConfigurationError(f"calendar {self.name}: session {session.date} overlaps the one before")
        object.__setattr__(self, "_opens", tuple(session.open_ns for session in self.sessions))
        object.__setattr__(self, "_closes", tuple(session.close_ns for session in self.sessions))

    def __len__(self) -> int:
        return len(self.sessions)

    def session_of(self, bar_end_ns: int) -> Session | None:
        """Return the session that holds a bar ending then, that is bar end in (open, close]; None outside sessions."""
        position = bisect_left(self._closes, bar_end_ns)
        if position < len(self.sessions) and self._opens[position] < bar_end_ns:
            return self.sessions[position]
        return None

    def next(self, session: Session) -> Session | None:
        """Return the session after this one; None at the end of the table."""
        following = session.index + 1
        return self.sessions[following] if following < len(self.sessions) else None

    def previous(self, session: Session) -> Session | None:
        """Return the session before this one; None at the start of the table."""
        return self.sessions[session.index - 1] if session.index > 0 else None

    def first_from(self, instant_ns: int) -> Session | None:
        """Return the first session that opens at or after an instant; None past the end of the table."""
        position = bisect_left(self._opens, instant_ns)
        return self.sessions[position] if position < len(self.sessions) else None

    def last_before(self, instant_ns: int) -> Session | None:
        """Return the last session that has closed by an instant; None before the first close."""
        position = bisect_right(self._closes, instant_ns)
        return self.sessions[position - 1] if position else None

    def of_date(self, session_date: str) -> Session | None:
        """Return the session of a date (YYYY-MM-DD, the exchange's local date); None if the exchange is closed then."""
        position = bisect_left(self.sessions, session_date, key=lambda session: session.date)
        found = position < len(self.sessions) and self.sessions[position].date == session_date
        return self.sessions[position] if found else None

    def n_bars(self, interval_ns: int) -> IntArray:
        """Return how many whole bars each session holds, shape (S,)."""
        return np.array([session.n_bars(interval_ns) for session in self.sessions], dtype=np.int64)

    def bars(self, interval_ns: int) -> IntArray:
        """Return the end of every whole bar of every session, ns UTC, shape (T,), ascending."""
        return self.grid(interval_ns)[0]

    def grid(self, interval_ns: int) -> tuple[IntArray, IntArray, IntArray]:
        """Return bar ends (ns UTC), session index and slot of every whole bar, each of shape (T,)."""
        counts = self.n_bars(interval_ns)
        session_index = np.repeat(np.arange(len(self.sessions), dtype=np.int64), counts)
        first_row = np.cumsum(counts) - counts
        slot = np.arange(len(session_index), dtype=np.int64) - first_row[session_index]
        opens = np.array(self._opens, dtype=np.int64)
        return opens[session_index] + (slot + 1) * interval_ns, session_index, slot


def session_table(calendar: str, start: str, end: str) -> SessionTable:
    """Return the sessions of a calendar from `start` to `end`, both included.

    Parameters
    ----------
    calendar
        "24/7": each UTC day is a session. "simulated": each weekday, 09:30 to 16:00 New York, no holidays and no half
        days (exchange_calendars takes a second to import, which a demo does not have). Else a name that
        exchange_calendars knows, e.g. "XNYS", with its holidays, half days and daylight saving. A lunch break is part
        of the session: its bars are missing ones.
    start, end
        Dates, YYYY-MM-DD.

    Raises
    ------
    ConfigurationError
        Unknown calendar (the nearest known is named), a date that is none, or no session in the range.
    """
    first, last = parse_date("start", start), parse_date("end", end)
    if last < first:
        raise ConfigurationError(f"calendar {calendar}: end {end} is before start {start}; swap them")
    table = _table(calendar, first, last)
    if not table.sessions:
        raise ConfigurationError(f"calendar {calendar}: no session between {start} and {end}; widen the range")
    return table


def calendar_zone(calendar: str) -> str:
    """Return the IANA name of a calendar's time zone.

    Raises
    ------
    ConfigurationError
        Unknown calendar.
    """
    if calendar == ALWAYS_OPEN:
        return "UTC"
    if calendar == SIMULATED:
        return _NEW_YORK.key
    import exchange_calendars

    try:
        return str(exchange_calendars.get_calendar(calendar).tz.key)
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise ConfigurationError(f"calendar {calendar!r} is unknown") from error


def parse_date(name: str, text: str) -> date:
    """Return the date that `text` writes as YYYY-MM-DD.

    Raises
    ------
    ConfigurationError
        It writes none; `name` says whose.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} {text!r} is no date; write YYYY-MM-DD") from error


@lru_cache(maxsize=32)
def _table(calendar: str, first: date, last: date) -> SessionTable:
    if calendar == ALWAYS_OPEN:
        spans = [_utc_day(day) for day in _days(first, last)]
    elif calendar == SIMULATED:
        spans = [_simulated_day(day) for day in _days(first, last) if day.weekday() < 5]
    else:
        spans = _exchange_days(calendar, first, last)
    sessions = (Session(index, day, opens, closes) for index, (day, opens, closes) in enumerate(spans))
    return SessionTable(calendar, tuple(sessions))


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _utc_day(day: date) -> tuple[str, int, int]:
    open_ns = instant_ns(datetime.combine(day, time(0), UTC))
    return day.isoformat(), open_ns, open_ns + NS_PER_DAY


def _simulated_day(day: date) -> tuple[str, int, int]:
    opens = instant_ns(datetime.combine(day, _SIMULATED_OPEN, _NEW_YORK))
    closes = instant_ns(datetime.combine(day, _SIMULATED_CLOSE, _NEW_YORK))
    return day.isoformat(), opens, closes


def _exchange_days(calendar: str, first: date, last: date) -> list[tuple[str, int, int]]:
    """Read sessions from exchange_calendars, over a padded range, since it refuses a range without any session."""
    import exchange_calendars  # here, because the import takes a second that other calendars do not need

    pad = timedelta(days=_PAD_DAYS)
    try:
        exchange = exchange_calendars.get_calendar(calendar, start=first - pad, end=last + pad)
    except exchange_calendars.errors.InvalidCalendarName as error:
        known = [ALWAYS_OPEN, SIMULATED, *exchange_calendars.get_calendar_names()]
        nearest = difflib.get_close_matches(calendar.upper(), known, n=3) or ["XNYS", ALWAYS_OPEN]
        raise ConfigurationError(f"calendar {calendar!r} is unknown; did you mean {' or '.join(nearest)}?") from error
    except (exchange_calendars.errors.CalendarError, ValueError) as error:
        raise ConfigurationError(f"calendar {calendar} has no sessions from {first} to {last}: {error}") from error
    opens = exchange.opens.to_numpy("datetime64[ns]").astype(np.int64).tolist()
    closes = exchange.closes.to_numpy("datetime64[ns]").astype(np.int64).tolist()
    days = [stamp.date() for stamp in exchange.sessions]
    return [
        (day.isoformat(), opens_ns, closes_ns)
        for day, opens_ns, closes_ns in zip(days, opens, closes, strict=True)
        if first <= day <= last
    ]
