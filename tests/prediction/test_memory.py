"""The prediction stage as a whole: reasons, purity, order, sign, and going on from stored arrays."""

# covers: P10, P24, P27, P29

from __future__ import annotations

import numpy as np
import pytest
from bar_worlds import INTERVAL_NS, assert_same_arrays, make_world
from forecast_runs import FAMILIES, HORIZONS, drive, make_model, random_raw, random_sigma
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import record_dict
from LIVE_TRADING.prediction.confidence import ValidationFigures
from LIVE_TRADING.prediction.memory import ForecastMemory, ForecastModel, PredictionConfig

BARS = 10
SESSIONS = (10, 10, 10, 4, 10, 10, 10)
CONFIG = PredictionConfig(standardizer={"window_sessions": 3, "min_samples": 15}, skill={"window_sessions": 3})
EVIDENCE = ValidationFigures(np.full((3, 2), 0.03), np.full((3, 2), 500.0), np.full((3, 2), 1.5))


def model(n_symbols, config=CONFIG):
    return make_model(n_symbols, BARS, config, EVIDENCE)


def run(seed, n_symbols, *, missing=0.1, skipped=(), order=None, sign=1.0, rows=None, memory=None):
    world = make_world(seed, SESSIONS, n_symbols, missing=missing)
    raw, sigma = sign * random_raw(seed + 1, world, missing=missing), random_sigma(seed + 2, world)
    if order is not None:
        world, raw, sigma = world.select(order), raw[..., order], sigma[..., order]
    return drive(model(n_symbols), world, raw, sigma, skipped=skipped, rows=rows, memory=memory)


def assert_same_predictions(a, b):
    for name, value in record_dict(a).items():
        np.testing.assert_array_equal(value, getattr(b, name), err_msg=name)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**31), n_symbols=st.integers(1, 30))
def test_permuting_the_symbols_permutes_every_bit(seed, n_symbols):
    order = np.random.default_rng(seed).permutation(n_symbols)
    plain, permuted = run(seed, n_symbols), run(seed, n_symbols, order=order)
    for a, b in zip(plain.predictions, permuted.predictions, strict=True):
        for name in ("z", "confidence", "calibrated"):
            np.testing.assert_array_equal(getattr(a, name)[..., order], getattr(b, name), err_msg=name)
        np.testing.assert_array_equal(a.reason[order], b.reason)
        np.testing.assert_array_equal(a.ic, b.ic)
    np.testing.assert_array_equal(
        plain.model.forecast_covariance(plain.after[-1]), permuted.model.forecast_covariance(permuted.after[-1])
    )


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), n_symbols=st.sampled_from([4, 12]))
def test_negating_the_forecasts_negates_the_scores(seed, n_symbols):
    plain, negated = run(seed, n_symbols), run(seed, n_symbols, sign=-1.0)
    for a, b in zip(plain.predictions, negated.predictions, strict=True):
        np.testing.assert_array_equal(a.z, -b.z)
    live, mirrored = plain.after[-1].skill.window.live, negated.after[-1].skill.window.live
    np.testing.assert_array_equal(live.ic, -mirrored.ic)
    np.testing.assert_array_equal(live.n_effective, mirrored.n_effective)
    np.testing.assert_array_equal(plain.after[-1].skill.window.covariance, negated.after[-1].skill.window.covariance)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), n_symbols=st.sampled_from([4, 12]), row=st.integers(0, 62))
def test_prior_memories_stay_valid_and_branches_do_not_meet(seed, n_symbols, row):
    plain = run(seed, n_symbols)
    before = {name: array.copy() for name, array in plain.after[row].to_arrays().items()}
    rows = range(row + 1, 64)
    # another future first, then the true one from the same memory
    run(seed + 9, n_symbols, rows=rows, memory=plain.after[row])
    again = run(seed, n_symbols, rows=rows, memory=plain.after[row])
    assert_same_arrays(before, plain.after[row].to_arrays())
    for a, b in zip(plain.predictions[row + 1 :], again.predictions, strict=True):
        assert_same_predictions(a, b)


@pytest.mark.parametrize("n_symbols", [4, 12])
@pytest.mark.parametrize("row", [0, 17, 33, 41])
def test_stored_arrays_go_on_bit_by_bit(tmp_path, n_symbols, row):
    plain = run(5, n_symbols, skipped=(15, 40))
    np.savez(tmp_path / "memory.npz", **plain.after[row].to_arrays())
    with np.load(tmp_path / "memory.npz", allow_pickle=False) as stored:
        memory = ForecastMemory.from_arrays(dict(stored))
    rest = run(5, n_symbols, skipped=(15, 40), rows=range(row + 1, 64), memory=memory)
    for a, b in zip(plain.predictions[row + 1 :], rest.predictions, strict=True):
        if a is None:
            assert b is None
        else:
            assert_same_predictions(a, b)
    assert_same_arrays(plain.after[-1].to_arrays(), rest.after[-1].to_arrays())


