"""What decisions depend on: the configuration of every stage and of the core, in one tree."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from LIVE_TRADING.arbitration import ArbitrationConfig
from LIVE_TRADING.blending import BlendingConfig
from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.gating import BarrierGateConfig, SpreadGateConfig
from LIVE_TRADING.learning import LearningConfig
from LIVE_TRADING.models.features import FeatureConfig
from LIVE_TRADING.models.liquidity import AdvConfig
from LIVE_TRADING.models.volatility import VolatilityConfig
from LIVE_TRADING.prediction.memory import PredictionConfig
from LIVE_TRADING.risk import RiskConfig
from LIVE_TRADING.sizing import SizingConfig


class GatingConfig(FrozenConfig):
    """The gates, each with its switch."""

    barrier: BarrierGateConfig = BarrierGateConfig()
    spread: SpreadGateConfig = SpreadGateConfig()


class ReconcileConfig(FrozenConfig):
    """When the books are compared, and what a confirmed difference does."""

    mode: Literal["strict", "warn", "auto_sync"] = Field(
        "strict", description="strict halts, warn tells, auto_sync takes the venue's book up to max_auto_sync_usd"
    )
    every_cycles: int = Field(12, ge=0, description="cycles between comparisons; 0: at the start alone")
    max_auto_sync_usd: float = Field(1_000.0, ge=0, description="largest difference that auto_sync takes over")
    cash_tolerance: Decimal = Field(Decimal("0.01"), ge=0, description="cash may differ by this: venues round")


class RuntimeConfig(FrozenConfig):
    """How the engine runs, whatever it decides."""

    seed: int = Field(7, ge=0, description="key of the random draws")
    initial_cash_usd: float = Field(100_000.0, gt=0, description="cash a simulated or paper account starts with")
    bar_grace_s: float = Field(2.0, ge=0, le=60, description="wait for late bars, live; 0 on recorded data")
    inference_timeout_s: float = Field(30.0, gt=0, description="give up waiting for predictions after this")
    connect_timeout_s: float = Field(30.0, gt=0, description="give up connecting to the venue after this")
    submit_timeout_s: float = Field(30.0, gt=0, description="an order without an answer by then is of unknown fate")
    query_timeout_s: float = Field(10.0, gt=0, description="give up a question to the venue after this")
    max_prediction_age_s: float = Field(30.0, gt=0, description="older predictions open nothing; at most half a bar")
    checkpoint_s: float = Field(60.0, gt=0, description="write engine_state.json at least this often")
    arrays_s: float = Field(3600.0, gt=0, description="write the arrays file at least this often, and at session ends")
    journal_segment_mb: float = Field(64.0, gt=0, le=1024, description="close a segment of the journal at this size")
    journal_keep_days: float | None = Field(
        None, gt=0, description="remove older segments, and with them the replay of that time; none: keep all"
    )
    min_free_disk_mb: float = Field(512.0, ge=0, description="reduce only below this, halt below an eighth; 0: off")
    compiled_forest: bool = Field(
        True, description="predict models of trees by compiled code: the same bits, faster; false: by their libraries"
    )
    trade_symbols: tuple[str, ...] = Field((), description="symbols to enter; none: the whole universe. All forecast")
    mode: Literal["paper", "live"] = Field("paper", description="live needs --live and a confirmed account besides")


class EngineConfig(FrozenConfig):
    """The part of the tree that a replay needs; `RunStarted` holds it in full."""

    features: FeatureConfig = FeatureConfig()
    volatility: VolatilityConfig = VolatilityConfig()
    adv: AdvConfig = AdvConfig()
    prediction: PredictionConfig = PredictionConfig()
    blending: BlendingConfig = BlendingConfig()
    arbitration: ArbitrationConfig = ArbitrationConfig()
    gating: GatingConfig = GatingConfig()
    sizing: SizingConfig = SizingConfig()
    risk: RiskConfig = RiskConfig()
    learning: LearningConfig = LearningConfig()
    reconcile: ReconcileConfig = ReconcileConfig()
    engine: RuntimeConfig = RuntimeConfig()
