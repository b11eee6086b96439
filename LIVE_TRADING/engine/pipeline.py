"""The decision, stage by stage. `decide` reads like the list of stages and does nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.arbitration import CostModel, CycleMoment, EntrySelector, HeldBook, HorizonArbiter
from LIVE_TRADING.blending import HorizonBlender
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.types import (
    AllPredictions,
    ArbitrationResult,
    BlendResult,
    BoolArray,
    CodeArray,
    FloatArray,
    GateResult,
    SizingResult,
    SpreadGateResult,
)
from LIVE_TRADING.engine.market import MarketView
from LIVE_TRADING.gating import BarrierGate, SpreadGate
from LIVE_TRADING.sizing import PositionSizer, SizingRequest


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages after prediction, built once from the configuration."""

    blender: HorizonBlender
    cost_model: CostModel
    arbiter: HorizonArbiter
    barrier_gate: BarrierGate
    spread_gate: SpreadGate
    sizer: PositionSizer
    reserve_bps: float


@dataclass(frozen=True, slots=True, eq=False)
class BookView:
    """What a decision knows of book, quotes and venue; arrays (N,). Not `may_increase`: no entry, no increase."""

    symbols: tuple[str, ...]
    moment: CycleMoment
    held: HeldBook
    held_shares: FloatArray
    working_weight: FloatArray
    may_increase: BoolArray
    price_usd: FloatArray
    bid: FloatArray
    ask: FloatArray
    quote_age_s: FloatArray
    lot: FloatArray
    min_notional_usd: FloatArray
    equity_usd: float
    planned_usd: float
    p_peak: FloatArray | None
    p_valley: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """The records of stages 2 to 5."""

    blend: BlendResult
    arbitration: ArbitrationResult
    barrier: GateResult
    spread: SpreadGateResult
    sizing: SizingResult


def decide(
    stages: Stages,
    predictions: AllPredictions,
    covariance: FloatArray,
    view: MarketView,
    book: BookView,
    selector: EntrySelector,
) -> Decision:
    """Turn forecasts into target shares; each step takes the record of the step before."""
    blend = stages.blender.blend(predictions, covariance, view.sigma_bps)
    spread = stages.spread_gate.judge(book.bid, book.ask, book.quote_age_s)
    cost_bps = stages.cost_model.round_trip_bps(spread.spread_bps, view.sigma_day_bps, view.adv_usd, book.planned_usd)
    chosen = stages.arbiter.arbitrate(
        blend, cost_bps, book.held, book.moment, selector, book.symbols, book.p_peak, book.p_valley
    )
    barrier = stages.barrier_gate.judge(chosen.side, book.p_peak, book.p_valley)
    sizing = stages.sizer.size(
        SizingRequest(
            action=chosen.action,
            side=chosen.side,
            net_bps=chosen.chosen_net_bps,
            sigma_h_bps=_of_chosen(blend.sigma_bps, chosen),
            sigma_day_bps=view.sigma_day_bps,
            gate_factor=barrier.factor,
            entry_allowed=barrier.allowed & spread.allowed & book.may_increase,
            held_shares=book.held_shares,
            price_usd=book.price_usd,
            lot=book.lot,
            min_notional_usd=book.min_notional_usd,
            equity_usd=book.equity_usd,
            working_weight=book.working_weight,
            reserve_bps=stages.reserve_bps,
        )
    )
    return Decision(blend, chosen, barrier, spread, sizing)


def _of_chosen(by_horizon: FloatArray, chosen: ArbitrationResult) -> FloatArray:
    """Return (N,) of an (H, N) array at the chosen horizon; NaN where none is chosen."""
    picked = np.empty(chosen.horizon.size)
    pick_rows(np.ascontiguousarray(by_horizon), chosen.horizon, picked)
    return picked


@kernel("void(Array(float64, 2, 'C', readonly=True), int16[::1], float64[::1])")
def pick_rows(values: FloatArray, row: CodeArray, out: FloatArray) -> None:
    """Write the value (N,) of each column of `values` (H, N) at its row; NaN where that is negative."""
    for i in range(row.shape[0]):
        out[i] = values[row[i], i] if row[i] >= 0 else np.nan
