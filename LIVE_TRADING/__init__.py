"""A staged trading system with one deterministic core behind live, backtest and replay.

The public names are importable from here; each is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

from LIVE_TRADING.common.determinism import repro_bootstrap

repro_bootstrap()

__version__ = "0.1.0"

_HOMES = {
    "alerting": "AlertManager",
    "arbitration": "CostModel HorizonArbiter",
    "blending": "HorizonBlender RidgeWeightCalculator TemperatureCompressor",
    "brokers.registry": "get_broker",
    "brokers.simulated": "PaperBroker",
    "cli.settings": "DEFAULT_CONFIG get_cfg",
    "common.types": "AllPredictions ArbitrationResult BlendResult BlendedAlpha GateResult HorizonPredictions "
    "SizingResult SpreadGateResult",
    "data.cached": "CachedDataProvider",
    "data.registry": "get_data_provider",
    "data.simulated": "SimulatedDataProvider",
    "engine.config": "EngineConfig",
    "engine.cycle": "CycleResult TradeDecision",
    "engine.ledger": "PositionState",
    "engine.state": "EngineState",
    "engine.trading_engine": "TradingEngine",
    "gating": "BarrierGate SpreadGate",
    "learning": "BanditPersistence EnsembleWeightOptimizer Exp3IXBandit RewardTracker",
    "models.features": "FeatureBuilder",
    "models.inference": "InferenceEngine",
    "models.loader": "ModelLoader",
    "observability": "EventType",
    "observability.metrics": "MetricsCollector",
    "prediction.confidence": "ConfidenceScorer",
    "prediction.predictor": "MultiHorizonPredictor",
    "prediction.standardizer": "ZScoreStandardizer",
    "risk": "DrawdownMonitor ExposureTracker RiskGuardrails RiskStatus",
    "sizing": "PositionSizer TurnoverManager VolatilityScaler",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = ["repro_bootstrap", *sorted(_HOME_OF)]  # noqa: PLE0604  names read from the table


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name.startswith("emit_"):
        return getattr(importlib.import_module("LIVE_TRADING.observability.emit"), name)
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"LIVE_TRADING.{_HOME_OF[name]}"), name)
