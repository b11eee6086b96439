"""Conviction and volatility to weight."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.types import FloatArray


class VolatilityScalerConfig(FrozenConfig):
    """How conviction becomes weight. `volatility_scaling: false` is the named neutral: the volatility factor is 1."""

    volatility_scaling: bool = Field(True, description="false: the weight does not shrink with volatility")
    max_weight: float = Field(0.05, gt=0.0, le=1.0, description="largest weight of one symbol, share of equity")
    target_vol_bps: float = Field(
        200.0,
        gt=0.0,
        le=10_000.0,
        description="volatility of a session up to which a symbol takes its full weight, bps",
    )
    z_max: float = Field(1.0, gt=0.0, le=100.0, description="conviction at which the weight is full, units of ic_ref")


class VolatilityScaler:
    """w = clip(z, ±z_max) / z_max · max_weight · min(1, target_vol / vol_day).

    z          net signal, in units of IC_ref (NaN: no forecast, weight 0)
    vol_day    volatility of one session, bps (NaN or <= 0: unknown, weight 0)
    """

    def __init__(self, config: VolatilityScalerConfig) -> None:
        self._scaling = config.volatility_scaling
        self._z_max = config.z_max
        self._weight_per_z = config.max_weight / config.z_max
        self._target_vol_bps = config.target_vol_bps

    def scale(self, z: FloatArray, vol_day_bps: FloatArray) -> FloatArray:
        """Return signed weights of shape (n_symbols,), shares of equity."""
        weight = np.minimum(np.maximum(z, -self._z_max), self._z_max) * self._weight_per_z
        known = vol_day_bps > 0.0
        if self._scaling:
            weight *= np.minimum(self._target_vol_bps / np.where(known, vol_day_bps, np.nan), 1.0)
        weight[~known | np.isnan(z)] = 0.0
        return weight
