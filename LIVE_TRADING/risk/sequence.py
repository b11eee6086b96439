"""The order in which the orders of a cycle are checked and sent."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.types import BoolArray, FloatArray


def send_sequence(signed_notional_usd: FloatArray, reduces: BoolArray, net_usd: float) -> list[int]:
    """Return the places (0 … K−1) of a cycle's orders in the order in which to check and send them.

    Reductions first, as given. Then the increases, each time the next one, as given, of the side that brings the net
    exposure back, as long as that side has any. In another order a balanced set would run into the net limit half-way,
    though the book it leads to is well within.

    Parameters
    ----------
    signed_notional_usd
        Shape (K,), positive for buys.
    reduces
        Shape (K,).
    net_usd
        Net exposure before the first increase.
    """
    sequence: list[int] = np.flatnonzero(reduces).tolist()
    buys: list[int] = np.flatnonzero(~reduces & (signed_notional_usd >= 0.0)).tolist()
    sells: list[int] = np.flatnonzero(~reduces & ~(signed_notional_usd >= 0.0)).tolist()
    while buys or sells:
        queue = sells if sells and (net_usd > 0.0 or not buys) else buys
        place = queue.pop(0)
        net_usd += float(signed_notional_usd[place])
        sequence.append(place)
    return sequence
