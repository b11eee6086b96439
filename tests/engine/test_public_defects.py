"""Defects that systems of this kind are known for, each as a story through the real shell or driver, with its journal.

Where a venue is played wrong, it is the paper venue, made to repeat, reorder, forget or fail; what the ledger ought to
hold then is the venue's own book, or what a venue that behaves gives. Every folder is replayed when its story is over.
"""

from __future__ import annotations

# covers: B5, B11, B15, A12, P21
import asyncio
import itertools
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from core_desk import Desk, Wish, anomalies_of, enter, leave, orders_of

from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.brokers.interface import OrderReport
from LIVE_TRADING.brokers.simulated import PaperBroker
from LIVE_TRADING.common.async_clock import RealTimeClock, VirtualClock
from LIVE_TRADING.common.bridge import ReportBridge
from LIVE_TRADING.common.events import (
    BrokerSnapshot,
    Event,
    OrderAck,
    OrderEvent,
    OrderFill,
    Stamped,
    SystemFault,
    VenueStatus,
)
from LIVE_TRADING.common.exceptions import BrokerConnectionError, ReconciliationError
from LIVE_TRADING.common.file_layer import OS_FILES
from LIVE_TRADING.common.types import Action, Order, Side
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.instruments import instruments_for
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine import ledger
from LIVE_TRADING.engine import orders as orders_module
from LIVE_TRADING.engine.commands import Command, CycleDecided, QueryOrder
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.ledger import Ledger
from LIVE_TRADING.engine.orders import OrderBook, OrderRecord, OrderStatus
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.resume import recorded_run, start_core
from LIVE_TRADING.engine.segments import form_of, list_segments
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.engine.venue_link import VenueLink
from LIVE_TRADING.observability import EventType, NoticeBus
from LIVE_TRADING.risk import TradingState
from tests.support.runs import LOW_COST, PlainForecast, exchange_for, facts_of
from tests.support.scripted_sessions import bar_end, listened, panel, start_ns
from tests.support.told import Ear, MoodyBroker, OnCycle, run_told

MakeDesk = Callable[..., Desk]
CONFIG = EngineConfig.model_validate(LOW_COST | {"reconcile": {"every_cycles": 0}})
NOBODY = "by-hand-1"


class Venue(MoodyBroker):
    """The paper venue; its book can be looked at when all is over."""

    made: list[Venue]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        type(self).made.append(self)

    @property
    def positions(self) -> dict[str, Decimal]:
        return {symbol: quantity for symbol, quantity in self._exchange.positions.items() if quantity}

    @property
    def cash(self) -> dict[str, Decimal]:
        return {"USD": self._exchange.cash}

    def executions(self) -> list[OrderFill]:
        return list(self._exchange.executions(0))


