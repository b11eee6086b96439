"""Forests of trees as flat arrays, whatever library fitted them and whichever walk they are to be compiled for.

The leaves of a tree stand from left to right, its nodes in preorder: a node, those below its left child, those below
its right child. Since a tree has one node less than leaves, the number of leaves below the left child says all about
a tree's shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.forest_trees import GREATEST, Column, Forest, Tree
from LIVE_TRADING.models.snapshot import Array

_DTYPES = {
    "n_features": np.int64,
    "feature": np.uint32,
    "at_nan": np.float64,
    "at_zero": np.float64,
    "column": np.uint32,
    "threshold": np.float64,
    "n_left": np.uint32,
    "leaf": np.float64,
    "first_leaf": np.uint64,
    "first_tree": np.uint64,
}
_MOST_LEAVES = 2**31


@dataclass(frozen=True, slots=True, eq=False)
class ForestTables:
    """M forests over the same features: T trees of K nodes and L = K + T leaves in all.

    n_features   number of features, ()
    feature      feature of each column, (C,); at_nan, at_zero: what stands for NaN and for zero in it (NaN: itself)
    column       column of each node, (K,); a row goes right where column > threshold
    n_left       number of leaves below the left child of each node, (K,)
    leaf         values of the leaves, (L,)
    first_leaf   first leaf of each tree and, last, their number, (T+1,)
    first_tree   first tree of each forest and, last, their number, (M+1,); a forest's value is the sum in this order
    leaf_below   first leaf below each node, as a number within its tree, (K,); follows from the others
    """

    n_features: Array
    feature: Array
    at_nan: FloatArray
    at_zero: FloatArray
    column: Array
    threshold: FloatArray
    n_left: Array
    leaf: FloatArray
    first_leaf: Array
    first_tree: Array
    leaf_below: Array

    @property
    def n_forests(self) -> int:
        """Return M."""
        return len(self.first_tree) - 1

    def to_arrays(self) -> dict[str, Array]:
        """Return the tables by name."""
        return {name: getattr(self, name) for name in _DTYPES}

    def n_leaves(self) -> Array:
        """Return the number of leaves of each tree, (T,)."""
        return np.diff(self.first_leaf.astype(np.int64))

    def first_node(self) -> Array:
        """Return the first node of each tree and, last, their number, (T+1,)."""
        return self.first_leaf.astype(np.int64) - np.arange(len(self.first_leaf))

    def widest(self) -> int:
        """Return the number of leaves of the largest tree."""
        return int(self.n_leaves().max(initial=1))

    def split_features(self) -> Array:
        """Return the feature that each node tests, (K,)."""
        return self.feature[self.column]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> ForestTables:
        """Return the tables that `to_arrays` named; checked, since the walks read unchecked.

        Raises
        ------
        ValueError
            An array is missing, of another type, or points outside of the others; or nodes do not form trees.
        """
        checked = _checked_types(arrays)
        if not _are_sound(**checked):
            raise ValueError("forest tables contradict each other")
        return cls(**checked, leaf_below=_leaf_below(checked["n_left"], checked["first_leaf"]))

    @classmethod
    def of_forests(cls, forests: Sequence[Forest], n_features: int) -> ForestTables:
        """Return the tables of forests.

        Raises
        ------
        ValueError
            A tree is no binary tree, or its thresholds or features are out of range.
        """
        columns: dict[Column, int] = {}
        column: list[int] = []
        threshold: list[float] = []
        n_left: list[int] = []
        leaf: list[float] = []
        first_leaf, first_tree = [0], [0]
        for forest in forests:
            for tree in forest:
                nodes, below_left, leaves = _in_order(tree)
                column += [columns.setdefault(tree.column[node], len(columns)) for node in nodes]
                threshold += [tree.threshold[node] for node in nodes]
                n_left += below_left
                leaf += [tree.leaf[number] for number in leaves]
                first_leaf.append(len(leaf))
            first_tree.append(len(first_leaf) - 1)
        if any(not 0 <= each.feature < n_features for each in columns):
            raise ValueError(f"a node tests a feature beyond the {n_features} of the model")
        return _of_values(
            n_features=n_features,
            **_column_arrays(columns),
            column=column,
            threshold=_compared_thresholds(threshold),
            n_left=n_left,
            leaf=leaf,
            first_leaf=first_leaf,
            first_tree=first_tree,
        )

    @classmethod
    def joined(cls, parts: Sequence[ForestTables]) -> ForestTables:
        """Return the forests of several tables as one, in order: they share their columns.

        Raises
        ------
        ValueError
            They are over different numbers of features, or have too many leaves.
        """
        if len({int(part.n_features) for part in parts}) != 1:
            raise ValueError("forests over different numbers of features cannot be joined")
        columns: dict[Column, int] = {}
        numbers = [_numbered(part, columns) for part in parts]
        return _of_values(
            n_features=parts[0].n_features,
            **_column_arrays(columns),
            column=np.concatenate([new[part.column] for new, part in zip(numbers, parts, strict=True)]),
            threshold=np.concatenate([part.threshold for part in parts]),
            n_left=np.concatenate([part.n_left for part in parts]),
            leaf=np.concatenate([part.leaf for part in parts]),
            first_leaf=_joined_offsets([part.first_leaf for part in parts]),
            first_tree=_joined_offsets([part.first_tree for part in parts]),
        )


def _of_values(**values: Any) -> ForestTables:
    return ForestTables.from_arrays({name: np.array(values[name], dtype=dtype) for name, dtype in _DTYPES.items()})


def _checked_types(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return arrays of exactly the known names and types, contiguous; one-dimensional but for `n_features`."""
    if set(arrays) != set(_DTYPES):
        raise ValueError(f"forest tables {sorted(arrays)}, expected {sorted(_DTYPES)}")
    for name, dtype in _DTYPES.items():  # order: of the fields
        if arrays[name].dtype != dtype or arrays[name].ndim != (name != "n_features"):
            raise ValueError(f"forest table {name} is {arrays[name].dtype} of {arrays[name].ndim} dimensions")
    return {name: np.ascontiguousarray(arrays[name]).reshape(arrays[name].shape) for name in _DTYPES}


