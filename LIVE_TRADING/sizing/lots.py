"""Weights to whole lots."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.types import BoolArray, FloatArray

# A quotient this close below a whole number of lots is that number: 0.3/0.1 is 2.9999999999999996.
_LOT_SLACK = 1e-9


def whole_lots(shares: FloatArray, lot: FloatArray) -> FloatArray:
    """Return signed shares (N,) rounded towards zero to multiples of `lot`."""
    return np.copysign(np.floor(np.abs(shares) / lot + _LOT_SLACK) * lot, shares)


def order_too_small(
    target: FloatArray, held: FloatArray, grows: BoolArray, price_usd: FloatArray, min_notional_usd: FloatArray
) -> BoolArray:
    """Return where the order from `held` to `target` shares is none, too small for the venue, or the wrong way.

    The wrong way: a position that is no whole number of lots can be rounded past where it stands.
    """
    added = np.abs(target) - np.abs(held)
    step = np.where(grows, added, -added)
    small: BoolArray = ~((step > 0.0) & (step * price_usd >= min_notional_usd))
    return small
