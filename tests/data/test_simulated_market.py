"""The simulated market has the properties that it is built to have, and no others."""

# covers: P17, R8

from __future__ import annotations

import asyncio
import hashlib

import numpy as np
import pytest
from pydantic import ValidationError

from LIVE_TRADING.common.types import BAR_FIELDS
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.data import simulated
from LIVE_TRADING.data.simulated import SimulatedDataProvider, SimulatedMarketConfig, simulate_market

DEFAULT = SimulatedMarketConfig()
LONG = SimulatedMarketConfig(seed=11, n_symbols=40, n_sessions=400)
PANEL = simulate_market(DEFAULT)
PATHS = simulated._paths(LONG)
WHOLE = simulate_market(LONG.model_copy(update={"halt_probability": 0, "missing_bar_probability": 0}))


def of_slots(values: np.ndarray) -> np.ndarray:
    return values.reshape(LONG.n_sessions, LONG.bars_per_session, LONG.n_symbols)


def test_the_defaults_are_those_of_the_must_pass_market():
    assert (DEFAULT.seed, DEFAULT.n_symbols, DEFAULT.n_sessions, DEFAULT.bars_per_session) == (7, 30, 60, 78)
    assert (DEFAULT.edge, DEFAULT.half_life_bars, DEFAULT.spread_bps) == (0.08, 12, 2)
    assert (DEFAULT.day_vol_bps, DEFAULT.day_vol_log_sd, DEFAULT.overnight_share_frac) == (150, 0.35, 0.25)
    assert (DEFAULT.correlation, DEFAULT.adv_usd) == (0.3, 200e6)
    assert (DEFAULT.volume_coefficient, DEFAULT.volume_noise) == (0.6, 0.5)
    assert 0 < DEFAULT.halt_probability < 0.1
    assert 0 < DEFAULT.missing_bar_probability < 0.01


def test_shape_and_sessions():
    assert PANEL.close.shape == (60 * 78, 30)
    assert (PANEL.interval_ns, PANEL.bars_per_session) == (5 * NS_PER_MINUTE, 78)
    assert PANEL.symbols[0] == "S0000"
    assert (PANEL.sessions.sessions[0].date, len(PANEL.sessions)) == ("2025-01-02", 60)
    assert not PANEL.quotes_estimated


def test_the_same_seed_gives_the_same_bits():
    assert simulate_market(DEFAULT).data_hash == PANEL.data_hash


def test_another_seed_changes_every_number():
    other = simulate_market(DEFAULT.model_copy(update={"seed": 8}))
    for name in BAR_FIELDS:
        mine, theirs = getattr(PANEL, name), getattr(other, name)
        both = ~np.isnan(mine) & ~np.isnan(theirs)
        assert np.mean(mine[both] == theirs[both]) < 1e-3, name
    assert not np.array_equal(np.isnan(PANEL.close), np.isnan(other.close))


def test_nothing_of_it_depends_on_the_global_generator():
    np.random.seed(1)
    assert simulate_market(DEFAULT).data_hash == PANEL.data_hash


def test_a_longer_simulation_begins_with_the_shorter_one():
    shorter = simulate_market(DEFAULT.model_copy(update={"n_sessions": 7}))
    for name in BAR_FIELDS:
        assert np.array_equal(getattr(shorter, name), getattr(PANEL, name)[: 7 * 78], equal_nan=True)


def test_bars_are_possible():
    there = ~np.isnan(PANEL.close)
    for name in BAR_FIELDS:
        assert np.array_equal(~np.isnan(getattr(PANEL, name)), there), name
    low, high = PANEL.low[there], PANEL.high[there]
    for name in ("open", "close"):
        prices = getattr(PANEL, name)[there]
        assert (low <= prices).all()
        assert (prices <= high).all()
        assert np.allclose(prices, np.round(prices, 2), rtol=0, atol=1e-9)
    assert (PANEL.volume[there] >= 1).all()
    assert np.array_equal(PANEL.volume[there], np.round(PANEL.volume[there]))


def test_a_bar_opens_where_the_one_before_closed():
    opens, closes = of_slots(WHOLE.open), of_slots(WHOLE.close)
    assert np.array_equal(opens[:, 1:], closes[:, :-1])
    assert not np.isclose(opens[1:, 0], closes[:-1, -1]).all()


