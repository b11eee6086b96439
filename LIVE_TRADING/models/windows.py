"""The last feature rows of each symbol, for the models that look at a sequence of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.array_record import ArrayRecord
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.types import FloatArray, IntArray

Windows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureWindows(ArrayRecord):
    """A ring of the last L feature rows per symbol, rounded to float32, which is what networks compute in.

    Like every span of the features, a window counts bars that the symbol has had: a missing bar leaves it as it was,
    and nights stand between rows unmarked. Rows that a symbol has not had yet are NaN.

    The ring is shared with the record before, whose windows do not reach the slot that is written. So the newest record
    and the one before it are valid; anything older, and whatever runs ahead, needs a `copy`.
    """

    rows: Windows  # (N, L + 1, F): the slot after the newest belongs to no window
    newest: IntArray  # (N,) slot of each symbol's newest row

    @classmethod
    def empty(cls, n_symbols: int, lookback: int, n_features: int) -> Self:
        """Return windows of `lookback` rows in which nothing stands yet."""
        rows = np.full((n_symbols, lookback + 1, n_features), np.nan, dtype=np.float32)
        return cls(rows, np.full(n_symbols, lookback, dtype=np.int64))

    @classmethod
    def ending_with(cls, windows: Windows) -> Self:
        """Return a ring of its own whose windows are these, (N, L, F)."""
        n_symbols, lookback, n_features = windows.shape
        ring = cls.empty(n_symbols, lookback, n_features)
        ring.rows[:, 1:] = windows
        return ring

    @property
    def lookback(self) -> int:
        """Return the rows of a window."""
        return int(self.rows.shape[1]) - 1

    def advance(self, features: FloatArray) -> Self:
        """Return the windows with the features (F, N) of one bar end as their newest rows; all NaN: no bar."""
        n_symbols, _, n_features = self.rows.shape
        if features.shape != (n_features, n_symbols):
            raise ValueError(f"features {features.shape} for windows of {n_features} features of {n_symbols} symbols")
        newest = np.empty_like(self.newest)
        add_rows(np.ascontiguousarray(features), self.newest, self.rows, newest)
        return type(self)(self.rows, newest)

    def windows(self) -> Windows:
        """Return a copy of the windows (N, L, F), oldest row first."""
        slots = (self.newest[:, None] + np.arange(2, self.rows.shape[1] + 1)) % self.rows.shape[1]
        copied: Windows = self.rows[np.arange(len(self.rows))[:, None], slots]
        return copied

    def copy(self) -> Self:
        """Return a record that shares nothing with this one."""
        return type(self)(self.rows.copy(), self.newest.copy())


@kernel("void(float64[:, ::1], int64[::1], float32[:, :, ::1], int64[::1])")
def add_rows(features: FloatArray, before: IntArray, rows: Windows, newest: IntArray) -> None:
    """Write features (F, N) into the slot after each newest, unless all are NaN; beyond float32 is infinite."""
    n_features, n_symbols = features.shape
    for i in range(n_symbols):
        known = 0
        for k in range(n_features):
            known += features[k, i] == features[k, i]
        newest[i] = (before[i] + 1) % rows.shape[1] if known else before[i]
        if known:
            for k in range(n_features):
                rows[i, newest[i], k] = features[k, i]
