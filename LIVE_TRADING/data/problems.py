"""Collects what is wrong with a file of bars, so that everything can be said at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from LIVE_TRADING.common.exceptions import DataProviderError
from LIVE_TRADING.common.types import BoolArray, IntArray


@dataclass(slots=True)
class Problems:
    """Kinds of problem found in one file: column, how many rows, the first of them, its value, and the remedy.

    `where` tells of a row (its position in the arrays that are checked) the line or row in the file, symbol and time.
    """

    file: str
    where: Callable[[int], str] = field(default=lambda row: f"row {row + 1}")
    _found: list[str] = field(default_factory=list)

    def add(self, column: str, what: str, remedy: str) -> None:
        """Note a problem of a column as a whole."""
        self._found.append(f"column {column}: {what}. {remedy}")

    def add_rows(
        self, column: str, what: str, bad: BoolArray | IntArray, value: Callable[[int], object], remedy: str
    ) -> None:
        """Note a problem of some rows, given as a mask or as row numbers; none, if there are none."""
        rows = np.flatnonzero(bad) if bad.dtype == np.bool_ else bad
        if not len(rows):
            return
        first = int(rows.min())
        count = f"{len(rows)} rows" if len(rows) > 1 else "1 row"
        self._found.append(
            f"column {column}: {what} in {count}, first in {self.where(first)}: {value(first)}. {remedy}"
        )

    def raise_any(self) -> None:
        """Raise `error()` if anything was found."""
        if self._found:
            raise self.error()

    def error(self) -> DataProviderError:
        """Return one error that lists every kind of problem found."""
        kinds = "1 kind of problem" if len(self._found) == 1 else f"{len(self._found)} kinds of problem"
        return DataProviderError(
            f"{self.file}: {kinds}, nothing was read\n" + "\n".join(f"- {text}" for text in self._found)
        )
