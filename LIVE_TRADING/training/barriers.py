"""Trains the barrier classifiers: trees in the purged walk-forward, calibrated on what the trees were not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.types import BoolArray, FloatArray
from LIVE_TRADING.models.artifacts import (
    PEAK_TARGET,
    VALLEY_TARGET,
    ClassifierFold,
    ClassifierMetrics,
    PlattCalibration,
)
from LIVE_TRADING.models.barrier import probability
from LIVE_TRADING.models.lightgbm_margin import LightGbmMargin, train_margin
from LIVE_TRADING.training.barrier_labels import barrier_labels
from LIVE_TRADING.training.classifier_metrics import Scored, classifier_metrics
from LIVE_TRADING.training.config import BarrierTrainingConfig, TrainingConfig
from LIVE_TRADING.training.dataset import Dataset, Targets, select
from LIVE_TRADING.training.fitting import FittedOn, fitted_on, watch
from LIVE_TRADING.training.labels import label_spans
from LIVE_TRADING.training.platt import fit_platt
from LIVE_TRADING.training.progress import Progress
from LIVE_TRADING.training.walk_forward import Fold, training_rows

LEAST_OF_EACH = 100  # outcomes of each kind in every fit and every fold: fewer say nothing about a probability


@dataclass(frozen=True, slots=True, eq=False)
class FittedClassifier:
    """One classifier of the run, and what its like were worth out of sample."""

    target: str
    trees: LightGbmMargin
    calibration: PlattCalibration
    on: FittedOn
    metrics: ClassifierMetrics


@dataclass(frozen=True, slots=True, eq=False)
class Barriers:
    """The barrier classifiers of a run: a peak and a valley; or none, and `missing` says why."""

    classifiers: tuple[FittedClassifier, ...] = ()
    missing: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Trees fitted on one mask, with their margins (T', N) of the fold's rows, if any."""

    trees: LightGbmMargin
    on: FittedOn
    margins: FloatArray | None


def missing_for(config: BarrierTrainingConfig, horizon: Horizon | None) -> str:
    """Return why barriers cannot be or are not to be trained, "" where nothing is known against it."""
    if not config.enabled:
        return "training.barrier.enabled was false when the models were trained"
    if horizon is None:
        return "five minutes are no whole number of bars of the training data"
    return ""


def barrier_targets(dataset: Dataset, horizon: Horizon) -> dict[str, Targets]:
    """Return the outcomes by target; a symbol without a bar has none, since it has no features."""
    spans = label_spans(dataset.panel, horizon)
    labels = barrier_labels(dataset.panel, spans, dataset.barrier_sigma_bps)
    absent = np.isnan(dataset.features).all(axis=2)
    return {
        target: Targets(spans, np.where(absent, np.nan, values))
        for target, values in ((PEAK_TARGET, labels.peak), (VALLEY_TARGET, labels.valley))
    }


def fit_barriers(
    dataset: Dataset, horizon: Horizon | None, folds: Sequence[Fold], config: TrainingConfig, progress: Progress
) -> Barriers:
    """Fit both classifiers, `config.threads` fits at a time; what comes out does not depend on how many.

    Per target one fit per fold on labels that had ended before it, and one on everything. The margins that the former
    give their folds are out of sample; the last calibrates on all of them, and for the figures each fold is calibrated
    on those before it.
    """
    missing = missing_for(config.barrier, horizon)
    if horizon is None or missing:
        return Barriers(missing=missing)
    targets = barrier_targets(dataset, horizon)
    masks: list[BoolArray] = [training_rows(dataset.panel, targets[PEAK_TARGET].spans, fold, horizon) for fold in folds]
    masks.append(targets[PEAK_TARGET].spans.end_row >= 0)
    missing = _too_few(targets, masks, folds)
    if missing:
        return Barriers(missing=missing)
    rounds: list[Fold | None] = [*folds, None]
    with ThreadPoolExecutor(config.threads) as pool:
        futures = {
            target: [pool.submit(_fit, dataset, outcome, *pair, config) for pair in zip(masks, rounds, strict=True)]
            for target, outcome in targets.items()
        }
        try:
            watch("barriers", [future for row in futures.values() for future in row], progress)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Barriers(
        tuple(
            _classifier(dataset, target, targets[target], folds, [future.result() for future in row])
            for target, row in futures.items()
        )
    )


