"""What every broker does: connect, take orders, report, cancel, and say plainly what it cannot."""

from __future__ import annotations

# covers: A8, A9, A12, A13, A17, B6
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest
from broker_harness import HARNESSES, BrokerHarness, PaperHarness
from venue import order

from LIVE_TRADING.brokers.interface import Broker, MarketObserver, OrderReport
from LIVE_TRADING.brokers.registry import BROKERS, get_broker
from LIVE_TRADING.brokers.simulated import PaperBroker
from LIVE_TRADING.common.contracts import order_dict, parse_fill, parse_order
from LIVE_TRADING.common.events import (
    CancelRejected,
    OrderAck,
    OrderCancelled,
    OrderFill,
    OrderReject,
    VenueStatus,
)
from LIVE_TRADING.common.exceptions import BrokerConnectionError, ConfigurationError, StateError
from LIVE_TRADING.common.units import iso_utc


@pytest.fixture(params=sorted(HARNESSES))
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> BrokerHarness:
    return HARNESSES[request.param](tmp_path)


def test_every_broker_by_name_is_put_through_this() -> None:
    assert {name.partition("-")[0] for name in HARNESSES} == set(BROKERS)


CALLS: dict[str, Callable[[Broker], Awaitable[object]]] = {
    "submit_order": lambda broker: broker.submit_order(order()),
    "cancel_order": lambda broker: broker.cancel_order("id1"),
    "get_positions": lambda broker: broker.get_positions(),
    "get_open_orders": lambda broker: broker.get_open_orders(),
    "get_order": lambda broker: broker.get_order("id1"),
    "get_executions": lambda broker: broker.get_executions(0),
    "get_account_info": lambda broker: broker.get_account_info(),
    "get_cash": lambda broker: broker.get_cash(),
    "get_portfolio_value": lambda broker: broker.get_portfolio_value(),
    "subscribe_market_data": lambda broker: broker.subscribe_market_data(["AAA"]),
    "get_next_event": lambda broker: broker.get_next_event(),
}


@pytest.mark.parametrize("call", sorted(CALLS))
def test_nothing_works_before_connecting_or_after_disconnecting(harness: BrokerHarness, call: str) -> None:
    async def scenario() -> None:
        with pytest.raises(BrokerConnectionError, match="connect"):
            await CALLS[call](harness.broker)
        await harness.broker.connect()
        await harness.broker.disconnect()
        with pytest.raises(BrokerConnectionError, match="connect"):
            await CALLS[call](harness.broker)

    harness.run(scenario())


def test_connecting_and_disconnecting_twice_harms_nothing(harness: BrokerHarness) -> None:
    async def scenario() -> None:
        await harness.broker.disconnect()
        await harness.broker.connect()
        await harness.broker.connect()
        assert await harness.broker.get_positions() == {}
        await harness.broker.disconnect()
        await harness.broker.disconnect()

    harness.run(scenario())


def test_an_account_without_trades_is_empty_and_no_error(harness: BrokerHarness) -> None:
    async def scenario() -> None:
        broker = harness.broker
        await broker.connect()
        await broker.subscribe_market_data(["AAA", "BBB"])
        assert await broker.get_positions() == {}
        assert list(await broker.get_open_orders()) == []
        info = await broker.get_account_info()
        assert info.account_id
        assert info.is_live is False
        assert await broker.get_cash() == {info.currency: Decimal(100_000)}
        assert await broker.get_portfolio_value() == Decimal(100_000)
        assert await harness.settled()

    harness.run(scenario())


def test_an_order_is_acknowledged_then_filled_then_stands_in_the_book(harness: BrokerHarness) -> None:
    async def scenario() -> None:
        broker = harness.broker
        await broker.connect()
        sent = order(quantity="100")
        await broker.submit_order(sent)
        assert list(await broker.get_open_orders()) == [sent]
        ack = await harness.report()
        assert isinstance(ack, OrderAck)
        assert ack.order_id == "id1"
        await harness.trade()
        fill = await harness.report()
        assert isinstance(fill, OrderFill)
        assert (fill.order_id, fill.symbol, fill.side) == ("id1", "AAA", sent.side)
        assert fill.fill_amount == Decimal(100)
        assert await broker.get_positions() == {"AAA": Decimal(100)}
        cash = await broker.get_cash()
        assert cash["USD"] == Decimal(100_000) - fill.fill_amount * fill.fill_price - fill.commission
        assert list(await broker.get_open_orders()) == []
        assert await harness.settled()

    harness.run(scenario())


