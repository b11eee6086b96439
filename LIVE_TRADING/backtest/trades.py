"""Round trips from fills: a trade opens when a symbol leaves flat and closes when it is flat again.

A fill that crosses zero closes one trade and opens the next; its fee is divided by quantity. All sums are exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np

from LIVE_TRADING.backtest.record import LONG, SHORT, Decisions, EntryBelief, FillRow, OrderRow, TradeRow
from LIVE_TRADING.common.units import BPS

QUANTUM = Decimal("1e-8")  # of what is divided: mean prices, parts of a fee
SYMBOLS_DRAWN = 4  # whose trades the report shows on their price
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class OpenTrade:
    """A position that is not closed yet, with all that its trade has paid and received so far.

    cash_usd is −Σ signed quantity · price, `mid_cash_usd` the same at the fills' mid prices; both without fees.
    """

    symbol: str
    side: str
    horizon: str
    entry_time_ns: int
    entry_order_id: str
    position: Decimal = _ZERO
    quantity: Decimal = _ZERO
    entered_quantity: Decimal = _ZERO
    entered_usd: Decimal = _ZERO
    left_quantity: Decimal = _ZERO
    left_usd: Decimal = _ZERO
    cash_usd: Decimal = _ZERO
    mid_cash_usd: Decimal = _ZERO
    fees_usd: Decimal = _ZERO
    spread_usd: float = 0.0

    @property
    def entry_price(self) -> Decimal:
        """Return the mean price of the fills that increased the position."""
        return (self.entered_usd / self.entered_quantity).quantize(QUANTUM)

    def booked(self, fill: FillRow) -> OpenTrade:
        """Return the trade with a fill of its own symbol that does not cross zero."""
        signed = fill.signed_quantity
        position = self.position + signed
        value_usd = fill.quantity * fill.price
        increases = abs(position) > abs(self.position)
        return replace(
            self,
            position=position,
            quantity=max(self.quantity, abs(position)),
            entered_quantity=self.entered_quantity + (fill.quantity if increases else _ZERO),
            entered_usd=self.entered_usd + (value_usd if increases else _ZERO),
            left_quantity=self.left_quantity + (_ZERO if increases else fill.quantity),
            left_usd=self.left_usd + (_ZERO if increases else value_usd),
            cash_usd=self.cash_usd - signed * fill.price,
            mid_cash_usd=self.mid_cash_usd - signed * fill.mid_price,
            fees_usd=self.fees_usd + fill.fee,
            spread_usd=self.spread_usd + float(fill.quantity * fill.mid_price) * fill.half_spread_bps / BPS,
        )

    def marked_net_usd(self, mark: Decimal) -> Decimal:
        """Return the P&L after costs so far, the rest valued at `mark`."""
        return self.cash_usd + self.position * mark - self.fees_usd

    def closed(
        self, fill: FillRow, cost_model_bps: float, exit_reason: str, belief: EntryBelief | None = None
    ) -> TradeRow:
        """Return the round trip that `fill` ended."""
        return TradeRow(
            symbol=self.symbol,
            side=self.side,
            horizon=self.horizon,
            entry_time_ns=self.entry_time_ns,
            exit_time_ns=fill.time_ns,
            quantity=self.quantity,
            entry_price=self.entry_price,
            exit_price=(self.left_usd / self.left_quantity).quantize(QUANTUM),
            entry_notional_usd=self.entered_usd,
            gross_pnl_usd=self.mid_cash_usd,
            slippage_usd=self.mid_cash_usd - self.cash_usd,
            fees_usd=self.fees_usd,
            net_pnl_usd=self.cash_usd - self.fees_usd,
            cost_model_bps=cost_model_bps,
            exit_reason=exit_reason,
            entry_order_id=self.entry_order_id,
            exit_order_id=fill.order_id,
            spread_usd=self.spread_usd,
            belief=belief,
        )


@dataclass(slots=True)
class _Book:
    """Open and closed trades while the fills are walked."""

    cost_bps: Mapping[str, float]
    reasons: Mapping[str, str]
    beliefs: Mapping[str, EntryBelief]
    open: dict[str, OpenTrade] = field(default_factory=dict)
    closed: list[TradeRow] = field(default_factory=list)

    def take(self, fill: FillRow) -> None:
        """Book a fill, in two parts where it crosses zero."""
        trade = self.open.get(fill.symbol)
        if trade is None:
            self._open(fill)
            return
        over = fill.quantity - abs(trade.position)
        if (fill.signed_quantity > 0) == (trade.position > 0) or over <= 0:
            self._book(trade, fill)
            return
        fee = (fill.fee * (fill.quantity - over) / fill.quantity).quantize(QUANTUM)
        self._book(trade, replace(fill, quantity=fill.quantity - over, fee=fee))
        self._open(replace(fill, quantity=over, fee=fill.fee - fee))

    def _open(self, fill: FillRow) -> None:
        side = LONG if fill.side.sign > 0 else SHORT
        trade = OpenTrade(fill.symbol, side, fill.horizon, fill.time_ns, fill.order_id)
        self.open[fill.symbol] = trade.booked(fill)

    def _book(self, trade: OpenTrade, fill: FillRow) -> None:
        trade = trade.booked(fill)
        if trade.position:
            self.open[fill.symbol] = trade
            return
        del self.open[fill.symbol]
        cost_bps = self.cost_bps.get(trade.entry_order_id, float("nan"))
        belief = self.beliefs.get(trade.entry_order_id)
        self.closed.append(trade.closed(fill, cost_bps, self.reasons.get(fill.order_id, ""), belief))


def round_trips(
    fills: Sequence[FillRow],
    orders: Sequence[OrderRow] = (),
    decisions: Decisions | None = None,
    symbols: Sequence[str] = (),
    beliefs: Mapping[str, EntryBelief] | None = None,
) -> tuple[list[TradeRow], list[OpenTrade]]:
    """Return the closed round trips, in the order of their last fills, and what is still open, by symbol.

    Parameters
    ----------
    fills
        In the order in which they were booked.
    orders
        Give the exits their reason.
    decisions, symbols
        Give the entries the cost that the arbiter believed in: `cost_bps` of the entry order's cycle and symbol.
    beliefs
        What else was believed of an entry, by order id.
    """
    cost_bps = entry_cost_bps(orders, decisions, symbols) if decisions is not None else {}
    book = _Book(cost_bps, {order.order_id: order.reason for order in orders}, beliefs or {})
    for fill in fills:
        book.take(fill)
    return book.closed, [trade for _, trade in sorted(book.open.items())]


def entry_cost_bps(orders: Sequence[OrderRow], decisions: Decisions, symbols: Sequence[str]) -> dict[str, float]:
    """Return, per order id, the cost of a round trip that stood in the decision behind the order, bps."""
    column = {symbol: index for index, symbol in enumerate(symbols)}
    costs: dict[str, float] = {}
    for order in orders:
        row = int(np.searchsorted(decisions.time_ns, order.time_ns))
        known = row < len(decisions.time_ns) and int(decisions.time_ns[row]) == order.time_ns
        if known and order.symbol in column:
            costs[order.order_id] = float(decisions.cost_bps[row, column[order.symbol]])
    return costs


def most_traded(trades: Sequence[TradeRow], at_most: int = SYMBOLS_DRAWN) -> tuple[str, ...]:
    """Return the symbols with the most closed round trips, most first, by name where they have equally many."""
    counts = Counter(trade.symbol for trade in trades)
    return tuple(sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[:at_most])
