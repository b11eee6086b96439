"""The order state machine: reports may come late, twice or out of order, and end the same."""

from __future__ import annotations

# covers: A12, A5, B5
import random
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

import pytest
from core_desk import plan_of
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.events import (
    OrderAck,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFill,
    OrderReject,
    Stamped,
)
from LIVE_TRADING.common.types import Leg, Order, Side
from LIVE_TRADING.engine import orders as orders_module
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.order_plan import client_order_id
from LIVE_TRADING.engine.orders import (
    ASK_AGAIN_NS,
    REMEMBERED_CLOSED_ORDERS,
    TERMINAL,
    OrderBook,
    OrderRecord,
    OrderStatus,
)
from LIVE_TRADING.engine.run_setup import RunPlan
from LIVE_TRADING.engine.sending import submit

QUANTITY = 12


def order_of(number: int = 1, time_ns: int = 0, leg: Leg = Leg.ENTRY) -> Order:
    return Order(client_order_id("n", number), number, "AAA", Side.BUY, Decimal(QUANTITY), leg, time_ns)


ORDER = order_of()


@lru_cache(maxsize=1)
def plan() -> RunPlan:
    return plan_of()


def core_with_order() -> EngineCore:
    core = plan().core()
    state, _ = submit(core.state, ORDER, 33, 0)
    core.restore(state)
    return core


def fill(number: int, amount: int, price: str = "100") -> OrderFill:
    return OrderFill(
        ORDER.client_order_id, f"x{number}", "AAA", Side.BUY, Decimal(price), Decimal(amount), Decimal("0.1"), "USD", 5
    )


def ended(reports: list[OrderEvent]) -> dict[str, object]:
    core = core_with_order()
    for seq, report in enumerate(reports, start=1):
        core.handle(Stamped(seq, seq, report))
    state = core.state
    record = state.orders.find(ORDER.client_order_id)
    assert record is not None
    return {
        "status": record.status,
        "filled": record.filled,
        "notional": record.filled_notional,
        "executions": sorted(record.executions),
        "remaining": record.remaining,
        "is_open": ORDER.client_order_id in state.orders.open,
        "cash": state.ledger.cash,
        "held": state.ledger.quantity("AAA"),
        "fees": state.ledger.fees,
    }


@st.composite
def histories(draw: st.DrawFn) -> list[OrderEvent]:
    """What a venue may report of one order, in the order in which it happened."""
    cuts = sorted(draw(st.sets(st.integers(1, QUANTITY - 1), max_size=4)))
    whole = draw(st.booleans())
    edges = [0, *cuts, QUANTITY] if whole else [0, *cuts]
    pairs = list(pairwise(edges))
    prices = draw(st.lists(st.sampled_from(["99.5", "100", "101.25"]), min_size=len(pairs), max_size=len(pairs)))
    fills: list[OrderEvent] = [fill(n, b - a, p) for n, ((a, b), p) in enumerate(zip(pairs, prices, strict=True))]
    ends: list[OrderEvent] = [OrderCancelled(ORDER.client_order_id, 9), OrderExpired(ORDER.client_order_id, 9)]
    if not cuts and not whole:
        return [OrderReject(ORDER.client_order_id, "no", 9)]
    return [OrderAck(ORDER.client_order_id, 1), *fills, *([] if whole else [draw(st.sampled_from(ends))])]


