"""The dataset says what the engine's own models say, and nothing of the future is in it."""

# covers: P9, P27, R3

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from training_panels import HORIZONS, market_of, random_panel

from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.models.features import compute_all
from LIVE_TRADING.training.dataset import Dataset, build_dataset, build_targets, select

TABLE = session_table("simulated", "2025-01-02", "2025-01-24")
PRICES = ("open", "high", "low", "close", "volume", "bid", "ask")


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return random_panel(TABLE, minutes=30, n_symbols=4, missing=0.01)


@pytest.fixture(scope="module")
def dataset(panel: BarPanel) -> Dataset:
    return build_dataset(panel, market_of(panel), HORIZONS)


def test_features_are_those_of_the_engine(panel: BarPanel, dataset: Dataset):
    expected = compute_all(market_of(panel).features, panel)
    np.testing.assert_array_equal(dataset.features.transpose(0, 2, 1), expected)
    assert dataset.memory.advanced_to_ns == panel.bar_end_ns[-1]
    np.testing.assert_array_equal(np.diff(dataset.session_number), np.diff(panel.session_index))


def test_nothing_at_t_depends_on_a_bar_after_t(panel: BarPanel, dataset: Dataset):
    t = 150
    later = {name: getattr(panel, name).copy() for name in PRICES}
    for values in later.values():
        values[t + 1 :] *= 2.0
    changed = build_dataset(replace(panel, **later), market_of(panel), HORIZONS)
    for name in ("features", "sigma_bps", "adv_usd"):
        np.testing.assert_array_equal(getattr(changed, name)[: t + 1], getattr(dataset, name)[: t + 1])
    assert not np.array_equal(changed.features, dataset.features, equal_nan=True)


def test_a_symbol_without_a_bar_has_no_target(panel: BarPanel, dataset: Dataset):
    for row in range(len(HORIZONS)):
        targets = build_targets(dataset, row)
        assert np.isnan(targets.values[np.isnan(panel.close)]).all()
        assert np.isnan(targets.values[targets.spans.end_row < 0]).all()
        assert np.nanmax(np.abs(targets.values)) <= 4.0


def test_selection_pairs_features_with_their_target(dataset: Dataset):
    targets = build_targets(dataset, 0)
    rows = np.arange(len(dataset.panel)) < 170
    features, goal = select(dataset, targets, rows, 10**9)
    known = np.argwhere(np.isfinite(targets.values[:170]))
    assert len(goal) == len(known) > 100
    for place in (0, 17, len(goal) - 1):
        t, n = known[place]
        np.testing.assert_array_equal(features[place], dataset.features[t, n])
        assert goal[place] == targets.values[t, n]
    assert features.flags.c_contiguous


def test_too_many_rows_are_thinned_by_bar_ends_over_all_slots(dataset: Dataset):
    targets = build_targets(dataset, 0)
    everywhere = np.ones(len(dataset.panel), dtype=bool)
    whole = select(dataset, targets, everywhere, 10**9)[1]
    thinned = select(dataset, targets, everywhere, len(whole) // 3)[1]
    assert 0.25 < len(thinned) / len(whole) < 0.42
    np.testing.assert_array_equal(thinned, select(dataset, targets, everywhere, len(whole) // 3)[1])
    assert set(thinned) <= set(whole)


def test_features_that_never_vary_are_found(dataset: Dataset):
    assert dataset.unvarying().tolist() == []
    features = dataset.features.copy()
    features[..., 1], features[..., 4], features[::2, :, 7] = np.nan, 3.0, np.nan
    features[5:, :, 4] = np.nan
    assert replace(dataset, features=features).unvarying().tolist() == [1, 4]


def test_progress_is_told(panel: BarPanel):
    told: list[tuple[str, int, int]] = []
    build_dataset(panel, market_of(panel), HORIZONS, lambda *step: told.append(step))
    assert told[-1] == ("features", len(panel), len(panel))
