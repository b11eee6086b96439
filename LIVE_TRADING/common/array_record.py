"""Frozen records of arrays that can be written to, and read from, a flat mapping of named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.exceptions import StateError

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
        missing = [field.name for field in declared if field.name not in arrays]
        if missing:
            raise StateError(f"{cls.__name__}: arrays {', '.join(missing)} are missing from the stored state")
        values = {field.name: arrays[field.name] for field in declared}
        return cls(**{name: int(value) if value.ndim == 0 else value for name, value in values.items()})


def with_prefix(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> ArrayMap:
    """Return the arrays under `prefix.name`."""
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def under_prefix(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> ArrayMap:
    """Return the arrays whose names start with `prefix.`, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
