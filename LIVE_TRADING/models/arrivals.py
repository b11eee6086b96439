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
    count: IntArray  # the same with this one

    def hold(self, new: npt.NDArray[Any], old: npt.NDArray[Any]) -> None:
        """Give symbols without a bar their old values back, in place; arrays (..., N)."""
        if self.missing is not None:
            np.copyto(new, old, where=self.missing)


def arrival(bars: BarBatch, before: IntArray) -> Arrival:
    """Return the bars of one bar end beside the number of bars (N,) that each symbol had before."""
    values = np.array([bars.open, bars.high, bars.low, bars.close, bars.volume], dtype=np.float64)
    has_bar = (values[2] > 0.0) & (np.add.reduce(values[:4]) < np.inf)
    missing = None if has_bar.all() else ~has_bar
    if missing is not None:
        np.copyto(values, np.nan, where=missing)
    open_, high, low, close, volume = values
    return Arrival(open_, high, low, close, volume, has_bar, missing, before, before + has_bar)
