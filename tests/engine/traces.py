"""Traces made by hand: one symbol per case, every stage letting it through unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import (
    Action,
    AllPredictions,
    ArbitrationResult,
    BlendResult,
    GateResult,
    Leg,
    Order,
    Rejection,
    Side,
    SizingResult,
    SpreadGateResult,
)
from LIVE_TRADING.engine.cycle import STAGES, CycleResult, DecisionTrace

HORIZONS, FAMILIES = ("5m", "1d"), ("lightgbm", "ridge")
PASSING = {
    "prediction": Reason.OK,
    "blending": Reason.OK,
    "arbitration": Reason.ENTRY,
    "barrier_gate": Reason.GATE_OFF,
    "spread_gate": Reason.OK,
    "sizing": Reason.SIZED,
    "risk": Reason.ORDERED,
}
TIME_NS = 1_765_206_000 * 10**9  # 2025-12-08T15:00:00Z


def trace_of(
    reasons: Sequence[Mapping[str, Reason]], actions: Sequence[Action] | None = None, seed: int = 3
) -> DecisionTrace:
    """Return a trace with one symbol per entry of `reasons`, which says where that symbol was not let through."""
    n, rng = len(reasons), np.random.default_rng(seed)
    codes = {
        stage: np.array([int(entry.get(stage, PASSING[stage])) for entry in reasons], dtype=np.int16)
        for stage in STAGES
    }
    grid, cube = (len(HORIZONS), n), (len(HORIZONS), len(FAMILIES), n)
    action = np.array([int(one) for one in actions or [Action.ENTER] * n], dtype=np.int16)
    return DecisionTrace(
        AllPredictions(
            horizons=HORIZONS,
            families=FAMILIES,
            raw=rng.normal(size=cube),
            z=rng.normal(size=cube),
            confidence=rng.random(cube),
            calibrated=rng.normal(size=cube),
            ic=rng.random(cube[:2]),
            reason=codes["prediction"],
        ),
        BlendResult(HORIZONS, rng.random(cube[:2]), rng.normal(size=grid), rng.random(grid), codes["blending"]),
        ArbitrationResult(
            cost_bps=rng.random(n),
            net_bps=rng.normal(size=grid),
            score=rng.normal(size=grid),
            qualifies=np.ones(grid, dtype=np.bool_),
            action=action,
            horizon=np.where(action == Action.EXIT, -1, 1).astype(np.int16),
            side=np.where(action == Action.EXIT, 0, -1).astype(np.int16),
            chosen_net_bps=rng.random(n),
            entry_probability=rng.random(n),
            reason=codes["arbitration"],
        ),
        GateResult(np.ones(n, dtype=np.bool_), rng.random(n), codes["barrier_gate"]),
        SpreadGateResult(rng.random(n), 60 * rng.random(n), np.ones(n, dtype=np.bool_), codes["spread_gate"]),
        SizingResult(rng.normal(size=n), rng.normal(size=n), np.round(100 * rng.normal(size=n)), codes["sizing"]),
        codes["risk"],
    )


def cycle_of(
    trace: DecisionTrace | None, orders: Sequence[Order] = (), rejections: Sequence[Rejection] = (), n: int = 0
) -> CycleResult:
    """Return the cycle of a trace; symbols are AAA, BBB, ..."""
    n = n or (len(trace.risk_reason) if trace is not None else 1)
    symbols = tuple(chr(65 + number) * 3 for number in range(n))
    return CycleResult(17, TIME_NS, symbols, trace, tuple(orders), (), tuple(rejections))


def order_of(symbol: str, leg: Leg = Leg.ENTRY, quantity: str = "12") -> Order:
    return Order(f"id-{symbol}", 1, symbol, Side.SELL, Decimal(quantity), leg, TIME_NS)


def rejection_of(symbol: str) -> Rejection:
    return Rejection(symbol, Side.SELL, Decimal(5), Leg.ENTRY, "position_limit", "too much of it")
