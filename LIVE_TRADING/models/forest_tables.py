"""Forests of narrow trees as flat tables for a bit-vector walk (QuickScorer: Lucchese et al. 2015).

The leaves of a tree are numbered from left to right and a row starts with all of them possible. Every node whose test
the row fails (x > threshold) rules out the leaves of its left subtree, in any order of nodes; the lowest leaf that is
still possible is the one the row falls into. The leaves of a tree are the bits of one word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.forest_trees import (
    COLUMN_DTYPES,
    Column,
    Forest,
    Tree,
    are_offsets,
    checked_arrays,
    checked_thresholds,
    column_arrays,
    columns_are_sound,
    joined_columns,
    joined_offsets,
)
from LIVE_TRADING.models.snapshot import Array

MAX_LEAVES = 64
_ALL = (1 << MAX_LEAVES) - 1
_DTYPES = {
    "n_features": np.int64,
    **COLUMN_DTYPES,
    "column": np.uint64,
    "threshold": np.float64,
    "keep": np.uint64,
    "first_node": np.uint64,
    "leaf": np.float64,
    "first_leaf": np.uint64,
    "first_tree": np.uint64,
}
WALKED = tuple(name for name in _DTYPES if name != "n_features")  # order: of the walk's arguments


@dataclass(frozen=True, slots=True, eq=False)
class ForestTables:
    """M forests over the same features, none of whose trees has more than 64 leaves.

    n_features   number of features, ()
    feature      feature of each column, (C,); at_nan, at_zero: what stands for NaN and for zero in it (NaN: itself)
    column       column of each node, (K,); threshold; keep: the leaves that stay possible where column > threshold
    first_node   first node of each tree and, last, their number, (T+1,); within a tree sorted by column and threshold
    leaf         values of the leaves, left to right, (L,); first_leaf: where those of each tree begin, (T,)
    first_tree   first tree of each forest and, last, their number, (M+1,); a forest's value is the sum in this order
    """

    n_features: Array
    feature: Array
    at_nan: FloatArray
    at_zero: FloatArray
    column: Array
    threshold: FloatArray
    keep: Array
    first_node: Array
    leaf: FloatArray
    first_leaf: Array
    first_tree: Array

    def to_arrays(self) -> dict[str, Array]:
        """Return the tables by name."""
        return {name: getattr(self, name) for name in _DTYPES}

    def walked(self) -> tuple[Array, ...]:
        """Return the arguments of the walk."""
        return tuple(getattr(self, name) for name in WALKED)

    def splits(self) -> tuple[Array, FloatArray]:
        """Return feature and threshold of every node, (K,) each."""
        return self.feature[self.column], self.threshold

    def widest(self) -> int:
        """Return the number of leaves of the largest tree."""
        return int(np.diff(np.append(self.first_leaf, np.uint64(len(self.leaf)))).max(initial=1))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> ForestTables:
        """Return the tables that `to_arrays` named; checked, since the walk reads unchecked.

        Raises
        ------
        ValueError
            An array is missing, of another type, or points outside of the others.
        """
        tables = cls(**checked_arrays(arrays, _DTYPES))
        tables._check()
        return tables

    def _check(self) -> None:
        leaves: Array = np.diff(np.append(self.first_leaf, np.uint64(len(self.leaf))).astype(np.int64))
        nodes: Array = np.diff(self.first_node.astype(np.int64))
        sound = (
            len(self.first_tree) > 1
            and columns_are_sound(self)
            and len(self.column) == len(self.threshold) == len(self.keep)
            and len(self.first_node) == len(self.first_leaf) + 1
            and are_offsets(self.first_node, len(self.column))
            and are_offsets(self.first_tree, len(self.first_leaf))
            and bool(np.all(self.column < np.uint64(len(self.feature))))
            and bool(np.all((leaves >= 1) & (leaves <= MAX_LEAVES) & (nodes == leaves - 1)))
            and (not len(self.first_leaf) or int(self.first_leaf[0]) == 0)
        )
        if not sound:
            raise ValueError("forest tables contradict each other")
        # the walk ends at a leaf of its own tree whatever the row: the last leaf is never ruled out
        last = np.repeat(leaves - 1, nodes).astype(np.uint64)
        if not np.all((self.keep >> last) & np.uint64(1)):
            raise ValueError("forest tables rule out every leaf of a tree")

    @classmethod
    def of_forests(cls, forests: Sequence[Forest], n_features: int) -> ForestTables:
        """Return the tables of forests.

        Raises
        ------
        ValueError
            A tree has more than 64 leaves, is no binary tree, or its thresholds or features are out of range.
        """
        columns: dict[Column, int] = {}
        nodes: list[tuple[int, float, int]] = []
        leaf: list[float] = []
        first_node, first_leaf, first_tree = [0], [], [0]
        for forest in forests:
            for tree in forest:
                keep, order = _left_to_right(tree)
                numbered = [columns.setdefault(column, len(columns)) for column in tree.column]
                nodes += sorted(zip(numbered, tree.threshold, keep, strict=True))
                first_node.append(len(nodes))
                first_leaf.append(len(leaf))
                leaf += [tree.leaf[number] for number in order]
            first_tree.append(len(first_leaf))
        if any(not 0 <= column.feature < n_features for column in columns):
            raise ValueError(f"a node tests a feature beyond the {n_features} of the model")
        return _of_values(
            {
                "n_features": n_features,
                **column_arrays(columns),
                "column": [node[0] for node in nodes],
                "threshold": checked_thresholds([node[1] for node in nodes]),
                "keep": [node[2] for node in nodes],
                "first_node": first_node,
                "leaf": leaf,
                "first_leaf": first_leaf,
                "first_tree": first_tree,
            }
        )

    @classmethod
    def joined(cls, parts: Sequence[ForestTables]) -> ForestTables:
        """Return the forests of several tables as one, in order: they share their columns.

        Raises
        ------
        ValueError
            They are over different numbers of features.
        """
        columns, numbers = joined_columns(parts)
        first_leaf = joined_offsets([np.append(part.first_leaf, np.uint64(len(part.leaf))) for part in parts])[:-1]
        return _of_values(
            {
                "n_features": parts[0].n_features,
                **columns,
                "column": np.concatenate([new[part.column] for new, part in zip(numbers, parts, strict=True)]),
                "threshold": np.concatenate([part.threshold for part in parts]),
                "keep": np.concatenate([part.keep for part in parts]),
                "first_node": joined_offsets([part.first_node for part in parts]),
                "leaf": np.concatenate([part.leaf for part in parts]),
                "first_leaf": first_leaf,
                "first_tree": joined_offsets([part.first_tree for part in parts]),
            }
        )


def _of_values(values: Mapping[str, Any]) -> ForestTables:
    return ForestTables.from_arrays({name: np.array(values[name], dtype=dtype) for name, dtype in _DTYPES.items()})


def _left_to_right(tree: Tree) -> tuple[list[int], list[int]]:
    """Return per node the leaves that stay possible where the row goes right, and the leaves in order."""
    n_leaves = len(tree.leaf)
    if not 1 <= n_leaves <= MAX_LEAVES or len(tree.left) != n_leaves - 1:
        raise ValueError(f"a tree has {n_leaves} leaves and {len(tree.left)} nodes; at most {MAX_LEAVES} fit")
    keep, order = [_ALL] * len(tree.left), []
    first_below = [-1] * len(tree.left)  # number of leaves to the left of the node's own
    stack = [0] if len(tree.left) else [-1]
    steps = 0
    while stack:
        node = stack.pop()
        steps += 1
        if steps > 3 * n_leaves or not -n_leaves <= node < len(tree.left):
            raise ValueError("a tree's children do not form a tree")
        if node < 0:
            order.append(-node - 1)
        elif first_below[node] < 0:
            first_below[node] = len(order)
            stack += [node, tree.left[node]]
        else:
            width = len(order) - first_below[node]
            keep[node] = _ALL & ~(((1 << width) - 1) << first_below[node])
            stack.append(tree.right[node])
    if sorted(order) != list(range(n_leaves)):
        raise ValueError("a tree's children do not form a tree")
    return keep, order
