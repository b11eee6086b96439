"""Memory of the skill tracker, and its form as named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.array_record import ArrayMap, ArrayRecord, under_prefix, with_prefix
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.prediction.pending import PendingRing, ring_from_arrays, ring_to_arrays


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
class SkillState:
    """Memory of the skill tracker. S sessions oldest first; today is not in `live` and `covariance`.

    Tallies have four rows: sum of rank correlations, their number, sum of squared errors, their number. Products have
    two: sum of z zᵀ over symbols and cycles, number of terms. Pairs hold z of every family and below it r/σ_h, and are
    kept in universes too small for a cross-section only.
    """

    bar: int  # bar end / interval of the newest bar, -1: none
    slot: int  # of that bar in its session
    bar_session: int  # its session
    ended: int  # 1 where it was the last of its session
    session: int  # under way
    intraday: PendingRing  # by bar modulo the longest intraday horizon
    daily: PendingRing  # by slot
    today: FloatArray  # (4, H, M)
    sessions: FloatArray  # (S, 4, H, M)
    closed: FloatArray  # (4, H, M) over all sessions before today
    today_products: FloatArray  # (2, H, M, M)
    session_products: FloatArray  # (S, 2, H, M, M)
    covariance: FloatArray  # (H, M, M)
    live: SkillFigures
    today_pairs: tuple[FloatArray, ...]  # (H, M + 1, N) per bar
    session_pairs: tuple[FloatArray, ...]  # (bars, H, M + 1, N) per session


_NESTED = ("intraday", "daily", "live", "today_pairs", "session_pairs")
_INTS = ("bar", "slot", "bar_session", "ended", "session")


def skill_to_arrays(state: SkillState, shape: tuple[int, int, int]) -> ArrayMap:
    """Return the memory as a flat mapping of arrays; `shape` is (H, M, N)."""
    n_horizons, n_families, n_symbols = shape
    no_pairs = np.empty((0, n_horizons, n_families + 1, n_symbols))
    return {
        **{field.name: np.asarray(getattr(state, field.name)) for field in fields(state) if field.name not in _NESTED},
        **with_prefix("intraday", ring_to_arrays(state.intraday, n_horizons, n_families, n_symbols)),
        **with_prefix("daily", ring_to_arrays(state.daily, 1, n_families, n_symbols)),
        **with_prefix("live", state.live.to_arrays()),
        "today_pairs": np.stack(state.today_pairs) if state.today_pairs else no_pairs,
        "session_pairs": np.concatenate((no_pairs, *state.session_pairs)),
        "session_pairs_counts": np.array([len(part) for part in state.session_pairs], dtype=np.int64),
    }


def skill_from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> SkillState:
    """Return the memory whose `skill_to_arrays` gave these arrays."""
    ends = np.cumsum(arrays["session_pairs_counts"])
    starts = ends - arrays["session_pairs_counts"]
    plain = {field.name: arrays[field.name] for field in fields(SkillState) if field.name not in _NESTED}
    values: dict[str, Any] = {name: int(value) if name in _INTS else value for name, value in plain.items()}
    return SkillState(
        **values,
        intraday=ring_from_arrays(under_prefix("intraday", arrays)),
        daily=ring_from_arrays(under_prefix("daily", arrays)),
        live=SkillFigures.from_arrays(under_prefix("live", arrays)),
        today_pairs=tuple(arrays["today_pairs"]),
        session_pairs=tuple(
            arrays["session_pairs"][start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ),
    )
