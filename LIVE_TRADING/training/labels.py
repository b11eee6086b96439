"""What a forecast is trained on: the return that an order decided at the end of bar t can earn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.types import FloatArray, IntArray
from LIVE_TRADING.common.units import BPS
from LIVE_TRADING.data.calendars import ALWAYS_OPEN
from LIVE_TRADING.data.panel import BarPanel

WARMUP_SESSIONS = 10
TARGET_CLIP = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class LabelSpans:
    """Rows of the panel between which the label of each row runs, (T,) each; -1: the row has no label.

    From the open of bar `entry_row` to the close of bar `end_row`.
    """

    entry_row: IntArray
    end_row: IntArray


def label_spans(panel: BarPanel, horizon: Horizon) -> LabelSpans:
    """Return where the labels of one horizon begin and end.

    From the open of bar t+1 to the close of bar t+h, both within the session of bar t; for 1d to the close of bar t's
    slot in the next session, none where that slot is missing (half days). The first ten sessions of the panel, in which
    features and volatility form, have no labels. Where the market never closes, labels cross the UTC day, but no gap in
    the recording.
    """
    rows = np.arange(len(panel), dtype=np.int64)
    end_row = _same_slot_next_session(panel) if horizon.is_daily else _bars_ahead(panel, horizon.bars)
    warm = panel.session_index - panel.session_index[:1] >= WARMUP_SESSIONS
    exists = (end_row > rows) & warm
    return LabelSpans(np.where(exists, rows + 1, -1), np.where(exists, end_row, -1))


def label_bps(panel: BarPanel, spans: LabelSpans) -> FloatArray:
    """Return the labels (T, N) in bps, close/open − 1; NaN: no label, or no bar to enter or to end with."""
    labels = np.full(panel.close.shape, np.nan)
    rows = np.flatnonzero(spans.end_row >= 0)
    labels[rows] = (panel.close[spans.end_row[rows]] / panel.open[spans.entry_row[rows]] - 1.0) * BPS
    return labels


def training_target(labels_bps: FloatArray, sigma_bps: FloatArray) -> FloatArray:
    """Return labels in units of their volatility, clipped at ±4; NaN where either is unknown or σ is not positive."""
    known = np.where(sigma_bps > 0, sigma_bps, np.nan)
    return np.clip(labels_bps / known, -TARGET_CLIP, TARGET_CLIP)


def _bars_ahead(panel: BarPanel, n_bars: int) -> IntArray:
    """Return the row (T,) `n_bars` after each, -1 where trading does not go on without a break until then."""
    end_row = np.full(len(panel), -1, dtype=np.int64)
    first, last = slice(None, -n_bars), slice(n_bars, None)
    if panel.sessions.name == ALWAYS_OPEN:
        unbroken = panel.bar_end_ns[last] - panel.bar_end_ns[first] == n_bars * panel.interval_ns
    else:
        unbroken = panel.session_index[last] == panel.session_index[first]
    end_row[first] = np.where(unbroken, np.arange(n_bars, n_bars + len(unbroken)), -1)
    return end_row


def _same_slot_next_session(panel: BarPanel) -> IntArray:
    """Return the row (T,) of each row's slot in the next session, -1 where there is none."""
    place = panel.session_index * panel.bars_per_session + panel.slot
    wanted = place + panel.bars_per_session
    found = np.searchsorted(place, wanted)
    there = found < len(place)
    there[there] &= place[found[there]] == wanted[there]
    return np.where(there, found, -1)
