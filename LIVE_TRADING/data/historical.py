"""Recorded bars as a data provider."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from LIVE_TRADING.common.clock import Clock, SimulatedClock
from LIVE_TRADING.common.events import MarketData
from LIVE_TRADING.common.exceptions import DataProviderError
from LIVE_TRADING.common.types import BAR_FIELDS, BarBatch, BoolArray, FloatArray, IntArray
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.data.calendars import SessionTable
from LIVE_TRADING.data.interface import Arrival, FeedItem, Quote, QuoteItem, SymbolBars
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


class QuoteSource(Protocol):
    """Trades and quotes between bars."""

    @property
    def fingerprint(self) -> str:
        """Return what beside the bars they follow from."""
        ...

    def of_bar(self, bar_end_ns: int, symbols: Sequence[str]) -> list[QuoteItem]:
        """Return those of some symbols within a bar, in order of arrival, all before its end."""
        ...


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
    quotes
        Trades and quotes between the bars; recorded bars have none.

    Raises
    ------
    DataProviderError
        A late bar that the panel does not hold, is given twice, or is not late.
    """

    def __init__(
        self,
        panel: BarPanel,
        *,
        late: Sequence[LateBar] = (),
        clock: Clock | None = None,
        quotes: QuoteSource | None = None,
    ) -> None:
        self._panel = panel
        self._quotes = quotes
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

    @property
    def data_hash(self) -> str:
        """Return the hash of everything that is streamed: that of the bars where they are all."""
        if self._quotes is None:
            return self._panel.data_hash
        return hashlib.sha256(f"{self._panel.data_hash}\n{self._quotes.fingerprint}".encode()).hexdigest()

    def of_symbols(self, symbols: Sequence[str]) -> HistoricalDataProvider:
        """Return a provider of some of the symbols, all of whose bars come in time, with a clock of its own."""
        return HistoricalDataProvider(self._panel.select(symbols), quotes=self._quotes)

    def timeline(self, start_ns: int, end_ns: int) -> Iterator[Arrival]:
        """Yield what arrives in (start, end], in order of arrival; at one instant older bars first, then by symbol.

        A batch is yielded even if all its bars are missing: that the bar ended is news too.
        """
        items: Iterator[Arrival] = self._bars(start_ns, end_ns)
        if self._quotes is not None:
            told = self._told(self._quotes, start_ns, end_ns)
            items = heapq.merge(told, items, key=lambda item: item.arrival_ns)
        for item in items:
            self._own_clock.advance_to(item.arrival_ns)
            yield item

    def _told(self, quotes: QuoteSource, start_ns: int, end_ns: int) -> Iterator[QuoteItem]:
        """Yield the trades and quotes in (start, end], bar by bar."""
        first = int(np.searchsorted(self._panel.bar_end_ns, start_ns, side="right"))
        for bar_end_ns in self._panel.bar_end_ns[first:].tolist():
            if bar_end_ns - self.interval_ns >= end_ns:
                return
            for item in quotes.of_bar(bar_end_ns, self.symbols):
                if start_ns < item.arrival_ns <= end_ns:
                    yield item

    def _bars(self, start_ns: int, end_ns: int) -> Iterator[FeedItem]:
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
                yield self._late_item(waiting[taken])
                taken += 1
            if row in absent:
                batch = _without(batch, absent[row])
            yield FeedItem(batch.bar_end_ns, batch)
        for item in waiting[taken:]:
            yield self._late_item(item)

    async def stream(self) -> AsyncIterator[Arrival]:
        """Yield the whole recording in the order of arrival, as fast as it is taken.

        Every item is a point where other tasks run, so that a replay at full speed starves nobody.
        """
        if len(self._panel) == 0:
            return
        end_ns = max([int(self._panel.bar_end_ns[-1]), *(item.arrival_ns for item in self._late)])
        for item in self.timeline(int(self._panel.bar_end_ns[0]) - self.interval_ns, end_ns):
            await asyncio.sleep(0)
            yield item

    async def get_quote(self, symbol: str) -> Quote:
        """Return the newest bid and ask that have arrived by now, and the newest trade or close (NaN before the first).

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
        told = self._last_told(symbol)
        if told is not None:
            return Quote(symbol, told.bid, told.ask, told.price, told.timestamp_ns)
        if not newest:
            raise DataProviderError(f"{symbol}: no bar has arrived by {iso_utc(self._clock.now_ns())}")
        row = max(newest)
        bid, ask = float(panel.bid[row, column]), float(panel.ask[row, column])
        last = float(panel.close[traded[-1], column]) if len(traded) else float("nan")
        return Quote(symbol, bid, ask, last, int(panel.bar_end_ns[row]), panel.quotes_estimated)

    def _last_told(self, symbol: str) -> MarketData | None:
        """Return the last of the bar that is under way, None where nothing has been said since the last bar ended."""
        now_ns, ends = self._clock.now_ns(), self._panel.bar_end_ns
        row = int(np.searchsorted(ends, now_ns, side="right"))
        if self._quotes is None or row == len(ends):
            return None
        said = [item.told for item in self._quotes.of_bar(int(ends[row]), (symbol,)) if item.arrival_ns <= now_ns]
        return said[-1] if said else None

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
