"""Volume against the symbol's own level."""

# covers: P9

from __future__ import annotations

import numpy as np
import pytest

from LIVE_TRADING.common.types import BarBatch
from LIVE_TRADING.models.arrivals import arrival
from LIVE_TRADING.models.volume_level import VolumeLevel, advance_volume
from tests.support.kernels import assert_same_interpreted, awkward

LEVEL_SPAN, TREND_SPAN, CLIP = 20.0, 5, 2.0


def run(volumes, has_bar=None):
    """Return surprise, trend and clipped log volume, each (T, N), of volumes (T, N)."""
    volumes = np.asarray(volumes, dtype=float)
    has_bar = np.ones(volumes.shape, dtype=bool) if has_bar is None else has_bar
    tracker, count, out = VolumeLevel(LEVEL_SPAN, TREND_SPAN, CLIP), np.zeros(volumes.shape[1], dtype=np.int64), []
    state = tracker.initial(volumes.shape[1])
    for volume, present in zip(volumes, has_bar, strict=True):
        price = np.where(present, 7.0, np.nan)
        now = arrival(BarBatch(0, 1, price, price, price, price, volume, price, price), count)
        surprise, relative = np.empty((2, volumes.shape[1]))
        state = tracker.advance(state, now.volume, surprise, relative)
        out.append((surprise, state.trend, relative))
        count = now.seen
    return np.array(out).swapaxes(0, 1)


def expected(volumes):
    """Return the same of one symbol's volumes by the formulas, a plain loop."""
    anchor, level, trend, known, out = None, 0.0, 0.0, 0, []
    for volume in volumes:
        surprise = np.nan
        if anchor is None and 0 < volume < np.inf:
            anchor, known, relative = np.log(volume), 1, level
        elif anchor is None or np.isnan(volume):
            relative = level
        else:
            log_volume = np.log(volume) - anchor if volume > 0 else -np.inf  # infinite volume clips at the top
            surprise = min(max(log_volume - level, -CLIP), CLIP)
            known, relative = known + 1, level + surprise
            level += max(1.0 / known, 2.0 / (LEVEL_SPAN + 1.0)) * surprise
            trend += 2.0 / (TREND_SPAN + 1.0) * (surprise - trend)
        out.append((surprise, trend, relative))
    return np.array(out).T


@pytest.mark.parametrize(
    "special",
    [
        pytest.param([], id="plain"),
        pytest.param([0.0], id="zero-volume"),
        pytest.param([np.nan], id="unknown-volume"),
        pytest.param([0.0, np.nan, 1e12, np.inf], id="all-of-them"),
    ],
)
def test_formulas(special):
    rng = np.random.default_rng(8)
    volumes = np.exp(rng.normal(9.0, 1.0, (200, 4)))
    for value in special:
        volumes[rng.random(volumes.shape) < 0.05] = value
        volumes[:3, 1] = value
    got = run(volumes)
    for column in range(4):
        np.testing.assert_allclose(got[:, :, column], expected(volumes[:, column]), rtol=1e-9, atol=1e-11)


def test_zero_volume_is_the_lowest_surprise_and_moves_the_level_little():
    surprise, _, _ = run([[100.0]] * 40 + [[0.0]] + [[100.0]])
    assert surprise[40, 0] == -CLIP
    assert surprise[41, 0] == pytest.approx(CLIP * 2.0 / (LEVEL_SPAN + 1.0))


def test_the_unit_of_volume_does_not_matter():
    volumes = np.exp(np.random.default_rng(1).normal(9.0, 1.0, (50, 3)))
    volumes[7] = 0.0
    np.testing.assert_allclose(run(volumes * 1e-6)[:2], run(volumes)[:2], rtol=1e-9, atol=1e-12)


def test_a_missing_bar_holds_the_level_whatever_volume_comes_with_it():
    rng = np.random.default_rng(3)
    volumes = np.exp(rng.normal(9.0, 1.0, (80, 3)))
    has_bar = rng.random(volumes.shape) > 0.2
    got = run(volumes, has_bar)
    for column in range(3):
        own = has_bar[:, column]
        np.testing.assert_array_equal(got[:, own, column], run(volumes[own, column][:, None])[:, :, 0])
        assert np.isnan(got[0, ~own, column]).all()


def test_the_kernel_says_the_same_interpreted():
    rng, n = np.random.default_rng(7), 60
    before, rows = awkward(rng, (4, n)), np.empty((6, n))
    assert_same_interpreted(advance_volume, awkward(rng, (n,)), before, 0.1, 0.3, CLIP, rows[:4], rows[4], rows[5])
