"""What a label depends on, for every horizon, with half days and missing bars: nothing up to t, nothing too late."""

# covers: P9, P10, R3

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_panels import HORIZONS, market_of, random_panel

from LIVE_TRADING.common.horizons import HORIZON_NAMES, Horizon, parse_horizons
from LIVE_TRADING.common.types import BAR_FIELDS
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.data.bars_file import read_bars
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.training.dataset import Dataset, build_dataset, build_targets
from LIVE_TRADING.training.labels import TARGET_CLIP, LabelSpans, label_bps, label_spans

# 2025-07-03 is a half day, in the middle of the sessions that have labels
US, MISSING = ("XNYS", "2025-06-16", "2025-07-10"), 0.03
SIX = parse_horizons(HORIZON_NAMES, 5 * NS_PER_MINUTE, 390)
CRYPTO = parse_horizons(("60m", "1d"), 60 * NS_PER_MINUTE, 1440)
WORLDS = {
    "us": (random_panel(session_table(*US), minutes=5, missing=MISSING, seed=3), SIX),
    "crypto": (
        random_panel(session_table("24/7", "2025-01-01", "2025-01-20"), minutes=60, missing=MISSING, seed=4),
        CRYPTO,
    ),
}
CASES = [pytest.param(panel, h, id=f"{name}-{h.name}") for name, (panel, horizons) in WORLDS.items() for h in horizons]


def changed(panel: BarPanel, rows: slice | np.ndarray, seed: int, how: str) -> BarPanel:
    """Return the panel with other bars in some rows: other prices, or none, or some where there were none."""
    rng = np.random.default_rng(seed)
    arrays = {name: getattr(panel, name).copy() for name in BAR_FIELDS}
    for values in arrays.values():
        if how == "gone":
            values[rows] = np.nan
        elif how == "scaled":
            values[rows] *= 1.7
        else:
            values[rows] = 50.0 + rng.random(values[rows].shape)
    return replace(panel, **arrays)


HOW = st.sampled_from(["gone", "scaled", "drawn"])


def assert_same_bits(one: np.ndarray, other: np.ndarray) -> None:
    np.testing.assert_array_equal(one.view(np.int64), other.view(np.int64))


def labels_of(panel: BarPanel, horizon: Horizon) -> tuple[LabelSpans, np.ndarray]:
    spans = label_spans(panel, horizon)
    return spans, label_bps(panel, spans)


@pytest.mark.parametrize(("panel", "horizon"), CASES)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), how=HOW, seed=st.integers(0, 9))
def test_bars_up_to_t_are_not_in_the_label_of_t_or_of_any_later_row(panel, horizon, data, how, seed):
    t = data.draw(st.integers(0, len(panel) - 1))
    _, before = labels_of(panel, horizon)
    _, after = labels_of(changed(panel, slice(0, t + 1), seed, how), horizon)
    assert_same_bits(after[t:], before[t:])


@pytest.mark.parametrize(("panel", "horizon"), CASES)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), how=HOW, seed=st.integers(0, 9))
def test_bars_after_its_end_are_not_in_a_label(panel, horizon, data, how, seed):
    spans, before = labels_of(panel, horizon)
    t = data.draw(st.sampled_from(np.flatnonzero(spans.end_row >= 0).tolist()))
    end = int(spans.end_row[t])
    _, after = labels_of(changed(panel, slice(end + 1, None), seed, how), horizon)
    ended = (spans.end_row >= 0) & (spans.end_row <= end)
    assert ended[t]
    assert_same_bits(after[ended], before[ended])


@pytest.mark.parametrize(("panel", "horizon"), CASES)
def test_of_the_bars_between_the_open_of_the_first_and_the_close_of_the_last_count_and_no_other_number(panel, horizon):
    spans, before = labels_of(panel, horizon)
    known = np.flatnonzero(np.isfinite(before).all(axis=1))
    rng = np.random.default_rng(1)
    for t in rng.choice(known, size=20, replace=False).tolist():
        entry, end = int(spans.entry_row[t]), int(spans.end_row[t])
        others = {name: getattr(panel, name).copy() for name in BAR_FIELDS}
        for name, values in others.items():
            kept = {"open": entry, "close": end}.get(name)
            values[[row for row in range(entry, end + 1) if row != kept]] *= 3.0
        _, same = labels_of(replace(panel, **others), horizon)
        assert_same_bits(same[t], before[t])
        for name, row, factor in (("open", entry, 0.5), ("close", end, 2.0)):
            doubled = {name: getattr(panel, name).copy()}
            doubled[name][row] *= factor
            _, other = labels_of(replace(panel, **doubled), horizon)
            np.testing.assert_allclose(1 + other[t] / 1e4, 2 * (1 + before[t] / 1e4), rtol=1e-9)


