"""Exposure of the book: what it is, and what it could become through the orders at work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

import numpy as np

from LIVE_TRADING.common.types import FloatArray

Quantity = TypeVar("Quantity", float, Decimal)


def reserved_shares(position: Quantity, working_buy: Quantity, working_sell: Quantity) -> Quantity:
    """Return the signed position to reckon with: the largest, in size, that fills of the working orders can lead to.

    An entry counts from the moment it is sent; an exit frees its room when it has filled, not before.
    """
    if not working_buy and not working_sell:
        return position
    if not position:
        return working_buy if working_buy >= working_sell else -working_sell
    return max((position, position + working_buy, position - working_sell), key=abs)


@dataclass(frozen=True, slots=True)
class Exposure:
    """Gross and net exposure in USD and as shares of equity. NaN: a position without a price, or no equity."""

    gross_usd: float
    net_usd: float
    gross: float
    net: float


class ExposureTracker:
    """gross = Σ |n_i| · price_i,  net = Σ n_i · price_i, n_i the reserved shares of symbol i.

    Sums are exact (`math.fsum`), so the order of symbols changes nothing.
    """

    def measure(
        self,
        position_shares: FloatArray,
        working_buy_shares: FloatArray,
        working_sell_shares: FloatArray,
        price_usd: FloatArray,
        equity_usd: float,
    ) -> Exposure:
        """Return the exposure of a book.

        Parameters
        ----------
        position_shares
            Shape (N,), signed.
        working_buy_shares, working_sell_shares
            Shape (N,), not negative: what working orders may still fill. Orders of unknown fate count.
        price_usd
            Shape (N,), NaN allowed where nothing is held or at work.
        equity_usd
            Equity; not positive or NaN gives NaN shares of equity.
        """
        paths = np.stack([position_shares, position_shares + working_buy_shares, position_shares - working_sell_shares])
        reserved = np.take_along_axis(paths, np.abs(paths).argmax(axis=0)[None], axis=0)[0]
        value_usd = np.where(reserved == 0.0, 0.0, reserved * price_usd)
        gross_usd, net_usd = math.fsum(np.abs(value_usd).tolist()), math.fsum(value_usd.tolist())
        scale = 1.0 / equity_usd if equity_usd > 0.0 else math.nan
        return Exposure(gross_usd, net_usd, gross_usd * scale, net_usd * scale)
