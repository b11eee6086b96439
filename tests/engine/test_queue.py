"""The event queue: by class, first in first out within one, nothing starves, quotes conflated by symbol."""

from __future__ import annotations

# covers: B8, P8, B3, B4
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.common.events import (
    PRIORITY,
    ControlRequest,
    CycleAborted,
    Event,
    MarketData,
    OrderAck,
    OrderFill,
    OrderReject,
    PredictionsReady,
    Priority,
    ScheduledTrigger,
    SystemFault,
)
from LIVE_TRADING.common.types import BarBatch, Session
from LIVE_TRADING.engine.queue import SERVED_BEFORE_A_LOWER_CLASS, EventQueue

SESSION = Session(0, "2025-01-02", 0, 100)
NAN = np.full(1, np.nan)


def event_of(kind: Priority, number: int) -> Event:
    made: dict[Priority, Event] = {
        Priority.SYSTEM: SystemFault("any", "any", "warning", number),
        Priority.FILL: OrderFill("o", f"{number}", "A", None, None, None, None, "USD", number),  # type: ignore[arg-type]
        Priority.REJECT: OrderReject("o", "no", number),
        Priority.ORDER: OrderAck("o", number),
        Priority.PREDICTIONS: PredictionsReady(number, NAN, None, None),
        Priority.BARS: BarBatch(number, 1, NAN, NAN, NAN, NAN, NAN, NAN, NAN),
        Priority.TRIGGER: ScheduledTrigger("cycle", number, SESSION, number),
        Priority.MARKET_DATA: MarketData(f"S{number}", number, bid=99.0, ask=101.0),  # each of a symbol of its own
    }
    return made[kind]


def number_of(event: Event) -> int:
    return next(
        int(getattr(event, name))
        for name in ("cycle_time_ns", "bar_end_ns", "scheduled_time_ns", "timestamp_ns")
        if hasattr(event, name)
    )


def drained(queue: EventQueue) -> list[Event]:
    return [queue.pop() for _ in range(len(queue))]


def test_classes_are_served_in_their_order() -> None:
    queue = EventQueue()
    for kind in reversed(Priority):
        queue.put(event_of(kind, 1))
    assert [PRIORITY[type(event)] for event in drained(queue)] == list(Priority)


def test_events_of_one_class_keep_their_order_whatever_their_type() -> None:
    queue = EventQueue()
    events = [OrderAck("o", 1), ControlRequest("halt", "why", 2), OrderAck("o", 3)]
    for event in events:
        queue.put(event)
    assert drained(queue) == events
    for late in (ScheduledTrigger("cycle", 1, SESSION, 1), CycleAborted(2, "timeout")):
        queue.put(late)
    assert [number_of(event) for event in drained(queue)] == [1, 2]


def test_after_64_of_higher_classes_what_has_waited_longest_is_served() -> None:
    queue = EventQueue()
    queue.put(event_of(Priority.BARS, 1))
    queue.put(event_of(Priority.TRIGGER, 2))
    for number in range(200):
        queue.put(event_of(Priority.FILL, number))
    order = [PRIORITY[type(event)] for event in drained(queue)]
    assert order.index(Priority.BARS) == SERVED_BEFORE_A_LOWER_CLASS
    assert order.index(Priority.TRIGGER) == 2 * SERVED_BEFORE_A_LOWER_CLASS + 1


@pytest.mark.parametrize("n_fills", range(SERVED_BEFORE_A_LOWER_CLASS - 2, SERVED_BEFORE_A_LOWER_CLASS + 3))
def test_bars_come_before_their_trigger_however_many_fills_went_before(n_fills: int) -> None:
    queue = EventQueue()
    queue.put(event_of(Priority.BARS, 1))
    for number in range(n_fills):
        queue.put(event_of(Priority.FILL, number))
    queue.put(event_of(Priority.TRIGGER, 1))
    order = [PRIORITY[type(event)] for event in drained(queue)]
    assert order.index(Priority.BARS) < order.index(Priority.TRIGGER)


def test_no_class_starves_while_two_above_it_never_rest() -> None:
    queue = EventQueue()
    queue.put(event_of(Priority.TRIGGER, 1))
    for served in itertools.count():
        queue.put(event_of(Priority.FILL, served))
        queue.put(event_of(Priority.REJECT, served))
        if PRIORITY[type(queue.pop())] is Priority.TRIGGER:
            break
    assert served == SERVED_BEFORE_A_LOWER_CLASS


@given(st.lists(st.one_of(st.sampled_from(Priority), st.none()), max_size=400))
def test_within_a_class_first_in_is_first_out_and_nothing_is_lost(script: list[Priority | None]) -> None:
    """None serves one event; what is left is served at the end."""
    queue, put, served = EventQueue(), 0, []
    for step in script:
        if step is not None:
            queue.put(event_of(step, put))
            put += 1
        elif len(queue):
            served.append(queue.pop())
    served += drained(queue)
    assert len(served) == put
    for kind in Priority:
        numbers = [number_of(event) for event in served if PRIORITY[type(event)] is kind]
        assert numbers == sorted(numbers)


