"""Average ranks along the last axis, the one implementation for features and for rank correlations."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.types import FloatArray, IntArray

LAST = 0x7FFFFFFFFFFFFFFF  # sorts behind the bits of infinity
INFINITY = 0x7FF0000000000000


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
    ranks = np.empty(values.shape)
    _rank(values, False, ranks)
    return ranks


def centred_ranks(values: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """Return (rank - 1/2) / n - 1/2 along the last axis, n the number of values that are not NaN.

    Inside (-1/2, 1/2), symmetric about 0 and comparable between cross-sections of different size. NaN stays NaN. They
    are written into `out`, contiguous, where one is given.
    """
    ranks = np.empty(values.shape) if out is None else out
    _rank(values, True, ranks)
    return ranks


def ascending_places(rows: FloatArray) -> IntArray:
    """Return the columns (R, N) of contiguous rows (R, N) in ascending order of their values; NaN last, ties in any."""
    n = rows.shape[-1]
    low, places = (1 << (n - 1).bit_length()) - 1, np.empty(rows.shape, dtype=np.int64)
    number_places(rows.view(np.int64), low, places)
    places.sort(axis=-1)
    order_places(rows, places, low)
    return places


def _rank(values: FloatArray, centred: bool, ranks: FloatArray) -> None:
    if values.size == 0:
        return
    n = values.shape[-1]
    rows = np.ascontiguousarray(values, dtype=np.float64).reshape(-1, n)
    low, places = (1 << (n - 1).bit_length()) - 1, np.empty(rows.shape, dtype=np.int64)
    number_places(rows.view(np.int64), low, places)
    places.sort(axis=-1)
    rank_places(rows, places, low, centred, ranks.reshape(-1, n))


@kernel("void(Array(int64, 2, 'C', readonly=True), int64, int64[:, ::1])")
def number_places(bits: IntArray, low: int, places: IntArray) -> None:
    """Write numbers (R, N) that sort as the values do whose bits are given, save for the bits of `low`: the column.

    The bits of floats ascend as integers do once those of negative ones are turned round. NaN comes last. Sorting such
    numbers takes a third of the time of sorting columns by values.
    """
    for r in range(bits.shape[0]):
        for i in range(bits.shape[1]):
            size = bits[r, i] & LAST
            ordered = bits[r, i] ^ ((bits[r, i] >> 63) & LAST)
            if size == 0:  # -0 as +0
                ordered = 0
            elif size > INFINITY:  # NaN
                ordered = LAST
            places[r, i] = (ordered & ~low) | i


@kernel("void(Array(float64, 2, 'C', readonly=True), int64[:, ::1], int64, boolean, float64[:, ::1])")
def rank_places(rows: FloatArray, places: IntArray, low: int, centred: bool, ranks: FloatArray) -> None:
    """Write the average ranks (R, N) of rows (R, N), or what `centred_ranks` makes of them; NaN stays NaN.

    `places` (R, N): `number_places` in ascending order; changed. Neighbours that are equal save for the column have
    values that are equal or nearly so: these are put in order by value, and equal ones share their mean rank.
    """
    n_rows, n = rows.shape
    for r in range(n_rows):
        row, place, rank = rows[r], places[r], ranks[r]
        known = n
        while known > 0 and place[known - 1] | low == LAST:
            known -= 1
            rank[place[known] & low] = np.nan
        shift, count = (0.5, float(known)) if centred else (0.0, 1.0)
        for i in range(known):
            rank[place[i] & low] = (i + 1.0 - shift) / count - shift
        start = 0
        for stop in range(1, known + 1):
            if stop < known and place[stop] | low == place[start] | low:
                continue
            if stop > start + 1:
                for i in range(start, stop):
                    column, j = place[i] & low, i
                    while j > start and row[place[j - 1]] > row[column]:
                        place[j] = place[j - 1]
                        j -= 1
                    place[j] = column
                first = start
                for i in range(start + 1, stop + 1):
                    if i == stop or row[place[i]] != row[place[first]]:
                        for j in range(first, i):
                            rank[place[j]] = (0.5 * (first + 1 + i) - shift) / count - shift
                        first = i
            start = stop


@kernel("void(float64[:, ::1], int64[:, ::1], int64)")
def order_places(rows: FloatArray, places: IntArray, low: int) -> None:
    """Make columns of `number_places` (R, N) in ascending order; those too near to tell apart are put in order here."""
    for r in range(rows.shape[0]):
        row, place = rows[r], places[r]
        for i in range(rows.shape[1]):
            column, j = place[i] & low, i
            while j > 0 and row[place[j - 1]] > row[column]:
                place[j] = place[j - 1]
                j -= 1
            place[j] = column
