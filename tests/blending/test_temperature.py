"""Temperature against scipy.special.softmax, and its neutral."""

# covers: P11

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from LIVE_TRADING.blending import BlendingConfig, TemperatureCompressor, TemperatureConfig
from LIVE_TRADING.common.horizons import HORIZON_NAMES, parse_horizons
from LIVE_TRADING.common.units import NS_PER_MINUTE

ALL = parse_horizons(HORIZON_NAMES, 5 * NS_PER_MINUTE, 390)
DEFAULTS = {"5m": 0.75, "10m": 0.85, "15m": 0.90, "30m": 1.0, "60m": 1.0, "1d": 1.0}


def compressor(horizons=ALL, **settings_given):
    return TemperatureCompressor(TemperatureConfig(**settings_given), horizons)


def test_defaults_per_horizon():
    assert TemperatureConfig().temperature == DEFAULTS


def test_given_temperatures_keep_the_other_defaults():
    assert TemperatureConfig(temperature={"1d": 0.5}).temperature == {**DEFAULTS, "1d": 0.5}


def test_equals_softmax_of_logs():
    rng = np.random.default_rng(1)
    weights = rng.dirichlet(np.ones(4), size=len(ALL))
    got = compressor().compress(weights)
    for row, horizon in enumerate(ALL):
        expected = softmax(DEFAULTS[horizon.name] * np.log(weights[row]))
        assert got[row] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("temperature", "weights", "expected"),
    [
        pytest.param(0.5, [0.8, 0.2], [2 / 3, 1 / 3], id="square-root-halves-the-log-odds"),
        pytest.param(2.0, [0.8, 0.2], [16 / 17, 1 / 17], id="above-one-sharpens"),
        pytest.param(0.5, [0.64, 0.36, 0.0], [0.8 / 1.4, 0.6 / 1.4, 0.0], id="outside-the-support-stays-zero"),
        pytest.param(0.5, [0.0, 0.0], [0.0, 0.0], id="no-weights-stay-none"),
        pytest.param(1e-9, [0.9, 0.1], [0.5, 0.5], id="coldest-is-equal"),
    ],
)
def test_one_horizon(temperature, weights, expected):
    got = compressor(ALL[:1], temperature={"5m": temperature}).compress(np.array([weights]))
    assert got[0] == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    "neutral",
    [
        pytest.param({"temperature_off": True}, id="switch"),
        pytest.param({"temperature": dict.fromkeys(HORIZON_NAMES, 1.0)}, id="all-ones"),
    ],
)
def test_neutral_returns_the_weights_bit_for_bit(neutral):
    weights = np.random.default_rng(2).dirichlet(np.ones(3), size=len(ALL))
    assert compressor(**neutral).compress(weights).tobytes() == weights.tobytes()


def test_the_given_weights_are_left_as_they_are():
    weights = np.array([[0.0, 0.0]] * len(ALL))
    compressor().compress(weights)
    assert not weights.any()


@settings(max_examples=50, deadline=None)
@given(
    raw=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=5).filter(lambda row: sum(row) > 1e-3),
    temperature=st.floats(0.05, 1.0),
)
def test_flattening_keeps_order_support_and_sum(raw, temperature):
    weights = np.array([raw]) / sum(raw)
    got = compressor(ALL[:1], temperature={"5m": temperature}).compress(weights)[0]
    assert got.sum() == pytest.approx(1.0)
    assert ((got > 0) >= (weights[0] > 1e-300)).all()
    order = np.argsort(weights[0], kind="stable")
    assert (np.diff(got[order]) >= -1e-12).all()
    assert got.max() <= weights[0].max() + 1e-12


@pytest.mark.parametrize("temperature", [np.nextafter(0.0, 1.0), 10.0])
def test_the_limits_of_a_temperature_are_taken(temperature):
    assert TemperatureConfig(temperature={"5m": temperature}).temperature["5m"] == temperature


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nextafter(10.0, 11.0), np.nan, np.inf, "warm"])
def test_impossible_temperature_is_refused(temperature):
    with pytest.raises(ValueError, match="5m"):
        TemperatureConfig(temperature={"5m": temperature})


def test_unknown_horizon_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"temperature\.7m.*\n.*'5m', '10m'"):
        BlendingConfig(temperature={"7m": 0.5})


def test_no_mapping_is_refused():
    with pytest.raises(ValueError, match="dictionary") as refused:
        TemperatureConfig(temperature=0.5)
    assert refused.value.errors()[0]["input"] == 0.5
