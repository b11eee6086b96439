"""Rank correlation against scipy's."""

# covers: P10

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from LIVE_TRADING.prediction.spearman import spearman


def scipy_spearman(forecasts, outcome):
    rho = np.full(forecasts.shape[:2], np.nan)
    n_pairs = np.zeros(forecasts.shape[:2], dtype=int)
    for row, family in np.ndindex(*rho.shape):
        pair = np.isfinite(forecasts[row, family]) & np.isfinite(outcome[row])
        n_pairs[row, family] = pair.sum()
        if pair.sum() >= 2:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                rho[row, family] = spearmanr(forecasts[row, family][pair], outcome[row][pair]).statistic
    return rho, n_pairs


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 60),
    missing=st.sampled_from([0.0, 0.3, 0.95]),
    decimals=st.sampled_from([0, 1, 12]),
    same_gaps=st.booleans(),
)
def test_spearman_equals_scipy(seed, n, missing, decimals, same_gaps):
    rng = np.random.default_rng(seed)
    forecasts = rng.standard_normal((3, 2, n)).round(decimals)
    outcome = (forecasts[:, 0] + rng.standard_normal((3, n))).round(decimals)
    gaps = rng.random((3, 1 if same_gaps else 2, n)) < missing
    forecasts[np.broadcast_to(gaps, forecasts.shape)] = np.nan
    outcome[rng.random(outcome.shape) < missing] = np.nan
    outcome[0, 0] = np.inf
    got, n_pairs = spearman(forecasts, outcome)
    expected, expected_pairs = scipy_spearman(forecasts, outcome)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(n_pairs, expected_pairs)
    order = rng.permutation(n)
    np.testing.assert_array_equal(spearman(forecasts[..., order], outcome[..., order])[0], got)
    np.testing.assert_array_equal(spearman(-forecasts, outcome)[0], -got)


@pytest.mark.parametrize(
    ("forecast", "outcome", "expected"),
    [
        pytest.param([1.0, 2.0, 3.0], [10.0, 20.0, 90.0], 1.0, id="same-order"),
        pytest.param([1.0, 2.0, 3.0], [3.0, 2.0, 1.0], -1.0, id="reversed"),
        pytest.param([1.0, 1.0, 1.0], [3.0, 2.0, 1.0], np.nan, id="constant"),
        pytest.param([1.0, np.nan, 1.0], [3.0, 2.0, np.nan], np.nan, id="one-pair"),
        pytest.param([-3.0, -3.0, 0.0, 3.0], [1.0, 2.0, 3.0, 4.0], 4.5 / np.sqrt(4.5 * 5.0), id="ties-share-ranks"),
    ],
)
def test_spearman_of_one_row(forecast, outcome, expected):
    got, _ = spearman(np.array([[forecast]]), np.array([outcome]))
    np.testing.assert_allclose(got, [[expected]], rtol=1e-15)
