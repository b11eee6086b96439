"""Sums that do not depend on the order of their terms."""

# covers: P14, P27

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from LIVE_TRADING.common.exact_sums import bounded_sum, scaled_sum

ROWS = hnp.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 300)), elements=st.floats(-9.0, 9.0))


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, exponent=st.integers(-250, 250), seed=st.integers(0, 99))
def test_sums_keep_every_bit_under_permutation_and_negation(rows, exponent, seed):
    order = np.random.default_rng(seed).permutation(rows.shape[1])
    np.testing.assert_array_equal(bounded_sum(rows[:, order], 9.0), bounded_sum(rows, 9.0))
    np.testing.assert_array_equal(bounded_sum(-rows, 9.0), -bounded_sum(rows, 9.0))
    scaled = rows * 10.0**exponent
    np.testing.assert_array_equal(scaled_sum(scaled[:, order]), scaled_sum(scaled))
    np.testing.assert_array_equal(scaled_sum(-scaled), -scaled_sum(scaled))


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, exponent=st.integers(-250, 250))
def test_sums_are_those_of_exact_arithmetic(rows, exponent):
    exact = np.array([math.fsum(row) for row in rows])
    tolerance = 9.0 * rows.shape[1] ** 2 * 2.0**-50
    np.testing.assert_allclose(bounded_sum(rows, 9.0), exact, rtol=0, atol=tolerance)
    np.testing.assert_allclose(scaled_sum(rows * 10.0**exponent) / 10.0**exponent, exact, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([0.0, -0.0], id="zeros"),
        pytest.param([5e-324, 1e-310], id="subnormal"),
        pytest.param([], id="empty"),
        pytest.param([1e300, -1e300], id="huge"),
    ],
)
def test_extremes(values):
    assert scaled_sum(np.array(values)) == pytest.approx(math.fsum(values), abs=1e-300)
