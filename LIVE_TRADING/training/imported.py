"""Models that were trained elsewhere: their files are read and checked before anything is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.types import BoolArray
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.models.artifacts import target_name
from LIVE_TRADING.models.families.interface import ImportedFamily, ImportParams, SequenceModel, get_family
from LIVE_TRADING.models.windows import FeatureWindows, Windows
from LIVE_TRADING.training.config import TrainingConfig
from LIVE_TRADING.training.dataset import Dataset
from LIVE_TRADING.training.walk_forward import EMBARGO_SESSIONS_DAILY, Fold


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """What a run takes over instead of fitting it.

    `models` by horizon and family, `until` by family the last date that they have seen, `lookback` the longest of their
    windows, 0 where there are none.
    """

    models: dict[tuple[str, str], SequenceModel]
    until: dict[str, str]
    lookback: int


NOTHING_IMPORTED = Imported({}, {}, 0)


def read_imported(
    config: TrainingConfig, horizons: Sequence[Horizon], features: tuple[str, ...], panel: BarPanel
) -> Imported:
    """Read the files of the families that train elsewhere.

    Raises
    ------
    ConfigurationError
        A file is not named, cannot be read or does not fit; or the models have seen more than the panel holds: a run
        may start where its training data end, and would be traded on what its models have seen. All problems at once.
    """
    models: dict[tuple[str, str], SequenceModel] = {}
    until: dict[str, str] = {}
    lookbacks, problems = [0], []
    for name in config.families:
        family, params = get_family(name), config.params_of(name)
        if not (isinstance(family, ImportedFamily) and isinstance(params, ImportParams)):
            continue
        problems += _problems_of(f"training.params.{name}", params, horizons, panel)
        lookbacks.append(params.lookback)
        until[name] = params.trained_until or ""
        for horizon in horizons:
            path = params.files.get(target_name(horizon.name))
            if path is None:
                continue  # said already
            try:
                models[horizon.name, name] = family.accept(Path(path).read_bytes(), features=features, params=params)
            except (OSError, ValueError) as error:
                said = error.strerror if isinstance(error, OSError) else error
                problems.append(f"training.params.{name}.files.{target_name(horizon.name)}: {path}: {said}")
    if problems:
        raise ConfigurationError("\n".join(problems))
    return Imported(models, until, max(lookbacks))


def unseen_rows(panel: BarPanel, horizon: Horizon, until: str) -> BoolArray:
    """Return (T,) the rows of the sessions after a date; for 1d one session later, as between training and validation.

    What a model says of the others says nothing about it.
    """
    first = sum(session.date <= until for session in panel.sessions.sessions)
    rows: BoolArray = panel.session_index >= first + (EMBARGO_SESSIONS_DAILY if horizon.is_daily else 0)
    return rows


def windows_at_folds(dataset: Dataset, folds: Sequence[Fold], lookback: int) -> list[Windows | None]:
    """Return the windows (N, lookback, F) at the first row of each fold; None where no model looks at any."""
    if not lookback:
        return [None] * len(folds)
    n_symbols, n_features = dataset.features.shape[1:]
    ring = FeatureWindows.empty(n_symbols, lookback, n_features)
    at_row: dict[int, Windows] = {}
    wanted = {fold.first_row for fold in folds}
    for row in range(max(wanted) + 1):
        ring = ring.advance(np.ascontiguousarray(dataset.features[row].T))
        if row in wanted:
            at_row[row] = ring.windows()
    return [at_row[fold.first_row] for fold in folds]


def _problems_of(where: str, params: ImportParams, horizons: Sequence[Horizon], panel: BarPanel) -> list[str]:
    """Return what is wrong with the settings, each with its key and remedy."""
    problems = []
    last = panel.session(len(panel) - 1).date
    targets = [target_name(horizon.name) for horizon in horizons]
    if params.trained_until is None:
        problems.append(
            f"{where}.trained_until: is not given; say the last date that training, tuning or choosing the models has "
            "seen, YYYY-MM-DD, since what they say of earlier sessions is no evidence for them"
        )
    elif params.trained_until > last:
        problems.append(
            f"{where}.trained_until: {params.trained_until} is after {last}, the end of the training data, from where "
            "the run may be traded; give data until then, or a later --until"
        )
    for target in targets:
        if target not in params.files:
            problems.append(f"{where}.files.{target}: is not given; name its file, or leave the horizon out")
    for target in sorted(set(params.files) - set(targets)):
        problems.append(f"{where}.files.{target}: is not trained; known are {', '.join(targets)}")
    return problems
