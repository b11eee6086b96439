"""The bars of one bar end as the feature recursions read them: who has one, and how many each symbol has had."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.types import BarBatch, BoolArray, FloatArray, IntArray


class Arrival(NamedTuple):
    """Bars of N symbols at one bar end.

    A bar counts as missing unless all four prices are finite and the low is positive: then all of it is NaN, and the
    symbol's recursions hold.
    """

    values: FloatArray  # (5, N) open, high, low, close, volume
    before: IntArray  # (N,) bars of each symbol so far
    seen: IntArray  # the same with this one
    n_missing: int

    @property
    def close(self) -> FloatArray:
        """Return the closes (N,)."""
        close: FloatArray = self.values[3]
        return close

    @property
    def volume(self) -> FloatArray:
        """Return the volumes (N,); NaN also where only the volume is unknown."""
        volume: FloatArray = self.values[4]
        return volume

    @property
    def has_bar(self) -> BoolArray:
        """Return which symbols have a bar (N,)."""
        has_bar: BoolArray = ~np.isnan(self.close)
        return has_bar


def arrival(bars: BarBatch, before: IntArray) -> Arrival:
    """Return the bars of one bar end beside the number of bars (N,) that each symbol had before."""
    values = np.concatenate((bars.open, bars.high, bars.low, bars.close, bars.volume), dtype=np.float64)
    values = values.reshape(5, before.size)
    seen = np.empty_like(before)
    return Arrival(values, before, seen, count_bars(values, before, seen))


@kernel("int64(float64[:, ::1], int64[::1], int64[::1])")
def count_bars(values: FloatArray, before: IntArray, seen: IntArray) -> int:
    """Return how many of the bars (5, N) are missing; write NaN over those, and the new counts (N,) into `seen`."""
    n_missing = 0
    for i in range(before.shape[0]):
        prices = values[0, i] + values[1, i] + values[2, i] + values[3, i]
        if prices - prices == 0.0 and values[2, i] > 0.0:
            seen[i] = before[i] + 1
        else:
            seen[i] = before[i]
            n_missing += 1
            for k in range(5):
                values[k, i] = np.nan
    return n_missing
