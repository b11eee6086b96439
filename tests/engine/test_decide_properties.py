"""The whole decision, raw forecasts to target shares: what must not matter, and what may move one way only."""

# covers: P10, P11, P12, P13, P14, P24, P33

from __future__ import annotations

import numpy as np
import pytest
from decision_worlds import (
    CONFIG,
    HORIZONS,
    NAN,
    NO_CAPS,
    NO_DEMEANING,
    SYMBOLS,
    N,
    bandit_selector,
    config_of,
    in_other_money,
    negated,
    permuted,
    random_world,
    run,
    split,
    with_one,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action

SEEDS = st.integers(0, 2**32 - 1)
SIGNED = {
    *("prediction.raw", "prediction.z", "prediction.calibrated", "blend.alpha_bps", "arbitration.side"),
    *("sizing.raw_weight", "sizing.target_weight", "sizing.target_shares"),
}
UNCAPPED = config_of(**NO_CAPS)
RANKED = config_of(prediction={"standardizer": {"standardize": "rank"}})
FAST = settings(max_examples=25, deadline=None)


def assert_same_bits(got: dict, expected: dict, names=None):
    for name in names or expected:
        a, b = np.ascontiguousarray(got[name]), np.ascontiguousarray(expected[name])
        assert a.tobytes() == b.tobytes(), name


def test_the_worlds_are_of_every_kind():
    """What follows would be empty if nothing traded."""
    actions, reasons, moved = set(), set(), 0
    for seed in range(60):
        decision = run(random_world(seed)).decision
        actions |= {Action(code) for code in decision.arbitration.action}
        reasons |= {Reason(code) for code in decision.sizing.reason}
        moved += int((decision.sizing.target_shares != random_world(seed).held_shares).sum())
    assert actions == set(Action)
    assert reasons >= {Reason.SIZED, Reason.GATED, Reason.CAPPED, Reason.WITHIN_BAND, Reason.BELOW_RESERVE}
    assert moved > 100


@FAST
@given(seed=SEEDS, config=st.sampled_from([CONFIG, RANKED]))
def test_negated_forecasts_negate_every_side_weight_and_target(seed, config):
    """The mirror of a cycle is decided as its mirror, bit for bit, by any selector: no long is preferred to a short."""
    world = random_world(seed)
    for selector in (None, bandit_selector()):
        base = run(world, config, selector).arrays()
        got = run(negated(world), config, selector).arrays()
        for name, value in base.items():
            expected = -value + 0 if name in SIGNED else value
            assert np.array_equal(
                got[name] + 0 if name in SIGNED else got[name], expected, equal_nan=value.dtype.kind == "f"
            ), name


@FAST
@given(seed=SEEDS, order=st.permutations(range(N)), config=st.sampled_from([CONFIG, RANKED]))
def test_the_order_of_symbols_changes_no_bit(seed, order, config):
    world, order = random_world(seed), list(order)
    for selector in (None, bandit_selector()):
        base = run(world, config, selector).arrays()
        got = run(permuted(world, order), config, selector).arrays()
        assert_same_bits(got, {name: value[..., order] for name, value in base.items()})


@FAST
@given(seed=SEEDS, factor=st.sampled_from([2.0**-5, 0.5, 2.0, 2.0**9]))
def test_a_split_changes_shares_alone(seed, factor):
    """Prices × 2ᵏ, shares and lots ÷ 2ᵏ: every number but the target's shares keeps its bits, and they are ÷ 2ᵏ."""
    world = random_world(seed)
    base, got = run(world).arrays(), run(split(world, factor)).arrays()
    shares = base.pop("sizing.target_shares")
    assert got.pop("sizing.target_shares").tobytes() == (shares / factor).tobytes()
    assert_same_bits(got, base)


@FAST
@given(seed=SEEDS, factor=st.sampled_from([2.0**-5, 0.5, 2.0, 2.0**9]))
def test_a_split_with_lots_as_they_were_changes_rounding_alone(seed, factor):
    """With the lot kept, as venues do, all up to the wanted weight keeps its bits; whole lots may round apart."""
    world = random_world(seed)
    base = run(world).arrays()
    got = run(split(world, factor).but(lot=world.lot)).arrays()
    assert_same_bits(got, base, [name for name in base if not name.startswith("sizing.")])
    assert_same_bits(got, base, ["sizing.raw_weight"])


@FAST
@given(seed=SEEDS, factor=st.sampled_from([2.0**-7, 0.5, 2.0, 2.0**12]))
def test_the_currency_changes_nothing(seed, factor):
    """Prices, volumes, equity and amounts × 2ᵏ: the same decision to the last bit, shares included."""
    world = random_world(seed)
    assert_same_bits(run(in_other_money(world, factor)).arrays(), run(world).arrays())


COSTS = st.sampled_from(["k1_spread", "k2_timing", "k3_impact", "fee_bps_per_side", "spread"])


def dearer(world, what, more):
    """Return the world and the settings in which one part of the cost is `more` times what it was."""
    if what == "spread":
        mid, half = 0.5 * (world.ask + world.bid), 0.5 * (world.ask - world.bid)
        return world.but(bid=mid - more * half, ask=mid + more * half), UNCAPPED
    cost = UNCAPPED.arbitration.cost
    return world, config_of(**NO_CAPS, arbitration={"cost": {what: min(10.0, more * getattr(cost, what))}})


@FAST
@given(seed=SEEDS, what=COSTS, more=st.floats(1.0, 10.0))
def test_higher_cost_never_creates_an_entry_nor_a_larger_weight(seed, what, more):
    """Without caps, whose room is shared; where caps bind, one symbol's loss is another's room.

    Dearer trades may keep a position that a cheaper reversal would have left, and may prefer a longer horizon; where
    the choice is the same the weight is never larger, and a position never grows by more.
    """
    world = random_world(seed)
    cheap = run(world, UNCAPPED).decision
    dear = run(*dearer(world, what, more)).decision
    tolerance = 1e-12
    assert (dear.arbitration.cost_bps >= cheap.arbitration.cost_bps * (1.0 - tolerance))[
        ~np.isnan(dear.arbitration.cost_bps)
    ].all()
    enters, entered = dear.arbitration.action == Action.ENTER, cheap.arbitration.action == Action.ENTER
    assert (enters <= entered).all()
    same = (dear.arbitration.horizon == cheap.arbitration.horizon) & (dear.arbitration.side == cheap.arbitration.side)
    larger = np.abs(dear.sizing.raw_weight) > np.abs(cheap.sizing.raw_weight) + tolerance
    assert not (larger & same).any()
    flat = world.held_shares == 0.0
    assert not ((dear.sizing.target_shares != 0.0) & (cheap.sizing.target_shares == 0.0) & flat & same).any()
    held = np.abs(world.held_shares)
    most = np.maximum(np.abs(cheap.sizing.target_shares), held)
    assert (np.abs(dear.sizing.target_shares) <= most)[same].all()


@FAST
@given(seed=SEEDS, row=st.integers(0, len(HORIZONS) - 1), what=COSTS, more=st.floats(1.0, 10.0))
def test_with_one_horizon_a_flat_book_only_ever_shrinks_with_cost(seed, row, what, more):
    world = random_world(seed)
    only = np.full(world.raw.shape, NAN)
    only[row] = world.raw[row]
    flat = np.zeros(N)
    world = world.but(raw=only, side=flat.astype(np.int16), held_shares=flat, elapsed=flat.astype(bool), slot=20)
    cheap = run(world, UNCAPPED).decision.sizing
    dear = run(*dearer(world, what, more)).decision.sizing
    assert (np.abs(dear.target_shares) <= np.abs(cheap.target_shares)).all()
    assert (dear.target_shares * cheap.target_shares >= 0.0).all()


OF_ONE_SYMBOL = st.sampled_from(
    [
        *("raw", "raw_history", "sigma_bps", "sigma_day_bps", "adv_usd", "price_usd", "bid", "ask", "quote_age_s"),
        *("p_peak", "p_valley"),
    ]
)


@FAST
@given(seed=SEEDS, name=OF_ONE_SYMBOL, column=st.integers(0, N - 1))
def test_a_gap_in_one_symbol_is_that_symbols_alone(seed, name, column):
    """Save the mean of the forecasts over the symbols and the caps, which are shared, and are off here."""
    world = random_world(seed)
    if getattr(world, name) is None:
        world = world.but(p_peak=np.full(N, 0.1), p_valley=np.full(N, 0.2))
    config = config_of(**NO_CAPS, **NO_DEMEANING)
    others = [i for i in range(N) if i != column]
    base = run(world, config).arrays()
    got = run(with_one(world, name, column, NAN), config).arrays()
    if name == "raw_history":  # Σ of the forecasts is taken over all symbols, so their weights are shared
        base = {key: value for key, value in base.items() if key.startswith("prediction.")}
    assert_same_bits(
        {key: value[..., others] for key, value in got.items()},
        {key: value[..., others] for key, value in base.items()},
        list(base),
    )


@FAST
@given(seed=SEEDS, name=st.sampled_from(["raw", "sigma_day_bps", "sigma_bps", "adv_usd", "bid", "price_usd"]))
def test_what_is_unknown_of_a_symbol_is_never_bought(seed, name):
    world = random_world(seed, gaps=False)
    for column in range(0, N, 3):
        target = run(with_one(world, name, column, NAN)).decision.sizing.target_shares[column]
        assert abs(target) <= abs(world.held_shares[column])


@FAST
@given(seed=SEEDS, gross=st.sampled_from([0.05, 0.2, 1.0]), net=st.sampled_from([0.02, 0.1, 0.5]))
def test_caps_hold(seed, gross, net):
    """What is reserved and what this cycle adds stay within the caps wherever it adds anything."""
    world = random_world(seed)
    world = world.but(working_weight=np.zeros(N))
    config = config_of(sizing={"gross_cap": gross, "net_cap": net})
    sizing = run(world, config).decision.sizing
    value = np.nan_to_num(world.price_usd) * world.held_shares / world.equity_usd
    after = sizing.target_weight
    grows = np.abs(after) > np.abs(value) + 1e-12
    assert (np.abs(after)[grows] <= config.sizing.max_weight + 1e-9).all()
    # an exit frees its room when it has filled: what is held counts until then
    counted = np.where(grows, after, value)
    if grows.any():
        assert np.abs(counted).sum() <= gross + 1e-9
        for side in (+1, -1):
            if (grows & (side * after > 0)).any():
                assert side * counted.sum() <= net + 1e-8


BLOCKS = {
    "gates": lambda world: world.but(
        bid=0.9 * world.bid, ask=1.1 * world.ask, quote_age_s=np.full(N, 1e6), may_increase=np.zeros(N, dtype=bool)
    ),
    "no quote": lambda world: world.but(bid=np.full(N, NAN), ask=np.full(N, NAN), quote_age_s=np.full(N, NAN)),
    "no price": lambda world: world.but(price_usd=np.full(N, NAN)),
    "no volume": lambda world: world.but(adv_usd=np.full(N, NAN)),
    "no equity": lambda world: world.but(equity_usd=NAN),
    "no session volatility": lambda world: world.but(sigma_day_bps=np.full(N, NAN)),
    "large lots": lambda world: world.but(lot=np.full(N, 1e6), min_notional_usd=np.full(N, 1e12)),
    "orders at work": lambda world: world.but(working_weight=np.full(N, 3.0)),
    "stale predictions": lambda world: world.but(stale=True),
}


@pytest.mark.parametrize("block", BLOCKS)
@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
def test_an_exit_is_blocked_by_nothing(block, seed):
    """Who leaves on a good day leaves on a bad one, and wants nothing held: no gate, band, cap or lot speaks."""
    # capacity is a term of the forecast, not a gate: without ADV there is no view, which may hold a position
    config = config_of(prediction=CONFIG.prediction.model_dump() | {"confidence": {"capacity": False}})
    world = random_world(seed)
    world = world.but(elapsed=world.side != 0, adv_usd=np.full(N, 1e9))
    strict = config.model_copy(
        update={"sizing": config.sizing.model_copy(update={"gross_cap": 1e-6, "net_cap": 1e-6, "band_weight": 1.0})}
    )
    leaves = run(world, config).decision.arbitration.action == Action.EXIT
    hard = run(BLOCKS[block](world), strict).decision
    assert (hard.arbitration.action[leaves] == Action.EXIT).all()
    wanted = np.isin(hard.arbitration.action, (Action.EXIT, Action.REVERSE))
    assert not hard.sizing.target_shares[wanted].any()
    assert (hard.sizing.reason[wanted] == Reason.SIZED).all()


def test_the_names_of_symbols_decide_nothing_without_a_draw():
    world = random_world(3)
    renamed = world.but(symbols=tuple(reversed(SYMBOLS)))
    assert_same_bits(run(renamed).arrays(), run(world).arrays())
