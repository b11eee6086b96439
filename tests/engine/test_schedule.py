"""When sessions open and close and cycles are due."""

from __future__ import annotations

# covers: B8, P8
from core_desk import BAR, sessions_of

from LIVE_TRADING.data.calendars import SessionTable
from LIVE_TRADING.engine.schedule import CYCLE, SESSION_CLOSE, SESSION_OPEN, Due, schedule

TABLE = SessionTable("XNYS", sessions_of("XNYS", "2025-11-24", "2025-12-03"))
FIRST, SECOND, HALF = TABLE.sessions[0], TABLE.sessions[1], TABLE.sessions[3]
GRACE = 2 * 10**9


def due(start_ns: int, end_ns: int, grace_ns: int = 0) -> list[Due]:
    return list(schedule(TABLE, BAR, grace_ns, start_ns, end_ns))


def test_a_session_opens_then_each_bar_end_has_its_cycle_then_it_closes() -> None:
    items = due(FIRST.open_ns - 1, FIRST.close_ns, GRACE)
    assert [item.trigger_type for item in items] == [SESSION_OPEN, *[CYCLE] * 78, SESSION_CLOSE]
    cycles = items[1:-1]
    assert [item.scheduled_time_ns for item in cycles] == [FIRST.open_ns + (n + 1) * BAR for n in range(78)]
    assert {item.due_ns - item.scheduled_time_ns for item in cycles} == {GRACE}
    assert (items[0].due_ns, items[-1].due_ns) == (FIRST.open_ns, FIRST.close_ns + GRACE)
    assert [item.due_ns for item in items] == sorted(item.due_ns for item in items)


def test_a_start_within_a_session_opens_it_there_and_leaves_out_what_is_past() -> None:
    start = FIRST.open_ns + 10 * BAR
    items = due(start, FIRST.close_ns)
    assert (items[0].trigger_type, items[0].due_ns, items[0].scheduled_time_ns) == (SESSION_OPEN, start, FIRST.open_ns)
    assert items[1].scheduled_time_ns == start + BAR
    assert len(items) == 2 + 68


def test_an_end_within_a_session_leaves_it_open() -> None:
    items = due(FIRST.open_ns, FIRST.open_ns + 3 * BAR)
    assert [item.trigger_type for item in items] == [SESSION_OPEN, CYCLE, CYCLE, CYCLE]


def test_a_half_day_closes_early() -> None:
    items = due(HALF.open_ns, HALF.close_ns)
    assert sum(item.trigger_type == CYCLE for item in items) == 42
    assert items[-1].due_ns == HALF.close_ns


def test_from_the_close_on_it_is_the_next_session() -> None:
    items = due(FIRST.close_ns, SECOND.open_ns + BAR)
    assert [item.session.date for item in items] == [SECOND.date] * 2


def test_where_nothing_closes_one_day_is_over_before_the_next_opens() -> None:
    table = SessionTable("24/7", sessions_of("24/7", "2025-11-24", "2025-12-03"))
    day, after = table.sessions[:2]
    items = list(schedule(table, BAR, GRACE, day.close_ns - BAR, after.open_ns + BAR))
    assert [(item.trigger_type, item.session.date) for item in items] == [
        (SESSION_OPEN, day.date),
        (CYCLE, day.date),
        (SESSION_CLOSE, day.date),
        (SESSION_OPEN, after.date),
        (CYCLE, after.date),
    ]


def test_the_event_carries_when_it_was_queued() -> None:
    event = due(FIRST.open_ns, FIRST.close_ns)[1].event(123)
    assert (event.trigger_type, event.scheduled_time_ns, event.actual_time_ns) == (CYCLE, FIRST.open_ns + BAR, 123)
