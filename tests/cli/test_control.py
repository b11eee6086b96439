"""`python -m bin.control`: an operator's word to a stopped engine."""

from __future__ import annotations

# covers: P22, P26
import errno
import itertools
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_bench import Bench, contents, digest_of, journal, run_verb, trade_on_paper
from typer.testing import Result

from LIVE_TRADING.cli.exits import ExitCode
from LIVE_TRADING.common.file_layer import OsFileLayer
from LIVE_TRADING.common.files import FolderLock


def control(state: Path, action: str, reason: str = "tea break") -> Result:
    return run_verb("control", action, "--reason", reason, "--state-dir", state)


def risk_of(state: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((state / "engine_state.json").read_text())["risk"]
    return found


@pytest.fixture
def state(stopped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "state"))


def test_a_halt_is_journaled_with_its_reason_and_replays(state: Path) -> None:
    result = control(state, "halt", "the desk is on fire")
    assert result.exit_code == 0, result.output
    assert "active -> halted" in result.output
    (request,) = journal(state, "event", "ControlRequest")
    assert (request["action"], request["reason"]) == ("halt", "the desk is on fire")
    assert risk_of(state)["state"] == "halted"
    assert run_verb("replay_session", "--state-dir", state).exit_code == 0


def test_resuming_under_the_kill_file_says_that_it_is_there(state: Path) -> None:
    assert control(state, "halt").exit_code == 0
    (state / "KILL").touch()
    result = control(state, "resume", "all is well")
    assert result.exit_code == 0
    assert f"kill file {state / 'KILL'} is there" in result.output.replace("\n", "")


def test_a_halted_engine_stays_halted_until_it_is_resumed(bench: Bench, state: Path) -> None:
    orders = len(journal(state, "commands", "SubmitOrder"))
    assert control(state, "halt").exit_code == 0
    for _ in range(2):
        result = trade_on_paper(bench, state, "--max-cycles", 10)
        assert result.exit_code == ExitCode.HALTED
        assert "tea break" in result.output
    assert not [o for o in journal(state, "commands", "SubmitOrder")[orders:] if o["order"]["leg"] == "entry"]
    result = control(state, "resume", "all is well")
    assert result.exit_code == 0
    assert "halted -> active (operator)" in result.output
    result = trade_on_paper(bench, state)
    assert result.exit_code == 0
    assert [o for o in journal(state, "commands", "SubmitOrder")[orders:] if o["order"]["leg"] == "entry"]
    assert run_verb("replay_session", "--state-dir", state).exit_code == 0


def test_orders_that_work_when_a_halt_comes_are_cancelled_at_the_venue(bench: Bench, state: Path) -> None:
    working = [order for order, status in json.loads((state / "engine_state.json").read_text())["open_orders"].items()]
    assert working, "the fixture was meant to stop with orders at work"
    filled = len(journal(state, "event", "OrderFill"))
    assert control(state, "halt").exit_code == 0
    assert trade_on_paper(bench, state, "--max-cycles", 10).exit_code == ExitCode.HALTED
    ended = {event["order_id"] for event in journal(state, "event", "OrderCancelled")}
    later = journal(state, "event", "OrderFill")[filled:]
    assert set(working) <= ended | {fill["order_id"] for fill in later}
    assert not json.loads((state / "engine_state.json").read_text())["open_orders"]


def test_resuming_what_is_not_halted_changes_nothing_that_trades(bench: Bench, recorded: Path, state: Path) -> None:
    result = control(state, "resume")
    assert result.exit_code == 0
    assert "nothing was latched" in result.output
    assert trade_on_paper(bench, state).exit_code == 0
    assert digest_of(state) == digest_of(recorded)


def test_reset_measures_losses_anew(state: Path) -> None:
    equity = json.loads((state / "engine_state.json").read_text())["portfolio_value"]
    assert control(state, "reset").exit_code == 0
    risk = risk_of(state)
    assert risk["peak_equity_usd"] == str(equity)
    assert risk["state"] == "active"


@pytest.mark.parametrize(
    ("action", "reason", "said"),
    [
        pytest.param("explode", "why not", "resume, reset, halt", id="no-such-action"),
        pytest.param("halt", "  ", "--reason", id="no-reason"),
    ],
)
def test_what_is_no_word_is_refused_and_changes_nothing(state: Path, action: str, reason: str, said: str) -> None:
    before = contents(state)
    result = control(state, action, reason)
    assert result.exit_code == ExitCode.USAGE
    assert said in result.output
    assert contents(state) == before


def test_a_missing_reason_is_a_usage_error(state: Path) -> None:
    assert run_verb("control", "halt", "--state-dir", state).exit_code == ExitCode.USAGE


def test_a_running_engine_is_not_spoken_to_behind_its_back(state: Path) -> None:
    with FolderLock(state):
        result = control(state, "halt")
    assert result.exit_code == ExitCode.ALREADY_RUNNING
    assert not journal(state, "event", "ControlRequest")


