"""Risk: guardrails over the account, rules before every order. Pure throughout."""

from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.context import PreTradeRule, RiskContext
from LIVE_TRADING.risk.exposure import Exposure, ExposureTracker, reserved_shares
from LIVE_TRADING.risk.guardrails import RiskGuardrails
from LIVE_TRADING.risk.monitors import DailyLossMonitor, DrawdownMonitor
from LIVE_TRADING.risk.pretrade import PreTradeRules
from LIVE_TRADING.risk.sequence import send_sequence
from LIVE_TRADING.risk.state import Latch, Release, RiskMemory, RiskStatus, TradingState

__all__ = [
    "DailyLossMonitor",
    "DrawdownMonitor",
    "Exposure",
    "ExposureTracker",
    "Latch",
    "PreTradeRule",
    "PreTradeRules",
    "Release",
    "RiskConfig",
    "RiskContext",
    "RiskGuardrails",
    "RiskMemory",
    "RiskStatus",
    "TradingState",
    "reserved_shares",
    "send_sequence",
]
