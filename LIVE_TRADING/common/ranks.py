"""Average ranks along the last axis, the one implementation for features and for rank correlations."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.types import FloatArray


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
    array = np.ascontiguousarray(values, dtype=np.float64)
    n = array.shape[-1]
    if array.size == 0:
        return np.empty(array.shape)
    flat = array.reshape(-1)
    starts = np.arange(0, flat.size, n)[:, None]
    order = (np.argsort(array.reshape(-1, n), axis=-1) + starts).reshape(-1)  # NaN sort last
    ordered = flat[order]
    position = np.arange(1.0, flat.size + 1.0)
    tied = ordered[1:] == ordered[:-1]
    tied[n - 1 :: n] = False  # the end of a row and the start of the next
    if tied.any():
        _share_ranks(position, tied)
    placed = np.empty(flat.size)
    placed[order] = position
    placed.reshape(-1, n)[...] -= starts
    unknown = np.isnan(flat)
    if unknown.any():
        placed[unknown] = np.nan
    return placed.reshape(array.shape)


def centred_ranks(values: FloatArray) -> FloatArray:
    """Return (rank - 1/2) / n - 1/2 along the last axis, n the number of values that are not NaN.

    Inside (-1/2, 1/2), symmetric about 0 and comparable between cross-sections of different size. NaN stays NaN.
    """
    ranks = average_ranks(values)
    known = np.count_nonzero(ranks == ranks, axis=-1, keepdims=True)
    ranks -= 0.5
    ranks /= np.maximum(known, 1)
    ranks -= 0.5
    return ranks


def _share_ranks(position: FloatArray, tied: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
    """Replace the positions within each run of ties by their mean, in place; `tied[i]`: i and i + 1 are equal."""
    edges = np.flatnonzero(np.diff(tied, prepend=False, append=False))
    first, last = edges[::2], edges[1::2]
    length = last - first + 1
    group = np.repeat(np.arange(first.size), length)
    member = np.arange(group.size) - np.repeat(np.cumsum(length) - length, length) + first[group]
    position[member] = (0.5 * (position[first] + position[last]))[group]
