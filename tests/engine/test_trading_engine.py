"""`TradingEngine` as a program builds it: with and without models, with failures, over restarts."""

from __future__ import annotations

# covers: P7, P8, P18, P22
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from LIVE_TRADING.common.events import ScheduledTrigger, Stamped
from LIVE_TRADING.common.exceptions import ConfigurationError, ModelLoadError, StateError
from LIVE_TRADING.common.files import FolderLock, FolderLockedError
from LIVE_TRADING.common.types import FloatArray, RawPredictions
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.commands import AccountMarked, Command, SubmitOrder
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.driver import HANDLER_FAILED, Driver
from LIVE_TRADING.engine.journal import FOLDER, read_journal, to_line
from LIVE_TRADING.engine.resume import recorded_run, resume_run, start_core
from LIVE_TRADING.engine.trading_engine import LIMITED_MODE, TradingEngine
from LIVE_TRADING.observability import EventType, NoticeBus
from LIVE_TRADING.risk import TradingState
from tests.support.journals import journal_lines, last_segment, write_journal
from tests.support.runs import LOW_COST, PlainForecast, plan_for
from tests.support.told import Ear, MoodyBroker, engine_of, run_told

CONFIG = EngineConfig.model_validate(LOW_COST)
BARS = 26


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return simulate_market(SimulatedMarketConfig(n_symbols=12, n_sessions=13, bars_per_session=BARS))


@pytest.fixture(scope="module")
def start_ns(panel: BarPanel) -> int:
    return panel.sessions.sessions[11].open_ns


def commands_of(state_dir: Path, name: str) -> list[dict[str, Any]]:
    return [
        entry[1]
        for record in read_journal(state_dir / FOLDER)
        if record.kind == "commands"
        for entry in record.data
        if entry[0] == name
    ]


class BreaksAt(PlainForecast):
    """Forecasts on a grid that is not the run's, from a cycle on."""

    def __init__(self, names: Sequence[str], n_horizons: int, cycle: int) -> None:
        super().__init__(names, n_horizons)
        self._left = cycle

    def predict(self, features: FloatArray) -> RawPredictions:
        self._left -= 1
        return RawPredictions(np.zeros((1, 2, 3))) if self._left == 0 else super().predict(features)


def breaking(panel: BarPanel, start_ns: int, decisions: int) -> BreaksAt:
    run = plan_for(panel, CONFIG, start_ns=start_ns).run
    return BreaksAt(run.feature_names, len(run.horizons), 10 * BARS + decisions)


def test_without_models_it_warns_watches_and_enters_nothing(panel: BarPanel, start_ns: int, tmp_path: Path) -> None:
    bus, ear = NoticeBus(), Ear()
    bus.subscribe("ear", ear)
    with pytest.warns(RuntimeWarning, match="limited mode"):
        engine = run_told(panel, CONFIG, bus, start_ns=start_ns, state_dir=tmp_path, limited=True)
    assert [notice.fields["reason"] for notice in ear.of(EventType.LIMITED_MODE)] == [LIMITED_MODE]
    assert len(commands_of(tmp_path, "AccountMarked")) == 2 * BARS
    assert not commands_of(tmp_path, "SubmitOrder")
    assert engine.core.state.digest.cycles == 2 * BARS


def test_a_predictor_of_one_s_own_is_no_limited_mode(
    panel: BarPanel, start_ns: int, recwarn: pytest.WarningsRecorder
) -> None:
    engine = run_told(panel, CONFIG, None, start_ns=start_ns, max_cycles=5)
    assert engine.core.state.digest.cycles == 5
    assert not [warning for warning in recwarn if "limited" in str(warning.message)]


def test_a_folder_without_artifacts_is_refused_and_leaves_no_state(
    panel: BarPanel, start_ns: int, tmp_path: Path
) -> None:
    with pytest.raises(ModelLoadError, match="manifest"):
        engine_of(panel, CONFIG, None, start_ns=start_ns, run_root=tmp_path / "none", state_dir=tmp_path / "state")
    assert not (tmp_path / "state").exists()


class Thrown(Exception):
    """What a handler of ours raises."""