def test_the_spread_stands_around_the_close_and_is_at_least_a_tick():
    there = ~np.isnan(PANEL.close)
    close = PANEL.close[there]
    spread = PANEL.ask[there] - PANEL.bid[there]
    assert np.allclose((PANEL.ask[there] + PANEL.bid[there]) / 2, close, rtol=1e-12)
    assert np.allclose(spread, np.maximum(2e-4 * close, 0.01), rtol=1e-9, atol=1e-12)


def test_start_prices_lie_in_their_range():
    first = WHOLE.open[0]
    assert ((first >= 30) & (first <= 300)).all()
    assert first.max() / first.min() > 3


def test_the_hidden_signal_is_a_stationary_ar1_of_unit_variance():
    hidden = PATHS.hidden
    assert hidden.mean() == pytest.approx(0.0, abs=0.02)
    assert hidden.var() == pytest.approx(1.0, rel=0.02)
    assert hidden[:20].var() == pytest.approx(1.0, rel=0.25)
    for lag in (1, 12, 24):
        assert np.mean(hidden[lag:] * hidden[:-lag]) == pytest.approx(0.5 ** (lag / 12), abs=0.02)


def test_the_hidden_signal_moves_the_next_bar_by_the_edge_and_no_other():
    scaled = PATHS.bar_return / np.tile(PATHS.sigma_bar, (LONG.n_sessions, 1))
    error = 1 / np.sqrt(PATHS.hidden.size)
    regressed = np.mean(scaled[1:] * PATHS.hidden[:-1])
    assert regressed == pytest.approx(0.08, abs=4 * error)
    given_before = scaled[1:] - 0.08 * PATHS.hidden[:-1]
    innovation = PATHS.hidden[1:] - 0.5 ** (1 / 12) * PATHS.hidden[:-1]
    assert np.mean(given_before * innovation) / innovation.std() == pytest.approx(0.0, abs=4 * error)


def test_without_edge_volume_says_nothing_about_the_next_bar():
    blind = simulated._paths(LONG.model_copy(update={"edge": 0.0}))
    scaled = blind.bar_return / np.tile(blind.sigma_bar, (LONG.n_sessions, 1))
    assert np.mean(scaled[1:] * blind.hidden[:-1]) == pytest.approx(0.0, abs=4 / np.sqrt(scaled.size))


def test_volume_shows_the_hidden_signal():
    log_value = np.log(WHOLE.volume * WHOLE.open)
    log_value -= log_value.mean(axis=0)
    slope = np.mean(log_value * PATHS.hidden) / np.mean(PATHS.hidden**2)
    assert slope == pytest.approx(0.6, abs=0.01)
    assert (log_value - slope * PATHS.hidden).std() == pytest.approx(0.5, rel=0.02)
    expected = 0.08 * 0.6 / np.hypot(0.6, 0.5)
    returns = np.log(WHOLE.close / WHOLE.open)
    returns /= returns.std(axis=0)
    assert np.mean(returns[1:] * log_value[:-1]) / log_value.std() == pytest.approx(expected, abs=0.01)


def test_the_mean_traded_value_of_a_session_is_the_adv():
    value_usd = of_slots(WHOLE.volume * WHOLE.open).sum(axis=1)
    assert value_usd.mean() == pytest.approx(200e6, rel=0.02)


def test_volatility_of_the_day_over_symbols_and_overnight():
    blind = LONG.model_copy(update={"edge": 0.0})
    paths = simulated._paths(blind)
    closes = of_slots(paths.log_close)[:, -1]
    sigma_day_bps = np.diff(closes, axis=0).std(axis=0) * 1e4
    assert np.median(sigma_day_bps) == pytest.approx(150, rel=0.2)
    assert np.log(sigma_day_bps).std() == pytest.approx(0.35, rel=0.3)
    overnight = of_slots(paths.log_open)[1:, 0] - closes[:-1]
    share = (overnight.var(axis=0) / (sigma_day_bps / 1e4) ** 2).mean()
    assert share == pytest.approx(0.25, abs=0.03)


