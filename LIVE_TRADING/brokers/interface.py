"""What the engine asks of a broker, and nothing else of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable

from LIVE_TRADING.common.events import OrderEvent, OrderFill, VenueStatus
from LIVE_TRADING.common.types import BarBatch, Order


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """The account as the venue states it. `is_live`: orders move real money."""

    account_id: str
    currency: str
    is_live: bool


@dataclass(frozen=True, slots=True)
class OrderReport:
    """An order as the venue states it when asked. `filled` is the cumulative quantity."""

    client_order_id: str
    status: VenueStatus
    filled: Decimal
    reason: str = ""


class Broker(Protocol):
    """A venue. Reports of orders arrive through `get_next_event`, in the order in which the venue made them.

    Every method raises `BrokerConnectionError` while not connected, and `BrokerError` where the venue's answer cannot
    be understood. `submit_order` returning says that the order was handed over, no more; acknowledgement and refusal
    are events. Cancelling an order the venue does not know gives `CancelRejected`.

    `proves_absence`: an order that `get_order` does not find for ten seconds never comes to be. Where a venue cannot
    say that (orders under way, a history that is cut), an order of unknown fate stays so until a person settles it.
    """

    proves_absence: bool

    async def connect(self) -> None:
        """Connect and log in."""
        ...

    async def disconnect(self) -> None:
        """Disconnect; harmless when not connected."""
        ...

    async def submit_order(self, order: Order) -> None:
        """Hand an order over. Its client_order_id is sent once and never again.

        A venue that knows the id refuses it with a reason that holds `DUPLICATE_ID`; an adapter gives its words so.
        """
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

    async def get_order(self, client_order_id: str) -> OrderReport | None:
        """Return what has become of an order, working or over; None where the venue knows no such order."""
        ...

    async def get_executions(self, since_ns: int) -> Sequence[OrderFill]:
        """Return the account's executions from an instant of the exchange's time on, oldest first, by unique ids."""
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
