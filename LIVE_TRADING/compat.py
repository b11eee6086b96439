"""Names that other sketches of such a system use for what we call otherwise: one line each."""

from LIVE_TRADING.brokers.interface import Broker as BrokerAdapter
from LIVE_TRADING.common.events import SystemFault as SystemError  # noqa: A004  the sketch's name
from LIVE_TRADING.common.exceptions import BrokerConnectionError as ConnectionError  # noqa: A004
from LIVE_TRADING.data.interface import DataProvider as DataFeed
from LIVE_TRADING.engine.checkpoint import Checkpoints as StateManager
from LIVE_TRADING.engine.orders import OrderBook as OrderManager
from LIVE_TRADING.engine.trading_engine import TradingEngine as LiveTradingEngine

__all__ = [
    "BrokerAdapter",
    "ConnectionError",
    "DataFeed",
    "LiveTradingEngine",
    "OrderManager",
    "StateManager",
    "SystemError",
]
