"""Orders of this run that the venue knows and the folder does not: booked, halted, and no id used again.

Every session here is replayed from its journal, and its state read back, when the test is over.
"""

from __future__ import annotations

# covers: B5, B10, P21
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from core_desk import Desk, anomalies_of, cancels_of, enter, leave, orders_of

from LIVE_TRADING.common.events import (
    DUPLICATE_ID,
    BrokerSnapshot,
    ControlRequest,
    OrderAck,
    OrderCancelled,
    OrderReject,
    OrderStatusReport,
    VenueStatus,
)
from LIVE_TRADING.common.types import Leg, Order, Side
from LIVE_TRADING.engine.commands import Command, command_record
from LIVE_TRADING.engine.control import ADOPT_NONCE
from LIVE_TRADING.engine.old_folder import LEFT_OUT, LOOKED_AHEAD, OLD_FOLDER, number_ahead
from LIVE_TRADING.engine.order_plan import client_order_id
from LIVE_TRADING.engine.orders import OrderStatus
from LIVE_TRADING.engine.reconcile import refusal
from LIVE_TRADING.engine.recorded import as_recorded
from LIVE_TRADING.risk import TradingState

LOST = client_order_id("n", 7)  # a desk that has sent one order


def lost_order(order: Order, symbol: str = "BBB") -> Order:
    return Order(LOST, 7, symbol, Side.BUY, Decimal(5), Leg.ENTRY, order.decision_time_ns)


def look(desk: Desk, *listed: str) -> list[Command]:
    """Show the core a venue at which these orders work besides its own."""
    state = desk.core.state
    fields: dict[str, Any] = {
        "positions": {symbol: held.quantity for symbol, held in state.ledger.positions.items()},
        "cash": dict(state.ledger.cash),
        "open_orders": (*state.orders.open, *listed),
        "must_count": False,
    }
    return desk.tell(BrokerSnapshot(state.book_version, timestamp_ns=desk.bar_end_ns, **fields))


def word(desk: Desk, action: str) -> list[Command]:
    return desk.tell(ControlRequest(action, "looked into it", desk.bar_end_ns))


def trading(desk: Desk) -> TradingState:
    return desk.core.state.risk.state


def test_an_execution_of_an_order_yet_to_come_is_booked_and_halts(desk: Desk) -> None:
    order = desk.enter()
    commands = desk.fill(lost_order(order), 5, execution_id="lost")
    assert desk.held("BBB") == 5
    assert anomalies_of(commands) == ["unknown_order", OLD_FOLDER]
    assert trading(desk) is TradingState.HALTED
    (latch,) = desk.core.state.risk.latches
    for said in (LOST, "execution lost", "order 7 of this run", "restored from a copy", "control resume"):
        assert said in latch.message
    assert refusal(desk.core.state) == latch.message
    assert anomalies_of(desk.fill(lost_order(order), 5, execution_id="lost")) == ["duplicate_report"]
    assert anomalies_of(desk.fill(lost_order(order), 2, execution_id="more")) == ["unknown_order"]  # halted once
    assert desk.held("BBB") == 7


def test_numbers_go_on_behind_all_that_the_venue_may_know(desk: Desk) -> None:
    order = desk.enter()
    desk.fill(lost_order(order), 5)
    word(desk, "resume")
    assert refusal(desk.core.state) == ""
    (next_order,) = orders_of(desk.decide(CCC=enter(10)))
    assert next_order.order_number == 7 + LEFT_OUT + 1
    assert next_order.client_order_id == client_order_id("n", next_order.order_number)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(lambda now_ns: OrderAck(LOST, now_ns), id="ack"),
        pytest.param(lambda now_ns: OrderCancelled(LOST, now_ns), id="cancelled"),
        pytest.param(
            lambda now_ns: OrderStatusReport(LOST, VenueStatus.WORKING, Decimal(0), False, "", now_ns), id="status"
        ),
    ],
)
def test_a_report_on_an_order_yet_to_come_halts(desk: Desk, said: Callable[[int], Any]) -> None:
    desk.enter()
    assert anomalies_of(desk.tell(said(desk.bar_end_ns))) == ["unknown_order", OLD_FOLDER]
    assert trading(desk) is TradingState.HALTED
    assert desk.core.state.order_number == 7 + LEFT_OUT


@pytest.mark.parametrize(
    "order_id",
    [
        pytest.param("by-hand-1", id="of-a-person"),
        pytest.param(client_order_id("another", 7), id="of-another-engine"),
        pytest.param(client_order_id("n", 2 + LOOKED_AHEAD), id="farther-than-is-looked"),
    ],
)
def test_executions_of_others_are_booked_and_halt_nothing(desk: Desk, order_id: str) -> None:
    order = desk.enter()
    stranger = replace(lost_order(order), client_order_id=order_id)
    assert anomalies_of(desk.fill(stranger, 5)) == ["unknown_order"]
    assert desk.held("BBB") == 5
    assert trading(desk) is TradingState.ACTIVE
    assert desk.core.state.order_number == 1


