"""Purged walk-forward folds: train on what was known, validate on what came next.

López de Prado (2018), chapter 7, on expanding windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.types import BoolArray
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.training.labels import WARMUP_SESSIONS, LabelSpans

EMBARGO_SESSIONS_DAILY = 1


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows [`first_row`, `end_row`) of the panel are validated; training uses rows before them.

    `first_session` and `last_session` are the session indices of the validation.
    """

    number: int
    first_row: int
    end_row: int
    first_session: int
    last_session: int


def plan_folds(panel: BarPanel, n_folds: int) -> tuple[Fold, ...]:
    """Cut the sessions that have labels into n_folds + 1 blocks of about equal length; all but the first are validated.

    Raises
    ------
    ConfigurationError
        There are too few sessions: the first block must leave something to train on after purge and embargo.
    """
    first = int(panel.session_index[0]) + WARMUP_SESSIONS if len(panel) else 0
    sessions = np.arange(first, int(panel.session_index[-1]) + 1) if len(panel) else np.arange(0)
    least = (n_folds + 1) * (EMBARGO_SESSIONS_DAILY + 2)
    if len(sessions) < least:
        raise ConfigurationError(
            f"{n_folds} folds need {WARMUP_SESSIONS + least} sessions, the data up to the end of training hold "
            f"{len(np.unique(panel.session_index))}; give more data, a later end or fewer folds"
        )
    blocks = np.array_split(sessions, n_folds + 1)[1:]
    return tuple(_fold(panel, number, int(block[0]), int(block[-1])) for number, block in enumerate(blocks, start=1))


def training_rows(panel: BarPanel, spans: LabelSpans, fold: Fold, horizon: Horizon) -> BoolArray:
    """Return (T,) the rows that a fold trains on: those whose label has ended when its validation opens.

    For 1d the label must have ended one session earlier still: neighbouring days share their slow features.
    """
    session = fold.first_session - (EMBARGO_SESSIONS_DAILY if horizon.is_daily else 0)
    limit = int(np.searchsorted(panel.session_index, session))
    rows: BoolArray = (spans.end_row >= 0) & (spans.end_row < limit)
    return rows


def _fold(panel: BarPanel, number: int, first_session: int, last_session: int) -> Fold:
    first_row, end_row = np.searchsorted(panel.session_index, [first_session, last_session + 1])
    return Fold(number, int(first_row), int(end_row), first_session, last_session)
