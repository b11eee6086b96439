"""The spread gate: each limit, each kind of bad quote, and its neutral."""

# covers: P13

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.gating import SpreadGate, SpreadGateConfig

NAN = np.nan


def judge(bid, ask, age_s=1.0, **settings_given):
    got = SpreadGate(SpreadGateConfig(**settings_given), 300.0).judge(
        np.array([bid]), np.array([ask]), np.array([age_s])
    )
    return Reason(got.reason[0]), bool(got.allowed[0]), float(got.spread_bps[0])


@pytest.mark.parametrize(
    ("bid", "ask", "age_s", "reason", "spread_bps"),
    [
        pytest.param(99.95, 100.05, 1.0, Reason.OK, 10.0, id="narrow"),
        pytest.param(9993.9, 10006.1, 1.0, Reason.SPREAD_TOO_WIDE, 12.2, id="too-wide"),
        pytest.param(100.0, 100.0, 1.0, Reason.OK, 0.0, id="locked-passes"),
        pytest.param(100.1, 100.0, 1.0, Reason.QUOTE_CROSSED, -9.995002, id="crossed"),
        pytest.param(99.95, 100.05, 300.0, Reason.OK, 10.0, id="age-limit-is-inclusive"),
        pytest.param(99.95, 100.05, 300.1, Reason.QUOTE_STALE, 10.0, id="too-old"),
        pytest.param(99.95, 100.05, NAN, Reason.QUOTE_STALE, 10.0, id="age-unknown"),
        pytest.param(99.95, 100.05, -0.5, Reason.OK, 10.0, id="younger-than-the-cycle"),
        pytest.param(NAN, 100.0, 1.0, Reason.QUOTE_MISSING, NAN, id="no-bid"),
        pytest.param(100.0, NAN, 1.0, Reason.QUOTE_MISSING, NAN, id="no-ask"),
        pytest.param(0.0, 100.0, 1.0, Reason.QUOTE_MISSING, NAN, id="bid-zero"),
        pytest.param(100.0, 0.0, 1.0, Reason.QUOTE_MISSING, NAN, id="ask-zero"),
        pytest.param(-1.0, 100.0, 1.0, Reason.QUOTE_MISSING, NAN, id="bid-negative"),
        pytest.param(100.0, np.inf, 1.0, Reason.QUOTE_MISSING, NAN, id="ask-infinite"),
        pytest.param(np.inf, np.inf, 1.0, Reason.QUOTE_MISSING, NAN, id="both-infinite"),
        pytest.param(90.0, 110.0, 999.0, Reason.QUOTE_STALE, 2000.0, id="old-comes-before-wide"),
        pytest.param(101.0, 100.0, 999.0, Reason.QUOTE_CROSSED, -99.502488, id="crossed-comes-before-old"),
        pytest.param(NAN, NAN, NAN, Reason.QUOTE_MISSING, NAN, id="nothing"),
    ],
)
def test_verdict(bid, ask, age_s, reason, spread_bps):
    got = judge(bid, ask, age_s)
    assert got[:2] == (reason, reason is Reason.OK)
    assert got[2] == pytest.approx(spread_bps, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize(("bid", "ask", "age_s"), [(90.0, 110.0, 999.0), (NAN, NAN, NAN), (101.0, 100.0, 1.0)])
def test_switched_off_everything_passes_and_says_so(bid, ask, age_s):
    assert judge(bid, ask, age_s, enabled=False)[:2] == (Reason.GATE_OFF, True)


def test_the_spread_limit_is_inclusive():
    exact = 2.0 / 4096.0 * 1e4
    assert judge(4095.0, 4097.0, max_spread_bps=exact) == (Reason.OK, True, exact)
    assert judge(4095.0, 4097.0, max_spread_bps=np.nextafter(exact, 0.0))[0] is Reason.SPREAD_TOO_WIDE


def test_limits_are_settings():
    assert judge(99.95, 100.05, max_spread_bps=9.0)[0] is Reason.SPREAD_TOO_WIDE
    assert judge(99.95, 100.05, 3.0, max_quote_age_s=2.0)[0] is Reason.QUOTE_STALE


def test_the_result_carries_what_was_judged():
    age_s = np.array([3.0])
    got = SpreadGate(SpreadGateConfig(), 300.0).judge(np.array([99.0]), np.array([101.0]), age_s)
    assert got.quote_age_s.tolist() == [3.0]
    assert got.spread_bps.tolist() == [200.0]


@pytest.mark.parametrize("given_values", [{"max_spread_bps": 0.0}, {"max_quote_age_s": NAN}, {"max_age": 1.0}])
def test_impossible_settings_are_refused(given_values):
    with pytest.raises(ValueError, match=next(iter(given_values))):
        SpreadGateConfig(**given_values)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), order=st.permutations(range(8)), scale=st.sampled_from([0.25, 2.0, 1024.0]))
def test_order_and_price_level_do_not_matter(seed, order, scale):
    rng = np.random.default_rng(seed)
    mid = rng.uniform(1.0, 500.0, 8)
    half = mid * rng.uniform(-2e-4, 10e-4, 8)
    bid, ask, age_s = mid - half, mid + half, rng.uniform(0.0, 400.0, 8)
    bid[rng.random(8) < 0.1] = NAN
    gate, order = SpreadGate(SpreadGateConfig(), 300.0), list(order)
    base = gate.judge(bid, ask, age_s)
    assert gate.judge(bid[order], ask[order], age_s[order]).reason.tolist() == base.reason[order].tolist()
    assert gate.judge(scale * bid, scale * ask, age_s).spread_bps.tobytes() == base.spread_bps.tobytes()
    assert (base.allowed == (base.reason == Reason.OK)).all()


@settings(max_examples=60, deadline=None)
@given(
    mid=st.floats(1.0, 1e4),
    half_bps=st.floats(0.0, 20.0),
    age_s=st.floats(0.0, 600.0),
    wider=st.floats(1.0, 10.0),
    older_s=st.floats(0.0, 600.0),
)
def test_a_wider_or_older_quote_never_passes_where_a_better_one_does_not(mid, half_bps, age_s, wider, older_s):
    half = mid * half_bps * 1e-4
    _, allowed, spread_bps = judge(mid - half, mid + half, age_s)
    _, worse_allowed, worse_bps = judge(mid - wider * half, mid + wider * half, age_s + older_s)
    assert worse_allowed <= allowed
    assert worse_bps >= spread_bps * (1 - 1e-9) - 1e-9


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), column=st.integers(0, 7))
def test_a_missing_quote_is_one_symbols_alone(seed, column):
    rng = np.random.default_rng(seed)
    mid = rng.uniform(1.0, 500.0, 8)
    half, age_s = mid * rng.uniform(-2e-4, 10e-4, 8), rng.uniform(0.0, 400.0, 8)
    gate = SpreadGate(SpreadGateConfig(), 300.0)
    base, bid = gate.judge(mid - half, mid + half, age_s), mid - half
    bid[column] = NAN
    got = gate.judge(bid, mid + half, age_s)
    assert Reason(got.reason[column]) is Reason.QUOTE_MISSING
    for name in ("spread_bps", "allowed", "reason"):
        assert np.delete(getattr(got, name), column).tolist() == np.delete(getattr(base, name), column).tolist(), name
