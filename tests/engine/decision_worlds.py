"""A whole decision over an invented cycle, from raw forecasts to target shares, and what may be done to the cycle."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from LIVE_TRADING.arbitration import BestScoreSelector, CostModel, CycleMoment, EntrySelector, HeldBook, HorizonArbiter
from LIVE_TRADING.blending import HorizonBlender
from LIVE_TRADING.common.horizons import HORIZON_NAMES, parse_horizons
from LIVE_TRADING.common.types import AllPredictions
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.market import MarketView
from LIVE_TRADING.engine.pipeline import BookView, Decision, Stages, decide
from LIVE_TRADING.gating import BarrierGate, SpreadGate
from LIVE_TRADING.learning import EnsembleWeightOptimizer, Exp3IXBandit, LearningConfig
from LIVE_TRADING.models.artifacts import ValidationFigures
from LIVE_TRADING.prediction.memory import ForecastModel
from LIVE_TRADING.sizing import PositionSizer

NAN = float("nan")
INTERVAL_NS = 5 * NS_PER_MINUTE
HORIZONS = parse_horizons(HORIZON_NAMES, INTERVAL_NS, 390)
FAMILIES = ("a", "b")
N = 12
BARS = 12  # of a session of the forecasts' history
SYMBOLS = tuple(f"S{i:02d}" for i in range(N))
SLOTS = (0, 20, 65, 73, 75, 76, 77)
SMALL_WINDOW = {"prediction": {"standardizer": {"window_sessions": 2, "min_samples": 10}}}
BY_SYMBOL = (
    *("raw_history", "raw", "sigma_bps", "sigma_day_bps", "adv_usd", "age_ns", "side", "horizon", "elapsed"),
    *("held_shares", "working_weight", "may_increase", "price_usd", "bid", "ask", "quote_age_s", "lot"),
    *("min_notional_usd", "p_peak", "p_valley"),
)


def config_of(**sections: Any) -> EngineConfig:
    """Return the defaults but for the window, which is short here, and what is given."""
    return EngineConfig.model_validate(SMALL_WINDOW | sections)


CONFIG = config_of()
NO_CAPS = {"sizing": {"caps": False}}
NO_DEMEANING = {
    "prediction": {"standardizer": SMALL_WINDOW["prediction"]["standardizer"] | {"min_symbols_to_demean": N + 1}}
}


@dataclass(frozen=True)
class World:
    """One cycle; the last axis of every array is that of the symbols."""

    symbols: tuple[str, ...]
    raw_history: np.ndarray  # (T, H, M, N)
    raw: np.ndarray  # (H, M, N)
    sigma_bps: np.ndarray  # (H, N)
    sigma_day_bps: np.ndarray
    adv_usd: np.ndarray
    age_ns: np.ndarray
    side: np.ndarray
    horizon: np.ndarray
    elapsed: np.ndarray
    held_shares: np.ndarray
    working_weight: np.ndarray
    may_increase: np.ndarray
    price_usd: np.ndarray
    bid: np.ndarray
    ask: np.ndarray
    quote_age_s: np.ndarray
    lot: np.ndarray
    min_notional_usd: np.ndarray
    p_peak: np.ndarray | None
    p_valley: np.ndarray | None
    equity_usd: float
    planned_usd: float
    slot: int
    stale: bool

    def but(self, **changes: Any) -> World:
        """Return the world with some things changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Outcome:
    """The records of all stages."""

    predictions: AllPredictions
    decision: Decision

    def arrays(self) -> dict[str, np.ndarray]:
        """Return every array that has the symbols as its last axis, by stage and name."""
        stages = {
            "prediction": (self.predictions, {"ic"}),
            "blend": (self.decision.blend, {"weights"}),
            "arbitration": (self.decision.arbitration, set()),
            "barrier": (self.decision.barrier, set()),
            "spread": (self.decision.spread, set()),
            "sizing": (self.decision.sizing, set()),
        }
        return {
            f"{stage}.{field.name}": value
            for stage, (record, left_out) in stages.items()
            for field in fields(record)
            if field.name not in left_out and isinstance(value := getattr(record, field.name), np.ndarray)
        }


