"""The walks of compiled forests: plain functions that numba compiles.

Both write the sums (M, R) of M forests over rows (R, F) into `out`. A row's sum runs over its forest's trees in order,
whatever block the row stands in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.forest_trees import GREATEST

BLOCK_ROWS = 128
LANES = 32  # rows of 16 bits in the widest register there is
ROWS_DOWN = 64
ROWS_IN_FLIGHT = 8
LINE = 64  # bytes of a cache line
PADDING = 32  # numbers that may be read beyond the last leaf
NOWHERE = 0xFFFF  # no leaf has this number
ZERO_BOUND = float(np.float32(1e-35))  # LightGBM takes what is this near to zero for zero


def walk_across(
    rows: FloatArray,
    feature: Any,
    nan_rank: Any,
    zero_rank: Any,
    bounds: FloatArray,
    first_bound: Any,
    levels: Any,
    nodes: Any,
    first_node: Any,
    leaf: FloatArray,
    first_leaf: Any,
    first_tree: Any,
    out: FloatArray,
) -> None:
    """Walk an `AcrossLayout`: a block of rows goes through all trees before the next one starts."""
    n_rows, n_features, n_columns = rows.shape[0], levels.shape[0], feature.shape[0]
    values = np.zeros((max(n_features, 1), BLOCK_ROWS))
    found = np.zeros((max(n_features, 1), BLOCK_ROWS), np.uint16)
    place = np.zeros(BLOCK_ROWS, np.int64)
    # a register is filled from one line of the cache
    ranks = on_a_line(2 * max(n_columns, 1) * BLOCK_ROWS).view(np.uint16)
    total = on_a_line(8 * BLOCK_ROWS).view(np.float64)
    for start in range(0, n_rows, BLOCK_ROWS):
        count = min(BLOCK_ROWS, n_rows - start)
        for i in range(count):
            for f in range(n_features):
                x = rows[start + i, f]
                values[f, i] = GREATEST if x > GREATEST else x
        for f in range(n_features):
            first, height = first_bound[f], levels[f]
            place[:] = 1
            for _ in range(height):  # all rows go down the search tree side by side: one alone would wait for each step
                for i in range(count):
                    k = place[i]
                    place[i] = 2 * k + int(bounds[first + k] < values[f, i])
            for i in range(count):
                found[f, i] = place[i] - (1 << height)
        for c in range(n_columns):
            f, of_nan, of_zero = feature[c], nan_rank[c], zero_rank[c]
            for i in range(count):
                x, rank = values[f, i], found[f, i]
                if of_zero >= 0 and abs(x) <= ZERO_BOUND:
                    rank = np.uint16(of_zero)
                ranks[c * BLOCK_ROWS + i] = of_nan if x != x else rank
        for m in range(first_tree.shape[0] - 1):
            total[:] = 0.0
            add_trees(ranks, nodes, first_node, leaf, first_leaf, first_tree[m], first_tree[m + 1], count, total)
            for i in range(count):
                out[m, start + i] = total[i]


def add_trees(
    ranks: Any,
    nodes: Any,
    first_node: Any,
    leaf: FloatArray,
    first_leaf: Any,
    first: int,
    end: int,
    count: int,
    total: Any,
) -> None:
    """Add the leaves that rows fall into to their totals, tree after tree; compiled, `forest_vectors` builds it.

    A row stands at the first leaf below the node that it has come to. Every node is asked, in preorder, of every row:
    those that stand at its first leaf and whose rank exceeds the node's go on, past the leaves of its left child. No
    row stands there but those that have come to it: others would have gone on before, or not have gone so far. So
    there is no branch that depends on a row.

    Parameters
    ----------
    ranks
        Ranks of a block's rows, column after column of BLOCK_ROWS.
    nodes, first_node, leaf, first_leaf
        As `AcrossLayout` has them; the trees are first, ..., end − 1.
    count
        Number of rows in the block; what is added to totals beyond is left open.
    """
    for t in range(first, end):
        at = np.zeros(count, np.uint16)
        for place, *doubled in nodes[first_node[t] : first_node[t + 1]].tolist():
            rank, leaf_below, n_left = (number & 0xFFFF for number in doubled)
            goes_on = (at == leaf_below) & (ranks[place : place + count] > rank)
            at += np.where(goes_on, n_left, 0).astype(np.uint16)
        total[:count] += leaf[first_leaf[t] + at.astype(np.int64)]


def on_a_line(n_bytes: int) -> Any:
    """Return so many bytes of zeros that begin where a line of the cache does."""
    wider = np.zeros(n_bytes + LINE, np.uint8)
    skipped = -wider.ctypes.data % LINE
    return wider[skipped : skipped + n_bytes]


def walk_down(
    rows: FloatArray,
    feature: Any,
    at_nan: FloatArray,
    at_zero: FloatArray,
    column: Any,
    threshold: FloatArray,
    child: Any,
    value: FloatArray,
    first_node: Any,
    first_tree: Any,
    out: FloatArray,
) -> None:
    """Walk a `DownLayout`.

    Eight rows go down a tree together, step by step until all have arrived: a step waits for its loads, and the steps
    of the others fill the time. Between them there is no branch to mispredict.
    """
    n_rows, n_columns, n_forests = rows.shape[0], feature.shape[0], first_tree.shape[0] - 1
    columns = np.zeros((ROWS_DOWN, max(n_columns, 1)))  # a leaf reads one too
    node = np.empty(ROWS_IN_FLIGHT, np.uint32)
    total = np.empty(ROWS_DOWN)
    for start in range(0, n_rows, ROWS_DOWN):
        count = min(ROWS_DOWN, n_rows - start)
        for i in range(count):
            for c in range(n_columns):
                x, zero_value = rows[start + i, feature[c]], at_zero[c]
                if x != x:
                    x = at_nan[c]
                elif abs(x) <= ZERO_BOUND and zero_value == zero_value:
                    x = zero_value
                elif x > GREATEST:
                    x = GREATEST
                columns[i, c] = x
        for m in range(n_forests):
            total[:] = 0.0
            for t in range(first_tree[m], first_tree[m + 1]):
                for first in range(0, count, ROWS_IN_FLIGHT):
                    node[:] = first_node[t]
                    on_the_way = True
                    while on_the_way:
                        on_the_way = False
                        for j in range(ROWS_IN_FLIGHT):
                            k = node[j]
                            below = child[k] + np.uint32(columns[first + j, column[k]] > threshold[k])
                            on_the_way |= below != k
                            node[j] = below
                    for j in range(ROWS_IN_FLIGHT):
                        total[first + j] += value[node[j]]
            for i in range(count):
                out[m, start + i] = total[i]
