"""Conviction and volatility to weight."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.kernels import kernel
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
        weight = np.empty(z.shape)
        scale_by_volatility(
            np.ascontiguousarray(z),
            np.ascontiguousarray(vol_day_bps),
            self._z_max,
            self._weight_per_z,
            self._target_vol_bps,
            self._scaling,
            weight,
        )
        return weight


@kernel(
    "void(Array(float64, 1, 'C', readonly=True), Array(float64, 1, 'C', readonly=True), float64, float64, float64, "
    "boolean, float64[::1])"
)
def scale_by_volatility(
    z: FloatArray,
    vol_day_bps: FloatArray,
    z_max: float,
    weight_per_z: float,
    target_vol_bps: float,
    scaling: bool,
    out: FloatArray,
) -> None:
    """Write the weights (N,) of `VolatilityScaler`; without `scaling` a volatility must be known and does not count."""
    for i in range(len(z)):
        vol = vol_day_bps[i]
        if np.isnan(z[i]) or not vol > 0.0:
            out[i] = 0.0
            continue
        out[i] = min(max(z[i], -z_max), z_max) * weight_per_z
        if scaling:
            out[i] *= min(target_vol_bps / vol, 1.0)