def random_world(seed: int, gaps: bool = True) -> World:
    """Return a cycle with positions, orders at work, bars that are late and, with `gaps`, data that are missing."""
    rng = np.random.default_rng(seed)
    shape = (len(HORIZONS), len(FAMILIES), N)
    history = 0.05 * rng.standard_normal((2 * BARS, *shape))
    strength = rng.choice([0.05, 0.2])
    held = rng.random(N) < rng.choice([0.0, 0.4, 0.8])
    side = np.where(held, rng.choice([-1, 1], N), 0).astype(np.int16)
    price = rng.uniform(5.0, 300.0, N)
    shares = side * np.maximum(np.trunc(rng.uniform(0.002, 0.06, N) * 1e5 / price), 1.0)
    sigma_day = rng.uniform(60.0, 300.0, N)
    half_spread = price * rng.uniform(0.0, 4e-4, N)
    raw = strength * rng.standard_normal(shape)
    sigma = sigma_day * np.sqrt([[horizon.session_minutes / 390.0] for horizon in HORIZONS])
    classified = rng.random() < 0.7
    world = World(
        symbols=SYMBOLS,
        raw_history=history,
        raw=raw,
        sigma_bps=sigma * rng.uniform(0.8, 1.2, sigma.shape),
        sigma_day_bps=sigma_day,
        adv_usd=rng.uniform(1e7, 1e9, N),
        age_ns=np.where(rng.random(N) < 0.1, INTERVAL_NS, 0),
        side=side,
        horizon=np.where(held, rng.integers(-1, len(HORIZONS), N), -1).astype(np.int16),
        elapsed=held & (rng.random(N) < 0.4),
        held_shares=shares,
        working_weight=np.where(rng.random(N) < 0.1, rng.uniform(-0.02, 0.02, N), 0.0),
        may_increase=rng.random(N) < 0.9,
        price_usd=price,
        bid=price - half_spread,
        ask=price + half_spread,
        quote_age_s=rng.uniform(0.0, 320.0, N),
        lot=np.ones(N),
        min_notional_usd=np.full(N, rng.choice([0.0, 50.0])),
        p_peak=rng.uniform(0.0, 0.7, N) if classified else None,
        p_valley=rng.uniform(0.0, 0.7, N) if classified else None,
        equity_usd=1e5,
        planned_usd=2_500.0,
        slot=int(rng.choice(SLOTS)),
        stale=bool(rng.random() < 0.05),
    )
    return with_gaps(world, rng) if gaps else world


def with_gaps(world: World, rng: np.random.Generator) -> World:
    """Return the world with one value in twenty missing."""
    names = ("raw_history", "raw", "sigma_bps", "sigma_day_bps", "adv_usd", "bid", "ask", "quote_age_s", "p_peak")
    holed = {
        name: np.where(rng.random(getattr(world, name).shape) < 0.05, NAN, getattr(world, name))
        for name in names
        if getattr(world, name) is not None
    }
    no_price = (rng.random(N) < 0.05) & (world.side == 0)
    return world.but(**holed, price_usd=np.where(no_price, NAN, world.price_usd))


