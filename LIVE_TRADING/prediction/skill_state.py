"""Memory of the skill tracker, and its form as named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.array_record import ArrayMap, ArrayRecord, under_prefix, with_prefix
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.prediction.pending import PendingState, pending_from_arrays, pending_to_arrays


@dataclass(frozen=True, slots=True, eq=False)
class SkillFigures(ArrayRecord):
    """Evidence per horizon and family, each (H, M).

    ic           mean rank correlation of z with r/σ_h (NaN: none yet)
    n_effective  cross-sections behind it, divided by the bars of the horizon, since outcomes overlap
    rmse         of r̂ against r/σ_h, both clipped at 4 (NaN: none yet)
    n_matured    values behind the RMSE
    """

    ic: FloatArray
    n_effective: FloatArray
    rmse: FloatArray
    n_matured: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class SkillWindow:
    """Everything before today; changes once per session. S sessions, oldest first.

    A tally has four rows: sum of rank correlations, their number, sum of squared errors, their number. Products have
    two: sum of z zᵀ over symbols and cycles, number of terms. Pairs, z of every family and below it r/σ_h, are kept in
    universes that are too small for a cross-section only.
    """

    tallies: FloatArray  # (S, 4, H, M)
    closed: FloatArray  # (4, H, M) over all sessions before today
    products: FloatArray  # (S, 2, H, M, M)
    pairs: tuple[FloatArray, ...]  # (bars, H, M + 1, N) per session
    live: SkillFigures
    covariance: FloatArray  # (H, M, M)


@dataclass(frozen=True, slots=True, eq=False)
class SkillState:
    """Memory of the skill tracker: what waits, today so far, and the sessions before today."""

    pending: PendingState
    tally: FloatArray  # (4, H, M)
    products: FloatArray  # (2, H, M, M)
    pairs: tuple[FloatArray, ...]  # (H, M + 1, N) per bar
    window: SkillWindow


def skill_to_arrays(state: SkillState, shape: tuple[int, int, int]) -> ArrayMap:
    """Return the memory as a flat mapping of arrays; `shape` is (H, M, N)."""
    n_horizons, n_families, n_symbols = shape
    no_pairs = np.empty((0, n_horizons, n_families + 1, n_symbols))
    window = state.window
    return {
        **with_prefix("pending", pending_to_arrays(state.pending, shape)),
        **with_prefix("live", window.live.to_arrays()),
        "tally": state.tally,
        "products": state.products,
        "pairs": np.stack(state.pairs) if state.pairs else no_pairs,
        "session_tallies": window.tallies,
        "session_products": window.products,
        "session_pairs": np.concatenate((no_pairs, *window.pairs)),
        "session_pairs_counts": np.array([len(part) for part in window.pairs], dtype=np.int64),
        "closed": window.closed,
        "covariance": window.covariance,
    }


def skill_from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> SkillState:
    """Return the memory whose `skill_to_arrays` gave these arrays."""
    counts = arrays["session_pairs_counts"].tolist()
    ends = np.cumsum(counts, dtype=np.int64).tolist()
    window = SkillWindow(
        tallies=arrays["session_tallies"],
        closed=arrays["closed"],
        products=arrays["session_products"],
        pairs=tuple(arrays["session_pairs"][end - n : end] for n, end in zip(counts, ends, strict=True)),
        live=SkillFigures.from_arrays(under_prefix("live", arrays)),
        covariance=arrays["covariance"],
    )
    pending = pending_from_arrays(under_prefix("pending", arrays))
    return SkillState(pending, arrays["tally"], arrays["products"], tuple(arrays["pairs"]), window)
