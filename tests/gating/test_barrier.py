"""The barrier gate: its factor by hand, what it blocks, and its neutral."""

# covers: P13

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.gating import BarrierGate, BarrierGateConfig

NAN = np.nan


def judge(side, p_peak, p_valley, **settings_given):
    """Return (allowed, factor, reason) of one symbol."""
    got = BarrierGate(BarrierGateConfig(**settings_given)).judge(
        np.array([side], dtype=np.int16),
        None if p_peak is None else np.array([p_peak], dtype=float),
        None if p_valley is None else np.array([p_valley], dtype=float),
    )
    return bool(got.allowed[0]), float(got.factor[0]), Reason(got.reason[0])


@pytest.mark.parametrize(
    ("side", "p_peak", "p_valley", "allowed", "factor", "reason"),
    [
        pytest.param(+1, 0.0, 0.0, True, 1.0, Reason.OK, id="no-information-full-size"),
        pytest.param(+1, 0.5, 0.0, True, 0.5, Reason.OK, id="likely-peak-halves-a-long"),
        pytest.param(-1, 0.0, 0.5, True, 0.5, Reason.OK, id="likely-valley-halves-a-short"),
        pytest.param(+1, 0.5, 0.44, True, 0.6, Reason.OK, id="a-valley-ahead-gives-some-back"),  # 0.5·√1.44
        pytest.param(-1, 0.44, 0.5, True, 0.6, Reason.OK, id="mirror-of-that"),
        pytest.param(+1, 0.0, 0.9, True, 1.0, Reason.OK, id="never-above-one"),
        pytest.param(+1, 0.6, 0.0, True, 0.4, Reason.OK, id="limit-is-inclusive"),
        pytest.param(+1, 0.61, 0.0, False, 0.39, Reason.BARRIER_BLOCK, id="above-the-limit-blocks"),
        pytest.param(-1, 0.0, 0.61, False, 0.39, Reason.BARRIER_BLOCK, id="blocks-shorts-alike"),
        pytest.param(+1, 0.95, 0.0, False, 0.2, Reason.BARRIER_BLOCK, id="never-below-the-floor"),
        pytest.param(+1, 1.0, 1.0, False, 0.2, Reason.BARRIER_BLOCK, id="certain-peak"),
        pytest.param(0, 0.9, 0.9, True, 1.0, Reason.OK, id="no-side-no-verdict"),
        pytest.param(0, NAN, NAN, True, 1.0, Reason.OK, id="no-side-no-matter"),
        pytest.param(+1, NAN, 0.1, False, 1.0, Reason.BARRIER_BLOCK, id="unknown-holds"),
        pytest.param(+1, 0.1, NAN, False, 1.0, Reason.BARRIER_BLOCK, id="half-known-holds"),
        pytest.param(-1, -0.1, 0.1, False, 1.0, Reason.BARRIER_BLOCK, id="no-probability-at-all"),
        pytest.param(-1, 0.1, 1.1, False, 1.0, Reason.BARRIER_BLOCK, id="more-than-certain-is-none"),
        pytest.param(+1, None, 0.1, True, 1.0, Reason.GATE_OFF, id="no-peak-classifier"),
        pytest.param(+1, 0.9, None, True, 1.0, Reason.GATE_OFF, id="no-valley-classifier"),
        pytest.param(+1, None, None, True, 1.0, Reason.GATE_OFF, id="no-classifiers"),
    ],
)
def test_verdict(side, p_peak, p_valley, allowed, factor, reason):
    assert judge(side, p_peak, p_valley) == (allowed, pytest.approx(factor), reason)


def test_is_the_sketch_relative_to_no_information():
    p_peak, p_valley, delta = 0.3, 0.2, 0.5
    sketch = (1.0 - p_peak) * (0.5 + 0.5 * p_valley) ** delta
    assert judge(+1, p_peak, p_valley)[1] == pytest.approx(sketch / 0.5**delta)


@pytest.mark.parametrize(
    ("settings_given", "expected"),
    [
        pytest.param({"enabled": False}, (True, 1.0, Reason.GATE_OFF), id="switched-off"),
        pytest.param({"gamma": 2.0}, (False, 0.2, Reason.BARRIER_BLOCK), id="gamma"),  # 0.3² = 0.09, floor
        pytest.param({"gamma": 0.0, "delta": 0.0}, (False, 1.0, Reason.BARRIER_BLOCK), id="no-exponents"),
        pytest.param({"g_min": 0.5}, (False, 0.5, Reason.BARRIER_BLOCK), id="floor"),
        pytest.param({"block_p": 0.8}, (True, 0.3, Reason.OK), id="limit"),
    ],
)
def test_settings(settings_given, expected):
    allowed, factor, reason = expected
    assert judge(+1, 0.7, 0.0, **settings_given) == (allowed, pytest.approx(factor), reason)


@pytest.mark.parametrize("given_values", [{"g_min": 0.0}, {"block_p": 1.5}, {"gamma": -1.0}, {"p_max": 1}])
def test_impossible_settings_are_refused(given_values):
    with pytest.raises(ValueError, match=next(iter(given_values))):
        BarrierGateConfig(**given_values)


def random_case(seed):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.0, 1.0, (2, 8))
    p[rng.random(p.shape) < 0.1] = NAN
    return rng.integers(-1, 2, 8).astype(np.int16), p[0], p[1]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), order=st.permutations(range(8)))
def test_mirror_order_and_range(seed, order):
    side, p_peak, p_valley = random_case(seed)
    gate, order = BarrierGate(BarrierGateConfig()), list(order)
    base = gate.judge(side, p_peak, p_valley)
    assert ((base.factor >= 0.2) & (base.factor <= 1.0)).all()
    for got, expected in (
        (gate.judge(-side, p_valley, p_peak), slice(None)),
        (gate.judge(side[order], p_peak[order], p_valley[order]), order),
    ):
        assert got.factor.tobytes() == base.factor[expected].tobytes()
        assert got.allowed.tolist() == base.allowed[expected].tolist()
        assert got.reason.tolist() == base.reason[expected].tolist()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), column=st.integers(0, 7))
def test_an_unknown_probability_is_one_symbols_alone(seed, column):
    side, p_peak, p_valley = random_case(seed)
    gate = BarrierGate(BarrierGateConfig())
    base = gate.judge(side, p_peak, p_valley)
    p_peak[column] = NAN
    got = gate.judge(side, p_peak, p_valley)
    assert bool(got.allowed[column]) is bool(side[column] == 0)
    for name in ("allowed", "factor", "reason"):
        assert np.delete(getattr(got, name), column).tolist() == np.delete(getattr(base, name), column).tolist(), name


@settings(max_examples=40, deadline=None)
@given(p=st.floats(0.0, 1.0), more=st.floats(0.0, 1.0), p_valley=st.floats(0.0, 1.0))
def test_a_likelier_peak_never_helps_a_long(p, more, p_valley):
    low, high = judge(+1, min(p, more), p_valley), judge(+1, max(p, more), p_valley)
    assert high[1] <= low[1]
    assert high[0] <= low[0]
