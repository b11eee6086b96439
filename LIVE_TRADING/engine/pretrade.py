"""The pre-trade check of a cycle: the book's exposure is measured once, each order let through is added to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from LIVE_TRADING.common.types import Order, Rejection, Side
from LIVE_TRADING.engine.book import mark
from LIVE_TRADING.engine.context import CoreContext
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.risk import RiskContext
from LIVE_TRADING.risk.exposure import reserved_shares

ZERO = Decimal(0)


@dataclass(slots=True)
class _Reserved:
    """One symbol's position, and what working orders of each side may still fill."""

    position: Decimal = ZERO
    buy: Decimal = ZERO
    sell: Decimal = ZERO
    price_usd: float = float("nan")

    def take(self, side: Side, quantity: Decimal) -> None:
        """Reserve an order."""
        if side is Side.BUY:
            self.buy += quantity
        else:
            self.sell += quantity

    def value_usd(self) -> float:
        """Return the signed reserved exposure; NaN without a price."""
        shares = reserved_shares(self.position, self.buy, self.sell)
        return float(shares) * self.price_usd if shares else 0.0


class PreTradeCheck:
    """Asks the pre-trade rules about one order after the other, in the order in which they would be sent.

    What passes is reserved: it counts as working for the orders after it.
    """

    def __init__(self, context: CoreContext, state: CoreState, now_ns: int) -> None:
        self._context = context
        self._state = state
        self._now_ns = now_ns
        self._book: dict[str, _Reserved] = {}
        self._measured = False
        self._gross_usd = self._net_usd = math.nan

    def _measure(self) -> None:
        """Take up the book as it stands; most cycles send nothing and never ask."""
        prices, column = self._state.quotes.price.tolist(), self._context.column
        for record in self._state.orders.open.values():  # order: of sending, sums of Decimals
            self._of(record.order.symbol).take(record.order.side, record.remaining)
        value_usd = {symbol: reserved.value_usd() for symbol, reserved in self._book.items()}  # order: sorted below
        for symbol, position in self._state.ledger.positions.items():  # order: sorted below
            if symbol not in value_usd:
                price = prices[column[symbol]] if symbol in column else math.nan
                price_usd = price if price == price else float(position.average_price)
                value_usd[symbol] = position.shares * price_usd
        values = [value_usd[symbol] for symbol in sorted(value_usd)]
        self._gross_usd, self._net_usd = sum(map(abs, values), 0.0), sum(values, 0.0)
        self._measured = True

    def _of(self, symbol: str) -> _Reserved:
        found = self._book.get(symbol)
        if found is None:
            quantity = self._state.ledger.quantity(symbol)
            found = self._book[symbol] = _Reserved(quantity, price_usd=self._price(symbol))
        return found

    def _price(self, symbol: str) -> float:
        """Return the last trade or close; before the first, what a position has cost on average, NaN without one."""
        at, position = self._context.column.get(symbol), self._state.ledger.positions.get(symbol)
        if position is not None:
            return float(mark(position, self._state.quotes, self._context.column))
        return self._state.quotes.price.item(at) if at is not None else math.nan

    def __call__(self, order: Order) -> Rejection | None:
        """Return the first rule's no, or None; then the order is reserved."""
        if not self._measured:
            self._measure()
        reserved = self._of(order.symbol)
        rejection = self._context.parts.rules.check(order, self._seen(order.symbol, reserved))
        if rejection is None:
            before_usd = reserved.value_usd()
            reserved.take(order.side, order.quantity)
            after_usd = reserved.value_usd()
            self._gross_usd += abs(after_usd) - abs(before_usd)
            self._net_usd += after_usd - before_usd
        return rejection

    def _seen(self, symbol: str, reserved: _Reserved) -> RiskContext:
        state, at = self._state, self._context.column[symbol]
        return RiskContext(
            trading_state=state.risk.state,
            now_ns=self._now_ns,
            equity_usd=float(state.equity),
            position_shares=reserved.position,
            working_buy_shares=reserved.buy,
            working_sell_shares=reserved.sell,
            mark_price_usd=float(state.quotes.price[at]),
            mark_time_ns=int(state.quotes.price_ns[at]),
            gross_usd=self._gross_usd,
            net_usd=self._net_usd,
            last_order_time_ns=state.last_order_ns.get(symbol),
            known_order_ids=state.orders,
            instrument=self._context.parts.instruments[symbol],
        )
