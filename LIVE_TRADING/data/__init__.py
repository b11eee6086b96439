"""Market data: calendars, panels of bars, files, and the providers that stream them."""

from LIVE_TRADING.data.bars_file import read_bars
from LIVE_TRADING.data.calendars import SessionTable, session_table
from LIVE_TRADING.data.historical import HistoricalDataProvider, LateBar
from LIVE_TRADING.data.interface import DataProvider, FeedItem, Quote, RecordedDataProvider, SymbolBars
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedDataProvider, SimulatedMarketConfig, simulate_market

__all__ = [
    "BarPanel",
    "DataProvider",
    "FeedItem",
    "HistoricalDataProvider",
    "LateBar",
    "Quote",
    "RecordedDataProvider",
    "SessionTable",
    "SimulatedDataProvider",
    "SimulatedMarketConfig",
    "SymbolBars",
    "read_bars",
    "session_table",
    "simulate_market",
]
