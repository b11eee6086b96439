"""z-scores against numpy over the forecasts of the actual window."""

# covers: P10, P29, P32

from __future__ import annotations

import numpy as np
import pytest
from bar_worlds import assert_same_arrays, frozen_copy, make_world
from forecast_runs import random_raw, slow_relative, slow_z
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import norm, rankdata

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.horizons import parse_horizons
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.models.artifacts import ValidationFigures
from LIVE_TRADING.prediction.memory import ForecastModel, PredictionConfig
from LIVE_TRADING.prediction.standardizer import (
    RankStandardizer,
    StandardizerConfig,
    ZScoreStandardizer,
    check_interval,
    make_standardizer,
)

SESSIONS = (24, 24, 24, 24, 24, 10, 24, 24, 24, 24, 24, 24, 24)


def run(world, raw, **config):
    """Return z (T, H, M, N) and the states after every row."""
    standardizer = make_standardizer(StandardizerConfig(**config), *raw.shape[1:])
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


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**31), standardize=st.sampled_from(["zscore", "rank"]), scale=st.sampled_from([2.0**-20, 8.0])
)
def test_the_unit_of_the_forecasts_does_not_matter(seed, standardize, scale):
    world = make_world(seed, (9,) * 4, 14)
    raw = random_raw(seed, world, missing=0.1)
    config = {"min_samples": 10, "standardize": standardize}
    np.testing.assert_array_equal(run(world, scale * raw, **config)[0], run(world, raw, **config)[0])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), column=st.integers(0, 6))
def test_a_symbol_without_forecasts_leaves_the_others_where_nothing_is_demeaned(seed, column):
    world = make_world(seed, (9,) * 4, 7)
    raw = random_raw(seed, world, missing=0.1)
    holed = raw.copy()
    holed[..., column] = np.nan
    others = [symbol for symbol in range(7) if symbol != column]
    z, _ = run(world, raw, min_samples=10)
    again, _ = run(world, holed, min_samples=10)
    np.testing.assert_array_equal(again[..., others], z[..., others])
    assert np.isnan(again[..., column]).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), standardize=st.sampled_from(["zscore", "rank"]))
def test_a_higher_forecast_of_one_symbol_never_lowers_its_score(seed, standardize):
    world = make_world(seed, (9,) * 4, 14)
    raw = random_raw(seed, world)
    config = {"min_samples": 10, "standardize": standardize}
    higher = raw.copy()
    higher[-1, ..., 3] += np.random.default_rng(seed).uniform(0.0, 0.1)
    assert (run(world, higher, **config)[0][-1, ..., 3] >= run(world, raw, **config)[0][-1, ..., 3]).all()


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


def test_another_standardiser_is_refused():
    with pytest.raises(ValidationError, match=r"zscore.*rank"):
        StandardizerConfig(standardize="minmax")


def test_the_configuration_names_the_standardiser():
    assert type(make_standardizer(StandardizerConfig(), 1, 1, 1)) is ZScoreStandardizer
    assert type(make_standardizer(StandardizerConfig(standardize="rank"), 1, 1, 1)) is RankStandardizer


def rank_scores(raw, **config):
    """Return z of one cycle by rank, of forecasts (..., N)."""
    shape = (1,) * (3 - raw.ndim) + raw.shape
    standardizer = RankStandardizer(StandardizerConfig(standardize="rank", **config), *shape)
    return standardizer.standardize(standardizer.initial(), raw.reshape(shape))[1].reshape(raw.shape)


@pytest.mark.parametrize("n_symbols", [10, 11, 81, 500, 5000])
@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_a_rank_becomes_the_normal_quantile_of_scipy(n_symbols, missing):
    raw = np.random.default_rng(n_symbols).standard_normal((3, 2, n_symbols + 20)).round(2)  # with ties
    raw[np.random.default_rng(1).random(raw.shape) < missing] = np.nan
    z = rank_scores(raw, z_max=10.0)
    for row, got in zip(raw.reshape(6, -1), z.reshape(6, -1), strict=True):
        known = ~np.isnan(row)
        expected = norm.ppf((rankdata(row[known]) - 0.5) / known.sum())
        np.testing.assert_allclose(got[known], expected, rtol=1e-12, atol=1e-14)
        assert np.isnan(got[~known]).all()


