"""Rule buying_power: nothing is bought, or sold short, with money that other orders may still spend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from LIVE_TRADING.common.types import Order, Rejection
from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.context import ROUNDING, PreTradeRule, RiskContext, refusal


@dataclass(frozen=True, slots=True)
class BuyingPowerRule:
    """Refuses new risk whose initial margin the equity does not cover: margin_frac · Σ|position| ≤ equity.

    Positions are reserved ones: each with all that may still fill, orders of unknown fate included, and this order.
    Initial margin of longs and shorts alike, as of Regulation T (12 CFR 220.12), which asks for a half; 1 is a cash
    account, in which all that is held or may be bought is paid for. There is no tolerance on top.
    """

    margin_frac: float
    rule_id: ClassVar[str] = "buying_power"

    def check(self, order: Order, context: RiskContext) -> Rejection | None:
        """Return a rejection where the order adds to a book that the equity does not cover, or equity is unknown."""
        if context.reduces(order):
            return None
        added_usd = abs(context.reserved_usd(order)) - abs(context.reserved_usd())
        if added_usd <= 0.0:
            return None
        gross_usd, equity_usd = context.gross_usd + added_usd, context.equity_usd
        margin_usd = self.margin_frac * gross_usd
        if equity_usd > 0.0 and margin_usd <= equity_usd * (1.0 + ROUNDING):
            return None
        because = (
            f"gross exposure could become {gross_usd:.2f} USD, whose initial margin of {self.margin_frac:.0%} is "
            f"{margin_usd:.2f} USD; equity is {equity_usd:.2f} USD"
        )
        return refusal(order, self.rule_id, because)


def build(config: RiskConfig) -> PreTradeRule | None:
    """Return the rule."""
    return BuyingPowerRule(config.initial_margin_frac)
