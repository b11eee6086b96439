"""Gap, range and start of a session."""

# covers: P9

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.types import BarBatch
from LIVE_TRADING.models.arrivals import arrival, count_bars
from LIVE_TRADING.models.session_levels import advance_levels, advance_session, initial_session, open_session
from tests.support.kernels import assert_same_interpreted, awkward

NAN = np.nan


def bars(*ohlc):
    """Return the arrival of one bar per symbol, (open, high, low, close) each."""
    open_, high, low, close = np.array(ohlc, dtype=float).T
    volume = np.ones(len(ohlc))
    return arrival(BarBatch(0, 1, open_, high, low, close, volume, close, close), np.zeros(len(ohlc), dtype=np.int64))


def advance(state, last_close, now):
    """Return the state after, and the return of each bar."""
    returns = np.empty(len(last_close))
    return advance_session(state, last_close, now, returns), returns


def test_a_first_bar_opens_the_session_and_a_missing_one_does_not():
    state = open_session(initial_session(2), np.array([100.0, 50.0]), np.array([0.3, 0.4]))
    state, returns = advance(state, np.array([100.0, 50.0]), bars((110, 112, 109, 111), (NAN,) * 4))
    np.testing.assert_array_equal(state.high, [112, NAN])
    np.testing.assert_array_equal(state.low, [109, NAN])
    np.testing.assert_allclose(state.gap, [np.log(1.1), NAN])
    np.testing.assert_allclose(returns, [np.log(111 / 110), NAN])
    state, returns = advance(state, np.array([111.0, 50.0]), bars((111, 115, 108, 114), (51, 53, 50, 52)))
    np.testing.assert_array_equal(state.high, [115, 53])
    np.testing.assert_array_equal(state.low, [108, 50])
    np.testing.assert_allclose(state.gap, [np.log(1.1), np.log(51 / 50)])
    np.testing.assert_allclose(returns, np.log([114 / 111, 52 / 51]))
    np.testing.assert_array_equal(state.start_total, [0.3, 0.4])


def test_a_new_session_starts_from_the_last_closes():
    first = open_session(initial_session(1), np.array([NAN]), np.zeros(1))
    assert np.isnan(first.last_session[0])
    second = open_session(first, np.array([100.0]), np.zeros(1))
    assert np.isnan(second.last_session[0])
    third = open_session(second, np.array([103.0]), np.ones(1))
    np.testing.assert_allclose(third.last_session, np.log(1.03))
    assert np.isnan(third.high[0])
    assert np.isnan(third.gap[0])


def test_range_is_held_by_a_missing_bar():
    state = open_session(initial_session(1), np.array([100.0]), np.zeros(1))
    state, _ = advance(state, np.array([100.0]), bars((100, 101, 99, 100)))
    held, _ = advance(state, np.array([100.0]), bars((NAN,) * 4))
    np.testing.assert_array_equal(held.high, state.high)
    np.testing.assert_array_equal(held.low, state.low)
    np.testing.assert_array_equal(held.gap, state.gap)


def test_the_kernels_say_the_same_interpreted():
    rng, n = np.random.default_rng(7), 60
    bars, count = awkward(rng, (5, n)), rng.integers(0, 9, n)
    assert_same_interpreted(count_bars, bars, count, np.empty_like(count))
    levels = awkward(rng, (6, n)), np.empty((6, n)), np.empty((2, n))
    assert_same_interpreted(advance_levels, bars, awkward(rng, (n,)), *levels)
