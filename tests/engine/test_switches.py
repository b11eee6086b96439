"""What passes when trading is restricted, how positions are flattened, how the stop is lifted."""

from __future__ import annotations

# covers: P15, A6, A7, A10, P22
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest
from core_desk import Desk, Wish, anomalies_of, cancels_of, enter, leave, orders_of, risk_reason

from LIVE_TRADING.common.events import SystemFault
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action, Leg, Rejection
from LIVE_TRADING.engine.commands import Command, CycleDecided, TradingStateChanged
from LIVE_TRADING.engine.orders import OrderStatus
from LIVE_TRADING.risk import TradingState

MakeDesk = Callable[..., Desk]
TRIPS = {"guardrails": True, "max_daily_loss_frac": 0.001, "max_drawdown_frac": 0.5}


def changes(commands: Sequence[Command]) -> list[tuple[str, str, str]]:
    return [(c.old, c.new, c.rule_id) for c in commands if isinstance(c, TradingStateChanged)]


def rejections(commands: Sequence[Command]) -> tuple[Rejection, ...]:
    (result,) = [command.result for command in commands if isinstance(command, CycleDecided)]
    return result.rejections


@pytest.fixture
def tripping(make_desk: MakeDesk) -> Callable[[str], Desk]:
    """Return a maker of desks with a position of 100 AAA, an entry of 100 BBB at work, and half an entry of CCC."""

    def make(on_trip: str) -> Desk:
        desk = make_desk(risk={**TRIPS, "on_trip": on_trip})
        desk.open(0)
        desk.enter("AAA", 100)
        desk.enter("BBB", 100, fill=False)
        part = desk.enter("CCC", 100, fill=False)
        desk.fill(part, 40)
        return desk

    return make


def working(desk: Desk, symbol: str) -> str:
    (record,) = desk.core.state.orders.of_symbol(symbol)
    return record.order.client_order_id


def test_a_loss_stops_new_risk_and_cancels_what_would_add_it(tripping: Callable[[str], Desk]) -> None:
    desk = tripping("reduce_only")
    commands = desk.cycle(AAA=98.0)
    assert changes(commands) == [("active", "reduce_only", "max_daily_loss")]
    assert cancels_of(commands) == [working(desk, "BBB"), working(desk, "CCC")]
    assert orders_of(commands) == []
    part = desk.core.state.orders.of_symbol("CCC")[0].order
    assert orders_of(desk.cancelled(part)) == []  # restricted, not told to leave
    assert desk.held("CCC") == 40
    commands = desk.predictions(AAA=leave(), CCC=Wish(Action.HOLD, 20))
    assert [(order.symbol, order.leg) for order in orders_of(commands)] == [("AAA", Leg.EXIT), ("CCC", Leg.RESIZE)]


def test_in_reduce_only_nothing_is_entered_or_increased(tripping: Callable[[str], Desk]) -> None:
    desk = tripping("reduce_only")
    desk.cycle(AAA=98.0)
    for symbol in ("BBB", "CCC"):
        desk.cancelled(desk.core.state.orders.of_symbol(symbol)[0].order)
    commands = desk.predictions(AAA=Wish(Action.HOLD, 120), BBB=enter(10))
    assert orders_of(commands) == []
    assert [(no.symbol, no.rule_id) for no in rejections(commands)] == [("AAA", "trading_state")]
    assert risk_reason(commands, 1) is Reason.REDUCE_ONLY


def test_a_guardrail_that_flattens_leaves_everything(tripping: Callable[[str], Desk]) -> None:
    desk = tripping("flatten")
    commands = desk.cycle(AAA=98.0)
    assert cancels_of(commands) == [working(desk, "BBB"), working(desk, "CCC")]
    (flat,) = orders_of(commands)
    assert (flat.symbol, flat.leg, flat.quantity) == ("AAA", Leg.FLATTEN, Decimal(100))
    bbb, ccc = (desk.core.state.orders.of_symbol(symbol)[0].order for symbol in ("BBB", "CCC"))
    assert orders_of(desk.cancelled(bbb)) == []
    (rest,) = orders_of(desk.cancelled(ccc))
    assert (rest.leg, rest.quantity, desk.record(rest).reason) == (Leg.FLATTEN, Decimal(40), Reason.GUARDRAIL)
    desk.fill(flat, 60)
    desk.fill(rest, 40)
    desk.predictions()
    assert orders_of(desk.cycle()) == []  # the rest of the flatten works
    desk.expired(flat)
    (again,) = orders_of(desk.cycle())
    assert (again.leg, again.quantity) == (Leg.FLATTEN, Decimal(40))
    desk.fill(again, 40)
    assert desk.core.state.ledger.positions == {}
    assert orders_of(desk.cycle()) == []


def test_flattening_waits_for_a_bar_that_can_fill(tripping: Callable[[str], Desk]) -> None:
    desk = tripping("flatten")
    assert orders_of(desk.cycle(slot=77, AAA=98.0)) == []
    desk.open(1)
    assert [order.leg for order in orders_of(desk.cycle(slot=0))] == [Leg.FLATTEN]


def test_a_halted_book_is_not_flattened(tripping: Callable[[str], Desk]) -> None:
    desk = tripping("flatten")
    desk.control("halt")
    commands = desk.cycle(AAA=98.0)
    assert (orders_of(commands), anomalies_of(commands)) == ([], [])
    assert desk.held() == 100


