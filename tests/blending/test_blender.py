"""The blend: Grinold's rule, views that are missing, symmetry."""

# covers: P11

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.blending import BlendingConfig, HorizonBlender
from LIVE_TRADING.common.horizons import HORIZON_NAMES, parse_horizons
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import AllPredictions
from LIVE_TRADING.common.units import BPS, NS_PER_MINUTE

ALL = parse_horizons(HORIZON_NAMES, 5 * NS_PER_MINUTE, 390)
NAN = np.nan
CONFIG = BlendingConfig(temperature_off=True)


def predictions(z, ic, confidence=None, horizons=ALL):
    """Return stage 1 with calibrated = z · confidence, confidence = IC by default."""
    z, ic = np.asarray(z, dtype=float), np.asarray(ic, dtype=float)
    if confidence is None:
        confidence = np.broadcast_to(ic[:, :, None], z.shape)
    names = tuple(horizon.name for horizon in horizons)
    families = tuple(f"family{m}" for m in range(ic.shape[1]))
    reason = np.zeros(z.shape[2], dtype=np.int16)
    return AllPredictions(names, families, z, z, ic, confidence, z * confidence, reason)


def blend_one(z, ic, sigma_bps, covariance=None, config=CONFIG, confidence=None):
    """Blend one horizon: z (M, N), ic (M,), sigma (N,)."""
    given_z = np.array([z], dtype=float)
    families = given_z.shape[1]
    covariance = np.eye(families)[None] if covariance is None else np.array([covariance], dtype=float)
    stage1 = predictions(given_z, [ic], None if confidence is None else np.array([confidence]), ALL[:1])
    return HorizonBlender(config, ALL[:1]).blend(stage1, covariance, np.array([sigma_bps], dtype=float))


@pytest.mark.parametrize(
    ("z", "ic", "sigma", "expected"),
    [
        # one family, weight 1: 100 bps · 0.05 · 2
        pytest.param([[2.0]], [0.05], [100.0], 10.0, id="grinold-one-family"),
        # weights 0.75 and 0.25: 100 · (0.75·0.03·1 + 0.25·0.01·(−2)) = 1.75
        pytest.param([[1.0], [-2.0]], [0.03, 0.01], [100.0], 1.75, id="two-families"),
        # the silent family counts 0, its weight is not given to the other: 100 · 0.75·0.03
        pytest.param([[1.0], [NAN]], [0.03, 0.01], [100.0], 2.25, id="silent-family-counts-nothing"),
        pytest.param([[NAN], [NAN]], [0.03, 0.01], [100.0], NAN, id="all-silent-is-no-view"),
        pytest.param([[1.0], [1.0]], [0.0, 0.0], [100.0], 0.0, id="no-evidence-is-no-alpha"),
        pytest.param([[1.0]], [0.05], [NAN], NAN, id="unknown-volatility-is-no-view"),
        pytest.param([[1.0]], [0.05], [0.0], NAN, id="volatility-zero-is-unknown"),
        pytest.param([[2.0]], [0.05], [0.5], 0.05, id="little-volatility-is-known"),
    ],
)
def test_alpha_of_one_symbol(z, ic, sigma, expected):
    got = blend_one(z, ic, sigma)
    assert got.alpha_bps[0] == pytest.approx([expected], nan_ok=True)


def test_alpha_is_grinolds_product_published():
    """Grinold & Kahn, Active Portfolio Management, ch. 14: IC 0.05, residual volatility 30 %, score 1: alpha 1.5 %."""
    got = blend_one([[1.0]], [0.05], [0.30 * BPS])
    assert got.alpha_bps[0, 0] / BPS == pytest.approx(0.015, abs=1e-15)


