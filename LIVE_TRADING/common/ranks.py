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
    flat = array.reshape(-1, n)
    order = np.argsort(flat, axis=-1)  # NaN sort last
    order += np.arange(0, flat.size, n)[:, None]
    order = order.ravel()
    ordered = flat.ravel()[order].reshape(-1, n)
    ranks = np.empty(flat.size)
    ranks[order] = _ranks_of_sorted(ordered).ravel()
    ranks[np.isnan(flat).ravel()] = np.nan
    return ranks.reshape(array.shape)


def _ranks_of_sorted(ordered: FloatArray) -> FloatArray:
    """Return average ranks of rows that are sorted; without ties that is 1..N."""
    rows, n = ordered.shape
    position = np.arange(1.0, n + 1.0)
    tied = ordered[:, 1:] == ordered[:, :-1]
    if not tied.any():
        return np.broadcast_to(position, ordered.shape)
    first = np.ones((rows, n), dtype=bool)
    first[:, 1:] = ~tied
    last = np.ones((rows, n), dtype=bool)
    last[:, :-1] = ~tied
    group = np.cumsum(first.ravel()) - 1
    start = np.broadcast_to(position, ordered.shape)[first]
    end = np.broadcast_to(position, ordered.shape)[last]
    mean: FloatArray = (0.5 * (start + end))[group]
    return mean.reshape(rows, n)
