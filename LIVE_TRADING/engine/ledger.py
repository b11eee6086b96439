"""The portfolio ledger: cash, positions and round trips, in Decimal. A fill is booked whole or not at all.

Every method returns a new ledger; the old one stays valid, so a handler that raises leaves the book as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from LIVE_TRADING.common.events import OrderFill
from LIVE_TRADING.common.records import computed_once, quick_init, replaced
from LIVE_TRADING.common.units import BPS, plain

ZERO = Decimal(0)
SHARE_QUANTUM = Decimal("1e-8")


@quick_init
@dataclass(frozen=True, slots=True)
class EntryTicket:
    """What an entry was decided on; travels with the order, is kept by the position and settles the bandit.

    `horizon` is the row of the drawn horizon, `probability` that of the draw, `qualifies` the set it was drawn from;
    empty, and numbers NaN, where only the horizon is on file.
    """

    horizon: int
    probability: float
    qualifies: tuple[bool, ...]
    sigma_h_bps: float
    cost_bps: float
    decision_time_ns: int
    session_number: int
    slot: int


@dataclass(frozen=True)
class PositionState:
    """One open position. `quantity` is signed. The clock (`clock_*`) is that of the held horizon.

    `cash_flow` sums −signed quantity · price over all fills of the round trip, `slippage` the price paid beyond the
    reference price (open of the fill's bar), `entry_notional` what was opened or added.
    """

    symbol: str
    quantity: Decimal
    average_price: Decimal
    horizon: int
    clock_ns: int
    clock_session: int
    clock_slot: int
    ticket: EntryTicket | None
    entry_order_number: int
    opened_ns: int
    entry_price: Decimal
    max_quantity: Decimal
    entry_notional: Decimal
    cash_flow: Decimal
    fees: Decimal
    slippage: Decimal

    @property
    def side(self) -> int:
        """Return +1 long, -1 short."""
        return 1 if self.quantity > 0 else -1

    @computed_once
    def text(self) -> str:
        """Symbol and quantity as the digests hold them."""
        return f"{self.symbol}={plain(self.quantity)}"

    @computed_once
    def shares(self) -> float:
        """The signed quantity as the pipeline's float, which every cycle asks for."""
        return float(self.quantity)


@quick_init
@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """A round trip from flat to flat. P&L in the account's currency; `net` = `gross` − `fees`."""

    symbol: str
    side: int
    horizon: int
    ticket: EntryTicket | None
    entry_order_number: int
    opened_ns: int
    closed_ns: int
    entry_price: Decimal
    exit_price: Decimal
    max_quantity: Decimal
    entry_notional: Decimal
    gross_pnl: Decimal
    fees: Decimal
    slippage: Decimal
    exit_reason: int

    @property
    def net_pnl(self) -> Decimal:
        """Return P&L after fees."""
        return self.gross_pnl - self.fees

    @property
    def pnl_bps(self) -> float:
        """Return net P&L in bps of the entry's notional."""
        return float(self.net_pnl / self.entry_notional) * BPS


@quick_init
@dataclass(frozen=True, slots=True)
class FillContext:
    """What the engine knows about the order behind a fill."""

    ticket: EntryTicket | None
    order_number: int
    reason: int


@quick_init
@dataclass(frozen=True, slots=True)
class Ledger:
    """Cash by currency and open positions by symbol, with running totals of what trading cost."""

    cash: dict[str, Decimal]
    positions: dict[str, PositionState]
    fees: Decimal = ZERO
    slippage: Decimal = ZERO
    realised: Decimal = ZERO

    def quantity(self, symbol: str) -> Decimal:
        """Return the signed quantity held."""
        position = self.positions.get(symbol)
        return position.quantity if position is not None else ZERO

    def apply(self, fill: OrderFill, context: FillContext) -> tuple[Ledger, ClosedTrade | None]:
        """Book a fill; return the new ledger and the round trip it closed, if any.

        A fill that crosses zero closes one round trip and opens the next; its fee is split by quantity.

        Raises
        ------
        ValueError
            Amount or price is not positive, or a number is not finite: nothing is booked.
        """
        _check(fill)
        signed = fill.fill_amount * fill.side.sign
        before = self.cash.get(fill.currency, ZERO)
        cash = {**self.cash, fill.currency: before - signed * fill.fill_price - fill.commission}
        slipped = _slippage(fill, signed)
        symbol = fill.symbol
        held = self.positions.get(symbol)
        trade: ClosedTrade | None = None
        after: PositionState | None
        if held is None:
            after = _open(fill, signed, fill.commission, slipped, context)
        elif held.quantity * signed < 0 and abs(signed) >= abs(held.quantity):
            fee, slip = _share(held, fill, fill.commission), _share(held, fill, slipped)
            trade = _close(held, fill, -held.quantity, fee, slip, context.reason)
            rest = signed + held.quantity
            after = _open(fill, rest, fill.commission - fee, slipped - slip, context) if rest else None
        else:
            after = _change(held, fill, signed, slipped)
        if trade is None and after is not None:
            positions = {**self.positions, symbol: after}
        else:  # left out, not deleted: each later copy of a dict with a gap in it would take ten times as long
            positions = {key: other for key, other in self.positions.items() if key != symbol}  # order: of opening
            if after is not None:
                positions[symbol] = after
        return (
            Ledger(
                cash,
                positions,
                self.fees + fill.commission,
                self.slippage + slipped,
                self.realised + (trade.net_pnl if trade is not None else ZERO),
            ),
            trade,
        )

    def adjusted(
        self, quantities: dict[str, Decimal], cash: dict[str, Decimal], marks: dict[str, Decimal], now_ns: int
    ) -> Ledger:
        """Return the ledger with quantities and cash taken from the venue.

        A position that only changes its size stays the trade it was; one that is new here is opened at its mark (0
        where there is none), with no horizon. What leaves is no round trip: nobody knows what it earned.
        """
        positions = dict(self.positions)
        for symbol, quantity in sorted(quantities.items()):
            held = positions.pop(symbol, None)
            if not quantity:
                continue
            if held is not None and held.quantity * quantity > 0:
                most = max(held.max_quantity, abs(quantity))
                positions[symbol] = replaced(held, quantity=quantity, max_quantity=most)
            else:
                positions[symbol] = _taken_over(symbol, quantity, marks.get(symbol, ZERO), now_ns)
        return replaced(self, positions=positions, cash={**self.cash, **cash})

    def reclocked(self, symbol: str, horizon: int, clock_ns: int, session_number: int, slot: int) -> Ledger:
        """Return the ledger with another horizon, and its clock reset, for one position."""
        positions = dict(self.positions)
        positions[symbol] = replaced(
            positions[symbol], horizon=horizon, clock_ns=clock_ns, clock_session=session_number, clock_slot=slot
        )
        return replaced(self, positions=positions)


def _check(fill: OrderFill) -> None:
    amount, price = fill.fill_amount, fill.fill_price
    finite = amount.is_finite() and price.is_finite() and fill.commission.is_finite()
    if not finite or amount <= 0 or price <= 0 or not (fill.reference_price or ZERO).is_finite():
        raise ValueError(f"fill {fill.execution_id}: {fill.fill_amount} at {fill.fill_price} cannot be booked")


def _share(held: PositionState, fill: OrderFill, amount: Decimal) -> Decimal:
    """Return the part of an amount that belongs to the closed position; the rest belongs to the one opened."""
    if fill.fill_amount == abs(held.quantity):
        return amount
    return (amount * abs(held.quantity) / fill.fill_amount).quantize(SHARE_QUANTUM)


def _slippage(fill: OrderFill, signed: Decimal) -> Decimal:
    return ZERO if fill.reference_price is None else signed * (fill.fill_price - fill.reference_price)


def _open(fill: OrderFill, signed: Decimal, fee: Decimal, slipped: Decimal, context: FillContext) -> PositionState:
    ticket = context.ticket
    return PositionState(
        symbol=fill.symbol,
        quantity=signed,
        average_price=fill.fill_price,
        horizon=ticket.horizon if ticket is not None else -1,
        clock_ns=ticket.decision_time_ns if ticket is not None else fill.timestamp_ns,
        clock_session=ticket.session_number if ticket is not None else -1,
        clock_slot=ticket.slot if ticket is not None else -1,
        ticket=ticket,
        entry_order_number=context.order_number,
        opened_ns=fill.timestamp_ns,
        entry_price=fill.fill_price,
        max_quantity=abs(signed),
        entry_notional=abs(signed) * fill.fill_price,
        cash_flow=-signed * fill.fill_price,
        fees=fee,
        slippage=slipped,
    )


def _taken_over(symbol: str, quantity: Decimal, mark: Decimal, now_ns: int) -> PositionState:
    return PositionState(
        symbol=symbol,
        quantity=quantity,
        average_price=mark,
        horizon=-1,
        clock_ns=now_ns,
        clock_session=-1,
        clock_slot=-1,
        ticket=None,
        entry_order_number=-1,
        opened_ns=now_ns,
        entry_price=mark,
        max_quantity=abs(quantity),
        entry_notional=abs(quantity) * mark,
        cash_flow=-quantity * mark,
        fees=ZERO,
        slippage=ZERO,
    )


def _change(held: PositionState, fill: OrderFill, signed: Decimal, slipped: Decimal) -> PositionState:
    """Add to a position, or take from it without reaching zero."""
    quantity = held.quantity + signed
    adds = held.quantity * signed > 0
    average = (held.average_price * held.quantity + fill.fill_price * signed) / quantity if adds else held.average_price
    return replaced(
        held,
        quantity=quantity,
        average_price=average,
        max_quantity=max(held.max_quantity, abs(quantity)),
        entry_notional=held.entry_notional + (abs(signed) * fill.fill_price if adds else ZERO),
        cash_flow=held.cash_flow - signed * fill.fill_price,
        fees=held.fees + fill.commission,
        slippage=held.slippage + slipped,
    )


def _close(
    held: PositionState, fill: OrderFill, signed: Decimal, fee: Decimal, slipped: Decimal, reason: int
) -> ClosedTrade:
    return ClosedTrade(
        symbol=held.symbol,
        side=held.side,
        horizon=held.ticket.horizon if held.ticket is not None else held.horizon,
        ticket=held.ticket,
        entry_order_number=held.entry_order_number,
        opened_ns=held.opened_ns,
        closed_ns=fill.timestamp_ns,
        entry_price=held.entry_price,
        exit_price=fill.fill_price,
        max_quantity=held.max_quantity,
        entry_notional=held.entry_notional,
        gross_pnl=held.cash_flow - signed * fill.fill_price,
        fees=held.fees + fee,
        slippage=held.slippage + slipped,
        exit_reason=reason,
    )
