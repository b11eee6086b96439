"""Orders that cross each other and the session's end: exits wait, cancels are asked again, nothing is left behind."""

from __future__ import annotations

# covers: B5, A12, A18, P22
from collections.abc import Callable
from decimal import Decimal

import pytest
from core_desk import (
    BAR,
    SYMBOLS,
    Desk,
    Wish,
    anomalies_of,
    cancels_of,
    enter,
    leave,
    orders_of,
    risk_reason,
)

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action, Leg, Side
from LIVE_TRADING.engine.orders import ASK_AGAIN_NS, OrderStatus

MakeDesk = Callable[..., Desk]


def test_an_order_from_sending_to_its_last_fill(desk: Desk) -> None:
    (order,) = orders_of(desk.decide(AAA=enter(10)))
    assert (order.leg, order.side, order.quantity) == (Leg.ENTRY, Side.BUY, Decimal(10))
    assert desk.record(order).status is OrderStatus.SUBMITTED
    desk.ack(order)
    assert desk.record(order).status is OrderStatus.ACCEPTED
    desk.fill(order, 4)
    assert (desk.record(order).status, desk.record(order).remaining) == (OrderStatus.PARTIALLY_FILLED, Decimal(6))
    desk.fill(order, 6)
    assert (desk.record(order).status, desk.record(order).remaining) == (OrderStatus.FILLED, Decimal(0))
    assert desk.held() == 10
    assert not desk.core.state.orders.open


