"""Cost of a round trip: by hand, against published impact figures, and never free by accident."""

# covers: P12

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.arbitration import ArbitrationConfig, CostModel, CostModelConfig
from LIVE_TRADING.common.units import BPS

NAN = np.nan
NOTHING = CostModelConfig(k1_spread=0.0, k2_timing=0.0, k3_impact=0.0, fee_bps_per_side=0.0)


def cost_of(spread, sigma, adv, trade, config=None):
    model = CostModel(CostModelConfig() if config is None else config, 390.0)
    return float(model.round_trip_bps(np.array([spread]), np.array([sigma]), np.array([adv]), trade)[0])


def only(**terms):
    return NOTHING.model_copy(update=terms)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(only(k1_spread=1.0), 4.0, id="two-half-spreads"),
        # 0.15 · 195 · √(1/390)
        pytest.param(only(k2_timing=0.15), 1.4811312, id="timing-risk-of-a-minute"),
        # 2 · 0.7 · 195 · √(25,000/100,000,000) = 273 · 0.0158114
        pytest.param(only(k3_impact=0.7), 4.3165089, id="impact-on-both-sides"),
        pytest.param(only(fee_bps_per_side=0.5), 1.0, id="fees-of-two-sides"),
        pytest.param(CostModelConfig(), 10.7976401, id="all-together"),
        pytest.param(CostModelConfig(enabled=False), 0.0, id="switched-off-is-free"),
    ],
)
def test_terms_by_hand(config, expected):
    assert cost_of(4.0, 195.0, 1e8, 25_000.0, config) == pytest.approx(expected, rel=1e-7, abs=1e-12)


# Cases of cvxportfolio 1.5.1 (TransactionCost: a|x| + b σ |x|^1.5 / V^0.5), one side:
# half spread, b, daily σ, ADV, trade, cost in bps.
PUBLISHED = [
    pytest.param(0.0005, 1.0, 0.02, 5e7, 1e5, 13.94427190999916, id="small"),
    pytest.param(0.0005, 1.0, 0.02, 5e7, 5e6, 68.24555320336758, id="ten-percent-of-adv"),
    pytest.param(0.001, 0.8, 0.05, 2e6, 2e5, 136.4911064067349, id="high-volatility"),
]


@pytest.mark.parametrize(("half_spread", "b", "sigma", "adv", "trade", "one_side_bps"), PUBLISHED)
def test_impact_has_the_units_of_cvxportfolio(half_spread, b, sigma, adv, trade, one_side_bps):
    config = only(k1_spread=1.0, k3_impact=b)
    got = cost_of(2.0 * half_spread * BPS, sigma * BPS, adv, trade, config)
    assert got == pytest.approx(2.0 * one_side_bps, rel=1e-9)


def test_impact_equals_the_reference_file(shared_reference):
    cases = json.loads(shared_reference("market_impact.json").read_text())["cases"]
    for case in cases:
        if not case["id"].startswith("cvxportfolio"):
            continue
        inputs = case["inputs"]
        got = cost_of(
            2.0 * inputs["half_spread_a"] * BPS,
            inputs["sigma_daily"] * BPS,
            inputs["adv_value"],
            inputs["trade_value"],
            only(k1_spread=1.0, k3_impact=inputs["b"]),
        )
        assert got == pytest.approx(2.0 * case["expected"]["cost_bps"], rel=case["tolerance"]["rel"])


@pytest.mark.parametrize(
    ("spread", "sigma", "adv", "trade"),
    [
        pytest.param(NAN, 200.0, 1e8, 1e4, id="no-spread"),
        pytest.param(-1.0, 200.0, 1e8, 1e4, id="crossed-spread"),
        pytest.param(2.0, NAN, 1e8, 1e4, id="no-volatility"),
        pytest.param(2.0, 0.0, 1e8, 1e4, id="volatility-zero"),
        pytest.param(2.0, 200.0, NAN, 1e4, id="no-adv"),
        pytest.param(2.0, 200.0, 0.0, 1e4, id="adv-zero"),
        pytest.param(2.0, 200.0, -1.0, 1e4, id="adv-negative"),
        pytest.param(2.0, 200.0, 1e8, NAN, id="size-unknown"),
        pytest.param(2.0, 200.0, 1e8, np.inf, id="size-infinite"),
        pytest.param(2.0, 200.0, 1e8, -1.0, id="size-negative"),
    ],
)
def test_what_is_missing_never_makes_it_free(spread, sigma, adv, trade):
    assert np.isnan(cost_of(spread, sigma, adv, trade))
    assert cost_of(spread, sigma, adv, trade, CostModelConfig(enabled=False)) == 0.0


