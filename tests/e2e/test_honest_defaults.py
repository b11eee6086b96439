"""With the defaults, costs on these bars outweigh the forecasts: hardly a trade, and the funnel says why."""

# covers: P24, P12, P33

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from real_runs import WEEK, World, source_of

from LIVE_TRADING.backtest.funnel import Funnel, decision_funnel
from LIVE_TRADING.backtest.outputs import write_outputs
from LIVE_TRADING.backtest.record import BacktestRecord
from LIVE_TRADING.cli.backtest import BacktestRequest, backtest
from LIVE_TRADING.cli.compose import settings_for
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.models.loader import ModelLoader

CYCLES, SYMBOLS = 4 * 78 + 42, 81
NOT_WORTH_IT = {Reason.BELOW_COST, Reason.NO_POSITIVE_WEIGHT}


@pytest.fixture(scope="module")
def record(world: World, panel: BarPanel) -> BacktestRecord:
    settings = settings_for(None, None)
    return backtest(source_of(panel, settings), settings, BacktestRequest(world.run_root, "defaults", *WEEK))


@pytest.fixture(scope="module")
def funnel(record: BacktestRecord) -> Funnel:
    return decision_funnel(record.decisions, len(record.orders))


def test_next_to_nothing_is_entered(record: BacktestRecord) -> None:
    entered = record.decisions.action == Action.ENTER
    intraday = entered & (record.decisions.horizon != record.decisions.horizons.index("1d"))
    assert intraday.sum() <= 5
    assert entered.mean() <= 0.001
    assert len(record.fills) <= 0.001 * CYCLES * SYMBOLS


def test_the_evidence_that_it_rests_on_is_as_weak(world: World) -> None:
    loader = ModelLoader(world.run_root)
    figures = loader.validation(loader.manifest.horizons, loader.manifest.families)
    assert np.abs(figures.ic[:2]).max() < 0.02
    assert (figures.n_effective > 0).all()


def test_the_funnel_accounts_for_every_decision_on_every_symbol(record: BacktestRecord, funnel: Funnel) -> None:
    assert funnel.total == CYCLES * SYMBOLS == record.decisions.horizon.size
    stopped = sum(count for stage in funnel.stages for _, count in stage.stopped)
    assert stopped + funnel.ordered + funnel.cancel_first + funnel.unchanged == funnel.total
    assert funnel.stages[0].entered == funnel.total
    for stage, following in zip(funnel.stages, funnel.stages[1:], strict=False):
        assert stage.passed == following.entered == stage.entered - sum(count for _, count in stage.stopped)


def test_nearly_all_of_them_stop_where_the_cost_is_charged(funnel: Funnel) -> None:
    reasons = [(count, reason, stage.stage) for stage in funnel.stages for reason, count in stage.stopped]
    count, reason, stage = max(reasons)
    assert reason in NOT_WORTH_IT
    assert stage in ("arbitration", "blending")
    assert count > 0.95 * funnel.total


def test_the_summary_says_the_same(record: BacktestRecord, tmp_path: Path) -> None:
    write_outputs(record, tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["cycles"] == CYCLES
    assert all(sum(reasons.values()) == CYCLES * SYMBOLS for reasons in summary["decisions"].values())
    assert summary["decisions"]["arbitration"]["below_cost"] > 0.95 * CYCLES * SYMBOLS
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
