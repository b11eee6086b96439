"""Rule cooldown: no new risk in a symbol right after an order of it, also across a restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from LIVE_TRADING.common.types import Order, Rejection
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.context import PreTradeRule, RiskContext, refusal


@dataclass(frozen=True, slots=True)
class CooldownRule:
    """Refuses new risk within `cooldown_s` of the last order of the symbol; at exactly that age it passes."""

    cooldown_s: float
    rule_id: ClassVar[str] = "cooldown"

    def check(self, order: Order, context: RiskContext) -> Rejection | None:
        """Return a rejection where the last order is too recent."""
        if context.last_order_time_ns is None or context.reduces(order):
            return None
        since_s = (context.now_ns - context.last_order_time_ns) / NS_PER_S
        if since_s >= self.cooldown_s:
            return None
        because = f"the last order of the symbol was {since_s:.1f} s ago; the cooldown is {self.cooldown_s:g} s"
        return refusal(order, self.rule_id, because)


def build(config: RiskConfig) -> PreTradeRule | None:
    """Return the rule, None without a cooldown."""
    return CooldownRule(config.cooldown_s) if config.cooldown_s > 0.0 else None
