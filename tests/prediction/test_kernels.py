"""The stage's kernels say the same compiled and interpreted, whatever they are given."""

# covers: P10, P29

from __future__ import annotations

import numpy as np
import pytest

from LIVE_TRADING.common.exact_sums import grid_scale, scaled_sums
from LIVE_TRADING.prediction.memory import calibrate
from LIVE_TRADING.prediction.skill import add_products, count_correlations, settle
from LIVE_TRADING.prediction.spearman import correlate
from LIVE_TRADING.prediction.standardizer import FORECAST_LIMIT, demean, observe, z_scores
from tests.support.kernels import assert_same_interpreted, awkward

SHAPE = (3, 2, 37)


@pytest.fixture(params=range(4))
def rng(request):
    return np.random.default_rng(request.param)


def forecasts(rng, shape=SHAPE):
    """Return forecasts as they come, some of them missing, infinite, equal or too large to be any."""
    values = awkward(rng, shape)
    return np.where(rng.random(shape) < 0.05, rng.choice([1e200, -1e200, 5e-324], shape), values)


@pytest.mark.parametrize("n", [1, 37])
def test_sums(rng, n):
    for limit in (FORECAST_LIMIT, np.inf):
        assert_same_interpreted(scaled_sums, forecasts(rng, (6, n)), limit, np.empty((2, 6)))


def test_standardising(rng):
    raw, sums = forecasts(rng, (6, 37)), np.empty((2, 6))
    scaled_sums(raw, FORECAST_LIMIT, sums)
    for least in (2, 30):
        assert_same_interpreted(demean, raw, FORECAST_LIMIT, sums, least, np.empty(raw.shape))
    moments = awkward(rng, (4, *SHAPE))
    assert_same_interpreted(z_scores, *moments[:3], 3.0, np.empty(SHAPE))
    assert_same_interpreted(observe, moments[0], np.abs(np.round(moments[1])), *moments[2:], np.empty((3, *SHAPE)))


def test_calibrating(rng):
    parts = awkward(rng, (3, *SHAPE), share=0.5)
    stale = rng.random(SHAPE[-1]) < 0.1
    assert_same_interpreted(calibrate, *parts, stale, np.empty(SHAPE), np.empty(SHAPE[-1], dtype=np.int16))


def test_settling(rng):
    n = SHAPE[-1]
    z, relative = np.clip(awkward(rng, (2, 2, n)), -3.0, 3.0)
    sigma_bps, entry, close = awkward(rng, (3, n))
    scale, tally = grid_scale(4.0 * 16.0, n), np.ones((4, 3, 2))
    assert_same_interpreted(
        settle, z, relative, sigma_bps, entry, close, 4.0, scale, np.empty((3, n)), int(rng.integers(3)), tally
    )


def test_products(rng):
    z = np.clip(awkward(rng, SHAPE), -3.0, 3.0)
    assert_same_interpreted(add_products, np.ones((2, 3, 2, 2)), z, grid_scale(9.0, 37), np.empty((2, 3, 2, 2)))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_correlating(rng, share):
    pairs = awkward(rng, (3, 4, 37), share)
    pairs[~np.isfinite(pairs)] = np.inf
    order, found = pairs.argsort(axis=-1), np.empty((2, 3, 3))
    assert_same_interpreted(correlate, pairs, order, found)
    correlate(pairs, order, found)
    for pooled in (False, True):
        rows, tally = np.array([0, 2, 3]), np.ones((4, 4, 3))
        assert_same_interpreted(count_correlations, found, rows, 20, pooled, tally)
