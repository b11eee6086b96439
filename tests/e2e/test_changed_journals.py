"""A journal that was changed, with its checksums mended, is not believed: replay names where it first differs."""

# covers: P27, P24

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from real_runs import AFTER_TRAINING, Trail, World, low_cost, source_of, traded

from LIVE_TRADING.cli.replay import replay_session
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.cycle import DecisionTrace
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.recovery import Difference, feed_journal
from LIVE_TRADING.engine.trading_engine import recorded_run, start_core
from tests.support.journals import journal_lines, write_journal

# every stage at work: a cost that is small but not nothing
SETTINGS = (
    "arbitration.cost.enabled=true",
    "arbitration.cost.k1_spread=0.005",
    "arbitration.cost.k2_timing=0",
    "arbitration.cost.k3_impact=0",
    "arbitration.cost.fee_bps_per_side=0",
)
CYCLES = 8


@dataclass(frozen=True)
class Recorded:
    """A session on file, and the decisions in it."""

    state_dir: Path
    trail: Trail
    symbols: tuple[str, ...]


@pytest.fixture(scope="module")
def recorded(world: World, panel: BarPanel, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    state_dir = tmp_path_factory.mktemp("recorded") / "state"
    settings = low_cost(*SETTINGS)
    source = source_of(panel, settings)
    span = (AFTER_TRAINING, AFTER_TRAINING)  # no warm-up: the first cycle after training decides
    trail = traded(source, settings, world.run_root, span, state_dir=state_dir, max_cycles=CYCLES)
    assert len(trail.cycles) == CYCLES
    return Recorded(state_dir, trail, panel.symbols)


def changed_copy(state_dir: Path, copy: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Copy a state folder and change the bodies of its journal's records in place; their CRCs are made to match."""
    shutil.copytree(state_dir, copy)
    lines = []
    for line in journal_lines(copy):
        body = orjson.loads(line)["body"]
        change(body)
        raw = orjson.dumps(body)
        lines.append(b'{"crc":"%08x","body":%b}\n' % (zlib.crc32(raw), raw))
    write_journal(copy, lines)
    return copy


def first_difference(state_dir: Path) -> Difference | None:
    run = recorded_run(state_dir)
    assert run is not None
    return feed_journal(start_core(state_dir, run), read_journal(state_dir / FOLDER)).difference


def event_data(body: dict[str, Any], kind: str) -> dict[str, Any] | None:
    return body["data"][1] if body["kind"] == "event" and body["data"][0] == kind else None


def test_what_was_not_changed_is_believed(recorded: Recorded, tmp_path: Path) -> None:
    assert first_difference(changed_copy(recorded.state_dir, tmp_path / "copy", lambda body: None)) is None


@pytest.mark.parametrize("field", ["open", "close", "volume", "ask"])
def test_a_changed_bar_is_named(
    recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str], field: str
) -> None:
    column, at_ns = 17, recorded.trail.cycles[4].scheduled_time_ns

    def change(body: dict[str, Any]) -> None:
        bars = event_data(body, "BarBatch")
        if bars is not None and bars["bar_end_ns"] == at_ns:
            bars[field][column] *= 1.0001

    copy = changed_copy(recorded.state_dir, tmp_path / "copy", change)
    found = first_difference(copy)
    assert found is not None
    assert (found.cycle_time_ns, found.stage, found.symbol) == (at_ns, "bars", recorded.symbols[column])
    assert replay_session(copy, None, None) == 4
    said = capsys.readouterr().out
    assert f"cycle {iso_utc(at_ns)}, stage bars, symbol {recorded.symbols[column]}" in said


def test_a_changed_forecast_is_named(recorded: Recorded, tmp_path: Path) -> None:
    """A raw forecast is demeaned over the universe, so that one change moves the score of every symbol."""
    at_ns = recorded.trail.cycles[3].scheduled_time_ns

    def change(body: dict[str, Any]) -> None:
        ready = event_data(body, "PredictionsReady")
        if ready is not None and ready["cycle_time_ns"] == at_ns:
            ready["raw"][0][0][40] += 0.01

    found = first_difference(changed_copy(recorded.state_dir, tmp_path / "copy", change))
    assert found is not None
    assert (found.cycle_time_ns, found.stage, found.symbol) == (at_ns, "prediction", recorded.symbols[0])


def test_a_changed_fill_is_named(recorded: Recorded, tmp_path: Path) -> None:
    fill = recorded.trail.fills[0]

    def change(body: dict[str, Any]) -> None:
        filled = event_data(body, "OrderFill")
        if filled is not None and filled["execution_id"] == fill.execution_id:
            filled["fill_price"] = str(fill.fill_price * 2)

    found = first_difference(changed_copy(recorded.state_dir, tmp_path / "copy", change))
    assert found is not None
    assert (found.cycle_time_ns, found.stage) == (recorded.trail.cycles[1].scheduled_time_ns, "AccountMarked")


# -- one constant of one stage ---------------------------------------------------------------------------------------


def first_column(flags: np.ndarray) -> int:
    assert flags.any()
    return int(np.flatnonzero(flags)[0])


def enters(trace: DecisionTrace) -> np.ndarray:
    return trace.arbitration.action == Action.ENTER


def everyone(trace: DecisionTrace) -> int:
    """What is not one symbol's is named by the first of them."""
    assert trace.blend.weights.any()
    return 0


CONSTANTS = [
    pytest.param(
        "prediction.standardizer.z_max",
        1.5,
        "prediction",
        lambda t: first_column((abs(t.predictions.z) > 1.5).any((0, 1))),
    ),
    pytest.param("blending.ridge_lambda", 0.5, "blending", everyone),
    pytest.param("blending.temperature.5m", 0.5, "blending", everyone),
    pytest.param("arbitration.reserve_bps", 1000.0, "arbitration", lambda t: first_column(enters(t))),
    pytest.param("arbitration.cost.k1_spread", 0.006, "arbitration", everyone),
    pytest.param(
        "learning.tau_bps",
        0.5,
        "arbitration",
        lambda t: first_column(enters(t) & (t.arbitration.entry_probability < 1)),
    ),
    pytest.param("gating.spread.max_spread_bps", 4.0, "gating", lambda t: first_column(t.spread.spread_bps > 4.0)),
    pytest.param("sizing.max_weight", 0.04, "sizing", lambda t: first_column(t.sizing.raw_weight != 0)),
    pytest.param("sizing.gross_cap", 0.5, "sizing", lambda t: first_column(t.sizing.target_shares != 0)),
    pytest.param("risk.max_position_weight", 0.0001, "risk", lambda t: first_column(t.risk_reason == Reason.ORDERED)),
]


@pytest.mark.parametrize(("key", "value", "stage", "column_of"), CONSTANTS, ids=[case.values[0] for case in CONSTANTS])
def test_a_changed_constant_is_named_by_the_stage_that_it_belongs_to(
    recorded: Recorded, tmp_path: Path, key: str, value: float, stage: str, column_of: Callable[[DecisionTrace], int]
) -> None:
    def change(body: dict[str, Any]) -> None:
        if body["kind"] != "run":
            return
        *path, name = key.split(".")
        node = body["data"][0]["config"]
        for part in path:
            node = node[part]
        assert node[name] != value
        node[name] = value

    found = first_difference(changed_copy(recorded.state_dir, tmp_path / "copy", change))
    assert found is not None
    first_ns, expected = recorded.trail.cycles[0].scheduled_time_ns, recorded.symbols[column_of(recorded.trail.first)]
    assert (found.cycle_time_ns, found.stage, found.symbol) == (first_ns, stage, expected)