def test_alpha_of_three_rated_shares_published():
    """Ratings 8, 5, 3 with population z, IC 0.05, volatility 28, 12, 28 %: alpha 1.82, −0.1, −1.6 % as published.

    Source: scholarlyinvesting.com/learn/qa/28.
    """
    ratings = np.array([8.0, 5.0, 3.0])
    z = (ratings - ratings.mean()) / ratings.std()
    got = blend_one([z], [0.05], np.array([0.28, 0.12, 0.28]) * BPS)
    published_pct = [round(value, digits) for value, digits in zip(got.alpha_bps[0] / 100.0, (2, 1, 1), strict=True)]
    assert published_pct == [1.82, -0.1, -1.6]


def test_alpha_in_the_units_of_its_horizon():
    """IC 0.03 at five days, 2 % a day, score 2: 26.83 bps over the five days."""
    got = blend_one([[2.0]], [0.03], [0.02 * math.sqrt(5.0) * BPS])
    assert got.alpha_bps[0, 0] == pytest.approx(26.832815729997478, rel=1e-12)


def test_alpha_equals_the_reference_file(shared_reference):
    cases = {case["id"]: case for case in json.loads(shared_reference("grinold_alpha.json").read_text())["cases"]}
    one = cases["grinold_ch14_scale"]
    inputs = one["inputs"]
    got = blend_one([[inputs["score"]]], [inputs["ic"]], [inputs["residual_vol_annual"] * BPS])
    assert got.alpha_bps[0, 0] / BPS == pytest.approx(one["expected"]["alpha_annual"], abs=one["tolerance"]["abs"])
    three = cases["three_analyst_ratings"]
    inputs = three["inputs"]
    sigma = np.array(inputs["residual_vol"]) * BPS
    got = blend_one([three["expected"]["z"]], [inputs["ic"]], sigma)
    assert got.alpha_bps[0] / BPS == pytest.approx(three["expected"]["alpha"], abs=three["tolerance"]["alpha"])
    horizon = cases["horizon_units"]
    inputs = horizon["inputs"]
    sigma = inputs["sigma_daily"] * math.sqrt(inputs["horizon_days"]) * BPS
    got = blend_one([[inputs["score"]]], [inputs["ic"]], [sigma])
    expected = horizon["expected"]["alpha_bps_over_horizon"]
    assert got.alpha_bps[0, 0] == pytest.approx(expected, rel=horizon["tolerance"]["rel"])


def test_confidence_scales_alpha_and_leaves_weights_alone():
    full = blend_one([[1.0], [1.0]], [0.03, 0.01], [100.0])
    half = blend_one([[1.0], [1.0]], [0.03, 0.01], [100.0], confidence=[[0.015], [0.005]])
    assert half.weights.tobytes() == full.weights.tobytes()
    assert half.alpha_bps == pytest.approx(full.alpha_bps / 2)


@pytest.mark.parametrize(
    ("z", "ic", "sigma", "expected"),
    [
        pytest.param([[1.0], [NAN]], [0.03, 0.01], [100.0], Reason.OK, id="one-view-is-a-view"),
        pytest.param([[NAN], [NAN]], [0.03, 0.01], [100.0], Reason.NO_VIEW, id="no-view"),
        pytest.param([[1.0], [1.0]], [0.0, 0.0], [100.0], Reason.NO_POSITIVE_WEIGHT, id="no-evidence-of-skill"),
        pytest.param([[1.0], [1.0]], [0.03, 0.0], [100.0], Reason.OK, id="evidence-of-one-is-evidence"),
        pytest.param([[NAN], [NAN]], [0.0, 0.0], [100.0], Reason.NO_VIEW, id="no-view-comes-first"),
        pytest.param([[1.0], [1.0]], [0.03, 0.01], [NAN], Reason.VOL_UNKNOWN, id="volatility-unknown"),
        pytest.param([[NAN], [NAN]], [0.03, 0.01], [NAN], Reason.NO_VIEW, id="no-view-before-volatility"),
    ],
)
def test_reason_of_one_symbol(z, ic, sigma, expected):
    assert blend_one(z, ic, sigma).reason.tolist() == [expected]


