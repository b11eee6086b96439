"""Compression of weights: how much a horizon trusts the differences between its families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field, field_validator

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.horizons import Horizon, HorizonName
from LIVE_TRADING.common.types import FloatArray

Temperature = Annotated[float, Field(gt=0.0, le=10.0)]
DEFAULT_TEMPERATURE: dict[HorizonName, float] = {
    "5m": 0.75,
    "10m": 0.85,
    "15m": 0.90,
    "30m": 1.0,
    "60m": 1.0,
    "1d": 1.0,
}


class TemperatureConfig(FrozenConfig):
    """Temperature of each horizon. Horizons that are not given keep their default."""

    temperature: dict[HorizonName, Temperature] = Field(
        default_factory=lambda: dict(DEFAULT_TEMPERATURE),
        description="T per horizon: below 1 flattens towards equal weights, 1 leaves the weights alone",
    )
    temperature_off: bool = Field(False, description="T = 1 at every horizon")

    @field_validator("temperature")
    @classmethod
    def _complete(cls, given: dict[HorizonName, float]) -> dict[HorizonName, float]:
        """Fill in the defaults of the horizons left out."""
        return {**DEFAULT_TEMPERATURE, **given}


class TemperatureCompressor:
    """w' = w^T / Σ w^T over the families with w > 0: softmax(T · ln w).

    T < 1 flattens towards equal weights over the support, which is what a short, noisy horizon wants; T = 1 returns the
    weights bit for bit; weights of zero stay zero.
    """

    def __init__(self, config: TemperatureConfig, horizons: Sequence[Horizon]) -> None:
        by_name: Mapping[str, float] = dict(config.temperature.items())
        per_horizon = [1.0 if config.temperature_off else by_name[horizon.name] for horizon in horizons]
        self._exponent = np.array(per_horizon)[:, None]
        self._leave = self._exponent == 1.0

    def compress(self, weights: FloatArray) -> FloatArray:
        """Return compressed weights (H, M) of non-negative weights (H, M)."""
        powered = weights**self._exponent
        total = powered.sum(axis=1, keepdims=True)
        total[total == 0.0] = 1.0
        return np.where(self._leave, weights, powered / total)
