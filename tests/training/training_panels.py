"""Panels and models for tests of training."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.horizons import Horizon, parse_horizons
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.data.calendars import ALWAYS_OPEN, SessionTable
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.assembly import build_market
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.market import MarketModel
from LIVE_TRADING.training.validation import no_figures

HORIZONS = parse_horizons(("30m", "60m", "1d"), 30 * NS_PER_MINUTE, 390)


def random_panel(
    table: SessionTable, *, minutes: int = 30, n_symbols: int = 3, seed: int = 0, missing: float = 0.0
) -> BarPanel:
    """Return a random walk with its own open and close per bar, so that every price is distinct."""
    rng = np.random.default_rng(seed)
    n_rows = len(table.bars(minutes * NS_PER_MINUTE))
    steps = rng.standard_normal((2 * n_rows, n_symbols)) * 1e-3
    path = 100.0 * np.exp(np.cumsum(steps, axis=0))
    opens, closes = path[0::2].copy(), path[1::2].copy()
    volume = np.exp(rng.standard_normal(opens.shape)) * 1e4
    arrays = {
        "open": opens,
        "high": np.maximum(opens, closes) * 1.0005,
        "low": np.minimum(opens, closes) * 0.9995,
        "close": closes,
        "volume": volume,
        "bid": closes * 0.9999,
        "ask": closes * 1.0001,
    }
    gone = rng.random(opens.shape) < missing
    arrays = {name: np.where(gone, np.nan, values) for name, values in arrays.items()}
    symbols = [f"S{number:02d}" for number in range(n_symbols)]
    return BarPanel.on_grid(symbols, minutes * NS_PER_MINUTE, table, arrays)


def market_of(
    panel: BarPanel, horizons: tuple[Horizon, ...] = HORIZONS, families: tuple[str, ...] = ("ridge",)
) -> MarketModel:
    """Return the models that the engine would step over this panel."""
    return build_market(
        EngineConfig(),
        horizons,
        families,
        panel.symbols,
        panel.bars_per_session,
        panel.interval_ns,
        no_figures(len(horizons), len(families)),
        panel.sessions.name != ALWAYS_OPEN,
    )
