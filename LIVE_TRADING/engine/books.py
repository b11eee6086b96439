"""Two books compared: the ledger's and the venue's. Pure: records in, the differences out."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from LIVE_TRADING.common.events import BrokerSnapshot
from LIVE_TRADING.common.units import plain
from LIVE_TRADING.engine.order_plan import ORDER_ID_PREFIX, order_numbers
from LIVE_TRADING.engine.orders import UNCONFIRMED
from LIVE_TRADING.engine.state import CoreState

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Differences:
    """What two books disagree on.

    positions   symbol → (ledger, venue), signed quantities
    cash        currency → (ledger, venue)
    lost        our open orders that the venue does not list
    stray       orders of this run that the venue lists and the book holds for over
    foreign     orders with our prefix that this run never made; they are no part of the books, and judged on their own
    """

    positions: dict[str, tuple[Decimal, Decimal]]
    cash: dict[str, tuple[Decimal, Decimal]]
    lost: tuple[str, ...]
    stray: tuple[str, ...]
    foreign: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.positions or self.cash or self.lost or self.stray)

    @property
    def is_lost_orders_alone(self) -> bool:
        """Return whether the venue merely does not list some orders: what became of them is asked."""
        return not (self.positions or self.cash or self.stray)

    @property
    def text(self) -> str:
        """Return all of it in words; equal differences give equal words."""
        parts = [f"{symbol} {_kind(*pair)}: {_sides(pair)}" for symbol, pair in sorted(self.positions.items())]
        parts += [f"cash {currency}: {_sides(pair)}" for currency, pair in sorted(self.cash.items())]
        parts += [f"order {order_id} is not at the venue" for order_id in self.lost]
        parts += [f"order {order_id} works at the venue and is over here" for order_id in self.stray]
        return "; ".join(parts)


def compare(state: CoreState, nonce: str, snapshot: BrokerSnapshot, cash_tolerance: Decimal) -> Differences:
    """Return where a snapshot differs from ledger and order book. Orders without our prefix are nobody's here."""
    held = {symbol: position.quantity for symbol, position in state.ledger.positions.items()}  # order: compared below
    listed = set(snapshot.open_orders)
    strangers = sorted(
        order_id for order_id in listed if order_id.startswith(ORDER_ID_PREFIX) and order_id not in state.orders.open
    )
    ours = order_numbers(nonce, strangers, 1, state.order_number)
    return Differences(
        positions=_unequal(held, snapshot.positions, ZERO),
        cash=_unequal(state.ledger.cash, snapshot.cash, cash_tolerance),
        lost=tuple(
            order_id
            for order_id, record in sorted(state.orders.open.items())
            if record.status not in UNCONFIRMED and order_id not in listed
        ),
        stray=tuple(order_id for order_id in strangers if order_id in ours),
        foreign=tuple(order_id for order_id in strangers if order_id not in ours),
    )


def _unequal(
    ours: dict[str, Decimal], theirs: dict[str, Decimal], tolerance: Decimal
) -> dict[str, tuple[Decimal, Decimal]]:
    pairs = {key: (ours.get(key, ZERO), theirs.get(key, ZERO)) for key in sorted(ours.keys() | theirs.keys())}
    return {key: pair for key, pair in sorted(pairs.items()) if abs(pair[0] - pair[1]) > tolerance}


def _kind(ours: Decimal, theirs: Decimal) -> str:
    if not ours:
        return "extra at the venue"
    if not theirs:
        return "missing at the venue"
    return "other side" if ours * theirs < 0 else "other quantity"


def _sides(pair: tuple[Decimal, Decimal]) -> str:
    return f"ledger {plain(pair[0])}, venue {plain(pair[1])}"
