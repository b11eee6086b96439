"""Features that are computed twice of the same bars must be the same; what to say where one is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.exceptions import LiveTradingError
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.common.units import iso_utc

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Parting:
    """One feature: the first symbol in which two computations part, both values, and in how many symbols they do."""

    name: str
    symbol: str
    in_cycle: float
    ahead: float
    n_symbols: int

    def __str__(self) -> str:
        more = f" and {self.n_symbols - 1} more" if self.n_symbols > 1 else ""
        return f"{self.name} of {self.symbol}{more} ({self.in_cycle!r} in the cycle, {self.ahead!r} computed ahead)"


class NotRepeatableError(LiveTradingError):
    """A feature does not give the same value twice, of the same bars; what it would forecast is no evidence."""

    def __init__(self, cycle_ns: int, partings: Sequence[Parting]) -> None:
        named = ", ".join(map(str, partings[:_NAMED]))
        more = f" and {len(partings) - _NAMED} more features" if len(partings) > _NAMED else ""
        super().__init__(
            f"features at {iso_utc(cycle_ns)} are not the same when computed twice of the same bars: {named}{more}; a "
            "feature may depend on nothing but the bars it is given: let it draw nothing and keep nothing between "
            "calls, then train again; python -m bin.check_lookahead shows what else differs"
        )
        self.cycle_ns = cycle_ns
        self.partings = tuple(partings)


def partings(
    names: Sequence[str], symbols: Sequence[str], in_cycle: FloatArray, ahead: FloatArray
) -> tuple[Parting, ...]:
    """Return which features (F, N) part, NaN equal to NaN, in the order of the features."""
    parting = ~((in_cycle == ahead) | (np.isnan(in_cycle) & np.isnan(ahead)))
    found = []
    for row in np.flatnonzero(parting.any(axis=1)).tolist():
        columns = np.flatnonzero(parting[row])
        column = int(columns[0])
        values = float(in_cycle[row, column]), float(ahead[row, column])
        found.append(Parting(names[row], symbols[column], *values, len(columns)))
    return tuple(found)
