"""Gating stage: rules that keep an entry or an increase out, never an exit."""

from LIVE_TRADING.gating.barrier import BarrierGate, BarrierGateConfig
from LIVE_TRADING.gating.spread import SpreadGate, SpreadGateConfig

__all__ = ["BarrierGate", "BarrierGateConfig", "SpreadGate", "SpreadGateConfig"]
