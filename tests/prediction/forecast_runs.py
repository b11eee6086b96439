"""A forecast model driven over an invented market, and the same figures the slow way, from whole histories."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from bar_worlds import INTERVAL_NS, World
from scipy.stats import spearmanr

from LIVE_TRADING.common.horizons import parse_horizons
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.prediction.confidence import ValidationFigures
from LIVE_TRADING.prediction.memory import ForecastModel, PredictionConfig

HORIZONS = parse_horizons(("5m", "15m", "1d"), 5 * NS_PER_MINUTE, 390)
FAMILIES = ("lightgbm", "ridge")
SHAPE = (len(HORIZONS), len(FAMILIES))


def no_evidence(shape=SHAPE):
    return ValidationFigures(np.zeros(shape), np.zeros(shape), np.full(shape, np.nan))


def make_model(n_symbols, bars_per_session, config=None, validation=None, overnight=True, horizons=HORIZONS):
    return ForecastModel(
        config or PredictionConfig(),
        horizons,
        FAMILIES,
        n_symbols,
        bars_per_session,
        INTERVAL_NS,
        validation or no_evidence((len(horizons), len(FAMILIES))),
        overnight,
    )


@dataclass
class Run:
    """Memories before and after the forecast of every row, and the predictions."""

    model: ForecastModel
    before: list
    after: list
    predictions: list

    @property
    def z(self):
        return np.array([np.full(self.shape, np.nan) if p is None else p.z for p in self.predictions])

    @property
    def shape(self):
        return next(p.z.shape for p in self.predictions if p is not None)


def drive(
    model: ForecastModel, world: World, raw, sigma_bps, *, skipped=(), rows=None, memory=None, sessions=None
) -> Run:
    """Run the model over `rows` of the world; `sessions` numbers them for `open_session`."""
    n_symbols = world.close.shape[1]
    memory = memory or model.initial()
    run = Run(model, [], [], [])
    for row, batch, slot, n_bars, first in world.steps():
        if rows is not None and row not in rows:
            continue
        if first:
            memory = model.open_session(memory, None if sessions is None else sessions[world.grid[row][0]])
        memory = model.on_bars(memory, batch, slot, n_bars)
        run.before.append(memory)
        predictions = None
        if row not in skipped:
            memory, predictions = model.forecast(
                memory,
                raw[row],
                slot,
                sigma_bps[row],
                np.zeros(n_symbols, dtype=np.int64),
                np.full(n_symbols, 1e9),
                1000.0,
            )
        run.after.append(memory)
        run.predictions.append(predictions)
    return run


def slow_relative(raw, min_symbols=10):
    counts = np.isfinite(raw).sum(axis=-1, keepdims=True)
    known = np.where(np.isfinite(raw), raw, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.where(counts >= min_symbols, known - np.nanmean(known, axis=-1, keepdims=True), known)


def slow_z(world, relative, window=10, min_samples=100):
    """z by numpy over the forecasts of the actual window."""
    days = np.array([day for day, _, _ in world.grid])
    z = np.full(relative.shape, np.nan)
    for row, day in enumerate(days):
        past = relative[(days < day) & (days >= day - window)]
        n = np.isfinite(past).sum(axis=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            mean, sd = np.nanmean(past, axis=0), np.nanstd(past, axis=0, ddof=1)
            scored = np.clip((relative[row] - mean) / sd, -3, 3)
        scored = np.where((sd < 1e-10) & np.isfinite(relative[row]), 0.0, scored)
        z[row] = np.where(n >= min_samples, scored, np.nan)
    return z


def slow_outcomes(world, sigma_bps, horizons=HORIZONS, overnight=True):
    """r/σ_h (T, H, N) of a forecast made at each row, and the row at which it is known, -1: never."""
    grid = world.grid
    row_of = {(day, slot): row for row, (day, slot, _) in enumerate(grid)}
    outcome = np.full(sigma_bps.shape, np.nan)
    known_at = np.full(sigma_bps.shape[:2], -1)
    for row, (day, slot, n_bars) in enumerate(grid):
        for j, horizon in enumerate(horizons):
            if horizon.is_daily:
                end = row_of.get((day + 1, slot), -1)
            elif overnight:
                end = row + horizon.bars if slot + horizon.bars < n_bars else -1
            else:
                end = row + horizon.bars if row + horizon.bars < len(grid) else -1
            if end < 0:
                continue
            outcome[row, j] = (world.close[end] / world.open[row + 1] - 1) * 1e4 / sigma_bps[row, j]
            known_at[row, j] = end
    return outcome, known_at


def slow_figures(world, z, relative, outcome, known_at, day, *, window=10, horizons=HORIZONS, skipped=()):
    """IC, effective cross-sections, RMSE, matured values, all (H, M), of what matured in the sessions before `day`."""
    days = np.array([d for d, _, _ in world.grid])
    shape = z.shape[1:3]
    ic, n_eff, rmse, n_matured = (np.full(shape, np.nan) for _ in range(4))
    per_session = max(world.bars_of)
    for j in range(shape[0]):
        rows = [
            row
            for row in range(len(z))
            if known_at[row, j] >= 0 and day - window <= days[known_at[row, j]] < day and row not in skipped
        ]
        for m in range(shape[1]):
            correlations, errors = [], []
            for row in rows:
                y = outcome[row, j]
                pair = np.isfinite(z[row, j, m]) & np.isfinite(y)
                if pair.sum() >= 10:
                    rho = float(spearmanr(z[row, j, m][pair], y[pair]).statistic)
                    if np.isfinite(rho):
                        correlations.append(rho)
                both = np.isfinite(relative[row, j, m]) & np.isfinite(y)
                errors += list(np.clip(relative[row, j, m][both], -4, 4) - np.clip(y[both], -4, 4))
            if correlations:
                ic[j, m] = np.mean(correlations)
            n_eff[j, m] = len(correlations) / (horizons[j].bars or per_session)
            n_matured[j, m] = len(errors)
            if errors:
                rmse[j, m] = np.sqrt(np.mean(np.square(errors)))
    return ic, n_eff, rmse, n_matured


def slow_covariance(world, z, day, window=10):
    """Σ (H, M, M), each term over the symbols that have both views."""
    days = np.array([d for d, _, _ in world.grid])
    past = z[(days < day) & (days >= day - window)]
    n_horizons, n_families = z.shape[1:3]
    covariance = np.full((n_horizons, n_families, n_families), np.nan)
    for j in range(n_horizons):
        for a in range(n_families):
            for b in range(n_families):
                product = past[:, j, a] * past[:, j, b]
                if np.isfinite(product).any():
                    covariance[j, a, b] = np.nanmean(product)
    return covariance


def random_raw(seed, world, *, missing=0.0, level=0.0, horizons=HORIZONS):
    """Forecasts (T, H, M, N) with families that agree in part, a level per symbol, and gaps."""
    rng = np.random.default_rng(seed)
    shape = (len(world.close), len(horizons), len(FAMILIES), world.close.shape[1])
    common = rng.standard_normal((shape[0], shape[1], 1, shape[3]))
    raw = 0.02 * (common + rng.standard_normal(shape)) + level * rng.standard_normal(shape[-1])
    raw[rng.random(shape) < missing] = np.nan
    return raw


def random_sigma(seed, world, horizons=HORIZONS):
    rng = np.random.default_rng(seed)
    return rng.uniform(8.0, 30.0, (len(world.close), len(horizons), world.close.shape[1]))
