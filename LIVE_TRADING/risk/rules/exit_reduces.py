"""Rule exit_reduces: an exit leaves a position and never opens one. Catches errors, so it binds every order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from LIVE_TRADING.common.types import Leg, Order, Rejection
from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.context import PreTradeRule, RiskContext, refusal


@dataclass(frozen=True, slots=True)
class ExitReducesRule:
    """Refuses an order of the legs exit and flatten that could take the position across zero."""

    rule_id: ClassVar[str] = "exit_reduces"

    def check(self, order: Order, context: RiskContext) -> Rejection | None:
        """Return a rejection for an exit larger than what is left to leave."""
        if order.leg not in (Leg.EXIT, Leg.FLATTEN) or context.reduces(order):
            return None
        return refusal(
            order,
            self.rule_id,
            f"as {order.leg} it may only reduce the position of {context.position_shares} "
            f"(working: buy {context.working_buy_shares}, sell {context.working_sell_shares})",
        )


def build(config: RiskConfig) -> PreTradeRule | None:
    """Return the rule."""
    return ExitReducesRule()
