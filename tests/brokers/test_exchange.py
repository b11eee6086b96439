"""The simulated exchange against prices worked out by hand, and against a session's corners."""

from __future__ import annotations

# covers: A8, A12, A18, A20
import math
from decimal import Decimal

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from venue import (
    BAR,
    N_BARS,
    NAN,
    SESSIONS,
    TODAY,
    bar_end,
    batch,
    events,
    exchange_with_history,
    kinds,
    order,
)

from LIVE_TRADING.brokers.exchange import ExchangeConfig, SimulatedExchange
from LIVE_TRADING.common.strict_json import json_bytes
from LIVE_TRADING.common.types import Instrument

MS = 10**6
FREE = ExchangeConfig(fee_bps=0.0, impact_coefficient=0.0, spread_multiple=0.0)


def filled(exchange: SimulatedExchange, *orders: object, slot: int = 1, **bar: float) -> list:
    """Send orders after bar `slot` − 1 and return what bar `slot` makes of them."""
    for one in orders:
        assert kinds(exchange.submit(one, bar_end(slot - 1), TODAY)) == ["OrderAck"]
    return events(exchange.on_bars(batch(bar_end(slot), **bar), TODAY))


# -- price and fee ---------------------------------------------------------------------------------------------------


def test_a_fill_pays_half_the_spread_and_the_square_root_of_its_size() -> None:
    """By hand: σ_day = 1e4·√(0.01² + (1/101)²) = 140.7193… bps, ADV = 10,000·101 + 10,000·100 = 2,010,000 USD.

    100 shares at an open of 100: q = 10,000 USD, impact = ½·140.7193·√(10,000/2,010,000) = 4.96279… bps. Half of the
    spread of 10 bps is 5. Price = 100·(1 + 9.96279e-4) = 100.0996, fee = 100·100.0996·0.5e-4 = 0.5005.
    """
    (fill,) = filled(exchange_with_history(), order(quantity="100"), open_=100.0)
    assert fill.fill_price == Decimal("100.0996")
    assert fill.commission == Decimal("0.5005")
    assert fill.reference_price == Decimal("100.0")
    assert (fill.timestamp_ns, fill.fill_amount) == (TODAY.open_ns + BAR, Decimal(100))


def test_a_sale_pays_the_same_the_other_way() -> None:
    exchange = exchange_with_history()
    (fill,) = filled(exchange, order(side="sell", quantity="100"), open_=100.0)
    assert fill.fill_price == Decimal("99.9004")
    assert exchange.positions == {"AAA": Decimal(-100)}  # a short is a sale like any other
    assert exchange.cash == Decimal(100_000) + Decimal("9990.04") - fill.commission


def test_four_times_the_size_pays_twice_the_impact() -> None:
    no_spread = ExchangeConfig(spread_multiple=0.0, price_quantum=Decimal("1e-9"), participation_frac=1.0)
    paid = [
        float(filled(exchange_with_history(no_spread, tick="1e-9"), order(quantity=quantity))[0].fill_price) - 100
        for quantity in ("100", "400")
    ]
    assert paid[1] / paid[0] == pytest.approx(2.0, rel=1e-6)


@given(st.integers(1, 500), st.sampled_from(["buy", "sell"]), st.floats(0, 3), st.floats(0, 3))
@settings(deadline=None, max_examples=60)
def test_the_price_is_the_formula(shares: int, side: str, spread_multiple: float, coefficient: float) -> None:
    config = ExchangeConfig(spread_multiple=spread_multiple, impact_coefficient=coefficient)
    (fill,) = filled(exchange_with_history(config), order(side=side, quantity=str(shares)), open_=100.0)
    volatility = math.sqrt(0.01**2 + (1 / 101) ** 2)
    paid = spread_multiple * 0.0005 + coefficient * volatility * math.sqrt(shares * 100 / 2_010_000)
    expected = 100 * (1 + paid if side == "buy" else 1 - paid)
    assert float(fill.fill_price) == pytest.approx(expected, abs=0.00006)


def test_the_spread_is_that_of_the_last_quote_before_the_bar() -> None:
    exchange = exchange_with_history(ExchangeConfig(impact_coefficient=0.0))
    exchange.on_bars(batch(bar_end(1), spread=0.40), TODAY)
    (fill,) = filled(exchange, order(), slot=2, spread=9.0)
    assert fill.fill_price == Decimal("100.2000")


