"""Sizing end to end: by hand, every reason, every neutral, caps that hold, symmetry."""

# covers: P14, P24

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sizing_cases import CONFIG, EQUITY, FIELDS, NAN, held, random_request, reordered, replaced, request_of, size

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action
from LIVE_TRADING.sizing import PositionSizer, SizingConfig
from LIVE_TRADING.sizing.caps import exact_sum, reserved_weight

LEAVE = pytest.mark.parametrize("action", [Action.EXIT, Action.REVERSE])


@pytest.mark.parametrize(
    ("symbol", "shares", "reason"),
    [
        pytest.param({}, 50, Reason.SIZED, id="full-conviction-takes-the-cap"),
        pytest.param({"side": -1}, -50, Reason.SIZED, id="short-is-the-mirror"),
        pytest.param({"net_bps": 1.0}, 25, Reason.SIZED, id="half-conviction-half-weight"),
        pytest.param({"sigma_day_bps": 400.0}, 25, Reason.SIZED, id="halved-by-volatility"),
        pytest.param({"gate_factor": 0.3}, 15, Reason.SIZED, id="scaled-by-the-gate"),
        pytest.param({"net_bps": 1.0, "sigma_day_bps": 400.0, "gate_factor": 0.5}, 6, Reason.SIZED, id="all-factors"),
        pytest.param({"price_usd": 101.0}, 49, Reason.SIZED, id="lots-towards-zero"),
        pytest.param({"side": -1, "price_usd": 101.0}, -49, Reason.SIZED, id="short-lots-towards-zero"),
        pytest.param({"lot": 20.0}, 40, Reason.SIZED, id="round-lots"),
        pytest.param({"net_bps": 0.16}, 4, Reason.SIZED, id="smallest-entry"),
        pytest.param({"net_bps": 0.15}, 0, Reason.BELOW_MIN_ENTRY, id="entry-too-small"),
        pytest.param({"price_usd": 5_001.0}, 0, Reason.BELOW_LOT, id="not-one-share"),
        pytest.param({"min_notional_usd": 5_001.0}, 0, Reason.BELOW_LOT, id="below-the-minimum-notional"),
        pytest.param({"min_notional_usd": 5_000.0}, 50, Reason.SIZED, id="minimum-notional-is-inclusive"),
        pytest.param({"entry_allowed": False}, 0, Reason.GATED, id="entry-not-allowed"),
        pytest.param(
            {"entry_allowed": False, "net_bps": 0.1}, 0, Reason.BELOW_MIN_ENTRY, id="gate-blocks-what-is-wanted"
        ),
        pytest.param({"sigma_h_bps": NAN}, 0, Reason.VOL_UNKNOWN, id="no-horizon-volatility"),
        pytest.param({"sigma_h_bps": 0.0}, 0, Reason.VOL_UNKNOWN, id="horizon-volatility-zero"),
        pytest.param({"sigma_h_bps": 0.5}, 50, Reason.SIZED, id="little-horizon-volatility-is-known"),
        pytest.param({"sigma_day_bps": NAN}, 0, Reason.VOL_UNKNOWN, id="no-day-volatility"),
        pytest.param({"sigma_day_bps": 0.0}, 0, Reason.VOL_UNKNOWN, id="day-volatility-zero"),
        pytest.param({"sigma_day_bps": -0.5}, 0, Reason.VOL_UNKNOWN, id="day-volatility-negative"),
        pytest.param({"sigma_day_bps": 0.5}, 50, Reason.SIZED, id="little-day-volatility-is-known"),
        pytest.param({"price_usd": NAN}, 0, Reason.QUOTE_MISSING, id="no-price"),
        pytest.param({"price_usd": 0.0}, 0, Reason.QUOTE_MISSING, id="price-zero"),
        pytest.param({"price_usd": np.inf}, 0, Reason.QUOTE_MISSING, id="price-infinite"),
        pytest.param({"net_bps": NAN}, 0, Reason.BELOW_MIN_ENTRY, id="no-net"),
        pytest.param({"net_bps": -3.0}, 0, Reason.BELOW_MIN_ENTRY, id="negative-net-takes-no-other-side"),
        pytest.param({"action": Action.NONE, "side": 0, "net_bps": NAN}, 0, Reason.OK, id="nothing-to-do"),
        pytest.param({"action": Action.NONE, "side": 0, "price_usd": NAN}, 0, Reason.OK, id="nothing-to-do-no-price"),
    ],
)
def test_entry(symbol, shares, reason):
    got = size(symbol)
    assert got.target_shares.tolist() == [shares]
    assert Reason(got.reason[0]) is reason
    price = {"price_usd": 100.0, **symbol}["price_usd"]
    assert got.target_weight == pytest.approx([shares * price / EQUITY if shares else 0.0])