def test_the_rest_of_an_entry_works_on_and_no_second_order_is_sent(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    for _ in range(3):
        commands = desk.decide(AAA=Wish(Action.HOLD, 20))
        assert orders_of(commands) == []
        assert risk_reason(commands) is Reason.WORKING_ORDER
    desk.fill(order, 6)
    assert orders_of(desk.decide(AAA=Wish(Action.HOLD, 20)))[0].leg is Leg.RESIZE


def test_an_exit_waits_for_the_cancel_of_the_entry_and_leaves_what_had_filled(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    commands = desk.decide(AAA=leave())
    assert (orders_of(commands), cancels_of(commands)) == ([], [order.client_order_id])
    assert risk_reason(commands) is Reason.CANCEL_WORKING
    (exit_order,) = orders_of(desk.cancelled(order))
    assert (exit_order.leg, exit_order.side, exit_order.quantity) == (Leg.EXIT, Side.SELL, Decimal(4))
    assert desk.record(exit_order).reason == Reason.EXIT_REVERSED
    desk.fill(exit_order, 4)
    assert desk.held() == 0


def test_an_exit_that_waited_is_sent_when_the_entry_fills_instead(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    desk.decide(AAA=leave())
    (exit_order,) = orders_of(desk.fill(order, 6))
    assert (exit_order.leg, exit_order.quantity) == (Leg.EXIT, Decimal(10))
    assert anomalies_of(desk.cancel_rejected(order)) == ["cancel_rejected"]
    desk.fill(exit_order, 10)
    assert desk.held() == 0
    # nothing of it is left: the next order of the symbol is cancelled without an exit behind it
    again = desk.enter(fill=False)
    desk.fill(again, 5)
    desk.control("halt")
    assert orders_of(desk.cancelled(again)) == []
    assert desk.held() == 5


def test_an_exit_that_waited_follows_a_fill_that_comes_after_the_cancel(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    desk.decide(AAA=leave())
    (exit_order,) = orders_of(desk.cancelled(order))
    desk.fill(exit_order, 4)
    commands = desk.fill(order, 2)
    assert anomalies_of(commands) == ["late_fill"]
    (second,) = orders_of(commands)
    assert (second.leg, second.quantity) == (Leg.EXIT, Decimal(2))
    assert desk.record(order).status is OrderStatus.CANCELLED


def test_a_late_fill_while_the_exit_works_is_left_to_the_next_decision(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    desk.decide(AAA=leave())
    (exit_order,) = orders_of(desk.cancelled(order))
    assert orders_of(desk.fill(order, 2)) == []
    desk.fill(exit_order, 4)
    assert desk.held() == 2
    (second,) = orders_of(desk.decide(AAA=leave()))
    assert (second.leg, second.quantity) == (Leg.EXIT, Decimal(2))


def test_an_exit_that_works_is_not_doubled(desk: Desk) -> None:
    desk.enter(shares=10)
    (exit_order,) = orders_of(desk.decide(AAA=leave()))
    desk.fill(exit_order, 3)
    commands = desk.decide(AAA=leave())
    assert (orders_of(commands), cancels_of(commands)) == ([], [])
    assert risk_reason(commands) is Reason.WORKING_ORDER
    desk.fill(exit_order, 7)
    assert desk.held() == 0
    (trade,) = desk.core.state.trades
    assert (trade.max_quantity, trade.exit_reason) == (Decimal(10), Reason.EXIT_REVERSED)


def test_a_cancel_that_was_refused_is_asked_for_again(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    assert cancels_of(desk.decide(AAA=leave())) == [order.client_order_id]
    desk.cancel_rejected(order)
    assert cancels_of(desk.decide(AAA=leave())) == [order.client_order_id]
    assert orders_of(desk.cancelled(order))[0].leg is Leg.EXIT


def test_a_cancel_without_an_answer_is_asked_for_again_at_the_next_bar_end(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    desk.decide(AAA=leave())
    assert cancels_of(desk.cycle()) == [order.client_order_id]
    assert cancels_of(desk.predictions(AAA=leave())) == []  # just asked
    assert BAR >= ASK_AGAIN_NS


def test_an_exit_decided_while_a_cancel_is_under_way_follows_it(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    desk.cycle()
    assert cancels_of(desk.control("halt")) == [order.client_order_id]
    desk.control("resume")
    commands = desk.predictions(AAA=leave())
    assert (cancels_of(commands), risk_reason(commands)) == ([], Reason.CANCEL_WORKING)
    assert orders_of(desk.cancelled(order))[0].leg is Leg.EXIT


@pytest.mark.parametrize("how", ["rejected", "expired"])
def test_an_order_that_ends_without_filling_leaves_no_exit_behind(desk: Desk, how: str) -> None:
    order = desk.enter(fill=False)
    desk.decide(AAA=leave())
    assert orders_of(getattr(desk, how)(order)) == []
    assert desk.record(order).status == how
    assert not desk.core.state.orders.open


def test_an_exit_refused_by_the_venue_is_decided_anew(desk: Desk) -> None:
    desk.enter()
    (first,) = orders_of(desk.decide(AAA=leave()))
    desk.rejected(first)
    assert desk.record(first).venue_reason == "no margin"
    (second,) = orders_of(desk.decide(AAA=leave()))
    assert second.client_order_id != first.client_order_id


def test_a_reversal_is_an_exit_and_after_it_an_entry(desk: Desk) -> None:
    desk.enter(shares=10)
    (exit_order,) = orders_of(desk.decide(AAA=Wish(Action.REVERSE, 0)))
    assert (exit_order.leg, exit_order.quantity) == (Leg.EXIT, Decimal(10))
    desk.fill(exit_order, 10)
    (entry,) = orders_of(desk.decide(AAA=enter(-10)))
    assert (entry.leg, entry.side) == (Leg.ENTRY, Side.SELL)


# -- the session's end -----------------------------------------------------------------------------------------------


def test_nothing_is_sent_that_no_bar_can_fill(desk: Desk) -> None:
    desk.enter()
    commands = desk.decide(slot=77, AAA=leave())
    assert (orders_of(commands), risk_reason(commands)) == ([], Reason.SESSION_CLOSED)


def test_day_orders_end_with_the_session_and_the_position_goes_overnight(desk: Desk) -> None:
    desk.enter(shares=10)
    (exit_order,) = orders_of(desk.decide(slot=76, AAA=leave(Reason.EXIT_SESSION_END)))
    desk.cycle(slot=77)
    desk.fill(exit_order, 4)
    desk.expired(exit_order)
    desk.predictions()
    desk.close()
    assert desk.record(exit_order).status is OrderStatus.EXPIRED
    assert desk.expired(exit_order) == []  # exactly once
    assert desk.held() == 6
    desk.open(1)
    (second,) = orders_of(desk.decide(AAA=leave()))
    assert (second.leg, second.quantity) == (Leg.EXIT, Decimal(6))


def test_an_exit_does_not_follow_a_cancel_that_comes_after_the_close(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    desk.decide(slot=76, AAA=leave())
    assert orders_of(desk.cancelled(order, now_ns=desk.session.close_ns)) == []
    assert desk.held() == 4


@pytest.mark.parametrize(
    ("horizon", "filled", "cancelled"),
    [
        pytest.param("15m", 0, True, id="intraday-untouched"),
        pytest.param("15m", 3, False, id="intraday-partly-filled-is-left-by-its-own-exit"),
        pytest.param("1d", 0, False, id="1d-may-be-held-overnight"),
    ],
)
def test_an_intraday_entry_does_not_fill_in_the_last_bar(
    desk: Desk, horizon: str, filled: int, cancelled: bool
) -> None:
    desk.slot = 60
    order = desk.enter(horizon=horizon, fill=False)
    if filled:
        desk.fill(order, filled)
    assert cancels_of(desk.decide(slot=75)) == []
    wishes = {"AAA": Wish(Action.HOLD, filled)} if filled else {}
    commands = desk.decide(slot=76, **wishes)
    assert cancels_of(commands) == ([order.client_order_id] if cancelled else [])
    if cancelled:
        assert risk_reason(commands) is Reason.CANCEL_WORKING
        (exit_order,) = orders_of(desk.fill(order, 10))  # it filled all the same
        assert (exit_order.leg, desk.record(exit_order).reason) == (Leg.EXIT, Reason.EXIT_SESSION_END)


def test_sessions_that_never_end_expire_nothing(make_desk: MakeDesk) -> None:
    desk = make_desk(calendar="24/7", lot="0.000001")
    desk.open(0)
    desk.slot = 284
    order = desk.enter(shares=0.25, fill=False)
    assert order.quantity == Decimal("0.25")
    desk.fill(order, "0.1")
    commands = desk.decide(slot=287, AAA=leave())  # the day's last bar, and a day like any other
    assert cancels_of(commands) == [order.client_order_id]
    desk.close()
    (exit_order,) = orders_of(desk.cancelled(order, now_ns=desk.session.close_ns))
    assert exit_order.quantity == Decimal("0.1")
    desk.open(1)
    desk.fill(exit_order, "0.1")
    assert desk.held() == 0


# -- facts that surprise ---------------------------------------------------------------------------------------------


def test_an_execution_is_booked_once(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4, execution_id="e1")
    before = desk.core.state
    assert anomalies_of(desk.fill(order, 4, execution_id="e1")) == ["duplicate_report"]
    assert desk.core.state.ledger == before.ledger
    assert desk.core.state.digest == before.digest


def test_a_fill_after_the_end_is_booked_and_flagged(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.expired(order)
    assert anomalies_of(desk.fill(order, 4)) == ["late_fill"]
    assert (desk.held(), desk.record(order).status) == (4, OrderStatus.EXPIRED)
    assert desk.record(order).filled == 4


def test_too_much_is_booked_and_flagged(desk: Desk) -> None:
    order = desk.enter(fill=False)
    assert anomalies_of(desk.fill(order, 12)) == ["overfill"]
    assert desk.held() == 12
    (exit_order,) = orders_of(desk.decide(AAA=leave()))
    assert anomalies_of(desk.fill(exit_order, 15)) == ["overfill"]
    position = desk.core.state.ledger.positions["AAA"]
    assert (position.quantity, position.ticket, position.horizon) == (Decimal(-3), None, -1)
    assert len(desk.core.state.trades) == 1
    # what nobody decided is left at the next decision: its horizon counts as elapsed
    desk.cycle()
    desk.predictions()
    assert desk.wished.seen[-1].held.elapsed[0]


def test_a_fill_of_an_unknown_order_is_booked_and_flagged(desk: Desk) -> None:
    stranger = desk.enter(fill=False)
    commands = desk.fill(stranger, 7, order_id="not-ours")
    assert anomalies_of(commands) == ["unknown_order"]
    assert desk.held() == 7
    assert anomalies_of(desk.fill(stranger, 7, order_id="not-ours", execution_id="x1")) == ["duplicate_report"]
    assert desk.held() == 7


def test_a_fill_that_contradicts_its_order_is_booked_as_the_venue_says(desk: Desk) -> None:
    order = desk.enter(fill=False)
    assert anomalies_of(desk.fill(order, 4, symbol="BBB", side=Side.SELL)) == ["mismatched_fill"]
    assert (desk.held("AAA"), desk.held("BBB")) == (0, -4)


def test_money_of_another_currency_is_said(desk: Desk) -> None:
    order = desk.enter(fill=False)
    assert anomalies_of(desk.fill(order, 4, currency="EUR")) == ["foreign_currency"]
    assert desk.core.state.ledger.cash["EUR"] == Decimal("-400.01")


def test_a_position_outside_the_universe_is_never_traded_and_stops_nothing(make_desk: MakeDesk) -> None:
    desk = make_desk(risk={"guardrails": True, "on_trip": "flatten"})
    desk.open(0)
    order = desk.enter(shares=100)
    desk.fill(order, 5, symbol="ZZZ", order_id="not-ours")
    commands = desk.cycle(AAA=50.0)  # a loss of five per cent: the guardrail trips
    assert [(one.symbol, one.leg) for one in orders_of(commands)] == [("AAA", Leg.FLATTEN)]
    assert anomalies_of(commands) == ["exit_rejected"]
    assert desk.held("ZZZ") == 5


@pytest.mark.parametrize("kind", ["ack", "cancelled", "rejected", "expired"])
def test_a_report_on_an_order_nobody_sent_is_said(desk: Desk, kind: str) -> None:
    order = desk.enter(fill=False)
    foreign = type(order)(**{**{name: getattr(order, name) for name in order.__slots__}, "client_order_id": "foreign"})
    before = desk.core.state.orders
    assert anomalies_of(getattr(desk, kind)(foreign)) == ["unknown_order"]
    assert desk.core.state.orders == before


@pytest.mark.parametrize("kind", ["ack", "cancelled", "rejected", "expired", "cancel_rejected"])
def test_reports_on_an_order_that_has_ended_change_nothing(desk: Desk, kind: str) -> None:
    order = desk.enter()
    before = desk.core.state.orders
    assert orders_of(getattr(desk, kind)(order)) == []
    assert desk.core.state.orders == before


def test_an_acknowledgement_that_comes_after_a_fill_changes_nothing(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    desk.ack(order)
    assert desk.record(order).status is OrderStatus.PARTIALLY_FILLED


def test_what_is_less_than_a_lot_stays_and_the_rest_is_left(desk: Desk) -> None:
    """A split, a fee in kind or a stranger can leave a broken lot, which no venue takes."""
    order = desk.enter(fill=False)
    desk.fill(order, "10.5")
    (exit_order,) = orders_of(desk.decide(AAA=leave()))
    assert exit_order.quantity == 10
    desk.fill(exit_order, 10)
    commands = desk.decide(AAA=leave())
    assert (orders_of(commands), risk_reason(commands)) == ([], Reason.BELOW_LOT)
    waiting = desk.enter("AAA", 3, fill=False)
    assert waiting.quantity == Decimal("2")  # to 3 from the half share that is held
    desk.decide(AAA=leave())
    commands = desk.cancelled(waiting)
    assert (orders_of(commands), anomalies_of(commands)) == ([], [])


# -- limits of time --------------------------------------------------------------------------------------------------


def test_the_cooldown_holds_new_risk_and_no_exit(make_desk: MakeDesk) -> None:
    desk = make_desk(risk={"cooldown_s": 900.0})
    desk.open(0)
    order = desk.enter()
    (exit_order,) = orders_of(desk.decide(AAA=leave()))
    desk.fill(exit_order, order.quantity)
    commands = desk.decide(AAA=enter(10))
    assert risk_reason(commands) is Reason.REJECTED
    assert orders_of(commands) == []
    desk.decide()
    assert len(orders_of(desk.decide(AAA=enter(10)))) == 1  # 15 minutes after the exit


def test_ids_are_never_used_again(desk: Desk) -> None:
    seen = {desk.enter(symbol=symbol, fill=False).client_order_id for symbol in SYMBOLS}
    assert len(seen) == 3
    assert desk.core.state.order_number == 3
