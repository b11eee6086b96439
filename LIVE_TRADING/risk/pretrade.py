"""The pre-trade rules in their order. Pure: nothing is read but the order and the context."""

from __future__ import annotations

import importlib

from LIVE_TRADING.common.types import Order, Rejection
from LIVE_TRADING.risk import rules as rules_package
from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.context import PreTradeRule, RiskContext


class PreTradeRules:
    """Asks the rules named in `risk.rules`, in that order; the first no wins.

    Orders that only reduce are never refused by a limit on risk, the cooldown or a missing mark. The rules that catch
    errors (trading_state, lot_and_tick, duplicate_order, exit_reduces) bind every order.
    """

    def __init__(self, config: RiskConfig) -> None:
        built = [_build(name, config) for name in config.rules]
        self.rules: tuple[PreTradeRule, ...] = tuple(rule for rule in built if rule is not None)

    def check(self, order: Order, context: RiskContext) -> Rejection | None:
        """Return the first rejection, or None where every rule lets the order pass."""
        for rule in self.rules:
            rejection = rule.check(order, context)
            if rejection is not None:
                return rejection
        return None


def _build(name: str, config: RiskConfig) -> PreTradeRule | None:
    module = importlib.import_module(f"{rules_package.__name__}.{name}")
    rule: PreTradeRule | None = module.build(config)
    return rule
