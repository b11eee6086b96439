"""No fold is trained on a label that ends after its validation has begun."""

# covers: P9, R2

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_panels import random_panel

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.training.labels import WARMUP_SESSIONS, label_spans
from LIVE_TRADING.training.walk_forward import plan_folds, training_rows

SESSIONS = session_table("simulated", "2025-01-02", "2025-06-30").sessions
HORIZONS = (Horizon("30m", 1, 30), Horizon("60m", 2, 60), Horizon("1d", 0, 390))


def panel_of(n_sessions: int, calendar: str = "simulated"):
    return random_panel(session_table(calendar, SESSIONS[0].date, SESSIONS[n_sessions - 1].date), n_symbols=1)


@settings(max_examples=40, deadline=None)
@given(
    n_sessions=st.integers(28, 60),
    n_folds=st.integers(4, 5),
    horizon=st.sampled_from(HORIZONS),
    calendar=st.sampled_from(["simulated", "24/7"]),
)
def test_training_labels_end_before_validation_begins(n_sessions, n_folds, horizon, calendar):
    panel = panel_of(n_sessions, calendar)
    spans = label_spans(panel, horizon)
    folds = plan_folds(panel, n_folds)
    for fold in folds:
        rows = np.flatnonzero(training_rows(panel, spans, fold, horizon))
        validation_start_ns = panel.sessions.sessions[fold.first_session].open_ns
        assert len(rows) > 0
        assert panel.bar_end_ns[spans.end_row[rows]].max() <= validation_start_ns
        if horizon.is_daily:
            assert panel.session_index[spans.end_row[rows]].max() == fold.first_session - 2


@settings(max_examples=20, deadline=None)
@given(n_sessions=st.integers(28, 60), n_folds=st.integers(4, 5))
def test_folds_tile_what_follows_the_first_block(n_sessions, n_folds):
    panel = panel_of(n_sessions)
    folds = plan_folds(panel, n_folds)
    assert [fold.number for fold in folds] == list(range(1, n_folds + 1))
    assert folds[-1].end_row == len(panel)
    for before, after in itertools.pairwise(folds):
        assert (before.end_row, before.last_session + 1) == (after.first_row, after.first_session)
    sizes = [fold.last_session - fold.first_session + 1 for fold in folds]
    first_block = folds[0].first_session - WARMUP_SESSIONS
    assert max(*sizes, first_block) - min(sizes) <= 1
    for fold in folds:
        assert panel.slot[fold.first_row] == 0
        assert panel.session_index[fold.first_row] == fold.first_session
        assert panel.session_index[fold.end_row - 1] == fold.last_session


def test_training_expands():
    panel = panel_of(40)
    spans = label_spans(panel, HORIZONS[0])
    masks = [training_rows(panel, spans, fold, HORIZONS[0]) for fold in plan_folds(panel, 4)]
    for smaller, larger in itertools.pairwise(masks):
        assert (smaller <= larger).all()
        assert smaller.sum() < larger.sum()


@pytest.mark.parametrize("n_sessions", [1, 24])
def test_too_few_sessions_are_refused(n_sessions):
    with pytest.raises(ConfigurationError, match=f"4 folds need 25 sessions, .* hold {n_sessions}; give more data"):
        plan_folds(panel_of(n_sessions), 4)


def test_an_empty_panel_is_refused():
    panel = panel_of(1)
    with pytest.raises(ConfigurationError, match="hold 0"):
        plan_folds(panel.between(0, 1), 4)
