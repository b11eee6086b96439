"""Features, volatility and targets of recorded bars, made by stepping the very models that the engine steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.types import BoolArray, FloatArray, IntArray
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.market import MarketMemory, MarketModel
from LIVE_TRADING.training.labels import LabelSpans, label_bps, label_spans, training_target
from LIVE_TRADING.training.progress import Progress, no_progress

_GOLDEN = 0.6180339887498949
_PROGRESS_ROWS = 500


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """What the market memory said at every bar end of a panel.

    `features` (T, N, F); `sigma_bps` (T, H, N); `adv_usd` (T, N); `session_number` (T,) as the memory counts sessions;
    `memory` after the last bar, without forecasts. `barrier_sigma_bps` (T, N): σ over the barriers' horizon, NaN where
    there is none.
    """

    panel: BarPanel
    horizons: tuple[Horizon, ...]
    features: FloatArray
    sigma_bps: FloatArray
    adv_usd: FloatArray
    session_number: IntArray
    memory: MarketMemory
    barrier_sigma_bps: FloatArray

    def unvarying(self) -> IntArray:
        """Return the columns of features that have one value in all rows, or none: no model can learn from them."""
        least, most = (bound.reduce(self.features, axis=(0, 1)) for bound in (np.fmin, np.fmax))
        return np.flatnonzero(~(least < most))


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Of one horizon: where its labels run, and what a model is fitted to, (T, N), NaN where it is not."""

    spans: LabelSpans
    values: FloatArray


def build_dataset(
    panel: BarPanel,
    market: MarketModel,
    horizons: tuple[Horizon, ...],
    progress: Progress = no_progress,
    barrier: Horizon | None = None,
    *,
    lookback: int = 0,
) -> Dataset:
    """Step the market memory over all bars of the panel, from nothing; `lookback` rows of features stay in it."""
    n_rows, n_symbols = panel.close.shape
    features = np.empty((n_rows, n_symbols, len(market.features.names)))
    sigma_bps = np.empty((n_rows, len(horizons), n_symbols))
    adv_usd = np.empty((n_rows, n_symbols))
    barrier_sigma_bps = np.full((n_rows, n_symbols), np.nan)
    session_number = np.empty(n_rows, dtype=np.int64)
    memory = market.initial(lookback)
    for row in range(n_rows):
        session = panel.session(row)
        memory, view = market.advance(memory, panel.batch(row), session)
        features[row] = view.features.T
        sigma_bps[row] = view.sigma_bps
        adv_usd[row] = view.adv_usd
        if barrier is not None:
            slot, n_bars = int(panel.slot[row]), session.n_bars(panel.interval_ns)
            (barrier_sigma_bps[row],) = market.volatility.sigma_bps(memory.volatility, slot, n_bars, (barrier,))
        session_number[row] = memory.session_number
        if row % _PROGRESS_ROWS == 0 or row == n_rows - 1:
            progress("features", row + 1, n_rows)
    return Dataset(panel, horizons, features, sigma_bps, adv_usd, session_number, memory, barrier_sigma_bps)


def build_targets(dataset: Dataset, row: int) -> Targets:
    """Return the targets of horizon number `row`; a symbol without a bar has none, since it has no features."""
    spans = label_spans(dataset.panel, dataset.horizons[row])
    values = training_target(label_bps(dataset.panel, spans), dataset.sigma_bps[:, row])
    values[np.isnan(dataset.features).all(axis=2)] = np.nan
    return Targets(spans, values)


def select(dataset: Dataset, targets: Targets, rows: BoolArray, max_rows: int) -> tuple[FloatArray, FloatArray]:
    """Return features (R, F) and targets (R,) of the bar ends `rows` (T,), where there is a target.

    More than `max_rows` are thinned by whole bar ends, evenly over time and slots (a Kronecker sequence on the golden
    ratio): labels of neighbouring bars overlap, so that costs the least.
    """
    known = np.isfinite(targets.values) & rows[:, None]
    count = int(known.sum())
    if count > max_rows:
        kept = (np.arange(len(rows)) * _GOLDEN) % 1.0 < max_rows / count
        known &= kept[:, None]
    return dataset.features[known], targets.values[known]