def test_a_partial_fill_works_on_until_it_is_cancelled(harness: BrokerHarness) -> None:
    async def scenario() -> None:
        broker = harness.broker
        await broker.connect()
        sent = order(side="sell", quantity="100")
        await broker.submit_order(sent)
        await harness.report()
        await harness.trade(volume=800.0)
        first = await harness.report()
        await harness.trade(volume=400.0)
        second = await harness.report()
        assert isinstance(first, OrderFill)
        assert isinstance(second, OrderFill)
        assert [first.fill_amount, second.fill_amount] == [Decimal(40), Decimal(20)]
        assert first.execution_id != second.execution_id
        assert list(await broker.get_open_orders()) == [sent]  # with the quantity it was sent with
        await broker.cancel_order("id1")
        assert isinstance(await harness.report(), OrderCancelled)
        await harness.trade()
        assert await harness.settled()
        assert await broker.get_positions() == {"AAA": Decimal(-60)}

    harness.run(scenario())


def test_cancelling_what_the_venue_does_not_know_is_answered_the_same_every_time(harness: BrokerHarness) -> None:
    async def scenario() -> None:
        await harness.broker.connect()
        for _ in range(2):
            await harness.broker.cancel_order("nobody")
            answer = await harness.report()
            assert isinstance(answer, CancelRejected)
            assert answer.order_id == "nobody"
        assert await harness.settled()

    harness.run(scenario())


@pytest.mark.parametrize(
    "refused", [order(symbol="ZZZ"), order(quantity="0.5"), order(time_in_force="gtc")], ids=["symbol", "lot", "tif"]
)
def test_what_cannot_be_worked_is_rejected_in_words_and_not_raised(harness: BrokerHarness, refused: object) -> None:
    async def scenario() -> None:
        await harness.broker.connect()
        await harness.broker.submit_order(refused)  # type: ignore[arg-type]
        answer = await harness.report()
        assert isinstance(answer, OrderReject)
        assert answer.reason
        assert list(await harness.broker.get_open_orders()) == []

    harness.run(scenario())


def test_an_id_that_comes_again_is_rejected_and_not_worked(harness: BrokerHarness) -> None:
    async def scenario() -> None:
        await harness.broker.connect()
        await harness.broker.submit_order(order())
        await harness.broker.submit_order(order())
        answers = [await harness.report(), await harness.report()]
        assert [type(answer) for answer in answers] == [OrderAck, OrderReject]
        await harness.trade()
        await harness.report()
        assert await harness.broker.get_positions() == {"AAA": Decimal(10)}

    harness.run(scenario())


def test_reports_come_in_the_order_in_which_the_venue_made_them(harness: BrokerHarness) -> None:
    """A cancel that is confirmed after a fill does not overtake it, whatever the latencies."""

    async def scenario() -> None:
        broker = harness.broker
        await broker.connect()
        await broker.submit_order(order(1, quantity="100"))
        await broker.submit_order(order(2, symbol="BBB"))
        await harness.trade(volume=1_000.0)
        await broker.cancel_order("id1")
        kinds = [type(await harness.report()).__name__ for _ in range(5)]
        assert kinds == ["OrderAck", "OrderAck", "OrderFill", "OrderFill", "OrderCancelled"]

    harness.run(scenario())


def test_orders_and_fills_are_what_the_contracts_ask(harness: BrokerHarness) -> None:
    async def scenario() -> None:
        await harness.broker.connect()
        await harness.broker.submit_order(parse_order(order_dict(order(quantity="7"))))
        await harness.report()
        await harness.trade()
        fill = await harness.report()
        assert isinstance(fill, OrderFill)
        checked = parse_fill(
            {
                "execution_id": fill.execution_id,
                "client_order_id": fill.order_id,
                "symbol": fill.symbol,
                "side": fill.side.value,
                "quantity": fill.fill_amount,
                "price": fill.fill_price,
                "fee": fill.commission,
                "currency": fill.currency,
                "exchange_time": iso_utc(fill.timestamp_ns),
            }
        )
        assert checked.quantity == 7

    harness.run(scenario())


# -- the paper broker's own --------------------------------------------------------------------------------------------