def _are_sound(
    *,
    n_features: Array,
    feature: Array,
    at_nan: FloatArray,
    at_zero: FloatArray,
    column: Array,
    threshold: FloatArray,
    n_left: Array,
    leaf: FloatArray,
    first_leaf: Array,
    first_tree: Array,
) -> bool:
    """Tell whether arrays fit each other, the shapes of trees left aside."""
    return bool(
        len(first_tree) > 1
        and len(leaf) < _MOST_LEAVES
        and len(at_nan) == len(at_zero) == len(feature)
        and np.all(feature < max(int(n_features), 0))
        and not np.isnan(at_nan).any()
        and len(column) == len(threshold) == len(n_left) == len(leaf) - (len(first_leaf) - 1)
        and np.all(column < len(feature))
        and np.all(threshold <= GREATEST)
        and _are_offsets(first_leaf, len(leaf), least=1)
        and _are_offsets(first_tree, len(first_leaf) - 1, least=0)
    )


def _are_offsets(values: Array, total: int, least: int) -> bool:
    """Tell whether these are offsets from 0 to `total` that rise by `least` or more each time."""
    if not len(values) or values[0] != 0 or values[-1] != total or values.max() > total:
        return False
    return bool(np.all(np.diff(values.astype(np.int64)) >= least))


def _leaf_below(n_left: Array, first_leaf: Array) -> Array:
    """Return the first leaf below each node (K,), within its tree; level by level, for all trees at once."""
    below = np.zeros(len(n_left), np.int64)
    leaf, width = first_leaf[:-1].astype(np.int64), np.diff(first_leaf.astype(np.int64))
    node, start = leaf - np.arange(len(leaf)), np.zeros(len(leaf), np.int64)
    while True:
        inner = width > 1
        node, start, width = node[inner], start[inner], width[inner]
        if not len(node):
            return below
        left = n_left[node].astype(np.int64)
        if np.any((left < 1) | (left >= width)):
            raise ValueError("forest tables hold nodes that do not form trees")
        below[node] = start
        node = np.concatenate([node + 1, node + left])
        start = np.concatenate([start, start + left])
        width = np.concatenate([left, width - left])


def _in_order(tree: Tree) -> tuple[list[int], list[int], list[int]]:
    """Return a tree's nodes in preorder, the number of leaves left of each, and the leaves from left to right."""
    n_nodes, n_leaves = len(tree.left), len(tree.leaf)
    if n_leaves < 1 or n_nodes != n_leaves - 1:
        raise ValueError(f"a tree has {n_leaves} leaves and {n_nodes} nodes")
    if not n_nodes == len(tree.column) == len(tree.threshold) == len(tree.right):
        raise ValueError(f"not each of a tree's {n_nodes} nodes has a feature, a threshold and two children")
    nodes: list[int] = []
    n_left: list[int] = []
    leaves: list[int] = []
    place = [-1] * n_nodes
    stack = [0] if n_nodes else [-1]
    for _ in range(n_leaves + 2 * n_nodes):  # a leaf is met once, a node twice
        if not stack or not -n_leaves <= stack[-1] < n_nodes:
            break
        node = stack.pop()
        if node < 0:
            leaves.append(-node - 1)
        elif place[node] < 0:
            place[node] = len(nodes)
            nodes.append(node)
            n_left.append(-len(leaves))
            stack += [node, tree.left[node]]
        else:  # all that is below its left child has been met
            n_left[place[node]] += len(leaves)
            stack.append(tree.right[node])
    if stack or len(nodes) != n_nodes or sorted(leaves) != list(range(n_leaves)):
        raise ValueError("a tree's children do not form a tree")
    return nodes, n_left, leaves


def _compared_thresholds(values: Sequence[float]) -> FloatArray:
    """Return thresholds as the walks compare them: +inf is the greatest finite number."""
    threshold = np.array(values, dtype=np.float64)
    if not np.all((threshold < GREATEST) | (threshold == np.inf)):
        raise ValueError("a threshold is no number, or the greatest there is")
    return np.minimum(threshold, GREATEST)


def _column_arrays(columns: Mapping[Column, int]) -> dict[str, Any]:
    return {
        "feature": [column.feature for column in columns],
        "at_nan": [column.at_nan for column in columns],
        "at_zero": [np.nan if column.at_zero is None else column.at_zero for column in columns],
    }


def _numbered(part: ForestTables, columns: dict[Column, int]) -> Array:
    """Return the number among all columns of each column of a part, (C,); what is new is added to them."""
    of_part = zip(part.feature.tolist(), part.at_nan.tolist(), part.at_zero.tolist(), strict=True)
    keys = [Column(feature, at_nan, None if at_zero != at_zero else at_zero) for feature, at_nan, at_zero in of_part]
    return np.array([columns.setdefault(key, len(columns)) for key in keys], dtype=np.int64)


def _joined_offsets(parts: Sequence[Array]) -> Array:
    """Return offsets of several tables as those of the tables one after another."""
    ends = np.cumsum([0, *(int(part[-1]) for part in parts)]).astype(np.uint64)
    moved = [part[:-1] + end for part, end in zip(parts, ends, strict=False)]
    return np.concatenate([*moved, ends[-1:]])
