"""Confidence by hand, and what may move it which way."""

# covers: P10

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from LIVE_TRADING.common.horizons import parse_horizons
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.prediction.confidence import ConfidenceConfig, ConfidenceScorer, ValidationFigures
from LIVE_TRADING.prediction.skill_state import SkillFigures

INTERVAL_NS = 5 * NS_PER_MINUTE
HORIZONS = parse_horizons(("5m", "60m", "1d"), INTERVAL_NS, 390)
SHAPE = (3, 1)
FRESH = np.zeros(1, dtype=np.int64)
SEEDS = st.integers(0, 2**32 - 1)


def column(values):
    return np.broadcast_to(np.array(values, dtype=float).reshape(-1, 1), SHAPE)


def validation(ic=0.02, n=900.0, rmse=1.0):
    return ValidationFigures(column(ic), column(n), column(rmse))


def live(ic=np.nan, n=0.0, rmse=np.nan, n_matured=0.0):
    return SkillFigures(column(ic), column(n), column(rmse), column(n_matured))


def score(config=None, evidence=None, figures=None, age_ns=FRESH, adv_usd=1e9, planned_usd=1000.0):
    scorer = ConfidenceScorer(config or ConfidenceConfig(), HORIZONS, INTERVAL_NS, evidence or validation())
    return scorer.score(scorer.credit(figures or live()), age_ns, np.full(age_ns.shape, float(adv_usd)), planned_usd)


@pytest.mark.parametrize(
    ("figures", "evidence", "expected"),
    [
        pytest.param(live(), validation(0.02, 900.0), 0.018, id="validation-shrunk-by-the-prior"),
        pytest.param(live(0.05, 100.0), validation(0.02, 800.0), (5 + 16) / 1000, id="live-and-validation"),
        pytest.param(live(-0.5, 100.0), validation(0.02, 800.0), 0.0, id="live-failure-ends-it"),
        pytest.param(live(), validation(np.nan, 800.0), 0.0, id="no-validation-no-evidence"),
        pytest.param(live(0.04, 300.0), validation(np.nan, 800.0), 0.03, id="earned-live-alone"),
        pytest.param(live(), validation(0.02, np.nan), 0.0, id="evidence-of-unknown-weight-is-none"),
    ],
)
def test_ic(figures, evidence, expected):
    np.testing.assert_allclose(score(evidence=evidence, figures=figures).ic, np.full(SHAPE, expected), atol=1e-15)


def test_without_prior_and_evidence_the_ic_is_zero():
    assert (score(ConfidenceConfig(prior_cross_sections=0.0), validation(0.0, 0.0)).ic == 0.0).all()


@pytest.mark.parametrize(
    ("age_bars", "expected"),
    [
        pytest.param(0, [1.0, 1.0, 1.0], id="fresh"),
        pytest.param(1, np.exp([-5 / 5, -5 / 60, -5 / 390]), id="one-bar"),
        pytest.param(2, np.exp([-10 / 5, -10 / 60, -10 / 390]), id="two-bars-still-count"),
    ],
)
def test_freshness(age_bars, expected):
    result = score(age_ns=np.array([age_bars * INTERVAL_NS]))
    np.testing.assert_allclose(result.confidence[:, 0, 0] / 0.018, expected, rtol=1e-14)
    assert not result.stale.any()


@pytest.mark.parametrize("config", [ConfidenceConfig(), ConfidenceConfig(freshness=False)])
def test_beyond_two_bars_there_is_no_view(config):
    result = score(config, age_ns=np.array([0, 2 * INTERVAL_NS + 1, np.iinfo(np.int64).max]))
    np.testing.assert_array_equal(result.stale, [False, True, True])
    np.testing.assert_array_equal(np.isnan(result.confidence), np.tile([False, True, True], (3, 1, 1)))


@pytest.mark.parametrize(
    ("adv_usd", "planned_usd", "expected"),
    [
        pytest.param(1e6, 10_000.0, 1.0, id="exactly-one-percent"),
        pytest.param(1e6, 40_000.0, 0.25, id="four-times-too-much"),
        pytest.param(0.0, 40_000.0, 0.0, id="nothing-trades"),
        pytest.param(np.nan, 40_000.0, np.nan, id="unknown"),
        pytest.param(np.nan, 0.0, 1.0, id="nothing-planned"),
    ],
)
def test_capacity(adv_usd, planned_usd, expected):
    got = score(adv_usd=adv_usd, planned_usd=planned_usd).confidence
    np.testing.assert_allclose(got / 0.018, np.full((3, 1, 1), expected))


