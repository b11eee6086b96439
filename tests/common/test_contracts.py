"""Contracts of orders and fills: what is no order or fill is refused by name, whatever it is.

covers: A3, A4, A5, P5
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.common.contracts import fill_dict, order_dict, parse_fill, parse_order
from LIVE_TRADING.common.exceptions import ContractError, LiveTradingError
from LIVE_TRADING.common.types import FillReport, Leg, Order, Side

# covers: A3, A4, A5, P5

ORDER = {
    "client_order_id": "lt-abc",
    "order_number": 7,
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "100",
    "leg": "entry",
    "decision_time": "2025-10-16T14:30:00Z",
}
FILL = {
    "execution_id": "e-1",
    "client_order_id": "lt-abc",
    "symbol": "BTC/USDT:USDT",
    "side": "sell",
    "quantity": "0.5",
    "price": 101.1,
    "fee": "-0.01",
    "currency": "USD",
    "exchange_time": datetime(2025, 10, 16, 14, 30, tzinfo=UTC),
}
T0 = 1_760_625_000_000_000_000


def refused(parse, data, *fields):
    """Assert that all these fields, and only these, are named; return the message."""
    with pytest.raises(ContractError) as caught:
        parse(data)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, LiveTradingError)
    assert sorted(caught.value.fields) == sorted(fields)
    for field in fields:
        assert field in str(caught.value)
    return str(caught.value)


def test_an_order():
    assert parse_order(ORDER) == Order("lt-abc", 7, "AAPL", Side.BUY, Decimal(100), Leg.ENTRY, T0)


def test_a_limit_order():
    order = parse_order({**ORDER, "order_type": "limit", "limit_price": "101.25", "time_in_force": "gtc"})
    assert (order.order_type, order.limit_price, order.time_in_force) == ("limit", Decimal("101.25"), "gtc")


def test_a_fill():
    report = parse_fill({**FILL, "cumulative_quantity": 2, "venue_order_id": "9"})
    assert report == FillReport(
        "e-1",
        "lt-abc",
        "BTC/USDT:USDT",
        Side.SELL,
        Decimal("0.5"),
        Decimal("101.1"),
        Decimal("-0.01"),
        "USD",
        T0,
        Decimal(2),
        "9",
    )


@pytest.mark.parametrize("key", sorted(ORDER))
def test_an_order_lacks_a_field(key):
    refused(parse_order, {name: value for name, value in ORDER.items() if name != key}, key)


@pytest.mark.parametrize("key", sorted(FILL))
def test_a_fill_lacks_a_field(key):
    message = refused(parse_fill, {name: value for name, value in FILL.items() if name != key}, key)
    assert "missing; give" in message


NO_NUMBERS = [
    None,
    True,
    False,
    float("nan"),
    float("inf"),
    float("-inf"),
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    "NaN",
    "inf",
    "",
    " 1",
    "1_000",
    "１",
    "0x10",
    "1e999",
    "1.0.0",
    [1],
    {"value": 1},
    b"1",
    10**400,
    1e300,
    Decimal("1E+999999999"),
    Decimal("1E-999999999"),
    "0.0000000000000000001",
    "12345678901234567890.123456789",
    np.int64(3),
]


@pytest.mark.parametrize(
    "value",
    NO_NUMBERS,
    ids=lambda value: f"{type(value).__name__}-{str(value)[:12]}" if not isinstance(value, int) else str(value)[:8],
)
@pytest.mark.parametrize(("parse", "data", "key"), [(parse_order, ORDER, "quantity"), (parse_fill, FILL, "fee")])
def test_what_is_no_number(parse, data, key, value):
    assert "give" in refused(parse, {**data, key: value}, key)


@pytest.mark.parametrize("value", [0, -1, "0", "-0.5", -2.5, Decimal("-1"), Decimal("-0"), 0.0])
@pytest.mark.parametrize(
    ("parse", "data", "key"),
    [
        (parse_order, ORDER, "quantity"),
        (parse_order, {**ORDER, "order_type": "limit"}, "limit_price"),
        (parse_fill, FILL, "quantity"),
        (parse_fill, FILL, "price"),
        (parse_fill, FILL, "cumulative_quantity"),
    ],
)
def test_what_is_not_above_zero(parse, data, key, value):
    assert "above 0" in refused(parse, {**data, key: value}, key)


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        ("101.25", "101.25"),
        (101, "101"),
        (101.1, "101.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (np.float64(101.1), "101.1"),
        (Decimal("1.50"), "1.50"),
        ("1e2", "100"),
        ("1000000000000000", "1000000000000000"),
        ("0.000000000000000001", "0.000000000000000001"),
    ],
)
def test_numbers_are_taken_exactly(value, exact):
    assert parse_fill({**FILL, "price": value}).price == Decimal(exact)


@pytest.mark.parametrize("value", ["BUY", "long", "", None, 1, True, ["buy"], Leg.EXIT])
@pytest.mark.parametrize(("parse", "data"), [(parse_order, ORDER), (parse_fill, FILL)])
def test_a_side_that_is_none(parse, data, value):
    assert "give one of buy, sell" in refused(parse, {**data, "side": value}, "side")


@pytest.mark.parametrize("key", ["leg", "order_type", "time_in_force"])
def test_a_choice_that_is_none(key):
    assert "give one of" in refused(parse_order, {**ORDER, key: "whenever"}, key)


def test_enumerations_may_be_given_as_such():
    assert parse_order({**ORDER, "side": Side.SELL, "leg": Leg.EXIT}).leg is Leg.EXIT


@pytest.mark.parametrize(
    ("value", "expected_ns"),
    [
        ("2025-10-16T14:30:00Z", T0),
        ("2025-10-16 14:30:00+00:00", T0),
        ("2025-10-16T10:30:00-04:00", T0),
        ("2025-10-16T14:30:00.000000001Z", T0 + 1),
        ("2025-10-16T14:30:00.5Z", T0 + 500_000_000),
        (datetime(2025, 10, 16, 10, 30, tzinfo=timezone(timedelta(hours=-4))), T0),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_times_are_instants(value, expected_ns):
    assert parse_fill({**FILL, "exchange_time": value}).exchange_time_ns == expected_ns


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("2025-10-16T14:30:00", id="naive-text"),
        pytest.param(datetime(2025, 10, 16, 14, 30), id="naive-datetime"),
        pytest.param("2025-02-30T00:00:00Z", id="no-such-day"),
        pytest.param("2025-10-16T25:00:00Z", id="no-such-hour"),
        pytest.param("2025-10-16T14:30:00+99:00", id="no-such-zone"),
        pytest.param("yesterday", id="word"),
        pytest.param("2025-10-16", id="date"),
        pytest.param(T0, id="integer-of-unknown-unit"),
        pytest.param(1760625000.0, id="float"),
        pytest.param(True, id="bool"),
        pytest.param(None, id="null"),
        pytest.param("1969-12-31T23:59:59Z", id="before-1970"),
        pytest.param("2300-01-01T00:00:00Z", id="beyond-int64"),
        pytest.param("0001-01-01T00:00:00+10:00", id="before-the-calendar"),
        pytest.param(datetime.max.replace(tzinfo=timezone(timedelta(hours=-10))), id="beyond-the-calendar"),
    ],
)
@pytest.mark.parametrize(
    ("parse", "data", "key"), [(parse_order, ORDER, "decision_time"), (parse_fill, FILL, "exchange_time")]
)
def test_what_is_no_time(parse, data, key, value):
    refused(parse, {**data, key: value}, key)


@pytest.mark.parametrize("value", ["", "a b", "x" * 65, "tab\t", "\ud800", 5, None, True, ["A"], "line\n"])
@pytest.mark.parametrize("key", ["client_order_id", "symbol", "execution_id", "venue_order_id"])
def test_what_is_no_identifier(key, value):
    if (key, value) != ("venue_order_id", None):
        refused(parse_fill, {**FILL, key: value}, key)


@pytest.mark.parametrize("value", [True, -1, 1.0, "7", None, 2**63])
def test_what_is_no_order_number(value):
    refused(parse_order, {**ORDER, "order_number": value}, "order_number")


@pytest.mark.parametrize("value", ["usd", "$", "", None, 840, "U"])
def test_what_is_no_currency(value):
    refused(parse_fill, {**FILL, "currency": value}, "currency")


def test_unknown_keys_are_named_with_the_one_that_was_meant():
    assert "did you mean quantity?" in refused(parse_order, {**ORDER, "quantiy": 1}, "'quantiy'")
    assert "known: client_order_id" in refused(parse_order, {**ORDER, 5: 1, "\ud800": 2}, "5", "'\\ud800'")


def test_everything_wrong_is_listed_at_once():
    data = {**FILL, "quantity": math.nan, "price": True, "side": "hold", "extra": 1}
    del data["currency"]
    refused(parse_fill, data, "quantity", "price", "side", "'extra'", "currency")


@pytest.mark.parametrize("data", [None, [], "order", 3, [("symbol", "AAPL")]])
@pytest.mark.parametrize("parse", [parse_order, parse_fill])
def test_what_is_no_mapping(parse, data):
    assert "no mapping" in refused(parse, data)


def test_limit_price_belongs_to_limit_orders():
    refused(parse_order, {**ORDER, "order_type": "limit"}, "limit_price")
    refused(parse_order, {**ORDER, "limit_price": 5}, "limit_price")


@pytest.mark.parametrize(
    ("quantities", "field"),
    [
        pytest.param(
            {"ordered_quantity": 1, "cancelled_quantity": "0.6"}, "ordered_quantity", id="filled-and-cancelled"
        ),
        pytest.param({"ordered_quantity": "0.4"}, "ordered_quantity", id="more-than-ordered"),
        pytest.param(
            {"ordered_quantity": 2, "cumulative_quantity": "1.5", "leaves_quantity": 1},
            "ordered_quantity",
            id="filled-and-working",
        ),
        pytest.param({"cumulative_quantity": "0.4"}, "cumulative_quantity", id="less-than-this-one"),
    ],
)
def test_quantities_that_contradict_each_other(quantities, field):
    refused(parse_fill, {**FILL, **quantities}, field)


def test_quantities_that_add_up():
    quantities = {
        "ordered_quantity": 2,
        "cumulative_quantity": 1,
        "leaves_quantity": "0.25",
        "cancelled_quantity": "0.75",
    }
    assert parse_fill({**FILL, **quantities}).cumulative_quantity == 1


amounts = st.decimals("0.000001", "1e9", places=6)
times_ns = st.integers(0, 2**62)
words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30).filter(
    str.isprintable
)


@given(
    words,
    st.integers(0, 10**9),
    words,
    st.sampled_from(Side),
    amounts,
    st.sampled_from(Leg),
    times_ns,
    st.none() | amounts,
)
def test_an_order_survives_its_dict(order_id, number, symbol, side, quantity, leg, time_ns, limit_price):
    kind = "market" if limit_price is None else "limit"
    order = Order(order_id, number, symbol, side, quantity, leg, time_ns, kind, "day", limit_price)
    assert parse_order(json.loads(json.dumps(order_dict(order)))) == order


@given(words, words, amounts, amounts, st.decimals(-1000, 1000, places=4), times_ns, st.none() | words)
def test_a_fill_survives_its_dict(execution_id, order_id, quantity, price, fee, time_ns, venue_id):
    fill = FillReport(execution_id, order_id, "A", Side.BUY, quantity, price, fee, "USD", time_ns, quantity, venue_id)
    assert parse_fill(json.loads(json.dumps(fill_dict(fill)))) == fill


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.datetimes(timezones=st.timezones())
    | st.sampled_from(["buy", "sell", "entry", "USD", "market", "limit", "1.5", "2025-10-16T14:30:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(sorted({*ORDER, *FILL, "limit_price", "order_type", "cumulative_quantity", "ordered_quantity"}))


@given(st.dictionaries(keys | st.text() | st.integers() | st.none(), anything, max_size=12), st.booleans())
def test_nothing_but_a_record_or_a_refusal_comes_out(data, on_top_of_a_good_one):
    for parse, base, kind in ((parse_order, ORDER, Order), (parse_fill, FILL, FillReport)):
        try:
            record = parse({**base, **data} if on_top_of_a_good_one else data)
        except ContractError as error:
            assert error.fields
            str(error).encode()
        else:
            assert isinstance(record, kind)
            assert record.quantity.is_finite()
            assert record.quantity > 0
            assert (parse_order(order_dict(record)) if kind is Order else parse_fill(fill_dict(record))) == record
