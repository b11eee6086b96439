"""A session whose journal is lost is not started over on top of what it left."""

from __future__ import annotations

# covers: P18, P21
import shutil
from pathlib import Path

import pytest

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.config import EngineConfig
from tests.support.journals import journal_lines, write_journal
from tests.support.runs import LOW_COST, run_shell

CONFIG = EngineConfig.model_validate(LOW_COST)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"
    }


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    run(tmp_path / "state", max_cycles=20)
    return tmp_path / "state"


def run(state_dir: Path, max_cycles: int) -> None:
    panel = simulate_market(SimulatedMarketConfig(n_symbols=10, n_sessions=13))
    start_ns = panel.sessions.sessions[11].open_ns
    run_shell(panel, CONFIG, start_ns=start_ns, state_dir=state_dir, max_cycles=max_cycles)


@pytest.mark.parametrize("damage", ["removed", "emptied", "garbage"])
def test_a_lost_journal_is_refused_and_nothing_changes(stopped: Path, damage: str) -> None:
    if damage == "removed":
        shutil.rmtree(stopped / "journal")
    else:
        write_journal(stopped, [b"" if damage == "emptied" else b"garbage"])
    before = contents(stopped)
    with pytest.raises(StateError, match=r"journal of that session is lost"):
        run(stopped, max_cycles=5)
    assert contents(stopped) == before


@pytest.mark.parametrize("name", ["engine_state.json", "trades.json", "bandit_state.json"])
def test_an_export_that_cannot_be_read_is_refused_and_not_overwritten(stopped: Path, name: str) -> None:
    (stopped / name).write_bytes(b"garbage")
    before = contents(stopped)
    with pytest.raises(StateError, match=name):
        run(stopped, max_cycles=5)
    assert contents(stopped) == before


def test_a_start_that_was_killed_before_its_journal_began_starts_again(stopped: Path) -> None:
    for path in sorted(stopped.iterdir()):
        if path.is_file() and path.name != "arrays-000000000000.npz":
            path.unlink()
    shutil.rmtree(stopped / "journal")
    run(stopped, max_cycles=5)
    assert len(journal_lines(stopped)) > 5
