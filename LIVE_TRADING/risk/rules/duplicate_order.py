"""Rule duplicate_order: no order is sent twice. Catches errors, so it binds every order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from LIVE_TRADING.common.types import Order, Rejection
from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.context import PreTradeRule, RiskContext, refusal


@dataclass(frozen=True, slots=True)
class DuplicateOrderRule:
    """Refuses a client order id that has been sent, and new risk in a symbol whose orders still work.

    A second order that reduces passes: with those at work it cannot cross zero, or it does not reduce.
    """

    rule_id: ClassVar[str] = "duplicate_order"

    def check(self, order: Order, context: RiskContext) -> Rejection | None:
        """Return a rejection for an order that is at the venue already."""
        if order.client_order_id in context.known_order_ids:
            return refusal(order, self.rule_id, f"the client order id {order.client_order_id} has been sent before")
        working = context.working_buy_shares, context.working_sell_shares
        if any(working) and not context.reduces(order):
            return refusal(order, self.rule_id, f"orders are working (buy {working[0]}, sell {working[1]})")
        return None


def build(config: RiskConfig) -> PreTradeRule | None:
    """Return the rule."""
    return DuplicateOrderRule()
