"""What holds of features for any bars: causality, symmetry between symbols, scale, memory."""

# covers: P9, R3

from __future__ import annotations

import numpy as np
import pytest
from feature_series import FIELDS, Series, make_series, run, step
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.features import FeatureBuilder, FeatureConfig, FeatureState, compute_all

BARS = 26
CONFIG = FeatureConfig(return_spans=(3, 12), volatility_spans=(6, 31), volume_level_sessions=2.0)
SEEDS = st.integers(0, 2**32 - 1)
MISSING = st.sampled_from([0.0, 0.02, 0.3])
QUICK = settings(max_examples=20, deadline=None)
PRICES = ("open", "high", "low", "close")


def features(series: Series) -> FloatArray:
    return compute_all(FeatureBuilder(CONFIG, series.n_symbols, BARS), series)


def own_rows() -> list[int]:
    """Return the rows of features that look at one symbol alone."""
    return [row for row, name in enumerate(FeatureBuilder(CONFIG, 1, BARS).names) if not name.startswith("rank_")]


@QUICK
@given(SEEDS, MISSING, st.permutations(range(6)))
def test_permuting_symbols_permutes_features_bit_for_bit(seed, missing, order):
    series = make_series(6, seed=seed, missing=missing)
    np.testing.assert_array_equal(features(series.columns(order)), features(series)[:, :, order])


@QUICK
@given(SEEDS, MISSING, st.lists(st.integers(0, 8), min_size=1, max_size=9, unique=True))
def test_a_symbols_own_features_do_not_depend_on_the_others(seed, missing, chosen):
    series = make_series(9, seed=seed, missing=missing)
    together, apart = features(series)[:, :, chosen], features(series.columns(chosen))
    np.testing.assert_array_equal(apart[:, own_rows()], together[:, own_rows()])


@QUICK
@given(SEEDS, MISSING, st.integers(1, 140))
def test_features_of_the_past_do_not_depend_on_the_future(seed, missing, cut):
    series = make_series(4, seed=seed, missing=missing)
    other = make_series(4, seed=seed + 1, missing=0.1)
    changed = series.with_arrays(
        **{name: np.concatenate([getattr(series, name)[:cut], getattr(other, name)[cut:]]) for name in FIELDS}
    )
    whole = features(series)[:cut]
    np.testing.assert_array_equal(features(changed)[:cut], whole)
    np.testing.assert_array_equal(features(series.rows(0, cut)), whole)


@QUICK
@given(SEEDS, MISSING, st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=3))
def test_a_factor_on_a_symbols_prices_changes_nothing_but_rounding(seed, missing, factors):
    series = make_series(3, seed=seed, missing=missing)
    scaled = series.with_arrays(**{name: getattr(series, name) * np.array(factors) for name in PRICES})
    np.testing.assert_allclose(features(scaled)[:, own_rows()], features(series)[:, own_rows()], rtol=1e-6, atol=1e-8)


def test_a_power_of_two_on_prices_changes_no_bit():
    series = make_series(3, missing=0.05)
    scaled = series.with_arrays(**{name: getattr(series, name) * np.array([4.0, 0.5, 1024.0]) for name in PRICES})
    np.testing.assert_array_equal(features(scaled), features(series))


@QUICK
@given(SEEDS, st.floats(0.05, 0.6))
def test_a_missing_bar_leaves_no_trace(seed, missing):
    series = make_series(1, seed=seed)
    gone = np.random.default_rng(seed).random(len(series)) < missing
    gone[[row for row in range(len(series)) if series.slot[row] == 7]] = False  # every session has a bar
    with_holes = features(series.without(gone[:, None]))
    kept = np.flatnonzero(~gone)
    shorter = series.with_arrays(
        **{name: getattr(series, name)[kept] for name in FIELDS},
        slot=series.slot[kept],
        sessions=tuple(series.sessions[row] for row in kept),
    )
    np.testing.assert_array_equal(with_holes[kept], features(shorter))
    assert np.isnan(with_holes[gone]).all()