def test_folders_without_a_session_are_refused(tmp_path: Path) -> None:
    assert control(tmp_path / "absent", "halt").exit_code == ExitCode.USAGE
    (tmp_path / "empty").mkdir()
    result = control(tmp_path / "empty", "halt")
    assert result.exit_code == ExitCode.USAGE
    assert "no session" in result.output


def venue_of(state: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((state / "paper_venue.json").read_text())
    return found


def test_a_venue_that_differs_stops_the_start_until_its_book_is_adopted(bench: Bench, state: Path) -> None:
    venue = venue_of(state)
    venue["exchange"]["cash"] = str(float(venue["exchange"]["cash"]) - 250)
    (state / "paper_venue.json").write_text(json.dumps(venue))
    for _ in range(2):
        result = trade_on_paper(bench, state, "--max-cycles", 3)
        assert result.exit_code == ExitCode.HALTED
        assert "cash USD: ledger" in result.output
        assert "control adopt" in result.output
    adopted = control(state, "adopt", "a fee that the venue took")
    assert adopted.exit_code == 0, adopted.output
    assert "adopt: cash USD: ledger" in adopted.output
    assert control(state, "resume").exit_code == 0
    result = trade_on_paper(bench, state, "--max-cycles", 3)
    assert result.exit_code == 0, result.output
    (taken,) = journal(state, "commands", "BookAdjusted")
    assert float(taken["cash"]["USD"]) == pytest.approx(float(venue["exchange"]["cash"]))
    assert run_verb("replay_session", "--state-dir", state).exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("adopt",), "the books do not differ", id="nothing-to-adopt"),
        pytest.param(("settle",), "--order and --as", id="settle-what"),
        pytest.param(("halt", "--order", "x", "--as", "cancelled"), "--order and --as", id="order-without-settle"),
        pytest.param(
            ("settle", "--order", "x", "--as", "cancelled"), "settle x: no such open order; open", id="no-order"
        ),
        pytest.param(
            ("settle", "--order", "x", "--as", "gone"),
            "--as gone: one of not_at_venue, cancelled, expired, rejected",
            id="settle-as-what",
        ),
    ],
)
def test_words_that_fit_nothing_are_refused(state: Path, words: tuple[str, ...], said: str) -> None:
    result = run_verb("control", *words, "--reason", "why", "--state-dir", state)
    assert result.exit_code == ExitCode.USAGE
    assert said in result.output


def test_a_folder_without_a_session_is_left_as_it_is(tmp_path: Path) -> None:
    result = control(tmp_path, "resume")
    assert result.exit_code == ExitCode.USAGE
    assert f"--state-dir {tmp_path}: there is no session" in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_fate_is_refused_before_the_journal_is_touched(state: Path) -> None:
    before = contents(state)
    words = ("settle", "--order", "x", "--as", "gone", "--reason", "why", "--state-dir", state)
    assert run_verb("control", *words).exit_code == ExitCode.USAGE
    assert contents(state) == before


def test_a_session_that_cannot_be_replayed_any_more_can_still_be_halted(state: Path) -> None:
    (state / "arrays-000000000000.npz").unlink()
    assert control(state, "halt").exit_code == 0
    assert risk_of(state)["state"] == "halted"
    result = run_verb("replay_session", "--state-dir", state)
    assert result.exit_code == ExitCode.HALTED
    said = f"{state / 'arrays-000000000000.npz'}: cannot be read (No such file or directory); restore it from a copy"
    assert said in result.output


# -- a disk that refuses: whether the word stands ------------------------------------------------------------


def test_a_word_whose_export_cannot_be_written_stands_and_says_so(bench: Bench, state: Path) -> None:
    (state / "engine_state.previous.json").unlink(missing_ok=True)
    (state / "engine_state.previous.json").mkdir()
    result = control(state, "halt", "the desk is on fire")
    assert result.exit_code == ExitCode.HALTED
    assert f"{state / 'engine_state.previous.json'}: cannot be written" in result.output
    assert "halt is on file as event " in result.output
    assert "and stands" in result.output
    (state / "engine_state.previous.json").rmdir()
    assert trade_on_paper(bench, state, "--max-cycles", 3).exit_code == ExitCode.HALTED
    assert risk_of(state)["state"] == "halted"


@pytest.mark.parametrize(("written", "stands"), [(0, False), (1, True)], ids=["no-event", "event-without-commands"])
def test_a_full_disk_says_whether_the_word_is_on_file(
    bench: Bench, state: Path, monkeypatch: pytest.MonkeyPatch, written: int, stands: bool
) -> None:
    write, writes = OsFileLayer.write, itertools.count()

    def full(layer: OsFileLayer, descriptor: int, data: bytes) -> None:
        if next(writes) >= written:
            write(layer, descriptor, data[: len(data) // 3])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(layer, descriptor, data)

    with monkeypatch.context() as patched:
        patched.setattr(OsFileLayer, "write", full)
        result = control(state, "halt")
    assert result.exit_code == ExitCode.HALTED
    assert ("is on file as event " in result.output) == stands
    assert ("is not on file and has no effect: give it again" in result.output) == (not stands)
    assert trade_on_paper(bench, state, "--max-cycles", 3).exit_code == (ExitCode.HALTED if stands else 0)