def _too_few(targets: dict[str, Targets], masks: Sequence[BoolArray], folds: Sequence[Fold]) -> str:
    """Return which outcomes are too few, "" where none are."""
    for target, outcome in targets.items():
        rows = [outcome.values[mask] for mask in masks]
        rows += [outcome.values[fold.first_row : fold.end_row] for fold in folds]
        fewest = min(min(int((values == 1.0).sum()), int((values == 0.0).sum())) for values in rows)
        if fewest < LEAST_OF_EACH:
            return f"too few outcomes of {target} to train on: {fewest} of one kind in a fold, {LEAST_OF_EACH} needed"
    return ""


def _fit(dataset: Dataset, outcome: Targets, mask: BoolArray, fold: Fold | None, config: TrainingConfig) -> _Fit:
    barrier = config.barrier
    features, goal = select(dataset, outcome, mask, barrier.max_rows)
    trees = train_margin(features, goal, seed=config.seed, params=barrier.params)
    on = fitted_on(dataset, mask, len(goal))
    if fold is None:
        return _Fit(trees, on, None)
    values = outcome.values[fold.first_row : fold.end_row]
    known = np.isfinite(values)
    margins = np.full(values.shape, np.nan)
    margins[known] = trees.predict(dataset.features[fold.first_row : fold.end_row][known])
    return _Fit(trees, on, margins)


def _classifier(
    dataset: Dataset, target: str, outcome: Targets, folds: Sequence[Fold], fits: Sequence[_Fit]
) -> FittedClassifier:
    """Calibrate and judge one target's trees."""
    margins = np.full(outcome.values.shape, np.nan)
    for fold, fit in zip(folds, fits, strict=False):
        margins[fold.first_row : fold.end_row] = fit.margins
    return FittedClassifier(
        target,
        fits[-1].trees,
        _calibrate(margins, outcome, np.ones(len(margins), dtype=np.bool_)),
        fits[-1].on,
        _judge(dataset, margins, outcome, folds, fits),
    )


def _calibrate(margins: FloatArray, outcome: Targets, rows: BoolArray) -> PlattCalibration:
    known = np.isfinite(margins) & rows[:, None]
    return fit_platt(margins[known], outcome.values[known])


def _judge(
    dataset: Dataset, margins: FloatArray, outcome: Targets, folds: Sequence[Fold], fits: Sequence[_Fit]
) -> ClassifierMetrics:
    """Return the figures over the folds after the first, each calibrated on outcomes that had come before it opened."""
    p = np.full(margins.shape, np.nan)
    for fold in folds[1:]:
        before = (outcome.spans.end_row >= 0) & (outcome.spans.end_row < fold.first_row)
        calibration = _calibrate(margins, outcome, before)
        p[fold.first_row : fold.end_row] = probability(margins[fold.first_row : fold.end_row], calibration)
    scored = np.isfinite(p)
    session = np.broadcast_to(dataset.panel.session_index[:, None], p.shape)
    return classifier_metrics(
        Scored(p[scored], outcome.values[scored], session[scored]),
        tuple(_fold(dataset, fold, fit.on, p, outcome.values) for fold, fit in zip(folds, fits, strict=False)),
    )


def _fold(dataset: Dataset, fold: Fold, on: FittedOn, p: FloatArray, outcomes: FloatArray) -> ClassifierFold:
    dates = [session.date for session in dataset.panel.sessions.sessions]
    rows = slice(fold.first_row, fold.end_row)
    known, scored = np.isfinite(outcomes[rows]), np.isfinite(p[rows])
    rate = float(outcomes[rows][known].mean())
    errors = (outcomes[rows] - p[rows])[scored]
    return ClassifierFold(
        train_rows=on.n_rows,
        train_start=on.first_session,
        train_end=on.last_session,
        validation_start=dates[fold.first_session],
        validation_end=dates[fold.last_session],
        n=int(known.sum()),
        base_rate=rate,
        brier=float((errors**2).mean()) if scored.any() else None,
        brier_base_rate=rate * (1.0 - rate) if scored.any() else None,
    )
