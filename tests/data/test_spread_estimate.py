"""The estimated spread: recovers a known one, looks only backward, never makes a trade free."""

# covers: P12

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.data.spread import SpreadEstimateConfig, SpreadEstimator

BARS, SESSIONS = 390, 21


def bounced_bars(spread_bps: float, *, seed: int, sigma_bps: float = 5.0, n_symbols: int = 40) -> dict[str, np.ndarray]:
    """Return bars of a random walk that trades at bid or ask at random, 30 trades a bar."""
    rng = np.random.default_rng(seed)
    shape = (SESSIONS * BARS, 30, n_symbols)
    path = np.cumsum(rng.standard_normal((shape[0] * 30, n_symbols)) * sigma_bps / 1e4 / np.sqrt(30), axis=0)
    side = rng.choice([-0.5, 0.5], size=shape)
    price = 100.0 * np.exp(path.reshape(shape) + side * spread_bps / 1e4)
    return {
        "high": price.max(axis=1),
        "low": price.min(axis=1),
        "close": price[:, -1],
        "volume": np.ones(price[:, 0].shape),
    }


def session_index(n_rows: int, bars: int = BARS) -> np.ndarray:
    return np.arange(n_rows, dtype=np.int64) // bars


def estimate(bars: dict[str, np.ndarray], config: SpreadEstimateConfig, per_session: int = BARS) -> np.ndarray:
    return SpreadEstimator(config).spread(**bars, session_index=session_index(len(bars["close"]), per_session))


NO_FLOOR = SpreadEstimateConfig(tick=0.0)


@pytest.mark.parametrize("spread_bps", [4.0, 10.0, 40.0])
def test_a_known_spread_is_recovered(spread_bps):
    bars = bounced_bars(spread_bps, seed=1, n_symbols=10)
    relative_bps = (estimate(bars, NO_FLOOR) / bars["close"] * 1e4)[-1]
    assert relative_bps.mean() == pytest.approx(spread_bps, rel=0.1)


def test_no_spread_shows_as_little():
    bars = bounced_bars(0.0, seed=2, n_symbols=10)
    assert (estimate(bars, NO_FLOOR) / bars["close"] * 1e4)[-1].mean() < 1.0


def test_the_formula_by_hand():
    high = np.array([[101.0], [102.0], [103.0], [101.0], [102.0]])
    low = np.array([[99.0], [100.0], [100.0], [98.0], [99.0]])
    close = np.array([[99.2], [100.2], [102.0], [100.0], [101.0]])
    volume = np.array([[1.0], [1.0], [1.0], [0.0], [1.0]])
    config = SpreadEstimateConfig(window_sessions=1, min_pairs=1, tick=0.0)
    middle = [(np.log(h) + np.log(low_)) / 2 for h, low_ in zip(high[:, 0], low[:, 0], strict=True)]
    c = np.log(close[:, 0])
    first = 4 * (c[0] - middle[0]) * (c[0] - middle[1])
    got = SpreadEstimator(config).spread(high, low, close, volume, np.array([0, 0, 1, 1, 1]))
    assert first > 0
    assert np.isnan(got[:2]).all()
    assert got[2:, 0] == pytest.approx(np.sqrt(first) * close[2:, 0], rel=1e-12)


def test_pairs_that_touch_a_bar_without_trades_do_not_count():
    volume = np.ones((12, 1))
    volume[4] = 0.0
    volume[8] = np.nan
    ones = np.ones((12, 1))
    _, count = SpreadEstimator._session_sums(ones, ones, ones, volume, np.array([0, 6]))
    assert count[:, 0].tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("config", "close", "expected"),
    [
        pytest.param(SpreadEstimateConfig(min_pairs=1), 50.0, 0.01, id="a-tick"),
        pytest.param(SpreadEstimateConfig(min_pairs=1, floor_bps=10), 50.0, 0.05, id="a-floor-in-bps"),
        pytest.param(SpreadEstimateConfig(min_pairs=1), 0.004, 0.004, id="never-more-than-the-price"),
    ],
)
def test_floors(config, close, expected):
    flat = np.full((20, 1), close)
    got = SpreadEstimator(config).spread(flat, flat, flat, np.ones((20, 1)), session_index(20, 10))
    assert np.isnan(got[:10]).all()
    assert got[10:] == pytest.approx(expected)


def test_too_few_pairs_give_no_spread():
    bars = {name: values[:20, :3] for name, values in bounced_bars(10.0, seed=3, n_symbols=3).items()}
    assert np.isnan(estimate(bars, SpreadEstimateConfig(min_pairs=10), per_session=10)[:, 0]).sum() == 20
    assert np.isnan(estimate(bars, SpreadEstimateConfig(min_pairs=9), per_session=10)[:, 0]).sum() == 10


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(0, 79))
def test_it_looks_only_backward_and_treats_symbols_alike(seed, window, changed_row):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.standard_normal((80, 3)) * 1e-3, axis=0))
    bars = {"high": close * 1.002, "low": close * 0.999, "close": close, "volume": rng.integers(0, 3, (80, 3)) * 1.0}
    config = SpreadEstimateConfig(window_sessions=window, min_pairs=1)
    before = estimate(bars, config, per_session=8)
    others = {name: values.copy() for name, values in bars.items()}
    for values in others.values():
        values[changed_row:] = 7.0
    first_changed = changed_row // 8 * 8 + 8
    same = slice(0, min(changed_row, first_changed))
    assert np.array_equal(estimate(others, config, per_session=8)[same], before[same], equal_nan=True)
    turned = {name: values[:, ::-1] for name, values in bars.items()}
    assert np.array_equal(estimate(turned, config, per_session=8)[:, ::-1], before, equal_nan=True)
