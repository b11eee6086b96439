"""What one cycle leaves behind."""

from __future__ import annotations

# covers: P23, P27
import base64
from dataclasses import fields, replace

import numpy as np
import orjson
import pytest
from traces import HORIZONS, cycle_of, order_of, rejection_of, trace_of

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action
from LIVE_TRADING.engine.commands import CycleDecided, command_record
from LIVE_TRADING.engine.cycle import STAGES, DecisionTrace, TradeDecision

FATES = (
    ({}, Action.ENTER),
    ({"arbitration": Reason.EXIT_ELAPSED}, Action.EXIT),
    ({"arbitration": Reason.BELOW_COST, "risk": Reason.OK}, Action.NONE),
    ({"arbitration": Reason.HOLD, "sizing": Reason.WITHIN_BAND, "risk": Reason.OK}, Action.HOLD),
    ({"arbitration": Reason.EXTEND, "sizing": Reason.WITHIN_BAND, "risk": Reason.OK}, Action.EXTEND),
    ({"risk": Reason.REJECTED}, Action.ENTER),
    ({"arbitration": Reason.HOLD}, Action.HOLD),  # resized
    ({"spread_gate": Reason.QUOTE_STALE, "sizing": Reason.GATED, "risk": Reason.OK}, Action.ENTER),
)


@pytest.fixture
def trace() -> DecisionTrace:
    return trace_of([reasons for reasons, _ in FATES], [action for _, action in FATES])


def test_decisions_tell_of_symbols_that_were_acted_on(trace: DecisionTrace) -> None:
    decisions = cycle_of(trace).decisions()
    assert [(one.symbol, one.action, one.stage, one.reason) for one in decisions] == [
        ("AAA", "enter", "risk", "ordered"),
        ("BBB", "exit", "risk", "ordered"),
        ("EEE", "extend", "sizing", "within_band"),
        ("FFF", "enter", "risk", "rejected"),
        ("GGG", "hold", "risk", "ordered"),
        ("HHH", "enter", "spread_gate", "quote_stale"),
    ]


def test_a_decision_has_the_numbers_of_its_horizon(trace: DecisionTrace) -> None:
    entered, left = cycle_of(trace).decisions()[:2]
    assert (entered.horizon, entered.side) == (HORIZONS[1], -1)
    assert entered.alpha_bps == trace.blend.alpha_bps[1, 0]
    assert entered.cost_bps == trace.arbitration.cost_bps[0]
    assert entered.net_bps == trace.arbitration.chosen_net_bps[0]
    assert entered.target_weight == trace.sizing.target_weight[0]
    assert entered.target_shares == trace.sizing.target_shares[0]
    assert (left.horizon, left.side) == ("", 0)
    assert np.isnan(left.alpha_bps)


def test_to_dict_gives_every_field_in_order_as_plain_values(trace: DecisionTrace) -> None:
    decision = cycle_of(trace).decisions()[0]
    as_dict = decision.to_dict()
    assert list(as_dict) == [field.name for field in fields(TradeDecision)]
    assert TradeDecision(**as_dict) == decision
    assert orjson.loads(orjson.dumps(as_dict)) == as_dict


def test_a_warm_up_cycle_has_no_decision_and_no_digest() -> None:
    cycle = cycle_of(None)
    assert cycle.is_warmup
    assert cycle.decisions() == ()
    assert cycle.decision_digest == cycle.trace_digest == ""
    assert cycle.to_record() == {"cycle_number": 17, "cycle_time_ns": cycle.scheduled_time_ns, "warmup": True}


def test_the_journal_keeps_what_a_reader_needs(trace: DecisionTrace) -> None:
    cycle = cycle_of(trace, [order_of("AAA")], [rejection_of("FFF")])
    name, record = command_record(CycleDecided(cycle))
    assert name == "CycleDecided"
    codes = np.frombuffer(base64.b64decode(record["reasons"]), dtype="<i2").reshape(len(STAGES), -1)
    np.testing.assert_array_equal(codes, trace.reasons)
    assert record["orders"] == ["id-AAA"]
    assert record["rejections"][0]["rule_id"] == "position_limit"
    assert record["horizon"] == trace.arbitration.horizon.tolist()
    assert record["decision_digest"] == cycle.decision_digest
    assert set(record["fingerprints"]) == {"prediction", "blending", "arbitration", "gating", "sizing", "risk"}
    orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)


def test_decision_and_trace_digest_follow_the_decision(trace: DecisionTrace) -> None:
    before = cycle_of(trace, [order_of("AAA")])
    shares = trace.sizing.target_shares.copy()
    shares[3] += 1
    other = replace(trace, sizing=replace(trace.sizing, target_shares=shares))
    after = cycle_of(other, [order_of("AAA")])
    assert after.decision_digest != before.decision_digest
    assert after.trace_digest != before.trace_digest
    for change in (
        cycle_of(trace, [order_of("AAA", quantity="13")]),
        cycle_of(trace, [order_of("AAA")], [rejection_of("FFF")]),
        cycle_of(trace),
    ):
        assert change.decision_digest != before.decision_digest
    assert cycle_of(trace, [order_of("AAA", quantity="12.0")]).decision_digest == before.decision_digest


STAGE_FLOATS = (
    ("predictions", "raw", "prediction"),
    ("predictions", "z", "prediction"),
    ("predictions", "confidence", "prediction"),
    ("predictions", "ic", "prediction"),
    ("blend", "weights", "blending"),
    ("blend", "sigma_bps", "blending"),
    ("blend", "alpha_bps", "blending"),
    ("arbitration", "cost_bps", "arbitration"),
    ("arbitration", "net_bps", "arbitration"),
    ("arbitration", "score", "arbitration"),
    ("arbitration", "chosen_net_bps", "arbitration"),
    ("arbitration", "entry_probability", "arbitration"),
    ("barrier", "factor", "gating"),
    ("spread", "spread_bps", "gating"),
    ("spread", "quote_age_s", "gating"),
    ("sizing", "raw_weight", "sizing"),
    ("sizing", "target_weight", "sizing"),
)


@pytest.mark.parametrize(("record", "name", "stage"), STAGE_FLOATS, ids=[f"{r}-{n}" for r, n, _ in STAGE_FLOATS])
def test_the_trace_digest_holds_every_number_to_the_last_bit(
    trace: DecisionTrace, record: str, name: str, stage: str
) -> None:
    """One bit of one number changes the digest of the trace and the fingerprint of its stage, not the decision's."""
    inner = getattr(trace, record)
    values = getattr(inner, name).copy()
    values.flat[0] = np.nextafter(values.flat[0], np.inf)
    other = replace(trace, **{record: replace(inner, **{name: values})})
    before, after = cycle_of(trace), cycle_of(other)
    assert after.decision_digest == before.decision_digest
    assert after.trace_digest != before.trace_digest
    prints = before.to_record()["fingerprints"], after.to_record()["fingerprints"]
    assert {key for key in prints[0] if prints[0][key] != prints[1][key]} == {stage}


def test_zero_and_minus_zero_and_every_nan_are_the_same(trace: DecisionTrace) -> None:
    def with_net(first: float, second: float) -> str:
        net = trace.arbitration.net_bps.copy()
        net[0, 0], net[1, 0] = first, second
        return cycle_of(replace(trace, arbitration=replace(trace.arbitration, net_bps=net))).trace_digest

    odd_nan = np.array([0x7FF8000000000123], dtype=np.uint64).view(np.float64)[0]
    assert with_net(0.0, np.nan) == with_net(-0.0, odd_nan)
