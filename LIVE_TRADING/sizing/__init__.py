"""Sizing stage: how much of each symbol the book should hold."""

from LIVE_TRADING.sizing.caps import CapsConfig, ExposureCaps
from LIVE_TRADING.sizing.request import SizingRequest
from LIVE_TRADING.sizing.sizer import PositionSizer, SizingConfig
from LIVE_TRADING.sizing.targets import TargetSizer
from LIVE_TRADING.sizing.turnover import TurnoverConfig, TurnoverManager
from LIVE_TRADING.sizing.volatility_scaler import VolatilityScaler, VolatilityScalerConfig

__all__ = [
    "CapsConfig",
    "ExposureCaps",
    "PositionSizer",
    "SizingConfig",
    "SizingRequest",
    "TargetSizer",
    "TurnoverConfig",
    "TurnoverManager",
    "VolatilityScaler",
    "VolatilityScalerConfig",
]