def test_every_symbol_has_its_own_reason():
    got = blend_one([[1.0, NAN, 1.0]], [0.03], [100.0, 100.0, NAN])
    assert got.reason.tolist() == [Reason.OK, Reason.NO_VIEW, Reason.VOL_UNKNOWN]
    assert got.reason.dtype == np.int16


def test_a_view_whose_volatility_is_unknown_is_a_view():
    z = np.array([[[NAN]], [[1.0]]])
    got = HorizonBlender(CONFIG, ALL[:2]).blend(
        predictions(z, [[0.03], [0.03]], horizons=ALL[:2]), np.ones((2, 1, 1)), np.array([[100.0], [NAN]])
    )
    assert got.reason.tolist() == [Reason.VOL_UNKNOWN]


def test_a_view_at_one_horizon_is_enough():
    z = np.full((6, 2, 1), NAN)
    z[5, 1, 0] = 1.0
    got = HorizonBlender(CONFIG, ALL).blend(
        predictions(z, np.full((6, 2), 0.02)), np.tile(np.eye(2), (6, 1, 1)), np.full((6, 1), 50.0)
    )
    assert got.reason.tolist() == [Reason.OK]
    assert np.isnan(got.alpha_bps[:5]).all()
    assert got.alpha_bps[5, 0] == pytest.approx(50.0 * 0.5 * 0.02)
    assert got.horizon("1d").alpha_bps[0] == got.alpha_bps[5, 0]


def test_equal_mode_is_the_mean_of_the_families():
    got = blend_one([[1.0], [-2.0]], [0.03, 0.01], [100.0], config=BlendingConfig(mode="equal", temperature_off=True))
    assert got.weights[0] == pytest.approx([0.5, 0.5])
    assert got.alpha_bps[0, 0] == pytest.approx(100.0 * (0.5 * 0.03 - 0.5 * 0.02))


def test_temperature_flattens_short_horizons_only():
    ic = np.tile([0.03, 0.01], (6, 1))
    got = HorizonBlender(BlendingConfig(), ALL).blend(
        predictions(np.ones((6, 2, 1)), ic), np.tile(np.eye(2), (6, 1, 1)), np.full((6, 1), 50.0)
    )
    heavier = got.weights[:, 0]
    assert heavier[0] < heavier[1] < heavier[2] < heavier[3]
    assert heavier[3:] == pytest.approx([0.75] * 3)


def test_other_horizons_are_refused():
    with pytest.raises(ValueError, match="5m"):
        HorizonBlender(CONFIG, ALL).blend(
            predictions(np.ones((1, 1, 1)), [[0.1]], horizons=ALL[:1]), np.ones((1, 1, 1)), np.ones((1, 1))
        )


def random_case(seed, n_symbols=7):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(6, 3, n_symbols))
    z[rng.random(z.shape) < 0.2] = NAN
    ic = np.where(rng.random((6, 3)) < 0.1, NAN, rng.uniform(0.0, 0.05, (6, 3)))
    factors = rng.normal(size=(6, 3, 9))
    sigma = rng.uniform(5.0, 300.0, (6, n_symbols))
    sigma[:, rng.random(n_symbols) < 0.1] = NAN
    return z, ic, factors @ factors.transpose(0, 2, 1) / 9, sigma


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), order=st.permutations(range(7)))
def test_symmetric_and_independent_of_the_order_of_symbols(seed, order):
    z, ic, covariance, sigma = random_case(seed)
    blender = HorizonBlender(BlendingConfig(), ALL)
    base = blender.blend(predictions(z, ic), covariance, sigma)
    negated = blender.blend(predictions(-z, ic), covariance, sigma)
    assert np.array_equal(-negated.alpha_bps, base.alpha_bps, equal_nan=True)
    order = list(order)
    permuted = blender.blend(predictions(z[:, :, order], ic), covariance, sigma[:, order])
    assert permuted.alpha_bps.tobytes() == np.ascontiguousarray(base.alpha_bps[:, order]).tobytes()
    assert permuted.reason.tolist() == base.reason[order].tolist()
    laid_out_otherwise = blender.blend(predictions(np.asfortranarray(z), ic), covariance, np.asfortranarray(sigma))
    assert np.array_equal(laid_out_otherwise.alpha_bps, base.alpha_bps, equal_nan=True)
    alone = blender.blend(predictions(z[:, :, :1], ic), covariance, sigma[:, :1])
    assert np.array_equal(alone.alpha_bps, base.alpha_bps[:, :1], equal_nan=True)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), column=st.integers(0, 6), scale=st.sampled_from([0.25, 64.0]))
