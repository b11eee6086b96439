"""Learning state to JSON and back: exact, or refused with a remedy.

covers: P20, P18
"""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.learning import (
    BanditPersistence,
    BanditState,
    LearningConfig,
    LearningMemory,
    PendingReward,
    RewardMemory,
    RoundTrip,
)

# covers: P20, P18

ARMS = ("5m", "15m", "1d")
OPEN = PendingReward(4, "AAPL", 1, 0.1 + 0.2, (True, True, False), 21.3, Decimal("1234.50"))
CLOSED = RoundTrip(PendingReward(2, "MSFT", 0, 1.0, (True, False, False), 9.1, Decimal("99.99")), 77, Decimal("-0.01"))


def persistence(arms=ARMS, **settings):
    return BanditPersistence(LearningConfig(**settings), arms)


def saved(losses=(0.1, 2.5, 1e-17), rounds=12):
    memory = LearningMemory(BanditState(np.array(losses), rounds), RewardMemory((OPEN,), (CLOSED,)))
    return persistence().to_dict(memory)


@given(st.lists(st.floats(-1e300, 1e300), min_size=3, max_size=3), st.integers(0, 10**9))
def test_every_float_comes_back_to_the_last_bit(losses, rounds):
    back = persistence().from_dict(json.loads(json.dumps(saved(losses, rounds), allow_nan=False)))
    assert back.bandit.cumulative_loss.tobytes() == np.array(losses).tobytes()
    assert back.bandit.rounds == rounds
    assert back.rewards == RewardMemory((OPEN,), (CLOSED,))


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        pytest.param({"schema_version": 2}, "format 2.*version that wrote it", id="newer"),
        pytest.param({"schema_version": True}, "schema_version", id="version-unreadable"),
        pytest.param({"arms": ["5m", "15m"]}, "restore those horizons", id="other-number-of-arms"),
        pytest.param({"arms": ["5m", "10m", "1d"]}, "restore those horizons", id="other-arms"),
        pytest.param({"config_fingerprint": "00"}, "restore learning.eta", id="other-settings"),
        pytest.param({"cumulative_loss": [0.0, 1.0]}, "previous checkpoint", id="a-loss-missing"),
        pytest.param({"cumulative_loss": [0.0, 1.0, None]}, "previous checkpoint", id="a-loss-null"),
        pytest.param({"cumulative_loss": [0.0, 1.0, float("inf")]}, "previous checkpoint", id="infinite"),
        pytest.param({"rounds": -1}, "previous checkpoint", id="negative-rounds"),
        pytest.param({"rounds": True}, "previous checkpoint", id="bool-rounds"),
        pytest.param({"pending": [{}]}, "previous checkpoint", id="entry-empty"),
        pytest.param({"pending": None}, "previous checkpoint", id="entries-null"),
        pytest.param({"matured": [1]}, "previous checkpoint", id="trip-is-a-number"),
    ],
)
def test_unreadable_states_are_refused_with_a_remedy(changed, remedy):
    with pytest.raises(StateError, match=remedy) as caught:
        persistence().from_dict({**saved(), **changed})
    assert "fresh bandit" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("probability", 0),
        ("probability", "1"),
        ("qualifies", [1, 1, 0]),
        ("qualifies", [True, True]),
        ("symbol", 3),
        ("entry_notional_usd", "ten"),
        ("entry_notional_usd", 10.0),
        ("sigma_h_bps", None),
    ],
)
def test_broken_entries_are_refused(key, value):
    data = saved()
    data["pending"][0][key] = value
    with pytest.raises(StateError):
        persistence().from_dict(data)


def test_broken_result_is_refused():
    data = saved()
    data["matured"][0]["net_pnl_usd"] = "NaN"
    with pytest.raises(StateError):
        persistence().from_dict(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_anything_else_is_refused(data):
    with pytest.raises(StateError):
        persistence().from_dict(data)


def test_what_the_losses_do_not_depend_on_may_change():
    data = saved()
    assert persistence(tau_bps=1.0, mode="off").from_dict(data).bandit.rounds == 12
    with pytest.raises(StateError):
        persistence(eta=0.1).from_dict(data)
    with pytest.raises(StateError):
        persistence(reward_scale=2.0).from_dict(data)
