"""The last feature rows of each symbol, for the models that look at a sequence of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.array_record import ArrayRecord
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
        traded = np.flatnonzero(~np.isnan(features).all(axis=0))
        slot = (self.newest[traded] + 1) % self.rows.shape[1]
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            self.rows[traded, slot] = features.T[traded]
        newest = self.newest.copy()
        newest[traded] = slot
        return type(self)(self.rows, newest)

    def windows(self) -> Windows:
        """Return a copy of the windows (N, L, F), oldest row first."""
        slots = (self.newest[:, None] + np.arange(2, self.rows.shape[1] + 1)) % self.rows.shape[1]
        copied: Windows = self.rows[np.arange(len(self.rows))[:, None], slots]
        return copied

    def copy(self) -> Self:
        """Return a record that shares nothing with this one."""
        return type(self)(self.rows.copy(), self.newest.copy())
