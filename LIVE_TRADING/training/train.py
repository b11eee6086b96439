"""Trains a run: from recorded bars to the artifacts that backtest and live engine read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.horizons import Horizon, parse_horizons
from LIVE_TRADING.data.calendars import ALWAYS_OPEN
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.assembly import build_market
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.market import MarketModel
from LIVE_TRADING.training.barrier_labels import barrier_horizon
from LIVE_TRADING.training.barriers import fit_barriers
from LIVE_TRADING.training.config import TrainingConfig
from LIVE_TRADING.training.contents import (
    ClassifierReport,
    ModelReport,
    TrainedRun,
    classifier_reports,
    model_reports,
    run_contents,
    session_minutes,
)
from LIVE_TRADING.training.dataset import build_dataset, build_targets
from LIVE_TRADING.training.fitting import fit_run
from LIVE_TRADING.training.imported import read_imported
from LIVE_TRADING.training.progress import Progress, no_progress
from LIVE_TRADING.training.publish import check_run_root, publish_run
from LIVE_TRADING.training.validation import no_figures, validate
from LIVE_TRADING.training.walk_forward import plan_folds


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a training run made. `sessions` were read, of which the first ten have no labels.

    `unvarying` names features that have one value in all rows, or none. Without barrier classifiers `no_classifiers`
    says why.
    """

    run_root: Path
    until: str
    sessions: int
    symbols: int
    features: int
    models: tuple[ModelReport, ...]
    classifiers: tuple[ClassifierReport, ...]
    no_classifiers: str
    unvarying: tuple[str, ...] = ()


def train_run(
    panel: BarPanel,
    config: TrainingConfig,
    run_root: Path,
    until: str | None = None,
    progress: Progress = no_progress,
    *,
    engine: EngineConfig | None = None,
    replace_run: bool = False,
) -> TrainingReport:
    """Train a model per horizon and family, and the barrier classifiers; judge each out of sample; put the run there.

    Parameters
    ----------
    panel
        Recorded bars; its symbols are the universe that forecasts will be relative to.
    run_root
        Folder of the run; it appears complete or not at all.
    until
        Date of the last session used, YYYY-MM-DD; no label ends later. None: the whole panel.
    engine
        Configuration of features, volatility, ADV and prediction; a run is only read with the same one.
    replace_run
        Whether a run that stands there already may be replaced.

    Raises
    ------
    ConfigurationError
        Horizons the interval cannot express, too few sessions, a run that stands there already, a file of a model that
        was trained elsewhere and does not fit.
    StateError
        The artifacts could not be written.
    """
    check_run_root(run_root, replace=replace_run)
    engine = engine or EngineConfig()
    panel = cut_panel(panel, until)
    horizons = parse_horizons(config.horizons, panel.interval_ns, session_minutes(panel))
    folds = plan_folds(panel, config.folds)
    market = market_for(panel, horizons, config.families, engine)
    imported = read_imported(config, horizons, market.features.names, panel)
    barrier = barrier_horizon(panel.interval_ns, session_minutes(panel))
    dataset = build_dataset(panel, market, horizons, progress, barrier, lookback=imported.lookback)
    targets = [build_targets(dataset, row) for row in range(len(horizons))]
    fitted = fit_run(dataset, targets, folds, config, progress, imported)
    barriers = fit_barriers(dataset, barrier, folds, config, progress)
    validation = validate(dataset, folds, fitted.raw, market.forecast, progress)
    trained = TrainedRun(dataset, market, folds, fitted, barriers, validation, config, engine, imported)
    models = model_reports(trained)
    publish_run(run_root, run_contents(trained, models), replace=replace_run)
    return TrainingReport(
        run_root=run_root,
        until=panel.session(len(panel) - 1).date,
        sessions=_n_sessions(panel),
        symbols=len(panel.symbols),
        features=len(market.features.names),
        models=models,
        classifiers=classifier_reports(barriers),
        no_classifiers=barriers.missing,
        unvarying=tuple(market.features.names[column] for column in dataset.unvarying().tolist()),
    )


def cut_panel(panel: BarPanel, until: str | None) -> BarPanel:
    """Return the panel up to the close of the session `until`, or of the last one before that date.

    Raises
    ------
    ConfigurationError
        The date is before the first session.
    """
    if until is None:
        return panel
    first, last = (panel.session(row) for row in (0, len(panel) - 1))
    sessions = panel.sessions.sessions[first.index : last.index + 1]
    within = [session for session in sessions if session.date <= until]
    if not within:
        raise ConfigurationError(f"until {until} is before the first session {first.date}; give a later date")
    return panel.between(first.open_ns, within[-1].close_ns)


def _n_sessions(panel: BarPanel) -> int:
    return int(panel.session_index[-1] - panel.session_index[0]) + 1


def market_for(
    panel: BarPanel, horizons: tuple[Horizon, ...], families: tuple[str, ...], engine: EngineConfig
) -> MarketModel:
    """Return the models whose memory the run will start from, with no evidence about any forecast."""
    return build_market(
        engine,
        horizons,
        families,
        panel.symbols,
        panel.bars_per_session,
        panel.interval_ns,
        no_figures(len(horizons), len(families)),
        panel.sessions.name != ALWAYS_OPEN,
    )
