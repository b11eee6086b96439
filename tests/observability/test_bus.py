"""The bus: order, failing listeners, notices emitted by listeners."""

# covers: P19

from __future__ import annotations

from notice_samples import emit_all

from LIVE_TRADING.observability import EventType, Notice, NoticeBus
from LIVE_TRADING.observability.emit import emit_error, emit_kill_switch


def test_listeners_hear_what_they_asked_for_in_order() -> None:
    bus, heard = NoticeBus(), []
    bus.subscribe("a", lambda notice: heard.append(("a", notice.type)))
    bus.subscribe("b", lambda notice: heard.append(("b", notice.type)), [EventType.KILL_SWITCH])
    emit_error(bus, 1, component="x", message="m")
    emit_kill_switch(bus, 2, source="file", reason="r")
    assert heard == [("a", EventType.ERROR), ("a", EventType.KILL_SWITCH), ("b", EventType.KILL_SWITCH)]


def test_a_broken_listener_stops_nobody_and_is_told_of_once() -> None:
    bus, heard = NoticeBus(), []

    def broken(notice: Notice) -> None:
        raise ZeroDivisionError("oh")

    bus.subscribe("broken", broken)
    bus.subscribe("good", heard.append)
    for time_ns in (1, 2, 3):
        emit_error(bus, time_ns, component="x", message="m")
    assert [(notice.type, notice.time_ns) for notice in heard] == [
        (EventType.ERROR, 1),
        (EventType.LISTENER_FAILED, 1),
        (EventType.ERROR, 2),
        (EventType.ERROR, 3),
    ]
    assert heard[1].fields == {"listener": "broken", "message": "ZeroDivisionError: oh"}
    assert bus.failures == {"broken": 4}


def test_a_listener_that_emits_is_heard_after_the_notice_in_hand() -> None:
    bus, heard = NoticeBus(), []

    def answer(notice: Notice) -> None:
        if notice.type is EventType.ERROR:
            emit_kill_switch(bus, notice.time_ns, source="cli", reason="answer")

    bus.subscribe("answer", answer)
    bus.subscribe("ear", lambda notice: heard.append(notice.type))
    emit_error(bus, 1, component="x", message="m")
    assert heard == [EventType.ERROR, EventType.KILL_SWITCH]


def test_an_unsubscribed_listener_hears_nothing() -> None:
    bus, heard = NoticeBus(), []
    bus.subscribe("ear", heard.append)
    bus.unsubscribe(heard.append)
    bus.unsubscribe(print)
    emit_all(bus)
    assert heard == []
