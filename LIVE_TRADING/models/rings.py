"""Sums over the last bars of each symbol, for several quantities and spans at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.array_record import ArrayRecord
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.types import FloatArray, IntArray
from LIVE_TRADING.models.arrivals import Arrival


@dataclass(frozen=True, slots=True, eq=False)
class RingState(ArrayRecord):
    """Running totals of Q quantities, now and after each of a symbol's last bars."""

    totals: FloatArray  # (Q, N)
    ring: FloatArray  # (Q, slots, N): totals after n bars in slot n mod slots, two spare


class WindowSums:
    """Σ over a symbol's last k bars as a difference of running totals: total_n − total_(n−k).

    A difference of totals is exactly 0 where nothing was added, and never negative where nothing negative was: a flat
    stretch has no variance, whatever came before. Totals only grow by what is added (returns, squared returns, log
    volume against a level); after 25 years of 5-minute bars a window of an hour still has 10 digits.

    `spans[q]` lists the spans of quantity q. The slot written is outside every window of the record before, and one
    written by a step whose result was dropped is outside every window of the step that replaces it.
    """

    def __init__(self, spans: Sequence[Sequence[int]], n_symbols: int) -> None:
        longest = max(span for of_quantity in spans for span in of_quantity)
        self._n_slots = 1 << (longest + 1).bit_length()  # a power of two, at least two above the longest span
        self._n_symbols = n_symbols
        self._shape = (len(spans), self._n_slots, n_symbols)
        pairs = [(quantity, span) for quantity, of_quantity in enumerate(spans) for span in of_quantity]
        self._pairs = np.array(pairs, dtype=np.int64)

    def initial(self) -> RingState:
        """Return the memory before the first bar."""
        return RingState(np.zeros((self._shape[0], self._n_symbols)), np.zeros(self._shape))

    def advance(self, state: RingState, added: FloatArray, bars: Arrival) -> tuple[RingState, FloatArray]:
        """Return the memory with `added` (Q, N) taken in, and the sums, one row (N,) per quantity and span.

        A sum means something once the symbol has had as many bars as its span.
        """
        totals, sums = np.empty(state.totals.shape), np.empty((len(self._pairs), self._n_symbols))
        advance_sums(bars.close, bars.seen, state.totals, added, self._pairs, state.ring, totals, sums)
        return RingState(totals, state.ring), sums


@kernel(
    "void(float64[::1], int64[::1], float64[:, ::1], float64[:, ::1], int64[:, ::1], float64[:, :, ::1], "
    "float64[:, ::1], float64[:, ::1])"
)
def advance_sums(
    close: FloatArray,
    seen: IntArray,
    before: FloatArray,
    added: FloatArray,
    pairs: IntArray,
    ring: FloatArray,
    totals: FloatArray,
    sums: FloatArray,
) -> None:
    """Write the totals (Q, N), into their ring as well, and the sums (J, N) of J pairs (quantity, span).

    Where a symbol has no bar, NaN in `close` (N,), its totals hold.
    """
    last_slot = ring.shape[1] - 1  # slots are a power of two
    for q in range(totals.shape[0]):
        for i in range(close.shape[0]):
            total = before[q, i] + added[q, i] if close[i] == close[i] else before[q, i]
            totals[q, i] = ring[q, seen[i] & last_slot, i] = total
    for j in range(pairs.shape[0]):
        q, span = pairs[j]
        for i in range(close.shape[0]):
            sums[j, i] = totals[q, i] - ring[q, (seen[i] - span) & last_slot, i]
