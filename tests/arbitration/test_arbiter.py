"""Entries: what qualifies, what is drawn, and the reason of everything that is not entered."""

# covers: P12, P24

from __future__ import annotations

import numpy as np
import pytest
from arbitration_cases import ALL, CONFIG, MIDDAY, NAN, ROW, alphas, arbitrate, at, blend_of, book_of, random_cycle
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.arbitration import ArbitrationConfig, BestScoreSelector, CostModelConfig, HorizonArbiter
from LIVE_TRADING.common.horizons import parse_horizons
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.learning import BanditState, EnsembleWeightOptimizer, Exp3IXBandit, LearningConfig


@pytest.mark.parametrize(
    ("alpha", "cost", "horizon", "side", "net"),
    [
        pytest.param(alphas(_5m=3.0), 1.0, "5m", +1, 2.0, id="long"),
        pytest.param(alphas(_5m=-3.0), 1.0, "5m", -1, 2.0, id="short-is-the-mirror"),
        pytest.param(alphas(_5m=1.5), 1.0, "5m", +1, 0.5, id="reserve-is-inclusive"),
        pytest.param(alphas(_5m=0.9), 0.0, "5m", +1, 0.9, id="little-alpha-has-a-side"),
        pytest.param(alphas(_5m=-0.9), 0.0, "5m", -1, 0.9, id="little-alpha-has-the-other-side"),
        # scores: 2/√1 = 2, 5/√6 = 2.04
        pytest.param(alphas(_5m=3.0, _30m=6.0), 1.0, "30m", +1, 5.0, id="longer-wins-by-its-net"),
        # 2/√1 = 2, 4.8/√6 = 1.96
        pytest.param(alphas(_5m=3.0, _30m=5.8), 1.0, "5m", +1, 2.0, id="longer-loses-by-its-time"),
        # 17/√78 = 1.92 against 2
        pytest.param(alphas(_5m=3.0, _1d=18.0), 1.0, "5m", +1, 2.0, id="a-day-is-78-units"),
        pytest.param(alphas(_5m=1.0, _1d=-18.0), 1.0, "1d", -1, 17.0, id="sides-may-differ-between-horizons"),
    ],
)
def test_entry(alpha, cost, horizon, side, net):
    got = arbitrate(alpha, cost)
    assert got.action.tolist() == [Action.ENTER]
    assert got.reason.tolist() == [Reason.ENTRY]
    assert got.horizon.tolist() == [ROW[horizon]]
    assert got.side.tolist() == [side]
    assert got.chosen_net_bps == pytest.approx([net])
    assert got.entry_probability.tolist() == [1.0]


def test_net_and_score_by_hand():
    got = arbitrate(alphas(_5m=-3.0, _60m=5.0), 1.0)
    assert got.net_bps[[0, 4], 0] == pytest.approx([2.0, 4.0])
    assert got.score[[0, 4], 0] == pytest.approx([2.0, 4.0 / np.sqrt(12.0)])
    assert np.isnan(got.score[[1, 2, 3, 5], 0]).all()
    assert got.qualifies[:, 0].tolist() == [True, False, False, False, True, False]
    assert got.cost_bps.tolist() == [1.0]


def test_a_day_of_crypto_is_1440_minutes():
    horizons = parse_horizons(("5m", "1d"), 5 * NS_PER_MINUTE, 1440)
    alpha = np.array([[3.0], [11.0]])
    blend = blend_of(np.vstack([alpha, np.full((4, 1), NAN)]))
    blend = type(blend)(("5m", "1d"), blend.weights, alpha, alpha, blend.reason)
    got = HorizonArbiter(CONFIG, horizons).arbitrate(
        blend, np.ones(1), book_of(1), MIDDAY, BestScoreSelector(), ("BTC",)
    )
    assert got.score[1, 0] == pytest.approx(10.0 / np.sqrt(288.0))