def run(world: World, config: EngineConfig = CONFIG, selector: EntrySelector | None = None) -> Outcome:
    """Forecast through two sessions of history, then take the cycle's decision."""
    n = len(world.symbols)
    evidence = np.full((len(HORIZONS), len(FAMILIES)), 0.0)
    evidence[:, 0], evidence[:, 1] = 0.1, 0.06
    validation = ValidationFigures(evidence, np.full(evidence.shape, 900.0), np.ones(evidence.shape))
    model = ForecastModel(config.prediction, HORIZONS, FAMILIES, n, 78, INTERVAL_NS, validation)
    memory, fresh, adv = model.initial(), np.zeros(n, dtype=np.int64), np.full(n, 1e9)
    for bar, raw in enumerate(world.raw_history):
        if bar % BARS == 0:
            memory = model.open_session(memory)
        memory, _ = model.forecast(memory, raw, bar % BARS, world.sigma_bps, fresh, adv, world.planned_usd)
    memory = model.open_session(memory)
    memory, predictions = model.forecast(
        memory, world.raw, world.slot, world.sigma_bps, world.age_ns, world.adv_usd, world.planned_usd
    )
    view = MarketView(np.zeros((0, n)), world.sigma_bps, world.sigma_day_bps, world.adv_usd)
    book = BookView(
        symbols=world.symbols,
        moment=CycleMoment(1_760_000_000_000_000_000, world.slot, 78, stale_predictions=world.stale),
        held=HeldBook(world.side, world.horizon, world.elapsed),
        **{
            name: getattr(world, name)
            for name in (
                *("held_shares", "working_weight", "may_increase", "price_usd", "bid", "ask", "quote_age_s", "lot"),
                *("min_notional_usd", "equity_usd", "planned_usd", "p_peak", "p_valley"),
            )
        },
    )
    decision = decide(
        stages_of(config), predictions, model.forecast_covariance(memory), view, book, selector or BestScoreSelector()
    )
    return Outcome(predictions, decision)


def stages_of(config: EngineConfig) -> Stages:
    return Stages(
        HorizonBlender(config.blending, HORIZONS),
        CostModel(config.arbitration.cost, 390.0),
        HorizonArbiter(config.arbitration, HORIZONS),
        BarrierGate(config.gating.barrier),
        SpreadGate(config.gating.spread, 300.0),
        PositionSizer(config.sizing),
        config.arbitration.reserve_bps,
    )


def bandit_selector() -> EntrySelector:
    """Return what draws a horizon by weights that have been learned, keyed by seed, time and symbol."""
    bandit = Exp3IXBandit(LearningConfig(), len(HORIZONS))
    return EnsembleWeightOptimizer(LearningConfig(), bandit, bandit.initial(), seed=7)


def negated(world: World) -> World:
    """Return the mirror: every forecast, position and order on the other side, peaks for valleys."""
    return world.but(
        raw_history=-world.raw_history,
        raw=-world.raw,
        side=-world.side,
        held_shares=-world.held_shares,
        working_weight=-world.working_weight,
        p_peak=world.p_valley,
        p_valley=world.p_peak,
    )


def permuted(world: World, order: list[int]) -> World:
    """Return the world with its symbols in another order."""
    arrays = {name: None if (a := getattr(world, name)) is None else a[..., order] for name in BY_SYMBOL}
    return world.but(symbols=tuple(world.symbols[i] for i in order), **arrays)


def split(world: World, factor: float) -> World:
    """Return the world after a split: prices × factor, shares and lots ÷ factor, money as it was."""
    return world.but(
        held_shares=world.held_shares / factor,
        lot=world.lot / factor,
        price_usd=world.price_usd * factor,
        bid=world.bid * factor,
        ask=world.ask * factor,
    )


def in_other_money(world: World, factor: float) -> World:
    """Return the world with every amount of money × factor, shares as they were."""
    return world.but(
        price_usd=world.price_usd * factor,
        bid=world.bid * factor,
        ask=world.ask * factor,
        adv_usd=world.adv_usd * factor,
        min_notional_usd=world.min_notional_usd * factor,
        equity_usd=world.equity_usd * factor,
        planned_usd=world.planned_usd * factor,
    )


def with_one(world: World, name: str, column: int, value: Any) -> World:
    """Return the world with one symbol's values of an array replaced."""
    changed = np.array(getattr(world, name), copy=True)
    changed[..., column] = value
    return world.but(**{name: changed})
