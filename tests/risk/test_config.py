"""Settings of risk: ranges, known rules, rules that may not be left out.

covers: P15, A10
"""

from __future__ import annotations

import pytest

from LIVE_TRADING.common.config import config_dict, config_from_dict
from LIVE_TRADING.risk import RiskConfig

# covers: P15


def test_defaults_are_the_documented_ones():
    config = RiskConfig()
    assert (config.max_daily_loss_frac, config.max_drawdown_frac) == (0.02, 0.10)
    assert (config.max_position_weight, config.max_gross, config.max_net, config.cooldown_s) == (0.20, 1.0, 0.3, 5.0)
    assert (config.on_trip, config.guardrails, config.max_order_notional_usd) == ("reduce_only", True, None)


def test_settings_survive_their_record():
    config = RiskConfig(cooldown_s=1.0, rule_options={"cooldown": {"x": 1.0}})
    assert config_from_dict(RiskConfig, config_dict(config)) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_daily_loss_frac": 0.0}, "max_daily_loss_frac"),
        ({"max_drawdown_frac": 1.5}, "max_drawdown_frac"),
        ({"on_trip": "panic"}, "on_trip"),
        ({"max_gross": float("nan")}, "max_gross"),
        ({"cooldown": 5}, "cooldown"),
        ({"initial_margin_frac": 0.0}, "initial_margin_frac"),
        ({"initial_margin_frac": 1.1}, "initial_margin_frac"),
        ({"rules": ("trading_state", "lot_and_tick", "duplicate_order", "exit_reduces", "gros_limit")}, "gross_limit"),
        ({"rules": ("lot_and_tick", "duplicate_order", "exit_reduces")}, "trading_state cannot be left out"),
        ({"rules": ("trading_state",) * 2 + ("lot_and_tick", "duplicate_order", "exit_reduces")}, "listed twice"),
        ({"rule_options": {"colour": {"x": 1.0}}}, "colour"),
    ],
)
def test_what_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        RiskConfig(**settings)
