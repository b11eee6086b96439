"""Exposure of a book with orders at work, and the sequence that keeps a balanced cycle balanced.

covers: P15, P14
"""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.risk import ExposureTracker, reserved_shares, send_sequence

# covers: P15, P14


def measure(position, buying, selling, price, equity=10_000.0):
    arrays = (np.array(values, dtype=np.float64) for values in (position, buying, selling, price))
    return ExposureTracker().measure(*arrays, equity)


@pytest.mark.parametrize(
    ("position", "buying", "selling", "expected"),
    [
        pytest.param(10, 0, 0, 10, id="held"),
        pytest.param(0, 5, 0, 5, id="entry-counts-when-sent"),
        pytest.param(10, 0, 10, 10, id="exit-frees-nothing-before-it-fills"),
        pytest.param(10, 0, 25, -15, id="crossing-zero"),
        pytest.param(-10, 4, 3, -13, id="short-with-both-sides"),
        pytest.param(0, 5, 5, 5, id="both-sides-from-flat"),
    ],
)
def test_reserved_shares(position, buying, selling, expected):
    assert reserved_shares(Decimal(position), Decimal(buying), Decimal(selling)) == expected
    one = measure([position], [buying], [selling], [1.0])
    assert (one.gross_usd, one.net_usd) == (abs(expected), expected)


def test_gross_and_net():
    book = measure([10, -20, 0], [0, 0, 5], [0, 0, 0], [100.0, 50.0, 10.0])
    assert (book.gross_usd, book.net_usd) == (2050.0, 50.0)
    assert (book.gross, book.net) == pytest.approx((0.205, 0.005))


def test_prices_that_are_missing():
    assert measure([10, 0], [0, 0], [0, 0], [100.0, np.nan]).gross_usd == 1000.0
    assert math.isnan(measure([10, 1], [0, 0], [0, 0], [100.0, np.nan]).gross)


@pytest.mark.parametrize("equity", [0.0, -1.0, float("nan")])
def test_equity_that_is_none(equity):
    book = measure([10], [0], [0], [100.0], equity)
    assert book.gross_usd == 1000.0
    assert math.isnan(book.gross)
    assert math.isnan(book.net)


shares = st.floats(-1e4, 1e4)


@given(
    st.lists(st.tuples(shares, st.floats(0, 1e3), st.floats(0, 1e3), st.floats(0.01, 1e4)), max_size=12), st.randoms()
)
def test_the_order_of_symbols_changes_nothing_and_net_never_exceeds_gross(rows, rng):
    mixed = rng.sample(rows, len(rows))
    columns = list(zip(*rows, strict=True)) or [[]] * 4
    one = measure(*columns)
    assert measure(*(list(zip(*mixed, strict=True)) or [[]] * 4)) == one
    assert abs(one.net_usd) <= one.gross_usd * (1 + 1e-12)
    one_sided = measure(columns[0], columns[1], [0.0] * len(rows), columns[3])
    mirrored = measure([-p for p in columns[0]], [0.0] * len(rows), columns[1], columns[3])
    assert (mirrored.gross_usd, mirrored.net_usd) == pytest.approx((one_sided.gross_usd, -one_sided.net_usd))


def test_a_balanced_cycle_stays_balanced_while_it_is_sent():
    notional = np.array([5.0] * 10 + [-5.0] * 10)
    sequence = send_sequence(notional, np.zeros(20, bool), 0.0)
    assert sorted(sequence) == list(range(20))
    assert np.abs(np.cumsum(notional[sequence])).max() <= 5.0


def test_reductions_come_first_and_both_keep_their_order():
    notional = np.array([3.0, -1.0, -2.0, 4.0, np.nan])
    assert send_sequence(notional, np.array([False, True, False, False, True]), 1.0) == [1, 4, 2, 0, 3]


@given(
    st.lists(st.tuples(st.floats(-100, 100), st.booleans()), max_size=30),
    st.floats(-1000, 1000),
)
def test_every_order_is_sent_once_and_the_net_stays_within_reach(orders, net):
    notional = np.array([value for value, _ in orders])
    reduces = np.array([flag for _, flag in orders], dtype=bool)
    sequence = send_sequence(notional, reduces, net)
    assert sorted(sequence) == list(range(len(orders)))
    path = net + np.cumsum(notional[[place for place in sequence if not reduces[place]]])
    if path.size:
        assert np.abs(path).max() <= max(abs(net), abs(path[-1])) + 100.0 + 1e-6
