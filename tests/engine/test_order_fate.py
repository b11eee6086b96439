"""Orders of which nobody knows whether the venue has them: reserved, asked for, settled by what the venue says."""

from __future__ import annotations

# covers: A12, B5, B15
from collections.abc import Callable

import pytest
from core_desk import Desk, anomalies_of, enter, leave, orders_of

from LIVE_TRADING.common.events import VenueStatus
from LIVE_TRADING.engine.commands import Command, QueryOrder
from LIVE_TRADING.engine.orders import OrderStatus

MakeDesk = Callable[..., Desk]


def queries_of(commands: list[Command]) -> list[str]:
    return [command.client_order_id for command in commands if isinstance(command, QueryOrder)]


def test_an_unknown_order_is_asked_for_and_keeps_its_symbol(desk: Desk) -> None:
    order = desk.enter(fill=False)
    commands = desk.unknown(order)
    assert queries_of(commands) == [order.client_order_id]
    assert anomalies_of(commands) == ["order_unknown"]
    assert desk.record(order).status is OrderStatus.UNKNOWN
    assert desk.record(order).remaining == order.quantity
    assert orders_of(desk.decide(AAA=enter(10))) == []


def test_an_acknowledgement_that_was_under_way_makes_it_known(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.unknown(order)
    desk.ack(order)
    assert desk.record(order).status is OrderStatus.ACCEPTED
    assert desk.unknown(order) == []
    assert desk.record(order).status is OrderStatus.ACCEPTED


def test_what_it_fills_is_booked(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.unknown(order)
    desk.fill(order, 4)
    assert desk.record(order).status is OrderStatus.PARTIALLY_FILLED
    assert desk.answered(order, VenueStatus.CANCELLED, 4) == []
    assert (desk.record(order).status, desk.held()) == (OrderStatus.CANCELLED, 4)


def test_an_order_that_works_is_accepted(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.unknown(order)
    assert desk.answered(order, VenueStatus.WORKING) == []
    assert desk.record(order).status is OrderStatus.ACCEPTED


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (VenueStatus.CANCELLED, OrderStatus.CANCELLED),
        (VenueStatus.REJECTED, OrderStatus.REJECTED),
        (VenueStatus.EXPIRED, OrderStatus.EXPIRED),
        (VenueStatus.ABSENT, OrderStatus.NOT_AT_VENUE),
    ],
)
def test_an_order_that_is_over_frees_its_symbol(desk: Desk, said: VenueStatus, status: OrderStatus) -> None:
    order = desk.enter(fill=False)
    desk.unknown(order)
    assert desk.answered(order, said) == []
    assert desk.record(order).status is status
    assert desk.held() == 0
    assert len(orders_of(desk.decide(AAA=enter(10)))) == 1


def test_absence_that_proves_nothing_settles_nothing(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.unknown(order)
    assert anomalies_of(desk.answered(order, VenueStatus.ABSENT, final=False)) == ["order_unsettled"]
    assert anomalies_of(desk.answered(order, VenueStatus.UNANSWERED, final=False)) == ["order_unsettled"]
    assert desk.record(order).status is OrderStatus.UNKNOWN


def test_an_order_that_had_been_there_is_not_taken_for_one_that_never_was(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.ack(order)
    assert anomalies_of(desk.answered(order, VenueStatus.ABSENT)) == ["order_unsettled"]
    assert desk.record(order).status is OrderStatus.ACCEPTED


def test_a_day_order_of_a_session_before_that_the_venue_lost_works_no_more(desk: Desk) -> None:
    """What is held can be left again; until the next session nobody knows better than that it may still fill."""
    order = desk.enter(fill=False)
    desk.ack(order)
    desk.fill(order, 4)
    desk.decide(AAA=leave())
    assert anomalies_of(desk.answered(order, VenueStatus.ABSENT)) == ["order_unsettled"]
    desk.close()
    assert anomalies_of(desk.answered(order, VenueStatus.ABSENT)) == ["order_unsettled"]
    desk.open(1)
    assert anomalies_of(desk.answered(order, VenueStatus.ABSENT, final=False)) == ["order_unsettled"]
    (exit_order,) = orders_of(desk.answered(order, VenueStatus.ABSENT))
    assert desk.record(order).status is OrderStatus.EXPIRED
    assert exit_order.quantity == 4


def test_where_sessions_never_end_neither_does_an_order(make_desk: MakeDesk) -> None:
    desk = make_desk(calendar="24/7")
    order = desk.enter(fill=False)
    desk.ack(order)
    desk.open(1)
    assert anomalies_of(desk.answered(order, VenueStatus.ABSENT)) == ["order_unsettled"]
    assert desk.record(order).status is OrderStatus.ACCEPTED


@pytest.mark.parametrize("said", [VenueStatus.FILLED, VenueStatus.WORKING, VenueStatus.CANCELLED])
def test_fills_that_are_claimed_without_executions_are_not_invented(desk: Desk, said: VenueStatus) -> None:
    order = desk.enter(fill=False)
    desk.unknown(order)
    assert anomalies_of(desk.answered(order, said, 10)) == ["missing_executions"]
    assert (desk.record(order).status, desk.held()) == (OrderStatus.UNKNOWN, 0)
    desk.fill(order, 10)
    assert (desk.record(order).status, desk.held()) == (OrderStatus.FILLED, 10)


def test_a_partial_fill_is_not_called_filled(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    assert anomalies_of(desk.answered(order, VenueStatus.FILLED, 4)) == ["missing_executions"]
    assert desk.record(order).status is OrderStatus.PARTIALLY_FILLED


def test_a_late_fill_of_an_order_that_was_not_there_is_booked_and_said(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.unknown(order)
    desk.answered(order, VenueStatus.ABSENT)
    assert anomalies_of(desk.fill(order, 10)) == ["late_fill"]
    assert (desk.record(order).status, desk.held()) == (OrderStatus.NOT_AT_VENUE, 10)


def test_the_exit_that_waited_follows_when_the_order_is_settled(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.unknown(order)
    desk.fill(order, 4)
    desk.decide(AAA=leave())
    (exit_order,) = orders_of(desk.answered(order, VenueStatus.CANCELLED, 4))
    assert exit_order.quantity == 4


def test_reports_on_strangers_are_said(desk: Desk) -> None:
    order = desk.enter(fill=False)
    stranger = type(order)(**{name: getattr(order, name) for name in order.__slots__} | {"client_order_id": "foreign"})
    assert anomalies_of(desk.unknown(stranger)) == ["unknown_order"]
    assert anomalies_of(desk.answered(stranger, VenueStatus.WORKING)) == ["unknown_order"]