@pytest.mark.parametrize("spread", [NAN, -0.10], ids=["missing", "crossed"])
def test_a_quote_that_is_none_leaves_the_last_one(spread: float) -> None:
    exchange = exchange_with_history(ExchangeConfig(impact_coefficient=0.0))
    exchange.on_bars(batch(bar_end(1), spread=spread), TODAY)
    (fill,) = filled(exchange, order(), slot=2)
    assert fill.fill_price == Decimal("100.0500")


def test_small_prices_keep_their_digits_and_are_never_given_away() -> None:
    exchange = exchange_with_history(FREE, tick="0.00000001", lot="1")
    (fill,) = filled(exchange, order(quantity="100"), open_=0.00001234)
    assert fill.fill_price == Decimal("0.00001234")
    dear = ExchangeConfig(impact_coefficient=10.0, spread_multiple=5000.0)
    (gone,) = filled(exchange_with_history(dear), order(side="sell", quantity="100"))
    assert gone.fill_price == Decimal("0.0001")


# -- quantity --------------------------------------------------------------------------------------------------------


def test_orders_of_a_symbol_share_the_volume_of_a_bar_and_other_symbols_have_their_own() -> None:
    """5 % of 10,000 shares is 500: the first order takes 400, the second what is left, in the order of sending."""
    exchange = exchange_with_history(FREE)
    sent = [order(1, quantity="400"), order(2, "sell", "300"), order(3, quantity="50"), order(4, symbol="BBB")]
    assert [(fill.order_id, fill.fill_amount) for fill in filled(exchange, *sent)] == [
        ("id1", Decimal(400)),
        ("id2", Decimal(100)),
        ("id4", Decimal(10)),
    ]
    again = events(exchange.on_bars(batch(bar_end(2)), TODAY))
    assert [(fill.order_id, fill.fill_amount) for fill in again] == [("id2", Decimal(200)), ("id3", Decimal(50))]
    assert exchange.working() == []


def test_quantities_are_whole_lots() -> None:
    exchange = exchange_with_history(FREE, lot="100")
    assert kinds(exchange.submit(order(1, quantity="150"), bar_end(0), TODAY)) == ["OrderReject"]
    (fill,) = filled(exchange, order(2, quantity="1000"), volume=5_990.0)  # 5 % is 299.5
    assert fill.fill_amount == Decimal(200)
    fine = exchange_with_history(FREE, lot="0.000001")
    (fill,) = filled(fine, order(quantity="0.123456"), volume=1.0)
    assert fill.fill_amount == Decimal("0.05")


@pytest.mark.parametrize("volume", [0.0, 10.0, NAN], ids=["none", "less-than-a-lot", "unknown"])
def test_a_bar_without_volume_fills_nothing_and_the_order_works_on(volume: float) -> None:
    exchange = exchange_with_history(FREE)
    assert filled(exchange, order(), volume=volume) == []
    assert len(events(exchange.on_bars(batch(bar_end(2)), TODAY))) == 1


def test_without_history_nothing_fills() -> None:
    exchange = SimulatedExchange(
        ExchangeConfig(), ("AAA", "BBB"), {name: Instrument(name) for name in ("AAA", "BBB")}, Decimal(1)
    )
    exchange.on_bars(batch(bar_end(0)), TODAY)
    assert filled(exchange, order()) == []
    primed = SimulatedExchange(
        ExchangeConfig(),
        ("AAA", "BBB"),
        {name: Instrument(name) for name in ("AAA", "BBB")},
        Decimal(1),
        history=lambda until: [
            (bar, first)
            for bar, first in (
                (batch(bar_end(0, SESSIONS.sessions[0]), close=99.0), True),
                (batch(bar_end(1, SESSIONS.sessions[0])), False),
            )
            if bar.bar_end_ns <= until
        ],
    )
    primed.on_bars(batch(bar_end(0)), TODAY)
    assert len(filled(primed, order())) == 1


def test_a_session_entered_half_way_counts_once() -> None:
    """History that ends within today's session does not make two sessions of it."""
    seen = exchange_with_history()
    late = exchange_with_history()
    late.prime(batch(bar_end(1)), first_of_session=False)
    seen.on_bars(batch(bar_end(1)), TODAY)
    late.on_bars(batch(bar_end(2)), TODAY)
    seen.on_bars(batch(bar_end(2)), TODAY)
    assert json_bytes(late.to_dict()["market"]) == json_bytes(seen.to_dict()["market"])


