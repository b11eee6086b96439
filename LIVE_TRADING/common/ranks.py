"""Average ranks along the last axis, the one implementation for features and for rank correlations."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from LIVE_TRADING.common.types import BoolArray, FloatArray, IntArray


def average_ranks(values: FloatArray) -> FloatArray:
    """Return 1-based ranks along the last axis; ties share the mean of the ranks that they span.

    Parameters
    ----------
    values
        Shape (..., N). NaN: not ranked, and not counted by the ranks of the others. Infinities rank at the ends.

    Returns
    -------
    Shape (..., N), multiples of one half, NaN where `values` is NaN. Each row equals
    `scipy.stats.rankdata(row[~isnan(row)], method="average")`.
    """
    return _ranks(np.ascontiguousarray(values, dtype=np.float64))[0]


def centred_ranks(values: FloatArray) -> FloatArray:
    """Return (rank - 1/2) / n - 1/2 along the last axis, n the number of values that are not NaN.

    Inside (-1/2, 1/2), symmetric about 0 and comparable between cross-sections of different size. NaN stays NaN.
    """
    ranks, unknown = _ranks(np.ascontiguousarray(values, dtype=np.float64))
    ranks -= 0.5
    if unknown is None:
        ranks /= max(values.shape[-1], 1)
    else:
        known = np.add.reduce(~unknown, axis=-1, dtype=np.float64, keepdims=True)
        ranks /= np.maximum(known, 1.0)
    ranks -= 0.5
    return ranks


def _ranks(values: FloatArray) -> tuple[FloatArray, BoolArray | None]:
    """Return the ranks of a contiguous array, and where it is NaN; None: nowhere."""
    if values.size == 0:
        return np.empty(values.shape), None
    n = values.shape[-1]
    flat = values.reshape(-1)
    isnan = np.isnan(flat)
    unknown = isnan if np.logical_or.reduce(isnan) else None
    row_start, rank = _places(flat.size // n, n)
    order = np.argsort(_without_nan(flat, unknown).reshape(-1, n), axis=-1).reshape(-1)
    order += row_start
    ordered = flat[order]
    equal = ordered[1:] == ordered[:-1]
    equal[n - 1 :: n] = False  # the end of a row and the start of the next
    tied = np.flatnonzero(equal)
    ranks = np.empty(flat.size)
    ranks[order] = _shared(rank, tied) if tied.size else rank
    if unknown is None:
        return ranks.reshape(values.shape), None
    ranks[unknown] = np.nan
    return ranks.reshape(values.shape), unknown.reshape(values.shape)


def _without_nan(flat: FloatArray, unknown: BoolArray | None) -> FloatArray:
    """Return values to sort by: infinity, which sorts last too, for NaN, with which numpy sorts at half the speed."""
    if unknown is None or np.fmax.reduce(flat) == np.inf:
        return flat
    return np.where(unknown, np.inf, flat)


def _shared(rank: FloatArray, tied: IntArray) -> FloatArray:
    """Return ranks in which every run of ties has the mean of its first and last; `tied`: places equal to the next."""
    begins, ends = np.empty((2, tied.size), dtype=bool)
    begins[0] = ends[-1] = True
    np.not_equal(tied[1:], tied[:-1] + 1, out=begins[1:])
    ends[:-1] = begins[1:]
    last = tied[ends] + 1
    mean = 0.5 * (rank[tied[begins]] + rank[last])
    shared = rank.copy()
    shared[tied] = mean[begins.cumsum() - 1]
    shared[last] = mean
    return shared


@lru_cache(maxsize=64)
def _places(rows: int, n: int) -> tuple[IntArray, FloatArray]:
    """Return for each place of `rows` sorted rows of `n`, end to end: where its row starts, and its rank in it."""
    row_start = np.repeat(np.arange(0, rows * n, n), n)
    rank = np.tile(np.arange(1.0, n + 1.0), rows)
    row_start.setflags(write=False)
    rank.setflags(write=False)
    return row_start, rank