def test_gaps_of_one_symbol_are_its_own_and_volatility_is_the_unit(seed, column, scale):
    z, ic, covariance, sigma = random_case(seed)
    blender = HorizonBlender(BlendingConfig(), ALL)
    base = blender.blend(predictions(z, ic), covariance, sigma)
    assert blender.blend(predictions(z, ic), covariance, scale * sigma).alpha_bps.tobytes() == (
        (scale * base.alpha_bps).tobytes()
    )
    holed_z, holed_sigma = z.copy(), sigma.copy()
    holed_z[:, :, column] = NAN
    holed_sigma[:, column] = NAN
    for got in (
        blender.blend(predictions(holed_z, ic), covariance, sigma),
        blender.blend(predictions(z, ic), covariance, holed_sigma),
    ):
        assert np.isnan(got.alpha_bps[:, column]).all()
        others = np.delete(got.alpha_bps, column, axis=1)
        assert others.tobytes() == np.delete(base.alpha_bps, column, axis=1).tobytes()
        assert np.delete(got.reason, column).tolist() == np.delete(base.reason, column).tolist()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_alpha_is_a_mean_of_the_families_at_most(seed):
    z, ic, covariance, sigma = random_case(seed)
    stage1 = predictions(z, ic)
    got = HorizonBlender(BlendingConfig(), ALL).blend(stage1, covariance, sigma)
    silent = np.isnan(stage1.calibrated).all(axis=1) | ~(sigma > 0)
    assert np.isnan(got.alpha_bps).tolist() == silent.tolist()
    loudest = sigma * np.nan_to_num(np.abs(stage1.calibrated)).max(axis=1)
    assert (np.abs(got.alpha_bps) <= loudest + 1e-9)[~silent].all()


def test_inputs_are_left_as_they_are():
    z, ic, covariance, sigma = random_case(3)
    stage1 = predictions(z, ic)
    before = [array.copy() for array in (stage1.calibrated, ic, covariance, sigma)]
    HorizonBlender(BlendingConfig(), ALL).blend(stage1, covariance, sigma)
    for array, old in zip((stage1.calibrated, ic, covariance, sigma), before, strict=True):
        assert array.tobytes() == old.tobytes()


def test_weights_follow_evidence_that_changes_and_cannot_be_written():
    blender = HorizonBlender(CONFIG, ALL[:1])
    ic, covariance, sigma = np.array([[0.03, 0.01]]), np.eye(2)[None].copy(), np.array([[100.0]])
    z = np.array([[[1.0], [1.0]]])
    first = blender.blend(predictions(z, ic, horizons=ALL[:1]), covariance, sigma).weights
    again = blender.blend(predictions(z, ic.copy(), horizons=ALL[:1]), covariance.copy(), sigma).weights
    assert first.tolist() == [pytest.approx([0.75, 0.25])]
    assert again is first  # the same evidence is not weighed twice
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1.0
    ic[0, 1] = 0.03
    assert blender.blend(predictions(z, ic, horizons=ALL[:1]), covariance, sigma).weights[0] == pytest.approx(
        [0.5, 0.5]
    )
    covariance[0, 1, 1] = 3.0
    last = blender.blend(predictions(z, ic, horizons=ALL[:1]), covariance, sigma).weights[0]
    assert last == pytest.approx([3.3 / 4.6, 1.3 / 4.6])
    assert first[0] == pytest.approx([0.75, 0.25])
