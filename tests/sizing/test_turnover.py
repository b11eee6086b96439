"""The no-trade band."""

# covers: P14

from __future__ import annotations

import numpy as np
import pytest

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.sizing import TurnoverConfig, TurnoverManager


def settle(wanted, held, resize, worth=True, **settings_given):
    manager = TurnoverManager(TurnoverConfig(**settings_given))
    target, reason = manager.settle(np.array([wanted]), np.array([held]), np.array([resize]), np.array([worth]))
    return float(target[0]), Reason(reason[0])


@pytest.mark.parametrize(
    ("wanted", "held", "resize", "worth", "expected"),
    [
        pytest.param(0.004, 0.0, False, True, (0.004, Reason.SIZED), id="smallest-entry-is-inclusive"),
        pytest.param(0.0039, 0.0, False, True, (0.0, Reason.BELOW_MIN_ENTRY), id="entry-too-small"),
        pytest.param(-0.0039, 0.0, False, True, (0.0, Reason.BELOW_MIN_ENTRY), id="short-entry-too-small"),
        pytest.param(0.0, 0.0, False, False, (0.0, Reason.BELOW_MIN_ENTRY), id="nothing-wanted"),
        pytest.param(0.04, 0.0, False, False, (0.04, Reason.SIZED), id="reserve-was-checked-for-entries-before"),
        pytest.param(0.0325, 0.02, True, True, (0.0325, Reason.SIZED), id="band-is-inclusive"),
        pytest.param(0.032, 0.02, True, True, (0.02, Reason.WITHIN_BAND), id="increase-within-the-band"),
        pytest.param(0.01, 0.02, True, True, (0.02, Reason.WITHIN_BAND), id="decrease-within-the-band"),
        pytest.param(0.005, 0.02, True, True, (0.005, Reason.SIZED), id="decrease-beyond-the-band"),
        pytest.param(-0.005, -0.02, True, True, (-0.005, Reason.SIZED), id="short-decrease"),
        pytest.param(0.05, 0.02, True, False, (0.02, Reason.BELOW_RESERVE), id="increase-that-does-not-pay"),
        pytest.param(0.0, 0.02, True, False, (0.02, Reason.BELOW_RESERVE), id="decrease-that-does-not-pay"),
        pytest.param(0.02, 0.02, True, True, (0.02, Reason.WITHIN_BAND), id="on-target"),
    ],
)
def test_settle_one_symbol(wanted, held, resize, worth, expected):
    assert settle(wanted, held, resize, worth) == (pytest.approx(expected[0]), expected[1])


@pytest.mark.parametrize(
    ("wanted", "settings_given", "expected"),
    [
        pytest.param(0.0201, {"band": False}, (0.0201, Reason.SIZED), id="neutral-makes-every-resize"),
        pytest.param(0.02, {"band": False}, (0.02, Reason.WITHIN_BAND), id="but-no-order-for-nothing"),
        pytest.param(0.0301, {"band_weight": 0.01}, (0.0301, Reason.SIZED), id="narrower-band"),
    ],
)
def test_settings_of_resizes(wanted, settings_given, expected):
    assert settle(wanted, 0.02, True, **settings_given) == (pytest.approx(expected[0]), expected[1])


def test_smallest_entry_is_a_setting_of_its_own():
    assert settle(0.001, 0.0, False, band=False)[1] is Reason.BELOW_MIN_ENTRY
    assert settle(0.001, 0.0, False, min_entry_weight=0.0)[1] is Reason.SIZED


def test_unknown_weights_stay_where_they_are():
    target, reason = settle(np.nan, 0.02, True)
    assert (target, reason) == (0.02, Reason.WITHIN_BAND)
    target, reason = settle(0.05, np.nan, True)
    assert np.isnan(target)
    assert reason is Reason.WITHIN_BAND


@pytest.mark.parametrize("given_values", [{"band_weight": -0.1}, {"min_entry_weight": 2.0}, {"no_band": True}])
def test_impossible_settings_are_refused(given_values):
    with pytest.raises(ValueError, match=next(iter(given_values))):
        TurnoverConfig(**given_values)