# -- time ------------------------------------------------------------------------------------------------------------


def test_what_is_sent_within_the_interval_after_a_bar_counts_as_sent_after_it() -> None:
    exchange = exchange_with_history(FREE)
    exchange.submit(order(1), bar_end(0), TODAY)
    exchange.submit(order(2), bar_end(1) - 1, TODAY)
    exchange.submit(order(3), bar_end(1), TODAY)
    assert [fill.order_id for fill in events(exchange.on_bars(batch(bar_end(1)), TODAY))] == ["id1", "id2"]
    assert [fill.order_id for fill in events(exchange.on_bars(batch(bar_end(2)), TODAY))] == ["id3"]


def test_a_missing_bar_moves_the_fill_to_the_next_one() -> None:
    exchange = exchange_with_history(FREE)
    assert filled(exchange, order(), open_=NAN, close=NAN, volume=NAN) == []
    (fill,) = events(exchange.on_bars(batch(bar_end(3), 107.0), TODAY))  # bar 2 never came
    assert (fill.fill_price, fill.timestamp_ns) == (Decimal("107.0000"), bar_end(2))


def test_a_bar_that_comes_late_or_twice_is_ignored() -> None:
    exchange = exchange_with_history(FREE)
    exchange.submit(order(), bar_end(0), TODAY)
    assert len(exchange.on_bars(batch(bar_end(2)), TODAY)) == 1
    before = json_bytes(exchange.to_dict())
    assert exchange.on_bars(batch(bar_end(2)), TODAY) == []
    assert exchange.on_bars(batch(bar_end(1)), TODAY) == []
    assert json_bytes(exchange.to_dict()) == before


def test_reports_arrive_after_their_latency() -> None:
    exchange = exchange_with_history(ExchangeConfig(ack_latency_ms=40, fill_latency_ms=70))
    (ack,) = exchange.submit(order(), bar_end(0), TODAY)
    assert ack.arrival_ns == bar_end(0) + 40 * MS
    (fill,) = exchange.on_bars(batch(bar_end(1)), TODAY)
    assert fill.arrival_ns == bar_end(1) + 70 * MS
    (no,) = exchange.cancel("id1", bar_end(1))
    assert (no.arrival_ns, type(no.event).__name__) == (bar_end(1) + 40 * MS, "CancelRejected")


def test_at_the_end_of_a_session_its_last_bar_fills_and_then_orders_expire() -> None:
    exchange = exchange_with_history(FREE)
    last = N_BARS - 1
    exchange.submit(order(1, quantity="600"), bar_end(last - 1), TODAY)
    exchange.submit(order(2, symbol="BBB"), bar_end(last - 1), TODAY)
    reports = exchange.on_bars(batch(bar_end(last), other=(NAN, NAN, NAN)), TODAY)
    assert kinds(reports) == ["OrderFill", "OrderExpired", "OrderExpired"]
    assert events(reports)[0].fill_amount == Decimal(500)
    assert [event.order_id for event in events(reports)[1:]] == ["id1", "id2"]
    assert exchange.working() == []
    tomorrow = SESSIONS.sessions[2]
    assert exchange.on_bars(batch(bar_end(0, tomorrow)), tomorrow) == []  # exactly once


def test_orders_of_a_session_whose_last_bar_never_came_expire_before_the_next_one_fills() -> None:
    exchange = exchange_with_history(FREE)
    exchange.submit(order(), bar_end(3), TODAY)
    tomorrow = SESSIONS.sessions[2]
    (expired,) = exchange.on_bars(batch(bar_end(0, tomorrow)), tomorrow)
    assert (type(expired.event).__name__, expired.event.timestamp_ns) == ("OrderExpired", TODAY.close_ns)
    assert exchange.positions == {}


def test_where_nothing_closes_orders_work_on() -> None:
    exchange = exchange_with_history(FREE, session_ends=False)
    exchange.submit(order(quantity="600"), bar_end(N_BARS - 2), TODAY)
    assert kinds(exchange.on_bars(batch(bar_end(N_BARS - 1)), TODAY)) == ["OrderFill"]
    tomorrow = SESSIONS.sessions[2]
    assert kinds(exchange.on_bars(batch(bar_end(0, tomorrow)), tomorrow)) == ["OrderFill"]
    assert exchange.positions == {"AAA": Decimal(600)}


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"symbol": "ZZZ"}, "unknown symbol"),
        ({"quantity": Decimal(0)}, "no positive multiple"),
        ({"quantity": Decimal(-5)}, "no positive multiple"),
        ({"quantity": Decimal("1.5")}, "no positive multiple"),
        ({"order_type": "limit", "limit_price": Decimal(1)}, "not traded here"),
        ({"time_in_force": "gtc"}, "not traded here"),
    ],
    ids=["symbol", "zero", "negative", "odd", "limit", "gtc"],
)
def test_an_order_the_venue_cannot_work_is_refused_in_words(changes: dict, why: str) -> None:
    (reject,) = events(exchange_with_history().submit(order(**changes), bar_end(0), TODAY))
    assert why in reject.reason


