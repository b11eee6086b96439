"""Volatility against a slow reference that keeps whole histories and weighs them by the definition."""

# covers: P9, P14, P29

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bar_worlds import assert_same_arrays, assert_same_records, frozen_copy, make_world
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.horizons import parse_horizons
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.data.bars_file import read_bars
from LIVE_TRADING.models.volatility import (
    VolatilityConfig,
    VolatilityModel,
    VolatilityState,
    advance_variances,
    write_sigma,
)
from tests.support.kernels import assert_same_interpreted, awkward

BARS = 10
HORIZONS = parse_horizons(("5m", "10m", "15m", "30m", "1d"), 5 * NS_PER_MINUTE, 390)
SESSIONS = (10, 10, 10, 4, 10, 10)  # the fourth is a half day


def model(overnight=True, **settings_):
    return VolatilityModel(VolatilityConfig(**settings_), BARS, overnight)


def run(world, overnight=True, volatility=None):
    """Return the states after every row."""
    volatility = volatility or model(overnight)
    state = volatility.initial(world.close.shape[1])
    states = []
    for _, batch, slot, n_bars, first in world.steps():
        state = volatility.advance(state, batch, slot, n_bars, first)
        states.append(state)
    return volatility, states


def weighted_mean(history, decay):
    """Newest last; weights decay^k over their sum."""
    weights = decay ** np.arange(len(history))[::-1]
    return float((weights * np.array(history)).sum() / weights.sum()) if history else np.nan


def slow_sigma_bps(world, overnight=True):
    """Volatility (T, H, N) by whole histories: lists of r²/s, of realised variances, of squared nights."""
    n_symbols = world.close.shape[1]
    per_bar = [[] for _ in range(n_symbols)]
    realised = [[] for _ in range(n_symbols)]
    nights = [[] for _ in range(n_symbols)]
    last_close = [np.nan] * n_symbols
    profile = np.ones(BARS)
    out = []
    row = 0
    for n_bars in world.bars_of:
        expected = [weighted_mean(realised[i], 0.94) / BARS for i in range(n_symbols)]
        ratios = [[] for _ in range(BARS)]
        variance, mass, newest = np.zeros(n_symbols), np.zeros(n_symbols), [None] * n_symbols
        for slot in range(n_bars):
            for i in range(n_symbols):
                open_, close = world.open[row, i], world.close[row, i]
                if np.isnan(close):
                    continue
                if newest[i] is None:
                    squared, spanned = (close / open_ - 1) ** 2, profile[slot]
                    if not np.isnan(last_close[i]):
                        night = (open_ / last_close[i] - 1) ** 2
                        current = weighted_mean(nights[i], 0.94)
                        nights[i].append(min(night, 25 * current) if nights[i] else night)
                else:
                    squared = (close / last_close[i] - 1) ** 2
                    spanned = profile[newest[i] + 1 : slot + 1].sum()
                if (newest[i] is None or newest[i] == slot - 1) and not np.isnan(expected[i]):
                    ratios[slot].append(min(squared / expected[i], 25))
                per_bar[i].append(squared / spanned)
                variance[i] += squared
                mass[i] += spanned
                newest[i], last_close[i] = slot, close
            out.append(slow_row(per_bar, realised, nights, profile, slot, n_bars, overnight))
            row += 1
        for i in range(n_symbols):
            if mass[i] >= 0.3 * BARS:
                realised[i].append(variance[i] * BARS / mass[i])
        if n_bars == BARS and any(ratios):
            profile = np.array([0.95 * s + 0.05 * np.mean(x) if x else s for s, x in zip(profile, ratios, strict=True)])
            profile = profile / profile.mean()
    return np.array(out)


def slow_row(per_bar, realised, nights, profile, slot, n_bars, overnight):
    sigma = np.full((len(HORIZONS), len(per_bar)), np.nan)
    for i, history in enumerate(per_bar):
        if not realised[i] or not history:
            continue
        fast = pd.Series(history).ewm(span=BARS, adjust=True).mean().iloc[-1]
        bar_variance = 0.5 * fast + 0.5 * weighted_mean(realised[i], 0.94) / BARS
        for j, horizon in enumerate(HORIZONS):
            if horizon.is_daily:
                night = weighted_mean(nights[i], 0.94) if overnight else 0.0
                sigma[j, i] = np.sqrt(BARS * bar_variance + night)
                continue
            ahead = [slot + 1 + k for k in range(horizon.bars)]
            if overnight:
                shares = [profile[b] for b in ahead if b < n_bars]
            else:
                shares = [profile[b % BARS] for b in ahead]
            sigma[j, i] = np.sqrt(bar_variance * max(sum(shares), 0.3 * horizon.bars))
    return sigma * 1e4