def test_the_best_of_many_is_clipped():
    z = rank_scores(np.arange(5000.0))
    assert (z.min(), z.max()) == (-3.0, 3.0)
    assert norm.ppf(1 - 0.5 / 5000) > 3.0


def test_equal_forecasts_and_the_middle_one_score_nothing():
    assert (rank_scores(np.full(12, 0.7)) == 0.0).all()
    assert rank_scores(np.arange(11.0))[5] == 0.0


@pytest.mark.parametrize("n_known", [0, 1, 9, 10])
def test_a_small_cross_section_is_not_ranked(n_known):
    raw = np.where(np.arange(15) < n_known, np.arange(15.0), np.nan)
    assert np.isfinite(rank_scores(raw)).sum() == (n_known if n_known >= 10 else 0)
    assert np.isfinite(rank_scores(raw, min_symbols_to_demean=5)).sum() == (n_known if n_known >= 5 else 0)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n_symbols=st.integers(2, 40),
    missing=st.sampled_from([0.0, 0.2]),
    size=st.sampled_from([1e-300, 1e-6, 1.0, 1e90]),
    decimals=st.sampled_from([1, 16]),
)
def test_ranks_order_sign_and_size_of_the_forecasts(seed, n_symbols, missing, size, decimals):
    rng = np.random.default_rng(seed)
    raw = rng.standard_normal((2, 2, n_symbols)).round(decimals)
    raw[rng.random(raw.shape) < missing] = np.nan
    z = rank_scores(raw * size, min_symbols_to_demean=2)
    np.testing.assert_array_equal(rank_scores(-raw * size, min_symbols_to_demean=2), -z)
    order = rng.permutation(n_symbols)
    np.testing.assert_array_equal(rank_scores(raw[..., order] * size, min_symbols_to_demean=2), z[..., order])


def test_what_is_not_finite_is_not_ranked():
    raw = np.arange(14.0)
    raw[[2, 5, 8]] = np.inf, -np.inf, 1e200
    z = rank_scores(raw)
    assert np.isnan(z[[2, 5, 8]]).all()
    assert np.isfinite(z).sum() == 11


def test_ranks_have_no_warm_up_and_keep_the_memory_of_z_scores():
    world = make_world(1, SESSIONS, 15)
    raw = random_raw(2, world, missing=0.1)
    _, states = run(world, raw)
    ranked, ranked_states = run(world, raw, standardize="rank")
    assert np.isfinite(ranked[0]).sum() > 0.7 * ranked[0].size
    assert_same_arrays(ranked_states[-1].to_arrays(), states[-1].to_arrays())
    check_interval(1, 390 * NS_PER_MINUTE, StandardizerConfig(standardize="rank"))


def test_a_prediction_stage_that_ranks():
    config = PredictionConfig(standardizer={"standardize": "rank"})
    horizons = parse_horizons(("5m",), 5 * NS_PER_MINUTE, 390)
    figures = ValidationFigures(np.full((1, 1), 0.05), np.full((1, 1), 1e4), np.ones((1, 1)))
    stage = ForecastModel(config, horizons, ("ridge",), 12, 78, 5 * NS_PER_MINUTE, figures)
    raw = np.random.default_rng(0).standard_normal((1, 1, 12))
    memory = stage.open_session(stage.initial())
    arguments = (3, np.full((1, 12), 10.0), np.zeros(12, dtype=np.int64), np.full(12, 1e9), 0.0)
    _, predictions = stage.forecast(memory, raw, *arguments)
    np.testing.assert_array_equal(predictions.z, rank_scores(raw))
    assert (predictions.reason == int(Reason.OK)).all()
    assert np.abs(predictions.calibrated).max() > 0
