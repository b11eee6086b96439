"""Labels are what an order decided at the end of bar t can earn, and nothing of it is known at t."""

# covers: P9, P10

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_panels import random_panel

from LIVE_TRADING.common.horizons import Horizon, parse_horizons
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.training.labels import WARMUP_SESSIONS, label_bps, label_spans, training_target

HALF_HOUR, HOUR, DAY = parse_horizons(("30m", "60m", "1d"), 30 * NS_PER_MINUTE, 390)
PRICES = ("open", "high", "low", "close", "volume", "bid", "ask")


def labels_of(panel: BarPanel, horizon: Horizon) -> np.ndarray:
    return label_bps(panel, label_spans(panel, horizon))


def row_of(panel: BarPanel, date: str, slot: int) -> int:
    session = panel.sessions.of_date(date)
    assert session is not None
    row = panel.row_of(session.open_ns + (slot + 1) * panel.interval_ns)
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("horizon", "date", "slot", "end_date", "end_slot"),
    [
        pytest.param(HALF_HOUR, "2025-07-01", 0, "2025-07-01", 1, id="one-bar"),
        pytest.param(HOUR, "2025-07-01", 10, "2025-07-01", 12, id="the-last-that-fits"),
        pytest.param(HOUR, "2025-07-03", 4, "2025-07-03", 6, id="the-last-of-a-half-day"),
        pytest.param(DAY, "2025-06-30", 5, "2025-07-01", 5, id="next-session"),
        pytest.param(DAY, "2025-07-02", 6, "2025-07-03", 6, id="into-the-half-day"),
        pytest.param(DAY, "2025-07-03", 6, "2025-07-07", 6, id="out-of-the-half-day"),
        pytest.param(DAY, "2025-06-30", 12, "2025-07-01", 12, id="decided-at-the-close"),
    ],
)
def test_label_by_hand(half_day_panel, horizon, date, slot, end_date, end_slot):
    row, end = row_of(half_day_panel, date, slot), row_of(half_day_panel, end_date, end_slot)
    expected = (half_day_panel.close[end] / half_day_panel.open[row + 1] - 1) * 1e4
    np.testing.assert_array_equal(labels_of(half_day_panel, horizon)[row], expected)


@pytest.mark.parametrize(
    ("horizon", "date", "slot"),
    [
        pytest.param(HALF_HOUR, "2025-07-01", 12, id="last-bar"),
        pytest.param(HOUR, "2025-07-01", 11, id="longer-than-the-session"),
        pytest.param(HOUR, "2025-07-03", 5, id="longer-than-the-half-day"),
        pytest.param(DAY, "2025-07-02", 7, id="slot-missing-on-the-half-day"),
        pytest.param(DAY, "2025-07-11", 0, id="no-next-session"),
        pytest.param(HALF_HOUR, "2025-06-13", 0, id="warm-up"),
    ],
)
def test_no_label(half_day_panel, horizon, date, slot):
    assert np.isnan(labels_of(half_day_panel, horizon)[row_of(half_day_panel, date, slot)]).all()


@pytest.mark.parametrize("horizon", [HALF_HOUR, HOUR])
def test_intraday_labels_never_cross_a_session_end(half_day_panel, horizon):
    spans = label_spans(half_day_panel, horizon)
    rows = np.flatnonzero(spans.end_row >= 0)
    assert len(rows) > 0
    index = half_day_panel.session_index
    np.testing.assert_array_equal(index[rows], index[spans.end_row[rows]])
    np.testing.assert_array_equal(spans.entry_row[rows], rows + 1)
    np.testing.assert_array_equal(spans.end_row[rows], rows + horizon.bars)


def test_the_first_ten_sessions_have_none_and_the_eleventh_has_all_that_fit(half_day_panel):
    panel = half_day_panel
    for horizon, per_session in ((HALF_HOUR, 12), (HOUR, 11), (DAY, 13)):
        has = ~np.isnan(labels_of(panel, horizon)).any(axis=1)
        assert not has[panel.session_index < WARMUP_SESSIONS].any()
        assert has[panel.session_index == WARMUP_SESSIONS].sum() == per_session


def test_a_missing_bar_leaves_out_the_labels_that_touch_it(half_day_panel):
    panel = half_day_panel
    row = row_of(panel, "2025-07-08", 6)
    holes = {name: getattr(panel, name).copy() for name in PRICES}
    for values in holes.values():
        values[row, 1] = np.nan
    changed = np.isnan(labels_of(replace(panel, **holes), HOUR)) & ~np.isnan(labels_of(panel, HOUR))
    assert [tuple(pair) for pair in np.argwhere(changed)] == [(row - 2, 1), (row - 1, 1)]


def test_crypto_labels_cross_the_utc_day_but_no_gap(crypto_panel):
    panel = crypto_panel
    hour, day = parse_horizons(("60m", "1d"), 60 * NS_PER_MINUTE, 1440)
    row = row_of(panel, "2025-01-14", 23)
    assert labels_of(panel, hour)[row, 0] == (panel.close[row + 1, 0] / panel.open[row + 1, 0] - 1) * 1e4
    assert labels_of(panel, day)[row, 0] == (panel.close[row + 24, 0] / panel.open[row + 1, 0] - 1) * 1e4
    gap = np.delete(np.arange(len(panel)), np.arange(row + 1, row + 25))
    cut = replace(
        panel, **{name: getattr(panel, name)[gap] for name in (*PRICES, "bar_end_ns", "session_index", "slot")}
    )
    assert np.isnan(labels_of(cut, hour)[row]).all()
    assert np.isnan(labels_of(cut, day)[row - 23 : row + 1]).all()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_price_up_to_t_is_in_the_label_of_t(data):
    panel = random_panel(session_table("simulated", "2025-01-02", "2025-01-24"), minutes=65)
    horizon = data.draw(st.sampled_from((*parse_horizons(("1d",), 65 * NS_PER_MINUTE, 390), Horizon("x", 2, 130))))
    t = data.draw(st.integers(0, len(panel) - 1))
    changed = {name: getattr(panel, name).copy() for name in PRICES}
    for values in changed.values():
        values[: t + 1] *= 1.7
    before, after = labels_of(panel, horizon), labels_of(replace(panel, **changed), horizon)
    np.testing.assert_array_equal(after[t:], before[t:])


def test_target_is_the_label_in_volatilities_clipped():
    labels = np.array([[10.0, -1000.0, 1000.0, 10.0, 10.0, np.nan]])
    sigma = np.array([[20.0, 20.0, 20.0, np.nan, 0.0, 20.0]])
    np.testing.assert_array_equal(training_target(labels, sigma), [[0.5, -4.0, 4.0, np.nan, np.nan, np.nan]])
