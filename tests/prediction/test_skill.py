"""Matured skill and forecast covariance against whole histories, scipy's Spearman and numpy's means."""

# covers: P10, P29

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bar_worlds import World, make_world
from forecast_runs import (
    FAMILIES,
    HORIZONS,
    drive,
    make_model,
    random_raw,
    random_sigma,
    slow_covariance,
    slow_figures,
    slow_outcomes,
    slow_relative,
    slow_z,
)
from scipy.stats import spearmanr

from LIVE_TRADING.common.horizons import parse_horizons
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.prediction.memory import PredictionConfig

BARS = 12
SESSIONS = (12, 12, 12, 12, 12, 12, 12, 12, 12, 5, 12, 12, 12, 12, 12, 12)


def config(min_samples=30):
    """Windows of four sessions, so that a short history slides out of them."""
    return PredictionConfig(
        standardizer={"window_sessions": 4, "min_samples": min_samples}, skill={"window_sessions": 4}
    )


def assert_figures(figures, expected, **tolerance):
    for name, value in zip(("ic", "n_effective", "rmse", "n_matured"), expected, strict=True):
        np.testing.assert_allclose(getattr(figures, name), value, err_msg=name, **tolerance)


@pytest.mark.parametrize("overnight", [True, False])
@pytest.mark.parametrize(
    ("missing", "gaps", "skipped"),
    [
        pytest.param(0.0, 0.0, (), id="whole"),
        pytest.param(0.15, 0.1, (), id="missing-bars-and-forecasts"),
        pytest.param(0.05, 0.0, (60, 61, 75, 95, 107, 112), id="skipped-cycles"),
        pytest.param(0.4, 0.0, (), id="cross-sections-below-ten"),
    ],
)
def test_live_figures_equal_whole_histories(missing, gaps, skipped, overnight):
    world = replace(make_world(1, SESSIONS, 14, missing=missing), joined=not overnight)
    raw, sigma = random_raw(2, world, missing=gaps), random_sigma(3, world)
    run = drive(make_model(14, BARS, config(), overnight=overnight), world, raw, sigma, skipped=skipped)
    seen = raw.copy()
    seen[list(skipped)] = np.nan
    relative = slow_relative(seen)
    z = slow_z(world, relative, window=4, min_samples=30)
    outcome, known_at = slow_outcomes(world, sigma, overnight=overnight)
    for row, (day, slot, _) in enumerate(world.grid):
        if slot != 0 or day < 3:
            continue
        live = run.before[row].skill.window.live
        expected = slow_figures(world, z, relative, outcome, known_at, day, window=4, skipped=skipped)
        assert_figures(live, expected, rtol=1e-9, atol=1e-12)
        covariance = run.model.forecast_covariance(run.before[row])
        np.testing.assert_allclose(covariance, slow_covariance(world, z, day, window=4), rtol=1e-9, atol=1e-11)
    assert (live.n_effective[0] > 0).all()
    # the figures of the whole run are those of a window that never slides
    whole = run.model.validation_figures(run.after[-1])
    ic, n_effective, rmse, _ = slow_figures(
        world, z, relative, outcome, known_at, len(SESSIONS), window=99, skipped=skipped
    )
    np.testing.assert_allclose(whole.ic, np.nan_to_num(ic), rtol=1e-9)
    np.testing.assert_allclose(whole.n_effective, n_effective)
    np.testing.assert_allclose(whole.rmse, rmse, rtol=1e-9)


def test_figures_are_renewed_once_per_session():
    world = make_world(1, SESSIONS, 12)
    run = drive(make_model(12, BARS, config()), world, random_raw(2, world), random_sigma(3, world))
    for row, (_, slot, _) in enumerate(world.grid):
        if slot:
            assert run.after[row].skill.window.live is run.after[row - 1].skill.window.live
            assert run.after[row].skill.window.covariance is run.after[row - 1].skill.window.covariance


