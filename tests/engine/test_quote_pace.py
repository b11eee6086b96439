"""How often the core is told of a symbol: at most once a second, every 250 ms where something is open, the newest."""

from __future__ import annotations

# covers: B8, B4
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.events import MarketData, OrderFill, SystemFault
from LIVE_TRADING.engine.queue import EventQueue
from LIVE_TRADING.engine.quote_pace import EXPOSED_NS, IDLE_NS, QuotePace
from LIVE_TRADING.engine.quotes import Quotes

SYMBOLS = ("AAA", "BBB", "CCC")
COLUMN = {symbol: at for at, symbol in enumerate(SYMBOLS)}
MS = 10**6
START = 1_000 * IDLE_NS


@dataclass
class Ledger:
    positions: set[str] = field(default_factory=set)


@dataclass
class Orders:
    symbols: set[str] = field(default_factory=set)

    def has_open(self, symbol: str) -> bool:
        return symbol in self.symbols


@dataclass
class State:
    """What the pace looks at of a core's state."""

    quotes: Quotes = field(default_factory=lambda: Quotes.empty(len(SYMBOLS)))
    ledger: Ledger = field(default_factory=Ledger)
    orders: Orders = field(default_factory=Orders)


class Bench:
    """A pace, its queue, and a core that takes what the queue gives."""

    def __init__(self) -> None:
        self.state, self.queue = State(), EventQueue()
        self.pace = QuotePace(self.queue, COLUMN, lambda: self.state)  # type: ignore[arg-type,return-value]
        self.now_ns = START
        self.taken: list[tuple[int, MarketData]] = []

    def offer(self, symbol: str, made_ns: int | None = None, bid: float = 99.0) -> None:
        self.pace.offer(MarketData(symbol, self.now_ns if made_ns is None else made_ns, bid=bid, ask=101.0))

    def serve(self) -> list[MarketData]:
        """Release what is due and let the core take it; return it."""
        self.pace.release(self.now_ns)
        served = []
        while len(self.queue):
            event = self.queue.pop()
            if isinstance(event, MarketData):
                at = COLUMN[event.asset]
                self.state.quotes = self.state.quotes.with_told(at, event, self.now_ns)
                self.taken.append((self.now_ns, event))
                served.append(event)
        return served

    def wait(self, ns: int) -> list[MarketData]:
        self.now_ns += ns
        return self.serve()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_first_goes_at_once_and_the_next_a_second_later_the_newest(bench: Bench) -> None:
    bench.offer("AAA", bid=99.0)
    assert [told.bid for told in bench.serve()] == [99.0]
    for bid in (98.0, 97.0, 96.0):
        bench.now_ns += 100 * MS
        bench.offer("AAA", bid=bid)
        assert bench.serve() == []
    assert bench.pace.next_ns() == START + IDLE_NS
    assert bench.wait(699 * MS) == []
    assert [told.bid for told in bench.wait(MS)] == [96.0]
    assert bench.pace.next_ns() is None
    counts = bench.pace.counted()
    assert (counts.offered, counts.conflated, counts.old, counts.unknown) == (4, 2, 0, 0)
    assert bench.pace.counted().offered == 0


def test_after_a_pause_nothing_waits(bench: Bench) -> None:
    bench.offer("AAA")
    bench.serve()
    bench.now_ns += IDLE_NS
    bench.offer("AAA")
    assert len(bench.serve()) == 1


@pytest.mark.parametrize("what", ["position", "order"])
def test_where_something_is_open_it_is_every_250_ms(bench: Bench, what: str) -> None:
    (bench.state.ledger.positions if what == "position" else bench.state.orders.symbols).add("AAA")
    bench.offer("AAA")
    bench.offer("BBB")
    assert len(bench.serve()) == 2
    bench.now_ns += MS
    bench.offer("AAA")
    bench.offer("BBB")
    assert [told.asset for told in bench.wait(249 * MS)] == ["AAA"]
    assert [told.asset for told in bench.wait(750 * MS)] == ["BBB"]


def test_what_is_held_when_a_position_is_opened_comes_sooner_with_the_next_quote(bench: Bench) -> None:
    bench.offer("AAA")
    bench.serve()
    bench.now_ns += MS
    bench.offer("AAA", bid=98.0)
    bench.state.ledger.positions.add("AAA")
    bench.now_ns += 300 * MS
    assert bench.serve() == []
    bench.offer("AAA", bid=97.0)
    assert [told.bid for told in bench.serve()] == [97.0]
    assert bench.wait(IDLE_NS) == []  # not once more for the time it had before


def test_one_that_was_released_and_not_taken_yet_is_joined_in_the_queue(bench: Bench) -> None:
    bench.offer("AAA", bid=99.0)
    bench.pace.release(bench.now_ns)
    for number in range(1_000):
        bench.offer("AAA", START + number, bid=50.0 + number)
    assert len(bench.queue) == 1
    assert [told.bid for told in bench.serve()] == [1049.0]