@settings(max_examples=150, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_shuffled_and_repeated_reports_end_the_same(history: list[OrderEvent], chance: random.Random) -> None:
    repeated = history + chance.choices(history, k=chance.randrange(4))
    chance.shuffle(repeated)
    assert ended(repeated) == ended(history)


@settings(max_examples=50, deadline=None)
@given(histories())
def test_a_terminal_state_is_final(history: list[OrderEvent]) -> None:
    core = core_with_order()
    final: OrderStatus | None = None
    for seq, report in enumerate([*history, *history, *reversed(history)], start=1):
        core.handle(Stamped(seq, seq, report))
        record = core.state.orders.find(ORDER.client_order_id)
        assert record is not None
        if final is not None:
            assert record.status is final
        if record.status.is_terminal:
            final = record.status
    assert final in TERMINAL


def test_the_status_follows_from_the_cumulative_quantity() -> None:
    record = OrderRecord(ORDER, OrderStatus.SUBMITTED, 33)
    record = record.with_fill(fill(1, 5, "100")).with_fill(fill(2, 6, "102"))
    assert (record.status, record.filled, record.remaining) == (OrderStatus.PARTIALLY_FILLED, 11, 1)
    assert record.filled_notional == 1112
    record = record.with_fill(fill(3, 4))
    assert (record.status, record.filled, record.remaining) == (OrderStatus.FILLED, 15, 0)


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_fill_after_the_end_counts_and_the_status_stays(status: OrderStatus) -> None:
    record = OrderRecord(ORDER, status, 33).with_fill(fill(1, QUANTITY))
    assert (record.status, record.filled, record.remaining) == (status, QUANTITY, 0)


def test_a_cancel_is_asked_for_once_and_after_a_while_again() -> None:
    record = OrderRecord(ORDER, OrderStatus.ACCEPTED, 33)
    assert record.may_ask_cancel(0)
    asked = OrderRecord(ORDER, OrderStatus.ACCEPTED, 33, cancel_asked_ns=100)
    assert not asked.may_ask_cancel(100 + ASK_AGAIN_NS - 1)
    assert asked.may_ask_cancel(100 + ASK_AGAIN_NS)


def test_only_exits_leave() -> None:
    leaves = {leg: OrderRecord(order_of(leg=leg), OrderStatus.ACCEPTED, 33).leaves for leg in Leg}
    assert leaves == {Leg.ENTRY: False, Leg.RESIZE: False, Leg.EXIT: True, Leg.FLATTEN: True}


def test_the_book_knows_open_and_closed_orders_and_no_others() -> None:
    book = OrderBook({}, {}).with_record(OrderRecord(ORDER, OrderStatus.SUBMITTED, 33))
    assert ORDER.client_order_id in book
    assert book.of_symbol("AAA")[0].order is ORDER
    assert book.of_symbol("BBB") == ()
    closed = book.with_record(OrderRecord(ORDER, OrderStatus.REJECTED, 33))
    assert (closed.open, closed.of_symbol("AAA")) == ({}, ())
    assert ORDER.client_order_id in closed
    assert "other" not in closed
    assert closed.find("other") is None
    assert book.open  # the earlier book is as it was


def test_a_day_of_orders_is_remembered_and_memory_stays_flat() -> None:
    """A venue that repeats its day after a reconnect does not book it twice, however many orders the day had."""
    book = OrderBook({}, {})
    for session in range(4):
        book = book.without_closed_before((session - 1) * 10_000)
        for number in range(2_500):
            order = order_of(session * 2_500 + number, session * 10_000 + number)
            book = book.with_record(OrderRecord(order, OrderStatus.FILLED, 33))
        today = [order_of(session * 2_500 + number).client_order_id for number in range(2_500)]
        assert all(order_id in book for order_id in today)
        assert len(book.closed) <= 5_000
    assert order_of(0).client_order_id not in book


def test_a_quiet_week_keeps_the_last_thousand() -> None:
    book = OrderBook({}, {})
    for number in range(1_200):
        book = book.with_record(OrderRecord(order_of(number, number), OrderStatus.FILLED, 33))
    book = book.without_closed_before(10**9)
    assert len(book.closed) == REMEMBERED_CLOSED_ORDERS
    assert next(iter(book.closed)) == order_of(200).client_order_id


def test_strangers_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders_module, "REMEMBERED_STRANGERS", 100)
    book = OrderBook({}, {})
    for number in range(105):
        book = book.with_stranger(f"x{number}")
    assert book.strangers == tuple(f"x{number}" for number in range(5, 105))


def test_ids_are_unique_and_short() -> None:
    ids = {client_order_id(nonce, number) for nonce in ("a", "b") for number in range(5_000)}
    assert len(ids) == 10_000
    assert {len(one) for one in ids} == {29}
    assert all(one.startswith("lt-") for one in ids)
    # printf n:1 | openssl dgst -sha256 -binary | head -c16 | base32
    assert client_order_id("n", 1) == "lt-zfsqjshezechajtiip7iky623e"
