"""The venue's book against ours: what counts, what is a mismatch, what each mode does, what an operator may accept.

Every session here is replayed from its journal, and its state read back, when the test is over.
"""

from __future__ import annotations

# covers: B10, P21, R1
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from core_desk import Desk, anomalies_of, cancels_of, enter, leave, orders_of

from LIVE_TRADING.common.events import BrokerSnapshot, ControlRequest
from LIVE_TRADING.engine.commands import BookAdjusted, Command, QueryOrder, RequestSnapshot
from LIVE_TRADING.engine.order_plan import client_order_id
from LIVE_TRADING.engine.orders import OrderStatus
from LIVE_TRADING.risk import TradingState

MakeDesk = Callable[..., Desk]


def snapshot(desk: Desk, *, version: int | None = None, must_count: bool = False, **changes: Any) -> list[Command]:
    """Show the core a venue whose book is its own, but for the changes."""
    state = desk.core.state
    fields: dict[str, Any] = {
        "positions": {symbol: held.quantity for symbol, held in state.ledger.positions.items()},
        "cash": dict(state.ledger.cash),
        "open_orders": tuple(state.orders.open),
        **changes,
    }
    number = state.book_version if version is None else version
    return desk.tell(BrokerSnapshot(number, must_count=must_count, timestamp_ns=desk.bar_end_ns, **fields))


def asked(commands: list[Command]) -> list[tuple[int, bool]]:
    return [(command.after_s, command.must_count) for command in commands if isinstance(command, RequestSnapshot)]


def adjusted(commands: list[Command]) -> list[BookAdjusted]:
    return [command for command in commands if isinstance(command, BookAdjusted)]


def trading(desk: Desk) -> TradingState:
    return desk.core.state.risk.state


DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "quantity": ({"positions": {"AAA": Decimal(7)}}, "AAA other quantity: ledger 10, venue 7"),
    "side": ({"positions": {"AAA": Decimal(-10)}}, "AAA other side: ledger 10, venue -10"),
    "missing": ({"positions": {}}, "AAA missing at the venue: ledger 10, venue 0"),
    "extra": (
        {"positions": {"AAA": Decimal(10), "ZZZ": Decimal(5)}},
        "ZZZ extra at the venue: ledger 0, venue 5",
    ),
    "cash": ({"cash": {"USD": Decimal(1)}}, "cash USD: ledger 98999.99, venue 1"),
    "currency": ({"cash": {"USD": Decimal("98999.99"), "EUR": Decimal(3)}}, "cash EUR: ledger 0, venue 3"),
    "stray": (
        {"open_orders": (client_order_id("n", 1),)},
        f"order {client_order_id('n', 1)} works at the venue and is over here",
    ),
}


def test_equal_books_are_nothing_to_speak_of(desk: Desk) -> None:
    desk.enter()
    assert snapshot(desk) == []
    assert trading(desk) is TradingState.ACTIVE


def test_orders_that_are_not_ours_are_nobodys(desk: Desk) -> None:
    desk.enter()
    assert snapshot(desk, open_orders=("by-hand-1", "x")) == []


@pytest.mark.parametrize("kind", sorted(DIFFERENT))
def test_two_differences_that_agree_halt(desk: Desk, kind: str) -> None:
    desk.enter()
    changes, text = DIFFERENT[kind]
    assert asked(snapshot(desk, **changes)) == [(5, True)]
    assert trading(desk) is TradingState.ACTIVE
    commands = snapshot(desk, **changes)
    assert anomalies_of(commands) == ["book_mismatch"]
    assert text in commands[0].message
    assert trading(desk) is TradingState.HALTED
    assert desk.core.state.risk.latches[-1].message == commands[0].message
    assert snapshot(desk, **changes) == []  # said once


def test_a_difference_that_goes_away_was_none(desk: Desk) -> None:
    desk.enter()
    snapshot(desk, positions={})
    assert snapshot(desk) == []
    assert asked(snapshot(desk, positions={})) == [(5, True)]
    assert trading(desk) is TradingState.ACTIVE


def test_two_differences_that_do_not_agree_are_no_mismatch(desk: Desk) -> None:
    desk.enter()
    snapshot(desk, positions={"AAA": Decimal(3)})
    assert asked(snapshot(desk, positions={"AAA": Decimal(4)})) == [(5, True)]
    assert trading(desk) is TradingState.ACTIVE


@pytest.mark.parametrize("moved", ["fill", "ack", "submit"])
def test_a_snapshot_does_not_count_when_an_order_moved_meanwhile(desk: Desk, moved: str) -> None:
    order = desk.enter(fill=False)
    version = desk.core.state.book_version
    {
        "fill": lambda: desk.fill(order, 4),
        "ack": lambda: desk.ack(order),
        "submit": lambda: desk.decide(BBB=enter(10)),
    }[moved]()
    assert snapshot(desk, version=version, positions={"AAA": Decimal(99)}) == []
    assert asked(snapshot(desk, version=version, must_count=True, positions={})) == [(5, True)]
    assert desk.core.state.reconcile.seen == ""