@pytest.mark.parametrize("horizon", SIX, ids=lambda horizon: horizon.name)
def test_the_same_on_recorded_bars(shared_data: Callable[[str], Path], horizon: Horizon):
    panel = read_bars(shared_data("us_equity_5m_2025.parquet"), symbols=["AAPL", "JPM", "XOM"], start=US[1], end=US[2])
    spans, before = labels_of(panel, horizon)
    assert np.isfinite(before).sum() > 1000
    for t in np.random.default_rng(2).choice(np.flatnonzero(spans.end_row >= 0), size=10, replace=False).tolist():
        end = int(spans.end_row[t])
        for how in ("gone", "scaled", "drawn"):
            _, after = labels_of(changed(panel, slice(0, t + 1), t, how), horizon)
            assert_same_bits(after[t:], before[t:])
            _, after = labels_of(changed(panel, slice(end + 1, None), t, how), horizon)
            assert_same_bits(after[t], before[t])


# --- through σ_h, and through the features: the rows that a model is fitted to -------------------------------------

BARS = random_panel(session_table("XNYS", "2025-06-10", "2025-07-10"), missing=MISSING, seed=6)


def dataset_of(panel: BarPanel) -> Dataset:
    return build_dataset(panel, market_of(panel), HORIZONS)


@cache
def whole() -> Dataset:
    return dataset_of(BARS)


@settings(max_examples=8, deadline=None)
@given(t=st.integers(170, len(BARS) - 20), how=st.sampled_from(["scaled", "drawn"]), seed=st.integers(0, 9))
def test_bars_up_to_t_change_the_target_of_t_in_its_scale_alone(t, how, seed):
    other = dataset_of(changed(BARS, slice(0, t + 1), seed, how))
    for h, horizon in enumerate(HORIZONS):
        _, labels = labels_of(BARS, horizon)
        for dataset in (whole(), other):
            target, sigma = build_targets(dataset, h).values[t], dataset.sigma_bps[t, h]
            free = np.isfinite(target) & (np.abs(target) < TARGET_CLIP)
            np.testing.assert_allclose((target * sigma)[free], labels[t][free], rtol=1e-12)
            clipped = np.isfinite(target) & ~free
            assert (np.sign(target[clipped]) == np.sign(labels[t][clipped])).all()


@settings(max_examples=8, deadline=None)
@given(t=st.integers(170, len(BARS) - 20), how=HOW, seed=st.integers(0, 9))
def test_bars_after_t_change_no_feature_no_scale_and_no_target_that_has_ended(t, how, seed):
    other = dataset_of(changed(BARS, slice(t + 1, None), seed, how))
    assert_same_bits(other.features[: t + 1], whole().features[: t + 1])
    assert_same_bits(other.sigma_bps[: t + 1], whole().sigma_bps[: t + 1])
    assert_same_bits(other.adv_usd[: t + 1], whole().adv_usd[: t + 1])
    for h in range(len(HORIZONS)):
        ours, theirs = build_targets(whole(), h), build_targets(other, h)
        ended = (ours.spans.end_row >= 0) & (ours.spans.end_row <= t)
        assert ended.sum() > 10
        assert_same_bits(theirs.values[ended], ours.values[ended])


def test_what_comes_after_t_does_change_what_is_after_t():
    """The test above compares numbers that move."""
    t = 200
    other = dataset_of(changed(BARS, slice(t + 1, None), 1, "drawn"))
    assert (other.sigma_bps[t + 1 :] != whole().sigma_bps[t + 1 :]).mean() > 0.9
    for h in range(len(HORIZONS)):
        ours, theirs = build_targets(whole(), h).values, build_targets(other, h).values
        ends_later = label_spans(BARS, HORIZONS[h]).end_row > t
        known = np.isfinite(ours) & ends_later[:, None]
        assert (ours != theirs)[known].mean() > 0.9