def test_the_pace_is_that_of_what_was_taken_however_long_it_waited_in_the_queue(bench: Bench) -> None:
    bench.offer("AAA")
    bench.pace.release(bench.now_ns)
    bench.now_ns += 900 * MS  # the core was busy
    bench.serve()
    bench.now_ns += 150 * MS
    bench.offer("AAA")
    assert bench.serve() == []
    assert len(bench.wait(850 * MS)) == 1


def test_what_the_core_knows_already_is_not_told_again(bench: Bench) -> None:
    """A recorded feed that is opened again after a restart tells what had been told."""
    bench.offer("AAA", START, bid=99.0)
    bench.serve()
    bench.now_ns += 10 * IDLE_NS
    bench.offer("AAA", START - 1, bid=98.0)
    bench.offer("AAA", START, bid=99.0)
    assert bench.serve() == []
    assert bench.pace.counted().old == 2
    bench.offer("AAA", START, bid=98.0)  # of the same instant, and another
    assert [told.bid for told in bench.serve()] == [98.0]
    bench.now_ns += IDLE_NS
    bench.offer("AAA", START + 1, bid=98.0)  # the same, and fresher
    assert len(bench.serve()) == 1


def test_a_symbol_outside_the_universe_goes_nowhere_and_is_counted(bench: Bench) -> None:
    for _ in range(3):
        bench.offer("ZZZ")
    assert bench.serve() == []
    assert bench.pace.next_ns() is None
    assert bench.pace.counted().unknown == 3


def test_a_storm_in_front_of_a_fill_leaves_it_in_front_and_takes_no_room(bench: Bench) -> None:
    for number in range(100_000):
        bench.offer(SYMBOLS[number % 3], START + number)
        if number % 1_000 == 0:
            bench.pace.release(bench.now_ns)
    bench.pace.release(bench.now_ns)
    bench.queue.put(OrderFill("o", "x", "AAA", None, None, None, None, "USD", 1))  # type: ignore[arg-type]
    assert len(bench.queue) == 4
    assert isinstance(bench.queue.pop(), OrderFill)
    assert sorted(told.timestamp_ns for told in bench.serve()) == [START + 99_997, START + 99_998, START + 99_999]
    counts = bench.pace.counted()
    assert (counts.offered, counts.conflated) == (100_000, 99_997)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.sampled_from(SYMBOLS), st.integers(-400, 0)),
        st.tuples(st.just("pass"), st.just(""), st.sampled_from([1, 40, 100, 250, 600, 1_000])),
        st.tuples(st.just("expose"), st.sampled_from(SYMBOLS), st.just(0)),
        st.tuples(st.just("fault"), st.just(""), st.just(0)),
    ),
    max_size=80,
)


@settings(deadline=None, max_examples=300)
@given(STEPS)
def test_never_more_often_always_the_newest_and_nothing_is_left_behind(steps: list[tuple[str, str, int]]) -> None:
    bench = Bench()
    newest: dict[str, int] = {}
    exposed_ns: dict[str, int] = {}
    for kind, symbol, number in steps:
        if kind == "offer":
            made_ns = bench.now_ns + number * MS
            bench.offer(symbol, made_ns)
            newest[symbol] = max(made_ns, newest.get(symbol, 0))
        elif kind == "pass":
            until_ns = bench.now_ns + number * MS
            while (due_ns := bench.pace.next_ns()) is not None and due_ns <= until_ns:
                served = bench.wait(max(0, due_ns - bench.now_ns))  # as a clock that wakes for it
                assert [told.timestamp_ns for told in served] == [newest[told.asset] for told in served]
            bench.now_ns = until_ns
        elif kind == "expose":
            bench.state.ledger.positions.add(symbol)
            exposed_ns.setdefault(symbol, bench.now_ns)
        else:
            bench.queue.put(SystemFault("feed", "hiccup", "warning", 0))
            bench.serve()
        assert len(bench.queue) <= len(SYMBOLS) + 1
    while (due_ns := bench.pace.next_ns()) is not None:
        assert due_ns <= bench.now_ns + IDLE_NS
        bench.wait(max(0, due_ns - bench.now_ns))
    for symbol in SYMBOLS:
        taken = [(at_ns, told.timestamp_ns) for at_ns, told in bench.taken if told.asset == symbol]
        if symbol in newest:
            assert taken[-1][1] == newest[symbol]
        for (before_ns, _), (at_ns, _) in pairwise(taken):
            is_exposed = at_ns >= exposed_ns.get(symbol, at_ns + 1)
            assert at_ns - before_ns >= (EXPOSED_NS if is_exposed else IDLE_NS)
