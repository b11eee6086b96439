"""LightGBM's text format read as trees, with its rules for missing values."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from LIVE_TRADING.models.forest_trees import Column, Tree

_SUMMED_AS_THEY_ARE = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
_BINARY = "binary"
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_SHIFT = 2


def read_lightgbm(model: bytes, *, raw_score: bool = False) -> list[Tree]:
    """Return the forest of a text model whose forecast is the sum of its trees' leaves.

    With `raw_score` that is what stands before the objective's transformation, of a binary classifier too.

    Raises
    ------
    ValueError
        It is another kind of model (several classes, transformed or averaged output, categorical splits, linear
        leaves), or not well formed; says which.
    """
    trees = model.decode().partition("\nend of trees")[0]
    head, *blocks = re.split(r"^Tree=\d+$", trees, flags=re.MULTILINE)
    header = _fields(head)
    objective = header.get("objective", "").split()
    if header.get("num_class") != "1" or header.get("num_tree_per_iteration") != "1":
        raise ValueError("the model has several outputs")
    if "average_output" in head.splitlines():
        raise ValueError("the model averages its trees")
    summed = (*_SUMMED_AS_THEY_ARE, _BINARY) if raw_score else _SUMMED_AS_THEY_ARE
    if not objective or objective[0] not in summed or "sqrt" in objective:
        raise ValueError(f"the output of objective {' '.join(objective) or 'unknown'} is no plain sum")
    try:
        return [_tree(_fields(block)) for block in blocks]
    except KeyError as error:
        raise ValueError(f"the text lacks {error.args[0]}") from error


def _fields(block: str) -> dict[str, str]:
    return {name: value for name, found, value in (line.partition("=") for line in block.splitlines()) if found}


def _tree(block: dict[str, str]) -> Tree:
    """Return one tree; a tree of one leaf has no nodes."""
    leaf = _floats(block["leaf_value"])
    if block.get("num_cat") != "0":
        raise ValueError("a tree splits on categories")
    if block.get("is_linear", "0") != "0":
        raise ValueError("a tree has linear leaves")
    if int(block["num_leaves"]) != len(leaf):
        raise ValueError(f"a tree of {block['num_leaves']} leaves has {len(leaf)} values")
    if len(leaf) == 1:
        return Tree((), (), (), (), leaf)
    features, decisions = _ints(block["split_feature"]), _ints(block["decision_type"])
    return Tree(
        column=[_column(feature, decision) for feature, decision in zip(features, decisions, strict=True)],
        threshold=_floats(block["threshold"]),
        left=_ints(block["left_child"]),
        right=_ints(block["right_child"]),
        leaf=leaf,
    )


def _column(feature: int, decision: int) -> Column:
    """Return feature, what stands for NaN and what for zero, as Tree::NumericalDecision decides.

    missing_type none: NaN is taken for zero. zero: zero and NaN go the default way. nan: NaN goes the default way.
    """
    if decision & _CATEGORICAL:
        raise ValueError("a tree splits on categories")
    default_way = -np.inf if decision & _DEFAULT_LEFT else np.inf
    match decision >> _MISSING_SHIFT:
        case 0:
            return Column(feature, 0.0, 0.0)
        case 1:
            return Column(feature, default_way, default_way)
        case 2:
            return Column(feature, default_way, 0.0)
    raise ValueError(f"decision type {decision} is unknown")


def _ints(line: str) -> Sequence[int]:
    return [int(word) for word in line.split()]


def _floats(line: str) -> Sequence[float]:
    return [float(word) for word in line.split()]
