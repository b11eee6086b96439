"""Lagged dollar volume."""

# covers: P12, P29

from __future__ import annotations

import numpy as np
import pytest
from bar_worlds import assert_same_arrays, assert_same_records, frozen_copy, make_world

from LIVE_TRADING.models.liquidity import AdvConfig, AdvModel, AdvState, add_traded
from tests.support.kernels import assert_same_interpreted, awkward


def run(world, window_sessions=10):
    adv = AdvModel(AdvConfig(window_sessions=window_sessions))
    state = adv.initial(world.close.shape[1])
    states = []
    for _, batch, _, _, first in world.steps():
        state = adv.advance(state, batch, first)
        states.append(state)
    return adv, states


def slow_adv(world, row, window_sessions):
    days = np.array([day for day, _, _ in world.grid])
    today = days[row]
    means = []
    for column in range(world.close.shape[1]):
        totals = []
        for day in range(max(0, today - window_sessions), today):
            traded = world.close[days == day, column] * world.volume[days == day, column]
            if not np.isnan(traded).all():
                totals.append(np.nansum(traded))
        means.append(np.mean(totals) if totals else np.nan)
    return np.array(means)


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.9])
def test_adv_is_the_mean_of_the_sessions_before_today(missing):
    world = make_world(1, (4, 4, 2, 4, 4, 4, 4), 5, missing=missing)
    adv, states = run(world, window_sessions=3)
    for row, state in enumerate(states):
        np.testing.assert_allclose(adv.adv_usd(state), slow_adv(world, row, 3), rtol=1e-12)
    assert np.isnan(adv.adv_usd(states[3])).all()


def test_zero_volume_counts_and_unknown_volume_does_not():
    world = make_world(1, (2, 2, 2), 3)
    world.volume[:, 0] = 0.0
    world.volume[:2, 1] = np.nan
    adv, states = run(world)
    assert adv.adv_usd(states[2])[0] == 0.0
    assert np.isnan(adv.adv_usd(states[2])[1])
    assert adv.adv_usd(states[4])[1] == pytest.approx((world.close * world.volume)[2:4, 1].sum())


def test_prior_states_stay_valid_and_stored_ones_go_on():
    world = make_world(2, (3, 3, 3), 4, missing=0.1)
    adv, states = run(world)
    before = frozen_copy(states[4])
    state = AdvState.from_arrays(before)
    for row, batch, _, _, first in world.steps():
        if row > 4:
            state = adv.advance(state, batch, first)
    assert_same_arrays(before, states[4].to_arrays())
    assert_same_records(state, states[-1])


def test_the_kernel_says_the_same_interpreted():
    rng, n = np.random.default_rng(7), 60
    assert_same_interpreted(add_traded, *(awkward(rng, (n,)) for _ in range(3)), np.empty(n))