@pytest.mark.parametrize(
    ("spread", "sigma", "adv", "trade"),
    [(0.0, 200.0, 1e8, 1e4), (2.0, 0.5, 1e8, 1e4), (2.0, 200.0, 0.5, 1e4), (2.0, 200.0, 1e8, 0.5)],
)
def test_what_is_small_is_known(spread, sigma, adv, trade):
    assert cost_of(spread, sigma, adv, trade) > 0.0
    assert np.isnan(cost_of(spread, sigma, adv, -trade))
    assert np.isnan(cost_of(spread, -sigma, adv, trade))
    assert np.isnan(cost_of(spread, sigma, -adv, trade))


@pytest.mark.parametrize(("configured", "minutes"), [(None, 1440.0), (390.0, 390.0)])
def test_the_session_is_as_configured_or_as_traded(configured, minutes):
    """Timing of one minute: k2 · σ / √minutes."""
    model = CostModel(only(k2_timing=0.15, session_minutes=configured), 1440.0)
    got = model.round_trip_bps(np.array([2.0]), np.array([195.0]), np.array([1e8]), 1e4)
    assert got == pytest.approx([0.15 * 195.0 / np.sqrt(minutes)])


def test_a_gap_in_one_symbol_leaves_the_others():
    model = CostModel(CostModelConfig(), 390.0)
    got = model.round_trip_bps(np.array([2.0, NAN, 2.0]), np.full(3, 200.0), np.array([1e8, 1e8, NAN]), 1e4)
    assert np.isnan(got).tolist() == [False, True, True]


def test_a_locked_quote_and_no_size_still_cost_timing_and_fees():
    assert cost_of(0.0, 195.0, 1e8, 0.0) == pytest.approx(1.4811312 + 1.0, rel=1e-7)


POSITIVE = st.floats(1e-3, 1e3)


@settings(max_examples=60, deadline=None)
@given(spread=POSITIVE, sigma=POSITIVE, adv=st.floats(1e4, 1e10), trade=st.floats(0.0, 1e8), more=st.floats(1.0, 10.0))
def test_monotone_in_everything_that_costs(spread, sigma, adv, trade, more):
    base = cost_of(spread, sigma, adv, trade)
    assert base > 0.0
    assert cost_of(more * spread, sigma, adv, trade) >= base
    assert cost_of(spread, more * sigma, adv, trade) >= base
    assert cost_of(spread, sigma, adv, more * trade) >= base
    assert cost_of(spread, sigma, more * adv, trade) <= base


@settings(max_examples=60, deadline=None)
@given(
    spread=POSITIVE,
    sigma=POSITIVE,
    adv=st.floats(1e4, 1e10),
    trade=st.floats(0.0, 1e8),
    name=st.sampled_from(["k1_spread", "k2_timing", "k3_impact", "exec_minutes", "fee_bps_per_side"]),
    more=st.floats(1.0, 10.0),
)
def test_monotone_in_every_belief(spread, sigma, adv, trade, name, more):
    dearer = CostModelConfig(**{name: min(10.0, more * getattr(CostModelConfig(), name))})
    assert cost_of(spread, sigma, adv, trade, dearer) >= cost_of(spread, sigma, adv, trade)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.25, 1024.0]))
def test_only_the_share_of_a_days_volume_matters(seed, scale):
    rng = np.random.default_rng(seed)
    spread, sigma, adv = rng.uniform(0, 10, 6), rng.uniform(50, 400, 6), rng.uniform(1e6, 1e9, 6)
    model = CostModel(CostModelConfig(), 390.0)
    base = model.round_trip_bps(spread, sigma, adv, 1e4)
    assert model.round_trip_bps(spread, sigma, scale * adv, scale * 1e4).tobytes() == base.tobytes()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), order=st.permutations(range(6)))
def test_independent_of_the_order_of_symbols(seed, order):
    rng = np.random.default_rng(seed)
    spread, sigma, adv = rng.uniform(0, 10, 6), rng.uniform(50, 400, 6), rng.uniform(1e6, 1e9, 6)
    model, order = CostModel(CostModelConfig(), 390.0), list(order)
    base = model.round_trip_bps(spread, sigma, adv, 1e4)
    assert model.round_trip_bps(spread[order], sigma[order], adv[order], 1e4).tobytes() == base[order].tobytes()


@pytest.mark.parametrize(
    "given_values", [{"k1_spread": -1.0}, {"session_minutes": 0.0}, {"fee_bps_per_side": NAN}, {"k4": 1.0}]
)
def test_impossible_settings_are_refused(given_values):
    with pytest.raises(ValueError, match=next(iter(given_values))):
        ArbitrationConfig(cost=given_values)


def test_the_parts_of_a_cost_are_its_terms():
    model = CostModel(CostModelConfig(), 390.0)
    spread, impact, fees = model.parts_bps(cost_of(4.0, 195.0, 1e8, 25_000.0), 4.0)
    assert (spread, fees) == (4.0, 1.0)
    assert impact == pytest.approx(1.4811312 + 4.3165089, rel=1e-7)
    assert CostModel(CostModelConfig(enabled=False), 390.0).parts_bps(0.0, 4.0) == (0.0, 0.0, 0.0)
