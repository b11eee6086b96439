"""Every stage moves decisions: switched to its neutral, or given other constants, real bars lead to other orders.

The first decision after training is taken by a flat book, so two runs differ in it by their settings alone; what is
said of whole sessions compares counts.
"""

# covers: P10, P11, P12, P13, P14, P15, P20, P24, P33

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from real_runs import AFTER_TRAINING, Barriers, Trail, World, backtested, low_cost, source_of, with_values

from LIVE_TRADING.cli.settings import engine_config
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import BAR_FIELDS, Action, BoolArray, FloatArray, Leg, RawPredictions
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.book import account_of
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.cycle import DecisionTrace
from LIVE_TRADING.engine.run_setup import RunPredictor

DAY = (AFTER_TRAINING, AFTER_TRAINING)
AFTER_FOUR_SESSIONS = ("2025-07-08", "2025-07-08")
WIDE_RULES = (
    "risk.max_position_weight=1",
    "risk.max_gross=20",
    "risk.max_net=20",
    "risk.initial_margin_frac=0.05",
)
Run = Callable[..., Trail]


@pytest.fixture(scope="module")
def run(world: World, panel: BarPanel) -> Run:
    """Return a function that backtests one session with `section.key=value` on top of the profile; equal runs once."""

    @lru_cache(maxsize=64)
    def once(*overrides: str, span: tuple[str, str] = DAY) -> Trail:
        settings = low_cost(*overrides)
        return backtested(source_of(panel, settings), settings, world.run_root, span)

    return once


def enters(trace: DecisionTrace) -> BoolArray:
    flags: BoolArray = trace.arbitration.action == Action.ENTER
    return flags


def entries(trail: Trail) -> int:
    return sum(order.leg is Leg.ENTRY for order in trail.orders)


def with_memory(config: EngineConfig, key: str, value: object) -> EngineConfig:
    """Return a configuration with another setting of the market memory, which the command line would refuse."""
    tree: dict[str, Any] = config.model_dump(mode="json")
    *path, name = key.split(".")
    node = tree
    for part in path:
        node = node[part]
    assert node[name] != value
    node[name] = value
    return EngineConfig.model_validate(tree)


def other_memory(world: World, panel: BarPanel, key: str, value: object) -> Trail:
    settings = low_cost()
    memory = with_memory(engine_config(settings), key, value)
    return backtested(source_of(panel, settings), settings, world.run_root, DAY, memory=memory)


# -- prediction ------------------------------------------------------------------------------------------------------


def test_a_lower_clip_of_the_scores_shrinks_what_is_wanted(world: World, panel: BarPanel, run: Run) -> None:
    base, clipped = run().first, other_memory(world, panel, "prediction.standardizer.z_max", 0.5).first
    assert np.abs(base.predictions.z).max() > 2.0
    np.testing.assert_array_equal(clipped.predictions.z, np.clip(base.predictions.z, -0.5, 0.5))
    np.testing.assert_array_equal(np.sign(clipped.blend.alpha_bps[1:]), np.sign(base.blend.alpha_bps[1:]))
    larger = np.abs(base.blend.alpha_bps) - np.abs(clipped.blend.alpha_bps)
    assert (larger[1:] >= 0).all()
    assert (larger[1:] > 0).mean() > 0.5
    assert np.abs(clipped.sizing.raw_weight).sum() < 0.9 * np.abs(base.sizing.raw_weight).sum()


def test_scores_are_relative_to_the_universe(world: World, panel: BarPanel, run: Run) -> None:
    """Without demeaning the market's own forecast leans the whole book to one side."""
    base, raw = run().first, other_memory(world, panel, "prediction.standardizer.min_symbols_to_demean", 1000).first
    leans = [np.abs(trace.predictions.z.mean(axis=-1)) for trace in (base, raw)]
    assert leans[0].max() < 0.5 < leans[1].max()
    nets = [abs(trace.sizing.raw_weight.sum()) / np.abs(trace.sizing.raw_weight).sum() for trace in (base, raw)]
    assert nets[0] < 0.5 < nets[1]


