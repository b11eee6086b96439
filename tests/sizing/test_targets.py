"""A rule's target weights: the band, whole lots, what may grow, and that a target of 0 always leaves."""

# covers: P14, P24

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.sizing import TargetSizer, TurnoverConfig

NAN = float("nan")
SIZER = TargetSizer(TurnoverConfig())
PLAIN = {"wanted": 0.05, "held": 0.0, "price": 100.0, "lot": 1.0, "min_notional": 0.0, "may": True}


def size(*symbols, equity_usd=100_000.0, sizer=SIZER):
    """Size symbols; each is a dict of what differs from `PLAIN`, a long entry of 5 % at 100 USD."""
    rows = [{**PLAIN, **symbol} for symbol in symbols]
    columns = [np.array([row[name] for row in rows], dtype=float) for name in list(PLAIN)[:5]]
    return sizer.size(*columns, equity_usd, np.array([row["may"] for row in rows], dtype=bool))


@pytest.mark.parametrize(
    ("symbol", "shares", "reason"),
    [
        pytest.param({}, 50, Reason.SIZED, id="entry"),
        pytest.param({"wanted": -0.05}, -50, Reason.SIZED, id="short-entry"),
        pytest.param({"wanted": 0.0039}, 0, Reason.BELOW_MIN_ENTRY, id="entry-too-small"),
        pytest.param({"wanted": 0.0}, 0, Reason.OK, id="nothing-wanted"),
        pytest.param({"wanted": NAN}, 0, Reason.OK, id="nothing-said"),
        pytest.param({"wanted": NAN, "held": 50}, 50, Reason.OK, id="nothing-said-holds"),
        pytest.param({"wanted": NAN, "held": -1}, -1, Reason.OK, id="nothing-said-holds-one-share"),
        pytest.param({"wanted": 0.06, "held": 50}, 50, Reason.WITHIN_BAND, id="within-the-band"),
        pytest.param({"wanted": 0.0639, "held": 50}, 63, Reason.SIZED, id="beyond-the-band-in-whole-lots"),
        pytest.param({"wanted": 0.02, "held": 50}, 20, Reason.SIZED, id="decrease"),
        pytest.param({"wanted": -0.03, "held": 50}, -30, Reason.SIZED, id="across-zero"),
        pytest.param({"wanted": 0.03, "held": -50}, 30, Reason.SIZED, id="across-zero-upwards"),
        pytest.param({"wanted": -0.0001, "held": 50}, 0, Reason.SIZED, id="less-than-a-lot-beyond-zero"),
        pytest.param({"price": 101.0}, 49, Reason.SIZED, id="towards-zero"),
        pytest.param({"lot": 20}, 40, Reason.SIZED, id="round-lots"),
        pytest.param({"price": 5_000.0}, 1, Reason.SIZED, id="one-share"),
        pytest.param({"lot": 100}, 0, Reason.BELOW_LOT, id="less-than-a-lot"),
        pytest.param({"min_notional": 5_000}, 50, Reason.SIZED, id="minimum-notional-is-inclusive"),
        pytest.param({"min_notional": 5_000.01}, 0, Reason.BELOW_LOT, id="below-the-minimum-notional"),
        pytest.param({"held": 20, "min_notional": 3_001}, 20, Reason.BELOW_LOT, id="resize-below-the-minimum"),
        pytest.param({"held": 80, "min_notional": 3_000}, 50, Reason.SIZED, id="cut-at-the-minimum"),
        pytest.param({"price": 0.5}, 10_000, Reason.SIZED, id="little-price-is-a-price"),
        *(pytest.param({"price": p}, 0, Reason.QUOTE_MISSING, id=f"no-price-{p}") for p in (NAN, 0.0, -0.5, np.inf)),
        *(
            pytest.param({"price": p, "held": 20}, 20, Reason.QUOTE_MISSING, id=f"no-price-holds-{p}")
            for p in (NAN, 0.0, -0.5, np.inf)
        ),
        pytest.param({"price": NAN, "wanted": NAN, "held": 20}, 20, Reason.OK, id="no-price-and-nothing-said"),
        pytest.param({"may": False}, 0, Reason.GATED, id="entry-not-allowed"),
        pytest.param({"may": False, "wanted": -0.05}, 0, Reason.GATED, id="short-entry-not-allowed"),
        pytest.param({"may": False, "held": 20}, 20, Reason.GATED, id="increase-not-allowed"),
        pytest.param({"may": False, "held": -20, "wanted": -0.05}, -20, Reason.GATED, id="short-increase-not-allowed"),
        pytest.param({"may": False, "held": 80}, 50, Reason.SIZED, id="decrease-needs-no-permission"),
        pytest.param({"may": False, "held": -80, "wanted": -0.05}, -50, Reason.SIZED, id="nor-does-that-of-a-short"),
        pytest.param({"may": False, "held": -50}, 0, Reason.SIZED, id="across-zero-stops-at-zero"),
        pytest.param({"may": False, "held": 50, "wanted": -0.05}, 0, Reason.SIZED, id="from-above-too"),
        pytest.param({"may": False, "held": 50, "wanted": 0.051}, 50, Reason.WITHIN_BAND, id="band-is-said-first"),
    ],
)
def test_one_symbol(symbol, shares, reason):
    got = size(symbol)
    assert got.target_shares.tolist() == [shares]
    assert Reason(got.reason[0]) is reason
    assert not np.signbit(got.target_shares[got.target_shares == 0.0]).any()
    price = {**PLAIN, **symbol}["price"]
    known = 0.0 < price < np.inf
    assert got.target_weight == pytest.approx(
        [shares * (price if known else NAN) / 1e5 if shares else 0.0], nan_ok=True
    )
    assert got.raw_weight == pytest.approx([{**PLAIN, **symbol}["wanted"]], nan_ok=True)
    assert got.reason.dtype == np.int16


