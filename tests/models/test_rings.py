"""Sums over a symbol's last bars."""

# covers: P9

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.common.types import BarBatch
from LIVE_TRADING.models.arrivals import arrival
from LIVE_TRADING.models.rings import WindowSums, advance_sums
from tests.support.kernels import assert_same_interpreted, awkward

SPANS = ([1, 3, 8], [2, 7], [5])
PAIRS = [(quantity, span) for quantity, spans in enumerate(SPANS) for span in spans]


def run(values, has_bar):
    """Return the sums (T, J, N) of values (T, Q, N)."""
    n_symbols = values.shape[2]
    windows = WindowSums(SPANS, n_symbols)
    state, count, out = windows.initial(), np.zeros(n_symbols, dtype=np.int64), []
    for added, present in zip(values, has_bar, strict=True):
        price = np.where(present, 1.0, np.nan)
        now = arrival(BarBatch(0, 1, price, price, price, price, price, price, price), count)
        state, sums = windows.advance(state, np.where(present, added, np.nan), now)
        count = now.seen
        out.append(np.where(present & (count >= np.array([[span] for _, span in PAIRS])), sums, np.nan))
    return np.array(out)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_sums_are_those_of_the_bars_a_symbol_has(missing):
    rng = np.random.default_rng(4)
    values = rng.normal(size=(60, len(SPANS), 5))
    has_bar = rng.random((60, 5)) >= missing
    got = run(values, has_bar)
    for column in range(5):
        own = values[has_bar[:, column], :, column]
        for pair, (quantity, span) in enumerate(PAIRS):
            expected = np.full(len(own), np.nan)
            expected[span - 1 :] = np.lib.stride_tricks.sliding_window_view(own[:, quantity], span).sum(axis=1)
            np.testing.assert_allclose(got[has_bar[:, column], pair, column], expected, rtol=1e-12, atol=1e-13)


def test_a_window_of_nothing_is_exactly_zero_and_squares_are_never_negative():
    values = np.zeros((400, len(SPANS), 2))
    values[:200] = np.random.default_rng(0).normal(size=(200, len(SPANS), 2)) ** 2 * 1e6
    got = run(values, np.ones((400, 2), dtype=bool))
    assert (got[207:] == 0.0).all()
    assert (got[8:] >= 0.0).all()


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_the_record_before_stays_valid(n_bars, seed):
    rng = np.random.default_rng(seed)
    windows, count = WindowSums(SPANS, 3), np.zeros(3, dtype=np.int64)
    state = windows.initial()
    for _ in range(n_bars):
        added, discarded = rng.normal(size=(2, len(SPANS), 3))
        price = np.where(rng.random(3) < 0.8, 1.0, np.nan)
        now = arrival(BarBatch(0, 1, price, price, price, price, price, price, price), count)
        totals = state.totals.copy()
        windows.advance(state, discarded, arrival(BarBatch(0, 1, *[np.ones(3)] * 7), count))
        after, sums = windows.advance(state, added, now)
        np.testing.assert_array_equal(state.totals, totals)
        np.testing.assert_array_equal(windows.advance(state, added, now)[1], sums)
        state, count = after, now.seen


def test_the_kernel_says_the_same_interpreted():
    rng, n = np.random.default_rng(7), 30
    arrays = awkward(rng, (n,)), rng.integers(0, 90, n), awkward(rng, (3, n)), awkward(rng, (3, n)), np.array(PAIRS)
    ring, totals, sums = awkward(rng, (3, 16, n)), np.empty((3, n)), np.empty((len(PAIRS), n))
    assert_same_interpreted(advance_sums, *arrays, ring, totals, sums)