@pytest.mark.parametrize(
    ("symbol", "shares", "reason"),
    [
        pytest.param(held(50), 50, Reason.WITHIN_BAND, id="on-target"),
        pytest.param(held(38), 38, Reason.WITHIN_BAND, id="within-the-band"),
        pytest.param(held(37), 50, Reason.SIZED, id="increase-beyond-the-band"),
        pytest.param(held(-37), -50, Reason.SIZED, id="short-increase"),
        pytest.param(held(50, net_bps=1.4), 35, Reason.SIZED, id="decrease-beyond-the-band"),
        pytest.param(held(50, net_bps=1.6), 50, Reason.WITHIN_BAND, id="decrease-within-the-band"),
        pytest.param(held(10, net_bps=0.49), 10, Reason.BELOW_RESERVE, id="does-not-pay"),
        pytest.param(held(50, net_bps=-30.0), 50, Reason.BELOW_RESERVE, id="sizing-never-exits"),
        pytest.param(held(50, net_bps=NAN), 50, Reason.BELOW_RESERVE, id="unknown-net-holds"),
        pytest.param(held(20, entry_allowed=False), 20, Reason.GATED, id="increase-not-allowed-keeps-what-is-held"),
        pytest.param(held(50, net_bps=1.0, entry_allowed=False), 25, Reason.SIZED, id="decrease-needs-no-permission"),
        pytest.param(held(50, gate_factor=0.5), 25, Reason.SIZED, id="gate-shrinks-a-position"),
        pytest.param(held(20, action=Action.EXTEND), 50, Reason.SIZED, id="extended-is-sized-for-its-new-horizon"),
        pytest.param(held(20, sigma_h_bps=NAN), 20, Reason.VOL_UNKNOWN, id="no-volatility-holds"),
        pytest.param(held(20, sigma_day_bps=NAN), 20, Reason.VOL_UNKNOWN, id="no-day-volatility-holds"),
        pytest.param(held(20, price_usd=NAN), 20, Reason.QUOTE_MISSING, id="no-price-holds"),
        pytest.param(held(20, action=Action.NONE, side=0), 20, Reason.OK, id="no-action-holds"),
        pytest.param(held(1, action=Action.NONE, side=0), 1, Reason.OK, id="no-action-holds-one-share"),
        pytest.param(held(-1, action=Action.NONE, side=0), -1, Reason.OK, id="no-action-holds-one-share-short"),
        pytest.param(held(10.5, net_bps=0.5, sigma_h_bps=10.0), 50, Reason.SIZED, id="odd-lots-are-left-behind"),
        pytest.param(held(36, lot=100.0), 36, Reason.BELOW_LOT, id="an-increase-that-rounds-to-a-sale-is-none"),
        pytest.param(held(30, min_notional_usd=2_001.0), 30, Reason.BELOW_LOT, id="resize-below-the-minimum"),
        pytest.param(held(54), 50, Reason.DRIFT_CUT, id="drift-beyond-the-cap-per-name"),
        pytest.param(held(-54), -50, Reason.DRIFT_CUT, id="short-drift"),
        pytest.param(held(52), 52, Reason.WITHIN_BAND, id="drift-within-the-tolerance"),
        pytest.param(held(54, net_bps=NAN, sigma_h_bps=NAN), 50, Reason.DRIFT_CUT, id="drift-is-cut-without-a-view"),
        pytest.param(held(54, entry_allowed=False), 50, Reason.DRIFT_CUT, id="drift-is-cut-behind-a-gate"),
        pytest.param(held(54, net_bps=1.0), 25, Reason.SIZED, id="a-smaller-target-beats-the-cut"),
        pytest.param(held(54, lot=40.0), 40, Reason.DRIFT_CUT, id="a-cut-rounds-down"),
        pytest.param(held(54, min_notional_usd=500.0), 54, Reason.BELOW_LOT, id="a-cut-too-small-for-the-venue"),
        pytest.param(held(50, side=-1), 0, Reason.SIZED, id="a-target-never-crosses-zero"),
    ],
)
def test_position(symbol, shares, reason):
    got = size(symbol)
    assert got.target_shares.tolist() == [shares]
    assert Reason(got.reason[0]) is reason