def test_small_universes_pool_the_pairs_of_the_window():
    world = make_world(1, SESSIONS, 4, missing=0.1)
    raw, sigma = random_raw(2, world, missing=0.1), random_sigma(3, world)
    run = drive(make_model(4, BARS, config()), world, raw, sigma)
    z = slow_z(world, raw, window=4, min_samples=30)
    outcome, known_at = slow_outcomes(world, sigma)
    days = np.array([day for day, _, _ in world.grid])
    last = len(SESSIONS) - 1
    live = run.after[-1].skill.window.live
    for j in range(len(HORIZONS)):
        ended = days[known_at[:, j]]
        rows = (known_at[:, j] >= 0) & (ended >= last - 4) & (ended < last)
        for m in range(len(FAMILIES)):
            scores, results = z[rows, j, m].ravel(), outcome[rows, j].ravel()
            pair = np.isfinite(scores) & np.isfinite(results)
            assert live.ic[j, m] == pytest.approx(spearmanr(scores[pair], results[pair]).statistic, rel=1e-9)
            n_bars = (np.isfinite(z[rows, j, m]) & np.isfinite(outcome[rows, j])).any(axis=1).sum()
            assert live.n_effective[j, m] == pytest.approx(n_bars / (HORIZONS[j].bars or BARS))
    whole = run.model.validation_figures(run.after[-1])
    assert (np.abs(whole.ic) < 1.0).all()
    assert (whole.n_effective > live.n_effective).all()


def test_a_planted_signal_is_found_and_noise_is_not():
    rng = np.random.default_rng(11)
    n_symbols, planted = 60, 0.10
    world = make_world(5, (30,) * 30, n_symbols, bar_sd=0.001)
    sigma = np.full((len(world.close), 3, n_symbols), 10.0)
    outcome, _ = slow_outcomes(world, sigma)
    truth = np.nan_to_num(outcome / np.nanstd(outcome, axis=(0, 2), keepdims=True))
    noise = rng.standard_normal((*truth.shape[:2], 2, n_symbols))
    raw = noise.copy()
    raw[:, :, 0] = planted * truth + np.sqrt(1 - planted**2) * noise[:, :, 0]
    run = drive(make_model(n_symbols, 30), world, raw, sigma)
    live = run.after[-1].skill.window.live
    error = 1.0 / np.sqrt(live.n_effective * n_symbols)
    rank_ic = 6 / np.pi * np.arcsin(planted / 2)  # Spearman's of a bivariate normal
    assert (np.abs(live.ic[:, 0] - rank_ic) < 3 * error[:, 0]).all()
    assert (np.abs(live.ic[:, 1]) < 3 * error[:, 1]).all()
    assert (live.ic[:2, 0] > 5 * error[:2, 0]).all()
    covariance = run.model.forecast_covariance(run.after[-1])
    np.testing.assert_allclose(np.diagonal(covariance, axis1=1, axis2=2), 1.0, atol=0.1)
    np.testing.assert_allclose(covariance[:, 0, 1], 0.0, atol=0.1)


def one_symbol_world(close, open_):
    """Ten copies of one path, so that there is a cross-section."""
    tile = np.tile(np.array(close)[:, None], (1, 10))
    return World((4, 4, 4), np.tile(np.array(open_)[:, None], (1, 10)), tile, np.ones_like(tile))


def test_an_outcome_runs_from_the_next_open_to_the_close():
    close = [100.0, 101.0, 102.0, 103.0] * 3
    open_ = [99.5, 100.5, 101.5, 102.5] * 3
    world = one_symbol_world(close, open_)
    sigma = np.full((12, 3, 10), 80.0)
    raw = np.zeros((12, 3, 2, 10))
    run = drive(make_model(10, 4, config(min_samples=10)), world, raw, sigma)
    # r̂ is zero, so the squared error is the squared outcome
    session_0 = run.before[4].skill.window.live
    errors_5m = [(101 / 100.5 - 1) * 125, (102 / 101.5 - 1) * 125, (103 / 102.5 - 1) * 125]
    np.testing.assert_allclose(session_0.rmse[0], np.sqrt(np.mean(np.square(errors_5m))))
    np.testing.assert_allclose(session_0.rmse[1], (103 / 100.5 - 1) * 125)
    assert np.isnan(session_0.rmse[2]).all()
    np.testing.assert_array_equal(session_0.n_matured, [[30, 30], [10, 10], [0, 0]])
    # 1d: from the next bar's open to the close of the same slot a session later
    entries = [100.5, 101.5, 102.5, 99.5]
    errors_1d = [(out / into - 1) * 125 for into, out in zip(entries, [100, 101, 102, 103], strict=True)]
    session_1 = run.before[8].skill.window.live
    np.testing.assert_allclose(session_1.rmse[2], np.sqrt(np.mean(np.square(np.clip(errors_1d, -4, 4)))))
    np.testing.assert_array_equal(session_1.n_matured[2], [40, 40])


