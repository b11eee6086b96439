"""scikit-learn's trees, with its rules for missing values and rounding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.forest_trees import Column, Tree, constant
from LIVE_TRADING.models.snapshot import Array

_NO_CHILD = -1
_BEYOND_SINGLE = 2.0**128  # what a float32 that is one step above the greatest would be


def boosted_trees(baseline: float, nodes_of_trees: Iterable[Array]) -> list[Tree]:
    """Return the forest of a HistGradientBoostingRegressor: its baseline, then the trees of its predictors' nodes.

    Leaves are float64 and already shrunk. NaN goes the way of `missing_go_to_left`.
    """
    return [constant(baseline), *(_boosted(nodes) for nodes in nodes_of_trees)]


def averaged_trees(trees: Iterable[Any]) -> list[Tree]:
    """Return the forest of a regression forest's `tree_` objects, of whose sum the mean is still to be taken.

    The library rounds features to float32 and compares them with float64 thresholds. Here the threshold is moved
    instead, to the greatest float64 that rounding leaves at or below it: the same rows go left.
    """
    return [_averaged(tree) for tree in trees]


def before_rounding(threshold: FloatArray) -> FloatArray:
    """Return the greatest numbers that, rounded to float32, are at or below these thresholds; +inf and NaN stay.

    They lie half way to the next float32, and that point itself belongs to the even one of its neighbours.
    """
    with np.errstate(over="ignore"):
        below = threshold.astype(np.float32)
        below = np.where(below > threshold, np.nextafter(below, np.float32(-np.inf)), below)
        above = np.nextafter(below, np.float32(np.inf))
        sides = np.stack([below, above]).astype(np.float64)
        middle = np.clip(sides, -_BEYOND_SINGLE, _BEYOND_SINGLE).sum(axis=0) / 2.0
        bound: FloatArray = np.where(middle.astype(np.float32) == below, middle, np.nextafter(middle, -np.inf))
    return np.where(threshold < np.inf, bound, threshold)


def _boosted(nodes: Array) -> Tree:
    is_leaf = nodes["is_leaf"] != 0
    inner = nodes[~is_leaf]
    number = _numbered(is_leaf)
    return Tree(
        column=_columns(inner["feature_idx"], inner["missing_go_to_left"]),
        threshold=inner["num_threshold"].tolist(),
        left=number[inner["left"]].tolist(),
        right=number[inner["right"]].tolist(),
        leaf=nodes["value"][is_leaf].tolist(),
    )


def _averaged(tree: Any) -> Tree:
    is_leaf = tree.children_left == _NO_CHILD
    number = _numbered(is_leaf)
    return Tree(
        column=_columns(tree.feature[~is_leaf], tree.missing_go_to_left[~is_leaf]),
        threshold=before_rounding(tree.threshold[~is_leaf]).tolist(),
        left=number[tree.children_left[~is_leaf]].tolist(),
        right=number[tree.children_right[~is_leaf]].tolist(),
        leaf=tree.value[is_leaf, 0, 0].tolist(),
    )


def _numbered(is_leaf: Array) -> Array:
    """Return the number of each node as `Tree` has it: from 0 up for those that split, from −1 down for leaves."""
    return np.where(is_leaf, -np.cumsum(is_leaf), np.cumsum(~is_leaf) - 1)


def _columns(feature: Array, missing_goes_left: Array) -> Sequence[Column]:
    pairs = zip(feature.tolist(), missing_goes_left.tolist(), strict=True)
    return [Column(int(number), -np.inf if left else np.inf, None) for number, left in pairs]