@LEAVE
@pytest.mark.parametrize(
    "symbol",
    [
        pytest.param({}, id="plain"),
        pytest.param({"entry_allowed": False, "gate_factor": 0.2}, id="gates"),
        pytest.param({"net_bps": NAN, "sigma_h_bps": NAN, "sigma_day_bps": NAN}, id="nothing-known"),
        pytest.param({"price_usd": NAN}, id="no-price"),
        pytest.param({"lot": 1000.0, "min_notional_usd": 1e9}, id="lot-and-minimum"),
        pytest.param({"held_shares": 0.001}, id="dust"),
        pytest.param({"held_shares": -5_000.0}, id="far-beyond-the-caps"),
        pytest.param({"working_weight": 5.0}, id="orders-at-work"),
    ],
)
def test_nothing_blocks_an_exit(action, symbol):
    got = size({"held_shares": 50.0, "side": 0, **symbol, "action": action}, held(20))
    assert got.target_shares[0] == 0.0
    assert got.target_weight[0] == 0.0
    assert Reason(got.reason[0]) is Reason.SIZED


@LEAVE
@pytest.mark.parametrize("equity_usd", [NAN, 0.0, -10.0, np.inf])
def test_without_equity_only_exits(action, equity_usd):
    got = size({}, held(20), held(30, action=action), equity_usd=equity_usd)
    assert got.target_shares.tolist() == [0.0, 20.0, 0.0]


def test_without_a_unit_of_money_weights_count():
    got = size({"price_usd": 0.01}, equity_usd=0.5)
    assert got.target_shares.tolist() == [2.0]


@pytest.mark.parametrize("symbol", [{}, {"action": Action.NONE, "side": 0}, held(50), held(50, action=Action.EXIT)])
def test_every_array_has_its_type(symbol):
    got = size(symbol)
    assert got.reason.dtype == np.int16
    assert {getattr(got, name).dtype for name in ("raw_weight", "target_weight", "target_shares")} == {np.dtype(float)}


def test_results_are_plain_zeros():
    got = size({"side": -1, "entry_allowed": False}, held(-50, action=Action.EXIT))
    assert not np.signbit(got.target_shares).any()
    assert not np.signbit(got.target_weight).any()


def test_raw_weight_is_the_formula():
    got = size({"net_bps": 1.0, "sigma_day_bps": 400.0, "gate_factor": 0.5, "side": -1, "entry_allowed": False})
    assert got.raw_weight == pytest.approx([-0.5 * 0.05 * 0.5 * 0.5])


# Caps. Thirty entries of 5 % want a gross of 1.5.


@pytest.mark.parametrize("sigma_h_bps", [NAN, 0.0, -1.0])
def test_raw_weight_is_none_where_the_volatility_is_unknown(sigma_h_bps):
    assert size({"sigma_h_bps": sigma_h_bps}, {}).raw_weight.tolist() == [0.0, 0.05]


def test_gross_scales_all_entries_alike():
    got = size(*[{"side": 1 if i % 2 else -1} for i in range(30)])
    assert np.abs(got.target_shares).tolist() == [33.0] * 30
    assert {Reason(code) for code in got.reason} == {Reason.CAPPED}


def test_net_scales_the_side_of_the_excess():
    got = size(*[{} for _ in range(10)], *[{"side": -1} for _ in range(2)])
    # net 0.5 − 0.1 = 0.4 is beyond 0.3: longs shrink to 0.4
    assert got.target_shares.tolist() == [40.0] * 10 + [-50.0] * 2
    assert got.reason.tolist() == [Reason.CAPPED] * 10 + [Reason.SIZED] * 2


def test_the_held_book_is_never_scaled():
    book = [held(50) for _ in range(6)] + [held(-50) for _ in range(12)]
    got = size(*book, {}, {"side": -1})
    assert got.target_shares[:18].tolist() == [50.0] * 6 + [-50.0] * 12
    # gross 0.9, room 0.1 for 0.1; net −0.3: the short must wait for the long, which is as large
    assert got.target_shares[18:].tolist() == [50.0, -50.0]


