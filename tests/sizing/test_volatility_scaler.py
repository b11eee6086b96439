"""Conviction and volatility to weight."""

# covers: P14

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.sizing import VolatilityScaler, VolatilityScalerConfig

CONFIG = VolatilityScalerConfig()


@pytest.mark.parametrize(
    ("z", "vol_day_bps", "expected"),
    [
        pytest.param(+1.0, 200.0, +0.05, id="full-conviction-takes-the-cap"),
        pytest.param(-9.0, 400.0, -0.025, id="short-is-clipped-and-halved-by-vol"),
        pytest.param(np.nan, 200.0, 0.0, id="no-forecast-no-position"),
        pytest.param(+0.5, 100.0, +0.025, id="calm-is-not-levered-up"),
        pytest.param(+0.5, 800.0, +0.00625, id="half-conviction-quarter-by-vol"),
        pytest.param(+1.0, np.nan, 0.0, id="unknown-volatility-no-position"),
        pytest.param(+1.0, 0.0, 0.0, id="volatility-zero-is-unknown"),
        pytest.param(+1.0, -5.0, 0.0, id="volatility-negative-is-unknown"),
        pytest.param(0.0, 200.0, 0.0, id="no-conviction"),
    ],
)
def test_scale_one_symbol(z, vol_day_bps, expected):
    got = VolatilityScaler(CONFIG).scale(np.array([z]), np.array([vol_day_bps]))
    assert got == pytest.approx([expected])


@pytest.mark.parametrize(
    ("settings_given", "expected"),
    [
        pytest.param({"volatility_scaling": False}, 0.05, id="neutral-ignores-volatility"),
        pytest.param({"target_vol_bps": 400.0}, 0.05, id="higher-target"),
        pytest.param({"max_weight": 0.10}, 0.05, id="larger-cap"),
        pytest.param({"z_max": 4.0}, 0.0125, id="more-conviction-needed"),
    ],
)
def test_settings(settings_given, expected):
    scaler = VolatilityScaler(VolatilityScalerConfig(**settings_given))
    assert scaler.scale(np.array([2.0]), np.array([400.0])) == pytest.approx([expected])


def test_unknown_volatility_has_no_position_without_scaling_either():
    scaler = VolatilityScaler(VolatilityScalerConfig(volatility_scaling=False))
    assert scaler.scale(np.array([1.0]), np.array([np.nan])).tolist() == [0.0]


@given(z=st.floats(-50.0, 50.0), vol=st.floats(1.0, 5_000.0))
def test_odd_and_bounded(z, vol):
    scaler = VolatilityScaler(CONFIG)
    up, down = (float(scaler.scale(np.array([sign * z]), np.array([vol]))[0]) for sign in (1, -1))
    assert up == -down
    assert abs(up) <= CONFIG.max_weight * (1 + 1e-15)


@pytest.mark.parametrize("given_values", [{"max_weight": 1.5}, {"z_max": 0.0}, {"target_vol_bps": -1.0}, {"vol": 1.0}])
def test_impossible_settings_are_refused(given_values):
    with pytest.raises(ValueError, match=next(iter(given_values))):
        VolatilityScalerConfig(**given_values)
