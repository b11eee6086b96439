"""What a symbol has done since its session opened: gap, range, and the close it came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.array_record import BlockRecord, Rows
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.arrivals import Arrival

HIGH, LOW, BASE, GAP, LAST_SESSION, START_TOTAL = range(6)


@dataclass(frozen=True, slots=True, eq=False)
class SessionState(BlockRecord):
    """Memory of the session under way, rows (N,); NaN: not known (yet)."""

    block: FloatArray  # (6, N)
    high = Rows(HIGH)  # of the session so far, NaN: the symbol has had no bar in it
    low = Rows(LOW)
    base = Rows(BASE)  # newest close before this session
    gap = Rows(GAP)  # log(open of the symbol's first bar / base)
    last_session = Rows(LAST_SESSION)  # log(base / base of the session before), its gap included
    start_total = Rows(START_TOTAL)  # running total of returns when the session opened


def initial_session(n_symbols: int) -> SessionState:
    """Return the memory before the first session."""
    block = np.full((6, n_symbols), np.nan)
    block[START_TOTAL] = 0.0
    return SessionState(block)


def open_session(state: SessionState, last_close: FloatArray, total_return: FloatArray) -> SessionState:
    """Return the memory at the start of a session: closes of the one before become the base, nothing has traded."""
    block = np.full(state.block.shape, np.nan)
    block[BASE] = last_close
    block[LAST_SESSION] = np.log(last_close / state.base)
    block[START_TOTAL] = total_return
    return SessionState(block)


def advance_session(state: SessionState, last_close: FloatArray, bars: Arrival, returns: FloatArray) -> SessionState:
    """Return the memory after the bars of one bar end, and write each bar's log return (N,) into `returns`.

    It starts from the last close, for a symbol's first bar of a session from its open: the way from one session to the
    next is the gap's.
    """
    block, ratios = np.empty(state.block.shape), np.empty((2, returns.size))
    if advance_levels(bars.values, last_close, state.block, block, ratios):
        gap = np.log(ratios[1])
        np.copyto(block[GAP], gap, where=~np.isnan(gap))
    np.log(ratios[0], out=returns)
    return SessionState(block)


@kernel("int64(float64[:, ::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])")
def advance_levels(
    bars: FloatArray, last_close: FloatArray, before: FloatArray, after: FloatArray, ratios: FloatArray
) -> int:
    """Return how many symbols open their session with these bars (5, N), and write `SessionState.block` after them.

    `ratios` (2, N): close to where its return starts from, and first open to base, NaN for other bars than a first.
    """
    open_, high, low, close = bars[0], bars[1], bars[2], bars[3]
    n_opening = 0
    after[:] = before
    for i in range(close.shape[0]):
        ratios[0, i] = ratios[1, i] = np.nan
        if close[i] != close[i]:
            continue
        if before[HIGH, i] != before[HIGH, i]:
            n_opening += 1
            after[HIGH, i], after[LOW, i] = high[i], low[i]
            ratios[0, i], ratios[1, i] = close[i] / open_[i], open_[i] / before[BASE, i]
        else:
            after[HIGH, i], after[LOW, i] = max(before[HIGH, i], high[i]), min(before[LOW, i], low[i])
            ratios[0, i] = close[i] / last_close[i]
    return n_opening