def test_a_full_book_adds_nothing_and_says_why():
    got = size(*[held(50 if i % 2 else -50) for i in range(20)], {}, held(20))
    assert got.target_shares[20:].tolist() == [0.0, 20.0]
    assert got.reason[20:].tolist() == [Reason.CAPPED, Reason.CAPPED]


def test_a_scaled_increase_within_the_band_is_dropped():
    book = [held(50 if i % 2 else -50) for i in range(19)]
    # room 0.02 for two increases of 0.03: 1 % each is within the band; an entry of 1 % is not too small
    got = size(*book, held(20), held(20), config=SizingConfig(gross_cap=1.01, net_cap=5.0))
    assert got.target_shares[19:].tolist() == [20.0, 20.0]
    assert got.reason[19:].tolist() == [Reason.CAPPED] * 2


def test_working_orders_take_room_and_exits_free_it_when_filled():
    longs = [held(50) for _ in range(5)]
    assert size(*longs, {}).target_shares[5] == 50.0
    assert size(*longs, {}, {"action": Action.NONE, "side": 0, "working_weight": 0.03}).target_shares[5] == 20.0
    leaving = [held(50, action=Action.EXIT, working_weight=-0.05) for _ in range(6)]
    got = size(*leaving, {})
    assert got.target_shares.tolist() == [0.0] * 7
    assert Reason(got.reason[6]) is Reason.CAPPED


def test_an_increase_covered_by_its_working_order_needs_no_room():
    config = SizingConfig(gross_cap=0.05, net_cap=0.05)
    assert size(held(20, working_weight=0.03), config=config).target_shares.tolist() == [50.0]
    assert size(held(20, working_weight=0.03), {}, config=config).target_shares.tolist() == [50.0, 0.0]


@pytest.mark.parametrize("working_weight", [1.0, -1.0])
def test_an_order_at_work_in_a_flat_symbol_counts_alone(working_weight):
    got = size({"action": Action.NONE, "side": 0, "working_weight": working_weight}, {}, {"side": -1})
    assert got.target_shares.tolist() == [0.0, 0.0, 0.0]
    assert got.reason.tolist() == [Reason.OK, Reason.CAPPED, Reason.CAPPED]


def test_a_net_beyond_its_cap_does_not_hold_up_what_is_at_work_already():
    book = [held(50) for _ in range(8)]
    assert size(*book, held(20, working_weight=0.03)).target_shares[8] == 50.0


def test_an_order_at_work_beyond_the_target_gives_no_room_to_others():
    # reserved 0.02 + 0.04 of a cap of 0.065: the entry of 0.05 gets the 0.005 that are left
    config = SizingConfig(gross_cap=0.065, net_cap=0.065)
    assert size(held(20, working_weight=0.04), {}, config=config).target_shares.tolist() == [50.0, 5.0]


@pytest.mark.parametrize("side", [1, -1])
def test_an_order_at_work_on_the_other_side_is_room_already_taken(side):
    # reserved 0.02; 0.05 adds 0.03, of which the cap leaves half
    config = SizingConfig(gross_cap=0.035, net_cap=5.0)
    got = size({"side": side, "working_weight": -0.02 * side}, config=config)
    assert got.target_shares.tolist() == [35.0 * side]
    assert got.reason.tolist() == [Reason.CAPPED]


@pytest.mark.parametrize(
    ("long", "short", "min_entry_weight", "expected"),
    [
        pytest.param((20.0, 1.89), (7.0, 1.95), 0.01, [20.0, -21.0], id="found-by-the-fourth"),
        pytest.param((10.0, 1.79), (7.0, 1.59), 0.004, [0.0, 0.0], id="the-fifth-would-find-20-against-21"),
    ],
)
def test_the_sides_are_scaled_against_each_other_four_times_and_then_nothing_is_added(
    long, short, min_entry_weight, expected
):
    config = SizingConfig(net_cap=0.001, min_entry_weight=min_entry_weight)
    symbols = [{"side": s, "lot": lot, "net_bps": net} for s, (lot, net) in ((1, long), (-1, short))]
    assert size(*symbols, config=config).target_shares.tolist() == expected


def test_a_position_without_a_price_leaves_no_room():
    got = size(held(20, price_usd=NAN), {})
    assert got.target_shares.tolist() == [20.0, 0.0]
    assert got.reason.tolist() == [Reason.QUOTE_MISSING, Reason.CAPPED]


