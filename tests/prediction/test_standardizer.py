"""z-scores against numpy over the forecasts of the actual window."""

# covers: P10, P29

from __future__ import annotations

import numpy as np
import pytest
from bar_worlds import assert_same_arrays, frozen_copy, make_world
from forecast_runs import random_raw, slow_relative, slow_z
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.prediction.standardizer import StandardizerConfig, ZScoreStandardizer, check_interval

SESSIONS = (24, 24, 24, 24, 24, 10, 24, 24, 24, 24, 24, 24, 24)


def run(world, raw, **config):
    """Return z (T, H, M, N) and the states after every row."""
    standardizer = ZScoreStandardizer(StandardizerConfig(**config), *raw.shape[1:])
    state = standardizer.initial()
    scores, states = [], []
    for row, _, _, _, first in world.steps():
        if first:
            state = standardizer.open_session(state)
        state, z = standardizer.standardize(state, raw[row])
        scores.append(z)
        states.append(state)
    return np.array(scores), states


@pytest.mark.parametrize(
    ("n_symbols", "missing", "level"),
    [
        pytest.param(15, 0.0, 0.0, id="all-there"),
        pytest.param(15, 0.3, 0.0, id="gaps-and-small-cross-sections"),
        pytest.param(15, 0.0, 1e4, id="a-level-far-above-the-spread-does-not-cancel"),
        pytest.param(4, 0.1, 0.5, id="too-few-to-demean"),
    ],
)
def test_z_equals_numpy_over_the_window(n_symbols, missing, level):
    world = make_world(1, SESSIONS, n_symbols)
    raw = random_raw(2, world, missing=missing, level=level)
    z, _ = run(world, raw)
    expected = slow_z(world, slow_relative(raw))
    np.testing.assert_allclose(z, expected, rtol=1e-10, atol=1e-8 if level > 1 else 1e-10)
    assert np.isnan(z[: 24 * 4]).all()
    assert np.isfinite(z[-24:]).mean() > 0.6


def test_the_window_slides_by_whole_sessions_and_leaves_today_out():
    world = make_world(1, (10,) * 6, 3)
    raw = random_raw(3, world)
    config = {"window_sessions": 2, "min_samples": 20}
    z, _ = run(world, raw, **config)
    np.testing.assert_allclose(z, slow_z(world, raw, window=2, min_samples=20), rtol=1e-10)
    altered = raw.copy()
    altered[:20] += 5.0  # sessions 0 and 1
    altered[40:45] *= 3.0  # earlier today
    again, _ = run(world, altered, **config)
    np.testing.assert_array_equal(z[45:50], again[45:50])


def test_a_forecast_that_never_varies_scores_nothing():
    world = make_world(1, (30,) * 6, 12)
    raw = random_raw(1, world)
    raw[:, 0, 0] = 0.3 + 0.01 * np.arange(12)
    raw[:, 1, 1] = 7.0
    z, _ = run(world, raw)
    assert (z[-1, 0, 0] == 0.0).all()
    assert (z[-1, 1, 1] == 0.0).all()
    assert (z[-1, 0, 1] != 0.0).all()


def test_fewer_samples_than_asked_for_are_no_view():
    world = make_world(1, (10,) * 12, 2)
    raw = random_raw(1, world)
    raw[15, :, :, 0] = np.nan
    z, _ = run(world, raw)
    assert np.isfinite(z[100:, :, :, 1]).all()
    assert np.isnan(z[100:110, :, :, 0]).all()  # 99 in the window
    assert np.isfinite(z[-1, 0, 0, 1])


def test_what_is_not_finite_is_no_forecast():
    world = make_world(1, (30,) * 5, 12)
    raw = random_raw(1, world)
    holed = raw.copy()
    holed[40, 0, 0, 3] = np.nan
    infinite = holed.copy()
    infinite[40, 0, 0, 3] = np.inf
    z, _ = run(world, holed)
    again, _ = run(world, infinite)
    np.testing.assert_array_equal(z, again)
    assert np.isnan(run(world, np.where(np.isnan(holed), -1e200, holed))[0][40, 0, 0, 3])


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n_symbols=st.integers(1, 30),
    missing=st.sampled_from([0.0, 0.2]),
    size=st.sampled_from([1e-300, 1e-6, 1.0, 1e90]),
)
def test_order_and_sign_of_the_forecasts(seed, n_symbols, missing, size):
    world = make_world(seed, (9,) * 4, n_symbols)
    raw = size * random_raw(seed, world, missing=missing)
    config = {"min_samples": 10}
    z, _ = run(world, raw, **config)
    order = np.random.default_rng(seed).permutation(n_symbols)
    np.testing.assert_array_equal(run(world, raw[..., order], **config)[0], z[..., order])
    np.testing.assert_array_equal(run(world, -raw, **config)[0], -z)


def test_prior_states_stay_valid():
    world = make_world(1, (30,) * 5, 12)
    raw = random_raw(1, world, missing=0.1)
    standardizer = ZScoreStandardizer(StandardizerConfig(), *raw.shape[1:])
    _, states = run(world, raw)
    before = frozen_copy(states[-1])
    standardizer.open_session(states[-1])
    standardizer.standardize(states[-1], raw[0])
    assert_same_arrays(before, states[-1].to_arrays())


@pytest.mark.parametrize(
    ("bars_per_session", "minutes", "allowed"),
    [
        pytest.param(78, 5, True, id="5m"),
        pytest.param(13, 30, True, id="30m"),
        pytest.param(10, 39, True, id="exactly-100"),
        pytest.param(7, 60, False, id="hourly-stocks"),
        pytest.param(24, 60, True, id="hourly-crypto"),
        pytest.param(1, 390, False, id="daily"),
    ],
)
def test_intervals_too_coarse_for_the_window_are_refused_by_name(bars_per_session, minutes, allowed):
    if allowed:
        check_interval(bars_per_session, minutes * NS_PER_MINUTE)
        return
    with pytest.raises(
        ConfigurationError, match=f"bars of {minutes} minutes: 10 sessions hold {10 * bars_per_session}"
    ):
        check_interval(bars_per_session, minutes * NS_PER_MINUTE)


def test_the_ranking_standardiser_is_not_offered_yet():
    with pytest.raises(ValidationError):
        StandardizerConfig(standardize="rank")