@pytest.mark.parametrize("overnight", [True, False])
@pytest.mark.parametrize(
    ("missing", "sessions"),
    [
        pytest.param(0.0, SESSIONS, id="whole"),
        pytest.param(0.25, SESSIONS, id="missing-bars"),
        pytest.param(0.6, (10, 10, 6, 10, 10, 10), id="mostly-missing"),
    ],
)
def test_sigma_equals_the_slow_reference(missing, sessions, overnight):
    world = make_world(3, sessions, 5, missing=missing)
    volatility, states = run(world, overnight)
    got = np.array(
        [
            volatility.sigma_bps(state, slot, n_bars, HORIZONS)
            for state, (_, slot, n_bars) in zip(states, world.grid, strict=True)
        ]
    )
    expected = slow_sigma_bps(world, overnight)
    np.testing.assert_allclose(got, expected, rtol=1e-11)
    assert np.isfinite(expected[-1]).all()
    np.testing.assert_allclose(volatility.sigma_day_bps(states[-1]), expected[-1, -1], rtol=1e-11)


def test_nothing_is_known_before_one_session_is_complete():
    world = make_world(0, (10, 10), 4)
    volatility, states = run(world)
    assert np.isnan(volatility.sigma_bps(states[9], 9, 10, HORIZONS)).all()
    assert np.isnan(volatility.sigma_day_bps(states[9])).all()
    assert np.isfinite(volatility.sigma_bps(states[10], 0, 10, HORIZONS)).all()


def test_the_planted_volatility_and_profile_are_found():
    shape = np.sqrt(np.linspace(1.6, 0.4, BARS))
    world = make_world(1, (10,) * 250, 40, bar_sd=0.002, night_sd=0.01, shape=shape)
    volatility, states = run(world)
    # the gap between a close and the next open adds a hundredth of the variance of the bar
    np.testing.assert_allclose(states[-1].profile, shape**2, rtol=0.15)
    sigma = volatility.sigma_bps(states[-10], 0, 10, HORIZONS)
    expected_15m = 20.0 * np.sqrt((shape[1:4] ** 2).sum())
    assert np.median(sigma[2]) == pytest.approx(expected_15m, rel=0.05)
    assert np.median(sigma[4]) == pytest.approx(1e4 * np.sqrt(10 * 0.002**2 + 0.01**2), rel=0.05)


@pytest.mark.parametrize(
    ("slot", "n_bars", "overnight", "expected_mass"),
    [
        pytest.param(0, 10, True, [1.0, 2.0, 3.0, 6.0], id="inside-the-session"),
        pytest.param(8, 10, True, [1.0, 1.0, 1.0, 1.8], id="cut-at-the-close-and-floored"),
        pytest.param(9, 10, True, [0.3, 0.6, 0.9, 1.8], id="nothing-ahead-but-the-floor"),
        pytest.param(2, 4, True, [1.0, 1.0, 1.0, 1.8], id="half-day"),
        pytest.param(8, 10, False, [1.0, 2.0, 3.0, 6.0], id="without-nights-it-wraps"),
    ],
)
def test_bars_ahead(slot, n_bars, overnight, expected_mass):
    world = make_world(5, (10, 10), 3)
    volatility, states = run(world, overnight)
    state = states[10]  # the profile is still flat
    day = volatility.sigma_bps(state, slot, n_bars, HORIZONS)[-1]
    night = 1e8 * state.overnight if overnight else 0.0
    per_bar = (day**2 - night) / BARS
    got = volatility.sigma_bps(state, slot, n_bars, HORIZONS)[:-1] ** 2 / per_bar
    np.testing.assert_allclose(got, np.tile(np.array(expected_mass)[:, None], 3), rtol=1e-12)


def test_a_night_counts_at_most_25_times_the_usual():
    world = make_world(2, (10,) * 6, 2)
    jumped = world.scaled(1.0)
    jumped.open[50:, 0] *= 2.0
    jumped.close[50:, 0] *= 2.0
    _, calm = run(world)
    _, shocked = run(jumped)
    usual = calm[49].overnight[0]
    weight = shocked[50].overnight_weight[0]
    assert shocked[50].overnight[0] == pytest.approx(usual + (25 * usual - usual) / weight)
    assert shocked[50].overnight[1] == calm[50].overnight[1]


