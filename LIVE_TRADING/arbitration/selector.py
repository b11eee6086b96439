"""Who draws the horizon of an entry from those that qualify."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from LIVE_TRADING.common.types import BoolArray, CodeArray, FloatArray


class EntrySelector(Protocol):
    """Chooses, per symbol, one of the horizons that qualify for an entry."""

    def select(
        self, score: FloatArray, qualifies: BoolArray, scheduled_time_ns: int, symbols: tuple[str, ...]
    ) -> tuple[CodeArray, FloatArray]:
        """Return the row of the horizon (K,) and the probability (K,) of that choice.

        `score` and `qualifies` have shape (H, K), one column per symbol; each column has at least one horizon that
        qualifies. The choice for a symbol depends on its own column, its name and the time only.
        """
        ...


class BestScoreSelector:
    """The horizon with the best score, the shortest among equals; no randomness."""

    def select(
        self, score: FloatArray, qualifies: BoolArray, scheduled_time_ns: int, symbols: tuple[str, ...]
    ) -> tuple[CodeArray, FloatArray]:
        """Return the best row of each column with probability 1."""
        best = np.where(qualifies, score, -np.inf).argmax(axis=0)
        return best.astype(np.int16), np.ones(len(symbols))
