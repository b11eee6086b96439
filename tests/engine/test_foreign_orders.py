"""Orders with our prefix that this run never made: refused at the first look, cancelled where an operator says so.

Every session here is replayed from its journal, and its state read back, when the test is over.
"""

from __future__ import annotations

# covers: B10, P21, R1
import asyncio
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from core_desk import Desk, anomalies_of, cancels_of, enter, orders_of
from small_session import FRICTIONLESS, InAndOut, Promises, engine_over, panel

from LIVE_TRADING.brokers.simulated import PaperBroker
from LIVE_TRADING.common.async_clock import VirtualClock
from LIVE_TRADING.common.events import BrokerSnapshot, ControlRequest
from LIVE_TRADING.common.exceptions import ReconciliationError
from LIVE_TRADING.common.types import Leg, Order, Side
from LIVE_TRADING.engine import deciding
from LIVE_TRADING.engine.commands import Command, RequestSnapshot
from LIVE_TRADING.engine.control import ADOPT_NONCE, FOREIGN_ORDERS
from LIVE_TRADING.engine.order_plan import client_order_id
from LIVE_TRADING.engine.reconcile import refusal
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.risk import TradingState
from tests.support.runs import exchange_for

MakeDesk = Callable[..., Desk]
STRANGE = client_order_id("another", 1)


def look(desk: Desk, *listed: str, **changes: Any) -> list[Command]:
    """Show the core a venue at which these orders work besides its own."""
    state = desk.core.state
    fields: dict[str, Any] = {
        "positions": {symbol: held.quantity for symbol, held in state.ledger.positions.items()},
        "cash": dict(state.ledger.cash),
        "open_orders": (*state.orders.open, *listed),
        "must_count": False,
        **changes,
    }
    return desk.tell(BrokerSnapshot(state.book_version, timestamp_ns=desk.bar_end_ns, **fields))


def word(desk: Desk, action: str) -> list[Command]:
    return desk.tell(ControlRequest(action, "looked into it", desk.bar_end_ns))


def trading(desk: Desk) -> TradingState:
    return desk.core.state.risk.state


@pytest.mark.parametrize("mode", ["strict", "warn", "auto_sync"])
def test_another_engine_on_the_account_halts_at_the_first_look(make_desk: MakeDesk, mode: str) -> None:
    """Its orders may be others at every look, so there is nothing to wait for."""
    desk = make_desk(reconcile={"mode": mode})
    desk.enter()
    commands = look(desk, STRANGE)
    assert anomalies_of(commands) == [FOREIGN_ORDERS]
    assert trading(desk) is TradingState.HALTED
    latch = desk.core.state.risk.latches[-1]
    for said in (STRANGE, "--adopt-nonce", "stop it", "restore it"):
        assert said in latch.message
    assert refusal(desk.core.state) == latch.message
    assert look(desk, STRANGE) == []  # said once
    assert anomalies_of(look(desk, client_order_id("another", 2))) == [FOREIGN_ORDERS]


def test_orders_without_our_prefix_are_nobodys(desk: Desk) -> None:
    desk.enter()
    assert look(desk, "by-hand-1", "x") == []
    word(desk, ADOPT_NONCE)
    assert look(desk, "by-hand-1", "x") == []
    assert trading(desk) is TradingState.ACTIVE


def test_an_order_of_this_run_is_not_foreign(desk: Desk) -> None:
    order = desk.enter()
    assert FOREIGN_ORDERS not in anomalies_of(look(desk, order.client_order_id))
    assert refusal(desk.core.state) == ""


def test_orders_that_went_away_refuse_no_start_and_lift_no_halt(desk: Desk) -> None:
    desk.enter()
    look(desk, STRANGE)
    assert look(desk) == []
    assert refusal(desk.core.state) == ""
    assert trading(desk) is TradingState.HALTED
    word(desk, "resume")
    assert trading(desk) is TradingState.ACTIVE


def test_resuming_alone_accepts_none(desk: Desk) -> None:
    desk.enter()
    look(desk, STRANGE)
    word(desk, "resume")
    assert anomalies_of(look(desk, STRANGE)) == [FOREIGN_ORDERS]
    assert trading(desk) is TradingState.HALTED


def test_adopted_ones_are_cancelled_once_and_looked_for_again(desk: Desk) -> None:
    desk.enter()
    look(desk, STRANGE)
    word(desk, ADOPT_NONCE)
    assert trading(desk) is TradingState.ACTIVE  # the word of a start lifts what it is about
    commands = look(desk, STRANGE, must_count=True)
    assert cancels_of(commands) == [STRANGE]
    assert [(c.after_s, c.must_count) for c in commands if isinstance(c, RequestSnapshot)] == [(5, True)]
    assert refusal(desk.core.state) == ""
    assert look(desk) == []
    assert trading(desk) is TradingState.ACTIVE