Play = Callable[..., tuple[CoreState, Any, Ear]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """Return what runs a session over a venue of a class and gives state, venue and what was told.

    A second call goes on in the same folder. When the test is over, the folder replays to the state it ended with.
    """
    ended: list[CoreState] = []

    def run(
        venue: type[Venue] = Venue, on_cycle: OnCycle | None = None, max_cycles: int = 8, **options: Any
    ) -> tuple[CoreState, Venue, Ear]:
        venue.made = []
        monkeypatch.setattr("tests.support.told.MoodyBroker", venue)
        bus, ear = listened()
        engine = run_told(
            panel(),
            CONFIG,
            bus,
            start_ns=start_ns(),
            state_dir=tmp_path,
            on_cycle=on_cycle,
            max_cycles=max_cycles,
            **options,
        )
        ended[:] = [engine.core.state]
        return engine.core.state, venue.made[0], ear

    yield run
    assert_replays_to(tmp_path, ended[0])


def assert_replays_to(state_dir: Path, state: CoreState) -> None:
    run = recorded_run(state_dir)
    assert run is not None
    core = start_core(state_dir, run)
    assert feed_journal(core, read_journal(state_dir / FOLDER)).difference is None
    assert (core.state.ledger, core.state.orders) == (state.ledger, state.orders)


def held(book: Ledger) -> dict[str, Decimal]:
    return {symbol: position.quantity for symbol, position in book.positions.items()}


def assert_same_book(state: CoreState, venue: Venue) -> None:
    assert (held(state.ledger), state.ledger.cash) == (venue.positions, venue.cash)


def records_of(orders: OrderBook) -> list[OrderRecord]:
    return [*orders.open.values(), *orders.closed.values()]


def fill_of(order: Order, amount: str, price: str, execution_id: str, now_ns: int, **changes: Any) -> OrderFill:
    fields: dict[str, Any] = {
        "order_id": order.client_order_id,
        "execution_id": execution_id,
        "symbol": order.symbol,
        "side": order.side,
        "fill_price": Decimal(price),
        "fill_amount": Decimal(amount),
        "commission": Decimal("0.25"),
        "currency": "USD",
        "timestamp_ns": now_ns,
        **changes,
    }
    return OrderFill(**fields)


def first_closed(engine: TradingEngine) -> OrderRecord:
    return next(iter(engine.core.state.orders.closed.values()))


def at(number: int, what: Callable[[TradingEngine, Venue, int], None]) -> OnCycle:
    """Do something after the decision of one bar end."""

    def on_cycle(engine: TradingEngine, broker: MoodyBroker, now_ns: int) -> None:
        if now_ns == bar_end(number):
            assert isinstance(broker, Venue)
            what(engine, broker, now_ns)

    return on_cycle


# -- reports that come again, late, in another order -------------------------------------------------------------------


class SaysTwice(Venue):
    """Says everything twice in a row."""

    again: OrderEvent | None = None

    async def get_next_event(self) -> OrderEvent:
        event, self.again = self.again, None
        if event is None:
            event = self.again = await super().get_next_event()
        return event


def test_a_duplicate_report_is_booked_once(play: Play) -> None:
    state, venue, _ = play(SaysTwice)
    executions = venue.executions()
    assert len(executions) > 5
    assert state.digest.fill_count == len(executions)
    assert_same_book(state, venue)


def test_a_day_that_is_repeated_after_a_restart_is_booked_once(play: Play) -> None:
    play(max_cycles=4)
    before: list[int] = []

    def repeat_all(engine: TradingEngine, venue: Venue, now_ns: int) -> None:
        before.append(engine.core.state.digest.fill_count)
        venue.say(*venue.executions())

    state, venue, _ = play(on_cycle=at(6, repeat_all), max_cycles=4)
    assert before[0] > 5
    assert state.digest.fill_count == len(venue.executions())
    assert_same_book(state, venue)


def test_executions_of_days_ago_are_booked_once_while_an_older_order_is_open(
    make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart asks for executions from the oldest open order on, so what closed since then has to be known."""
    monkeypatch.setattr(orders_module, "REMEMBERED_CLOSED_ORDERS", 0)
    desk = make_desk()
    desk.open(0)
    doubtful = desk.enter("BBB", 5, fill=False)
    desk.unknown(doubtful)
    order = desk.enter("AAA", 10, fill=False)
    desk.fill(order, 10, execution_id="of monday")
    for number in (1, 2, 3):
        desk.close()
        desk.open(number)
    assert anomalies_of(desk.fill(order, 10, execution_id="of monday")) == ["duplicate_report"]
    assert desk.held() == 10
    desk.answered(doubtful, VenueStatus.ABSENT)
    desk.close()
    desk.open(4)
    assert order.client_order_id not in desk.core.state.orders  # and is forgotten when nothing asks for it any more


@pytest.mark.parametrize("first", ["of nobody", "of ours"])
def test_an_execution_that_comes_again_under_another_order_is_booked_once(desk: Desk, first: str) -> None:
    """An id is one execution, whatever order it is told of: the record of one that was nobody's may come later."""
    order = desk.enter("AAA", 10, fill=False)
    told = {"of ours": order, "of nobody": replace(order, client_order_id=NOBODY)}
    desk.fill(told.pop(first), 10, execution_id="s1")
    (again,) = told.values()
    assert anomalies_of(desk.fill(again, 10, execution_id="s1")) == ["duplicate_report"]
    assert desk.held() == 10


class ClockBehind:
    """A venue whose clock is two seconds behind ours, asked for an order that has filled at once."""

    proves_absence = True

    def __init__(self, fill: OrderFill) -> None:
        self.fill = fill

    async def get_order(self, client_order_id: str) -> OrderReport:
        return OrderReport(client_order_id, VenueStatus.FILLED, self.fill.fill_amount)

    async def get_executions(self, since_ns: int) -> list[OrderFill]:
        return [self.fill] if self.fill.timestamp_ns >= since_ns else []


def test_an_execution_stamped_by_a_clock_behind_ours_is_found(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.unknown(order)
    fill = fill_of(order, "10", "100", "x1", order.decision_time_ns - 2 * NS_PER_S)
    heard: list[Event] = []
    venue: Any = ClockBehind(fill)
    link = VenueLink(venue, VirtualClock(desk.bar_end_ns), heard.append, lambda: desk.core.state)
    asyncio.run(link.query(order.client_order_id))
    for event in heard:
        desk.tell(event)
    assert (desk.record(order).status, desk.held()) == (OrderStatus.FILLED, 10)


class AcksLast(Venue):
    """Acknowledges an order only after something has filled."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kept: list[OrderEvent] = []
        self.let_go = False

    async def get_next_event(self) -> OrderEvent:
        while True:
            if self.let_go and self.kept:
                return self.kept.pop(0)
            self.let_go = False
            event = await super().get_next_event()
            if isinstance(event, OrderAck):
                self.kept.append(event)
                continue
            self.let_go = isinstance(event, OrderFill)
            return event


def test_what_is_filled_is_not_pending_again_by_a_late_acknowledgement(play: Play) -> None:
    steps: dict[str, list[OrderStatus]] = {}

    def look(engine: TradingEngine, broker: MoodyBroker, now_ns: int) -> None:
        for record in records_of(engine.core.state.orders):
            steps.setdefault(record.order.client_order_id, []).append(record.status)
            if record.filled and not record.status.is_terminal:
                assert record.status is OrderStatus.PARTIALLY_FILLED

    state, venue, _ = play(AcksLast, look, exchange=ExchangeConfig(participation_frac=0.0001))
    seen = {step for history in steps.values() for step in itertools.pairwise(history)}
    assert (OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED) in seen
    after_a_fill = {later for earlier, later in seen if earlier in (OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED)}
    assert after_a_fill.isdisjoint({OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.UNKNOWN})
    assert_same_book(state, venue)


def test_equal_times_are_handled_first_in_first_out(play: Play, tmp_path: Path) -> None:
    """Forty reports of one instant, of two kinds: each kind stands in the journal in the order of its coming."""

    def say(engine: TradingEngine, venue: Venue, now_ns: int) -> None:
        order = replace(first_closed(engine).order, client_order_id=NOBODY)
        fills = [fill_of(order, "1", "10", f"s{number:02d}", now_ns) for number in range(20)]
        acks = [OrderAck(f"nobody-{number:02d}", now_ns) for number in range(20)]
        venue.say(*itertools.chain.from_iterable(zip(acks, fills, strict=True)))

    play(on_cycle=at(3, say), max_cycles=5)
    on_file = [record for record in read_journal(tmp_path / FOLDER) if record.kind == "event"]
    fills = [r.data[1]["execution_id"] for r in on_file if r.data[0] == "OrderFill" and r.data[1]["order_id"] == NOBODY]
    acks = [r.data[1]["order_id"] for r in on_file if r.data[0] == "OrderAck" and "nobody" in r.data[1]["order_id"]]
    assert fills == [f"s{number:02d}" for number in range(20)]
    assert acks == [f"nobody-{number:02d}" for number in range(20)]
    assert [record.seq for record in on_file] == list(range(1, len(on_file) + 1))


# -- fills that surprise -----------------------------------------------------------------------------------------------


class FillsAnyway(Venue):
    """Takes no cancel seriously."""

    async def cancel_order(self, client_order_id: str) -> None:
        return None


def test_a_fill_while_trading_is_halted_is_booked(play: Play) -> None:
    working: list[int] = []

    def halt(engine: TradingEngine, venue: Venue, now_ns: int) -> None:
        working.append(len(engine.core.state.orders.open))
        engine.control("halt", "lunch")

    state, venue, _ = play(FillsAnyway, at(3, halt))
    assert state.risk.state is TradingState.HALTED
    late = [execution for execution in venue.executions() if execution.timestamp_ns >= bar_end(3)]
    assert working[0] > 0
    assert len(late) >= working[0]
    assert_same_book(state, venue)


def test_a_fill_beyond_the_cash_at_hand_is_booked_and_said(play: Play) -> None:
    def say(engine: TradingEngine, venue: Venue, now_ns: int) -> None:
        venue.say(fill_of(first_closed(engine).order, "1000000", "10", "huge", now_ns, side=Side.BUY))

    state, venue, ear = play(on_cycle=at(3, say), max_cycles=5)
    missing = state.ledger.cash["USD"] - venue.cash["USD"]
    assert missing == -(1_000_000 * Decimal(10)) - Decimal("0.25")
    assert "overfill" in str([notice.fields for notice in ear.of(EventType.SURPRISING_FILL)])


def test_an_overfill_is_booked_and_said(play: Play) -> None:
    said: list[OrderRecord] = []

    def say(engine: TradingEngine, venue: Venue, now_ns: int) -> None:
        said.append(first_closed(engine))
        venue.say(fill_of(said[0].order, "3", "10", "too much", now_ns))

    state, venue, ear = play(on_cycle=at(3, say), max_cycles=5)
    record = state.orders.find(said[0].order.client_order_id)
    assert record is not None
    assert said[0].status is record.status is OrderStatus.FILLED
    assert record.filled == record.order.quantity + 3
    symbol, sign = record.order.symbol, record.order.side.sign
    assert state.ledger.quantity(symbol) - venue.positions.get(symbol, Decimal(0)) == 3 * sign
    assert ear.of(EventType.SURPRISING_FILL)


def test_a_fill_of_an_unknown_order_is_booked_once_and_said(play: Play) -> None:
    def say(engine: TradingEngine, venue: Venue, now_ns: int) -> None:
        order = replace(first_closed(engine).order, client_order_id=NOBODY, symbol=panel().symbols[0], side=Side.BUY)
        stranger = fill_of(order, "7", "10", "s1", now_ns)
        venue.say(stranger, stranger)

    state, venue, ear = play(on_cycle=at(3, say), max_cycles=5)
    symbol = panel().symbols[0]
    assert state.ledger.quantity(symbol) - venue.positions.get(symbol, Decimal(0)) == 7
    assert NOBODY in str([notice.fields for notice in ear.of(EventType.SURPRISING_FILL)])


def test_an_exception_between_cash_and_position_books_neither_and_the_next_start_books_both(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first opening fill of the session fails in the middle of the ledger."""
    opened = ledger._open
    failed: list[OrderFill] = []

    def fails_once(fill: OrderFill, *rest: Any) -> Any:
        if not failed:
            failed.append(fill)
            raise ZeroDivisionError("in the middle of a booking")
        return opened(fill, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_open", fails_once)
        state, venue, ear = play(max_cycles=4)
        booked = Decimal(0)
        for fill in venue.executions():
            if fill.execution_id != failed[0].execution_id:
                booked -= fill.side.sign * fill.fill_amount * fill.fill_price + fill.commission
        assert state.ledger.cash["USD"] == Decimal(100_000) + booked
        assert state.ledger.quantity(failed[0].symbol) != venue.positions[failed[0].symbol]
        assert state.risk.state is TradingState.HALTED
        assert ear.of(EventType.HANDLER_FAILED)
    state, venue, _ = play(max_cycles=1)
    assert_same_book(state, venue)


def test_two_fills_at_the_same_time_are_both_booked(tmp_path: Path) -> None:
    """Two threads of an SDK, three hundred fills of one symbol each, as fast as they can."""
    symbol, each = panel().symbols[0], 300
    at_once = threading.Barrier(2)

    def callbacks(venue: Bridged, source: int) -> None:
        at_once.wait()
        for number in range(each):
            venue.bridge.put(stranger(symbol, f"{source}:{number}"))

    handled: list[str] = []

    def seen(stamped: Stamped, loop_stop: Callable[[], None]) -> None:
        if isinstance(stamped.event, OrderFill):
            handled.append(stamped.event.execution_id)
            if len(handled) == 2 * each:
                loop_stop()

    state = idle_session(tmp_path, [lambda venue, n=n: callbacks(venue, n) for n in range(2)], seen)
    assert len(set(handled)) == 2 * each
    assert state.ledger.quantity(symbol) == 2 * each
    assert state.ledger.cash["USD"] == Decimal(100_000) - 2 * each * (Decimal(10) + Decimal("0.01"))
    assert_replays_to(tmp_path, state)


# -- orders ------------------------------------------------------------------------------------------------------------


def test_a_cancel_erases_no_executed_fill_and_a_part_is_never_called_filled(play: Play) -> None:
    """A thin market: orders fill in parts, and are cancelled on the way."""

    def look(engine: TradingEngine, broker: MoodyBroker, now_ns: int) -> None:
        if now_ns == bar_end(4):
            engine.control("halt", "cancels what works")
        for record in records_of(engine.core.state.orders):
            if record.filled < record.order.quantity:
                assert record.status is not OrderStatus.FILLED
            if record.filled and not record.status.is_terminal:
                assert record.status is OrderStatus.PARTIALLY_FILLED

    state, venue, _ = play(on_cycle=look, exchange=ExchangeConfig(participation_frac=0.0001))
    executed: dict[str, Decimal] = {}
    for fill in venue.executions():
        executed[fill.order_id] = executed.get(fill.order_id, Decimal(0)) + fill.fill_amount
    records = {record.order.client_order_id: record for record in records_of(state.orders)}
    cancelled = [r for r in records.values() if r.status is OrderStatus.CANCELLED and 0 < r.filled < r.order.quantity]
    assert cancelled
    assert {order_id: record.filled for order_id, record in records.items() if record.filled} == executed
    assert_same_book(state, venue)


class NeverThere(Venue):
    """Breaks off before an order arrives, and does not answer questions."""

    asked: list[str]
    sent: list[str]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.asked, self.sent = [], []

    async def submit_order(self, order: Order) -> None:
        raise BrokerConnectionError("broke off")

    async def get_order(self, client_order_id: str) -> OrderReport | None:
        raise BrokerConnectionError("no answer")


class Answers(NeverThere):
    """The same venue on the next day: it works, and what it is asked and sent is written down in order."""

    async def submit_order(self, order: Order) -> None:
        self.sent.append(order.client_order_id)
        await MoodyBroker.submit_order(self, order)

    async def get_order(self, client_order_id: str) -> OrderReport | None:
        assert not self.sent  # first what is on file, then new orders
        self.asked.append(client_order_id)
        return await MoodyBroker.get_order(self, client_order_id)


def test_every_order_on_file_is_asked_for_after_a_restart_before_a_new_one_leaves(play: Play) -> None:
    state, _, _ = play(NeverThere, max_cycles=3)
    doubtful = set(state.orders.open)
    assert doubtful
    assert OrderStatus.UNKNOWN in {record.status for record in state.orders.open.values()}
    state, venue, _ = play(Answers, max_cycles=3)
    assert set(venue.asked) == doubtful
    assert {state.orders.closed[order_id].status for order_id in doubtful} == {OrderStatus.NOT_AT_VENUE}
    assert venue.sent
    assert doubtful.isdisjoint(venue.sent)
    assert_same_book(state, venue)


def test_an_order_of_unknown_fate_is_asked_for_again_while_the_engine_runs(desk: Desk) -> None:
    """A venue that was silent for longer than the questions lasted is asked again when the books are compared."""
    order = desk.enter(fill=False)
    desk.unknown(order)
    desk.answered(order, VenueStatus.UNANSWERED, final=False)

    def compared(*, must_count: bool) -> list[Command]:
        state = desk.core.state
        told = (state.book_version, {}, dict(state.ledger.cash), (), must_count, desk.bar_end_ns)
        return desk.tell(BrokerSnapshot(*told))

    assert compared(must_count=True) == []  # a start has just asked
    assert compared(must_count=False) == [QueryOrder(order.client_order_id)]
    desk.answered(order, VenueStatus.ABSENT)
    assert compared(must_count=False) == []


def test_an_order_that_never_reached_the_venue_does_not_block_the_close(desk: Desk) -> None:
    desk.enter("AAA", 10)
    (more,) = orders_of(desk.decide(AAA=Wish(Action.HOLD, 25)))
    desk.unknown(more)
    assert orders_of(desk.decide(AAA=leave())) == []  # while nobody knows, nothing that could double it leaves
    (exit_order,) = orders_of(desk.answered(more, VenueStatus.ABSENT))
    assert (exit_order.side, exit_order.quantity) == (Side.SELL, 10)
    desk.fill(exit_order, 10)
    assert desk.held() == 0


def test_an_order_that_nobody_can_find_does_not_block_the_close_for_ever(desk: Desk) -> None:
    """Where a venue cannot prove absence, an operator says what has become of it."""
    desk.enter("AAA", 10)
    (more,) = orders_of(desk.decide(AAA=Wish(Action.HOLD, 25)))
    desk.unknown(more)
    desk.decide(AAA=leave())
    assert anomalies_of(desk.answered(more, VenueStatus.ABSENT, final=False)) == ["order_unsettled"]
    (exit_order,) = orders_of(desk.settle(more, "not_at_venue"))
    assert exit_order.quantity == 10


class Counts(Venue):
    """Writes down what is sent."""

    sent: list[Order]

    async def submit_order(self, order: Order) -> None:
        self.sent.append(order)
        await super().submit_order(order)


def test_ids_do_not_start_over_at_a_restart(play: Play) -> None:
    Counts.sent = []
    for cycles in (3, 1, 2, 3):
        play(Counts, max_cycles=cycles)
    ids = [order.client_order_id for order in Counts.sent]
    assert len(ids) > 10
    assert len(set(ids)) == len(ids)
    assert [order.order_number for order in Counts.sent] == list(range(1, len(ids) + 1))


def copied(state_dir: Path, to: Path) -> None:
    shutil.copytree(state_dir, to, ignore=shutil.ignore_patterns("paper_venue.json", ".lock"))


def restored(copy: Path, state_dir: Path) -> None:
    """Put a copy in the place of all but the venue's own book."""
    shutil.rmtree(state_dir / FOLDER)
    for path in state_dir.glob("*.*"):
        if path.name != "paper_venue.json":
            path.unlink()
    shutil.copytree(copy, state_dir, dirs_exist_ok=True)


def cut(copy: Path, state_dir: Path) -> None:
    """Leave of the journal what the copy has and a third of what its last segment grew by, and nothing else newer.

    Anything newer would give the cut away. What the copy's checkpoints follow is kept, wherever the segments fell.
    """
    last = list_segments(copy / FOLDER)[-1]
    n_kept = len(form_of(last, OS_FILES)[1])
    for segment in list_segments(state_dir / FOLDER):
        if segment.first_seq < last.first_seq:
            continue
        data = form_of(segment, OS_FILES)[1]
        for path in (segment.plain, segment.packed):
            path.unlink(missing_ok=True)
        if segment.first_seq == last.first_seq:
            segment.plain.write_bytes(data[: n_kept + (len(data) - n_kept) // 3])
    exports = set(state_dir.glob("*.json")) - {state_dir / "paper_venue.json"}
    arrays = {path for path in state_dir.glob("arrays-*") if not (copy / path.name).exists()}
    for later in exports | arrays:
        later.unlink()


def refused_there(ear: Ear) -> set[str]:
    told = ear.of(EventType.ORDER_REJECTED)
    return {notice.fields["client_order_id"] for notice in told if notice.fields["source"] == "venue"}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(restored, id="restored-from-a-copy"),
        pytest.param(cut, id="journal-cut"),
    ],
)
def test_ids_do_not_start_over_in_a_folder_that_is_older_than_what_was_sent(
    play: Play, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, damage: Callable[[Path, Path], None]
) -> None:
    Counts.sent = []
    copy = tmp_path_factory.mktemp("copies") / "copy"
    play(Counts, max_cycles=3)
    copied(tmp_path, copy)
    play(Counts, max_cycles=4)
    damage(copy, tmp_path)
    n_sent = len(Counts.sent)
    for _ in range(2):  # until a person has looked
        with pytest.raises(ReconciliationError, match="state folder is older than what was sent"):
            play(Counts, max_cycles=3)
    assert len(Counts.sent) == n_sent
    # what works there is over here: two looks, then the operator's word for it
    play(Counts, max_cycles=3, words=("adopt", "resume"))
    state, venue, ear = play(Counts, max_cycles=3)
    ids = [order.client_order_id for order in Counts.sent]
    assert len(ids) > n_sent
    assert len(set(ids)) == len(ids)
    assert refused_there(ear) == set()
    assert state.risk.state is TradingState.ACTIVE
    assert state.digest.fill_count <= len(venue.executions())
    assert_same_book(state, venue)


def test_a_venue_that_knows_an_id_which_is_new_here_halts(
    play: Play, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The orders that are lost were cancelled before anything filled: nothing at the venue shows them."""
    Counts.sent = []
    copy = tmp_path_factory.mktemp("copies") / "copy"
    play(Counts, max_cycles=3)
    copied(tmp_path, copy)

    play(Counts, on_cycle=lambda engine, venue, now_ns: engine.control("halt", "lunch"), max_cycles=1)
    n_sent = len(Counts.sent)
    restored(copy, tmp_path)
    state, _, ear = play(Counts, max_cycles=3)
    assert state.risk.state is TradingState.HALTED
    assert [latch.rule_id for latch in state.risk.latches] == ["old_state_folder"]
    ids = [order.client_order_id for order in Counts.sent]
    again = set(ids[:n_sent]) & set(ids[n_sent:])
    assert again
    assert refused_there(ear) == again
    with pytest.raises(ReconciliationError, match="has had"):
        play(Counts)
    state, venue, ear = play(Counts, max_cycles=4, words=("resume",))
    assert len(Counts.sent) > len(ids)
    assert refused_there(ear) == set()
    assert_same_book(state, venue)


# -- two orders on the same cash ---------------------------------------------------------------------------------------


def rejected_by(desk: Desk, **wishes: Wish) -> tuple[list[str], list[str]]:
    """Return the symbols that were ordered in a cycle, and the rules that refused others."""
    commands = desk.decide(**wishes)
    (result,) = (command.result for command in commands if isinstance(command, CycleDecided))
    return [order.symbol for order in orders_of(commands)], [no.rule_id for no in result.rejections]


# the rule that keeps the room, and a book that may be worth 1,500 USD by it: one order of 1,000, not two
SMALL: dict[str, dict[str, Any]] = {
    "gross_limit": {"risk": {"max_gross": 0.015, "limit_tolerance_frac": 0.0}},
    "buying_power": {
        "risk": {"max_gross": 3.0, "initial_margin_frac": 1.0},
        "engine": {"initial_cash_usd": 1500.0},
    },
}


@pytest.fixture(params=sorted(SMALL))
def rule(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def small(make_desk: MakeDesk, rule: str) -> Desk:
    """A desk whose book, or whose cash, is small."""
    desk = make_desk(**SMALL[rule])
    desk.open(0)
    return desk


def test_two_orders_of_one_cycle_do_not_spend_the_same_room(small: Desk, rule: str) -> None:
    sent, refused = rejected_by(small, AAA=enter(10), BBB=enter(10))
    assert (len(sent), refused) == (1, [rule])


def test_an_order_at_work_keeps_its_room_in_later_cycles(small: Desk, rule: str) -> None:
    order = small.enter("AAA", 10, fill=False)
    small.ack(order)
    assert rejected_by(small, BBB=enter(10)) == ([], [rule])
    small.fill(order, 4)
    assert rejected_by(small, BBB=enter(10)) == ([], [rule])
    small.cancelled(order)
    assert rejected_by(small, BBB=enter(10)) == (["BBB"], [])


def test_an_order_of_unknown_fate_keeps_its_room_until_it_is_settled(small: Desk, rule: str) -> None:
    order = small.enter("AAA", 10, fill=False)
    small.unknown(order)
    assert rejected_by(small, BBB=enter(10)) == ([], [rule])
    small.answered(order, VenueStatus.ABSENT, final=False)
    assert rejected_by(small, BBB=enter(10)) == ([], [rule])
    small.answered(order, VenueStatus.ABSENT)
    assert rejected_by(small, BBB=enter(10)) == (["BBB"], [])


@pytest.mark.parametrize("rule", ["buying_power"])
def test_cash_is_never_spent_twice_over_a_whole_session(small: Desk) -> None:
    """With three times the equity allowed as exposure, a cash account still pays for all that it holds."""
    for _ in range(3):
        for order in orders_of(small.decide(AAA=enter(4), BBB=enter(7), CCC=enter(9))):
            small.fill(order, order.quantity)
        assert small.core.state.ledger.cash["USD"] >= 0
    held = {symbol: int(one.quantity) for symbol, one in small.core.state.ledger.positions.items()}
    assert sum(held.values()) <= 15  # of 100 USD each
    assert len(held) == 2


# -- errors and waiting ------------------------------------------------------------------------------------------------

ODD_FAULTS = [
    SystemFault("feed", "a message", "warning", 0),
    SystemFault("feed", "", "error", 0),
    SystemFault("", "x" * 100_000, "no such severity", 0),
    SystemFault("disk_low", "\udcff no text at all", "warning", 0),
    SystemFault("feed", "{} %s \x00 \n", "critical", -1),
]


def raises(notice: object) -> None:
    raise ZeroDivisionError("whoever listens to errors has one of its own")


@pytest.mark.parametrize("fault", ODD_FAULTS, ids=range(len(ODD_FAULTS)))
def test_an_error_event_raises_nothing(play: Play, monkeypatch: pytest.MonkeyPatch, fault: SystemFault) -> None:
    heard = NoticeBus.subscribe

    def subscribe(bus: NoticeBus, name: str, listener: Any, *types: Any) -> None:
        heard(bus, name, listener, *types)
        if name == "ear":
            heard(bus, "broken", raises, [EventType.ERROR, EventType.TRADING_STATE_CHANGED])

    monkeypatch.setattr(NoticeBus, "subscribe", subscribe)
    decided: list[int] = []

    def put(engine: TradingEngine, broker: MoodyBroker, now_ns: int) -> None:
        decided.append(now_ns)
        if now_ns == bar_end(3):
            engine._shell.put(fault)

    state, venue, _ = play(on_cycle=put, max_cycles=6)
    assert max(decided) == bar_end(6)
    assert_same_book(state, venue)


class Bridged(PaperBroker):
    """Reports come from an SDK's threads."""

    bridge: ReportBridge[OrderEvent]

    async def connect(self) -> None:
        await super().connect()
        self.bridge = ReportBridge()

    async def get_next_event(self) -> OrderEvent:
        return await self.bridge.get()


class SilentFeed:
    """A source that can only be listened to, and has nothing to say."""

    def __init__(self, market: BarPanel) -> None:
        inner = HistoricalDataProvider(market)
        self.symbols, self.interval_ns, self.sessions = market.symbols, market.interval_ns, market.sessions
        self.get_quote, self.get_historical, self.get_adv = inner.get_quote, inner.get_historical, inner.get_adv

    async def stream(self) -> Any:
        await asyncio.Event().wait()
        yield


def stranger(symbol: str, execution_id: str) -> OrderFill:
    cent = Decimal("0.01")
    return OrderFill(NOBODY, execution_id, symbol, Side.BUY, Decimal(10), Decimal(1), cent, "USD", start_ns())


def idle_session(
    state_dir: Path,
    threads: list[Callable[[Bridged], None]],
    seen: Callable[[Stamped, Callable[[], None]], None],
) -> CoreState:
    """Run the shell in real time over a feed that is silent; the threads start once the first event was handled."""
    market = panel()
    opened_ns = market.sessions.sessions[0].open_ns
    clock = RealTimeClock(opened_ns)
    venue = Bridged(exchange_for(market, opened_ns), market.sessions, clock)
    started: list[threading.Thread] = []

    def observe(stamped: Stamped, commands: object) -> None:
        if not started:
            started.extend(threading.Thread(target=work, args=(venue,)) for work in threads)
            for thread in started:
                thread.start()
        seen(stamped, engine.request_stop)

    engine = TradingEngine(
        venue,
        SilentFeed(market),
        None,
        PlainForecast((), 3),
        config=CONFIG,
        clock=clock,
        facts=facts_of(market),
        instruments=instruments_for(market.symbols),
        start_ns=opened_ns,
        state_dir=state_dir,
        observers=[observe],
        nonce="n",
    )
    with closing(engine):
        asyncio.run(asyncio.wait_for(engine.run(), 120))
    for thread in started:
        thread.join()
    return engine.core.state


def test_an_idle_feed_does_not_hold_up_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One report after the other into a shell that waits, and looks round by itself only once in an hour."""
    monkeypatch.setattr("LIVE_TRADING.engine.shell.LOOK_EVERY_S", 3600.0)
    symbol, count = panel().symbols[0], 15
    handled = threading.Semaphore(0)
    took_s: list[float] = []

    def callbacks(venue: Bridged) -> None:
        for number in range(count):
            put_s = time.perf_counter()
            venue.bridge.put(stranger(symbol, str(number)))
            if not handled.acquire(timeout=60):
                return
            took_s.append(time.perf_counter() - put_s)

    def seen(stamped: Stamped, stop: Callable[[], None]) -> None:
        if isinstance(stamped.event, OrderFill):
            handled.release()
            if stamped.event.execution_id == str(count - 1):
                stop()

    state = idle_session(tmp_path, [callbacks], seen)
    assert state.ledger.quantity(symbol) == count
    # looked for every half second, hardly one would be handled sooner; on a busy machine some are late all the same
    assert statistics.quantiles(took_s)[0] < 0.25