def test_strict_raises_what_a_handler_raises(panel: BarPanel, start_ns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(self: EngineCore, stamped: Stamped) -> list[Command]:
        raise Thrown

    monkeypatch.setattr(EngineCore, "handle", handle)
    driver = Driver(plan_for(panel, CONFIG, start_ns=start_ns).core(), strict=True)
    session = panel.sessions.sessions[0]
    with pytest.raises(Thrown):
        driver.step(ScheduledTrigger("session_open", session.open_ns, session, session.open_ns), session.open_ns)


def test_lenient_halts_and_goes_on_watching(panel: BarPanel, start_ns: int, tmp_path: Path) -> None:
    """The cycle that broke ends, nothing is entered after it, the book is marked to the end, and replay agrees."""
    bus, ear = NoticeBus(), Ear()
    bus.subscribe("ear", ear)
    broken = 12
    engine = run_told(
        panel, CONFIG, bus, start_ns=start_ns, state_dir=tmp_path, predictor=breaking(panel, start_ns, broken)
    )
    assert engine.core.state.risk.state is TradingState.HALTED
    assert engine.core.state.risk.latches[-1].rule_id == HANDLER_FAILED
    assert ear.of(EventType.HANDLER_FAILED)
    broken_ns = start_ns + broken * panel.interval_ns
    entries = [o["order"] for o in commands_of(tmp_path, "SubmitOrder") if o["order"]["leg"] == "entry"]
    assert entries
    assert max(order["decision_time_ns"] for order in entries) < broken_ns
    assert len(commands_of(tmp_path, "AccountMarked")) == 2 * BARS
    assert commands_of(tmp_path, "CycleSkipped")[0] == {"cycle_time_ns": broken_ns, "reason": HANDLER_FAILED}
    assert engine.core.state.digest.cycles == 2 * BARS - 1


def test_a_halt_outlives_the_process_until_it_is_lifted(panel: BarPanel, start_ns: int, tmp_path: Path) -> None:
    options = {"start_ns": start_ns, "state_dir": tmp_path}
    run_told(panel, CONFIG, None, max_cycles=15, predictor=breaking(panel, start_ns, 12), **options)
    entries = len(commands_of(tmp_path, "SubmitOrder"))
    bus, ear = NoticeBus(), Ear()
    bus.subscribe("ear", ear)
    again = run_told(panel, CONFIG, bus, max_cycles=5, **options)
    assert again.core.state.risk.state is TradingState.HALTED
    (told,) = [notice for notice in ear.of(EventType.TRADING_STATE_CHANGED) if "still latched" in str(notice.fields)]
    assert told.fields["rule_id"] == HANDLER_FAILED

    def lift(engine: TradingEngine, _: MoodyBroker, now_ns: int) -> None:
        if engine.core.state.risk.state is TradingState.HALTED:
            engine.control("resume", "mended")

    lifted = run_told(panel, CONFIG, None, on_cycle=lift, **options)
    assert lifted.core.state.risk.state is TradingState.ACTIVE
    later = commands_of(tmp_path, "SubmitOrder")[entries:]
    assert [order for order in later if order["order"]["leg"] == "entry"]


def test_an_operator_s_halt_while_it_runs_is_journaled(panel: BarPanel, start_ns: int, tmp_path: Path) -> None:
    def halt(engine: TradingEngine, _: MoodyBroker, now_ns: int) -> None:
        if now_ns == start_ns + 5 * panel.interval_ns:
            engine.control("halt", "lunch")

    engine = run_told(panel, CONFIG, None, start_ns=start_ns, state_dir=tmp_path, on_cycle=halt, max_cycles=10)
    assert engine.core.state.risk.state is TradingState.HALTED
    assert engine.core.state.risk.latches[-1].message == "lunch"
    (changed,) = commands_of(tmp_path, "TradingStateChanged")
    assert (changed["old"], changed["new"]) == ("active", "halted")


@pytest.fixture(scope="module")
def stopped(panel: BarPanel, start_ns: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of a run stopped in its first session."""
    state_dir = tmp_path_factory.mktemp("stopped")
    run_told(panel, CONFIG, None, start_ns=start_ns, state_dir=state_dir, max_cycles=30)
    return state_dir


@pytest.fixture
def state_dir(stopped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "state"))


def test_a_folder_belongs_to_one_process(panel: BarPanel, start_ns: int, state_dir: Path) -> None:
    with FolderLock(state_dir), pytest.raises(FolderLockedError):
        engine_of(panel, CONFIG, None, start_ns=start_ns, state_dir=state_dir)
    engine, _ = engine_of(panel, CONFIG, None, start_ns=start_ns, state_dir=state_dir)
    with closing(engine), pytest.raises(FolderLockedError):
        engine_of(panel, CONFIG, None, start_ns=start_ns, state_dir=state_dir)


def test_a_refused_start_gives_the_folder_back(panel: BarPanel, start_ns: int, state_dir: Path) -> None:
    other = EngineConfig.model_validate(LOW_COST | {"engine": {"seed": 99}})
    with pytest.raises(ConfigurationError, match=r"engine\.seed: on file 7, now 99"):
        engine_of(panel, other, None, start_ns=start_ns, state_dir=state_dir)
    with FolderLock(state_dir):
        pass


def test_the_newest_checkpoint_that_can_be_read_is_gone_on_from(
    panel: BarPanel, start_ns: int, state_dir: Path
) -> None:
    whole = run_told(panel, CONFIG, None, start_ns=start_ns)
    newest = sorted(state_dir.glob("arrays-*.npz"))[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.warns(RuntimeWarning, match="going on from the one before"):
        engine = run_told(panel, CONFIG, None, start_ns=start_ns, state_dir=state_dir)
    assert engine.recovered.unreadable
    assert engine.recovered.replayed > 0
    assert engine.core.state.digest.texts() == whole.core.state.digest.texts()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_without_any_checkpoint_it_does_not_start(panel: BarPanel, start_ns: int, state_dir: Path) -> None:
    for path in state_dir.glob("arrays-*.npz"):
        path.write_bytes(b"")
    with pytest.raises(StateError, match="no checkpoint can be read"):
        engine_of(panel, CONFIG, None, start_ns=start_ns, state_dir=state_dir)


def test_settings_that_the_code_on_file_did_not_know_count_as_their_defaults(
    panel: BarPanel, start_ns: int, state_dir: Path
) -> None:
    """New code has new settings; what an older one had set to something else is still another configuration."""
    records = list(read_journal(state_dir / FOLDER))
    run = records[0].data[0]
    del run["config"]["engine"]["min_free_disk_mb"], run["config"]["reconcile"]
    run["config_hash"] = "of other code"
    write_journal(state_dir, map(to_line, records))
    engine, _ = engine_of(panel, CONFIG, None, start_ns=start_ns, state_dir=state_dir)
    engine.close()
    assert engine.recovered.resumed
    for changed, message in (
        ({"min_free_disk_mb": 1.0}, r"engine\.min_free_disk_mb: on file 512\.0, now 1\.0"),
        ({"bar_grace_s": 9.0}, r"engine\.bar_grace_s: on file 2\.0, now 9\.0"),
    ):
        other = EngineConfig.model_validate(LOW_COST | {"engine": changed})
        with pytest.raises(ConfigurationError, match=message):
            engine_of(panel, other, None, start_ns=start_ns, state_dir=state_dir)
    run["config"]["engine"]["warp_factor"] = 9
    write_journal(state_dir, map(to_line, records))
    with pytest.raises(ConfigurationError, match=r"engine\.warp_factor: on file, and refused by this version"):
        engine_of(panel, CONFIG, None, start_ns=start_ns, state_dir=state_dir)


def test_a_torn_tail_is_cut_and_gone_on_from(panel: BarPanel, start_ns: int, state_dir: Path) -> None:
    whole = run_told(panel, CONFIG, None, start_ns=start_ns)
    with last_segment(state_dir).open("ab") as file:
        file.write(b'{"crc":')
    engine = run_told(panel, CONFIG, None, start_ns=start_ns, state_dir=state_dir)
    assert engine.recovered.cut_bytes == 7
    assert engine.core.state.digest.texts() == whole.core.state.digest.texts()


@pytest.mark.parametrize("content", [None, b"", b'{"crc":"torn'], ids=["absent", "empty", "torn-first-line"])
def test_a_folder_without_a_run_has_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        write_journal(tmp_path, [content])
    assert recorded_run(tmp_path) is None


def test_a_journal_without_its_beginning_is_refused(state_dir: Path) -> None:
    lines = journal_lines(state_dir)
    write_journal(state_dir, lines[1:])
    with pytest.raises(StateError, match="does not begin with a run"):
        recorded_run(state_dir)


def test_observers_are_told_of_what_follows_and_not_of_history(panel: BarPanel, start_ns: int, state_dir: Path) -> None:
    marked: list[int] = []
    sent: list[str] = []

    def observe(stamped: Stamped, commands: Sequence[Command]) -> None:
        marked.extend(command.time_ns for command in commands if isinstance(command, AccountMarked))
        sent.extend(command.order.client_order_id for command in commands if isinstance(command, SubmitOrder))

    before = {order["order"]["client_order_id"] for order in commands_of(state_dir, "SubmitOrder")}
    run = recorded_run(state_dir)
    assert run is not None
    recovered = resume_run(state_dir, start_core(state_dir, run), (observe,))
    assert recovered.resumed
    assert marked == sent == []
    assert before
    if recovered.driver.journal is not None:
        recovered.driver.journal.close()
