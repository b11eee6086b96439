"""What a pre-trade rule is shown, and the shape of a rule."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from LIVE_TRADING.common.records import quick_init
from LIVE_TRADING.common.types import Instrument, Order, Rejection, Side
from LIVE_TRADING.risk.exposure import reserved_shares
from LIVE_TRADING.risk.state import TradingState

ROUNDING = 1e-9  # limits are inclusive: sums of floats that differ by less are equal


@quick_init
@dataclass(frozen=True, slots=True)
class RiskContext:
    """Everything a verdict depends on besides the order; nothing else is read.

    trading_state        what the guardrails allow
    now_ns               the core's now
    equity_usd           cash and positions at the last marks; NaN: unknown
    position_shares      signed, of the order's symbol
    working_buy_shares   what working buy orders of the symbol may still fill, not negative; of unknown fate included
    working_sell_shares  the same of sell orders
    mark_price_usd       last trade or close of the symbol; NaN: none
    mark_time_ns         when that was; ignored without a price
    gross_usd, net_usd   reserved exposure of the whole book (`ExposureTracker`), earlier orders of the cycle included
    last_order_time_ns   when an order of the symbol was last sent, before a restart too; None: never
    known_order_ids      client order ids that have been sent; only membership is asked
    instrument           the symbol's tick, lot and minimum notional
    flatten_confirmed    an operator has confirmed a flatten of a halted book
    """

    trading_state: TradingState
    now_ns: int
    equity_usd: float
    position_shares: Decimal
    working_buy_shares: Decimal
    working_sell_shares: Decimal
    mark_price_usd: float
    mark_time_ns: int
    gross_usd: float
    net_usd: float
    last_order_time_ns: int | None
    known_order_ids: Container[str]
    instrument: Instrument
    flatten_confirmed: bool = False

    def reduces(self, order: Order) -> bool:
        """Return whether position plus working orders on the order's side, this one included, cannot cross zero."""
        if not self.position_shares or not order.quantity.is_finite() or order.quantity <= 0:
            return False
        same_side = self.working_buy_shares if order.side is Side.BUY else self.working_sell_shares
        return self.position_shares * order.side.sign < 0 and same_side + order.quantity <= abs(self.position_shares)

    def reserved_usd(self, order: Order | None = None) -> float:
        """Return the signed reserved exposure of the symbol, with the order or without one."""
        buy, sell = self.working_buy_shares, self.working_sell_shares
        if order is not None and order.side is Side.BUY:
            buy += order.quantity
        elif order is not None:
            sell += order.quantity
        shares = reserved_shares(self.position_shares, buy, sell)
        return float(shares) * self.mark_price_usd if shares else 0.0


class PreTradeRule(Protocol):
    """One rule. Pure: the same order and context give the same verdict."""

    @property
    def rule_id(self) -> str:
        """Name of the rule in rejections, logs and configuration."""
        ...

    def check(self, order: Order, context: RiskContext) -> Rejection | None:
        """Return a rejection, or None where this rule has nothing against the order."""
        ...


def refusal(order: Order, rule_id: str, because: str) -> Rejection:
    """Return the rejection of an order, in words."""
    what = f"{order.side} {order.quantity} {order.symbol} refused"
    return Rejection(order.symbol, order.side, order.quantity, order.leg, rule_id, f"{what}: {because}")
