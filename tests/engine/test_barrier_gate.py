"""Trained barrier classifiers move decisions, in all shells alike; without them the gate is off and says why."""

from __future__ import annotations

# covers: P13, P27, P18, P19
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from LIVE_TRADING.common.codec import to_json_value
from LIVE_TRADING.common.events import PredictionsReady, Stamped
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.commands import Command, CycleDecided
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.cycle import DecisionTrace
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.trading_engine import recorded_run, start_core
from LIVE_TRADING.models.artifacts import BARRIER_TARGETS
from LIVE_TRADING.observability import EventType, NoticeBus
from LIVE_TRADING.training.config import BarrierTrainingConfig, TrainingConfig
from LIVE_TRADING.training.train import train_run
from tests.support.runs import LOW_COST, plan_for, run_backtest, run_shell
from tests.support.told import Ear, run_told

TRAIN_SESSIONS = 28
# thresholds within what these classifiers say, so that the gate blocks and leaves now and then
NERVOUS = LOW_COST | {
    "gating": {"spread": {"enabled": False}, "barrier": {"block_p": 0.3}},
    "arbitration": LOW_COST["arbitration"] | {"barrier_exit_p": 0.34},
}
CONFIG = EngineConfig.model_validate(NERVOUS)
UNGATED = EngineConfig.model_validate(
    NERVOUS
    | {
        "gating": {"spread": {"enabled": False}, "barrier": {"enabled": False}},
        "arbitration": LOW_COST["arbitration"] | {"barrier_exit_p": 1.0},
    }
)


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    market = SimulatedMarketConfig(seed=3, edge=0.25, n_symbols=12, n_sessions=TRAIN_SESSIONS + 2)
    return simulate_market(market)


