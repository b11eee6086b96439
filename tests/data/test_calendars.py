"""Sessions, against published facts of the New York Stock Exchange."""

# covers: B21

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import Session
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.data.calendars import SessionTable, calendar_zone, session_table

FIVE_MINUTES = 5 * NS_PER_MINUTE


def ns(text: str) -> int:
    return int(pd.Timestamp(text).value)


@pytest.mark.parametrize(
    ("date", "open_utc", "close_utc", "n_bars"),
    [
        pytest.param("2025-07-02", "2025-07-02T13:30Z", "2025-07-02T20:00Z", 78, id="summer-day"),
        pytest.param("2025-07-03", "2025-07-03T13:30Z", "2025-07-03T17:00Z", 42, id="half-day-before-independence-day"),
        pytest.param("2025-11-28", "2025-11-28T14:30Z", "2025-11-28T18:00Z", 42, id="half-day-after-thanksgiving"),
        pytest.param("2025-10-31", "2025-10-31T13:30Z", "2025-10-31T20:00Z", 78, id="last-day-of-daylight-saving"),
        pytest.param("2025-11-03", "2025-11-03T14:30Z", "2025-11-03T21:00Z", 78, id="first-day-of-standard-time"),
    ],
)
def test_new_york_sessions(date, open_utc, close_utc, n_bars):
    session = session_table("XNYS", "2025-05-12", "2025-12-12").of_date(date)
    assert session is not None
    assert (session.open_ns, session.close_ns) == (ns(open_utc), ns(close_utc))
    assert session.n_bars(FIVE_MINUTES) == n_bars


@pytest.mark.parametrize(
    "date",
    [
        pytest.param("2025-05-26", id="memorial-day"),
        pytest.param("2025-06-19", id="juneteenth"),
        pytest.param("2025-07-04", id="independence-day"),
        pytest.param("2025-09-01", id="labor-day"),
        pytest.param("2025-11-27", id="thanksgiving"),
        pytest.param("2025-07-05", id="saturday"),
        pytest.param("2030-01-01", id="past-the-table"),
    ],
)
def test_new_york_is_closed(date):
    assert session_table("XNYS", "2025-05-12", "2025-12-12").of_date(date) is None


def test_an_unplanned_closure_is_known():
    assert session_table("XNYS", "2025-01-02", "2025-02-14").of_date("2025-01-09") is None  # day of mourning


def test_a_utc_day_is_a_session_of_what_never_closes():
    table = session_table("24/7", "2024-02-28", "2024-03-01")
    assert [session.date for session in table.sessions] == ["2024-02-28", "2024-02-29", "2024-03-01"]
    assert table.sessions[0].close_ns == table.sessions[1].open_ns == ns("2024-02-29T00:00Z")
    midnight = table.session_of(ns("2024-02-29T00:00Z"))
    assert midnight is not None
    assert midnight.date == "2024-02-28"


def test_the_simulated_calendar_has_every_weekday_and_daylight_saving():
    table = session_table("simulated", "2025-03-06", "2025-03-11")
    assert [session.date for session in table.sessions] == ["2025-03-06", "2025-03-07", "2025-03-10", "2025-03-11"]
    assert table.sessions[1].open_ns == ns("2025-03-07T14:30Z")
    assert table.sessions[2].open_ns == ns("2025-03-10T13:30Z")


def test_a_bar_belongs_to_the_session_in_which_it_ends():
    table = session_table("XNYS", "2025-05-12", "2025-05-13")
    monday, tuesday = table.sessions
    assert table.session_of(monday.open_ns) is None
    assert table.session_of(monday.open_ns + 1) is monday
    assert table.session_of(monday.close_ns) is monday
    assert table.session_of(monday.close_ns + 1) is None
    assert table.session_of(tuesday.close_ns + 1) is None


def test_neighbours():
    table = session_table("XNYS", "2025-05-12", "2025-05-13")
    monday, tuesday = table.sessions
    assert (table.next(monday), table.next(tuesday)) == (tuesday, None)
    assert (table.previous(monday), table.previous(tuesday)) == (None, monday)
    assert table.first_from(monday.open_ns) is monday
    assert table.first_from(monday.open_ns + 1) is tuesday
    assert table.first_from(tuesday.open_ns + 1) is None
    assert table.last_before(monday.close_ns - 1) is None
    assert table.last_before(monday.close_ns) is monday
    assert len(table) == 2


@settings(deadline=None)
@given(minutes=st.sampled_from([1, 5, 7, 30, 60, 390]), first=st.integers(0, 100), length=st.integers(0, 30))
def test_the_grid_agrees_with_the_sessions(minutes, first, length):
    interval_ns = minutes * NS_PER_MINUTE
    whole = session_table("XNYS", "2025-05-12", "2025-12-12").sessions[first : first + length + 1]
    sessions = tuple(Session(index, s.date, s.open_ns, s.close_ns) for index, s in enumerate(whole))
    table = SessionTable("XNYS", sessions)
    bar_end_ns, session_index, slot = table.grid(interval_ns)
    assert np.array_equal(bar_end_ns, table.bars(interval_ns))
    assert (np.diff(bar_end_ns) > 0).all()
    assert len(bar_end_ns) == sum(session.n_bars(interval_ns) for session in sessions)
    for row in range(0, len(bar_end_ns), 97):
        session = table.session_of(int(bar_end_ns[row]))
        assert session is not None
        assert session.index == session_index[row]
        assert session.slot(int(bar_end_ns[row]), interval_ns) == slot[row]


@pytest.mark.parametrize(
    ("calendar", "start", "end", "told"),
    [
        pytest.param("XNYZ", "2025-05-12", "2025-05-13", ["XNYZ", "unknown", "XNYS"], id="unknown-calendar"),
        pytest.param("XNYS", "12.5.2025", "2025-05-13", ["start", "12.5.2025", "YYYY-MM-DD"], id="no-date"),
        pytest.param("XNYS", "2025-05-13", "2025-05-12", ["2025-05-12", "before", "swap"], id="backwards"),
        pytest.param("XNYS", "2025-05-17", "2025-05-18", ["no session", "2025-05-17"], id="a-weekend"),
        pytest.param("XKRX", "1890-01-01", "1890-02-01", ["XKRX", "1890"], id="before-the-calendar-begins"),
    ],
)
def test_ranges_that_cannot_be_used(calendar, start, end, told):
    with pytest.raises(ConfigurationError) as error:
        session_table(calendar, start, end)
    assert all(word in str(error.value) for word in told), error.value


@pytest.mark.parametrize(
    ("sessions", "told"),
    [
        pytest.param((Session(1, "2025-05-12", 0, 10),), "number 0", id="index-is-no-position"),
        pytest.param((Session(0, "2025-05-12", 10, 10),), "empty", id="empty-session"),
        pytest.param((Session(0, "2025-05-12", 0, 10), Session(1, "2025-05-13", 9, 20)), "overlaps", id="overlap"),
    ],
)
def test_tables_that_are_none(sessions, told):
    with pytest.raises(ConfigurationError, match=told):
        SessionTable("own", sessions)


@pytest.mark.parametrize(
    ("calendar", "zone"), [("24/7", "UTC"), ("simulated", "America/New_York"), ("XNYS", "America/New_York")]
)
def test_a_calendar_has_a_time_zone(calendar, zone):
    assert calendar_zone(calendar) == zone


def test_an_unknown_calendar_has_none():
    with pytest.raises(ConfigurationError, match="XNYY"):
        calendar_zone("XNYY")
