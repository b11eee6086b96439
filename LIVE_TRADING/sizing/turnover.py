"""No-trade band: which changes of weight are worth an order."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import BoolArray, CodeArray, FloatArray

# Typed once: numpy takes several times longer over an enum member, and a plain integer would widen the array.
_SIZED, _BELOW_MIN_ENTRY = np.int16(Reason.SIZED), np.int16(Reason.BELOW_MIN_ENTRY)
_WITHIN_BAND, _BELOW_RESERVE = np.int16(Reason.WITHIN_BAND), np.int16(Reason.BELOW_RESERVE)


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
        passes = self.enough(wanted, held, resize) & (worth | ~resize)
        reason = np.where(passes, _SIZED, np.where(resize, _WITHIN_BAND, _BELOW_MIN_ENTRY))
        reason[resize & ~worth] = _BELOW_RESERVE
        return np.where(passes, wanted, held), reason

    def enough(self, wanted: FloatArray, held: FloatArray, resize: BoolArray) -> BoolArray:
        """Return where a change is worth an order: large enough, and not nothing (nor NaN)."""
        change = np.abs(wanted - held)
        worth: BoolArray = (change >= np.where(resize, self._band_weight, self._min_entry_weight)) & (change > 0.0)
        return worth