@pytest.fixture(scope="module")
def run_root(panel: BarPanel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    trees = {"num_trees": 30, "num_leaves": 8, "learning_rate": 0.15, "min_data_in_leaf": 200}
    config = TrainingConfig(
        horizons=("15m", "30m"),
        families=("ridge",),
        barrier=BarrierTrainingConfig.model_validate({"params": trees}),
    )
    root = tmp_path_factory.mktemp("models") / "run"
    train_run(panel, config, root, panel.sessions.sessions[TRAIN_SESSIONS - 1].date, engine=CONFIG)
    return root


@pytest.fixture(scope="module")
def start_ns(panel: BarPanel) -> int:
    return panel.sessions.sessions[TRAIN_SESSIONS].open_ns


@dataclass
class Watch:
    """What was predicted, and the traces of what was decided on it."""

    predictions: list[PredictionsReady] = field(default_factory=list)
    traces: list[DecisionTrace] = field(default_factory=list)

    def __call__(self, stamped: Stamped, commands: list[Command]) -> None:
        if isinstance(stamped.event, PredictionsReady):
            self.predictions.append(stamped.event)
        decided = [one.result.trace for one in commands if isinstance(one, CycleDecided)]
        self.traces += [trace for trace in decided if trace is not None]

    def count(self, stage: str, reason: Reason) -> int:
        return sum(int((getattr(trace, stage).reason == reason).sum()) for trace in self.traces)


def watched(panel: BarPanel, config: EngineConfig, start_ns: int, run_root: Path) -> Watch:
    watch = Watch()
    run_backtest(panel, config, start_ns=start_ns, run_root=run_root, observers=(watch,))
    return watch


def test_the_gate_scales_and_blocks_entries_and_ends_positions(panel: BarPanel, start_ns: int, run_root: Path) -> None:
    gated, free = (watched(panel, config, start_ns, run_root) for config in (CONFIG, UNGATED))
    assert gated.count("barrier", Reason.BARRIER_BLOCK) > 20
    assert gated.count("arbitration", Reason.EXIT_BARRIER) > 5
    assert gated.count("barrier", Reason.GATE_OFF) == 0
    assert free.count("barrier", Reason.BARRIER_BLOCK) == free.count("arbitration", Reason.EXIT_BARRIER) == 0
    for watch in (gated, free):  # the same probabilities came, whatever is made of them
        assert all(ready.p_peak is not None and ready.p_valley is not None for ready in watch.predictions)
    # the first decision is taken by a flat book: it differs by the gate alone
    ready, first, other = gated.predictions[0], gated.traces[0], free.traces[0]
    side = first.arbitration.side
    np.testing.assert_array_equal(side, other.arbitration.side)
    against = np.where(side > 0, ready.p_peak, ready.p_valley)
    favour = np.where(side > 0, ready.p_valley, ready.p_peak)
    expected = np.clip((1.0 - against) * np.sqrt(1.0 + favour), 0.2, 1.0)
    judged = side != 0
    assert judged.any()
    np.testing.assert_allclose(first.barrier.factor[judged], expected[judged])
    passed = judged & first.barrier.allowed & (other.sizing.raw_weight != 0)
    ratio = first.sizing.raw_weight[passed] / other.sizing.raw_weight[passed]
    np.testing.assert_allclose(ratio, expected[passed])
    assert not first.sizing.target_shares[judged & ~first.barrier.allowed].any()


def test_a_long_is_left_where_a_peak_is_likely_and_a_short_where_a_valley_is(
    panel: BarPanel, start_ns: int, run_root: Path
) -> None:
    watch = watched(panel, CONFIG, start_ns, run_root)
    left = {1: 0, -1: 0}
    for ready, before, trace in zip(watch.predictions[1:], watch.traces[:-1], watch.traces[1:], strict=True):
        for column in np.flatnonzero(trace.arbitration.reason == Reason.EXIT_BARRIER):
            held = int(np.sign(before.sizing.target_shares[column]))
            likely = {1: ready.p_peak, -1: ready.p_valley}.get(held)
            if likely is None:
                continue  # entered two decisions ago, or its exit is under way
            assert likely[column] > 0.34
            left[held] += 1
    assert min(left.values()) > 0


def test_three_shells_agree_and_a_restart_keeps_the_gate(
    panel: BarPanel, start_ns: int, run_root: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"start_ns": start_ns, "run_root": run_root}
    backtest = run_backtest(panel, CONFIG, **options)
    part = run_shell(panel, CONFIG, state_dir=tmp_path / "state", max_cycles=60, **options)
    assert part.core.state.digest.cycles == 60
    rest = run_shell(panel, CONFIG, state_dir=tmp_path / "state", **options)
    run = recorded_run(tmp_path / "state")
    assert run is not None
    core = start_core(tmp_path / "state", run)
    replayed = feed_journal(core, read_journal(tmp_path / "state" / FOLDER))
    assert replayed.difference is None
    assert backtest.digests == rest.digests == core.state.digest.texts()
    assert backtest.digests != run_backtest(panel, UNGATED, **options).digests


def test_an_engine_loads_the_classifiers_itself_and_says_so(
    panel: BarPanel, start_ns: int, run_root: Path, tmp_path: Path
) -> None:
    bus, ear = NoticeBus(), Ear()
    bus.subscribe("ear", ear)
    engine = run_told(panel, CONFIG, bus, start_ns=start_ns, run_root=run_root, state_dir=tmp_path, max_cycles=2)
    assert {f"{target}/lightgbm" for target in BARRIER_TARGETS} < engine.run_started.model_hashes.keys()
    assert {notice.fields["target"] for notice in ear.of(EventType.MODEL_LOADED)} > set(BARRIER_TARGETS)
    assert not ear.of(EventType.GATE_OFF)
    assert engine.barrier_gate_off == ""
    ready = [to_json_value(record.data) for record in read_journal(tmp_path / FOLDER) if record.kind == "event"]
    said = [data[1] for data in ready if data[0] == "PredictionsReady"]
    assert all(0.0 < p < 1.0 for event in said for p in event["p_peak"] + event["p_valley"] if p is not None)


def without_classifiers(run_root: Path, folder: Path, **manifest: object) -> Path:
    """Return a copy of the run whose manifest names no classifiers."""
    shutil.copytree(run_root, folder)
    path = folder / "manifest.json"
    record = json.loads(path.read_bytes())
    del record["classifiers"], record["no_classifiers"]
    path.write_text(json.dumps(record | manifest))
    return folder


@pytest.mark.parametrize(
    ("manifest", "config", "why"),
    [
        pytest.param({}, CONFIG, "trained by a version that had none; train them again", id="older-run"),
        pytest.param({"no_classifiers": "it was not wanted"}, CONFIG, "it was not wanted", id="said-in-training"),
        pytest.param(None, UNGATED, "gating.barrier.enabled is false", id="switched-off"),
    ],
)
def test_without_classifiers_the_gate_is_off_and_says_why(
    panel: BarPanel,
    start_ns: int,
    run_root: Path,
    tmp_path: Path,
    manifest: dict[str, object] | None,
    config: EngineConfig,
    why: str,
) -> None:
    root = run_root if manifest is None else without_classifiers(run_root, tmp_path / "run", **manifest)
    bus, ear = NoticeBus(), Ear()
    bus.subscribe("ear", ear)
    engine = run_told(panel, config, bus, start_ns=start_ns, run_root=root, max_cycles=2)
    (notice,) = ear.of(EventType.GATE_OFF)
    assert notice.fields["gate"] == "barrier"
    assert why in notice.fields["reason"] == engine.barrier_gate_off
    watch = watched(panel, config, start_ns, root)
    assert watch.count("barrier", Reason.GATE_OFF) == len(watch.traces) * len(panel.symbols)
    assert watch.count("arbitration", Reason.EXIT_BARRIER) == 0


def test_targets_choose_the_classifiers_too(panel: BarPanel, start_ns: int, run_root: Path) -> None:
    some = plan_for(panel, CONFIG, start_ns=start_ns, run_root=run_root, targets=("ret_15m",))
    assert some.barrier_gate_off == "the targets chosen leave the classifiers out"
    assert not set(BARRIER_TARGETS) & {name.split("/")[0] for name in some.run.model_hashes}
    both = plan_for(panel, CONFIG, start_ns=start_ns, run_root=run_root, targets=("ret_15m", *BARRIER_TARGETS))
    assert both.barrier_gate_off == ""
