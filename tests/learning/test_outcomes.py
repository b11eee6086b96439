"""What each horizon of an entry would have made: bars of a short script, worked out by hand."""

# covers: P20

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.horizons import parse_horizons
from LIVE_TRADING.common.types import BarBatch
from LIVE_TRADING.learning import Hedge, HedgeLearner, LearningConfig, OutcomeTracker, WaitingEntry, reward

BAR = 300 * 10**9
HORIZONS = parse_horizons(("5m", "15m", "1d"), BAR, 390)
COLUMNS = {"AAA": 0, "BBB": 1}
N_BARS = 6  # of a session; the next one begins 100 bars later
UNKNOWN = float("nan")


def batch(bar: int, opens: float, close: float, other: float = 50.0) -> BarBatch:
    """A bar end: AAA at the given prices, BBB flat."""
    open_, close_ = np.array([opens, other]), np.array([close, other])
    return BarBatch(bar * BAR, BAR, open_, close_, open_, close_, np.full(2, 1e6), close_, close_)


def entry(bar: int = 2, session: int = 0, slot: int = 2, number: int = 1, **changes) -> WaitingEntry:
    fields = {
        "qualifies": (True, True, True),
        "side": (1, -1, 1),
        "sigma_h_bps": (10.0, 20.0, 100.0),
        "cost_bps": 4.0,
        **changes,
    }
    return WaitingEntry.decided(number, "AAA", (bar, session, slot), **fields)


def told(waiting: list[WaitingEntry], script: dict[int, tuple[float, float]], *, overnight: bool = True):
    """Feed bars by number; return what is settled, and what still waits after the last."""
    tracker, left, settled = OutcomeTracker(HORIZONS, overnight), tuple(waiting), []
    for bar, (opens, close) in script.items():
        session, slot = divmod(bar, 100)
        left, done = tracker.advance(left, batch(bar, opens, close), COLUMNS, session, slot)
        settled += done
    return settled, left


# decided at the end of bar 2: bought at the open of bar 3, 101; 5m ends with bar 3, 15m with bar 5, 1d with bar 102
SCRIPT = {
    2: (1.0, 1.0),  # the bar of the decision: neither an entry nor an end
    3: (101.0, 102.0),
    4: (7.0, 7.0),
    5: (7.0, 100.0),
    100: (7.0, 7.0),
    101: (7.0, 7.0),
    102: (7.0, 104.0),
}


def test_every_horizon_runs_from_the_next_open_to_its_own_close():
    (outcome,), left = told([entry()], SCRIPT)
    assert left == ()
    assert outcome.settled_ns == 102 * BAR
    expected = [(102 / 101 - 1) * 1e4, (100 / 101 - 1) * 1e4, (104 / 101 - 1) * 1e4]
    assert outcome.return_bps == pytest.approx(expected, rel=1e-12)
    values, known = outcome.rewards(3.0)
    assert known.all()
    by_hand = [
        0.5 + (99.00990 - 4.0) / 60.0,  # beyond one
        0.5 + (99.00990 - 4.0) / 120.0,  # short, and right
        0.5 + (297.02970 - 4.0) / 600.0,
    ]
    assert values.tolist() == pytest.approx([min(1.0, value) for value in by_hand], abs=1e-6)


