"""What a symbol has done since its session opened: gap, range, and the close it came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.array_record import ArrayRecord
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.arrivals import Arrival


@dataclass(frozen=True, slots=True, eq=False)
class SessionState(ArrayRecord):
    """Memory of the session under way, arrays (N,); NaN: not known (yet)."""

    high: FloatArray  # of the session so far, NaN: the symbol has had no bar in it
    low: FloatArray
    base: FloatArray  # newest close before this session
    gap: FloatArray  # log(open of the symbol's first bar / base)
    last_session: FloatArray  # log(base / base of the session before), its gap included
    start_total: FloatArray  # running total of returns when the session opened


def initial_session(n_symbols: int) -> SessionState:
    """Return the memory before the first session."""
    unknown = np.full(n_symbols, np.nan)
    return SessionState(unknown, unknown, unknown, unknown, unknown, np.zeros(n_symbols))


def open_session(state: SessionState, last_close: FloatArray, total_return: FloatArray) -> SessionState:
    """Return the memory at the start of a session: closes of the one before become the base, nothing has traded."""
    unknown = np.full(last_close.shape, np.nan)
    return SessionState(unknown, unknown, last_close, unknown, np.log(last_close / state.base), total_return)


def advance_session(state: SessionState, last_close: FloatArray, bars: Arrival) -> tuple[SessionState, FloatArray]:
    """Return the memory after the bars of one bar end, and the price (N,) that each bar's return starts from.

    That is the last close, and for a symbol's first bar of a session its open: the way from one session to the next
    is the gap's.
    """
    opening = np.isnan(state.high)
    high, low = np.fmax(state.high, bars.high), np.fmin(state.low, bars.low)
    bars.hold(high, state.high)
    bars.hold(low, state.low)
    if not np.logical_or.reduce(opening):
        return SessionState(high, low, state.base, state.gap, state.last_session, state.start_total), last_close
    gap = np.where(opening, np.log(bars.open / state.base), state.gap)
    bars.hold(gap, state.gap)
    reference = np.where(opening, bars.open, last_close)
    return SessionState(high, low, state.base, gap, state.last_session, state.start_total), reference