def test_an_entry_without_a_price_takes_no_room_from_others():
    got = size({"price_usd": NAN}, {})
    assert got.target_shares.tolist() == [0.0, 50.0]
    assert got.reason.tolist() == [Reason.QUOTE_MISSING, Reason.SIZED]


def test_gross_drift_is_cut_back_to_the_cap():
    got = size(*[held(50 if i % 2 else -50, net_bps=NAN) for i in range(22)], {})
    assert np.abs(got.target_shares).tolist() == [45.0] * 22 + [0.0]
    assert got.reason.tolist() == [Reason.DRIFT_CUT] * 22 + [Reason.CAPPED]


def test_rounding_on_one_side_does_not_lift_the_net():
    # shorts of 5 % round to nothing, so the longs that they made room for shrink to the cap
    longs = [{} for _ in range(8)]
    shorts = [{"side": -1, "lot": 1_000.0} for _ in range(2)]
    got = size(*longs, *shorts)
    assert got.target_shares.tolist() == [37.0] * 8 + [0.0] * 2
    assert exact_sum(got.target_weight) <= 0.3


def test_a_book_that_its_exits_bring_back_is_not_cut_but_adds_nothing():
    book = [held(50 if i % 2 else -50) for i in range(18)]
    leaving = [held(-50, action=Action.EXIT) for _ in range(4)]
    got = size(*book, *leaving, held(-20))
    assert got.target_shares.tolist() == [-50.0, 50.0] * 9 + [0.0] * 4 + [-20.0]
    assert Reason(got.reason[22]) is Reason.CAPPED


# Each side makes room for the other, and lots of many sizes take it away again: no scale of both ever fits.
CHASE = [
    {"side": -1, "lot": 1.0, "net_bps": 1.1716898295455327},
    {"side": 1, "lot": 30.0, "net_bps": 0.41234024443092704},
    {"side": 1, "lot": 7.0, "net_bps": 0.41337301490407236},
    {"side": 1, "lot": 10.0, "net_bps": 1.0315078443113166},
    {"side": -1, "lot": 20.0, "net_bps": 1.255794131788377},
    {"side": 1, "lot": 15.0, "net_bps": 0.7108487139603864},
]


def test_sides_that_chase_each_other_add_nothing():
    config = SizingConfig(net_cap=0.001, min_entry_weight=0.0)
    got = size(*CHASE, config=config)
    assert abs(exact_sum(got.target_weight)) <= 0.001


def test_a_resize_below_a_lot_closes_with_a_plain_zero():
    got = size(held(-40, lot=40.0, net_bps=1.0))
    assert got.target_shares.tolist() == [0.0]
    assert not np.signbit(got.target_shares[0])


@pytest.mark.parametrize(
    ("config", "symbols", "expected"),
    [
        pytest.param({"volatility_scaling": False}, [{"sigma_day_bps": 400.0}], [50], id="volatility-factor-one"),
        pytest.param({"band": False}, [held(49)], [50], id="no-band"),
        pytest.param({"caps": False}, [{} for _ in range(30)], [50] * 30, id="no-caps"),
        pytest.param({"caps": False}, [held(54)], [54], id="no-drift-cut"),
        pytest.param({"min_entry_weight": 0.0}, [{"net_bps": 0.05}], [1], id="no-smallest-entry"),
        pytest.param({"ic_ref": 0.08}, [{}], [25], id="unit-of-conviction"),
        pytest.param({"max_weight": 0.1, "z_max": 2.0}, [{}], [100], id="cap-and-clip"),
        pytest.param({"net_cap": 0.02}, [{}], [20], id="net-cap"),
        pytest.param({"gross_cap": 0.02}, [{}], [20], id="gross-cap"),
        pytest.param({"drift_frac": 0.2}, [held(54)], [54], id="drift-tolerance"),
    ],
)
def test_settings(config, symbols, expected):
    assert size(*symbols, config=SizingConfig(**config)).target_shares.tolist() == expected


def test_reserve_comes_with_the_request():
    assert size(held(20, net_bps=2.0), reserve_bps=2.5).reason.tolist() == [Reason.BELOW_RESERVE]
    assert size(held(20, net_bps=2.0), reserve_bps=2.0).reason.tolist() == [Reason.SIZED]


@pytest.mark.parametrize("given_values", [{"ic_ref": 0.0}, {"max_weight": 2.0}, {"net_cap": NAN}, {"leverage": 2}])
def test_impossible_settings_are_refused(given_values):
    with pytest.raises(ValueError, match=next(iter(given_values))):
        SizingConfig(**given_values)