def test_a_fresh_start_keeps_windows_and_covariance_and_drops_evidence():
    plain = run(3, 12)
    fresh = plain.model.fresh_skill(plain.after[-1])
    np.testing.assert_array_equal(
        plain.model.forecast_covariance(fresh), plain.model.forecast_covariance(plain.after[-1])
    )
    assert fresh.standardizer is plain.after[-1].standardizer
    assert (fresh.skill.window.live.n_effective == 0).all()
    assert np.isnan(fresh.skill.window.live.ic).all()
    assert set(fresh.skill.pending.intraday) == set(fresh.skill.pending.daily) == {None}
    # z of the next cycle is the same, the IC falls back on validation
    next_up = plain.model.open_session(fresh)
    expected = plain.model.open_session(plain.after[-1])
    np.testing.assert_array_equal(next_up.standardizer.window_sd, expected.standardizer.window_sd)
    np.testing.assert_array_equal(next_up.skill.window.covariance, expected.skill.window.covariance)
    assert (next_up.skill.window.live.n_matured == 0).all()


def forecast_now(n_symbols=12, raw=None, age_bars=None, adv_usd=None, config=CONFIG):
    """One forecast after a warm history."""
    plain = run(3, n_symbols, missing=0.0)
    stage = model(n_symbols, config)
    memory = stage.open_session(plain.after[-1])
    ages = np.zeros(n_symbols, dtype=np.int64) if age_bars is None else np.array(age_bars) * INTERVAL_NS
    volumes = np.full(n_symbols, 1e9) if adv_usd is None else adv_usd
    raw = np.random.default_rng(1).standard_normal((3, 2, n_symbols)) if raw is None else raw
    return stage.forecast(memory, raw, 0, np.full((3, n_symbols), 20.0), ages, volumes, 1000.0)[1]


def test_calibrated_is_z_times_confidence():
    predictions = forecast_now()
    np.testing.assert_array_equal(predictions.calibrated, predictions.z * predictions.confidence)
    assert (predictions.reason == Reason.OK).all()
    assert predictions.horizons == tuple(horizon.name for horizon in HORIZONS)
    assert predictions.families == FAMILIES
    np.testing.assert_array_equal(predictions.horizon("15m").z, predictions.z[1])
    assert predictions.ic.shape == (3, 2)
    assert (predictions.ic > 0).any()


def test_each_symbol_says_why_it_has_no_view():
    raw = np.random.default_rng(1).standard_normal((3, 2, 12))
    raw[:, :, 1] = np.nan
    raw[0, :, 2] = np.nan  # other horizons remain
    ages = np.zeros(12)
    ages[3] = 3
    raw[:, :, 4] = np.nan
    ages[4] = 3
    volumes = np.full(12, 1e9)
    volumes[5] = np.nan
    predictions = forecast_now(raw=raw, age_bars=ages, adv_usd=volumes)
    expected = [Reason.OK] * 12
    expected[1] = Reason.NO_FORECAST
    expected[3] = expected[4] = Reason.STALE_FEATURES
    expected[5] = Reason.COST_UNKNOWN
    assert predictions.reason.tolist() == expected
    assert predictions.reason.dtype == np.int16
    viewless = np.isnan(predictions.calibrated).all(axis=(0, 1))
    np.testing.assert_array_equal(viewless, np.array(expected) != Reason.OK)


def test_a_young_memory_is_warming_up():
    plain = run(3, 12, missing=0.0)
    assert (plain.predictions[0].reason == Reason.Z_WARMING_UP).all()
    assert (plain.predictions[-1].reason == Reason.OK).all()


def test_forecasts_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"expected \(horizons, families, symbols\) \(3, 2, 12\)"):
        forecast_now(raw=np.zeros((3, 1, 12)))


def test_an_interval_too_coarse_is_refused():
    with pytest.raises(ConfigurationError, match="10 sessions hold 70"):
        ForecastModel(PredictionConfig(), HORIZONS, FAMILIES, 12, 7, 12 * INTERVAL_NS, EVIDENCE)


def test_memory_is_flat():
    """Nothing that a memory holds grows with the cycles seen."""
    plain = run(3, 12, missing=0.0)
    sizes = [
        sum(array.nbytes for name, array in memory.to_arrays().items() if "pairs" not in name)
        for memory in (plain.after[-11], plain.after[-1])
    ]
    assert sizes[0] == sizes[1]