@pytest.mark.parametrize(
    ("alpha", "cost", "moment", "expected"),
    [
        pytest.param(alphas(), 1.0, MIDDAY, Reason.NO_VIEW, id="no-view"),
        pytest.param(alphas(), NAN, MIDDAY, Reason.NO_VIEW, id="no-view-before-cost"),
        pytest.param(alphas(_5m=9.0), NAN, MIDDAY, Reason.COST_UNKNOWN, id="cost-unknown"),
        pytest.param(alphas(_5m=1.49), 1.0, MIDDAY, Reason.BELOW_COST, id="below-cost-and-reserve"),
        pytest.param(alphas(_5m=0.0), 0.0, MIDDAY, Reason.BELOW_COST, id="nothing-is-below-cost"),
        pytest.param(alphas(_5m=1.0), 1.0, at(76), Reason.BELOW_COST, id="below-cost-before-closing"),
        pytest.param(alphas(_1d=90.0), 1.0, at(76), Reason.SESSION_CLOSING, id="closing-bars-even-a-day"),
        pytest.param(alphas(_5m=9.0), 1.0, at(77), Reason.SESSION_CLOSING, id="last-bar"),
        pytest.param(alphas(_30m=9.0), 1.0, at(72), Reason.PAST_SESSION_END, id="does-not-end-in-time"),
        pytest.param(
            alphas(_30m=9.0), 1.0, at(20, stale_predictions=True), Reason.STALE_PREDICTIONS, id="stale-predictions"
        ),
        pytest.param(
            alphas(_30m=9.0), 1.0, at(76, stale_predictions=True), Reason.STALE_PREDICTIONS, id="stale-before-closing"
        ),
    ],
)
def test_reason_of_no_entry(alpha, cost, moment, expected):
    got = arbitrate(alpha, cost, moment=moment)
    assert got.reason.tolist() == [expected]
    assert got.action.tolist() == [Action.NONE]
    assert (got.horizon.tolist(), got.side.tolist()) == ([-1], [0])
    assert np.isnan(got.chosen_net_bps).all()
    assert np.isnan(got.entry_probability).all()


@pytest.mark.parametrize(
    ("name", "last_slot"),
    # decided at the end of `slot`, filled in slot + 1, over with slot + bars <= 77; nothing is entered from 76 on
    [("5m", 75), ("10m", 75), ("15m", 74), ("30m", 71), ("60m", 65), ("1d", 75)],
)
def test_last_slot_of_an_entry(name, last_slot):
    alpha = alphas(**{f"_{name}": 500.0})
    assert arbitrate(alpha, moment=at(last_slot)).action.tolist() == [Action.ENTER]
    assert arbitrate(alpha, moment=at(last_slot + 1)).action.tolist() == [Action.NONE]


def test_half_day_ends_earlier():
    assert arbitrate(alphas(_60m=50.0), moment=at(30, n_bars_session=42)).reason.tolist() == [Reason.PAST_SESSION_END]
    assert arbitrate(alphas(_60m=50.0), moment=at(29, n_bars_session=42)).reason.tolist() == [Reason.ENTRY]


@pytest.mark.parametrize("slot", [0, 70, 286, 287])
def test_a_market_that_never_closes_bars_nothing(slot):
    moment = at(slot, n_bars_session=288, session_ends=False)
    assert arbitrate(alphas(_60m=50.0), moment=moment).reason.tolist() == [Reason.ENTRY]


def test_the_selector_hears_of_candidates_only():
    heard = []

    class Listening(BestScoreSelector):
        def select(self, score, qualifies, scheduled_time_ns, symbols):
            heard.append((score.shape, qualifies.shape, scheduled_time_ns, symbols))
            return super().select(score, qualifies, scheduled_time_ns, symbols)

    alpha = np.hstack([alphas(_5m=9.0), alphas(_5m=0.1), alphas(_5m=-9.0), alphas(_5m=9.0), alphas()])
    book = book_of(5, side=[0, 0, 0, 1, 0], horizon=[-1, -1, -1, 0, -1])
    arbitrate(alpha, book=book, selector=Listening(), symbols=("A", "B", "C", "D", "E"))
    assert heard == [((6, 2), (6, 2), 1_000, ("A", "C"))]
    arbitrate(alpha, book=book, selector=Listening(), symbols=("A", "B", "C", "D", "E"), moment=at(77))
    assert len(heard) == 1


class FixedSelector:
    """Draws the same row for everyone, or the rows that are given."""

    def __init__(self, row, probability=0.25):
        self._row, self._probability = row, probability

    def select(self, score, qualifies, scheduled_time_ns, symbols):
        rows = np.broadcast_to(np.asarray(self._row, dtype=np.int16), len(symbols))
        return rows, np.full(len(symbols), self._probability)


def test_the_draw_decides_horizon_net_side_and_probability():
    alpha = alphas(_5m=3.0, _10m=2.0, _60m=-9.0)
    got = arbitrate(alpha, selector=FixedSelector(ROW["60m"]))
    assert (got.horizon.tolist(), got.side.tolist()) == ([ROW["60m"]], [-1])
    assert got.chosen_net_bps == pytest.approx([8.0])
    assert got.entry_probability.tolist() == [0.25]


