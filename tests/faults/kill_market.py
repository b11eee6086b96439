"""The market and the settings of the kill campaign: venue and engine, each in its own process, know the same bars."""

from __future__ import annotations

from functools import cache
from typing import Any

from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.config import EngineConfig
from tests.support.runs import LOW_COST

COOLDOWN_S = 3000.0  # with bars of 1,800 s: an entry may follow an order of its symbol two bars later, not one
VENUE = ExchangeConfig(impact_coefficient=0.0, participation_frac=0.00005, fee_bps=1.0)  # most orders fill in parts


@cache
def panel() -> BarPanel:
    """Half-hour bars of five symbols over four sessions."""
    return simulate_market(
        SimulatedMarketConfig(n_symbols=5, n_sessions=4, bars_per_session=13, seed=5, halt_probability=0.0)
    )


def config() -> EngineConfig:
    """A checkpoint many times a second, segments of 20 kB, the books compared at every fourth cycle."""
    often: dict[str, Any] = {"checkpoint_s": 0.02, "arrays_s": 0.02, "journal_segment_mb": 0.02}
    limits = {"max_gross": 20.0, "max_net": 20.0, "max_position_weight": 20.0, "guardrails": False}
    return EngineConfig.model_validate(
        LOW_COST
        | {
            "engine": often | {"min_free_disk_mb": 0.0, "submit_timeout_s": 5.0, "query_timeout_s": 5.0},
            "risk": limits | {"cooldown_s": COOLDOWN_S},
            "reconcile": {"every_cycles": 4},
        }
    )
