"""Features by their formulas, a plain loop over the bars a symbol has."""

# covers: P9, P30

from __future__ import annotations

import numpy as np
import pytest
from feature_series import make_series, run, step
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import rankdata
from talib_reference import by_talib

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.models.features import FeatureBuilder, FeatureConfig, FeatureState, compute_all
from LIVE_TRADING.models.indicators import IndicatorConfig

BARS = 26
CONFIG = FeatureConfig(return_spans=(3, 6, 12), volatility_spans=(12, 30), volume_level_sessions=2.0)
SERIES = make_series(5, n_sessions=8, bars_per_session=BARS, missing=0.06, seed=11)


@pytest.fixture(scope="module")
def builder():
    return FeatureBuilder(CONFIG, SERIES.n_symbols, BARS)


@pytest.fixture(scope="module")
def got(builder):
    """Return the features of the series by name, each (T, N)."""
    values = compute_all(builder, SERIES)
    return {name: values[:, row] for row, name in enumerate(builder.names)}


def test_names():
    names = FeatureBuilder(FeatureConfig(), 2, 78).names
    assert len(names) == len(set(names)) == 32
    assert names[0] == "return_1"
    assert names[-1] == "rank_volatility_12"


def test_a_missing_bar_has_no_features_and_others_have_all_once_warm(got):
    missing = np.isnan(SERIES.close)
    for values in got.values():
        assert np.isnan(values[missing]).all()
        assert np.isfinite(values[-BARS:][~missing[-BARS:]]).all()


def own_bars(column):
    """Yield the rows in which a symbol has a bar."""
    return np.flatnonzero(~np.isnan(SERIES.close[:, column]))


def bar_returns(column):
    """Return log returns of a symbol's bars, a session's first from its open."""
    rows, returns = own_bars(column), []
    for before, row in zip([None, *rows[:-1]], rows, strict=True):
        same = before is not None and SERIES.sessions[before] is SERIES.sessions[row]
        start = SERIES.close[before, column] if same else SERIES.open[row, column]
        returns.append(np.log(SERIES.close[row, column] / start))
    return np.array(returns)


def rolling(values, span, statistic):
    out = np.full(len(values), np.nan)
    out[span - 1 :] = statistic(np.lib.stride_tricks.sliding_window_view(values, span), axis=1)
    return out


