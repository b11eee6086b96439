"""Builders for the tests of arbitration: a cycle in a few numbers."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.arbitration import ArbitrationConfig, BestScoreSelector, CycleMoment, HeldBook, HorizonArbiter
from LIVE_TRADING.common.horizons import HORIZON_NAMES, parse_horizons
from LIVE_TRADING.common.types import BlendResult
from LIVE_TRADING.common.units import NS_PER_MINUTE

ALL = parse_horizons(HORIZON_NAMES, 5 * NS_PER_MINUTE, 390)
ROW = {horizon.name: row for row, horizon in enumerate(ALL)}
NAN = float("nan")
MIDDAY = CycleMoment(scheduled_time_ns=1_000, slot=20, n_bars_session=78)
CONFIG = ArbitrationConfig()


def at(slot, n_bars_session=78, **more):
    """Return the moment of a slot."""
    return CycleMoment(scheduled_time_ns=1_000, slot=slot, n_bars_session=n_bars_session, **more)


def alphas(**per_horizon):
    """Return alpha (H, 1); `_5m=3.0` names a horizon, the others have no view."""
    column = np.full((len(ALL), 1), NAN)
    for name, value in per_horizon.items():
        column[ROW[name.lstrip("_")], 0] = value
    return column


def blend_of(alpha):
    """Return stage 2 with these alphas (H, N)."""
    alpha = np.asarray(alpha, dtype=float)
    names = tuple(horizon.name for horizon in ALL)
    return BlendResult(
        names, np.ones((len(ALL), 1)), alpha, np.full(alpha.shape, 50.0), np.zeros(alpha.shape[1], np.int16)
    )


def book_of(n_symbols, side=0, horizon=None, elapsed=False):
    """Return positions: the same for every symbol, or given as arrays. `horizon` is a name, None (row -1) or rows."""
    rows = ROW.get(horizon, -1) if horizon is None or isinstance(horizon, str) else horizon
    return HeldBook(
        np.broadcast_to(np.asarray(side, dtype=np.int16), n_symbols).copy(),
        np.broadcast_to(np.asarray(rows, dtype=np.int16), n_symbols).copy(),
        np.broadcast_to(np.asarray(elapsed, dtype=np.bool_), n_symbols).copy(),
    )


def arbitrate(alpha, cost=1.0, book=None, moment=MIDDAY, config=CONFIG, selector=None, symbols=None, **barrier):
    """Run one cycle; `alpha` (H, N), `cost` a number or (N,)."""
    blend = blend_of(alpha)
    n_symbols = blend.alpha_bps.shape[1]
    return HorizonArbiter(config, ALL).arbitrate(
        blend,
        np.broadcast_to(np.asarray(cost, dtype=float), n_symbols).copy(),
        book_of(n_symbols) if book is None else book,
        moment,
        BestScoreSelector() if selector is None else selector,
        tuple(f"S{i:03d}" for i in range(n_symbols)) if symbols is None else symbols,
        **{name: None if p is None else np.broadcast_to(float(p), n_symbols) for name, p in barrier.items()},
    )


def random_cycle(seed, n_symbols=12, held_share=0.5):
    """Return (alpha, cost, book) with gaps in each."""
    rng = np.random.default_rng(seed)
    alpha = rng.normal(scale=rng.choice([1.0, 4.0, 15.0]), size=(len(ALL), n_symbols))
    alpha[rng.random(alpha.shape) < 0.15] = NAN
    alpha[:, rng.random(n_symbols) < 0.1] = NAN
    cost = rng.uniform(0.0, 4.0, n_symbols)
    cost[rng.random(n_symbols) < 0.1] = NAN
    side = np.where(rng.random(n_symbols) < held_share, rng.choice([-1, 1], n_symbols), 0)
    rows = np.where(side != 0, rng.integers(-1, len(ALL), n_symbols), -1)
    return alpha, cost, book_of(n_symbols, side, rows, (rng.random(n_symbols) < 0.4) & (side != 0))
