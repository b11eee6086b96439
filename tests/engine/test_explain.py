"""An explanation says what the trace says, for every reason of every stage."""

from __future__ import annotations

# covers: P2, P23
import pytest
from traces import FAMILIES, HORIZONS, PASSING, cycle_of, order_of, rejection_of, trace_of

from LIVE_TRADING.common.reasons import REASON_TEXT, Reason
from LIVE_TRADING.common.types import Action, Leg
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.cycle import STAGES
from LIVE_TRADING.engine.explain import explain

CONFIG = EngineConfig.model_validate(
    {"gating": {"spread": {"max_spread_bps": 9.5, "max_quote_age_s": 77}}, "arbitration": {"reserve_bps": 1.25}}
)
STOPS = {
    "prediction": (Reason.NO_FORECAST, Reason.Z_WARMING_UP, Reason.STALE_FEATURES),
    "blending": (Reason.NO_VIEW, Reason.NO_POSITIVE_WEIGHT),
    "arbitration": (
        Reason.COST_UNKNOWN,
        Reason.BELOW_COST,
        Reason.PAST_SESSION_END,
        Reason.EXIT_ELAPSED,
        Reason.EXIT_REVERSED,
        Reason.EXIT_SESSION_END,
        Reason.EXIT_BARRIER,
        Reason.REVERSE,
        Reason.SESSION_CLOSING,
    ),
    "barrier_gate": (Reason.BARRIER_BLOCK,),
    "spread_gate": (Reason.SPREAD_TOO_WIDE, Reason.QUOTE_STALE, Reason.QUOTE_CROSSED, Reason.QUOTE_MISSING),
    "sizing": (
        Reason.BELOW_MIN_ENTRY,
        Reason.WITHIN_BAND,
        Reason.BELOW_RESERVE,
        Reason.BELOW_LOT,
        Reason.VOL_UNKNOWN,
        Reason.GATED,
    ),
    "risk": (
        Reason.ORDERED,
        Reason.REJECTED,
        Reason.WORKING_ORDER,
        Reason.COOLDOWN,
        Reason.REDUCE_ONLY,
        Reason.HALTED,
        Reason.GUARDRAIL,
        Reason.SESSION_CLOSED,
        Reason.NOT_SELECTED,
        Reason.CANCEL_WORKING,
        Reason.STALE_PREDICTIONS,
    ),
}
GOES_ON = {
    "arbitration": (Reason.ENTRY, Reason.HOLD, Reason.EXTEND),
    "barrier_gate": (Reason.OK, Reason.GATE_OFF),
    "spread_gate": (Reason.OK, Reason.GATE_OFF),
    "sizing": (Reason.SIZED, Reason.CAPPED, Reason.DRIFT_CUT),
}
CASES = [pytest.param(stage, reason, id=f"{stage}-{reason.name}") for stage in STOPS for reason in STOPS[stage]]


def test_every_reason_is_some_stage_s() -> None:
    said = {reason for group in (*STOPS.values(), *GOES_ON.values()) for reason in group}
    assert set(Reason) - said == {Reason.WARMUP}


@pytest.mark.parametrize(("stage", "reason"), CASES)
def test_the_stage_that_stopped_a_symbol_settles_it(stage: str, reason: Reason) -> None:
    trace = trace_of([{stage: reason, "risk": Reason.OK} if stage != "risk" else {stage: reason}], [Action.NONE])
    lines = explain(cycle_of(trace), "AAA", CONFIG)
    assert [line.split()[0] for line in lines[1:-1]] == list(STAGES)
    for line, name in zip(lines[1:-1], STAGES, strict=True):
        expected = reason if name == stage else Reason.OK if name == "risk" else PASSING[name]
        assert line.split()[1] == REASON_TEXT[expected]
    assert lines[-1] == f"settled by {stage}: {REASON_TEXT[reason]}"


