"""The bars of one bar end as the feature recursions read them: who has one, and how many each symbol has had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.types import BarBatch, BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """Bars of N symbols at one bar end, contiguous copies (N,).

    A bar counts as missing unless all four prices are finite and positive: then the symbol's recursions hold.
    """

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    has_bar: BoolArray
    complete: bool  # every symbol has a bar
    before: IntArray  # bars of each symbol so far
    count: IntArray  # the same with this one

    def hold(self, new: npt.NDArray[Any], old: npt.NDArray[Any]) -> None:
        """Give symbols without a bar their old values back, in place; arrays (..., N)."""
        if not self.complete:
            np.copyto(new, old, where=~self.has_bar)


def arrival(bars: BarBatch, before: IntArray) -> Arrival:
    """Return the bars of one bar end beside the number of bars (N,) that each symbol had before."""
    prices = np.array([bars.open, bars.high, bars.low, bars.close], dtype=np.float64)
    has_bar = (prices[2] > 0.0) & (np.add.reduce(prices) < np.inf)
    volume = np.ascontiguousarray(bars.volume, dtype=np.float64)
    complete = bool(has_bar.all())
    return Arrival(prices[0], prices[1], prices[2], prices[3], volume, has_bar, complete, before, before + has_bar)
