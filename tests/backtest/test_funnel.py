"""The decision funnel."""

# covers: R8

from __future__ import annotations

import numpy as np
import pytest
from backtest.backtest_records import HORIZONS, STAGES, synthetic

from LIVE_TRADING.backtest.funnel import decision_funnel, reasons_by_stage
from LIVE_TRADING.backtest.record import Decisions
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action

OK, ENTRY, GATE_OFF, SIZED = Reason.OK, Reason.ENTRY, Reason.GATE_OFF, Reason.SIZED


def decisions_of(*columns, action=None):
    """Return the decisions of one cycle, one column of reasons per symbol."""
    reason = np.array(columns, dtype=np.int16).T[None]
    shape = (1, len(columns))
    codes = np.zeros(shape, dtype=np.int16)
    actions = codes if action is None else np.array([action], dtype=np.int16)
    zeros = np.zeros(shape)
    return Decisions(np.array([1]), STAGES, HORIZONS, reason, codes, codes, actions, *[zeros] * 5)


@pytest.mark.parametrize(
    ("column", "action", "stage", "reason"),
    [
        pytest.param([Reason.NO_FORECAST, 0, 0, 0, 0, 0, 0], 0, "prediction", Reason.NO_FORECAST, id="first-stage"),
        pytest.param(
            [OK, Reason.NO_VIEW, Reason.NO_VIEW, GATE_OFF, OK, OK, OK], 0, "blending", Reason.NO_VIEW, id="once-only"
        ),
        pytest.param([OK, OK, Reason.BELOW_COST, 0, 0, 0, 0], 0, "arbitration", Reason.BELOW_COST, id="not-worth-it"),
        pytest.param(
            [OK, OK, ENTRY, GATE_OFF, Reason.QUOTE_STALE, OK, OK],
            Action.ENTER,
            "spread_gate",
            Reason.QUOTE_STALE,
            id="gate-stops-an-entry",
        ),
        pytest.param(
            [OK, OK, Reason.EXIT_ELAPSED, GATE_OFF, Reason.QUOTE_STALE, SIZED, Reason.WORKING_ORDER],
            Action.EXIT,
            "risk",
            Reason.WORKING_ORDER,
            id="gate-does-not-stop-an-exit",
        ),
        pytest.param(
            [OK, Reason.NO_VIEW, Reason.HOLD, GATE_OFF, Reason.SPREAD_TOO_WIDE, Reason.GATED, OK],
            Action.HOLD,
            "sizing",
            Reason.GATED,
            id="gate-stops-a-resize-where-it-was-wanted",
        ),
        pytest.param(
            [OK, OK, ENTRY, GATE_OFF, OK, Reason.GATED, Reason.HALTED],
            Action.ENTER,
            "risk",
            Reason.HALTED,
            id="risk-says-why-it-is-not-allowed",
        ),
        pytest.param(
            [OK, OK, Reason.HOLD, GATE_OFF, OK, Reason.WITHIN_BAND, OK],
            Action.HOLD,
            "sizing",
            Reason.WITHIN_BAND,
            id="no-resize",
        ),
    ],
)
def test_where_a_decision_stops(column, action, stage, reason):
    funnel = decision_funnel(decisions_of(column, action=[action]), 0)
    stopped = [(entry.stage, *found) for entry in funnel.stages for found in entry.stopped]
    assert stopped == [(stage, reason, 1)]
    assert (funnel.total, funnel.ordered, funnel.cancel_first, funnel.unchanged) == (1, 0, 0, 0)


def test_an_order_was_stopped_by_nothing():
    exit_without_view = [OK, Reason.NO_VIEW, Reason.EXIT_ELAPSED, GATE_OFF, Reason.QUOTE_MISSING, OK, Reason.ORDERED]
    kept = [OK, OK, Reason.HOLD, GATE_OFF, OK, SIZED, OK]
    funnel = decision_funnel(decisions_of(exit_without_view, kept, action=[Action.EXIT, Action.HOLD]), 1)
    assert (funnel.ordered, funnel.unchanged) == (1, 1)
    assert [entry.passed for entry in funnel.stages] == [2] * len(STAGES)
    assert dict(funnel.stages[2].went_on) == {Reason.HOLD: 1, Reason.EXIT_ELAPSED: 1}


def test_an_exit_that_waits_for_a_cancel_is_no_position_as_wanted_and_its_order_is_counted():
    waits = [OK, OK, Reason.EXIT_REVERSED, GATE_OFF, OK, SIZED, Reason.CANCEL_WORKING]
    leaves = [OK, OK, Reason.EXIT_ELAPSED, GATE_OFF, OK, SIZED, Reason.ORDERED]
    kept = [OK, OK, Reason.HOLD, GATE_OFF, OK, SIZED, OK]
    actions = [Action.EXIT, Action.EXIT, Action.HOLD]
    funnel = decision_funnel(decisions_of(waits, leaves, kept, action=actions), orders=2)
    assert (funnel.ordered, funnel.cancel_first, funnel.unchanged) == (1, 1, 1)
    assert (funnel.sent_between, funnel.orders) == (1, 2)


def test_every_symbol_decision_is_counted_once():
    record = synthetic().record
    funnel = decision_funnel(record.decisions, len(record.orders))
    entered = funnel.total
    for stage in funnel.stages:
        assert stage.entered == entered
        entered -= sum(number for _, number in stage.stopped)
        assert stage.passed == entered
    assert funnel.ordered + funnel.unchanged == entered
    assert funnel.ordered == funnel.orders == len(record.orders)
    for counts in reasons_by_stage(record.decisions).values():
        assert sum(counts.values()) == funnel.total
        assert list(counts.values()) == sorted(counts.values(), reverse=True)


def test_no_cycle_gives_an_empty_funnel():
    empty = np.zeros((0, 2))
    codes = np.zeros((0, 2), dtype=np.int16)
    reason = np.zeros((0, len(STAGES), 2), dtype=np.int16)
    decisions = Decisions(np.zeros(0, dtype=np.int64), STAGES, HORIZONS, reason, codes, codes, codes, *[empty] * 5)
    funnel = decision_funnel(decisions, 0)
    assert (funnel.total, funnel.ordered, funnel.unchanged) == (0, 0, 0)
    assert all(not counts for counts in reasons_by_stage(decisions).values())
