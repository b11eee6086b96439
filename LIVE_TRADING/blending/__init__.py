"""Blending stage: weights of the model families, and the expected return of each symbol at each horizon."""

from LIVE_TRADING.blending.blender import BlendingConfig, HorizonBlender
from LIVE_TRADING.blending.ridge import RidgeConfig, RidgeWeightCalculator
from LIVE_TRADING.blending.temperature import TemperatureCompressor, TemperatureConfig

__all__ = [
    "BlendingConfig",
    "HorizonBlender",
    "RidgeConfig",
    "RidgeWeightCalculator",
    "TemperatureCompressor",
    "TemperatureConfig",
]
