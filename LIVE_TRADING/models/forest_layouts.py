"""What the walks of `forest_kernel` read, made of a forest's tables at load: nothing of it is on file.

Walking across asks every node of a tree, many rows at once; walking down follows each row's own path. The wider a tree,
the fewer of its nodes lie on a path, so that down is the way of the widest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.forest_kernel import BLOCK_ROWS, PADDING
from LIVE_TRADING.models.forest_tables import ForestTables
from LIVE_TRADING.models.snapshot import Array

# walking down takes less time from 500 leaves on where registers have 256 bits, from 2,800 where they have 512
MOST_LEAVES_ACROSS = 1024
MOST_RANKS = 2**16 - 1  # ranks are 16 bits wide
_TWICE = 0x10001


class AcrossLayout(NamedTuple):
    """Forests whose thresholds are ranks: thresholds on a feature, sorted and without repetition, are 0, 1, 2, ...

    A value's rank is the number of thresholds below it, so that value > threshold just where rank > the threshold's.

    feature      feature of each column, (C,); nan_rank: rank of NaN in it; zero_rank: of zero, −1 if that is no other
    bounds       thresholds of each feature, level by level as a balanced tree for a search, filled up with +inf
    first_bound  where those of each feature begin, (F,): one place before the tree's root; levels: its height, (F,)
    nodes        (K, 4) in preorder: place of the column among the ranks; rank; first leaf below; leaves below the left
                 child. The last three stand twice in a word of 32 bits: the processor fills registers with those
    first_node   first node of each tree and, last, their number, (T+1,)
    leaf         values of the leaves, (L,) and some zeros; first_leaf: first leaf of each tree and, last, L, (T+1,)
    first_tree   first tree of each forest and, last, their number, (M+1,)
    """

    feature: Array
    nan_rank: Array
    zero_rank: Array
    bounds: FloatArray
    first_bound: Array
    levels: Array
    nodes: Array
    first_node: Array
    leaf: FloatArray
    first_leaf: Array
    first_tree: Array


class DownLayout(NamedTuple):
    """Forests whose nodes, leaves among them, stand level by level, the two children of a node side by side.

    A step is `child + (column > threshold)`. A leaf is its own child and no column exceeds its threshold, so that a
    row that has arrived stays while others beside it go on.

    feature      feature of each column, (C,); at_nan, at_zero: what stands for NaN and for zero in it (NaN: itself)
    column       column of each node, (K,); threshold: +inf in a leaf
    child        left child of each node, whose right child is the next one, (K,)
    value        value of each leaf, 0 in other nodes, (K,)
    first_node   root of each tree, (T,)
    first_tree   first tree of each forest and, last, their number, (M+1,)
    """

    feature: Array
    at_nan: FloatArray
    at_zero: FloatArray
    column: Array
    threshold: FloatArray
    child: Array
    value: FloatArray
    first_node: Array
    first_tree: Array


def goes_across(tables: ForestTables) -> bool:
    """Tell whether forests are to be walked across rather than down."""
    return tables.widest() <= MOST_LEAVES_ACROSS and bool(nodes_by_feature(tables).max(initial=0) <= MOST_RANKS)


def nodes_by_feature(tables: ForestTables) -> Array:
    """Return the number of nodes that test each feature, (F,): no fewer than there are distinct thresholds on it."""
    return np.bincount(tables.split_features(), minlength=int(tables.n_features))


def across_layout(tables: ForestTables) -> AcrossLayout:
    """Return forests laid out to be walked across; `goes_across` has agreed."""
    of_node = tables.split_features()
    nan_rank, zero_rank = np.zeros(len(tables.feature), np.uint16), np.full(len(tables.feature), -1, np.int32)
    rank = np.zeros(len(of_node), np.int64)
    bounds, levels = [], []
    for feature in range(int(tables.n_features)):
        tested, on_it = of_node == feature, tables.feature == feature
        distinct, rank[tested] = np.unique(tables.threshold[tested], return_inverse=True)
        nan_rank[on_it] = np.searchsorted(distinct, tables.at_nan[on_it])
        at_zero = tables.at_zero[on_it]
        zero_rank[on_it] = np.where(np.isnan(at_zero), -1, np.searchsorted(distinct, at_zero))
        levels.append(len(distinct).bit_length())
        bounds.append(_for_search(distinct, levels[-1]))
    nodes = [tables.column.astype(np.int64) * BLOCK_ROWS]
    nodes += [number.astype(np.int64) * _TWICE for number in (rank, tables.leaf_below, tables.n_left)]
    return AcrossLayout(
        feature=tables.feature.astype(np.int64),
        nan_rank=nan_rank,
        zero_rank=zero_rank,
        bounds=np.concatenate(bounds) if bounds else np.zeros(0),
        first_bound=np.cumsum([0, *map(len, bounds)])[:-1].astype(np.int64),
        levels=np.array(levels, np.int64),
        nodes=np.ascontiguousarray(np.stack(nodes, axis=1).astype(np.uint32)),
        first_node=tables.first_node(),
        leaf=np.append(tables.leaf, np.zeros(PADDING)),
        first_leaf=tables.first_leaf.astype(np.int64),
        first_tree=tables.first_tree.astype(np.int64),
    )


def _for_search(bounds: FloatArray, levels: int) -> FloatArray:
    """Return sorted numbers as a balanced tree: that at place k has its children at 2k and 2k + 1, place 0 is empty."""
    filled = np.full(2**levels - 1, np.inf)
    filled[: len(bounds)] = bounds
    by_level = [filled[2 ** (levels - level - 1) - 1 :: 2 ** (levels - level)] for level in range(levels)]
    return np.concatenate([[np.inf], *by_level])


def down_layout(tables: ForestTables) -> DownLayout:
    """Return forests laid out to be walked down."""
    first_leaf, n_leaves = tables.first_leaf[:-1].astype(np.int64), tables.n_leaves()
    roots = np.cumsum([0, *(2 * n_leaves - 1)]).astype(np.int64)
    column, threshold = np.zeros(roots[-1], np.uint32), np.full(roots[-1], np.inf)
    child, value = np.arange(roots[-1], dtype=np.uint32), np.zeros(roots[-1])
    # one level of all trees: of each node its tree, its place, its number in the tables, first leaf and width
    tree, place = np.arange(len(n_leaves)), roots[:-1]
    node, leaf, width = tables.first_node()[:-1], first_leaf, n_leaves
    end = place + 1  # in each tree, after what has been laid out of it
    while len(place):
        ended, inner = width == 1, width > 1
        value[place[ended]] = tables.leaf[leaf[ended]]
        tree, place, node, leaf, width = tree[inner], place[inner], node[inner], leaf[inner], width[inner]
        column[place], threshold[place] = tables.column[node], tables.threshold[node]
        left = tables.n_left[node].astype(np.int64)
        in_tree = np.bincount(tree, minlength=len(end))
        before = np.arange(len(tree)) - (np.cumsum(in_tree) - in_tree)[tree]
        below = end[tree] + 2 * before
        end = end + 2 * in_tree
        child[place] = below
        tree, place = np.repeat(tree, 2), _paired(below, below + 1)
        node, leaf = _paired(node + 1, node + left), _paired(leaf, leaf + left)
        width = _paired(left, width - left)
    return DownLayout(
        feature=tables.feature.astype(np.int64),
        at_nan=tables.at_nan,
        at_zero=tables.at_zero,
        column=column,
        threshold=threshold,
        child=child,
        value=value,
        first_node=roots[:-1],
        first_tree=tables.first_tree.astype(np.int64),
    )


def _paired(left: Array, right: Array) -> Array:
    return np.stack([left, right], axis=1).reshape(-1)