SEEDS = st.integers(0, 2**32 - 1)
SIZER = PositionSizer(CONFIG)


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS, order=st.permutations(range(24)))
def test_independent_of_the_order_of_symbols(seed, order):
    request, order = random_request(seed), list(order)
    base, got = SIZER.size(request), SIZER.size(reordered(request, order))
    for name in ("raw_weight", "target_weight", "target_shares", "reason"):
        assert getattr(got, name).tobytes() == getattr(base, name)[order].tobytes(), name


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS)
def test_longs_and_shorts_are_symmetric(seed):
    request = random_request(seed)
    base = SIZER.size(request)
    got = SIZER.size(
        replaced(request, side=-request.side, held_shares=-request.held_shares, working_weight=-request.working_weight)
    )
    for name in ("raw_weight", "target_weight", "target_shares"):
        assert np.array_equal(-getattr(got, name), getattr(base, name), equal_nan=True), name
    assert got.reason.tolist() == base.reason.tolist()


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS, scale=st.sampled_from([2.0**-7, 0.5, 2.0, 2.0**12]))
def test_currency_units_do_not_matter(seed, scale):
    request = random_request(seed)
    scaled = replaced(
        request,
        price_usd=scale * request.price_usd,
        min_notional_usd=scale * request.min_notional_usd,
        equity_usd=scale * request.equity_usd,
    )
    base, got = SIZER.size(request), SIZER.size(scaled)
    assert got.target_shares.tobytes() == base.target_shares.tobytes()
    assert got.target_weight.tobytes() == base.target_weight.tobytes()


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS, scale=st.sampled_from([2.0**-7, 0.5, 2.0, 2.0**12]))
def test_a_split_changes_shares_alone(seed, scale):
    request = random_request(seed)
    after = replaced(
        request,
        price_usd=scale * request.price_usd,
        held_shares=request.held_shares / scale,
        lot=request.lot / scale,
    )
    base, got = SIZER.size(request), SIZER.size(after)
    assert got.target_shares.tobytes() == (base.target_shares / scale).tobytes()
    for name in ("raw_weight", "target_weight", "reason"):
        assert getattr(got, name).tobytes() == getattr(base, name).tobytes(), name


UNCAPPED = PositionSizer(SizingConfig(caps=False))


@settings(max_examples=80, deadline=None)
@given(
    seed=SEEDS,
    column=st.integers(0, 23),
    name=st.sampled_from(["net_bps", "sigma_h_bps", "sigma_day_bps", "gate_factor", "price_usd"]),
)
def test_without_caps_a_gap_in_one_symbol_is_its_own(seed, column, name):
    request = random_request(seed)
    holed = getattr(request, name).copy()
    holed[column] = NAN
    base, got = UNCAPPED.size(request), UNCAPPED.size(replaced(request, **{name: holed}))
    assert abs(got.target_shares[column]) <= abs(request.held_shares[column])
    for result in ("raw_weight", "target_weight", "target_shares", "reason"):
        expected = np.delete(getattr(base, result), column)
        assert np.delete(getattr(got, result), column).tobytes() == expected.tobytes(), result


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS, less=st.floats(0.0, 5.0), calmer=st.floats(0.1, 1.0), factor=st.floats(0.1, 1.0))
def test_less_net_more_volatility_or_a_stricter_gate_never_adds(seed, less, calmer, factor):
    """Without caps. Less net may keep a position that more net would have cut: what is held is the measure, too."""
    request = random_request(seed)
    base = UNCAPPED.size(request)
    most = np.maximum(np.abs(base.target_shares), np.abs(request.held_shares))
    for change in (
        {"net_bps": request.net_bps - less},
        {"sigma_h_bps": request.sigma_h_bps / calmer},
        {"sigma_day_bps": request.sigma_day_bps / calmer},
        {"gate_factor": request.gate_factor * factor},
    ):
        got = UNCAPPED.size(replaced(request, **change))
        assert (np.abs(got.raw_weight) <= np.abs(base.raw_weight)).all()
        assert (np.abs(got.target_shares) <= most).all()


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS, lot=st.sampled_from([0.001, 1.0, 10.0, 100.0]))
def test_caps_hold(seed, lot):
    request = random_request(seed, lot=lot)
    got = SIZER.size(request)
    price = np.where(np.isnan(request.price_usd), 0.0, request.price_usd)
    before = request.held_shares * price / EQUITY
    reserved = reserved_weight(before, request.working_weight)
    grows = np.abs(got.target_weight) > np.abs(before)
    added = np.where(grows, np.maximum(np.abs(got.target_weight) - np.abs(reserved), 0.0), 0.0)
    if added.any():
        assert exact_sum(np.abs(reserved)) + exact_sum(added) <= CONFIG.gross_cap + 1e-9
    net = exact_sum(reserved) + exact_sum(np.sign(got.target_weight) * added)
    if added[got.target_weight > 0].any():
        assert net <= CONFIG.net_cap + 1e-8
    if added[got.target_weight < 0].any():
        assert net >= -CONFIG.net_cap - 1e-8
    assert (np.abs(got.target_weight)[grows] <= CONFIG.max_weight + 1e-9).all()
    after = np.abs(got.target_weight)
    kept = after[~np.isin(got.reason, (Reason.BELOW_LOT,))]
    assert (kept <= 1.05 * CONFIG.max_weight + 1e-9).all()
    if request.min_notional_usd[0] == 0.0:
        assert exact_sum(after) <= max(1.05 * CONFIG.gross_cap, 0.0) + 1e-9


