"""Indicators against TA-Lib, bar by bar."""

# covers: P9

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from feature_series import FIELDS, make_series
from pydantic import ValidationError
from talib_reference import by_talib

from LIVE_TRADING.common.types import BarBatch
from LIVE_TRADING.models.arrivals import arrival
from LIVE_TRADING.models.indicators import INDICATORS, IndicatorConfig, Indicators, advance_averages, advance_moments
from tests.support.kernels import assert_same_interpreted, awkward

DEFAULT = IndicatorConfig()
OTHER = IndicatorConfig(rsi_period=7, macd_fast=5, macd_slow=35, macd_signal=5, bollinger_period=12, atr_period=21)
SHORT = IndicatorConfig(rsi_period=2, macd_fast=2, macd_slow=3, macd_signal=1, bollinger_period=2, atr_period=1)


def kernel(config, bars):
    """Return the raw indicators (T, 7, N) of bars (T, N) by name, NaN where they mean nothing."""
    indicators = Indicators(config, bars["close"].shape[1])
    state, rows = indicators.initial(), []
    for row in range(len(bars["close"])):
        now = arrival(batch(bars, row), state.count)
        values = np.empty((len(INDICATORS), bars["close"].shape[1]))
        state = indicators.advance(state, now, values)
        rows.append(np.where(indicators.ready(now), values, np.nan))
    return np.array(rows)


def batch(bars, row):
    values = [np.asarray(bars[name][row]) for name in FIELDS]
    return BarBatch(row, 1, *values, values[3], values[3])


def assert_equal_talib(config, bars):
    ours = kernel(config, bars)
    ours[:, -1] = ours[:, -2] + 2.0 * ours[:, -1]
    for column in range(bars["close"].shape[1]):
        np.testing.assert_allclose(ours[:, :, column], by_talib(config, bars, column), rtol=1e-9, atol=0.0)


def synthetic(**kwargs):
    series = make_series(**kwargs)
    return {name: getattr(series, name) for name in FIELDS}


@pytest.mark.parametrize("config", [DEFAULT, OTHER, SHORT], ids=["default", "other", "shortest"])
@pytest.mark.parametrize("missing", [0.0, 0.1], ids=["every-bar", "missing-bars"])
def test_every_bar_equals_talib(config, missing):
    assert_equal_talib(config, synthetic(n_symbols=7, n_sessions=12, missing=missing))


@pytest.mark.realdata
def test_every_bar_of_real_series_equals_talib(shared_data):
    table = pd.read_parquet(shared_data("us_equity_5m_2025.parquet"), columns=["symbol", "timestamp", *FIELDS])
    bars = {name: table.pivot(index="timestamp", columns="symbol", values=name).to_numpy() for name in FIELDS}
    assert_equal_talib(DEFAULT, bars)


@pytest.mark.realdata
def test_series_with_holes_equal_talib(shared_data):
    table = pd.read_parquet(shared_data("us_equity_1m_2025q4.parquet"), columns=["symbol", "timestamp", *FIELDS])
    bars = {name: table.pivot(index="timestamp", columns="symbol", values=name).to_numpy()[:6_000] for name in FIELDS}
    assert np.isnan(bars["close"]).mean() > 0.05
    assert_equal_talib(DEFAULT, bars)


def test_a_symbol_that_joins_late_is_seeded_like_the_first():
    bars = synthetic(n_symbols=3, n_sessions=6)
    late = {name: values.copy() for name, values in bars.items()}
    for values in late.values():
        values[:60, 1] = np.nan
    assert_equal_talib(DEFAULT, late)
    np.testing.assert_array_equal(kernel(DEFAULT, late)[:, :, [0, 2]], kernel(DEFAULT, bars)[:, :, [0, 2]])


def test_a_flat_series_has_talibs_values():
    bars = {name: np.full((60, 1), 10.0) for name in FIELDS}
    assert_equal_talib(DEFAULT, bars)
    rsi, *_, sd = kernel(DEFAULT, bars)[-1, :, 0]
    assert (rsi, sd) == (0.0, 0.0)


def test_bollinger_sd_keeps_its_digits_where_talib_loses_them():
    rng = np.random.default_rng(5)
    close = (40_000.0 + 0.01 * rng.integers(0, 3, 400))[:, None]
    bars = dict.fromkeys(FIELDS, close)
    windows = np.lib.stride_tricks.sliding_window_view(close[:, 0], 20)
    exact = (windows - windows[:, :1]).std(axis=1)
    np.testing.assert_allclose(kernel(DEFAULT, bars)[19:, -1, 0], exact, rtol=1e-9)


def test_sd_is_exactly_zero_after_a_jump_has_left_the_window():
    close = np.concatenate([np.full(25, 123.45), np.full(20, 171.31)])[:, None]
    sd = kernel(DEFAULT, dict.fromkeys(FIELDS, close))[:, -1, 0]
    assert sd[24] == 0.0
    assert (sd[25:44] > 0.0).all()
    assert sd[44] == 0.0


@pytest.mark.parametrize("n_symbols", [2, 3, 9, 33])
def test_a_symbol_alone_has_the_bits_it_has_in_company(n_symbols):
    bars = synthetic(n_symbols=n_symbols, n_sessions=4, missing=0.05)
    together = kernel(DEFAULT, bars)
    for column in (0, n_symbols - 1):
        alone = kernel(DEFAULT, {name: values[:, [column]] for name, values in bars.items()})
        np.testing.assert_array_equal(alone[:, :, 0], together[:, :, column])


def test_the_record_before_stays_valid():
    bars = synthetic(n_symbols=4, n_sessions=4, missing=0.1)
    indicators = Indicators(DEFAULT, 4)
    state = indicators.initial()
    for row in range(len(bars["close"]) - 1):
        now, other = arrival(batch(bars, row), state.count), arrival(batch(bars, row + 1), state.count)
        kept = {name: array.copy() for name, array in state.to_arrays().items() if name != "closes"}
        values, again = np.empty((2, len(INDICATORS), 4))
        indicators.advance(state, other, again)
        after = indicators.advance(state, now, values)
        indicators.advance(state, now, again)
        np.testing.assert_array_equal(values, again)
        for name, array in kept.items():
            np.testing.assert_array_equal(getattr(state, name), array)
        state = after


@pytest.mark.parametrize(
    "wrong", [{"rsi_period": 1}, {"macd_fast": 26}, {"bollinger_period": 1}, {"atr_period": 0}, {"rsi": 14}]
)
def test_periods_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        IndicatorConfig(**wrong)


@pytest.mark.parametrize("config", [DEFAULT, SHORT], ids=["default", "shortest"])
def test_the_kernels_say_the_same_interpreted(config):
    rng, n = np.random.default_rng(7), 40
    seen = rng.integers(1, 45, n)
    bars = awkward(rng, (5, n))
    periods = np.array([config.rsi_period, config.atr_period, config.macd_fast, config.macd_slow, config.macd_signal])
    blocks = awkward(rng, (7, n)), np.empty((7, n)), np.empty((7, n))
    assert_same_interpreted(advance_averages, bars, seen, periods, *blocks)
    closes = awkward(rng, (config.bollinger_period, n))
    assert_same_interpreted(advance_moments, bars[3], seen - 1, closes, np.empty((7, n)))