def test_adopted_ones_that_stay_halt(desk: Desk) -> None:
    desk.enter()
    word(desk, ADOPT_NONCE)
    look(desk, STRANGE)
    commands = look(desk, STRANGE)
    assert cancels_of(commands) == []
    assert trading(desk) is TradingState.HALTED
    assert STRANGE in refusal(desk.core.state)


def test_the_word_holds_for_one_look(desk: Desk) -> None:
    """An engine that comes later is another one."""
    desk.enter()
    word(desk, ADOPT_NONCE)
    assert look(desk) == []
    assert cancels_of(look(desk, STRANGE)) == []
    assert trading(desk) is TradingState.HALTED


def test_the_word_lifts_no_other_latch(desk: Desk) -> None:
    desk.enter()
    look(desk, STRANGE)
    desk.control("halt", "lunch")
    word(desk, ADOPT_NONCE)
    assert [latch.rule_id for latch in desk.core.state.risk.latches] == ["operator"]


def test_an_operator_of_a_stopped_engine_adopts_them_with_the_book(desk: Desk) -> None:
    desk.enter()
    theirs = {"positions": {"AAA": Decimal(7)}}
    for _ in range(2):
        look(desk, STRANGE, **theirs)
    word(desk, "adopt")
    assert cancels_of(look(desk, STRANGE, **theirs)) == [STRANGE]
    assert desk.held() == 7
    assert trading(desk) is TradingState.HALTED
    assert refusal(desk.core.state) != ""  # until it is seen that they have gone
    assert look(desk) == []
    assert refusal(desk.core.state) == ""


def test_those_to_be_left_alone_are_while_they_work(desk: Desk) -> None:
    desk.enter()
    look(desk, STRANGE)
    word(desk, "ignore")
    word(desk, "resume")
    assert look(desk, STRANGE) == []
    assert trading(desk) is TradingState.ACTIVE
    look(desk, STRANGE, client_order_id("another", 2))
    assert trading(desk) is TradingState.HALTED
    assert STRANGE not in refusal(desk.core.state)
    look(desk)
    word(desk, "resume")
    look(desk, STRANGE)  # it had gone: one that comes is another matter
    assert trading(desk) is TradingState.HALTED


def test_a_fill_of_one_is_booked_and_told(desk: Desk) -> None:
    """It came before its cancel: the account holds it."""
    (order,) = orders_of(desk.decide(AAA=enter(10)))
    strange = Order(STRANGE, 1, "BBB", Side.BUY, Decimal(5), Leg.ENTRY, order.decision_time_ns)
    word(desk, ADOPT_NONCE)
    look(desk, STRANGE)
    assert anomalies_of(desk.fill(strange, 5)) == ["unknown_order"]
    assert desk.held("BBB") == 5


# -- a whole start ---------------------------------------------------------------------------------------------------


START_NS = panel().sessions.sessions[0].open_ns


def at_venue(path: Path, *orders: Order) -> list[str]:
    """Send orders by hand; return what works there."""

    async def visit() -> list[str]:
        clock = VirtualClock(START_NS)
        broker = PaperBroker(exchange_for(panel(), START_NS, FRICTIONLESS), panel().sessions, clock, path)
        await broker.connect()
        for order in orders:
            await broker.submit_order(order)
        working = [order.client_order_id for order in await broker.get_open_orders()]
        await broker.disconnect()
        return working

    return asyncio.run(visit())


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A venue at which an order of a lost state folder works."""
    monkeypatch.setattr(deciding, "decide", InAndOut())
    path = tmp_path / "venue.json"
    order = Order(STRANGE, 1, panel().symbols[0], Side.BUY, Decimal(5), Leg.ENTRY, START_NS)
    assert at_venue(path, order) == [STRANGE]
    return path


def started(state_dir: Path, venue: Path, *, adopts: bool) -> TradingEngine:
    engine = engine_over(state_dir, Promises(), venue_file=venue)
    with closing(engine):
        if adopts:
            engine.control(ADOPT_NONCE, "--adopt-nonce")
        asyncio.run(engine.run(3))
    return engine


def test_a_start_is_refused_until_they_are_adopted(tmp_path: Path, venue: Path) -> None:
    state_dir = tmp_path / "state"
    for _ in range(2):
        with pytest.raises(ReconciliationError, match=f"never made them: {STRANGE}.*--adopt-nonce"):
            started(state_dir, venue, adopts=False)
    engine = started(state_dir, venue, adopts=True)
    assert engine.core.state.risk.state is TradingState.ACTIVE
    assert engine.core.state.digest.cycles > 0
    assert engine.core.state.reconcile.foreign == ()
    assert STRANGE not in at_venue(venue)
    again = started(state_dir, venue, adopts=False)
    assert again.core.state.risk.state is TradingState.ACTIVE
