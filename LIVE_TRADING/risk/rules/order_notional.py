"""Rule order_notional: no single order too large or too small."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from LIVE_TRADING.common.types import Order, Rejection
from LIVE_TRADING.common.units import plain
from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.context import ROUNDING, PreTradeRule, RiskContext, refusal


@dataclass(frozen=True, slots=True)
class OrderNotionalRule:
    """Refuses new risk of more than `max_usd` in one order (None: any), or below the instrument's minimum notional.

    Notional is quantity times the limit price, or the mark where that is higher or there is none.
    """

    max_usd: float | None
    rule_id: ClassVar[str] = "order_notional"

    def check(self, order: Order, context: RiskContext) -> Rejection | None:
        """Return a rejection where the notional is out of bounds, or unknown."""
        if context.reduces(order):
            return None
        price_usd = context.mark_price_usd
        if order.limit_price is not None and not float(order.limit_price) <= price_usd:
            price_usd = float(order.limit_price)
        notional_usd = float(order.quantity) * price_usd
        if math.isnan(notional_usd):
            return refusal(order, self.rule_id, "there is no price to reckon its notional with")
        minimum = context.instrument.min_notional
        if notional_usd < float(minimum) * (1.0 - ROUNDING):
            because = f"its notional of {notional_usd:.2f} USD is below the venue's minimum of {plain(minimum)} USD"
            return refusal(order, self.rule_id, because)
        if self.max_usd is not None and notional_usd > self.max_usd * (1.0 + ROUNDING):
            because = f"its notional of {notional_usd:.2f} USD is above the limit of {self.max_usd:.2f} USD"
            return refusal(order, self.rule_id, because)
        return None


def build(config: RiskConfig) -> PreTradeRule | None:
    """Return the rule."""
    return OrderNotionalRule(config.max_order_notional_usd)