def test_halting_cancels_whatever_works(desk: Desk) -> None:
    desk.enter("AAA", 100)
    entry = desk.enter("BBB", 100, fill=False)
    (exit_order,) = orders_of(desk.decide(AAA=leave()))
    commands = desk.control("halt", "fat finger")
    assert changes(commands) == [("active", "halted", "operator")]
    assert cancels_of(commands) == [entry.client_order_id, exit_order.client_order_id]
    assert orders_of([*desk.cancelled(entry), *desk.cancelled(exit_order)]) == []
    assert desk.held() == 100


def test_a_halt_forgets_the_exit_that_waited(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    desk.decide(AAA=leave())
    desk.control("halt")
    commands = desk.cancelled(order)
    assert (orders_of(commands), anomalies_of(commands)) == ([], [])


def test_when_halted_not_even_an_exit_passes_and_the_rejection_says_why(desk: Desk) -> None:
    desk.enter()
    desk.control("halt")
    commands = desk.decide(AAA=leave(), BBB=enter(10))
    assert orders_of(commands) == []
    (no,) = rejections(commands)
    assert (no.symbol, no.rule_id, no.leg) == ("AAA", "trading_state", Leg.EXIT)
    assert "halted" in no.message
    assert risk_reason(commands) is Reason.REJECTED
    assert risk_reason(commands, 1) is Reason.HALTED


def test_a_waiting_exit_that_a_halt_by_fault_refuses_is_said(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    desk.decide(AAA=leave())
    commands = desk.tell(SystemFault("data_feed", "gone", "critical", 0))
    assert changes(commands) == [("active", "halted", "data_feed")]
    assert cancels_of(commands) == []  # it was just asked for
    assert anomalies_of(desk.cancelled(order)) == ["exit_rejected"]
    desk.control("resume")
    assert orders_of(desk.decide(AAA=leave()))[0].quantity == 4


def test_a_critical_fault_halts_and_cancels_new_risk_only(desk: Desk) -> None:
    desk.enter("AAA", 100)
    entry = desk.enter("BBB", 100, fill=False)
    desk.decide(AAA=leave())
    assert desk.tell(SystemFault("clock", "jumped", "warning", 0)) == []
    commands = desk.tell(SystemFault("handler_failed", "bug", "critical", 0))
    assert cancels_of(commands) == [entry.client_order_id]
    assert desk.core.state.risk.state is TradingState.HALTED


def test_resume_lifts_and_a_loss_that_stands_trips_again(tripping: Callable[[str], Desk]) -> None:
    desk = tripping("reduce_only")
    desk.cycle(AAA=98.0)
    assert changes(desk.control("resume")) == [("reduce_only", "active", "operator")]
    desk.predictions()
    assert changes(desk.cycle()) == [("active", "reduce_only", "max_daily_loss")]
    desk.predictions()
    desk.control("reset")
    assert changes(desk.cycle()) == []


def test_what_an_operator_cannot_have_changes_nothing(desk: Desk) -> None:
    before = desk.core.state.risk
    assert anomalies_of(desk.control("explode")) == ["control_refused"]
    desk.enter("AAA", 2000)
    desk.decide(prices={"AAA": 40.0})
    assert desk.core.state.equity < 0
    assert anomalies_of(desk.control("reset")) == ["control_refused"]
    assert desk.core.state.risk.state is before.state


def test_a_thousand_rejections_leave_no_orders_and_no_fills(make_desk: MakeDesk) -> None:
    symbols = tuple(f"S{number:04d}" for number in range(1000))
    desk = make_desk(symbols=symbols, risk={"max_position_weight": 0.0001})
    desk.open(0)
    before = desk.core.state
    commands = desk.decide(**{symbol: enter(10) for symbol in symbols})
    rows = rejections(commands)
    assert len(rows) == 1000
    assert {no.rule_id for no in rows} == {"position_limit"}
    assert {no.symbol for no in rows} == set(symbols)
    after = desk.core.state
    assert orders_of(commands) == []
    assert (after.orders, after.ledger, after.order_number) == (before.orders, before.ledger, 0)
    assert after.digest.fill_count == 0
    assert after.last_order_ns == {}


def test_orders_let_through_count_for_those_after_them(make_desk: MakeDesk) -> None:
    desk = make_desk(risk={"max_gross": 0.02, "limit_tolerance_frac": 0.0})
    desk.open(0)
    commands = desk.decide(AAA=enter(10), BBB=enter(-10), CCC=enter(10))
    assert [order.symbol for order in orders_of(commands)] == ["AAA", "BBB"]
    assert [no.rule_id for no in rejections(commands)] == ["gross_limit"]
    # what works is reserved at the next cycle too
    assert [no.rule_id for no in rejections(desk.decide(CCC=enter(10)))] == ["gross_limit"]


def test_rules_are_asked_before_anything_is_written(make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = make_desk(strict=True)
    desk.open(0)
    seen: list[tuple[int, int]] = []
    check = type(desk.plan.assembly.rules).check

    def spy(rules: object, order: object, context: object) -> Rejection | None:
        seen.append((desk.core.state.order_number, len(desk.core.state.orders.open)))
        return check(rules, order, context)  # type: ignore[arg-type]

    monkeypatch.setattr(type(desk.plan.assembly.rules), "check", spy)
    desk.decide(AAA=enter(10), BBB=enter(10))
    assert seen == [(0, 0), (0, 0)]
    assert len(desk.core.state.orders.open) == 2


def test_cancelled_orders_keep_their_status_under_repeated_halts(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.control("halt")
    desk.cancelled(order)
    assert cancels_of(desk.control("halt")) == []
    assert desk.record(order).status is OrderStatus.CANCELLED