def test_an_order_that_the_venue_does_not_list_is_asked_for_and_halts_nothing(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.ack(order)
    snapshot(desk, open_orders=())
    commands = snapshot(desk, open_orders=())
    assert [c.client_order_id for c in commands if isinstance(c, QueryOrder)] == [order.client_order_id]
    assert trading(desk) is TradingState.ACTIVE


def test_where_orders_are_lost_and_nothing_else_there_is_no_book_to_take_over(make_desk: MakeDesk) -> None:
    desk = make_desk(reconcile={"mode": "auto_sync"})
    order = desk.enter(fill=False)
    desk.ack(order)
    snapshot(desk, open_orders=())
    commands = snapshot(desk, open_orders=())
    assert adjusted(commands) == []
    assert [c.client_order_id for c in commands if isinstance(c, QueryOrder)] == [order.client_order_id]
    assert f"control settle --order {order.client_order_id} --as not_at_venue" in commands[0].message


@pytest.mark.parametrize(("filled", "status"), [(0, OrderStatus.NOT_AT_VENUE), (4, OrderStatus.CANCELLED)])
def test_adopting_ends_orders_that_the_venue_does_not_list(desk: Desk, filled: int, status: OrderStatus) -> None:
    """The exit that waited for it follows; an execution of it that comes later is booked and told."""
    order = desk.enter(fill=False)
    desk.ack(order)
    if filled:
        desk.fill(order, filled)
        desk.decide(AAA=leave())
    for _ in range(2):
        snapshot(desk, open_orders=())
    accept(desk, "adopt")
    commands = snapshot(desk, open_orders=())
    assert (adjusted(commands), desk.record(order).status) == ([], status)
    assert [order.quantity for order in orders_of(commands)] == ([filled] if filled else [])
    assert anomalies_of(desk.fill(order, 6)) == ["late_fill"]
    assert desk.held() == filled + 6


def test_an_order_on_its_way_need_not_be_listed(desk: Desk) -> None:
    order = desk.enter(fill=False)
    assert snapshot(desk, open_orders=()) == []
    desk.unknown(order)
    assert snapshot(desk, open_orders=()) == [QueryOrder(order.client_order_id)]  # asked for, and no difference


def test_cash_may_be_rounded(desk: Desk) -> None:
    desk.enter()
    cash = desk.core.state.ledger.cash["USD"]
    assert snapshot(desk, cash={"USD": cash + Decimal("0.01")}) == []
    assert asked(snapshot(desk, cash={"USD": cash + Decimal("0.011")})) == [(5, True)]


def test_warn_tells_and_goes_on(make_desk: MakeDesk) -> None:
    desk = make_desk(reconcile={"mode": "warn"})
    desk.enter()
    snapshot(desk, positions={})
    assert anomalies_of(snapshot(desk, positions={})) == ["book_mismatch"]
    assert snapshot(desk, positions={}) == []
    assert trading(desk) is TradingState.ACTIVE


@pytest.mark.parametrize(
    ("quantity", "limit", "state"),
    [
        pytest.param(7, 300.0, TradingState.ACTIVE, id="at-the-limit"),
        pytest.param(7, 299.0, TradingState.HALTED, id="beyond-it"),
        pytest.param(-10, 5_000.0, TradingState.ACTIVE, id="the-other-side"),
        pytest.param(0, 5_000.0, TradingState.ACTIVE, id="gone"),
    ],
)
def test_auto_sync_takes_the_venues_book_up_to_a_limit(
    make_desk: MakeDesk, quantity: int, limit: float, state: TradingState
) -> None:
    desk = make_desk(reconcile={"mode": "auto_sync", "max_auto_sync_usd": limit})
    desk.enter()
    theirs = {"AAA": Decimal(quantity)} if quantity else {}
    snapshot(desk, positions=theirs)
    commands = snapshot(desk, positions=theirs)
    assert trading(desk) is state
    taken = state is TradingState.ACTIVE
    assert desk.held() == (quantity if taken else 10)
    assert len(adjusted(commands)) == taken
    assert (snapshot(desk, positions=theirs) == []) or not taken


def test_what_has_no_price_is_never_taken_over_unasked(make_desk: MakeDesk) -> None:
    desk = make_desk(reconcile={"mode": "auto_sync", "max_auto_sync_usd": 1e12})
    desk.enter()
    theirs = {"AAA": Decimal(10), "ZZZ": Decimal(5)}
    snapshot(desk, positions=theirs)
    snapshot(desk, positions=theirs)
    assert trading(desk) is TradingState.HALTED


def accept(desk: Desk, action: str) -> list[Command]:
    return desk.tell(ControlRequest(action, "looked into it", desk.bar_end_ns))


def test_an_operator_adopts_the_difference_that_was_seen(desk: Desk) -> None:
    desk.enter()
    theirs = {"positions": {"AAA": Decimal(7), "BBB": Decimal(-5)}, "cash": {"USD": Decimal(98_000)}}
    for _ in range(2):
        snapshot(desk, **theirs)
    assert asked(accept(desk, "adopt")) == [(0, False)]
    (taken,) = adjusted(snapshot(desk, **theirs))
    assert taken.positions == {"AAA": Decimal(7), "BBB": Decimal(-5)}
    assert (desk.held("AAA"), desk.held("BBB")) == (7, -5)
    assert desk.core.state.ledger.cash == {"USD": Decimal(98_000)}
    assert snapshot(desk) == []
    assert trading(desk) is TradingState.HALTED  # lifting that is another word
    desk.control("resume")
    desk.decide()
    assert trading(desk) is TradingState.ACTIVE


def test_what_is_adopted_before_any_price_is_worth_nothing_until_there_is_one(desk: Desk) -> None:
    """An account that holds something already, adopted before the first bar: the book can be marked and be kept."""
    for _ in range(2):
        snapshot(desk, positions={"AAA": Decimal(7)})
    accept(desk, "adopt")
    assert len(adjusted(snapshot(desk, positions={"AAA": Decimal(7)}))) == 1
    assert desk.core.state.ledger.positions["AAA"].average_price == 0
    desk.control("resume")
    desk.cycle(AAA=float("nan"), BBB=100.0)
    assert desk.core.state.equity == Decimal(100_000)
    desk.predictions()
    desk.decide(prices={"AAA": 50.0})
    assert desk.core.state.equity == Decimal(100_350)
    assert trading(desk) is TradingState.ACTIVE


def test_another_difference_than_the_adopted_one_is_not_taken_over(desk: Desk) -> None:
    desk.enter()
    for _ in range(2):
        snapshot(desk, positions={"AAA": Decimal(7)})
    accept(desk, "adopt")
    assert adjusted(snapshot(desk, positions={"AAA": Decimal(6)})) == []
    assert adjusted(snapshot(desk, positions={"AAA": Decimal(6)})) == []
    assert desk.held() == 10


def test_a_difference_that_is_ignored_is_left_alone(desk: Desk) -> None:
    desk.enter()
    for _ in range(2):
        snapshot(desk, positions={"AAA": Decimal(10), "ZZZ": Decimal(5)})
    accept(desk, "ignore")
    desk.control("resume")
    assert snapshot(desk, positions={"AAA": Decimal(10), "ZZZ": Decimal(5)}) == []
    assert trading(desk) is TradingState.ACTIVE


def test_resuming_alone_accepts_nothing(desk: Desk) -> None:
    desk.enter()
    for _ in range(2):
        snapshot(desk, positions={})
    desk.control("resume")
    assert trading(desk) is TradingState.ACTIVE
    assert anomalies_of(snapshot(desk, positions={})) == ["book_mismatch"]
    assert trading(desk) is TradingState.HALTED


@pytest.mark.parametrize("action", ["adopt", "ignore"])
def test_where_nothing_differs_nothing_can_be_accepted(desk: Desk, action: str) -> None:
    assert anomalies_of(accept(desk, action)) == ["control_refused"]


def test_adopting_cancels_what_works_there_and_should_not(desk: Desk) -> None:
    order = desk.enter()
    for _ in range(2):
        snapshot(desk, open_orders=(order.client_order_id,))
    accept(desk, "adopt")
    assert cancels_of(snapshot(desk, open_orders=(order.client_order_id,))) == [order.client_order_id]


@pytest.mark.parametrize("outcome", ["not_at_venue", "cancelled", "expired", "rejected"])
def test_an_operator_settles_an_order_of_unknown_fate(desk: Desk, outcome: str) -> None:
    order = desk.enter(fill=False)
    desk.unknown(order)
    desk.tell(ControlRequest("settle", "phoned them", desk.bar_end_ns, order.client_order_id, outcome))
    assert desk.record(order).status.value == outcome
    assert desk.record(order).venue_reason == "settled: phoned them"
    assert len(orders_of(desk.decide(AAA=enter(10)))) == 1


@pytest.mark.parametrize(("order_id", "outcome"), [("nobody", "cancelled"), ("", "filled")])
def test_what_cannot_be_settled_is_refused(desk: Desk, order_id: str, outcome: str) -> None:
    order = desk.enter(fill=False)
    request = ControlRequest("settle", "why", desk.bar_end_ns, order_id or order.client_order_id, outcome)
    assert anomalies_of(desk.tell(request)) == ["control_refused"]


def test_books_are_compared_every_so_many_cycles(make_desk: MakeDesk) -> None:
    desk = make_desk(reconcile={"every_cycles": 3})
    requests = [len(asked(desk.cycle())) + 0 * len(desk.predictions()) for _ in range(7)]
    assert requests == [0, 0, 1, 0, 0, 1, 0]
