"""Market data: calendars, panels of bars, files, and the providers that stream them."""

from LIVE_TRADING.data.bars_file import read_bars
from LIVE_TRADING.data.cached import CachedDataProvider
from LIVE_TRADING.data.calendars import SessionTable, session_table
from LIVE_TRADING.data.historical import HistoricalDataProvider, LateBar
from LIVE_TRADING.data.instruments import AssetClass, InstrumentsConfig, instruments_for, parse_instruments
from LIVE_TRADING.data.interface import (
    Arrival,
    DataProvider,
    FeedItem,
    Quote,
    QuoteItem,
    RecordedDataProvider,
    SymbolBars,
)
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.registry import DataOptions, get_data_provider
from LIVE_TRADING.data.simulated import SimulatedDataProvider, SimulatedMarketConfig, simulate_market
from LIVE_TRADING.data.spread import SpreadEstimateConfig, SpreadEstimator

__all__ = [
    "Arrival",
    "AssetClass",
    "BarPanel",
    "CachedDataProvider",
    "DataOptions",
    "DataProvider",
    "FeedItem",
    "HistoricalDataProvider",
    "InstrumentsConfig",
    "LateBar",
    "Quote",
    "QuoteItem",
    "RecordedDataProvider",
    "SessionTable",
    "SimulatedDataProvider",
    "SimulatedMarketConfig",
    "SpreadEstimateConfig",
    "SpreadEstimator",
    "SymbolBars",
    "get_data_provider",
    "instruments_for",
    "parse_instruments",
    "read_bars",
    "session_table",
    "simulate_market",
]
