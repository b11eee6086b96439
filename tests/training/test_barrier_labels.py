"""The label of a bar is which barrier comes first after it, and nothing else is in it."""

# covers: P13

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_panels import random_panel

from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.training.barrier_labels import barrier_horizon, barrier_labels
from LIVE_TRADING.training.labels import label_spans

PRICES = ("open", "high", "low", "close", "volume", "bid", "ask")
SPAN = Horizon("15m", 3, 15)
SIGMA_BPS = 100.0
NAN = float("nan")


def panel_of(seed: int = 0, minutes: int = 65) -> BarPanel:
    """Six bars a session; the path moves by about a percent in a bar."""
    table = session_table("simulated", "2025-01-02", "2025-01-24")
    plain = random_panel(table, minutes=minutes, seed=seed)
    steps = np.random.default_rng(seed).standard_normal((2 * len(plain), 3)) * 0.006
    path = 100.0 * np.exp(np.cumsum(steps, axis=0))
    opens, closes = path[0::2].copy(), path[1::2].copy()
    high, low = np.maximum(opens, closes) * 1.001, np.minimum(opens, closes) / 1.001
    return replace(plain, open=opens, close=closes, high=high, low=low, bid=closes.copy(), ask=closes.copy())


def labels_of(panel: BarPanel, sigma_bps: float | np.ndarray = SIGMA_BPS) -> tuple[np.ndarray, np.ndarray]:
    labels = barrier_labels(panel, label_spans(panel, SPAN), np.broadcast_to(sigma_bps, panel.close.shape))
    return labels.peak, labels.valley


def first_touch(bars: list[tuple[float, float, float, float]], sigma_bps: float = SIGMA_BPS) -> tuple[float, float]:
    """Return the label of the bar before these three (open, high, low, close)."""
    panel = panel_of()
    row = int(np.searchsorted(panel.session_index, 12)) + 1  # the second bar of a session with labels
    arrays = {name: getattr(panel, name).copy() for name in ("open", "high", "low", "close")}
    for number, bar in enumerate(bars, start=1):
        for name, value in zip(("open", "high", "low", "close"), bar, strict=True):
            arrays[name][row + number, 0] = value
    peak, valley = labels_of(replace(panel, **arrays), sigma_bps)
    return float(peak[row, 0]), float(valley[row, 0])


CALM = (100.0, 100.5, 99.5, 100.0)
UP, DOWN, BOTH, GONE = (100, 101.2, 99.5, 101), (100, 100.5, 98.9, 99), (100, 101.2, 98.9, 100), (NAN, NAN, NAN, NAN)


@pytest.mark.parametrize(
    ("bars", "peak", "valley"),
    [
        pytest.param([CALM, DOWN, UP], 1, 0, id="falls-first: a peak was here"),
        pytest.param([UP, DOWN, DOWN], 0, 1, id="rises-first: a valley was here"),
        pytest.param([CALM, CALM, DOWN], 1, 0, id="in-the-last-bar"),
        pytest.param([CALM, CALM, CALM], 0, 0, id="neither"),
        pytest.param([CALM, BOTH, UP], NAN, NAN, id="both-in-one-bar"),
        pytest.param([UP, BOTH, DOWN], 0, 1, id="both-after-the-first-touch"),
        pytest.param([(100, 101.0, 100, 100), CALM, CALM], 0, 1, id="the-upper-barrier-itself"),
        pytest.param([(100, 100, 100 / 1.01, 100), CALM, CALM], 1, 0, id="the-lower-barrier-itself"),
        pytest.param([GONE, DOWN, CALM], NAN, NAN, id="no-bar-to-enter"),
        pytest.param([CALM, GONE, DOWN], NAN, NAN, id="missing-before-the-touch"),
        pytest.param([UP, GONE, GONE], 0, 1, id="missing-after-the-touch"),
        pytest.param([CALM, CALM, GONE], NAN, NAN, id="missing-where-neither-came"),
        pytest.param([(99, 99, 98.6, 98.8), CALM, CALM], 0, 1, id="from-the-open-and-not-from-the-last-close"),
    ],
)
def test_by_hand(bars, peak: float, valley: float) -> None:
    np.testing.assert_equal(first_touch(bars), (peak, valley))


@pytest.mark.parametrize("sigma_bps", [NAN, 0.0, -1.0])
def test_without_a_volatility_there_is_none(sigma_bps: float) -> None:
    np.testing.assert_equal(first_touch([DOWN, DOWN, DOWN], sigma_bps), (NAN, NAN))


def by_loop(panel: BarPanel, sigma_bps: np.ndarray) -> np.ndarray:
    """Return +1 up first, -1 down first, 0 neither, NaN, bar by bar and symbol by symbol."""
    out = np.full(panel.close.shape, np.nan)
    sessions = panel.session_index
    for t in range(len(panel) - 3):
        if sessions[t + 3] != sessions[t] or sessions[t] - sessions[0] < 10:
            continue
        for n in range(len(panel.symbols)):
            entry, out[t, n] = panel.open[t + 1, n], 0.0
            for k in (1, 2, 3):
                up = panel.high[t + k, n] >= entry * (1 + sigma_bps[t, n] / 1e4)
                down = panel.low[t + k, n] <= entry / (1 + sigma_bps[t, n] / 1e4)
                if up or down:
                    out[t, n] = np.nan if up and down else (1.0 if up else -1.0)
                    break
    return out


def test_equal_to_a_plain_loop_and_every_kind_occurs() -> None:
    panel = panel_of(seed=3)
    sigma = np.exp(np.random.default_rng(1).standard_normal(panel.close.shape) * 0.5) * 80.0
    expected = by_loop(panel, sigma)
    peak, valley = labels_of(panel, sigma)
    np.testing.assert_array_equal(valley - peak, expected)
    for kind in (-1.0, 0.0, 1.0):
        assert (expected == kind).sum() > 10
    assert not (peak * valley == 1.0).any()


def test_none_crosses_a_session_end() -> None:
    panel = panel_of()
    peak, _ = labels_of(panel)
    n_labels = np.isfinite(peak).any(axis=1)
    assert not n_labels[panel.slot > 2].any()  # six bars a session: t + 3 must be one of them
    assert n_labels[(panel.slot <= 2) & (panel.session_index >= 10)].all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 200), st.integers(0, 5))
def test_only_the_bars_of_its_span_are_in_a_label(t: int, seed: int) -> None:
    panel = panel_of(seed)
    t = t % len(panel)
    expected = [values[t] for values in labels_of(panel)]
    outside = np.ones(len(panel), dtype=bool)
    outside[t + 1 : t + 4] = False
    changed = {name: getattr(panel, name).copy() for name in PRICES}
    for values in changed.values():
        values[outside] *= 1.7
    for got, values in zip(labels_of(replace(panel, **changed)), expected, strict=True):
        np.testing.assert_array_equal(got[t], values)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_mirroring_prices_swaps_peak_and_valley(seed: int) -> None:
    panel = panel_of(seed)
    mirrored = replace(panel, open=1 / panel.open, high=1 / panel.low, low=1 / panel.high, close=1 / panel.close)
    peak, valley = labels_of(panel)
    np.testing.assert_array_equal(labels_of(mirrored), (valley, peak))


@pytest.mark.parametrize(("minutes", "bars"), [(1, 15), (5, 3), (3, None), (15, None), (30, None)])
def test_five_minutes_are_whole_bars_or_there_are_no_labels(minutes: int, bars: int | None) -> None:
    horizon = barrier_horizon(minutes * NS_PER_MINUTE, 390)
    assert (None if horizon is None else horizon.bars) == bars
