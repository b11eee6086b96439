"""Fits the models of a run: one per fold, horizon and family for validation, then one on everything."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import BoolArray, FloatArray
from LIVE_TRADING.models.families.interface import Model, TrainableFamily, get_family
from LIVE_TRADING.models.inference import InferenceEngine
from LIVE_TRADING.models.windows import Windows
from LIVE_TRADING.training.config import TrainingConfig
from LIVE_TRADING.training.dataset import Dataset, Targets, select
from LIVE_TRADING.training.imported import NOTHING_IMPORTED, Imported, unseen_rows, windows_at_folds
from LIVE_TRADING.training.progress import Progress
from LIVE_TRADING.training.walk_forward import Fold, training_rows


@dataclass(frozen=True, slots=True)
class FittedOn:
    """What a model was fitted on: how many rows, and the first and last session in which they were bars."""

    n_rows: int
    first_session: str
    last_session: str


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The models of a run on the grid [horizon][family], and how their like did out of fold.

    `raw` (T, H, M, N) holds each fold's forecasts by the models fitted before it, NaN before the first fold. `on` has
    one entry per horizon, `folds_on` one per fold and horizon.
    """

    models: list[list[Model]]
    raw: FloatArray
    on: list[FittedOn]
    folds_on: list[list[FittedOn]]


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """All families of one horizon fitted on one mask, with their forecasts (T', M, N) of the fold's rows, if any."""

    models: list[Model]
    on: FittedOn
    raw: FloatArray | None


def fit_run(
    dataset: Dataset,
    targets: Sequence[Targets],
    folds: Sequence[Fold],
    config: TrainingConfig,
    progress: Progress,
    imported: Imported = NOTHING_IMPORTED,
) -> Fitted:
    """Fit everything, `config.threads` fits at a time; what comes out does not depend on how many.

    `imported` models are taken as they are; what they forecast of sessions that they have seen is NaN.

    Raises
    ------
    ConfigurationError
        A family was given too few rows.
    """
    rounds: list[Fold | None] = [*folds, None]
    windows = [*windows_at_folds(dataset, folds, imported.lookback), None]
    with ThreadPoolExecutor(config.threads) as pool:
        grid = [
            [pool.submit(_fit, dataset, target, h, fold, config, imported, at) for h, target in enumerate(targets)]
            for fold, at in reversed(list(zip(rounds, windows, strict=True)))  # the longest first
        ][::-1]
        try:
            watch("fit", [future for row in grid for future in row], progress)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    fits = [[future.result() for future in row] for row in grid]
    return Fitted(
        models=[fit.models for fit in fits[-1]],
        raw=_out_of_fold(dataset, folds, fits[:-1], len(config.families)),
        on=[fit.on for fit in fits[-1]],
        folds_on=[[fit.on for fit in row] for row in fits[:-1]],
    )


def watch(what: str, futures: Sequence[Future[Any]], progress: Progress) -> None:
    """Tell how many fits are done; raise what the first failing one raised."""
    progress(what, 0, len(futures))
    for done, future in enumerate(as_completed(futures), start=1):
        future.result()
        progress(what, done, len(futures))


def _fit(
    dataset: Dataset,
    target: Targets,
    h: int,
    fold: Fold | None,
    config: TrainingConfig,
    imported: Imported,
    windows: Windows | None,
) -> _Fit:
    """Fit every family of horizon h for a fold, or on every label that ends within the panel.

    `windows` are those of the fold's first row.
    """
    horizon = dataset.horizons[h]
    mask = target.spans.end_row >= 0 if fold is None else training_rows(dataset.panel, target.spans, fold, horizon)
    features, goal = select(dataset, target, mask, config.max_rows)
    models: list[Model] = []
    for name in config.families:
        family = get_family(name)
        if not isinstance(family, TrainableFamily):
            models.append(imported.models[horizon.name, name])
            continue
        try:
            models.append(family.train(features, goal, seed=config.seed, params=config.params_of(name)))
        except ValueError as error:
            raise ConfigurationError(
                f"horizon {horizon.name}, family {name}: {error}; give more data or fewer folds, or other "
                f"training.params.{name}"
            ) from error
    raw = _forecasts(dataset, h, models, fold, config, imported, windows) if fold is not None else None
    return _Fit(models, fitted_on(dataset, mask, len(goal)), raw)


def _forecasts(
    dataset: Dataset,
    h: int,
    models: list[Model],
    fold: Fold,
    config: TrainingConfig,
    imported: Imported,
    windows: Windows | None,
) -> FloatArray:
    """Return the forecasts (T', M, N) of the fold's rows, NaN where a model has seen the session."""
    rows = slice(fold.first_row, fold.end_row)
    raw = InferenceEngine([models]).predict_block(dataset.features[rows].transpose(0, 2, 1), windows)[:, 0]
    for m, name in enumerate(config.families):
        if name in imported.until:
            raw[~unseen_rows(dataset.panel, dataset.horizons[h], imported.until[name])[rows], m] = np.nan
    return raw


def fitted_on(dataset: Dataset, mask: BoolArray, n_rows: int) -> FittedOn:
    """Return what a fit of `n_rows` rows at the bar ends `mask` (T,) was made on."""
    sessions = dataset.panel.session_index[mask]
    dates = [dataset.panel.sessions.sessions[int(index)].date for index in (sessions[0], sessions[-1])]
    return FittedOn(n_rows, dates[0], dates[1])


def _out_of_fold(dataset: Dataset, folds: Sequence[Fold], fits: list[list[_Fit]], n_families: int) -> FloatArray:
    n_rows, n_symbols = dataset.panel.close.shape
    raw = np.full((n_rows, len(dataset.horizons), n_families, n_symbols), np.nan)
    for fold, row in zip(folds, fits, strict=True):
        for h, fit in enumerate(row):
            raw[fold.first_row : fold.end_row, h] = fit.raw
    return raw
