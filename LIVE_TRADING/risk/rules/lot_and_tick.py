"""Rule lot_and_tick: quantities and prices the venue can take. Catches errors, so it binds every order."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from LIVE_TRADING.common.types import Order, Rejection
from LIVE_TRADING.common.units import plain
from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.context import PreTradeRule, RiskContext, refusal


@dataclass(frozen=True, slots=True)
class LotAndTickRule:
    """Quantity a positive multiple of the lot; a limit price, where the order type has one, of the tick."""

    rule_id: ClassVar[str] = "lot_and_tick"

    def check(self, order: Order, context: RiskContext) -> Rejection | None:
        """Return a rejection where quantity or price does not fit the instrument."""
        instrument = context.instrument
        if order.symbol != instrument.symbol:
            return refusal(order, self.rule_id, f"it was checked against the instrument {instrument.symbol}")
        if not _is_multiple(order.quantity, instrument.lot):
            return refusal(order, self.rule_id, f"the quantity must be a positive multiple of {plain(instrument.lot)}")
        price = order.limit_price
        if (price is not None) != (order.order_type == "limit"):
            given = "none is given" if price is None else f"{price} is given"
            return refusal(order, self.rule_id, f"a limit price belongs to limit orders; {order.order_type}: {given}")
        if price is not None and not _is_multiple(price, instrument.tick):
            because = f"the limit price {price} must be a positive multiple of {plain(instrument.tick)}"
            return refusal(order, self.rule_id, because)
        return None


def _is_multiple(value: Decimal, quantum: Decimal) -> bool:
    return value.is_finite() and value > 0 and value % quantum == 0


def build(config: RiskConfig) -> PreTradeRule | None:
    """Return the rule."""
    return LotAndTickRule()
