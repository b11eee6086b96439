"""No-trade band: which changes of weight are worth an order."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import BoolArray, CodeArray, FloatArray

# Plain integers, which a kernel can read.
_SIZED, _BELOW_MIN_ENTRY = int(Reason.SIZED), int(Reason.BELOW_MIN_ENTRY)
_WITHIN_BAND, _BELOW_RESERVE = int(Reason.WITHIN_BAND), int(Reason.BELOW_RESERVE)


class TurnoverConfig(FrozenConfig):
    """Smallest changes of weight. `band: false` is the named neutral: no band, every wanted resize is made."""

    band: bool = Field(True, description="false: a position is resized however small the change")
    band_weight: float = Field(0.0125, ge=0.0, le=1.0, description="smallest resize of a position, share of equity")
    min_entry_weight: float = Field(0.004, ge=0.0, le=1.0, description="smallest entry, share of equity")


class TurnoverManager:
    """An entry of at least min_entry_weight; a resize of at least band_weight, inclusive, whose net alpha pays.

    The band is the no-trade region of portfolio choice with costs (Davis & Norman 1990): inside it, trading costs
    more than being off target. It never decides over an exit.
    """

    def __init__(self, config: TurnoverConfig) -> None:
        self._band_weight = config.band_weight if config.band else 0.0
        self._min_entry_weight = config.min_entry_weight

    def settle(
        self, wanted: FloatArray, held: FloatArray, resize: BoolArray, worth: BoolArray
    ) -> tuple[FloatArray, CodeArray]:
        """Return target weights (N,) and why.

        Parameters
        ----------
        wanted, held
            Signed weights; `held` is 0 for an entry.
        resize
            True for a position, False for an entry.
        worth
            Whether the net alpha reaches the reserve; binds resizes only.

        Returns
        -------
        target, reason
            `wanted` with `SIZED`, or `held` with `BELOW_MIN_ENTRY`, `BELOW_RESERVE` or `WITHIN_BAND`.
        """
        target, reason = np.empty(wanted.size), np.empty(wanted.size, dtype=np.int16)
        settle_changes(
            np.ascontiguousarray(wanted),
            np.ascontiguousarray(held),
            np.ascontiguousarray(resize),
            np.ascontiguousarray(worth),
            self._band_weight,
            self._min_entry_weight,
            target,
            reason,
        )
        return target, reason

    def enough(self, wanted: FloatArray, held: FloatArray, resize: BoolArray) -> BoolArray:
        """Return where a change is worth an order: large enough, and not nothing (nor NaN)."""
        change = np.abs(wanted - held)
        worth: BoolArray = (change >= np.where(resize, self._band_weight, self._min_entry_weight)) & (change > 0.0)
        return worth


@kernel(
    "void(Array(float64, 1, 'C', readonly=True), Array(float64, 1, 'C', readonly=True), boolean[::1], boolean[::1], "
    "float64, float64, float64[::1], int16[::1])"
)
def settle_changes(
    wanted: FloatArray,
    held: FloatArray,
    resize: BoolArray,
    worth: BoolArray,
    band_weight: float,
    min_entry_weight: float,
    target: FloatArray,
    reason: CodeArray,
) -> None:
    """Write targets and reasons (N,) of `TurnoverManager.settle`."""
    for i in range(len(wanted)):
        change = abs(wanted[i] - held[i])
        target[i] = held[i]
        if resize[i] and not worth[i]:
            reason[i] = _BELOW_RESERVE
        elif change > 0.0 and change >= (band_weight if resize[i] else min_entry_weight):
            target[i], reason[i] = wanted[i], _SIZED
        else:
            reason[i] = _WITHIN_BAND if resize[i] else _BELOW_MIN_ENTRY