def test_nothing_is_settled_before_its_last_horizon_ends():
    settled, (waiting,) = told([entry()], dict(list(SCRIPT.items())[:-1]))
    assert settled == []
    assert waiting.waits == (False, False, True)
    assert math.isnan(waiting.return_bps[2])
    intraday = entry(qualifies=(True, True, False))
    (outcome,), _ = told([intraday], SCRIPT)
    assert outcome.settled_ns == 5 * BAR
    assert outcome.rewards(3.0)[1].tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        pytest.param({3: None}, [False, False, False], id="no-bar-after-the-decision"),
        pytest.param({3: (UNKNOWN, UNKNOWN)}, [False, False, False], id="no-price-after-the-decision"),
        pytest.param({5: (UNKNOWN, UNKNOWN)}, [True, False, True], id="no-price-at-an-end"),
        pytest.param({5: None}, [True, False, True], id="no-bar-at-an-end"),
        pytest.param({4: None}, [True, True, True], id="a-bar-in-between-does-not-matter"),
        pytest.param({102: None, 103: (7.0, 7.0)}, [True, True, False], id="a-slot-that-the-next-session-lacks"),
        pytest.param(
            {100: None, 101: None, 102: None, 200: (7.0, 7.0)}, [True, True, False], id="no-bars-in-the-next-session"
        ),
    ],
)
def test_what_has_no_bar_to_begin_or_end_with_stays_unknown(changes: dict, known: list[bool]):
    script = {bar: prices for bar, prices in sorted((SCRIPT | changes).items()) if prices is not None}
    (outcome,), left = told([entry()], script)
    assert left == ()
    assert outcome.rewards(3.0)[1].tolist() == known


def test_no_intraday_horizon_crosses_a_close_unless_the_market_never_closes():
    late = entry(bar=4, slot=4)
    script = {5: (101.0, 102.0), 100: (7.0, 7.0), 104: (7.0, 103.0)}
    (outcome,), _ = told([late], script)
    assert outcome.rewards(3.0)[1].tolist() == [True, False, True]
    always = OutcomeTracker(HORIZONS, overnight=False)
    left = (entry(bar=286, session=0, slot=286),)
    for bar, session, slot in ((287, 0, 287), (288, 1, 0), (289, 1, 1)):
        left, settled = always.advance(left, batch(bar, 101.0, 102.0), COLUMNS, session, slot)
        assert settled == ()
    assert left[0].return_bps[:2] == pytest.approx(((102 / 101 - 1) * 1e4,) * 2)


def test_a_bar_that_comes_again_changes_nothing():
    tracker = OutcomeTracker(HORIZONS, overnight=True)
    (waiting,), _ = tracker.advance([entry()], batch(3, 101.0, 102.0), COLUMNS, 0, 3)
    (again,), _ = tracker.advance([waiting], batch(2, 9.0, 9.0), COLUMNS, 0, 2)
    assert again == waiting


@settings(max_examples=60)
@given(st.data())
def test_the_order_of_horizons_and_entries_does_not_matter(data: st.DataObject):
    """Permuting the arms permutes the weights; entries settle alike whatever stands beside them."""
    prices = st.floats(90, 110)
    script = {bar: (data.draw(prices), data.draw(prices)) for bar in (3, 4, 5, 102, 103)}
    sides = st.tuples(*[st.sampled_from([-1, 1])] * 3)
    entries = [entry(number=number, side=data.draw(sides)) for number in range(1, 4)]
    config = LearningConfig(mode="hedge", eta=0.7)
    hedge = Hedge(config, 3)
    settled, _ = told(entries, script)
    plain = hedge.probabilities(HedgeLearner(config, hedge).learn(hedge.initial(), settled))
    order = data.draw(st.permutations(range(3)))
    shuffled = [
        type(outcome)(
            outcome.order_number,
            outcome.settled_ns,
            *(tuple(getattr(outcome, name)[arm] for arm in order) for name in ("qualifies", "side", "return_bps")),
            tuple(outcome.sigma_h_bps[arm] for arm in order),
            outcome.cost_bps,
        )
        for outcome in told(entries[::-1], script)[0]
    ]
    permuted = hedge.probabilities(HedgeLearner(config, hedge).learn(hedge.initial(), shuffled))
    np.testing.assert_allclose(permuted, plain[list(order)], rtol=1e-12)


def test_in_another_mode_no_round_trip_is_needed_to_learn():
    config = LearningConfig(mode="hedge")
    hedge = Hedge(config, 3)
    (outcome,), _ = told([entry()], SCRIPT)
    state = HedgeLearner(config, hedge).learn(hedge.initial(), [outcome])
    losses = [1 - reward(95.0099, 10.0), 1 - reward(95.0099, 20.0), 1 - reward(293.0297, 100.0)]
    np.testing.assert_allclose(state.cumulative_loss, losses, atol=1e-6)
