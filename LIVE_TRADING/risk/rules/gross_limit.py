"""Rule gross_limit: no book larger than its share of equity, working orders reserved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from LIVE_TRADING.common.types import Order, Rejection
from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.context import PreTradeRule, RiskContext, refusal
from LIVE_TRADING.risk.limits import ExposureLimit


@dataclass(frozen=True, slots=True)
class GrossLimitRule:
    """Refuses new risk where Σ|position|, working orders reserved, could exceed a share of equity."""

    limit: ExposureLimit
    rule_id: ClassVar[str] = "gross_limit"

    def check(self, order: Order, context: RiskContext) -> Rejection | None:
        """Return a rejection where the order adds to a book that would be too large, or equity is unknown."""
        if context.reduces(order):
            return None
        added_usd = abs(context.reserved_usd(order)) - abs(context.reserved_usd())
        after_usd = context.gross_usd + added_usd
        if added_usd <= 0.0 or self.limit.allows(after_usd, context.equity_usd):
            return None
        return refusal(order, self.rule_id, self.limit.says("gross exposure", after_usd, context.equity_usd))


def build(config: RiskConfig) -> PreTradeRule | None:
    """Return the rule."""
    return GrossLimitRule(ExposureLimit(config.max_gross, config.limit_tolerance_frac))
