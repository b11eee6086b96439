"""No-trade band: which changes of weight are worth an order."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import BoolArray, CodeArray, FloatArray


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
        reason = np.full(wanted.size, Reason.SIZED, dtype=np.int16)
        reason[self.too_small(wanted, held, resize)] = Reason.WITHIN_BAND
        reason[resize & ~worth] = Reason.BELOW_RESERVE
        reason[~resize & (reason != Reason.SIZED)] = Reason.BELOW_MIN_ENTRY
        return np.where(reason == Reason.SIZED, wanted, held), reason

    def too_small(self, wanted: FloatArray, held: FloatArray, resize: BoolArray) -> BoolArray:
        """Return where a change is not worth an order (also where it is nothing, or NaN)."""
        change = np.abs(wanted - held)
        smallest = np.where(resize, self._band_weight, self._min_entry_weight)
        small: BoolArray = ~(change >= smallest) | (change == 0.0)
        return small