@given(st.lists(st.sampled_from(Priority), min_size=1, max_size=300))
def test_of_the_highest_class_no_more_than_one_lower_goes_before(kinds: list[Priority]) -> None:
    queue = EventQueue()
    for number, kind in enumerate(kinds):
        queue.put(event_of(kind, number))
    waiting = sorted(kinds)
    exceptions = 0
    while len(queue):
        kind = PRIORITY[type(queue.pop())]
        exceptions += kind is not waiting[0]
        waiting.remove(kind)
    assert exceptions <= len(kinds) // SERVED_BEFORE_A_LOWER_CLASS


# -- quotes ------------------------------------------------------------------------------------------------------------


def quote(symbol: str, number: int) -> MarketData:
    return MarketData(symbol, number, bid=100.0 + number, ask=101.0 + number)


def test_of_the_quotes_of_a_symbol_the_newest_waits_at_the_place_of_the_first() -> None:
    queue = EventQueue()
    for symbol, number in (("A", 1), ("B", 2), ("A", 3), ("C", 4), ("A", 5), ("B", 6)):
        queue.put(quote(symbol, number))
    assert len(queue) == 3
    assert queue.waits("A")
    assert drained(queue) == [quote("A", 5), quote("B", 6), quote("C", 4)]
    assert not queue.waits("A")
    queue.put(quote("A", 7))
    assert drained(queue) == [quote("A", 7)]


def test_a_quote_that_is_overtaken_on_its_way_does_not_push_out_a_newer_one() -> None:
    queue = EventQueue()
    queue.put(quote("A", 9))
    queue.put(quote("A", 4))
    assert drained(queue) == [quote("A", 9)]


def test_a_storm_of_quotes_delays_no_fill_and_takes_no_more_room_than_a_quote_each() -> None:
    queue, symbols = EventQueue(), [f"S{number:03d}" for number in range(500)]
    for number in range(100_000):
        queue.put(quote(symbols[number % 500], number))
    queue.put(event_of(Priority.FILL, 1))
    assert len(queue) == 501
    assert isinstance(queue.pop(), OrderFill)
    assert drained(queue) == [quote(symbol, 99_500 + at) for at, symbol in enumerate(symbols)]


def test_quotes_do_not_starve_while_every_class_above_them_never_rests() -> None:
    queue = EventQueue()
    queue.put(quote("A", 1))
    for served in itertools.count():
        for kind in Priority:
            if kind is not Priority.MARKET_DATA:
                queue.put(event_of(kind, served))
        if isinstance(queue.pop(), MarketData):
            break
    assert served == SERVED_BEFORE_A_LOWER_CLASS


QUOTES = st.tuples(st.sampled_from("ABC"), st.integers(0, 50))


@given(st.lists(st.one_of(st.sampled_from(Priority), st.none(), QUOTES), max_size=400))
def test_nothing_but_quotes_is_conflated(script: list[Priority | tuple[str, int] | None]) -> None:
    """None serves one event, a pair puts a quote of a symbol that was made then; what is left is served at the end."""
    queue, served = EventQueue(), []
    put: dict[Priority, list[int]] = {kind: [] for kind in Priority}
    waiting: dict[str, int] = {}  # order: of the place in the queue

    def serve() -> None:
        event = queue.pop()
        if isinstance(event, MarketData) and event.asset in "ABC":
            assert event.timestamp_ns == waiting.pop(event.asset)  # the newest, and one of each
        served.append(event)

    for number, step in enumerate(script):
        if step is None:
            if len(queue):
                serve()
        elif isinstance(step, Priority):
            queue.put(event_of(step, number))
            put[step].append(number)
        else:
            symbol, made = step
            queue.put(quote(symbol, made))
            waiting[symbol] = max(made, waiting.get(symbol, 0))
        n_plain = sum(map(len, put.values())) - sum(not is_shared(event) for event in served)
        assert len(queue) == n_plain + len(waiting)
    while len(queue):
        serve()
    assert not waiting
    for kind in Priority:
        numbers = [number_of(event) for event in served if PRIORITY[type(event)] is kind and not is_shared(event)]
        assert numbers == put[kind]


def is_shared(event: Event) -> bool:
    return isinstance(event, MarketData) and event.asset in "ABC"


@given(st.lists(st.sampled_from("ABCDE"), max_size=60))
def test_symbols_are_served_in_the_order_in_which_they_began_to_wait(symbols: list[str]) -> None:
    queue = EventQueue()
    for number, symbol in enumerate(symbols):
        queue.put(quote(symbol, number))
    assert [event.asset for event in drained(queue)] == list(dict.fromkeys(symbols))  # type: ignore[union-attr]


def test_an_empty_queue_says_so() -> None:
    with pytest.raises(IndexError, match="empty"):
        EventQueue().pop()
