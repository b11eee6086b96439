"""What the engine knows of a source of market data: Protocols and the records that cross them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from LIVE_TRADING.common.events import MarketData
from LIVE_TRADING.common.types import BarBatch, FloatArray, IntArray
from LIVE_TRADING.data.calendars import SessionTable


@dataclass(frozen=True, slots=True, eq=False)
class FeedItem:
    """Bars that became known at `arrival_ns`. A late bar comes alone: all other symbols of its batch are NaN."""

    arrival_ns: int
    batch: BarBatch


@dataclass(frozen=True, slots=True)
class QuoteItem:
    """A trade or quote between bars that became known at `arrival_ns`."""

    arrival_ns: int
    told: MarketData


Arrival = FeedItem | QuoteItem


@dataclass(frozen=True, slots=True)
class Quote:
    """Newest bid and ask of one symbol and its last price. `quote_ns`: the instant they stand for.

    NaN bid or ask: that side is not quoted. `estimated`: put around the last price with an estimated spread.
    """

    symbol: str
    bid: float
    ask: float
    last: float
    quote_ns: int
    estimated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class SymbolBars:
    """Bars of one symbol, oldest first, arrays of shape (n,); bars that are missing are left out."""

    symbol: str
    interval_ns: int
    bar_end_ns: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray


@runtime_checkable
class DataProvider(Protocol):
    """A source of bars and quotes. Methods raise `DataProviderError` for symbols it does not have."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the symbols, in UTF-8 order: the columns of every batch."""
        ...

    @property
    def interval_ns(self) -> int:
        """Return the bar interval."""
        ...

    @property
    def sessions(self) -> SessionTable:
        """Return the trading sessions."""
        ...

    async def get_quote(self, symbol: str) -> Quote:
        """Return the newest quote that has arrived by now."""
        ...

    async def get_historical(self, symbol: str, n_bars: int) -> SymbolBars:
        """Return the newest `n_bars` bars that have arrived by now, fewer if there are not so many."""
        ...

    async def get_adv(self, symbol: str) -> float:
        """Return the mean traded value of the last ten closed sessions, USD a session; NaN before the first closes."""
        ...

    def stream(self) -> AsyncIterator[Arrival]:
        """Yield bars, and trades and quotes between them where there are any, in the order of their arrival."""
        ...


@runtime_checkable
class RecordedDataProvider(DataProvider, Protocol):
    """A provider that knows its whole future: recorded or simulated data, what a backtest iterates."""

    def timeline(self, start_ns: int, end_ns: int) -> Iterator[Arrival]:
        """Yield what arrives in (start, end], in the order of arrival."""
        ...
