"""Out-of-fold forecasts, and what they were worth by the code that judges live ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.artifacts import FoldMetrics, ModelMetrics, ValidationFigures
from LIVE_TRADING.prediction.memory import ForecastMemory, ForecastModel
from LIVE_TRADING.prediction.skill import IC_COUNT, IC_SUM, SQUARES, SQUARES_COUNT
from LIVE_TRADING.training.dataset import Dataset
from LIVE_TRADING.training.fitting import FittedOn
from LIVE_TRADING.training.progress import Progress, no_progress
from LIVE_TRADING.training.walk_forward import Fold

_PROGRESS_ROWS = 500


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """Evidence of all folds.

    `pooled` over all of them, (H, M) each; `tallies` per fold (K, 4, H, M), rows as in the skill tracker: sum of rank
    correlations, their number, sum of squared errors, their number, counted in the fold in which the label ended.
    `memory` after the last bar: z windows and forecast covariance of out-of-fold forecasts, no evidence.
    """

    pooled: ValidationFigures
    tallies: FloatArray
    memory: ForecastMemory


def no_figures(n_horizons: int, n_families: int) -> ValidationFigures:
    """Return the figures of models about which nothing is known yet."""
    none = np.zeros((n_horizons, n_families))
    return ValidationFigures(none, none, np.full_like(none, np.nan))


def validate(
    dataset: Dataset,
    folds: Sequence[Fold],
    raw: FloatArray,
    model: ForecastModel,
    progress: Progress = no_progress,
) -> Validation:
    """Feed out-of-fold forecasts through the prediction stage, bar after bar in time order.

    Parameters
    ----------
    raw
        (T, H, M, N) forecasts; each fold's rows by models fitted before it, rows before the first fold are not read.
    model
        The prediction stage of the run, knowing nothing of validation figures.
    """
    panel, memory = dataset.panel, model.initial()
    fresh = np.zeros(len(panel.symbols), dtype=np.int64)
    first_row, end_row = folds[0].first_row, folds[-1].end_row
    boundaries = {fold.first_row for fold in folds}
    closed: list[FloatArray] = []
    for row in range(first_row, end_row):
        slot, number = int(panel.slot[row]), int(dataset.session_number[row])
        if row == first_row or number != dataset.session_number[row - 1]:
            memory = model.open_session(memory, number)
            if row in boundaries:
                closed.append(memory.skill.window.closed)
        memory = model.on_bars(memory, panel.batch(row), slot, panel.session(row).n_bars(panel.interval_ns))
        memory, _ = model.forecast(
            memory, raw[row], slot, dataset.sigma_bps[row], fresh, dataset.adv_usd[row], planned_usd=0.0
        )
        if row % _PROGRESS_ROWS == 0 or row == end_row - 1:
            progress("validation", row + 1 - first_row, end_row - first_row)
    closed.append(model.open_session(memory).skill.window.closed)
    return Validation(model.validation_figures(memory), np.diff(np.stack(closed), axis=0), model.fresh_skill(memory))


def model_metrics(
    dataset: Dataset, folds: Sequence[Fold], validation: Validation, fitted_on: Sequence[FittedOn], h: int, m: int
) -> ModelMetrics:
    """Return the figures of horizon h and family m, as they are stored; `fitted_on` has one entry per fold."""
    overlap = dataset.horizons[h].bars or dataset.panel.bars_per_session
    tallies = validation.tallies[:, :, h, m]
    dates = [session.date for session in dataset.panel.sessions.sessions]
    n_effective = float(validation.pooled.n_effective[h, m])
    n_forecasts = int(tallies[:, SQUARES_COUNT].sum())
    return ModelMetrics(
        ic=float(validation.pooled.ic[h, m]) if n_effective > 0 else None,
        n_effective=n_effective,
        rmse=float(validation.pooled.rmse[h, m]) if n_forecasts else None,
        n_forecasts=n_forecasts,
        folds=tuple(
            FoldMetrics(
                train_rows=on.n_rows,
                train_start=on.first_session,
                train_end=on.last_session,
                validation_start=dates[fold.first_session],
                validation_end=dates[fold.last_session],
                ic=_mean(tally[IC_SUM], tally[IC_COUNT]),
                n_effective=float(tally[IC_COUNT]) / overlap,
                rmse=_root(_mean(tally[SQUARES], tally[SQUARES_COUNT])),
                n_forecasts=int(tally[SQUARES_COUNT]),
            )
            for fold, on, tally in zip(folds, fitted_on, tallies, strict=True)
        ),
    )


def _mean(total: float, count: float) -> float | None:
    return float(total) / float(count) if count > 0 else None


def _root(square: float | None) -> float | None:
    return None if square is None else float(np.sqrt(square))
