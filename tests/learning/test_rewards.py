"""Rewards of closed round trips, and the order in which they teach.

covers: P20
"""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.learning import Exp3IXBandit, LearningConfig, PendingReward, RewardTracker, reward

# covers: P20


def tracker(n_arms=3, **settings):
    config = LearningConfig(**settings)
    bandit = Exp3IXBandit(config, n_arms)
    return RewardTracker(config, bandit), bandit


def entry(number, symbol="AAPL", arm=1, notional="10000", **changes):
    fields = {"probability": 0.4, "qualifies": (True, True, False), "sigma_h_bps": 20.0, **changes}
    return PendingReward(number, symbol, arm, entry_notional_usd=Decimal(notional), **fields)


@pytest.mark.parametrize(
    ("pnl_bps", "expected"),
    [
        pytest.param(0.0, 0.5, id="nothing-made-is-one-half"),
        pytest.param(60.0, 1.0, id="three-volatilities-is-the-best"),
        pytest.param(-60.0, 0.0, id="three-lost-is-the-worst"),
        pytest.param(30.0, 0.75, id="half-way"),
        pytest.param(1e9, 1.0, id="clipped-above"),
        pytest.param(-np.inf, 0.0, id="clipped-below"),
    ],
)
def test_reward(pnl_bps, expected):
    assert reward(pnl_bps, 20.0) == pytest.approx(expected)


@given(st.floats(allow_nan=False), st.floats(1e-6, 1e6), st.floats(0.1, 100))
def test_reward_stays_in_its_range_and_is_symmetric(pnl_bps, sigma_h_bps, scale):
    value = reward(pnl_bps, sigma_h_bps, scale)
    assert 0.0 <= value <= 1.0
    assert value + reward(-pnl_bps, sigma_h_bps, scale) == pytest.approx(1.0)


@pytest.mark.parametrize(("pnl_bps", "sigma"), [(np.nan, 20.0), (1.0, 0.0), (1.0, np.nan), (1.0, np.inf)])
def test_no_reward_without_a_result(pnl_bps, sigma):
    with pytest.raises(ValueError, match="no reward"):
        reward(pnl_bps, sigma)


def test_a_round_trip_teaches_the_arm_of_its_entry():
    keeper, bandit = tracker()
    trip = entry(5).matured(100, Decimal(-30))
    assert trip.pnl_bps == pytest.approx(-30.0)
    assert keeper.reward_of(trip) == reward(-30.0, 20.0)
    state = keeper.learn(bandit.initial(), [trip])
    expected = bandit.update(bandit.initial(), 1, reward(-30.0, 20.0), 0.4, np.array([True, True, False]))
    np.testing.assert_array_equal(state.cumulative_loss, expected.cumulative_loss)
    assert state.rounds == 1


def test_order_of_arrival_does_not_matter():
    keeper, bandit = tracker()
    trips = [
        entry(3, "C", arm=1).matured(200, Decimal(40)),
        entry(9, "A", arm=1).matured(100, Decimal(-25)),
        entry(4, "B", arm=0).matured(100, Decimal(10)),
    ]
    by_hand = bandit.initial()
    for trip in (trips[2], trips[1], trips[0]):
        by_hand = keeper.learn(by_hand, [trip])
    for arrival in permutations(trips):
        state = keeper.learn(bandit.initial(), arrival)
        np.testing.assert_array_equal(state.cumulative_loss, by_hand.cumulative_loss)


def test_learning_off_leaves_the_bandit_alone():
    keeper, bandit = tracker(mode="off")
    state = bandit.initial()
    assert keeper.learn(state, [entry(1).matured(100, Decimal(50))]) is state


@pytest.mark.parametrize(
    "changes",
    [
        {"probability": 0.0},
        {"probability": 1.1},
        {"sigma_h_bps": float("nan")},
        {"sigma_h_bps": 0.0},
        {"arm": 2},
        {"arm": 3},
        {"notional": "NaN"},
        {"notional": "-1"},
        {"notional": "0"},
    ],
)
def test_impossible_entries_are_refused(changes):
    with pytest.raises(ValueError, match="AAPL"):
        entry(1, **changes)
