"""Regression forests as flat tables for a bit-vector walk (QuickScorer: Lucchese et al. 2015).

The leaves of a tree are numbered from left to right and a row starts with all of them possible. Every node whose test
the row fails (x > threshold) rules out the leaves of its left subtree, in any order of nodes; the lowest leaf that is
still possible is the one the row falls into.

What a model does with a missing value is folded into columns: a column is a feature with what stands for NaN and for
zero in it, so that each node is one comparison, `column > threshold`. There −inf means left and +inf right, whatever
the threshold; a feature that is +inf itself, and a threshold that is, count as the greatest finite number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.snapshot import Array

MAX_LEAVES = 64
GREATEST = float(np.finfo(np.float64).max)
_ALL = (1 << MAX_LEAVES) - 1
_DTYPES = {
    "n_features": np.int64,
    "feature": np.uint64,
    "at_nan": np.float64,
    "at_zero": np.float64,
    "column": np.uint64,
    "threshold": np.float64,
    "keep": np.uint64,
    "first_node": np.uint64,
    "leaf": np.float64,
    "first_leaf": np.uint64,
    "first_tree": np.uint64,
}
WALKED = tuple(name for name in _DTYPES if name != "n_features")  # order: of the walk's arguments


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree as its library describes it: node 0 is the root, a child below 0 is the leaf −child − 1.

    A row goes left where column <= threshold. `column` names a feature and what stands for NaN and for zero in it.
    """

    column: Sequence[tuple[int, float, float]]
    threshold: Sequence[float]
    left: Sequence[int]
    right: Sequence[int]
    leaf: Sequence[float]


@dataclass(frozen=True, slots=True, eq=False)
class ForestTables:
    """M forests over the same features.

    n_features   number of features, ()
    feature      feature of each column, (C,); at_nan, at_zero: what stands for NaN and for zero in it
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
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> ForestTables:
        """Return the tables that `to_arrays` named; checked, since the walk reads unchecked.

        Raises
        ------
        ValueError
            An array is missing, of another type, or points outside of the others.
        """
        if set(arrays) != set(_DTYPES):
            raise ValueError(f"forest tables {sorted(arrays)}, expected {sorted(_DTYPES)}")
        for name, dtype in _DTYPES.items():  # order: of the fields
            if arrays[name].dtype != dtype or arrays[name].ndim != (name != "n_features"):
                raise ValueError(f"forest table {name} is {arrays[name].dtype} of {arrays[name].ndim} dimensions")
        tables = cls(**{name: np.ascontiguousarray(arrays[name]).reshape(arrays[name].shape) for name in _DTYPES})
        tables._check()
        return tables

    def _check(self) -> None:
        leaves: Array = np.diff(np.append(self.first_leaf, np.uint64(len(self.leaf))).astype(np.int64))
        nodes: Array = np.diff(self.first_node.astype(np.int64))
        sound = (
            len(self.first_tree) > 1
            and len(self.at_nan) == len(self.at_zero) == len(self.feature)
            and len(self.column) == len(self.threshold) == len(self.keep)
            and len(self.first_node) == len(self.first_leaf) + 1
            and _offsets(self.first_node, len(self.column))
            and _offsets(self.first_tree, len(self.first_leaf))
            and bool(np.all(self.feature.astype(np.int64) < int(self.n_features)))
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


def build_tables(forests: Sequence[Sequence[Tree]], n_features: int) -> ForestTables:
    """Return the tables of forests.

    Raises
    ------
    ValueError
        A tree has more than 64 leaves, is no binary tree, or its thresholds or features are out of range.
    """
    columns: dict[tuple[int, float, float], int] = {}
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
    threshold = np.array([node[1] for node in nodes], dtype=np.float64)
    if not np.all((threshold < GREATEST) | (threshold == np.inf)):
        raise ValueError("a threshold is no number, or the greatest there is")
    threshold = np.minimum(threshold, GREATEST)
    if any(not 0 <= feature < n_features for feature, _, _ in columns):
        raise ValueError(f"a node tests a feature beyond the {n_features} of the model")
    raw: dict[str, Any] = {
        "n_features": n_features,
        "feature": [column[0] for column in columns],
        "at_nan": [column[1] for column in columns],
        "at_zero": [column[2] for column in columns],
        "column": [node[0] for node in nodes],
        "threshold": threshold,
        "keep": [node[2] for node in nodes],
        "first_node": first_node,
        "leaf": leaf,
        "first_leaf": first_leaf,
        "first_tree": first_tree,
    }
    return ForestTables.from_arrays({name: np.array(raw[name], dtype=dtype) for name, dtype in _DTYPES.items()})


def join_tables(parts: Sequence[ForestTables]) -> ForestTables:
    """Return the forests of several tables as one, in order: they share their columns.

    Raises
    ------
    ValueError
        They are over different numbers of features.
    """
    if len({int(part.n_features) for part in parts}) != 1:
        raise ValueError("forests over different numbers of features cannot be joined")
    columns: dict[tuple[int, float, float], int] = {}
    renumbered = []
    for part in parts:
        keys = zip(part.feature.tolist(), part.at_nan.tolist(), part.at_zero.tolist(), strict=True)
        numbers = np.array([columns.setdefault(key, len(columns)) for key in keys], dtype=np.uint64)
        renumbered.append(numbers[part.column])
    joined: dict[str, Any] = {
        "n_features": parts[0].n_features,
        "feature": [column[0] for column in columns],
        "at_nan": [column[1] for column in columns],
        "at_zero": [column[2] for column in columns],
        "column": np.concatenate(renumbered),
        "threshold": np.concatenate([part.threshold for part in parts]),
        "keep": np.concatenate([part.keep for part in parts]),
        "first_node": _joined_offsets([part.first_node for part in parts]),
        "leaf": np.concatenate([part.leaf for part in parts]),
        "first_leaf": _joined_offsets([np.append(part.first_leaf, np.uint64(len(part.leaf))) for part in parts])[:-1],
        "first_tree": _joined_offsets([part.first_tree for part in parts]),
    }
    return ForestTables.from_arrays({name: np.array(joined[name], dtype=dtype) for name, dtype in _DTYPES.items()})


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


def _offsets(values: Array, total: int) -> bool:
    """Tell whether these are offsets from 0 that never fall and end at `total`."""
    signed = values.astype(np.int64)
    return bool(len(signed) and signed[0] == 0 and signed[-1] == total and np.all(np.diff(signed) >= 0))


def _joined_offsets(parts: Sequence[Array]) -> Array:
    """Return offsets of several tables as those of the tables one after another."""
    ends = np.cumsum([0, *(int(part[-1]) for part in parts)]).astype(np.uint64)
    moved = [part[:-1] + end for part, end in zip(parts, ends, strict=False)]
    return np.concatenate([*moved, ends[-1:]])
