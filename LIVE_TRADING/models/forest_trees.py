"""Trees as their libraries describe them, and the columns that fold what a model does with missing values.

A column is a feature with what stands for NaN and for zero in it, so that each node is one comparison,
`column > threshold`: a row that passes goes right. There −inf means left and +inf right, whatever the threshold; a
feature that is +inf itself, and a threshold that is, count as the greatest finite number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.snapshot import Array

GREATEST = float(np.finfo(np.float64).max)
COLUMN_DTYPES = {"feature": np.uint64, "at_nan": np.float64, "at_zero": np.float64}


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


def column_arrays(columns: Iterable[Column]) -> dict[str, Any]:
    """Return columns by the names of `COLUMN_DTYPES`; `at_zero` NaN is None."""
    listed = list(columns)
    return {
        "feature": [column.feature for column in listed],
        "at_nan": [column.at_nan for column in listed],
        "at_zero": [np.nan if column.at_zero is None else column.at_zero for column in listed],
    }


def joined_columns(parts: Sequence[Any]) -> tuple[dict[str, Any], list[Array]]:
    """Return the columns of several tables without repetition, and per table the new number of each of its own.

    Raises
    ------
    ValueError
        The tables are over different numbers of features.
    """
    if len({int(part.n_features) for part in parts}) != 1:
        raise ValueError("forests over different numbers of features cannot be joined")
    columns: dict[Column, int] = {}
    numbers = []
    for part in parts:
        of_part = zip(part.feature.tolist(), part.at_nan.tolist(), part.at_zero.tolist(), strict=True)
        keys = [Column(feature, at_nan, None if zero != zero else zero) for feature, at_nan, zero in of_part]
        numbers.append(np.array([columns.setdefault(key, len(columns)) for key in keys], dtype=np.int64))
    return column_arrays(columns), numbers


def checked_thresholds(values: Sequence[float]) -> FloatArray:
    """Return thresholds as the walks compare them: +inf is the greatest finite number.

    Raises
    ------
    ValueError
        One is NaN, or the greatest finite number itself.
    """
    threshold = np.array(values, dtype=np.float64)
    if not np.all((threshold < GREATEST) | (threshold == np.inf)):
        raise ValueError("a threshold is no number, or the greatest there is")
    return np.minimum(threshold, GREATEST)


def checked_arrays(arrays: Mapping[str, Array], dtypes: Mapping[str, Any]) -> dict[str, Array]:
    """Return arrays of exactly these names and types, contiguous; one-dimensional but for `n_features`.

    Raises
    ------
    ValueError
        One is missing, or of another type or number of dimensions.
    """
    if set(arrays) != set(dtypes):
        raise ValueError(f"forest tables {sorted(arrays)}, expected {sorted(dtypes)}")
    for name, dtype in dtypes.items():  # order: of the fields
        if arrays[name].dtype != dtype or arrays[name].ndim != (name != "n_features"):
            raise ValueError(f"forest table {name} is {arrays[name].dtype} of {arrays[name].ndim} dimensions")
    return {name: np.ascontiguousarray(arrays[name]).reshape(arrays[name].shape) for name in dtypes}


def columns_are_sound(tables: Any) -> bool:
    """Tell whether the columns of tables have all their parts and name features that exist."""
    within = bool(np.all(tables.feature < np.uint64(max(int(tables.n_features), 0))))
    return within and len(tables.at_nan) == len(tables.at_zero) == len(tables.feature)


def are_offsets(values: Array, total: int) -> bool:
    """Tell whether these are offsets from 0 that never fall and end at `total`."""
    signed = values.astype(np.int64)
    return bool(len(signed) and signed[0] == 0 and signed[-1] == total and np.all(np.diff(signed) >= 0))


def joined_offsets(parts: Sequence[Array]) -> Array:
    """Return offsets of several tables as those of the tables one after another."""
    ends = np.cumsum([0, *(int(part[-1]) for part in parts)]).astype(np.uint64)
    moved = [part[:-1] + end for part, end in zip(parts, ends, strict=False)]
    return np.concatenate([*moved, ends[-1:]])