def test_a_first_night_without_a_move_does_not_freeze_the_estimate():
    world = make_world(2, (10,) * 4, 1)
    world.open[10] = world.close[9]
    _, states = run(world)
    assert states[10].overnight[0] == 0.0
    assert states[20].overnight[0] > 0.0


def test_a_half_day_is_scaled_to_a_whole_one():
    rng = np.random.default_rng(0)
    world = make_world(4, (10, 4, 10), 2)
    moves = np.where(rng.random(world.close.shape) < 0.5, 1.001, 1 / 1.001)
    world.close[:] = 100.0 * np.cumprod(moves, axis=0)
    world.open[:] = world.close / moves
    _, states = run(world)
    whole, halved = states[10].realised, states[14].realised
    np.testing.assert_allclose(halved, whole, rtol=2e-3)


def test_too_little_of_a_session_leaves_the_realised_variance_alone():
    world = make_world(4, (10, 10, 10), 2)
    for values in (world.open, world.close):
        values[12:20, 0] = np.nan  # two bars of ten
    _, states = run(world)
    assert states[20].realised[0] == states[10].realised[0]
    assert states[20].realised[1] != states[10].realised[1]


def test_a_missing_bar_leaves_the_symbol_as_it_is():
    world = make_world(6, (10, 10), 3)
    for values in (world.open, world.close):
        values[13, 1] = np.nan
    _, states = run(world)
    for name in ("fast", "fast_weight", "session_variance", "session_mass", "last_close", "last_slot"):
        before, after = getattr(states[12], name), getattr(states[13], name)
        assert before[1] == after[1]
        assert before[0] != after[0] or name == "fast_weight"


def test_a_symbol_that_never_moves_has_no_volatility_and_warns_nobody():
    world = make_world(6, (10,) * 4, 12)
    world.open[:, 0] = world.close[:, 0] = 50.0
    volatility, states = run(world)
    assert (volatility.sigma_bps(states[-1], 9, 10, HORIZONS)[:, 0] == 0.0).all()
    assert np.isfinite(states[-1].profile).all()


def test_a_slot_in_which_nothing_ever_moves_keeps_a_floor():
    shape = np.ones(BARS)
    shape[4] = 0.0
    world = make_world(6, (10,) * 150, 10, shape=shape)
    world.open[:] = np.where(np.arange(len(world.open))[:, None] % 10 == 4, world.close, world.open)
    world.close[4::10] = world.close[3::10]
    _, states = run(world)
    assert states[-1].profile[4] == pytest.approx(0.05, rel=0.1)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), n_symbols=st.integers(1, 40), missing=st.sampled_from([0.0, 0.2]))
def test_permuting_the_symbols_permutes_every_bit(seed, n_symbols, missing):
    world = make_world(seed, (10, 10, 4, 10), n_symbols, missing=missing)
    order = np.random.default_rng(seed).permutation(n_symbols)
    volatility, states = run(world)
    _, permuted = run(world.select(order))
    np.testing.assert_array_equal(
        volatility.sigma_bps(states[-1], 9, 10, HORIZONS)[:, order],
        volatility.sigma_bps(permuted[-1], 9, 10, HORIZONS),
    )
    np.testing.assert_array_equal(states[-1].profile, permuted[-1].profile)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), factor=st.floats(1e-3, 1e3))
def test_the_price_level_does_not_matter(seed, factor):
    world = make_world(seed, (10, 10, 10), 6, missing=0.1)
    volatility, states = run(world)
    _, scaled = run(world.scaled(factor))
    _, doubled = run(world.scaled(2.0))
    sigma = volatility.sigma_bps(states[-1], 5, 10, HORIZONS)
    np.testing.assert_allclose(volatility.sigma_bps(scaled[-1], 5, 10, HORIZONS), sigma, rtol=1e-9)
    np.testing.assert_array_equal(volatility.sigma_bps(doubled[-1], 5, 10, HORIZONS), sigma)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), row=st.integers(0, 38))
def test_the_future_does_not_matter_and_the_past_is_not_touched(seed, row):
    world = make_world(seed, (10, 10, 10, 10), 5, missing=0.1)
    other = make_world(seed + 1, (10, 10, 10, 10), 5)
    for name in ("open", "close", "volume"):
        getattr(other, name)[: row + 1] = getattr(world, name)[: row + 1]
    volatility, states = run(world)
    _, elsewhere = run(other)
    assert_same_records(states[row], elsewhere[row])
    before = frozen_copy(states[row])
    _, slot, n_bars = world.grid[row + 1]
    volatility.advance(states[row], world.batch(row + 1), slot, n_bars, slot == 0)
    assert_same_arrays(before, states[row].to_arrays())