def without_bars(panel: BarPanel, columns: slice, n_bars: int) -> tuple[BarPanel, int]:
    """Return bars of which some symbols lack `n_bars` after the second of the day, and the row of the last of them."""
    first = next(row for row in range(len(panel)) if panel.session(row).date == AFTER_TRAINING)
    rows = slice(first + 2, first + 2 + n_bars)
    arrays = {name: getattr(panel, name).copy() for name in BAR_FIELDS}
    for values in arrays.values():
        values[rows, columns] = np.nan
    return with_values(panel, arrays), 1 + n_bars


class CarriedForward:
    """Forecasts that stand until the next: a model of the run says nothing of a symbol that has no bar."""

    def __init__(self, models: RunPredictor) -> None:
        self._models = models

    def predict_block(self, features: FloatArray) -> RawPredictions:
        said = self._models.predict_block(features)
        raw = said.raw.copy()
        for row in range(1, len(raw)):
            raw[row] = np.where(np.isnan(raw[row]), raw[row - 1], raw[row])
        return replace(said, raw=raw)


def test_freshness_takes_confidence_from_forecasts_on_old_bars(world: World, panel: BarPanel) -> None:
    missing, number = without_bars(panel, slice(0, 30), 1)
    trails = []
    for overrides in ((), ("prediction.confidence.freshness=false",)):
        settings = low_cost(*overrides)
        source = source_of(missing, settings)
        trails.append(backtested(source, settings, world.run_root, DAY, predictor=CarriedForward))
    fresh, ignored = (list(trail.traces)[number] for trail in trails)
    assert trails[0].cycles[number - 1].decision_digest == trails[1].cycles[number - 1].decision_digest
    ratio = fresh.predictions.confidence[:, 0] / ignored.predictions.confidence[:, 0]
    faded = np.exp(-5.0 / np.array([5.0, 15.0, 60.0, 390.0]))
    np.testing.assert_allclose(ratio[:, :30], np.repeat(faded[:, None], 30, axis=1))
    np.testing.assert_array_equal(ratio[:, 30:], 1.0)
    alpha = [np.abs(trace.blend.alpha_bps[:, :30]) for trace in (fresh, ignored)]
    assert (alpha[0] < alpha[1]).all()
    assert trails[0].cycles[number].decision_digest != trails[1].cycles[number].decision_digest


def test_a_symbol_without_a_bar_holds(world: World, panel: BarPanel) -> None:
    """No forecast, so no entry and no resize; the others go on."""
    missing, number = without_bars(panel, slice(0, 30), 1)
    settings = low_cost()
    trail = backtested(source_of(missing, settings), settings, world.run_root, DAY)
    trace = list(trail.traces)[number]
    assert (trace.predictions.reason[:30] == Reason.NO_FORECAST).all()
    orders = {order.symbol: order.leg for order in trail.cycles[number].orders}
    assert {orders.get(symbol, Leg.EXIT) for symbol in panel.symbols[:30]} == {Leg.EXIT}
    assert (trace.predictions.reason[30:] == Reason.OK).all()
    assert any(orders.get(symbol) is Leg.ENTRY for symbol in panel.symbols[30:])


def test_a_forecast_on_a_bar_older_than_two_is_no_view(world: World, panel: BarPanel) -> None:
    missing, number = without_bars(panel, slice(0, 30), 3)
    settings = low_cost()
    source = source_of(missing, settings)
    traces = list(backtested(source, settings, world.run_root, DAY, predictor=CarriedForward).traces)
    assert np.isfinite(traces[number - 1].predictions.confidence).all()
    assert np.isnan(traces[number].predictions.confidence[..., :30]).all()
    assert (traces[number].predictions.reason[:30] == Reason.STALE_FEATURES).all()
    assert not enters(traces[number])[:30].any()
    assert (traces[number].predictions.reason[30:] == Reason.OK).all()


