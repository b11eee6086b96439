"""Compression of weights: how much a horizon trusts the differences between its families."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field, field_validator

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.horizons import HORIZON_NAMES, Horizon
from LIVE_TRADING.common.types import FloatArray

Temperature = Annotated[float, Field(gt=0.0, le=10.0)]
DEFAULT_TEMPERATURE = {"5m": 0.75, "10m": 0.85, "15m": 0.90, "30m": 1.0, "60m": 1.0, "1d": 1.0}


class TemperatureConfig(FrozenConfig):
    """Temperature of each horizon. Horizons that are not given keep their default."""

    temperature: dict[str, Temperature] = Field(
        default_factory=lambda: dict(DEFAULT_TEMPERATURE),
        description="T per horizon: below 1 flattens towards equal weights, 1 leaves the weights alone",
    )
    temperature_off: bool = Field(False, description="T = 1 at every horizon")

    @field_validator("temperature", mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """Refuse unknown horizons; fill in the defaults of those left out."""
        if not isinstance(given, dict):
            return given
        unknown = [str(name) for name in given if name not in HORIZON_NAMES]
        if unknown:
            raise ValueError(f"unknown horizons {', '.join(unknown)}; known are {', '.join(HORIZON_NAMES)}")
        return {**DEFAULT_TEMPERATURE, **given}


class TemperatureCompressor:
    """w' = w^T / Σ w^T over the families with w > 0: softmax(T · ln w).

    T < 1 flattens towards equal weights over the support, which is what a short, noisy horizon wants; T = 1 returns the
    weights bit for bit; weights of zero stay zero.
    """

    def __init__(self, config: TemperatureConfig, horizons: Sequence[Horizon]) -> None:
        per_horizon = [1.0 if config.temperature_off else config.temperature[horizon.name] for horizon in horizons]
        self._exponent = np.array(per_horizon)[:, None]
        self._leave = self._exponent == 1.0

    def compress(self, weights: FloatArray) -> FloatArray:
        """Return compressed weights (H, M) of non-negative weights (H, M)."""
        powered = weights**self._exponent
        total = powered.sum(axis=1, keepdims=True)
        total[total == 0.0] = 1.0
        return np.where(self._leave, weights, powered / total)
