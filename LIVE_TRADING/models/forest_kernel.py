"""The walks of compiled forests: plain functions that numba compiles.

Both write the sums (M, R) of M forests over rows (R, F) into `out`. A row's sum runs over its forest's trees in order,
whatever block the row stands in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.forest_trees import GREATEST

BLOCK_ROWS = 64
LANES = 8
ZERO_BOUND = float(np.float32(1e-35))  # LightGBM takes what is this near to zero for zero


def walk_bits(
    rows: FloatArray,
    feature: Any,
    at_nan: FloatArray,
    at_zero: FloatArray,
    column: Any,
    threshold: FloatArray,
    keep: Any,
    first_node: Any,
    leaf: FloatArray,
    first_leaf: Any,
    first_tree: Any,
    out: FloatArray,
) -> None:
    """Walk `ForestTables`.

    A block of rows goes through all trees before the next one starts: its columns stay in the nearest cache, and each
    node is one comparison and one AND per row without a branch (V-QuickScorer: Lucchese et al. 2016).
    """
    n_rows, n_columns, n_forests = rows.shape[0], feature.shape[0], first_tree.shape[0] - 1
    if n_rows == 0:
        return
    n_blocks = (n_rows + BLOCK_ROWS - 1) // BLOCK_ROWS
    per_block = (n_rows + n_blocks - 1) // n_blocks
    lanes = (per_block + LANES - 1) // LANES * LANES
    columns = np.zeros((n_columns, lanes))
    leaves_left = np.empty(lanes, np.uint64)
    total = np.empty(lanes)
    every = np.uint64(0xFFFFFFFFFFFFFFFF)
    for start in range(0, n_rows, per_block):
        count = min(per_block, n_rows - start)
        for c in range(n_columns):
            nan_value, zero_value, f = at_nan[c], at_zero[c], feature[c]
            for i in range(count):
                x = rows[start + i, f]
                if x != x:
                    x = nan_value
                elif abs(x) <= ZERO_BOUND and zero_value == zero_value:
                    x = zero_value
                elif x > GREATEST:
                    x = GREATEST
                columns[c, i] = x
        for m in range(n_forests):
            total[:] = 0.0
            for t in range(first_tree[m], first_tree[m + 1]):
                leaves_left[:] = every
                for k in range(first_node[t], first_node[t + 1]):
                    values, bound, mask = columns[column[k]], threshold[k], keep[k]
                    for i in range(lanes):
                        leaves_left[i] &= mask if values[i] > bound else every
                base = first_leaf[t]
                for i in range(count):
                    total[i] += leaf[base + lowest_bit(leaves_left[i])]
            for i in range(count):
                out[m, start + i] = total[i]


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
    """Walk `DescentTables`.

    Eight rows go down a tree together, step by step until all have arrived: a step waits for its loads, and the steps
    of the others fill the time. Between them there is no branch to mispredict.
    """
    n_rows, n_columns, n_forests = rows.shape[0], feature.shape[0], first_tree.shape[0] - 1
    columns = np.zeros((BLOCK_ROWS, n_columns))
    node = np.empty(LANES, np.uint32)
    total = np.empty(BLOCK_ROWS)
    for start in range(0, n_rows, BLOCK_ROWS):
        count = min(BLOCK_ROWS, n_rows - start)
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
                for first in range(0, count, LANES):
                    node[:] = first_node[t]
                    on_the_way = True
                    while on_the_way:
                        on_the_way = False
                        for j in range(LANES):
                            k = node[j]
                            below = child[k] + np.uint32(columns[first + j, column[k]] > threshold[k])
                            on_the_way |= below != k
                            node[j] = below
                    for j in range(LANES):
                        total[first + j] += value[node[j]]
            for i in range(count):
                out[m, start + i] = total[i]


def lowest_bit(word: Any) -> int:
    """Return the number of the lowest bit that is set; compiled, it is one instruction."""
    return (int(word) & -int(word)).bit_length() - 1
