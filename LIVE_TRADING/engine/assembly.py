"""Building the core of a run from what opened it: stages, models, rules. The same for live, backtest and replay."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from LIVE_TRADING.arbitration import CostModel, EntrySelector, HorizonArbiter
from LIVE_TRADING.blending import HorizonBlender
from LIVE_TRADING.common.codec import record_from
from LIVE_TRADING.common.events import RunStarted
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.horizons import Horizon, parse_horizons
from LIVE_TRADING.common.kernels import compile_all
from LIVE_TRADING.common.types import BoolArray, FloatArray, Instrument
from LIVE_TRADING.common.units import NS_PER_MINUTE, NS_PER_S
from LIVE_TRADING.engine.config import EngineConfig, RuntimeConfig
from LIVE_TRADING.engine.market import BarsAlone, MarketModel
from LIVE_TRADING.engine.pipeline import Stages
from LIVE_TRADING.gating import BarrierGate, SpreadGate
from LIVE_TRADING.learning import (
    BanditState,
    EnsembleWeightOptimizer,
    Exp3IXBandit,
    ExponentialWeights,
    Hedge,
    HedgeLearner,
    LearningConfig,
    OutcomeTracker,
    RewardTracker,
)
from LIVE_TRADING.models.artifacts import ValidationFigures
from LIVE_TRADING.models.features import FeatureBuilder
from LIVE_TRADING.models.liquidity import AdvModel
from LIVE_TRADING.models.volatility import VolatilityModel
from LIVE_TRADING.prediction.memory import ForecastModel
from LIVE_TRADING.risk import PreTradeRules, RiskGuardrails
from LIVE_TRADING.sizing import PositionSizer, TargetSizer

ALWAYS_OPEN = "24/7"
TARGET_RULE = "target_rule"  # the one family of a run whose targets a rule gives


@dataclass(frozen=True)
class Assembly:
    """The parts of a core. `session_ends`: the market closes, so nothing intraday is carried past its close."""

    config: EngineConfig
    horizons: tuple[Horizon, ...]
    market: MarketModel
    stages: Stages
    target_sizer: TargetSizer
    guardrails: RiskGuardrails
    rules: PreTradeRules
    bandit: ExponentialWeights
    rewards: RewardTracker
    hedge: HedgeLearner
    outcomes: OutcomeTracker
    learning: LearningConfig
    instruments: dict[str, Instrument]
    lots: tuple[Decimal, ...]
    lot_sizes: FloatArray
    min_notional_usd: FloatArray
    tradable: BoolArray
    session_ends: bool
    max_weight: float
    max_prediction_age_ns: int

    def selector(self, state: BanditState, seed: int) -> EntrySelector:
        """Return what draws the horizon of an entry."""
        return EnsembleWeightOptimizer(self.learning, self.bandit, state, seed)


def build_market(
    config: EngineConfig,
    horizons: tuple[Horizon, ...],
    families: tuple[str, ...],
    symbols: tuple[str, ...],
    bars_per_session: int,
    interval_ns: int,
    validation: ValidationFigures,
    overnight: bool,
    *,
    by_rule: bool = False,
) -> MarketModel:
    """Return the models whose state is the market memory; training builds the same. A rule's run keeps time alone."""
    n_symbols = len(symbols)
    return (BarsAlone if by_rule else MarketModel)(
        FeatureBuilder(config.features, n_symbols, bars_per_session, symbols),
        VolatilityModel(config.volatility, bars_per_session, overnight),
        AdvModel(config.adv),
        ForecastModel(
            config.prediction, horizons, families, n_symbols, bars_per_session, interval_ns, validation, overnight
        ),
        horizons,
        n_symbols,
    )


def assemble(run: RunStarted, *, ready: bool = True) -> Assembly:
    """Return the parts that `run` describes; `ready`: with their kernels compiled, else each is at its first call.

    Raises
    ------
    ConfigurationError
        The configuration on file does not fit this version, or instruments are missing.
    """
    if ready:
        compile_all()
    known = EngineConfig.model_fields
    config = EngineConfig.model_validate({key: value for key, value in run.config.items() if key in known})
    session_minutes = run.bars_per_session * run.interval_ns // NS_PER_MINUTE
    horizons = parse_horizons(run.horizons, run.interval_ns, session_minutes)
    overnight = run.calendar != ALWAYS_OPEN
    validation = ValidationFigures(
        *(np.array(table, dtype=np.float64) for table in (run.ic_val, run.n_val, run.rmse_val))
    )
    market = build_market(
        config,
        horizons,
        run.families,
        run.symbols,
        run.bars_per_session,
        run.interval_ns,
        validation,
        overnight,
        by_rule=run.families == (TARGET_RULE,),
    )
    instruments = {entry["symbol"]: record_from(Instrument, entry) for entry in run.instruments}
    missing = [symbol for symbol in run.symbols if symbol not in instruments]
    if missing:
        raise ConfigurationError(f"no instrument for {', '.join(missing)}")
    listed = [instruments[symbol] for symbol in run.symbols]
    exp3ix, hedge = Exp3IXBandit(config.learning, len(horizons)), Hedge(config.learning, len(horizons))
    return Assembly(
        config=config,
        horizons=horizons,
        market=market,
        stages=Stages(
            HorizonBlender(config.blending, horizons),
            CostModel(config.arbitration.cost, session_minutes),
            HorizonArbiter(config.arbitration, horizons),
            BarrierGate(config.gating.barrier),
            SpreadGate(config.gating.spread, run.interval_ns / NS_PER_S),
            PositionSizer(config.sizing),
            config.arbitration.reserve_bps,
        ),
        target_sizer=TargetSizer(config.sizing),
        guardrails=RiskGuardrails(config.risk),
        rules=PreTradeRules(config.risk),
        bandit=hedge if config.learning.mode == "hedge" else exp3ix,
        rewards=RewardTracker(config.learning, exp3ix),
        hedge=HedgeLearner(config.learning, hedge),
        outcomes=OutcomeTracker(horizons, overnight),
        learning=config.learning,
        instruments=instruments,
        lots=tuple(instrument.lot for instrument in listed),
        lot_sizes=np.array([float(instrument.lot) for instrument in listed]),
        min_notional_usd=np.array([float(instrument.min_notional) for instrument in listed]),
        tradable=_tradable(run.symbols, config.engine.trade_symbols),
        session_ends=overnight,
        max_weight=config.sizing.max_weight,
        max_prediction_age_ns=prediction_age_limit_ns(config.engine, run.interval_ns),
    )


def prediction_age_limit_ns(runtime: RuntimeConfig, interval_ns: int) -> int:
    """Return how old predictions may be that open something: as configured, half a bar at most."""
    return min(round(runtime.max_prediction_age_s * NS_PER_S), interval_ns // 2)


def _tradable(symbols: tuple[str, ...], chosen: tuple[str, ...]) -> BoolArray:
    unknown = sorted(set(chosen) - set(symbols))
    if unknown:
        raise ConfigurationError(f"symbols to trade {', '.join(unknown)} are not in the universe {', '.join(symbols)}")
    return np.array([not chosen or symbol in chosen for symbol in symbols], dtype=np.bool_)
