"""Arbitration stage: which horizon is worth its cost, and what becomes of a position."""

from LIVE_TRADING.arbitration.arbiter import HorizonArbiter
from LIVE_TRADING.arbitration.book import CycleMoment, HeldBook
from LIVE_TRADING.arbitration.config import ArbitrationConfig
from LIVE_TRADING.arbitration.cost import CostModel, CostModelConfig
from LIVE_TRADING.arbitration.selector import BestScoreSelector, EntrySelector

__all__ = [
    "ArbitrationConfig",
    "BestScoreSelector",
    "CostModel",
    "CostModelConfig",
    "CycleMoment",
    "EntrySelector",
    "HeldBook",
    "HorizonArbiter",
]
