"""What the engine asks of a broker, and nothing else of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable

from LIVE_TRADING.common.events import OrderEvent
from LIVE_TRADING.common.types import BarBatch, Order


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """The account as the venue states it. `is_live`: orders move real money."""

    account_id: str
    currency: str
    is_live: bool


class Broker(Protocol):
    """A venue. Reports of orders arrive through `get_next_event`, in the order in which the venue made them.

    Every method raises `BrokerConnectionError` while not connected, and `BrokerError` where the venue's answer cannot
    be understood. `submit_order` returning says that the order was handed over, no more; acknowledgement and refusal
    are events. Cancelling an order the venue does not know gives `CancelRejected`.
    """

    async def connect(self) -> None:
        """Connect and log in."""
        ...

    async def disconnect(self) -> None:
        """Disconnect; harmless when not connected."""
        ...

    async def submit_order(self, order: Order) -> None:
        """Hand an order over. Its client_order_id is sent once and never again."""
        ...

    async def cancel_order(self, client_order_id: str) -> None:
        """Ask for a cancel."""
        ...

    async def get_positions(self) -> dict[str, Decimal]:
        """Return signed quantities by symbol; flat symbols are absent."""
        ...

    async def get_open_orders(self) -> Sequence[Order]:
        """Return what works at the venue, oldest first, each with the quantity it was sent with."""
        ...

    async def get_account_info(self) -> AccountInfo:
        """Return whose account this is."""
        ...

    async def get_cash(self) -> dict[str, Decimal]:
        """Return cash by currency."""
        ...

    async def get_portfolio_value(self) -> Decimal:
        """Return cash plus positions at the venue's marks, in the account's currency."""
        ...

    async def subscribe_market_data(self, symbols: Sequence[str]) -> None:
        """Ask for quotes of these symbols, where the broker has any."""
        ...

    async def get_next_event(self) -> OrderEvent:
        """Wait for the next report."""
        ...


@runtime_checkable
class MarketObserver(Protocol):
    """A broker that matches against the engine's own bars: the paper venue."""

    def observe_bars(self, batch: BarBatch) -> None:
        """Take the bars of one bar end before the engine sees them."""
        ...