@pytest.mark.parametrize(
    ("stage", "reason"),
    [pytest.param(stage, reason, id=f"{stage}-{reason.name}") for stage in GOES_ON for reason in GOES_ON[stage]],
)
def test_a_stage_that_lets_a_symbol_through_does_not_settle_it(stage: str, reason: Reason) -> None:
    lines = explain(cycle_of(trace_of([{stage: reason}])), "AAA", CONFIG)
    assert lines[-1] == "settled by risk: ordered"


def test_the_first_of_two_stages_settles() -> None:
    trace = trace_of([{"spread_gate": Reason.QUOTE_STALE, "sizing": Reason.GATED, "risk": Reason.OK}])
    assert explain(cycle_of(trace), "AAA", CONFIG)[-1] == "settled by spread_gate: quote_stale"


def test_an_exit_that_became_an_order_is_settled_by_risk() -> None:
    """Arbitration's reason to leave is no obstacle: what became of it is the question."""
    trace = trace_of([{"arbitration": Reason.EXIT_REVERSED, "sizing": Reason.SIZED}], [Action.EXIT])
    assert explain(cycle_of(trace), "AAA", CONFIG)[-1] == "settled by risk: ordered"


def test_numbers_and_thresholds_are_those_of_trace_and_configuration() -> None:
    trace = trace_of([{}, {}])
    lines = explain(cycle_of(trace, [order_of("BBB")]), "BBB", CONFIG)
    head, prediction, blending, arbitration, barrier, spread, sizing, risk, _ = lines
    assert head == "cycle 17, 2025-12-08T15:00:00Z, BBB"
    for h, horizon in enumerate(HORIZONS):
        for m, family in enumerate(FAMILIES):
            z, c = trace.predictions.z[h, m, 1], trace.predictions.confidence[h, m, 1]
            assert f"{horizon}/{family} z {z:+.2f} c {c:.4f}" in prediction
        assert f"{horizon} {trace.blend.alpha_bps[h, 1]:+.3f}" in blending
    assert f"enter 1d; cost {trace.arbitration.cost_bps[1]:.2f} bps" in arbitration
    assert ", ".join(f"{net:+.2f}" for net in trace.arbitration.net_bps[:, 1]) in arbitration
    assert "(at least 1.25)" in arbitration
    assert f"size factor {trace.barrier.factor[1]:.2f}" in barrier
    assert f"spread {trace.spread.spread_bps[1]:.2f} bps (at most 9.5)" in spread
    assert f"quote {trace.spread.quote_age_s[1]:.0f} s old (at most 77)" in spread
    assert f"raw weight {trace.sizing.raw_weight[1]:+.4f}, target {trace.sizing.target_weight[1]:+.4f}" in sizing
    assert f"{trace.sizing.target_shares[1]:+.10g} shares" in sizing
    assert f"band {CONFIG.sizing.band_weight:g}, entry at least {CONFIG.sizing.min_entry_weight:g}" in sizing
    assert risk.endswith("entry sell 12")


def test_a_refusal_names_rule_and_message() -> None:
    trace = trace_of([{"risk": Reason.REJECTED}])
    lines = explain(cycle_of(trace, rejections=[rejection_of("AAA")]), "AAA", CONFIG)
    assert lines[7].endswith("position_limit: too much of it")


def test_orders_of_other_symbols_are_not_told() -> None:
    trace = trace_of([{}, {"arbitration": Reason.HOLD, "risk": Reason.OK}], [Action.ENTER, Action.HOLD])
    cycle = cycle_of(trace, [order_of("AAA", Leg.RESIZE)], [rejection_of("AAA")])
    assert explain(cycle, "BBB", CONFIG)[7].endswith("no order")


def test_a_symbol_without_a_horizon_says_none() -> None:
    assert "exit none;" in explain(cycle_of(trace_of([{}], [Action.EXIT])), "AAA", CONFIG)[3]


def test_a_warm_up_cycle_decided_nothing() -> None:
    assert explain(cycle_of(None), "AAA", CONFIG)[1:] == ["warm-up: forecasts were made, nothing was decided"]


def test_a_symbol_outside_the_universe_is_an_error() -> None:
    with pytest.raises(KeyError, match="ZZZ"):
        explain(cycle_of(trace_of([{}])), "ZZZ", CONFIG)
