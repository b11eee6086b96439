"""Forests of wide trees as flat tables for a descent from node to child.

Where a tree has hundreds of leaves, asking each of its nodes, as the bit-vector walk does, takes longer than following
one path. The nodes of a tree stand level by level, the two children of a node side by side, so that a step is
`child + (column > threshold)`; a leaf is its own child and no column exceeds its threshold, so that a row that has
arrived stays while others beside it go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.forest_trees import (
    COLUMN_DTYPES,
    GREATEST,
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

_DTYPES = {
    "n_features": np.int64,
    **COLUMN_DTYPES,
    "column": np.uint32,
    "threshold": np.float64,
    "child": np.uint32,
    "value": np.float64,
    "first_node": np.uint64,
    "first_tree": np.uint64,
}
_MOST_NODES = 2**32 - 1
WALKED = tuple(name for name in _DTYPES if name != "n_features")  # order: of the walk's arguments


@dataclass(frozen=True, slots=True, eq=False)
class DescentTables:
    """M forests over the same features, of trees of any width.

    n_features   number of features, ()
    feature      feature of each column, (C,); at_nan, at_zero: what stands for NaN and for zero in it (NaN: itself)
    column       column of each node, (K,); threshold: +inf in a leaf
    child        left child of each node, whose right child is the next one, (K,); a leaf's is itself
    value        value of each leaf, 0 in other nodes, (K,)
    first_node   root of each tree and, last, the number of nodes, (T+1,)
    first_tree   first tree of each forest and, last, their number, (M+1,); a forest's value is the sum in this order
    """

    n_features: Array
    feature: Array
    at_nan: FloatArray
    at_zero: FloatArray
    column: Array
    threshold: FloatArray
    child: Array
    value: FloatArray
    first_node: Array
    first_tree: Array

    def to_arrays(self) -> dict[str, Array]:
        """Return the tables by name."""
        return {name: getattr(self, name) for name in _DTYPES}

    def walked(self) -> tuple[Array, ...]:
        """Return the arguments of the walk."""
        return tuple(getattr(self, name) for name in WALKED)

    def splits(self) -> tuple[Array, FloatArray]:
        """Return feature and threshold of every node that is no leaf, (I,) each."""
        inner = self.threshold < np.inf
        return self.feature[self.column[inner]], self.threshold[inner]

    def widest(self) -> int:
        """Return the number of leaves of the largest tree."""
        return int((np.diff(self.first_node).max(initial=1) + 1) // 2)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> DescentTables:
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
        n_nodes = len(self.column)
        sound = (
            len(self.first_tree) > 1
            and n_nodes <= _MOST_NODES
            and columns_are_sound(self)
            and n_nodes == len(self.threshold) == len(self.child) == len(self.value)
            and are_offsets(self.first_node, n_nodes)
            and are_offsets(self.first_tree, len(self.first_node) - 1)
            and bool(np.all(np.diff(self.first_node.astype(np.int64)) > 0))
            and bool(np.all(self.column < len(self.feature)))
        )
        if not sound:
            raise ValueError("forest tables contradict each other")
        # the descent ends at a leaf of its own tree whatever the row: every step goes forward and stays within
        place, child = np.arange(n_nodes), self.child.astype(np.int64)
        roots: Array = self.first_node.astype(np.int64)
        end = np.repeat(roots[1:], roots[1:] - roots[:-1])
        leaf = (child == place) & (self.threshold == np.inf)
        inner = (child > place) & (child + 1 < end) & (self.threshold <= GREATEST)
        if not np.all(leaf | inner):
            raise ValueError("forest tables lead out of a tree, or for ever round in it")

    @classmethod
    def of_forests(cls, forests: Sequence[Forest], n_features: int) -> DescentTables:
        """Return the tables of forests.

        Raises
        ------
        ValueError
            A tree is no binary tree, or its thresholds or features are out of range.
        """
        columns: dict[Column, int] = {}
        parts: list[tuple[list[int], FloatArray, list[int], list[float]]] = []
        first_node, first_tree = [0], [0]
        for forest in forests:
            for tree in forest:
                parts.append(_by_level(tree, columns, first_node[-1]))
                first_node.append(first_node[-1] + len(parts[-1][0]))
            first_tree.append(len(parts))
        if any(not 0 <= column.feature < n_features for column in columns):
            raise ValueError(f"a node tests a feature beyond the {n_features} of the model")
        return _of_values(
            {
                "n_features": n_features,
                **column_arrays(columns or [Column(0, -np.inf, None)]),  # a leaf names a column too
                "column": [number for part in parts for number in part[0]],
                "threshold": np.concatenate([part[1] for part in parts]) if parts else [],
                "child": [number for part in parts for number in part[2]],
                "value": [number for part in parts for number in part[3]],
                "first_node": first_node,
                "first_tree": first_tree,
            }
        )

    @classmethod
    def joined(cls, parts: Sequence[DescentTables]) -> DescentTables:
        """Return the forests of several tables as one, in order: they share their columns.

        Raises
        ------
        ValueError
            They are over different numbers of features, or have too many nodes.
        """
        columns, numbers = joined_columns(parts)
        starts = np.cumsum([0, *(len(part.child) for part in parts)])
        if starts[-1] > _MOST_NODES:
            raise ValueError(f"forests of {starts[-1]} nodes are too large to be joined")
        return _of_values(
            {
                "n_features": parts[0].n_features,
                **columns,
                "column": np.concatenate([new[part.column] for new, part in zip(numbers, parts, strict=True)]),
                "threshold": np.concatenate([part.threshold for part in parts]),
                "child": np.concatenate([part.child + start for part, start in zip(parts, starts, strict=False)]),
                "value": np.concatenate([part.value for part in parts]),
                "first_node": joined_offsets([part.first_node for part in parts]),
                "first_tree": joined_offsets([part.first_tree for part in parts]),
            }
        )


def _of_values(values: Mapping[str, Any]) -> DescentTables:
    return DescentTables.from_arrays({name: np.array(values[name], dtype=dtype) for name, dtype in _DTYPES.items()})


def _by_level(
    tree: Tree, columns: dict[Column, int], start: int
) -> tuple[list[int], FloatArray, list[int], list[float]]:
    """Return column, threshold, child and value of a tree's nodes, the first of which gets the number `start`."""
    n_inner, n_leaves = len(tree.left), len(tree.leaf)
    if n_leaves < 1 or n_inner != n_leaves - 1:
        raise ValueError(f"a tree has {n_leaves} leaves and {n_inner} nodes")
    bounds = checked_thresholds(tree.threshold).tolist()
    order = [0] if n_inner else [-1]
    column, threshold, child, value = [], [], [], []
    for place, node in enumerate(order):  # grows while it is read
        if len(order) > n_inner + n_leaves or not -n_leaves <= node < n_inner:
            raise ValueError("a tree's children do not form a tree")
        if node < 0:
            column.append(0)
            threshold.append(np.inf)
            child.append(start + place)
            value.append(tree.leaf[-node - 1])
        else:
            column.append(columns.setdefault(tree.column[node], len(columns)))
            threshold.append(bounds[node])
            child.append(start + len(order))
            value.append(0.0)
            order += [tree.left[node], tree.right[node]]
    if sorted(order) != list(range(-n_leaves, n_inner)):
        raise ValueError("a tree's children do not form a tree")
    return column, np.array(threshold, dtype=np.float64), child, value
