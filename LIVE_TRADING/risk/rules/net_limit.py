"""Rule net_limit: the book does not lean further than its share of equity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from LIVE_TRADING.common.types import Order, Rejection
from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.context import PreTradeRule, RiskContext, refusal
from LIVE_TRADING.risk.limits import ExposureLimit


@dataclass(frozen=True, slots=True)
class NetLimitRule:
    """Refuses new risk that leans the book further out, where |Σ position| could exceed a share of equity."""

    limit: ExposureLimit
    rule_id: ClassVar[str] = "net_limit"

    def check(self, order: Order, context: RiskContext) -> Rejection | None:
        """Return a rejection where the order adds to a lean that would be too large, or equity is unknown."""
        if context.reduces(order):
            return None
        after_usd = context.net_usd + context.reserved_usd(order) - context.reserved_usd()
        if abs(after_usd) <= abs(context.net_usd) or self.limit.allows(abs(after_usd), context.equity_usd):
            return None
        return refusal(order, self.rule_id, self.limit.says("net exposure", abs(after_usd), context.equity_usd))


def build(config: RiskConfig) -> PreTradeRule | None:
    """Return the rule."""
    return NetLimitRule(ExposureLimit(config.max_net, config.limit_tolerance_frac))