@pytest.mark.parametrize("row", [-1, ROW["30m"], ROW["60m"]])
def test_a_draw_that_does_not_qualify_is_refused(row):
    with pytest.raises(ValueError, match="does not qualify"):
        arbitrate(alphas(_5m=3.0, _30m=0.2), selector=FixedSelector(row))


@pytest.mark.parametrize("rows", [[0, -1], [-1, 0], [-1, -1], [0, ROW["30m"]], [ROW["30m"], 0]])
def test_one_draw_that_does_not_qualify_is_enough(rows):
    alpha = np.hstack([alphas(_5m=3.0, _30m=0.2, _1d=90.0)] * 2)  # row -1 would read that of a day, which qualifies
    with pytest.raises(ValueError, match="does not qualify"):
        arbitrate(alpha, selector=FixedSelector(rows))


def test_the_learning_selector_fits():
    config = LearningConfig()
    bandit = Exp3IXBandit(config, len(ALL))
    selector = EnsembleWeightOptimizer(config, bandit, BanditState(np.zeros(len(ALL)), 0), 7)
    got = arbitrate(alphas(_5m=3.0, _10m=4.0), selector=selector)
    assert got.horizon[0] in (0, 1)
    assert 0.0 < got.entry_probability[0] < 1.0


def test_other_horizons_are_refused():
    blend = blend_of(alphas(_5m=3.0))
    blend = type(blend)(("5m",), blend.weights, blend.alpha_bps[:1], blend.sigma_bps[:1], blend.reason)
    with pytest.raises(ValueError, match="5m"):
        HorizonArbiter(CONFIG, ALL).arbitrate(blend, np.ones(1), book_of(1), MIDDAY, BestScoreSelector(), ("A",))


@pytest.mark.parametrize(
    ("config", "alpha", "expected"),
    [
        pytest.param(ArbitrationConfig(reserve_bps=0.0), 1.2, Reason.ENTRY, id="no-reserve-lets-more-in"),
        pytest.param(ArbitrationConfig(reserve_bps=0.0), 1.0, Reason.BELOW_COST, id="worth-nothing-is-no-trade"),
        pytest.param(ArbitrationConfig(reserve_bps=0.0), np.nextafter(1.0, 2.0), Reason.ENTRY, id="worth-anything-is"),
        pytest.param(ArbitrationConfig(reserve_bps=5.0), 3.0, Reason.BELOW_COST, id="more-reserve-lets-less-in"),
    ],
)
def test_reserve(config, alpha, expected):
    assert arbitrate(alphas(_5m=alpha), config=config).reason.tolist() == [expected]


def test_belief_switched_off_lets_everything_in():
    config = ArbitrationConfig(reserve_bps=0.0, cost=CostModelConfig(enabled=False))
    got = arbitrate(alphas(_5m=0.01), cost=0.0, config=config)
    assert got.reason.tolist() == [Reason.ENTRY]


@pytest.mark.parametrize(
    "given_values", [{"switch_ratio": 0.9}, {"reserve_bps": -1.0}, {"barrier_exit_p": 0.0}, {"exit": 1}]
)
def test_impossible_settings_are_refused(given_values):
    with pytest.raises(ValueError, match=next(iter(given_values))):
        ArbitrationConfig(**given_values)