def test_capacity_takes_confidence_from_thin_names(run: Run) -> None:
    """An account so large that its orders are more than a hundredth of a day's volume of some names, not of others."""
    cash = "engine.initial_cash_usd=400000000"
    capped, ignored = run(cash).first, run(cash, "prediction.confidence.capacity=false").first
    ratio = capped.predictions.confidence[3, 0] / ignored.predictions.confidence[3, 0]
    assert (ratio <= 1.0).all()
    assert (ratio == 1.0).any()
    assert (ratio < 0.9).sum() > 10
    thin = ratio < 0.9
    alpha = [np.abs(trace.blend.alpha_bps[:, thin]) for trace in (capped, ignored)]
    assert (alpha[0] < alpha[1]).all()
    assert np.abs(capped.sizing.raw_weight[thin]).sum() < np.abs(ignored.sizing.raw_weight[thin]).sum()


def test_stability_takes_confidence_from_forecasts_that_err_more_than_they_did(run: Run) -> None:
    judged, ignored = (
        run(*overrides, span=AFTER_FOUR_SESSIONS).first
        for overrides in ((), ("prediction.confidence.stability=false",))
    )
    confidence = [trace.predictions.confidence[..., 0] for trace in (judged, ignored)]
    assert (confidence[0] <= confidence[1]).all()
    assert (confidence[0] < confidence[1]).any()
    lower = np.abs(judged.blend.alpha_bps) < np.abs(ignored.blend.alpha_bps)
    assert lower.any()
    assert not (np.abs(judged.blend.alpha_bps) > np.abs(ignored.blend.alpha_bps)).any()


# -- blending --------------------------------------------------------------------------------------------------------


def test_ridge_weighs_families_by_their_evidence(run: Run) -> None:
    ridge, equal = run().first, run("blending.mode=equal").first
    np.testing.assert_array_equal(equal.blend.weights, np.full((4, 2), 0.5))
    better = ridge.predictions.ic.argmax(axis=1)
    assert (ridge.blend.weights[np.arange(4), better] > 0.5).all()
    none = ridge.predictions.ic == 0.0
    assert none.any()
    assert (ridge.blend.weights[none] == 0.0).all()
    assert (ridge.blend.alpha_bps != equal.blend.alpha_bps).any(axis=0).all()
    assert (ridge.arbitration.side != equal.arbitration.side).any()


def test_temperature_flattens_the_weights_of_a_short_horizon(run: Run) -> None:
    flattened, plain = run().first, run("blending.temperature_off=true").first
    top = [trace.blend.weights.max(axis=1) for trace in (flattened, plain)]
    assert 0.5 < top[0][0] < top[1][0] < 1.0
    np.testing.assert_array_equal(flattened.blend.weights[2:], plain.blend.weights[2:])  # T = 1 from 30m on
    moved = (flattened.blend.alpha_bps != plain.blend.alpha_bps).any(axis=1)
    assert moved.tolist() == [True, False, False, False]
    assert run().digests["decision_digest"] != run("blending.temperature_off=true").digests["decision_digest"]


# -- arbitration -----------------------------------------------------------------------------------------------------

SMALL_COST = (
    "arbitration.cost.enabled=true",
    "arbitration.cost.k1_spread=0.03",
    "arbitration.cost.k2_timing=0",
    "arbitration.cost.k3_impact=0",
    "arbitration.cost.fee_bps_per_side=0",
)


