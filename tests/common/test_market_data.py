"""Trades and quotes as events: what one may say, and what two of them say together."""

from __future__ import annotations

# covers: B3
import math
from dataclasses import FrozenInstanceError, replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.common.events import MarketData

NAN = math.nan
PRICES = st.one_of(st.just(NAN), st.sampled_from([99.0, 100.0, 101.0]))
TIMES = st.integers(0, 6)


@st.composite
def messages(draw: st.DrawFn) -> MarketData:
    told = {name: draw(PRICES) for name in ("price", "bid", "ask", "bid_size")}
    return MarketData("AAA", draw(TIMES), **told, traded_ns=draw(st.one_of(st.none(), TIMES)))


def trade_of(told: MarketData) -> tuple[object, ...] | None:
    return (told.trade_ns, repr(told.price), repr(told.volume)) if told.has_trade else None


def quote_of(told: MarketData) -> tuple[object, ...] | None:
    """Time and sides of a quote; of one whose sides are gone the sizes say nothing either."""
    if not told.has_quote:
        return None
    sides = (repr(told.bid), repr(told.ask), repr(told.bid_size) if told.bid == told.bid else "")
    return (told.timestamp_ns, *sides)


def test_a_frozen_record_with_the_fields_of_a_trade() -> None:
    told = MarketData("AAA", 5, 101.25, 300.0)
    assert (told.asset, told.timestamp_ns, told.price, told.volume) == ("AAA", 5, 101.25, 300.0)
    with pytest.raises(FrozenInstanceError):
        told.price = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("told", "trade", "quote"),
    [
        (MarketData("A", 1, 100.0), True, False),
        (MarketData("A", 1, bid=99.0, ask=101.0), False, True),
        (MarketData("A", 1, 100.0, bid=99.0), True, True),
        (MarketData("A", 1, bid=99.0), False, True),
        (MarketData("A", 1), False, True),  # withdrawn
        (MarketData("A", 1, 100.0, bid_size=0.0, ask_size=0.0), True, True),  # withdrawn, beside a trade
    ],
)
def test_what_is_told(told: MarketData, trade: bool, quote: bool) -> None:
    assert (told.has_trade, told.has_quote) == (trade, quote)


@pytest.mark.parametrize("name", ["price", "volume", "bid", "ask", "bid_size", "ask_size"])
@pytest.mark.parametrize("value", [math.inf, -math.inf, True, "100", None], ids=repr)
def test_what_is_no_number_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"MarketData of BRK\.B: {name} .* is no finite number; give one, or NaN"):
        MarketData("BRK.B", 1, **{name: value})  # type: ignore[arg-type]


def test_what_a_feed_says_without_bounds_is_no_price() -> None:
    told = MarketData.of_feed("AAA", 5, bid=math.inf, ask=101.0, price=-math.inf, traded_ns=4)
    assert (told.bid, told.ask, told.price, told.traded_ns) == (0.0, 101.0, 0.0, 4)


def test_a_trade_does_not_push_out_the_quote_that_waits_and_each_keeps_its_time() -> None:
    quote, trade = MarketData("AAA", 3, bid=99.0, ask=101.0, bid_size=5.0), MarketData("AAA", 7, 100.5, 20.0)
    for both in (quote.joined(trade), trade.joined(quote)):
        assert (both.timestamp_ns, both.trade_ns) == (3, 7)
        assert (both.bid, both.ask, both.bid_size, both.price, both.volume) == (99.0, 101.0, 5.0, 100.5, 20.0)


def test_a_withdrawn_quote_stays_withdrawn_beside_a_trade() -> None:
    both = MarketData("AAA", 3).joined(MarketData("AAA", 4, 100.0))
    assert both.has_quote
    assert both.has_trade
    assert both.bid != both.bid


@given(st.lists(messages(), min_size=1, max_size=12))
def test_joined_are_the_newest_trade_and_the_newest_quote(told: list[MarketData]) -> None:
    both = reduce(MarketData.joined, told)
    trades = [one for one in told if one.has_trade]
    quotes = [one for one in told if one.has_quote]
    newest_trade = max(enumerate(trades), key=lambda one: (one[1].trade_ns, one[0]), default=(0, None))[1]
    newest_quote = max(enumerate(quotes), key=lambda one: (one[1].timestamp_ns, one[0]), default=(0, None))[1]
    assert trade_of(both) == (trade_of(newest_trade) if newest_trade is not None else None)
    assert quote_of(both) == (quote_of(newest_quote) if newest_quote is not None else None)


@given(messages())
def test_one_that_comes_twice_is_itself(told: MarketData) -> None:
    both = told.joined(replace(told))
    assert (trade_of(both), quote_of(both)) == (trade_of(told), quote_of(told))