@QUICK
@given(SEEDS, MISSING)
def test_the_record_passed_in_stays_valid(seed, missing):
    series = make_series(3, seed=seed, missing=missing, n_sessions=3)
    builder = FeatureBuilder(CONFIG, 3, BARS)
    state = builder.initial()
    for row in range(len(series) - 1):
        before = state.to_arrays()
        step(builder, state, series, row + 1, first=False)  # its result is dropped, as after a handler that failed
        after, values = step(builder, state, series, row)
        _, again = step(builder, FeatureState.from_arrays(before), series, row)
        np.testing.assert_array_equal(again, values)
        rings = {"indicators.closes", "sums.ring"}
        for name, array in state.to_arrays().items():
            changed = (array != before[name]) & ~(np.isnan(array) & np.isnan(before[name]))
            assert not changed.any() or (name in rings and changed.sum() <= array.size / array.shape[-2])
        state = after


@QUICK
@given(SEEDS, MISSING, st.integers(1, 100))
def test_a_copy_runs_ahead_without_disturbing_its_origin(seed, missing, cut):
    series = make_series(3, seed=seed, missing=missing)
    builder = FeatureBuilder(CONFIG, 3, BARS)
    state, _ = run(builder, series.rows(0, cut))
    ahead, own = state.copy(), state
    forecast, lived = [], []
    for row in range(cut, len(series)):
        ahead, values = step(builder, ahead, series, row)
        forecast.append(values)
    for row in range(cut, len(series)):
        own, values = step(builder, own, series, row)
        lived.append(values)
    np.testing.assert_array_equal(np.array(lived), np.array(forecast))


@st.composite
def wild_series(draw):
    """Return bars with jumps over many orders of magnitude, flat stretches, and any volume."""
    series = make_series(3, seed=draw(SEEDS), missing=draw(MISSING), n_sessions=4)
    rng = np.random.default_rng(draw(SEEDS))
    factor = np.exp(np.cumsum(rng.normal(0, 5, series.close.shape) * (rng.random(series.close.shape) < 0.03), axis=0))
    first, last = sorted(draw(st.tuples(st.integers(0, len(series)), st.integers(0, len(series)))))
    arrays = {name: getattr(series, name) * factor for name in PRICES}
    for name in PRICES:
        arrays[name][first:last] = 7.25
    volume = series.volume.copy()
    volume[rng.random(volume.shape) < draw(st.sampled_from([0.0, 0.5, 1.0]))] = draw(
        st.sampled_from([0.0, np.nan, 1e-8, 1e15, np.inf])
    )
    return series.with_arrays(**arrays, volume=volume)


@QUICK
@given(wild_series())
def test_no_infinity_and_no_warning_whatever_the_bars(series):
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        values = features(series)
    assert not np.isinf(values).any()
    builder = FeatureBuilder(CONFIG, 3, BARS)
    bounds = {"rsi": (0, 100), "bollinger_z": (-4.36, 4.36), "session_elapsed": (0, 1), "volume_surprise": (-4, 4)}
    bounds |= {name: (-0.5, 0.5) for name in builder.names if name.startswith("rank_") or name.endswith("_location")}
    for name, (low, high) in bounds.items():
        row = values[:, builder.names.index(name)]
        row = row[~np.isnan(row)]
        assert row.size == 0 or (low - 1e-9 <= row.min() and row.max() <= high + 1e-9), name


@pytest.mark.realdata
def test_an_hour_of_real_bars_with_holes_has_finite_features(shared_data):
    import pandas as pd

    table = pd.read_parquet(shared_data("us_equity_1m_2026.parquet"), columns=["symbol", "timestamp", *FIELDS])
    arrays = {name: table.pivot(index="timestamp", columns="symbol", values=name).to_numpy()[:400] for name in FIELDS}
    series = make_series(1, n_sessions=1, bars_per_session=400)
    recorded = Series(**arrays, slot=series.slot, sessions=series.sessions)
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        values = compute_all(FeatureBuilder(FeatureConfig(), recorded.n_symbols, 390), recorded)
    assert not np.isinf(values).any()
    builder_names = FeatureBuilder(FeatureConfig(), 1, 390).names
    first_session_only = {"gap", "return_last_session"}
    known = [row for row, name in enumerate(builder_names) if name not in first_session_only]
    present = ~np.isnan(recorded.close[100:])
    assert np.isfinite(values[100:, known].swapaxes(1, 2)[present]).all()