@pytest.mark.parametrize("last", [0, 1, 4_998, 4_999, 5_000, 12_345])
def test_ids_are_found_behind_the_last_number_and_no_farther_than_they_are_looked_for(last: int) -> None:
    for number in (last + 1, last + 2, last + 5_000, last + LOOKED_AHEAD):
        assert number_ahead("n", client_order_id("n", number), last) == number
    for number in (last, last - 1, last + LOOKED_AHEAD + 1):
        assert number_ahead("n", client_order_id("n", number), last) is None
    assert number_ahead("another", client_order_id("n", last + 1), last) is None


def test_a_working_order_yet_to_come_halts_at_the_first_look_and_is_cancelled_when_adopted(desk: Desk) -> None:
    desk.enter()
    assert OLD_FOLDER in anomalies_of(look(desk, LOST))
    assert trading(desk) is TradingState.HALTED
    assert LOST in refusal(desk.core.state)
    assert desk.core.state.order_number == 7 + LEFT_OUT
    word(desk, "adopt")
    word(desk, "resume")
    assert cancels_of(look(desk, LOST)) == [LOST]
    assert look(desk) == []
    assert refusal(desk.core.state) == ""
    assert trading(desk) is TradingState.ACTIVE


def test_resuming_alone_lets_no_such_order_work(desk: Desk) -> None:
    desk.enter()
    look(desk, LOST)
    word(desk, "resume")
    assert anomalies_of(look(desk, LOST)) == ["book_mismatch"]
    assert trading(desk) is TradingState.HALTED


def test_the_word_of_a_start_lifts_the_halt_and_cancels_what_works(desk: Desk) -> None:
    desk.enter()
    look(desk, LOST)
    word(desk, ADOPT_NONCE)
    assert trading(desk) is TradingState.ACTIVE
    assert cancels_of(look(desk, LOST)) == [LOST]
    assert look(desk) == []
    assert trading(desk) is TradingState.ACTIVE


def test_the_word_of_a_start_does_not_cover_what_nobody_had_seen(desk: Desk) -> None:
    order = desk.enter()
    word(desk, ADOPT_NONCE)
    desk.fill(lost_order(order), 5)
    assert trading(desk) is TradingState.HALTED


def refuse(desk: Desk, order: Order, reason: str) -> list[Command]:
    return desk.tell(OrderReject(order.client_order_id, reason, desk.bar_end_ns))


def test_an_id_that_the_venue_knows_and_we_never_sent_halts(desk: Desk) -> None:
    order = desk.enter(fill=False)
    commands = refuse(desk, order, f"OrderRejectedError: {DUPLICATE_ID} (code 105)")
    assert anomalies_of(commands) == [OLD_FOLDER]
    assert trading(desk) is TradingState.HALTED
    assert desk.record(order).status is OrderStatus.REJECTED
    assert desk.core.state.order_number == 1 + LEFT_OUT
    assert "has had" in refusal(desk.core.state)
    assert refuse(desk, order, DUPLICATE_ID) == []  # said again


def test_a_cycle_of_refusals_moves_the_numbers_once(desk: Desk) -> None:
    """A folder that is restored again has to find the ids of this one within the numbers that are looked through."""
    orders = orders_of(desk.decide(AAA=enter(10), BBB=enter(10), CCC=enter(10)))
    for order in orders:
        assert OLD_FOLDER in anomalies_of(refuse(desk, order, DUPLICATE_ID))
    assert desk.core.state.order_number == 3 + LEFT_OUT


def test_any_other_refusal_halts_nothing(desk: Desk) -> None:
    order = desk.enter(fill=False)
    assert refuse(desk, order, "no margin") == []
    assert trading(desk) is TradingState.ACTIVE
    assert desk.core.state.order_number == 1


def test_an_exit_that_waited_for_a_repeated_id_does_not_leave_while_halted(desk: Desk) -> None:
    desk.enter("AAA", 10)
    (more,) = orders_of(desk.decide(AAA=enter(25)))
    desk.decide(AAA=leave())
    commands = refuse(desk, more, DUPLICATE_ID)
    assert orders_of(commands) == []
    assert anomalies_of(commands) == [OLD_FOLDER, "exit_rejected"]
    word(desk, "resume")
    (exit_order,) = orders_of(desk.decide(AAA=leave()))
    assert (exit_order.side, exit_order.quantity, exit_order.order_number) == (Side.SELL, 10, 2 + LEFT_OUT + 1)


def test_a_record_of_code_that_went_on_halts_and_gives_no_id_again(desk: Desk) -> None:
    """An execution on file that older code booked as a stranger's and no more: what this code restricts stays so."""
    order = desk.enter()
    before = desk.core.state
    commands = desk.fill(lost_order(order), 5)
    booked = [command_record(command) for command in commands if anomalies_of([command]) == ["unknown_order"]]
    assert len(booked) == 1
    state = as_recorded(desk.plan.run, desk.plan.assembly, (before, desk.core.state), commands, booked)
    assert state.order_number == 7 + LEFT_OUT
    assert state.risk.state is TradingState.HALTED
    assert state.ledger.quantity("BBB") == 5
