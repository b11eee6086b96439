"""The kernels that write features; what they write is held by test_features.py."""

# covers: P9

from __future__ import annotations

import numpy as np
import pytest

from LIVE_TRADING.models.feature_rows import blank, write_price_rows, write_returns, write_volatility, write_volume
from tests.support.kernels import assert_same_interpreted, awkward

N = 50


@pytest.mark.parametrize("seed", range(3))
def test_the_kernels_say_the_same_interpreted(seed):
    rng = np.random.default_rng(seed)
    added, totals, windows, session, bars = (awkward(rng, (rows, N)) for rows in (3, 3, 8, 6, 5))
    assert_same_interpreted(write_returns, added, windows, totals, session, np.empty((8, N)))
    assert_same_interpreted(write_price_rows, bars, session, awkward(rng, (7, N)), np.empty((3, N)))
    assert_same_interpreted(write_volatility, np.abs(windows), np.array([12.0, 24.0, 60.0]), np.empty((4, N)))
    volume, surprise = awkward(rng, (4, N)), awkward(rng, (N,))
    assert_same_interpreted(write_volume, surprise, volume, added, windows, 24, np.zeros((5, N)))
    needs = np.array([1, 7, 3])
    assert_same_interpreted(blank, bars[3], rng.integers(0, 9, N), needs, awkward(rng, (4, N)))