@pytest.mark.parametrize(
    ("rmse", "n_matured", "rmse_val", "expected"),
    [
        pytest.param(2.0, 100.0, 1.0, 0.5, id="twice-the-error"),
        pytest.param(2.0, 99.0, 1.0, 1.0, id="too-early-to-say"),
        pytest.param(0.5, 500.0, 1.0, 1.0, id="better-than-validated"),
        pytest.param(2.0, 500.0, np.nan, 1.0, id="nothing-to-compare-with"),
        pytest.param(0.0, 500.0, 1.0, 1.0, id="no-error"),
        pytest.param(np.nan, 0.0, 1.0, 1.0, id="none-yet"),
    ],
)
def test_stability(rmse, n_matured, rmse_val, expected):
    figures = live(rmse=rmse, n_matured=n_matured)
    got = score(evidence=validation(rmse=rmse_val), figures=figures).confidence
    np.testing.assert_allclose(got / 0.018, np.full((3, 1, 1), expected))


@pytest.mark.parametrize("term", ["freshness", "capacity", "stability"])
def test_each_term_can_be_switched_off(term):
    bad = {
        "figures": live(rmse=4.0, n_matured=500.0),
        "age_ns": np.array([INTERVAL_NS]),
        "adv_usd": 1e4,
        "planned_usd": 1000.0,
    }
    with_all = score(**bad).confidence
    without = score(ConfidenceConfig(**{term: False}), **bad).confidence
    factor = {"freshness": np.exp([-1.0, -5 / 60, -5 / 390]), "capacity": 0.1, "stability": 0.25}[term]
    np.testing.assert_allclose(with_all[:, 0, 0], without[:, 0, 0] * factor)


def test_confidence_is_at_most_one():
    result = score(evidence=validation(1.0, 1e12), figures=live(1.0, 1e12, 0.1, 1e6))
    assert (result.confidence <= 1.0).all()
    assert (result.confidence > 0.99).all()


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValidationError):
        ConfidenceConfig(capacity_adv_frac=0.0)


def random_case(seed, n_symbols=8):
    rng = np.random.default_rng(seed)
    figures = live(rng.uniform(-0.05, 0.1), rng.uniform(0.0, 500.0), rng.uniform(0.5, 2.0), rng.uniform(0.0, 300.0))
    age_ns = rng.choice([0, INTERVAL_NS, 2 * INTERVAL_NS, 3 * INTERVAL_NS], n_symbols).astype(np.int64)
    adv_usd = np.where(rng.random(n_symbols) < 0.1, np.nan, rng.uniform(1e4, 1e7, n_symbols))
    return figures, age_ns, adv_usd


def confidence(figures, age_ns, adv_usd, planned_usd=10_000.0):
    scorer = ConfidenceScorer(ConfidenceConfig(), HORIZONS, INTERVAL_NS, validation())
    return scorer.score(scorer.credit(figures), age_ns, adv_usd, planned_usd).confidence


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, order=st.permutations(range(8)), scale=st.sampled_from([0.25, 1024.0]), column=st.integers(0, 7))
def test_order_currency_and_the_gaps_of_others_do_not_matter(seed, order, scale, column):
    figures, age_ns, adv_usd = random_case(seed)
    base, order = confidence(figures, age_ns, adv_usd), list(order)
    assert ((base >= 0.0) & (base <= 1.0) | np.isnan(base)).all()
    permuted = confidence(figures, age_ns[order], adv_usd[order])
    assert permuted.tobytes() == np.ascontiguousarray(base[..., order]).tobytes()
    assert confidence(figures, age_ns, scale * adv_usd, scale * 10_000.0).tobytes() == base.tobytes()
    holed = adv_usd.copy()
    holed[column] = np.nan
    np.testing.assert_array_equal(
        np.delete(confidence(figures, age_ns, holed), column, axis=-1), np.delete(base, column, axis=-1)
    )


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, more=st.floats(1.0, 10.0), older_ns=st.integers(0, INTERVAL_NS))
def test_age_size_and_error_never_raise_it_and_a_better_record_never_lowers_it(seed, more, older_ns):
    figures, age_ns, adv_usd = random_case(seed)
    base = confidence(figures, age_ns, adv_usd)

    def never_above(got, limit):
        both = ~np.isnan(got) & ~np.isnan(limit)
        assert (got <= limit)[both].all()
        assert (np.isnan(got) | ~np.isnan(limit)).all()

    never_above(confidence(figures, age_ns + older_ns, adv_usd), base)
    never_above(confidence(figures, age_ns, adv_usd / more), base)
    never_above(confidence(figures, age_ns, adv_usd, more * 10_000.0), base)
    never_above(confidence(replace(figures, rmse=more * figures.rmse), age_ns, adv_usd), base)
    better = np.where(figures.ic > 0, more, 1 / more) * figures.ic
    never_above(base, confidence(replace(figures, ic=better), age_ns, adv_usd))