def test_without_cost_more_is_entered(run: Run) -> None:
    costly, free = run(*SMALL_COST), run()
    assert not free.first.arbitration.cost_bps.any()
    assert (costly.first.arbitration.cost_bps > 0).all()
    assert 0 < enters(costly.first).sum() < enters(free.first).sum()
    assert not (enters(costly.first) & ~enters(free.first)).any()
    kept_out = enters(free.first) & ~enters(costly.first)
    assert (costly.first.arbitration.reason[kept_out] == Reason.BELOW_COST).all()
    spread = costly.first.spread.spread_bps
    assert np.median(spread[kept_out]) > np.median(spread[enters(costly.first)])
    assert entries(costly) < entries(free)
    assert entries(run("arbitration.cost.enabled=true")) == 0  # at the cost that is believed by default


def test_a_reserve_keeps_the_weakest_out(run: Run) -> None:
    reserved, free = run("arbitration.reserve_bps=0.2").first, run().first
    assert 0 < enters(reserved).sum() < enters(free).sum()
    assert not (enters(reserved) & ~enters(free)).any()
    best = np.nanmax(free.arbitration.net_bps, axis=0)
    assert best[enters(reserved)].min() >= 0.2 > best[enters(free) & ~enters(reserved)].max()
    assert entries(run("arbitration.reserve_bps=0.2")) < entries(run())


def test_a_position_stays_longer_where_the_exit_is_patient(run: Run) -> None:
    """`exit_bps`: how far a forecast must have turned before its position is left."""
    patient, eager = run("arbitration.exit_bps=5"), run("arbitration.exit_bps=0.01")
    turned = [
        sum((t.arbitration.reason == Reason.EXIT_REVERSED).sum() for t in trail.traces) for trail in (patient, eager)
    ]
    assert turned[0] < turned[1]


# -- gating ----------------------------------------------------------------------------------------------------------


def probabilities(panel: BarPanel, p_peak: float, p_valley: float) -> tuple[Barriers, BoolArray]:
    """Return a peak likely for every second symbol, a valley for all, and which symbols the first are."""
    marked = np.arange(len(panel.symbols)) % 2 == 0
    return (np.where(marked, p_peak, 0.0), np.full(len(marked), p_valley)), marked


def injected(world: World, panel: BarPanel, barriers: Barriers, *overrides: str) -> Trail:
    settings = low_cost(*overrides)
    return backtested(source_of(panel, settings), settings, world.run_root, DAY, barriers=barriers)


def test_the_barrier_gate_blocks_and_shrinks_entries(world: World, panel: BarPanel, run: Run) -> None:
    barriers, marked = probabilities(panel, 0.62, 0.3)
    gated, open_gate = (
        injected(world, panel, barriers, *overrides) for overrides in ((), ("gating.barrier.enabled=false",))
    )
    on, off = gated.first, open_gate.first
    longs = off.arbitration.side > 0
    blocked = longs & marked
    assert blocked.any()
    assert (on.barrier.reason[blocked] == Reason.BARRIER_BLOCK).all()
    assert (off.barrier.reason == Reason.GATE_OFF).all()
    assert not on.sizing.target_shares[blocked].any()
    assert off.sizing.target_shares[blocked].any()
    # a short fears the valley (0.3) and likes the peak (0.62 where it is marked)
    expected = np.where(longs, 1.0, 0.7 * np.sqrt(1.0 + np.where(marked, 0.62, 0.0)))
    sized = (off.sizing.raw_weight != 0) & ~blocked
    np.testing.assert_allclose(
        (on.sizing.raw_weight / np.where(sized, off.sizing.raw_weight, 1.0))[sized], expected[sized]
    )
    long_entries = [
        sum(
            order.leg is Leg.ENTRY and order.side == "buy" and order.symbol in set(np.array(panel.symbols)[marked])
            for order in trail.orders
        )
        for trail in (gated, open_gate)
    ]
    assert long_entries[0] == 0 < long_entries[1]
    # the run's own classifiers judge every entry, and make it smaller by what they say
    own = run().first.barrier
    judged = longs | (off.arbitration.side < 0)
    assert (own.reason[judged] != Reason.GATE_OFF).all()
    assert ((own.factor[judged] > 0.2) & (own.factor[judged] < 1.0)).all()


