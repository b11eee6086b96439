"""Learning state to JSON and back: exact, or refused with a remedy.

covers: P20, P18
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.learning import BanditPersistence, BanditState, LearningConfig

# covers: P20, P18

ARMS = ("5m", "15m", "1d")


def persistence(arms=ARMS, **settings):
    return BanditPersistence(LearningConfig(**settings), arms)


def saved(losses=(0.1, 2.5, 1e-17), rounds=12):
    return persistence().to_dict(BanditState(np.array(losses), rounds))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), st.integers(0, 10**9))
def test_every_float_comes_back_to_the_last_bit(losses, rounds):
    back = persistence().from_dict(json.loads(json.dumps(saved(losses, rounds), allow_nan=False)))
    assert back.cumulative_loss.tobytes() == np.array(losses).tobytes()
    assert back.rounds == rounds


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        pytest.param({"schema_version": 2}, "format 2.*version that wrote it", id="newer"),
        pytest.param({"schema_version": 0}, "schema_version", id="no-such-version"),
        pytest.param({"schema_version": True}, "schema_version", id="version-unreadable"),
        pytest.param({"arms": ["5m", "15m"]}, "restore those horizons", id="other-number-of-arms"),
        pytest.param({"arms": ["5m", "10m", "1d"]}, "restore those horizons", id="other-arms"),
        pytest.param({"config_fingerprint": "00"}, "restore learning.mode", id="other-settings"),
        pytest.param({"cumulative_loss": [0.0, 1.0]}, "previous checkpoint", id="a-loss-missing"),
        pytest.param({"cumulative_loss": [0.0, 1.0, None]}, "previous checkpoint", id="a-loss-null"),
        pytest.param({"cumulative_loss": [0.0, 1.0, True]}, "previous checkpoint", id="a-loss-bool"),
        pytest.param({"cumulative_loss": [0.0, 1.0, float("inf")]}, "previous checkpoint", id="infinite"),
        pytest.param({"cumulative_loss": [0.0, 1.0, float("nan")]}, "previous checkpoint", id="nan"),
        pytest.param({"cumulative_loss": [0.0, 1.0, 10**400]}, "previous checkpoint", id="beyond-doubles"),
        pytest.param({"cumulative_loss": None}, "previous checkpoint", id="losses-null"),
        pytest.param({"rounds": -1}, "previous checkpoint", id="negative-rounds"),
        pytest.param({"rounds": True}, "previous checkpoint", id="bool-rounds"),
    ],
)
def test_unreadable_states_are_refused_with_a_remedy(changed, remedy):
    with pytest.raises(StateError, match=remedy) as caught:
        persistence().from_dict({**saved(), **changed})
    assert "fresh bandit" in str(caught.value)


@given(st.recursive(st.none() | st.booleans() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_anything_else_is_refused(data):
    with pytest.raises(StateError):
        persistence().from_dict(data)


def test_what_the_losses_do_not_depend_on_may_change():
    data = saved()
    assert persistence(tau_bps=1.0, mode="off").from_dict(data).rounds == 12
    with pytest.raises(StateError):
        persistence(eta=0.1).from_dict(data)
    with pytest.raises(StateError):
        persistence(reward_scale=2.0).from_dict(data)