def test_stored_arrays_go_on_bit_by_bit(tmp_path):
    world = make_world(8, (10, 10, 4, 10), 7, missing=0.1)
    volatility, states = run(world)
    np.savez(tmp_path / "state.npz", **states[15].to_arrays())
    with np.load(tmp_path / "state.npz", allow_pickle=False) as stored:
        state = VolatilityState.from_arrays(dict(stored))
    for row, batch, slot, n_bars, first in world.steps():
        if row > 15:
            state = volatility.advance(state, batch, slot, n_bars, first)
    assert_same_records(state, states[-1])


def test_a_missing_array_is_named():
    arrays = model().initial(3).to_arrays()
    del arrays["profile"], arrays["fast"]
    with pytest.raises(StateError, match="fast, profile"):
        VolatilityState.from_arrays(arrays)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "symbols", "session_minutes", "overnight"),
    [
        pytest.param(
            "us_equity_5m_2025.parquet", ("AAPL", "COIN", "KWEB", "MRNA", "SPY", "XLU"), 390, True, id="stocks"
        ),
        pytest.param("crypto_5m_2024.parquet", None, 1440, False, id="crypto"),
    ],
)
def test_recorded_outcomes_are_as_wide_as_the_forecast(shared_data, name, symbols, session_minutes, overnight):
    """Root mean square of r/σ_h, clipped at 4, is near 1 at every horizon; clipping takes some of the tails."""
    panel = read_bars(shared_data(name), symbols=symbols)
    horizons = parse_horizons(("5m", "30m", "60m", "1d"), panel.interval_ns, session_minutes)
    n_bars = panel.sessions.n_bars(panel.interval_ns)[panel.session_index]
    volatility = VolatilityModel(VolatilityConfig(), panel.bars_per_session, overnight)
    state, sigma_bps = volatility.initial(len(panel.symbols)), []
    for row in range(len(panel)):
        slot = int(panel.slot[row])
        state = volatility.advance(state, panel.batch(row), slot, int(n_bars[row]), slot == 0)
        sigma_bps.append(volatility.sigma_bps(state, slot, int(n_bars[row]), horizons))
    for j, horizon in enumerate(horizons):
        ahead = horizon.bars or panel.bars_per_session  # half days shift a few ends of 1d: no matter here
        start = np.arange(10 * panel.bars_per_session, len(panel) - ahead)
        if overnight and not horizon.is_daily:
            start = start[panel.slot[start] + ahead < n_bars[start]]
        moved = panel.close[start + ahead] / panel.open[start + 1] - 1.0
        outcome = np.clip(moved * 1e4 / np.array(sigma_bps)[start, j], -4, 4)
        assert 0.85 < np.sqrt(np.nanmean(np.square(outcome))) < 1.15, horizon.name


@pytest.mark.parametrize("overnight", [True, False])
def test_the_kernels_say_the_same_interpreted(overnight):
    rng, n = np.random.default_rng(7), 60
    constants = np.array([BARS, overnight, 0.5, 0.8, 0.94, 25.0, 25.0, 0.3])
    sums = np.concatenate(([0.0], np.cumsum(rng.random(BARS))))
    block, last_slot, after = awkward(rng, (9, n)), rng.integers(-1, 6, n), np.empty((9, n))
    bars = awkward(rng, (n,)), awkward(rng, (n,))
    written = after, np.empty_like(last_slot), np.zeros(n)
    assert_same_interpreted(advance_variances, *bars, block, last_slot, sums, 0.7, 6, constants, *written)
    spans = np.array([1, 3, 12, 0])
    assert_same_interpreted(write_sigma, np.abs(block), sums, 6, 9, spans, constants, np.empty((4, n)))


@pytest.mark.parametrize(("slot", "n_bars"), [(-1, BARS), (BARS, BARS), (4, 4), (0, BARS + 1)])
def test_a_slot_outside_the_session_is_refused(slot, n_bars):
    world = make_world(1, (BARS,), 2)
    volatility = model()
    with pytest.raises(ValueError, match=f"bar {slot} of a session of {n_bars} bars"):
        volatility.advance(volatility.initial(2), world.batch(0), slot, n_bars, True)
