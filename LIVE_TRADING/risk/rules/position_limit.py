"""Rule position_limit: no position larger than its share of equity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from LIVE_TRADING.common.types import Order, Rejection
from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.context import PreTradeRule, RiskContext, refusal
from LIVE_TRADING.risk.limits import ExposureLimit


@dataclass(frozen=True, slots=True)
class PositionLimitRule:
    """Refuses new risk where position and working orders of the symbol could exceed a share of equity."""

    limit: ExposureLimit
    rule_id: ClassVar[str] = "position_limit"

    def check(self, order: Order, context: RiskContext) -> Rejection | None:
        """Return a rejection where the position could become too large, or equity is unknown."""
        if context.reduces(order):
            return None
        after_usd = abs(context.reserved_usd(order))
        if self.limit.allows(after_usd, context.equity_usd):
            return None
        return refusal(order, self.rule_id, self.limit.says("the position", after_usd, context.equity_usd))


def build(config: RiskConfig) -> PreTradeRule | None:
    """Return the rule."""
    return PositionLimitRule(ExposureLimit(config.max_position_weight, config.limit_tolerance_frac))
