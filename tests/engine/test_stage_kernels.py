"""The kernels of stages 2 to 5 say the same compiled and interpreted, whatever they are given."""

# covers: P11, P12, P13, P14, P29

from __future__ import annotations

import numpy as np
import pytest

from LIVE_TRADING.arbitration.arbiter import price_horizons
from LIVE_TRADING.arbitration.cost import round_trip
from LIVE_TRADING.arbitration.positions import judge_positions
from LIVE_TRADING.blending.blender import blend_scores
from LIVE_TRADING.common.types import Action
from LIVE_TRADING.engine.pipeline import pick_rows
from LIVE_TRADING.gating.spread import judge_quotes
from LIVE_TRADING.sizing.sizer import overrule, weigh
from LIVE_TRADING.sizing.turnover import settle_changes
from LIVE_TRADING.sizing.volatility_scaler import scale_by_volatility
from tests.support.kernels import assert_same_interpreted, awkward

H, M, N = 3, 2, 53


@pytest.fixture(params=range(4))
def rng(request):
    return np.random.default_rng(request.param)


def codes(n=N):
    return np.zeros(n, dtype=np.int16)


def flags(rng, *shape):
    return rng.random(shape or N) < 0.5


def test_blending(rng):
    scores, sigma = awkward(rng, (H, M, N), share=0.4), awkward(rng, (H, N))
    for weights in (rng.random((H, M)), np.zeros((H, M))):
        assert_same_interpreted(blend_scores, weights, scores, sigma, np.empty((H, N)), codes())


def test_pricing_horizons(rng):
    alpha, cost, per_root = awkward(rng, (H, N), share=0.4), np.abs(awkward(rng, (N,))), np.array([1.0, 0.7, 0.1])
    bars, out = np.array([1, 3, 0]), np.empty((2, H, N))
    for room in (-1, 0, 2, 99):
        assert_same_interpreted(
            price_horizons, alpha, cost, per_root, bars, room, 0.5, 32, *out, flags(rng, H, N), codes()
        )


def test_judging_positions(rng):
    alpha, score = awkward(rng, (2, H, N))
    cost, p_peak, p_valley = np.abs(awkward(rng, (3, N)))
    side, row = rng.integers(-1, 2, N).astype(np.int16), rng.integers(-1, H, N).astype(np.int16)
    given = (alpha, cost, score, flags(rng, H, N), side, row, flags(rng), p_peak, p_valley)
    settings = (np.array([1.0, 0.7, 0.1]), np.array([False, False, True]))
    for closing in (False, True):
        out = (codes(), codes(), np.empty(N), codes())
        out[2].fill(0.0)
        assert_same_interpreted(judge_positions, *given, *settings, closing, 1.25, 0.25, 2.0, 0.65, *out)


def test_cost_and_quotes(rng):
    spread, sigma, adv = awkward(rng, (3, N))
    assert_same_interpreted(round_trip, spread, sigma, adv, 2500.0, 1.0, 0.01, 1.4, 1.0, np.empty(N))
    bid, ask, age = np.abs(awkward(rng, (3, N)))
    assert_same_interpreted(judge_quotes, bid, ask, age, 12.0, 5.0, np.empty(N), codes())


def test_sizing(rng):
    net, sigma, shares, price, target = awkward(rng, (5, N))
    side, action = rng.integers(-1, 2, N).astype(np.int16), rng.integers(0, len(Action), N).astype(np.int16)
    assert_same_interpreted(weigh, side, net, sigma, np.round(shares), np.abs(price), 1e5, 0.02, np.empty((3, N)))
    for scaling in (False, True):
        assert_same_interpreted(scale_by_volatility, net, sigma, 1.0, 0.05, 200.0, scaling, np.empty(N))
    assert_same_interpreted(settle_changes, net, shares, flags(rng), flags(rng), 0.0125, 0.004, np.empty(N), codes())
    reason = rng.integers(60, 64, N).astype(np.int16)
    assert_same_interpreted(overrule, action, flags(rng), sigma, price, net, shares, target, reason)


def test_picking_rows(rng):
    assert_same_interpreted(pick_rows, awkward(rng, (H, N)), rng.integers(-1, H, N).astype(np.int16), np.empty(N))
