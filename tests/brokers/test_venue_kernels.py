"""The kernels of the simulated venue; what they compute is held by the tests of the exchange."""

# covers: P16

from __future__ import annotations

import numpy as np

from LIVE_TRADING.brokers.market import learn
from LIVE_TRADING.brokers.statistics import add_bars
from tests.support.kernels import assert_same_interpreted, awkward

N = 80


def test_the_kernels_say_the_same_interpreted() -> None:
    rng = np.random.default_rng(7)
    close, volume, last_close, bid, spread, marks = (awkward(rng, (N,)) for _ in range(6))
    ask = np.where(rng.random(N) < 0.5, bid + 0.01, awkward(rng, (N,)))
    assert_same_interpreted(add_bars, close, volume, awkward(rng, (2, N)), last_close, np.empty((2, N)), np.empty(N))
    assert_same_interpreted(learn, bid, ask, close, spread, marks, np.empty(N), np.empty(N))