def test_a_paper_venue_outlives_the_process_with_its_reports(tmp_path: Path) -> None:
    harness = PaperHarness(tmp_path / "venue.json")

    async def scenario() -> None:
        await harness.broker.connect()
        await harness.broker.submit_order(order(1, quantity="100"))
        await harness.report()
        await harness.trade(volume=800.0)  # killed before the fill was fetched
        harness.broker = harness.make()
        await harness.broker.connect()
        fill = await harness.report()
        assert isinstance(fill, OrderFill)
        assert fill.fill_amount == Decimal(40)
        assert await harness.broker.get_positions() == {"AAA": Decimal(40)}
        assert [one.client_order_id for one in await harness.broker.get_open_orders()] == ["id1"]
        assert isinstance(harness.broker, MarketObserver)

    harness.run(scenario())


@pytest.mark.parametrize("text", ["{", "{}", '{"exchange": 5, "reports": []}', "[]", "null"])
def test_a_file_that_holds_no_venue_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "venue.json").write_text(text)
    with pytest.raises(StateError, match=r"venue\.json"):
        PaperHarness(tmp_path / "venue.json")


def test_a_venue_that_cannot_keep_its_book_says_so(tmp_path: Path) -> None:
    harness = PaperHarness(tmp_path / "absent" / "venue.json")

    async def scenario() -> None:
        await harness.broker.connect()
        with pytest.raises(StateError, match="cannot be written"):
            await harness.broker.submit_order(order())

    harness.run(scenario())


def test_a_paper_venue_is_as_it_was_left_when_it_is_connected_to(tmp_path: Path) -> None:
    """A process has read the venue and waits for the folder's lock; the one that holds it trades and ends."""
    former, path = PaperHarness(tmp_path / "venue.json"), tmp_path / "venue.json"

    async def sends(number: int) -> None:
        await former.broker.connect()
        await former.broker.submit_order(order(number))
        await former.broker.disconnect()

    former.run(sends(1))
    waiting = PaperHarness(path)
    former.run(sends(2))
    left = path.read_bytes()

    async def looks() -> None:
        await waiting.broker.connect()
        assert [one.client_order_id for one in await waiting.broker.get_open_orders()] == ["id1", "id2"]
        await waiting.broker.disconnect()

    waiting.run(looks())
    assert path.read_bytes() == left


def test_a_paper_venue_may_keep_nothing() -> None:
    harness = PaperHarness(Path("unused"))
    broker = PaperBroker(harness.broker._exchange, harness.broker._venue._sessions, harness.clock)  # type: ignore[attr-defined]
    harness.broker = broker

    async def scenario() -> None:
        await broker.connect()
        await broker.submit_order(order())
        assert isinstance(await harness.report(), OrderAck)
        await broker.disconnect()

    harness.run(scenario())
    assert not Path("unused").exists()


def test_an_unknown_broker_names_the_nearest(tmp_path: Path) -> None:
    harness = PaperHarness(tmp_path / "venue.json")
    with pytest.raises(ConfigurationError, match="'paper'"):
        get_broker("papr", exchange=harness.broker._exchange, sessions=None, clock=harness.clock)  # type: ignore[attr-defined, arg-type]


def test_an_order_is_found_by_its_id_whatever_became_of_it(harness: BrokerHarness) -> None:
    async def scenario() -> None:
        broker = harness.broker
        await broker.connect()
        assert await broker.get_order("id1") is None
        await broker.submit_order(order(quantity="600"))
        assert await broker.get_order("id1") == OrderReport("id1", VenueStatus.WORKING, Decimal(0))
        await harness.trade()
        assert await broker.get_order("id1") == OrderReport("id1", VenueStatus.WORKING, Decimal(500))
        await broker.cancel_order("id1")
        found = await broker.get_order("id1")
        assert found is not None
        assert (found.status, found.filled) == (VenueStatus.CANCELLED, Decimal(500))

    harness.run(scenario())


def test_executions_are_told_when_asked_for_as_they_were_reported(harness: BrokerHarness) -> None:
    async def scenario() -> None:
        broker = harness.broker
        await broker.connect()
        assert list(await broker.get_executions(0)) == []
        await broker.submit_order(order(quantity="600"))
        await harness.trade()
        await harness.trade()
        fills = []
        while len(fills) != 2:
            report = await harness.report()
            fills += [report] if isinstance(report, OrderFill) else []
        assert list(await broker.get_executions(0)) == fills
        assert list(await broker.get_executions(fills[1].timestamp_ns)) == fills[1:]
        assert list(await broker.get_executions(fills[1].timestamp_ns + 1)) == []

    harness.run(scenario())
