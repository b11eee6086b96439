"""Settings of the arbitration stage."""

from __future__ import annotations

from pydantic import Field

from LIVE_TRADING.arbitration.cost import CostModelConfig
from LIVE_TRADING.common.config import FrozenConfig


class ArbitrationConfig(FrozenConfig):
    """Settings of the arbitration stage."""

    cost: CostModelConfig = Field(default_factory=CostModelConfig, description="the cost belief")
    reserve_bps: float = Field(0.5, ge=0.0, le=1000.0, description="what a trade must earn beyond its cost, bps")
    switch_ratio: float = Field(
        1.25, ge=1.0, le=100.0, description="a new horizon must score this multiple of the held one"
    )
    switch_margin_bps: float = Field(
        0.25, ge=0.0, le=1000.0, description="and this much more, bps per square root of 5 minutes"
    )
    exit_bps: float = Field(2.0, ge=0.0, le=1000.0, description="leave when the held forecast has turned by more, bps")
    barrier_exit_p: float = Field(
        0.65, gt=0.0, le=1.0, description="leave a long above this probability of a peak, a short of a valley"
    )