@pytest.mark.parametrize("column", range(SERIES.n_symbols))
def test_returns_and_volatility(got, column):
    rows, returns = own_bars(column), bar_returns(column)
    expected = {f"return_{span}": rolling(returns, span, np.sum) for span in (1, 3, 6, 12)}
    expected |= {f"volatility_{span}": np.sqrt(rolling(returns**2, span, np.mean)) for span in (12, 30)}
    expected["volatility_ratio"] = expected["volatility_12"] / expected["volatility_30"]
    for name, values in expected.items():
        np.testing.assert_allclose(got[name][rows, column], values, rtol=1e-9, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("column", range(SERIES.n_symbols))
def test_session_features(got, column):
    returns = dict(zip(own_bars(column), bar_returns(column), strict=True))
    closes = SERIES.close[:, column]
    bases = []  # newest close before each session
    for number, session in enumerate(dict.fromkeys(SERIES.sessions)):
        rows = [row for row in returns if SERIES.sessions[row] is session]
        earlier = [row for row in returns if SERIES.sessions[row].index < number]
        bases.append(closes[earlier[-1]] if earlier else np.nan)
        high = np.maximum.accumulate(SERIES.high[rows, column])
        low = np.minimum.accumulate(SERIES.low[rows, column])
        span = np.where(high > low, high - low, 1.0)
        location = np.where(high > low, (closes[rows] - low) / span - 0.5, 0.0)
        expected = {
            "return_session": np.cumsum([returns[row] for row in rows]),
            "gap": np.full(len(rows), np.log(SERIES.open[rows[0], column] / bases[-1])),
            "return_last_session": np.full(len(rows), np.log(bases[-1] / bases[-2]) if number else np.nan),
            "session_location": location,
            "session_elapsed": (SERIES.slot[rows] + 1) / SERIES.n_bars(rows[0]),
            "session_bars_left": SERIES.n_bars(rows[0]) - SERIES.slot[rows] - 1.0,
        }
        for name, values in expected.items():
            np.testing.assert_allclose(got[name][rows, column], values, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("column", range(SERIES.n_symbols))
def test_bar_and_indicator_features(got, column):
    rows = own_bars(column)
    open_, high, low, close = (getattr(SERIES, name)[rows, column] for name in ("open", "high", "low", "close"))
    bars = {"open": open_, "high": high, "low": low, "close": close}
    rsi, macd, signal, histogram, atr, middle, upper = by_talib(
        IndicatorConfig(), {name: values[:, None] for name, values in bars.items()}, 0
    ).T
    span = np.where(high > low, high - low, 1.0)
    expected = {
        "rsi": rsi,
        "macd": macd / close,
        "macd_signal": signal / close,
        "macd_histogram": histogram / close,
        "atr": atr / close,
        "bollinger_z": 2.0 * (close - middle) / (upper - middle),
        "bollinger_width": 2.0 * (upper - middle) / middle,
        "bar_range": (high - low) / close,
        "bar_location": np.where(high > low, (close - low) / span - 0.5, 0.0),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(got[name][rows, column], values, rtol=1e-8, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("column", range(SERIES.n_symbols))
def test_volume_features(got, column):
    rows = own_bars(column)
    factor, anchor, level, trend, seen = 2.0 / (2.0 * BARS + 1.0), None, 0.0, 0.0, 0
    surprises, trends, clipped = [], [], []
    for volume in SERIES.volume[rows, column]:
        surprise = np.nan
        if anchor is not None:
            log_volume = np.log(volume) - anchor if volume > 0 else -np.inf
            surprise = min(max(log_volume - level, -4.0), 4.0)
        if anchor is None and volume > 0:
            anchor, seen = np.log(volume), 1
        clipped.append(level if np.isnan(surprise) else level + surprise)
        if not np.isnan(surprise):
            seen += 1
            level += max(1.0 / seen, factor) * surprise
            trend += (surprise - trend) / 3.0
        surprises.append(surprise)
        trends.append(trend)
    ratio = np.array(clipped) - rolling(np.array(clipped), 24, np.mean)
    trends = np.where(np.arange(len(rows)) < 4, np.nan, trends)
    for name, values in (("volume_surprise", surprises), ("volume_trend", trends), ("volume_ratio", ratio)):
        np.testing.assert_allclose(got[name][rows, column], values, rtol=1e-9, atol=1e-11, err_msg=name)


def test_ranks_are_those_of_the_symbols_that_have_the_feature(got):
    for name in ("return_1", "return_session", "volume_surprise", "rsi", "volatility_12"):
        for values, ranks in zip(got[name], got[f"rank_{name}"], strict=True):
            known = ~np.isnan(values)
            expected = np.full(len(values), np.nan)
            expected[known] = (rankdata(values[known]) - 0.5) / max(known.sum(), 1) - 0.5
            np.testing.assert_allclose(ranks, expected, rtol=0, atol=1e-15)


def test_flat_bars_without_volume_are_defined():
    series = make_series(3, n_sessions=6, bars_per_session=BARS)
    still = np.full_like(series.close, 50.0)
    flat = series.with_arrays(open=still, high=still, low=still, close=still, volume=np.zeros_like(still))
    builder = FeatureBuilder(CONFIG, 3, BARS)
    last = dict(zip(builder.names, compute_all(builder, flat)[-1, :, 0], strict=True))
    assert last["volatility_ratio"] == 1.0
    assert all(np.isnan(last[name]) for name in ("volume_surprise", "volume_trend", "volume_ratio"))
    zero = {
        "bollinger_z",
        "bollinger_width",
        "bar_location",
        "session_location",
        "return_session",
        "gap",
        "macd",
        "atr",
    }
    assert {last[name] for name in zero} == {0.0}


def test_an_overnight_jump_is_the_gap_alone():
    series = make_series(1, n_sessions=8, bars_per_session=BARS)
    after = np.array([session.index >= 5 for session in series.sessions])[:, None]
    jumped = series.with_arrays(
        **{name: np.where(after, 2.0, 1.0) * getattr(series, name) for name in ("open", "high", "low", "close")}
    )
    builder = FeatureBuilder(CONFIG, 1, BARS)
    plain, other = (compute_all(builder, each)[:, :, 0] for each in (series, jumped))
    row = int(np.flatnonzero(after)[0])
    for name in ("return_1", "return_12", "return_session", "volatility_12", "volatility_30"):
        column = builder.names.index(name)
        np.testing.assert_allclose(other[row:, column], plain[row:, column], rtol=1e-9, atol=1e-13)
    gap = builder.names.index("gap")
    assert other[row, gap] == pytest.approx(plain[row, gap] + np.log(2.0))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in ("open", "high", "low", "close") for value in (np.nan, np.inf)),
        ("low", 0.0),
        ("low", -1.0),
    ],
)
def test_a_bar_with_an_impossible_price_is_a_missing_one(field, value, builder):
    prices = getattr(SERIES, field).copy()
    prices[40, 2] = value
    spoilt = SERIES.with_arrays(**{field: prices})
    gone = np.zeros(prices.shape, dtype=bool)
    gone[40, 2] = True
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(compute_all(builder, spoilt), compute_all(builder, SERIES.without(gone)))


def test_time_of_session_on_a_half_day(got):
    rows = [row for row in range(len(SERIES)) if SERIES.sessions[row].index == 2]
    column = got["session_elapsed"][rows[-1]]
    assert set(column[~np.isnan(column)]) == {1.0}


def test_features_of_the_simulated_market_show_its_hidden_state():
    config = SimulatedMarketConfig(n_symbols=12, n_sessions=14, edge=0.5)
    panel = simulate_market(config)
    builder = FeatureBuilder(FeatureConfig(), 12, panel.bars_per_session)
    values = compute_all(builder, panel)
    trend = values[10 * 78 : -1, builder.names.index("volume_trend")]
    ahead = np.log(panel.close / panel.open)[10 * 78 + 1 :]
    known = ~np.isnan(trend) & ~np.isnan(ahead)
    assert np.corrcoef(trend[known], ahead[known])[0, 1] > 0.25


@pytest.mark.parametrize(
    "wrong",
    [
        {"return_spans": (6, 3)},
        {"return_spans": (1, 3)},
        {"volatility_spans": (12,)},
        {"volatility_spans": (12, 5_000)},
        {"volume_clip": 0.0},
        {"unknown": 1},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        FeatureConfig(**wrong)


def test_arrays_of_another_state_are_refused(builder):
    arrays = builder.initial().to_arrays()
    del arrays["sums.ring"]
    with pytest.raises(StateError, match="ring"):
        FeatureState.from_arrays(arrays)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, len(SERIES) - 1))
def test_a_stored_memory_continues_bit_for_bit(cut):
    builder = FeatureBuilder(CONFIG, SERIES.n_symbols, BARS)
    state, _ = run(builder, SERIES.rows(0, cut))
    restored = FeatureState.from_arrays(state.to_arrays())
    for row in range(cut, min(cut + 40, len(SERIES))):
        first = SERIES.first(row)
        state, values = step(builder, state, SERIES, row, first)
        restored, again = step(builder, restored, SERIES, row, first)
        np.testing.assert_array_equal(again, values)