def test_a_likely_barrier_ends_positions_of_its_side(world: World, panel: BarPanel) -> None:
    barriers, marked = probabilities(panel, 0.7, 0.0)
    left = {
        p: [
            (cycle.symbols[column], trace.sizing.target_shares[column])
            for cycle, trace in zip(trail.cycles, trail.traces, strict=True)
            for column in np.flatnonzero(trace.arbitration.reason == Reason.EXIT_BARRIER)
        ]
        for p, trail in (
            (0.65, injected(world, panel, barriers, "gating.barrier.enabled=false")),
            (1.0, injected(world, panel, barriers, "gating.barrier.enabled=false", "arbitration.barrier_exit_p=1.0")),
        )
    }
    assert left[1.0] == []
    assert left[0.65]
    names = set(np.array(panel.symbols)[marked])
    assert all(symbol in names and target == 0 for symbol, target in left[0.65])


def test_the_spread_gate_keeps_wide_names_out(run: Run) -> None:
    limit = 4.0
    gated, open_gate = run(f"gating.spread.max_spread_bps={limit}"), run("gating.spread.enabled=false")
    wide = gated.first.spread.spread_bps > limit
    assert (gated.first.spread.reason[wide] == Reason.SPREAD_TOO_WIDE).all()
    assert (open_gate.first.spread.reason == Reason.GATE_OFF).all()

    def entered_wide(trail: Trail) -> int:
        return sum(
            int(((trace.spread.spread_bps > limit) & enters(trace) & (trace.risk_reason == Reason.ORDERED)).sum())
            for trace in trail.traces
        )

    assert entered_wide(gated) == 0
    assert entered_wide(open_gate) > 20


# -- sizing ----------------------------------------------------------------------------------------------------------


def test_without_the_volatility_factor_volatile_names_get_more(run: Run) -> None:
    scaled, plain = run(), run("sizing.volatility_scaling=false")
    assert scaled.assembly is not None
    sigma = scaled.assembly.market.volatility.sigma_day_bps(scaled.states[0].market.volatility)
    sized = plain.first.sizing.raw_weight != 0
    ratio = (scaled.first.sizing.raw_weight / np.where(sized, plain.first.sizing.raw_weight, 1.0))[sized]
    np.testing.assert_allclose(ratio, np.minimum(1.0, 200.0 / sigma[sized]))
    assert 0.1 < (ratio < 1.0).mean() < 0.9


def test_without_the_band_positions_are_resized_all_the_time(run: Run) -> None:
    banded, free = run(), run("sizing.band=false")
    resizes = [sum(order.leg is Leg.RESIZE for order in trail.orders) for trail in (banded, free)]
    assert 10 * max(resizes[0], 1) < resizes[1]
    assert any((trace.sizing.reason == Reason.WITHIN_BAND).any() for trace in banded.traces)
    assert not any((trace.sizing.reason == Reason.WITHIN_BAND).any() for trace in free.traces)


def held_gross(trail: Trail) -> FloatArray:
    assert trail.core is not None
    column = {symbol: at for at, symbol in enumerate(trail.core.run.symbols)}
    return np.array([account_of(state.ledger, state.quotes, column, "USD").gross for state in trail.states])


def test_without_caps_the_book_grows_past_them(run: Run) -> None:
    fills = "exchange.participation_frac=1"
    capped, free = run(*WIDE_RULES, fills), run(*WIDE_RULES, fills, "sizing.caps=false")
    assert held_gross(capped).max() < 1.05
    assert held_gross(free).max() > 2.0
    assert (capped.first.sizing.reason == Reason.CAPPED).any()
    assert not (free.first.sizing.reason == Reason.CAPPED).any()
    np.testing.assert_array_equal(capped.first.sizing.raw_weight, free.first.sizing.raw_weight)


# -- risk ------------------------------------------------------------------------------------------------------------


