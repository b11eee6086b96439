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

from LIVE_TRADING.learning import Exp3IXBandit, LearningConfig, PendingReward, RewardMemory, RewardTracker, reward

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
    memory = keeper.opened(RewardMemory(), entry(5, notional="4000"))
    memory = keeper.increased(memory, "AAPL", Decimal(6000))
    memory = keeper.closed(memory, "AAPL", 100, Decimal(-30))
    assert memory.pending == ()
    memory, state = keeper.learn(memory, bandit.initial())
    assert memory == RewardMemory()
    expected = bandit.update(bandit.initial(), 1, reward(-30.0, 20.0), 0.4, np.array([True, True, False]))
    np.testing.assert_array_equal(state.cumulative_loss, expected.cumulative_loss)
    assert state.rounds == 1


def test_order_of_arrival_does_not_matter():
    keeper, bandit = tracker()
    closes = [("C", 200, 3), ("A", 100, 9), ("B", 100, 4)]
    states = []
    for arrival in permutations(closes):
        memory = RewardMemory()
        for symbol, _, number in closes:
            memory = keeper.opened(memory, entry(number, symbol, arm=number % 2))
        for symbol, time_ns, number in arrival:
            memory = keeper.closed(memory, symbol, time_ns, Decimal(number))
        assert [trip.entry.symbol for trip in memory.matured] == ["B", "A", "C"]
        states.append(keeper.learn(memory, bandit.initial())[1].cumulative_loss.tolist())
    assert all(state == states[0] for state in states)


def test_learning_off_leaves_the_bandit_alone():
    keeper, bandit = tracker(mode="off")
    memory = keeper.closed(keeper.opened(RewardMemory(), entry(1)), "AAPL", 100, Decimal(50))
    memory, state = keeper.learn(memory, bandit.initial())
    assert memory.matured == ()
    assert state.rounds == 0


def test_positions_without_an_entry_or_notional_teach_nothing():
    keeper, _ = tracker()
    assert keeper.closed(RewardMemory(), "MSFT", 100, Decimal(1)) == RewardMemory()
    assert keeper.increased(RewardMemory(), "MSFT", Decimal(1)) == RewardMemory()
    unfilled = keeper.opened(RewardMemory(), entry(1, notional="0"))
    assert keeper.closed(unfilled, "AAPL", 100, Decimal(0)) == RewardMemory()
    assert keeper.dropped(unfilled, "AAPL") == RewardMemory()


def test_a_second_entry_of_a_symbol_supersedes_the_first():
    keeper, _ = tracker()
    memory = keeper.opened(keeper.opened(RewardMemory(), entry(1)), entry(2))
    assert [item.order_number for item in memory.pending] == [2]
    assert memory.entry_of("AAPL") == entry(2)


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
    ],
)
def test_impossible_entries_are_refused(changes):
    with pytest.raises(ValueError, match="AAPL"):
        entry(1, **changes)
