"""What a model over sequences is fitted to, for those that are trained elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.horizons import parse_horizons
from LIVE_TRADING.common.types import FloatArray, IntArray
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.models.features import FeatureBuilder
from LIVE_TRADING.models.windows import FeatureWindows, Windows
from LIVE_TRADING.training.contents import session_minutes
from LIVE_TRADING.training.dataset import build_dataset, build_targets
from LIVE_TRADING.training.train import cut_panel, market_for


@dataclass(frozen=True, slots=True, eq=False)
class TrainingWindows:
    """The symbols of one bar end that have a label: `column` (R,) of the panel, `windows` (R, L, F), `target` (R,).

    Windows are float32, oldest row first, NaN where a value is missing; the target is the label in units of its
    volatility, clipped at ±4. `session` is the date.
    """

    session: str
    bar_end_ns: int
    column: IntArray
    windows: Windows
    target: FloatArray


def feature_names(panel: BarPanel, engine: EngineConfig | None = None) -> tuple[str, ...]:
    """Return the names of the features in the order in which windows hold them."""
    config = (engine or EngineConfig()).features
    return FeatureBuilder(config, len(panel.symbols), panel.bars_per_session, panel.symbols).names


def training_windows(
    panel: BarPanel, horizon: str, lookback: int, until: str | None = None, engine: EngineConfig | None = None
) -> Iterator[TrainingWindows]:
    """Yield, bar end after bar end, the windows that a run will hand to a model, with what was to be forecast.

    Parameters
    ----------
    until
        Date of the last session used, YYYY-MM-DD; no label ends later, so it is the `trained_until` of a model that is
        fitted to these. None: the whole panel.
    engine
        Configuration of features and volatility; a run is only read with the same one.

    Raises
    ------
    ConfigurationError
        The interval cannot express the horizon, or `until` is before the first session.
    """
    panel = cut_panel(panel, until)
    horizons = parse_horizons((horizon,), panel.interval_ns, session_minutes(panel))
    market = market_for(panel, horizons, (), engine or EngineConfig())
    dataset = build_dataset(panel, market, horizons)
    targets = build_targets(dataset, 0)
    ring = FeatureWindows.empty(len(panel.symbols), lookback, len(market.features.names))
    for row in range(len(panel)):
        ring = ring.advance(np.ascontiguousarray(dataset.features[row].T))
        known = np.flatnonzero(np.isfinite(targets.values[row]))
        if known.size:
            yield TrainingWindows(
                session=panel.session(row).date,
                bar_end_ns=int(panel.bar_end_ns[row]),
                column=known,
                windows=ring.windows()[known],
                target=targets.values[row, known],
            )
