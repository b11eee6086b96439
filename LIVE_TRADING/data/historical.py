"""Recorded bars as a data provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.clock import Clock, SimulatedClock
from LIVE_TRADING.common.exceptions import DataProviderError
from LIVE_TRADING.common.types import BAR_FIELDS, BarBatch, BoolArray, FloatArray, IntArray
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.data.calendars import SessionTable
from LIVE_TRADING.data.interface import FeedItem, Quote, SymbolBars
from LIVE_TRADING.data.panel import BarPanel

ADV_SESSIONS = 10


@dataclass(frozen=True, slots=True)
class LateBar:
    """The bar of one symbol that reaches the engine `delay_ns` after its end, not with its batch."""

    symbol: str
    bar_end_ns: int
    delay_ns: int


@dataclass(frozen=True, slots=True)
class _Late:
    """A late bar, located in the panel. Fields in the order in which late bars are delivered."""

    arrival_ns: int
    row: int
    column: int


class HistoricalDataProvider:
    """Streams a panel: every batch arrives when its bars end, late bars when they are said to.

    Parameters
    ----------
    panel
        The recording.
    late
        Bars to take out of their batch and deliver alone.
    clock
        What the queries take for now. Without one the provider keeps its own, which moves with the items that
        `stream` and `timeline` hand out, so that no query can see past them.

    Raises
    ------
    DataProviderError
        A late bar that the panel does not hold, is given twice, or is not late.
    """

    def __init__(self, panel: BarPanel, *, late: Sequence[LateBar] = (), clock: Clock | None = None) -> None:
        self._panel = panel
        self._late = tuple(sorted((_locate(panel, bar) for bar in late), key=_delivery_order))
        places = [(item.row, item.column) for item in self._late]
        if len(set(places)) != len(places):
            raise DataProviderError("late bars: one bar is delayed twice; give each (symbol, bar end) once")
        self._own_clock = SimulatedClock()
        self._clock: Clock = self._own_clock if clock is None else clock

    @property
    def panel(self) -> BarPanel:
        """Return the recording."""
        return self._panel

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the symbols, in UTF-8 order."""
        return self._panel.symbols

    @property
    def interval_ns(self) -> int:
        """Return the bar interval."""
        return self._panel.interval_ns

    @property
    def sessions(self) -> SessionTable:
        """Return the trading sessions."""
        return self._panel.sessions

    def timeline(self, start_ns: int, end_ns: int) -> Iterator[FeedItem]:
        """Yield what arrives in (start, end], in order of arrival; at one instant older bars first, then by symbol.

        A batch is yielded even if all its bars are missing: that the bar ended is news too.
        """
        panel = self._panel
        first, last = np.searchsorted(panel.bar_end_ns, [start_ns, end_ns], side="right")
        waiting = [item for item in self._late if start_ns < item.arrival_ns <= end_ns]
        absent: dict[int, list[int]] = {}
        for item in self._late:
            absent.setdefault(item.row, []).append(item.column)
        taken = 0
        for row in range(int(first), int(last)):
            batch = panel.batch(row)
            while taken < len(waiting) and waiting[taken].arrival_ns <= batch.bar_end_ns:
                yield self._hand_out(self._late_item(waiting[taken]))
                taken += 1
            if row in absent:
                batch = _without(batch, absent[row])
            yield self._hand_out(FeedItem(batch.bar_end_ns, batch))
        for item in waiting[taken:]:
            yield self._hand_out(self._late_item(item))

    async def stream(self) -> AsyncIterator[FeedItem]:
        """Yield the whole recording in the order of arrival, as fast as it is taken.

        Every item is a point where other tasks run, so that a replay at full speed starves nobody.
        """
        if len(self._panel) == 0:
            return
        end_ns = max([int(self._panel.bar_end_ns[-1]), *(item.arrival_ns for item in self._late)])
        for item in self.timeline(int(self._panel.bar_end_ns[0]) - 1, end_ns):
            await asyncio.sleep(0)
            yield item

    async def get_quote(self, symbol: str) -> Quote:
        """Return the newest bid and ask that have arrived by now, and the newest close (NaN if there is none yet).

        Raises
        ------
        DataProviderError
            Unknown symbol, or nothing of it has arrived yet.
        """
        panel = self._panel
        column, traded = self._arrived(symbol, panel.close)
        _, bid_rows = self._arrived(symbol, panel.bid)
        _, ask_rows = self._arrived(symbol, panel.ask)
        newest = [int(rows[-1]) for rows in (traded, bid_rows, ask_rows) if len(rows)]
        if not newest:
            raise DataProviderError(f"{symbol}: no bar has arrived by {iso_utc(self._clock.now_ns())}")
        row = max(newest)
        bid, ask = float(panel.bid[row, column]), float(panel.ask[row, column])
        last = float(panel.close[traded[-1], column]) if len(traded) else float("nan")
        return Quote(symbol, bid, ask, last, int(panel.bar_end_ns[row]), panel.quotes_estimated)

    async def get_historical(self, symbol: str, n_bars: int) -> SymbolBars:
        """Return the newest `n_bars` bars that have arrived by now; missing bars are left out.

        Raises
        ------
        DataProviderError
            Unknown symbol, or `n_bars` below 1.
        """
        if n_bars < 1:
            raise DataProviderError(f"{symbol}: {n_bars} bars asked for; ask for at least 1")
        panel = self._panel
        column, rows = self._arrived(symbol, panel.close)
        rows = rows[-n_bars:]
        columns = (getattr(panel, name)[rows, column] for name in ("open", "high", "low", "close", "volume"))
        return SymbolBars(symbol, panel.interval_ns, panel.bar_end_ns[rows], *columns)

    async def get_adv(self, symbol: str) -> float:
        """Return the mean over the last ten closed sessions of Σ close·volume, USD a session.

        Sessions without any bar of the symbol do not count; NaN if there is none.

        Raises
        ------
        DataProviderError
            Unknown symbol.
        """
        panel = self._panel
        column, rows = self._arrived(symbol, panel.close)
        closed = self.sessions.last_before(self._clock.now_ns())
        if closed is None:
            return float("nan")
        rows = rows[panel.session_index[rows] <= closed.index]
        value_usd = panel.close[rows, column] * panel.volume[rows, column]
        first_rows = np.flatnonzero(np.diff(panel.session_index[rows], prepend=-1))
        if not len(first_rows):
            return float("nan")
        return float(np.add.reduceat(value_usd, first_rows)[-ADV_SESSIONS:].mean())

    def _arrived(self, symbol: str, values: FloatArray) -> tuple[int, IntArray]:
        """Return the column of a symbol and the rows where its `values` (T, N) are known and have arrived by now."""
        column = self._panel.column_of(symbol)
        now_ns = self._clock.now_ns()
        known = int(np.searchsorted(self._panel.bar_end_ns, now_ns, side="right"))
        there: BoolArray = ~np.isnan(values[:known, column])
        for item in self._late:
            if item.column == column and item.row < known and item.arrival_ns > now_ns:
                there[item.row] = False
        return column, np.flatnonzero(there)

    def _hand_out(self, item: FeedItem) -> FeedItem:
        self._own_clock.advance_to(item.arrival_ns)
        return item

    def _late_item(self, item: _Late) -> FeedItem:
        batch = self._panel.batch(item.row)
        others = [column for column in range(len(self._panel.symbols)) if column != item.column]
        return FeedItem(item.arrival_ns, _without(batch, others))


def _delivery_order(item: _Late) -> tuple[int, int, int]:
    return item.arrival_ns, item.row, item.column


def _locate(panel: BarPanel, bar: LateBar) -> _Late:
    column, row = panel.column_of(bar.symbol), panel.row_of(bar.bar_end_ns)
    if row is None or np.isnan(panel.close[row, column]):
        raise DataProviderError(f"late bar: {bar.symbol} has no bar that ends at {iso_utc(bar.bar_end_ns)}")
    if bar.delay_ns <= 0:
        raise DataProviderError(f"late bar: {bar.symbol} {iso_utc(bar.bar_end_ns)}: delay {bar.delay_ns} ns; give > 0")
    return _Late(bar.bar_end_ns + bar.delay_ns, row, column)


def _without(batch: BarBatch, columns: Sequence[int]) -> BarBatch:
    """Return the batch with the bars of some columns missing."""
    arrays = []
    for name in BAR_FIELDS:
        values = getattr(batch, name).copy()
        values[list(columns)] = np.nan
        values.setflags(write=False)
        arrays.append(values)
    return BarBatch(batch.bar_end_ns, batch.interval_ns, *arrays)