@pytest.mark.parametrize(
    "symbol",
    [
        {},
        {"held": -50},
        {"held": 0.001},
        {"held": 1},
        {"held": -1},
        {"price": NAN},
        {"may": False},
        {"lot": 1_000, "min_notional": 1e9},
    ],
)
@pytest.mark.parametrize("equity_usd", [100_000.0, NAN])
def test_a_target_of_zero_leaves_whatever_is_held(symbol, equity_usd):
    got = size({"held": 50, **symbol, "wanted": 0.0}, {}, equity_usd=equity_usd)
    assert (got.target_shares[0], got.target_weight[0], got.reason[0]) == (0.0, 0.0, Reason.SIZED)


@pytest.mark.parametrize("equity_usd", [NAN, 0.0, -0.5, -2.0, np.inf])
def test_without_equity_nothing_moves(equity_usd):
    assert size({}, {"held": 20}, equity_usd=equity_usd).target_shares.tolist() == [0.0, 20.0]


def test_little_equity_is_equity():
    assert size({"price": 0.01}, equity_usd=0.5).target_shares.tolist() == [2.0]


def test_only_what_may_not_grow_is_kept():
    got = size({"may": False}, {}, {"held": -50, "may": False}, {"held": -50})
    assert got.target_shares.tolist() == [0.0, 50.0, 0.0, 50.0]
    assert got.reason.tolist() == [Reason.GATED, Reason.SIZED, Reason.SIZED, Reason.SIZED]


def test_the_band_is_that_of_the_settings():
    sizer = TargetSizer(TurnoverConfig(band=False, min_entry_weight=0.06))
    assert size({}, {"held": 49}, sizer=sizer).target_shares.tolist() == [0.0, 50.0]


def random_symbols(seed, n_symbols=12):
    rng = np.random.default_rng(seed)
    price = np.where(rng.random(n_symbols) < 0.1, NAN, rng.uniform(0.5, 400.0, n_symbols))
    wanted = rng.uniform(-0.1, 0.1, n_symbols)
    wanted = np.where(rng.random(n_symbols) < 0.2, 0.0, np.where(rng.random(n_symbols) < 0.1, NAN, wanted))
    held = np.where(rng.random(n_symbols) < 0.6, np.trunc(rng.uniform(-100.0, 100.0, n_symbols)), 0.0)
    least = np.full(n_symbols, rng.choice([0.0, 200.0]))
    return wanted, held, price, np.ones(n_symbols), least, rng.random(n_symbols) < 0.7


NAMES = ("raw_weight", "target_weight", "target_shares", "reason")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), order=st.permutations(range(12)), scale=st.sampled_from([0.125, 64.0]))
def test_mirror_order_splits_and_currency(seed, order, scale):
    wanted, held, price, lot, least, may = random_symbols(seed)
    order = list(order)
    base = SIZER.size(wanted, held, price, lot, least, 1e5, may)
    mirrored = SIZER.size(-wanted, -held, price, lot, least, 1e5, may)
    for name in NAMES[:3]:
        assert np.array_equal(-getattr(mirrored, name), getattr(base, name), equal_nan=True), name
    assert mirrored.reason.tolist() == base.reason.tolist()
    permuted = SIZER.size(*(a[order] for a in (wanted, held, price, lot, least)), 1e5, may[order])
    money = SIZER.size(wanted, held, scale * price, lot, scale * least, scale * 1e5, may)
    split = SIZER.size(wanted, held / scale, scale * price, lot / scale, least, 1e5, may)
    for name in NAMES:
        expected = getattr(base, name)
        assert getattr(permuted, name).tobytes() == expected[order].tobytes(), name
        assert getattr(money, name).tobytes() == expected.tobytes(), name
        unit = scale if name == "target_shares" else 1
        assert np.array_equal(unit * getattr(split, name), expected, equal_nan=name != "reason"), name


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_may_not_grow_never_does(seed):
    wanted, held, price, lot, least, may = random_symbols(seed)
    got = SIZER.size(wanted, held, price, lot, least, 1e5, may)
    assert (np.abs(got.target_shares) <= np.abs(held))[~may].all()
    assert (got.target_shares * held >= 0.0)[~may].all()
    assert not got.target_shares[wanted == 0.0].any()
