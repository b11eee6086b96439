"""Rule trading_state: what the trading state lets through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from LIVE_TRADING.common.types import Leg, Order, Rejection
from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.context import PreTradeRule, RiskContext, refusal
from LIVE_TRADING.risk.state import TradingState


@dataclass(frozen=True, slots=True)
class TradingStateRule:
    """Lets everything pass when active, what reduces when reduce_only, a confirmed flatten that reduces when halted."""

    rule_id: ClassVar[str] = "trading_state"

    def check(self, order: Order, context: RiskContext) -> Rejection | None:
        """Return a rejection where the state forbids the order."""
        if context.trading_state is TradingState.ACTIVE:
            return None
        reduces = context.reduces(order)
        if context.trading_state is TradingState.REDUCE_ONLY:
            return None if reduces else refusal(order, self.rule_id, _not_reducing(context))
        if order.leg is Leg.FLATTEN and context.flatten_confirmed:
            return None if reduces else refusal(order, self.rule_id, _not_reducing(context))
        return refusal(
            order,
            self.rule_id,
            "trading is halted: nothing is sent until an operator resumes it (python -m bin.control resume)",
        )


def _not_reducing(context: RiskContext) -> str:
    return (
        f"trading is {context.trading_state} and this does not only reduce the position of {context.position_shares} "
        f"(working: buy {context.working_buy_shares}, sell {context.working_sell_shares})"
    )


def build(config: RiskConfig) -> PreTradeRule | None:
    """Return the rule."""
    return TradingStateRule()