@settings(max_examples=100, deadline=None)
@given(
    lots=st.lists(st.sampled_from([1.0, 3.0, 7.0, 10.0, 20.0, 30.0]), min_size=2, max_size=8),
    net_cap=st.sampled_from([0.001, 0.003, 0.01, 0.05]),
    min_entry_weight=st.sampled_from([0.0, 0.004, 0.01]),
    data=st.data(),
)
def test_net_holds_whatever_rounding_takes_away(lots, net_cap, min_entry_weight, data):
    drawn = [(data.draw(st.sampled_from([-1, 1])), data.draw(st.floats(0.3, 2.0))) for _ in lots]
    symbols = [{"lot": lot, "side": side, "net_bps": net} for lot, (side, net) in zip(lots, drawn, strict=True)]
    got = size(*symbols, config=SizingConfig(net_cap=net_cap, min_entry_weight=min_entry_weight))
    assert abs(exact_sum(got.target_weight)) <= net_cap + 1e-8


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS)
def test_every_target_is_one_that_can_be_traded(seed):
    request = random_request(seed)
    got = SIZER.size(request)
    leaves = np.isin(request.action, (Action.EXIT, Action.REVERSE))
    assert not got.target_shares[leaves].any()
    assert np.isfinite(got.target_shares).all()
    moved = got.target_shares != request.held_shares
    assert (got.target_shares * request.held_shares >= 0.0).all()
    assert (np.mod(got.target_shares[moved], request.lot[moved]) == 0.0).all()
    trades = moved & ~leaves
    notional = np.abs(got.target_shares - request.held_shares) * request.price_usd
    assert (notional[trades] >= request.min_notional_usd[trades]).all()
    grows = np.abs(got.target_shares) > np.abs(request.held_shares)
    known = (request.sigma_h_bps > 0) & (request.sigma_day_bps > 0) & (request.price_usd > 0)
    assert (known & request.entry_allowed)[grows].all()
    assert np.isin(got.reason[trades], (Reason.SIZED, Reason.CAPPED, Reason.DRIFT_CUT)).all()
    resized = trades & (request.held_shares != 0) & (got.reason != Reason.DRIFT_CUT)
    assert (request.net_bps[resized] >= request.reserve_bps).all()
    assert (got.reason[~leaves & ~moved] != Reason.SIZED).all()


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, blocked=st.lists(st.integers(0, 23), min_size=1, max_size=8))
def test_a_gate_only_ever_takes_increases_away_from_its_symbol(seed, blocked):
    request = random_request(seed)
    allowed = request.entry_allowed.copy()
    allowed[blocked] = False
    got = SIZER.size(replaced(request, entry_allowed=allowed))
    assert (np.abs(got.target_shares[blocked]) <= np.abs(request.held_shares[blocked])).all()


def test_inputs_are_left_as_they_are():
    request = random_request(11)
    before = {name: getattr(request, name).copy() for name in FIELDS}
    SIZER.size(request)
    for name, old in before.items():
        assert getattr(request, name).tobytes() == old.tobytes(), name


def test_an_empty_book_is_sized():
    empty = reordered(request_of({}), [])
    assert SIZER.size(empty).target_shares.size == 0
