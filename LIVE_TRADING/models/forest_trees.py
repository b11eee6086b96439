"""Trees as their libraries describe them, and the columns that fold what a model does with missing values.

A column is a feature with what stands for NaN and for zero in it, so that each node is one comparison,
`column > threshold`: a row that passes goes right. There −inf means left and +inf right, whatever the threshold; a
feature that is +inf itself, and a threshold that is, count as the greatest finite number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

GREATEST = float(np.finfo(np.float64).max)


class Column(NamedTuple):
    """A feature as nodes see it; `at_zero` stands for what is next to zero, None: that stays what it is."""

    feature: int
    at_nan: float
    at_zero: float | None


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree as its library describes it: node 0 is the root, a child below 0 is the leaf −child − 1.

    A row goes left where column <= threshold.
    """

    column: Sequence[Column]
    threshold: Sequence[float]
    left: Sequence[int]
    right: Sequence[int]
    leaf: Sequence[float]


Forest = Sequence[Tree]
"""A forest's value is the sum of its trees' leaves, added in order to 0."""


def constant(value: float) -> Tree:
    """Return a tree that every row leaves with the same value."""
    return Tree((), (), (), (), (value,))
