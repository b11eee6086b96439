"""Target weights that a rule gives, to the whole lots that the book should hold."""

from __future__ import annotations

import math

import numpy as np

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import BoolArray, FloatArray, SizingResult
from LIVE_TRADING.sizing.lots import whole_lots
from LIVE_TRADING.sizing.turnover import TurnoverConfig, TurnoverManager

_OK, _SIZED, _GATED = int(Reason.OK), int(Reason.SIZED), int(Reason.GATED)
_BELOW_LOT, _QUOTE_MISSING = int(Reason.BELOW_LOT), int(Reason.QUOTE_MISSING)


class TargetSizer:
    """The band of `TurnoverManager`, then whole lots towards zero; no volatility factor and no cap.

    A change below `min_entry_weight` from flat, or `band_weight` from a position, is not made; a target of exactly 0
    leaves whatever is held. Unlike the targets of models, one of a rule may cross zero: that is one order.
    """

    def __init__(self, config: TurnoverConfig) -> None:
        self._turnover = TurnoverManager(config)

    def size(
        self,
        wanted: FloatArray,
        held_shares: FloatArray,
        price_usd: FloatArray,
        lot: FloatArray,
        min_notional_usd: FloatArray,
        equity_usd: float,
        may_increase: BoolArray,
    ) -> SizingResult:
        """Return targets (N,) in shares, and why.

        Parameters
        ----------
        wanted
            Signed weights, NaN: what is held stays.
        held_shares, price_usd, lot, min_notional_usd
            Of the book and the venue; without a price what is held stays, unless it is to be left.
        may_increase
            Where nothing may be added: what would grow stays, what would cross zero goes to zero.
        """
        price = np.where((price_usd > 0.0) & (price_usd < np.inf), price_usd, np.nan)
        equity = equity_usd if 0.0 < equity_usd < math.inf else math.nan
        is_held = held_shares != 0.0
        held = np.where(is_held, held_shares * price / equity, 0.0)
        leaves = is_held & (wanted == 0.0)
        always = np.ones(held.size, dtype=np.bool_)
        target, reason = self._turnover.settle(np.where(np.isnan(wanted), held, wanted), held, is_held, always)
        if not may_increase.all():
            target = np.where(~may_increase & (target * held < 0.0), 0.0, target)
            grows = ~may_increase & (np.abs(target) > np.abs(held))
            target, reason = np.where(grows, held, target), np.where(grows, np.int16(_GATED), reason)
        shares = whole_lots(target * (equity / price), lot)
        step = np.abs(shares - held_shares)
        moves = (reason == _SIZED) & ((step > 0.0) & (step * price >= min_notional_usd))
        reason[(reason == _SIZED) & ~moves] = _BELOW_LOT
        reason[np.isnan(price)] = _QUOTE_MISSING
        reason[np.isnan(wanted) | (~is_held & (wanted == 0.0))] = _OK
        shares = np.where(moves, shares, held_shares)
        shares[leaves], reason[leaves] = 0.0, _SIZED
        shares += 0.0
        weight = np.where(shares != 0.0, shares * price / equity, 0.0)
        return SizingResult(wanted, weight, shares, reason)
