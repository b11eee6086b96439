"""Settings of the online learning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig


class LearningConfig(FrozenConfig):
    """How the horizon of an entry is drawn and what a closed trade teaches."""

    mode: Literal["exp3ix", "hedge", "off"] = Field(
        "exp3ix",
        description="exp3ix: draw the horizon and learn from the trade that was made; hedge: draw it and learn from "
        "what every horizon that qualified would have made; off: best score, nothing learned",
    )
    eta: float | None = Field(
        None,
        gt=0.0,
        le=10.0,
        description="fixed learning rate; absent: the anytime rate, exp3ix sqrt(ln K / (K t)), hedge sqrt(8 ln K / t)",
    )
    tau_bps: float = Field(
        0.25, gt=0.0, le=1000.0, description="temperature of the draw, bps of score; large: the bandit alone decides"
    )
    reward_scale: float = Field(
        3.0, gt=0.0, le=100.0, description="S: a result of ±S volatilities of the horizon is the best or worst reward"
    )
