"""Rule mark_price: no new risk without a price to measure it by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from LIVE_TRADING.common.types import Order, Rejection
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.context import PreTradeRule, RiskContext, refusal


@dataclass(frozen=True, slots=True)
class MarkPriceRule:
    """Refuses new risk where the mark is missing, not positive or older than `max_age_s`."""

    max_age_s: float
    rule_id: ClassVar[str] = "mark_price"

    def check(self, order: Order, context: RiskContext) -> Rejection | None:
        """Return a rejection where the mark cannot be used."""
        if context.reduces(order):
            return None
        if not 0.0 < context.mark_price_usd < float("inf"):
            return refusal(order, self.rule_id, f"there is no usable mark price ({context.mark_price_usd})")
        age_s = (context.now_ns - context.mark_time_ns) / NS_PER_S
        if age_s > self.max_age_s:
            return refusal(order, self.rule_id, f"the mark is {age_s:.1f} s old; the limit is {self.max_age_s:g} s")
        return None


def build(config: RiskConfig) -> PreTradeRule | None:
    """Return the rule."""
    return MarkPriceRule(config.max_mark_age_s)