def test_outside_a_session_and_twice_orders_are_refused() -> None:
    exchange = exchange_with_history()
    (closed,) = events(exchange.submit(order(), 0, None))
    assert closed.reason == "market closed"
    exchange.submit(order(), bar_end(0), TODAY)
    (twice,) = events(exchange.submit(order(), bar_end(0), TODAY))
    assert twice.reason == "duplicate client_order_id"
    assert len(exchange.open_orders()) == 1


def test_a_cancel_takes_what_is_left() -> None:
    exchange = exchange_with_history(FREE)
    filled(exchange, order(quantity="600"))
    assert exchange.working()[0].remaining == Decimal(100)
    assert kinds(exchange.cancel("id1", bar_end(1))) == ["OrderCancelled"]
    assert kinds(exchange.cancel("id1", bar_end(1))) == ["CancelRejected"]
    assert exchange.on_bars(batch(bar_end(2)), TODAY) == []
    assert exchange.positions == {"AAA": Decimal(500)}


# -- the venue's book ------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 900)), min_size=1, max_size=6),
    st.floats(90.0, 110.0),
)
def test_the_book_follows_from_the_fills(orders: list[tuple[str, int]], price: float) -> None:
    exchange = exchange_with_history()
    fills = []
    for number, (side, quantity) in enumerate(orders):
        exchange.submit(order(number, side, str(quantity)), bar_end(0), TODAY)
    for slot in range(1, N_BARS):
        fills += events(exchange.on_bars(batch(bar_end(slot), price, price), TODAY))
    fills = [event for event in fills if type(event).__name__ == "OrderFill"]
    signed = [fill.fill_amount * fill.side.sign for fill in fills]
    cash = Decimal(100_000) - sum(
        (amount * fill.fill_price + fill.commission for amount, fill in zip(signed, fills, strict=True)), Decimal(0)
    )
    assert exchange.cash == cash
    assert exchange.positions.get("AAA", Decimal(0)) == sum(signed, Decimal(0))
    value = exchange.positions.get("AAA", Decimal(0)) * Decimal(repr(price))
    assert exchange.portfolio_value() == cash + value


def test_a_venue_goes_on_from_its_file_as_if_nothing_had_happened() -> None:
    def days(exchange: SimulatedExchange, first: int, last: int) -> list:
        reports = []
        for slot in range(first, last):
            side = "buy" if slot % 2 else "sell"
            exchange.submit(order(100 + slot, side, str(300 * slot)), bar_end(slot - 1), TODAY)
            reports += exchange.on_bars(batch(bar_end(slot), 100.0 + slot, 101.0 + slot, spread=0.1 * slot), TODAY)
        return reports

    whole, before = exchange_with_history(), exchange_with_history()
    reports = days(whole, 1, N_BARS)
    first = days(before, 1, 3)
    after = exchange_with_history(FREE)
    after._config = before._config
    after.restore(orjson.loads(json_bytes(before.to_dict())))
    assert json_bytes(after.to_dict()) == json_bytes(before.to_dict())
    assert first + days(after, 3, N_BARS) == reports
    assert json_bytes(after.to_dict()) == json_bytes(whole.to_dict())
    assert kinds(after.submit(order(101), bar_end(1), TODAY)) == ["OrderReject"]  # ids are remembered


@pytest.mark.parametrize(
    "damage",
    [
        {"symbols": ["AAA"]},
        {"cash": "many"},
        {"positions": {"AAA": None}},
        {"working": [{"order": {}}]},
        {"market": {}},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_what_is_no_venue_is_refused(damage: dict) -> None:
    state = orjson.loads(json_bytes(exchange_with_history().to_dict())) | damage
    with pytest.raises((ValueError, KeyError, TypeError, ArithmeticError)):
        exchange_with_history().restore(state)
