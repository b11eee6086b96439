"""Average ranks along the last axis, the one implementation for features and for rank correlations."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.types import FloatArray, IntArray


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
    return _ranks(values, centred=False)


def centred_ranks(values: FloatArray) -> FloatArray:
    """Return (rank - 1/2) / n - 1/2 along the last axis, n the number of values that are not NaN.

    Inside (-1/2, 1/2), symmetric about 0 and comparable between cross-sections of different size. NaN stays NaN.
    """
    return _ranks(values, centred=True)


def _ranks(values: FloatArray, centred: bool) -> FloatArray:
    ranks = np.array(values, dtype=np.float64, order="C")  # a copy
    if ranks.size:
        rows = ranks.reshape(-1, ranks.shape[-1])
        keys = np.fmin(rows, np.inf)  # infinity for NaN, with which numpy sorts at half the speed
        rank_rows(rows, keys, keys.argsort(axis=-1), centred)
    return ranks


@kernel("void(float64[:, ::1], float64[:, ::1], int64[:, ::1], boolean)")
def rank_rows(rows: FloatArray, keys: FloatArray, order: IntArray, centred: bool) -> None:
    """Put in place of each value its average rank in its row, or what `centred_ranks` makes of that; NaN stays.

    `rows`, `keys`, `order` (R, N): values, the same with infinity for NaN, and the places of a row's keys in ascending
    order, those of equal keys in any.
    """
    n_rows, n = rows.shape
    for r in range(n_rows):
        row, key, place = rows[r], keys[r], order[r]
        known = start = 0
        value = key[place[0]]
        for stop in range(1, n + 1):
            following = key[place[stop]] if stop < n else np.nan
            if following == value:
                continue
            if stop == start + 1 and value < np.inf:
                row[place[start]] = float(stop)
                known += 1
            else:
                tied = 0
                for i in range(start, stop):
                    tied += row[place[i]] == row[place[i]]  # not NaN, which stands among the infinities
                rank = start + 0.5 * (tied + 1)
                for i in range(start, stop):
                    row[place[i]] = rank if row[place[i]] == row[place[i]] else np.nan
                known += tied
            start, value = stop, following
        if centred:
            count = max(float(known), 1.0)
            for i in range(n):
                row[i] = (row[i] - 0.5) / count - 0.5
