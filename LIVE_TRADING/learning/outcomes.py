"""Entries that wait for what each of their horizons would have made, and which of them a bar settles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.types import BarBatch
from LIVE_TRADING.common.units import BPS
from LIVE_TRADING.learning.hedge import HorizonOutcomes


@dataclass(frozen=True, slots=True)
class WaitingEntry:
    """An entry as decided at the end of one bar, with what has become known of its horizons since.

    bar, session, slot   bar end of the decision over the interval, its session and its place in it
    qualifies, side, sigma_h_bps, cost_bps   as in `HorizonOutcomes`
    entry_price          open of the next bar; NaN: not yet, or never known
    return_bps           per horizon, NaN: not yet, or never known
    waits                the horizons whose end is still to come
    """

    order_number: int
    symbol: str
    bar: int
    session: int
    slot: int
    qualifies: tuple[bool, ...]
    side: tuple[int, ...]
    sigma_h_bps: tuple[float, ...]
    cost_bps: float
    entry_price: float
    return_bps: tuple[float, ...]
    waits: tuple[bool, ...]

    @classmethod
    def decided(
        cls,
        order_number: int,
        symbol: str,
        at: tuple[int, int, int],
        qualifies: tuple[bool, ...],
        side: tuple[int, ...],
        sigma_h_bps: tuple[float, ...],
        cost_bps: float,
    ) -> WaitingEntry:
        """Return an entry of which nothing is known yet; `at` is bar, session and slot."""
        unknown = (math.nan,) * len(qualifies)
        return cls(order_number, symbol, *at, qualifies, side, sigma_h_bps, cost_bps, math.nan, unknown, qualifies)


class OutcomeTracker:
    """What each horizon of an entry makes, measured as a label: open of the next bar to the close that ends it.

    Horizon of h bars: the close of bar t+h, of the same session where the market closes; 1d: the close of the same slot
    of the next session. What has no bar to begin or to end with stays unknown. An entry is settled at the bar end at
    which none of its horizons waits any more.
    """

    def __init__(self, horizons: tuple[Horizon, ...], overnight: bool) -> None:
        self._horizons = horizons
        self._overnight = overnight

    def advance(
        self,
        waiting: Iterable[WaitingEntry],
        bars: BarBatch,
        columns: Mapping[str, int],
        session: int,
        slot: int,
    ) -> tuple[tuple[WaitingEntry, ...], tuple[HorizonOutcomes, ...]]:
        """Return the entries that still wait after the bars of one bar end, and those that are settled by it.

        Parameters
        ----------
        columns
            Column of each symbol in the bars.
        session, slot
            Of these bars, counted as those of the entries.
        """
        bar = bars.bar_end_ns // bars.interval_ns
        left, settled = [], []
        for before in waiting:
            entry = self._after(before, bars, columns[before.symbol], (bar, session, slot))
            if any(entry.waits):
                left.append(entry)
            else:
                settled.append(_outcomes(entry, bars.bar_end_ns))
        return tuple(left), tuple(settled)

    def _after(self, entry: WaitingEntry, bars: BarBatch, column: int, at: tuple[int, int, int]) -> WaitingEntry:
        """Return an entry after the bar `at` (bar, session, slot)."""
        bar, session, slot = at
        if bar <= entry.bar:
            return entry
        if bar == entry.bar + 1 and (session == entry.session or not self._overnight):
            entry = replace(entry, entry_price=float(bars.open[column]))
        returns, waits = list(entry.return_bps), list(entry.waits)
        for row, horizon in enumerate(self._horizons):
            if not waits[row]:
                continue
            if horizon.is_daily:
                ends = session == entry.session + 1 and slot == entry.slot
                over = session > entry.session + 1 or (session == entry.session + 1 and slot >= entry.slot)
            else:
                there = session == entry.session or not self._overnight
                ends = there and bar == entry.bar + horizon.bars
                over = not there or bar >= entry.bar + horizon.bars
            if ends:
                returns[row] = (float(bars.close[column]) / entry.entry_price - 1.0) * BPS
            waits[row] = not over
        return replace(entry, return_bps=tuple(returns), waits=tuple(waits))


def _outcomes(entry: WaitingEntry, settled_ns: int) -> HorizonOutcomes:
    return HorizonOutcomes(
        entry.order_number,
        settled_ns,
        entry.qualifies,
        entry.side,
        entry.return_bps,
        entry.sigma_h_bps,
        entry.cost_bps,
    )
