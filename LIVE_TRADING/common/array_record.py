"""Frozen records of arrays that can be written to, and read from, a flat mapping of named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.types import FloatArray

ArrayMap = dict[str, npt.NDArray[Any]]


class ArrayRecord:
    """Base of frozen dataclasses of arrays and ints. Arrays are shared, not copied: nobody writes to them."""

    __slots__ = ()

    def to_arrays(self) -> ArrayMap:
        """Return the fields by name, an int as an array of no dimension."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Return the record whose `to_arrays` gave these arrays.

        Raises
        ------
        StateError
            An array is missing; all missing ones are named.
        """
        declared = fields(cls)  # type: ignore[arg-type]
        _check_there(cls, [field.name for field in declared], arrays)
        values = {field.name: arrays[field.name] for field in declared}
        return cls(**{name: int(value) if value.ndim == 0 else value for name, value in values.items()})


class Rows:
    """Names rows of a `BlockRecord`: one (N,), or `count` of them (count, N)."""

    def __init__(self, first: int, count: int | None = None) -> None:
        self.at = first if count is None else slice(first, first + count)
        self.stop = first + (count or 1)

    def __get__(self, record: BlockRecord | None, owner: type[BlockRecord]) -> FloatArray:
        if record is None:
            raise AttributeError(f"rows of a {owner.__name__} are those of one record")
        rows: FloatArray = record.block[self.at]
        return rows


class BlockRecord(ArrayRecord):
    """Base of frozen dataclasses that hold many rows of numbers (K, N) in one array, `block`, for a kernel.

    Rows are named by `Rows` in the class; by these names, not as a block, they are written and read.
    """

    __slots__ = ()
    block: FloatArray

    def to_arrays(self) -> ArrayMap:
        """Return the rows and the other fields by name."""
        arrays = super().to_arrays()
        del arrays["block"]
        return {name: self.block[rows.at] for name, rows in _rows_of(type(self)).items()} | arrays  # order: declared

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Return the record whose `to_arrays` gave these arrays; rows are copied.

        Raises
        ------
        StateError
            An array is missing; all missing ones are named. Or rows are of different numbers of symbols.
        """
        named = _rows_of(cls)
        others = [field.name for field in fields(cls) if field.name != "block"]  # type: ignore[arg-type]
        _check_there(cls, [*named, *others], arrays)
        sizes = {name: arrays[name].shape[-1] for name in named}
        if len(set(sizes.values())) != 1:
            raise StateError(f"{cls.__name__}: arrays of different numbers of symbols, {sizes}")
        block = np.empty((max(rows.stop for rows in named.values()), next(iter(sizes.values()))))
        for name, rows in named.items():  # order: each fills rows of its own
            block[rows.at] = arrays[name]
        return super().from_arrays({**arrays, "block": block})


def _check_there(kind: type, names: list[str], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    missing = [name for name in names if name not in arrays]
    if missing:
        raise StateError(f"{kind.__name__}: arrays {', '.join(missing)} are missing from the stored state")


def _rows_of(kind: type[BlockRecord]) -> dict[str, Rows]:
    return {name: value for name, value in vars(kind).items() if isinstance(value, Rows)}  # order: declared


def with_prefix(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> ArrayMap:
    """Return the arrays under `prefix.name`."""
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def under_prefix(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> ArrayMap:
    """Return the arrays whose names start with `prefix.`, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
