"""Average ranks against scipy's."""

# covers: P9

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import rankdata

from LIVE_TRADING.common.ranks import (
    ascending_places,
    average_ranks,
    centred_ranks,
    number_places,
    order_places,
    rank_places,
)
from tests.support.kernels import assert_same_interpreted, awkward


def scipy_ranks(row):
    ranks = np.full(row.shape, np.nan)
    known = ~np.isnan(row)
    ranks[known] = rankdata(row[known], method="average")
    return ranks


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param([3.0, 1.0, 2.0], [3.0, 1.0, 2.0], id="no-ties"),
        pytest.param([1.0, 1.0, 2.0], [1.5, 1.5, 3.0], id="ties-share-the-mean"),
        pytest.param([np.nan, 5.0, 4.0], [np.nan, 2.0, 1.0], id="nan-is-not-counted"),
        pytest.param([0.0, -0.0, 1.0], [1.5, 1.5, 3.0], id="signed-zeros-tie"),
        pytest.param([np.inf, -np.inf, 0.0], [3.0, 1.0, 2.0], id="infinities-rank-at-the-ends"),
        pytest.param([np.nan, np.nan], [np.nan, np.nan], id="nothing-known"),
        pytest.param([7.0], [1.0], id="one"),
        pytest.param([], [], id="empty"),
    ],
)
def test_average_ranks_of_one_row(row, expected):
    np.testing.assert_array_equal(average_ranks(np.array(row)), expected)


@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=12),
        elements=st.one_of(st.sampled_from([0.0, -0.0, 1.0, 2.0, np.nan]), st.floats(allow_nan=True)),
    )
)
def test_average_ranks_equal_scipy(values):
    before = values.copy()
    got = average_ranks(values)
    np.testing.assert_array_equal(got, np.apply_along_axis(scipy_ranks, -1, values))
    np.testing.assert_array_equal(values, before)


def test_ranks_are_written_where_asked_and_read_only_input_is_ranked():
    values, out = np.random.default_rng(3).integers(0, 9, (6, 40)).astype(float), np.empty((9, 40))
    values.setflags(write=False)
    given = centred_ranks(values, out[2:8])
    assert np.shares_memory(given, out)
    np.testing.assert_array_equal(out[2:8], centred_ranks(values))


def test_strided_input_ranks_like_its_copy():
    values = np.random.default_rng(3).integers(0, 9, (40, 6)).astype(float).T
    np.testing.assert_array_equal(average_ranks(values), average_ranks(values.copy()))


@given(st.permutations(range(9)))
def test_permuting_a_row_permutes_its_ranks(order):
    row = np.array([2.0, 2.0, np.nan, 1.0, 5.0, 5.0, 5.0, -1.0, 0.0])
    np.testing.assert_array_equal(average_ranks(row[list(order)]), average_ranks(row)[list(order)])


@given(hnp.arrays(np.float64, (3, 7), elements=st.sampled_from([0.0, 1.0, 2.0, np.nan, np.inf])))
def test_centred_ranks_lie_symmetrically_within_a_half(values):
    got = centred_ranks(values)
    known = (~np.isnan(values)).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(got, (average_ranks(values) - 0.5) / np.maximum(known, 1) - 0.5, rtol=0, atol=1e-15)
    assert (np.abs(got[~np.isnan(got)]) < 0.5).all()
    finite = np.where(np.isinf(values), 9.0, values)
    np.testing.assert_allclose(centred_ranks(-finite), -centred_ranks(finite), rtol=0, atol=1e-15)


@pytest.mark.parametrize("n", [2, 3, 64, 65, 500])
@pytest.mark.parametrize("unit", [1e-300, 1.0, -1.0, 1e300])
def test_values_that_differ_in_their_last_bits_rank_apart(n, unit):
    rng = np.random.default_rng(n)
    steps = rng.permutation(np.repeat(np.arange(n // 2 + 1), 2)[:n])
    row = unit * (1.0 + steps * 2.0**-52)
    np.testing.assert_array_equal(average_ranks(row), rankdata(row, method="average"))
    assert row[ascending_places(row[None])[0]].tolist() == sorted(row)


@pytest.mark.parametrize("n", [1, 2, 64, 65])
def test_places_ascend_and_nan_comes_last(n):
    rows = awkward(np.random.default_rng(n), (20, n), share=0.3)
    places = ascending_places(rows)
    np.testing.assert_array_equal(np.sort(places), np.broadcast_to(np.arange(n), places.shape))
    np.testing.assert_array_equal(np.take_along_axis(rows, places, axis=1), np.sort(rows))


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("n", [1, 2, 40])
def test_the_kernels_say_the_same_interpreted(centred, n):
    rows, low = awkward(np.random.default_rng(n), (9, n)), 63
    places = np.empty(rows.shape, dtype=np.int64)
    assert_same_interpreted(number_places, rows.view(np.int64), low, places)
    number_places(rows.view(np.int64), low, places)
    assert_same_interpreted(order_places, rows, np.sort(places), low)
    assert_same_interpreted(rank_places, rows, np.sort(places), low, centred, np.empty(rows.shape))