SEEDS = st.integers(0, 2**32 - 1)
SLOTS = st.sampled_from([0, 20, 65, 70, 75, 76, 77])
CODES = ("qualifies", "action", "horizon", "side", "reason")
ARRAYS = ("net_bps", "score", "qualifies", "action", "horizon", "side", "chosen_net_bps", "entry_probability", "reason")


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, slot=SLOTS, p_peak=st.sampled_from([None, 0.1, 0.9]), p_valley=st.sampled_from([None, 0.1, 0.9]))
def test_longs_and_shorts_are_symmetric(seed, slot, p_peak, p_valley):
    alpha, cost, book = random_cycle(seed)
    base = arbitrate(alpha, cost, book, at(slot), p_peak=p_peak, p_valley=p_valley)
    mirrored = book_of(book.side.size, -book.side, book.horizon, book.elapsed)
    got = arbitrate(-alpha, cost, mirrored, at(slot), p_peak=p_valley, p_valley=p_peak)
    assert got.side.tolist() == (-base.side).tolist()
    for name in ("net_bps", "score", "chosen_net_bps", "entry_probability"):
        assert np.array_equal(getattr(got, name), getattr(base, name), equal_nan=True), name
    for name in ("qualifies", "action", "horizon", "reason"):
        assert np.array_equal(getattr(got, name), getattr(base, name)), name


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, slot=SLOTS, order=st.permutations(range(12)))
def test_independent_of_the_order_of_symbols(seed, slot, order):
    alpha, cost, book = random_cycle(seed)
    order = list(order)
    names = tuple(f"S{i:03d}" for i in range(12))
    base = arbitrate(alpha, cost, book, at(slot), symbols=names)
    permuted_book = book_of(12, book.side[order], book.horizon[order], book.elapsed[order])
    got = arbitrate(alpha[:, order], cost[order], permuted_book, at(slot), symbols=tuple(names[i] for i in order))
    for name in ARRAYS:
        expected = np.ascontiguousarray(getattr(base, name)[..., order])
        assert np.ascontiguousarray(getattr(got, name)).tobytes() == expected.tobytes(), name


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, slot=SLOTS, extra=st.floats(0.0, 20.0))
def test_higher_cost_never_adds_an_entry_or_a_switch(seed, slot, extra):
    alpha, cost, book = random_cycle(seed)
    cheap = arbitrate(alpha, cost, book, at(slot))
    dear = arbitrate(alpha, cost + extra, book, at(slot))
    assert (dear.qualifies <= cheap.qualifies).all()
    for action in (Action.ENTER, Action.EXTEND, Action.REVERSE):
        assert ((dear.action == action) <= (cheap.action == action) | (cheap.action != Action.NONE)).all()
    assert ((dear.action == Action.ENTER) <= (cheap.action == Action.ENTER)).all()
    switched = np.isin(dear.action, (Action.EXTEND, Action.REVERSE))
    assert np.isin(cheap.action[switched], (Action.EXTEND, Action.REVERSE, Action.EXIT)).all()


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, slot=SLOTS, column=st.integers(0, 11), what=st.sampled_from(["alpha", "cost"]))
def test_a_gap_in_one_symbol_is_its_own(seed, slot, column, what):
    alpha, cost, book = random_cycle(seed)
    base = arbitrate(alpha, cost, book, at(slot))
    (alpha if what == "alpha" else cost)[..., column] = NAN
    got = arbitrate(alpha, cost, book, at(slot))
    assert got.action[column] not in (Action.ENTER, Action.EXTEND, Action.REVERSE)
    for name in ARRAYS:
        expected = np.delete(getattr(base, name), column, axis=-1)
        assert np.delete(getattr(got, name), column, axis=-1).tobytes() == expected.tobytes(), name


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, slot=SLOTS, scale=st.sampled_from([0.125, 32.0]))
def test_the_unit_of_return_does_not_matter(seed, slot, scale):
    """Alphas, cost and the limits that are in bps × 2ᵏ: the same choices, and nets and scores × 2ᵏ."""
    alpha, cost, book = random_cycle(seed)
    limits = ("reserve_bps", "switch_margin_bps", "exit_bps")
    config = ArbitrationConfig(**{name: scale * getattr(CONFIG, name) for name in limits})
    base = arbitrate(alpha, cost, book, at(slot))
    got = arbitrate(scale * alpha, scale * cost, book, at(slot), config)
    for name in ARRAYS:
        unit = scale if name in ("net_bps", "score", "chosen_net_bps") else 1
        assert np.array_equal(getattr(got, name), unit * getattr(base, name), equal_nan=name not in CODES), name


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, slot=SLOTS)
def test_every_symbol_has_one_consistent_answer(seed, slot):
    alpha, cost, book = random_cycle(seed)
    got = arbitrate(alpha, cost, book, at(slot))
    flat = book.side == 0
    assert np.isin(got.action[flat], (Action.NONE, Action.ENTER)).all()
    assert not np.isin(got.action[~flat], (Action.NONE, Action.ENTER)).any()
    entered = got.action == Action.ENTER
    assert (np.isfinite(got.entry_probability) == entered).all()
    assert (got.chosen_net_bps[entered] >= CONFIG.reserve_bps).all()
    assert got.qualifies[got.horizon[entered], np.flatnonzero(entered)].all()
    wanted = got.side != 0
    assert (wanted == np.isin(got.action, (Action.ENTER, Action.HOLD, Action.EXTEND, Action.REVERSE))).all()
    assert (got.reason != Reason.OK).all()
    if slot >= 76:
        assert not entered.any()
        intraday = ~flat & (book.horizon != ROW["1d"])
        assert (got.action[intraday] == Action.EXIT).all()


def test_inputs_are_left_as_they_are():
    alpha, cost, book = random_cycle(5)
    before = [array.copy() for array in (alpha, cost, book.side, book.horizon, book.elapsed)]
    arbitrate(alpha, cost, book)
    for array, old in zip((alpha, cost, book.side, book.horizon, book.elapsed), before, strict=True):
        assert array.tobytes() == old.tobytes()