def test_variance_is_u_shaped_within_the_session():
    variance = (of_slots(PATHS.bar_return) ** 2).mean(axis=(0, 2))
    profile = variance / variance.mean()
    assert profile[0] == pytest.approx(3 / (1 + 2 / 3), rel=0.1)
    assert profile[39] == pytest.approx(1 / (1 + 2 / 3), rel=0.1)
    assert profile[-1] == pytest.approx(profile[0], rel=0.1)
    shares = PATHS.sigma_bar**2 / (PATHS.sigma_bar**2).sum(axis=0)
    assert np.allclose(shares, shares[:, :1], rtol=1e-12)


def test_returns_of_two_symbols_are_correlated_through_the_market():
    pairs = np.triu_indices(LONG.n_symbols, 1)
    closes = of_slots(PATHS.log_close)[:, -1]
    opens = of_slots(PATHS.log_open)[:, 0]
    for returns in (PATHS.bar_return, opens[1:] - closes[:-1]):
        assert np.corrcoef(returns.T)[pairs].mean() == pytest.approx(0.3, abs=0.05)
    volume = np.log(WHOLE.volume)
    assert np.corrcoef(volume.T)[pairs].mean() == pytest.approx(0.0, abs=0.02)


def test_the_range_is_that_of_a_brownian_path():
    """E[high - low] of a Brownian motion of variance σ² is σ √(8/π)."""
    log_range = of_slots(np.log(WHOLE.high / WHOLE.low)).mean(axis=0)
    ratio = (log_range / PATHS.sigma_bar).mean()
    assert ratio == pytest.approx(np.sqrt(8 / np.pi), rel=0.06)  # cents widen it, independent extremes too


def test_halts_and_lost_bars():
    only_halts = simulate_market(LONG.model_copy(update={"missing_bar_probability": 0, "halt_probability": 0.2}))
    gone = of_slots(np.isnan(only_halts.close))
    halted = gone.any(axis=1)
    assert halted.mean() == pytest.approx(0.2, abs=0.02)
    lengths = gone.sum(axis=1)[halted]
    assert lengths.max() == 12
    assert np.percentile(lengths, 10) >= 3
    starts = np.diff(gone.astype(int), axis=1, prepend=0) == 1
    assert starts.sum(axis=1).max() == 1
    only_lost = simulate_market(LONG.model_copy(update={"missing_bar_probability": 0.05, "halt_probability": 0}))
    assert np.isnan(only_lost.close).mean() == pytest.approx(0.05, abs=0.003)
    there = ~np.isnan(only_lost.close)
    assert np.array_equal(only_lost.close[there], WHOLE.close[there])


@pytest.mark.parametrize("bars", [1, 13, 390])
def test_other_bar_lengths(bars):
    panel = simulate_market(SimulatedMarketConfig(n_symbols=2, n_sessions=3, bars_per_session=bars))
    assert panel.interval_ns == 390 // bars * NS_PER_MINUTE
    assert panel.close.shape == (3 * bars, 2)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"bars_per_session": 77}, id="bars-that-do-not-divide-the-session"),
        pytest.param({"start_price_min_usd": 400.0}, id="prices-backwards"),
        pytest.param({"edge": -0.1}, id="negative-edge"),
        pytest.param({"n_symbols": 0}, id="no-symbols"),
        pytest.param({"spred_bps": 1.0}, id="unknown-key"),
        pytest.param({"day_vol_bps": float("nan")}, id="nan"),
    ],
)
def test_settings_that_cannot_be(change):
    with pytest.raises(ValidationError):
        SimulatedMarketConfig(**change)


def test_the_provider_streams_the_market_or_a_part_of_it():
    async def close_of_all(provider: SimulatedDataProvider) -> np.ndarray:
        return np.stack([item.batch.close async for item in provider.stream()])

    assert np.array_equal(asyncio.run(close_of_all(SimulatedDataProvider())), PANEL.close, equal_nan=True)
    part = SimulatedDataProvider(DEFAULT, symbols=["S0002", "S0001"], start="2025-01-03", end="2025-01-06")
    assert part.symbols == ("S0001", "S0002")
    assert np.array_equal(asyncio.run(close_of_all(part)), PANEL.close[78:234, 1:3], equal_nan=True)


def test_the_golden_bits():
    """The first draws of every purpose, so that a change of the generator's use is seen."""
    draws = [simulated._generator(DEFAULT, stream).random(4) for stream in simulated._Stream]
    digest = hashlib.sha256(np.stack(draws).tobytes()).hexdigest()
    assert digest.startswith("9ae85af90ca2dcb5")
