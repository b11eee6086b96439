"""The bars of one bar end as the feature recursions read them: who has one, and how many each symbol has had."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.types import BarBatch, BoolArray, FloatArray, IntArray


class Arrival(NamedTuple):
    """Bars of N symbols at one bar end, contiguous copies (N,).

    A bar counts as missing unless all four prices are finite and the low is positive: then all of it is NaN, and the
    symbol's recursions hold.
    """

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    has_bar: BoolArray
    missing: BoolArray | None  # its opposite; None: every symbol has a bar
    before: IntArray  # bars of each symbol so far
    seen: IntArray  # the same with this one
    fewest: int  # the least of these

    def hold(self, new: npt.NDArray[Any], old: npt.NDArray[Any]) -> None:
        """Give symbols without a bar their old values back, in place; arrays (..., N)."""
        if self.missing is not None:
            np.copyto(new, old, where=self.missing)


def arrival(bars: BarBatch, before: IntArray) -> Arrival:
    """Return the bars of one bar end beside the number of bars (N,) that each symbol had before."""
    values = np.empty((5, before.size))
    open_, high, low, close, volume = values
    open_[:], high[:], low[:], close[:], volume[:] = bars.open, bars.high, bars.low, bars.close, bars.volume
    has_bar = np.add.reduce(values[:4]) < np.inf
    has_bar &= low > 0.0
    missing = None if np.logical_and.reduce(has_bar) else ~has_bar
    if missing is not None:
        np.copyto(values, np.nan, where=missing)
    seen = before + has_bar
    return Arrival(open_, high, low, close, volume, has_bar, missing, before, seen, int(np.minimum.reduce(seen)))
