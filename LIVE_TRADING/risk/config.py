"""Settings of the guardrails and of the pre-trade rules."""

from __future__ import annotations

import difflib
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.risk.rules import rule_names

# Rules that catch errors. A limit may be left out of the list, these may not: without them a kill would not bind.
MANDATORY_RULES = ("trading_state", "lot_and_tick", "duplicate_order", "exit_reduces")


class RiskConfig(FrozenConfig):
    """Guardrails watch the whole account; pre-trade rules see one order each.

    The limits on exposure are the last line behind the sizing stage, which aims at its own caps. They bind at
    limit · (1 + `limit_tolerance_frac`): marks move between sizing and sending, and the sizing lets drift run to 5 %
    beyond a cap before it cuts, so a limit equal to the cap and without slack would refuse orders that were sized
    correctly. Zero tolerance binds at the limit itself. The guardrails have no tolerance, nor has
    `initial_margin_frac`, below which a broker refuses.
    """

    guardrails: bool = Field(True, description="daily loss and drawdown limits; an unreadable equity halts in any case")
    max_daily_loss_frac: float = Field(0.02, gt=0.0, le=1.0, description="loss since the session's open that trips")
    max_drawdown_frac: float = Field(0.10, gt=0.0, le=1.0, description="loss from the highest equity that trips")
    on_trip: Literal["reduce_only", "flatten"] = Field(
        "reduce_only", description="what a tripped guardrail does: no new risk, or leave every position as well"
    )
    max_position_weight: float = Field(0.20, gt=0.0, le=20.0, description="largest position, share of equity")
    max_gross: float = Field(1.0, gt=0.0, le=20.0, description="largest sum of |position|, share of equity")
    max_net: float = Field(0.3, gt=0.0, le=20.0, description="largest |sum of positions|, share of equity")
    limit_tolerance_frac: float = Field(
        0.05, ge=0.0, le=0.5, description="slack of the three limits above, share of each"
    )
    initial_margin_frac: float = Field(
        0.5,
        gt=0.0,
        le=1.0,
        description="equity that gross exposure needs, share of it: 0.5 Regulation T, 1 a cash account",
    )
    max_order_notional_usd: float | None = Field(None, gt=0.0, description="largest order that adds risk; absent: none")
    cooldown_s: float = Field(5.0, ge=0.0, le=86_400.0, description="no new risk in a symbol this soon after an order")
    max_mark_age_s: float = Field(900.0, gt=0.0, le=864_000.0, description="no new risk on a mark older than this")
    rules: tuple[str, ...] = Field(
        (
            "trading_state",
            "lot_and_tick",
            "duplicate_order",
            "exit_reduces",
            "mark_price",
            "order_notional",
            "position_limit",
            "gross_limit",
            "net_limit",
            "buying_power",
            "cooldown",
        ),
        description="pre-trade rules in the order in which they are asked; the first no wins",
    )
    rule_options: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="parameters of rules that are not listed above, by rule name"
    )

    @field_validator("rules")
    @classmethod
    def _known_rules(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        known = rule_names()
        problems = [
            f"{name} is no rule; did you mean {(difflib.get_close_matches(name, known, 1) or [', '.join(known)])[0]}?"
            for name in rules
            if name not in known
        ]
        problems += [f"{name} cannot be left out" for name in MANDATORY_RULES if name not in rules]
        problems += [f"{name} is listed twice" for name in sorted(set(rules)) if rules.count(name) > 1]
        if problems:
            raise ValueError("; ".join(problems))
        return rules

    @model_validator(mode="after")
    def _options_of_listed_rules(self) -> Self:
        strangers = [name for name in sorted(self.rule_options) if name not in self.rules]
        if strangers:
            raise ValueError(f"rule_options of {', '.join(strangers)}, not among the rules: {', '.join(self.rules)}")
        return self