def test_without_the_guardrail_trading_goes_on_after_the_loss(run: Run) -> None:
    limit = "risk.max_daily_loss_frac=0.0002"
    guarded, free = run("risk.guardrails=true", limit), run("risk.guardrails=false", limit)
    tripped_ns = next(
        cycle.scheduled_time_ns
        for cycle, state in zip(guarded.cycles, guarded.states, strict=True)
        if state.risk.state == "reduce_only"
    )
    after = [[order for order in trail.orders if order.decision_time_ns >= tripped_ns] for trail in (guarded, free)]
    assert {order.leg for order in after[0]} <= {Leg.EXIT, Leg.RESIZE}
    assert any(order.leg is Leg.EXIT for order in after[0])  # what reduces passes
    assert any(order.leg is Leg.ENTRY for order in after[1])
    before = [[order for order in trail.orders if order.decision_time_ns < tripped_ns] for trail in (guarded, free)]
    assert before[0] == before[1]


def test_the_position_limit_refuses_what_sizing_asks_for(run: Run) -> None:
    limited, free = run(), run("risk.max_position_weight=1")
    refused = [[no.rule_id for cycle in trail.cycles for no in cycle.rejections] for trail in (limited, free)]
    assert set(refused[0]) == {"position_limit"}
    assert refused[1] == []


# -- learning --------------------------------------------------------------------------------------------------------


def best_rows(trace: DecisionTrace) -> np.ndarray:
    return np.where(trace.arbitration.qualifies, trace.arbitration.score, -np.inf).argmax(axis=0)


def draws(trail: Trail, number: int, *, fresh: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the horizons of a cycle's entries, as drawn, and as a bandit in the given state would draw them."""
    assert trail.assembly is not None
    assert trail.core is not None
    cycle, parts = trail.cycles[number], trail.assembly
    assert cycle.trace is not None
    chosen = cycle.trace.arbitration
    columns = np.flatnonzero(enters(cycle.trace))
    state = parts.bandit.initial() if fresh else trail.states[number].bandit
    again, _ = parts.selector(state, trail.core.run.seed).select(
        chosen.score[:, columns],
        chosen.qualifies[:, columns],
        cycle.scheduled_time_ns,
        tuple(cycle.symbols[column] for column in columns),
    )
    return chosen.horizon[columns], again


def test_the_bandit_draws_and_off_takes_the_best_score(run: Run) -> None:
    drawn, off = run(), run("learning.mode=off")
    for trace in off.traces:
        assert (trace.arbitration.horizon == best_rows(trace))[enters(trace)].all()
        assert (trace.arbitration.entry_probability[enters(trace)] == 1.0).all()
    assert not off.learned
    others = sum(int((trace.arbitration.horizon != best_rows(trace))[enters(trace)].sum()) for trace in drawn.traces)
    assert others > 20
    choice = (drawn.first.arbitration.qualifies.sum(axis=0) > 1) & enters(drawn.first)
    assert (drawn.first.arbitration.entry_probability[choice] < 1.0).all()


def test_what_the_bandit_learned_changes_later_draws(run: Run) -> None:
    trail = run()
    assert trail.learned
    np.testing.assert_allclose(np.sum(trail.learned[-1].probabilities), 1.0)
    assert np.ptp(trail.learned[-1].probabilities) > 0.2
    rounds = [state.bandit.rounds for state in trail.states]
    assert rounds == sorted(rounds)
    assert rounds[0] == 0 < rounds[-1] == trail.learned[-1].rounds
    differ = 0
    for number in range(len(trail.cycles)):
        if not enters(trail.cycles[number].trace).any():  # type: ignore[arg-type]
            continue
        drawn, again = draws(trail, number, fresh=False)
        np.testing.assert_array_equal(drawn, again)
        _, fresh = draws(trail, number, fresh=True)
        if rounds[number] == 0:
            np.testing.assert_array_equal(drawn, fresh)
        differ += int((drawn != fresh).sum())
    assert differ > 0