def test_slots_that_a_half_day_lacks_do_not_mature():
    world = make_world(1, (12, 5, 12), 10)
    run = drive(make_model(10, BARS, config()), world, random_raw(1, world), random_sigma(1, world))
    assert run.before[17].skill.window.live.n_matured[2, 0] == 5 * 10
    assert run.after[-1].skill.tally[3, 2, 0] == 5 * 10


def test_a_bar_end_that_never_came_leaves_out_what_it_touches():
    world = make_world(1, (12, 12, 12), 10)
    raw, sigma = random_raw(1, world), random_sigma(1, world)
    rows = [row for row in range(36) if row not in (4, 12)]
    run = drive(make_model(10, BARS, config()), world, raw, sigma, rows=rows, memory=None)
    # row 4: no forecast of its own, none matures at it, and the one before it has no entry
    assert run.model.open_session(run.after[rows.index(11)]).skill.window.live.n_matured[0, 0] == (11 - 2) * 10


def test_a_gap_in_the_calendar_keeps_daily_forecasts_from_maturing():
    world = make_world(1, (12, 12, 12), 10)
    raw, sigma = random_raw(1, world), random_sigma(1, world)
    model = make_model(10, BARS, config())
    whole = drive(model, world, raw, sigma, sessions=(7, 8, 9))
    holed = drive(model, world, raw, sigma, sessions=(7, 8, 10))
    assert whole.after[-1].skill.tally[3, 2, 0] == 120
    assert holed.after[-1].skill.tally[3, 2, 0] == 0
    assert holed.after[-1].skill.tally[3, 0, 0] == 110


def test_a_forecast_that_comes_after_the_next_bar_is_not_scored():
    world = make_world(1, (12,), 10)
    model = make_model(10, BARS, config())
    raw, sigma = random_raw(1, world), random_sigma(1, world)
    memory = model.open_session(model.initial())
    for row, batch, slot, n_bars, _ in world.steps():
        memory = model.on_bars(memory, batch, slot, n_bars)
        made_at = slot if row != 3 else slot - 1
        memory, _ = model.forecast(
            memory, raw[row], made_at, sigma[row], np.zeros(10, dtype=np.int64), np.full(10, 1e9), 0.0
        )
    assert model.open_session(memory).skill.window.live.n_matured[0, 0] == 100
    assert memory.standardizer.today_count[0, 0, 0] == 12


def test_unknown_or_zero_volatility_gives_no_outcome():
    world = make_world(1, (12, 12), 14)
    raw, sigma = random_raw(1, world), random_sigma(1, world)
    sigma[:, :, 0] = np.nan
    sigma[:, :, 1] = 0.0
    run = drive(make_model(14, BARS, config()), world, raw, sigma)
    assert run.before[12].skill.window.live.n_matured[0, 0] == 11 * 12


def test_only_daily_or_only_intraday_horizons():
    for names in (("1d",), ("5m", "10m")):
        horizons = parse_horizons(names, 5 * NS_PER_MINUTE, 390)
        world = make_world(1, (12, 12, 12), 10)
        run = drive(
            make_model(10, BARS, config(), horizons=horizons),
            world,
            random_raw(1, world, horizons=horizons),
            random_sigma(1, world, horizons=horizons),
        )
        assert (run.model.open_session(run.after[-1]).skill.window.live.n_matured > 0).all()
