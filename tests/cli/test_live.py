"""`python -m bin.run_live_trading`: paper sessions from start to end, stopped, resumed, refused."""

from __future__ import annotations

# covers: P26, P8, P18, P22, A14
import json
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli_bench import RUN_ID, STOP_AFTER, Bench, contents, digest_of, journal, run_verb, trade_on_paper
from market_files import EXTRA, SYMBOLS

from LIVE_TRADING.cli import live
from LIVE_TRADING.cli.exits import ExitCode
from LIVE_TRADING.common.files import FolderLock
from LIVE_TRADING.engine.journal import FOLDER, read_journal, to_line
from LIVE_TRADING.engine.trading_engine import TradingEngine
from tests.support.journals import journal_lines, last_segment, write_journal

TINY = ("--set", "simulated.n_symbols=12", "--set", "simulated.n_sessions=2", "--set", "simulated.bars_per_session=26")


def entered(state: Path) -> set[str]:
    return {order["order"]["symbol"] for order in journal(state, "commands", "SubmitOrder")}


def horizons_of(state: Path) -> tuple[str, ...]:
    first = json.loads(journal_lines(state)[0])
    return tuple(first["body"]["data"][0]["horizons"])


def test_a_session_trades_and_keeps_what_a_restart_needs(recorded: Path) -> None:
    kept = {path.name for path in recorded.iterdir()}
    assert {"journal", "engine_state.json", "trades.json", "bandit_state.json", "paper_venue.json"} <= kept
    state = json.loads((recorded / "engine_state.json").read_text())
    assert len(state["trade_history"]) > 10
    assert len(journal(recorded, "event", "OrderFill")) > 20


def test_the_paper_session_takes_the_decisions_of_the_backtest(bench: Bench, recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "bt"
    result = run_verb("run_backtest", "--data", bench.bars, "--run-id", RUN_ID, "--out", out, "--profile", "busy")
    assert result.exit_code == 0, result.output
    assert json.loads((out / "summary.json").read_text())["run_digest"] == digest_of(recorded)


def test_the_same_command_goes_on_where_it_stopped(bench: Bench, recorded: Path, stopped: Path, tmp_path: Path) -> None:
    state = Path(shutil.copytree(stopped, tmp_path / "state"))
    assert digest_of(state) != digest_of(recorded)
    result = trade_on_paper(bench, state)
    assert result.exit_code == 0
    assert "resumes at" in result.output
    assert digest_of(state) == digest_of(recorded)


def test_max_cycles_stops_after_so_many_decisions(stopped: Path) -> None:
    decided = [cycle for cycle in journal(stopped, "commands", "CycleDecided") if not cycle["warmup"]]
    assert len(decided) == STOP_AFTER


def test_a_session_lets_the_loop_have_the_interpreter_back_soon(stopped: Path) -> None:
    assert sys.getswitchinterval() < 0.001  # while another thread works; 0.005 where nobody says otherwise


def test_state_stands_under_state_live_and_the_run_unless_said_otherwise(bench: Bench, tmp_path: Path) -> None:
    result = run_verb(
        "run_live_trading", "--data", bench.bars, "--run-id", RUN_ID, "--max-cycles", 2, "--log-level", "error"
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "state" / "live" / RUN_ID / "journal" / "000000000000.jsonl").exists()


def test_no_state_writes_nothing(bench: Bench, tmp_path: Path) -> None:
    result = trade_on_paper(bench, None, "--max-cycles", 5)
    assert result.exit_code == 0, result.output
    assert list(tmp_path.iterdir()) == []


def test_dry_run_touches_nothing(bench: Bench, tmp_path: Path) -> None:
    result = trade_on_paper(bench, tmp_path / "state", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "everything fits" in result.output
    assert list(tmp_path.iterdir()) == []


def test_dry_run_over_a_session_leaves_every_byte(bench: Bench, stopped: Path, tmp_path: Path) -> None:
    state = Path(shutil.copytree(stopped, tmp_path / "state"))
    with last_segment(state).open("ab") as file:
        file.write(b'{"crc":"torn')
    before = contents(state)
    assert trade_on_paper(bench, state, "--dry-run").exit_code == 0
    assert contents(state) == before


def test_dry_run_says_that_a_session_was_started_differently(bench: Bench, stopped: Path, tmp_path: Path) -> None:
    state = Path(shutil.copytree(stopped, tmp_path / "state"))
    result = trade_on_paper(bench, state, "--dry-run", "--set", "arbitration.reserve_bps=3")
    assert result.exit_code == ExitCode.USAGE
    assert "arbitration.reserve_bps: on file 0.0, now 3.0" in result.output


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(("--set", "sizing.max_weight=0.01"), "max_weight: on file 0.05, now 0.01", id="configuration"),
        pytest.param(("--symbols", "S0001"), "engine.trade_symbols: on file [], now", id="symbols-to-trade"),
        pytest.param(("--initial-cash", "5000"), "engine.initial_cash_usd: on file 100000.0, now 5000.0", id="cash"),
        pytest.param(("--targets", "ret_15m, ret_1d"), "model_hashes: only on file ret_30m/ridge (", id="targets"),
    ],
)
def test_a_session_is_not_resumed_under_another_configuration(
    bench: Bench, stopped: Path, tmp_path: Path, change: tuple[str, ...], named: str
) -> None:
    state = Path(shutil.copytree(stopped, tmp_path / "state"))
    before = contents(state)
    result = trade_on_paper(bench, state, *change)
    assert result.exit_code == ExitCode.USAGE
    assert "started differently" in result.output
    assert named in result.output
    assert contents(state) == before


def test_a_session_goes_on_from_its_own_start_and_from_no_other(
    bench: Bench, recorded: Path, stopped: Path, tmp_path: Path
) -> None:
    """Another one would decide nothing until then, whatever is held; no start means that on file, not the models'."""
    state, last = tmp_path / "state", bench.test_dates[-1]
    for options in (("--dry-run",), ()):
        shutil.copytree(stopped, state, dirs_exist_ok=True)
        before = contents(state)
        result = trade_on_paper(bench, state, "--start", last, *options)
        assert result.exit_code == ExitCode.USAGE
        assert "start: on file 20" in result.output
        assert f", now {last}" in result.output
        assert contents(state) == before
    late = tmp_path / "late"
    assert trade_on_paper(bench, late, "--start", bench.test_dates[1], "--max-cycles", 3).exit_code == 0
    assert trade_on_paper(bench, late, "--dry-run").exit_code == 0
    resumed = trade_on_paper(bench, late)
    assert resumed.exit_code == 0, resumed.output
    assert f"decides after {bench.test_dates[1]}" in resumed.output
    assert run_verb("replay_session", "--state-dir", late).exit_code == 0


def test_an_end_before_the_place_where_a_session_stands_is_said(bench: Bench, recorded: Path, tmp_path: Path) -> None:
    state = Path(shutil.copytree(recorded, tmp_path / "state"))
    for end in (("--end", bench.test_dates[0]), ()):
        result = trade_on_paper(bench, state, *end)
        assert result.exit_code == 0, result.output
        assert "nothing is left to trade: the run stands at " in result.output
        assert "without a bar" not in result.output


def test_other_code_is_told_at_the_start_and_passed_over_by_a_replay(
    bench: Bench, stopped: Path, tmp_path: Path
) -> None:
    """A journal by other code, of which this one would have commanded one thing otherwise."""
    state = Path(shutil.copytree(stopped, tmp_path / "state"))
    for path in sorted(state.glob("arrays-*.npz"))[1:]:
        path.unlink()
    records = list(read_journal(state / FOLDER))
    records[0].data[0]["code_version"] = "0.0.9+of-before"
    marked = next(r for r in records for entry in r.data if r.kind == "commands" and entry[0] == "AccountMarked")
    next(entry for entry in marked.data if entry[0] == "AccountMarked")[1]["gross"] = 9.0
    write_journal(state, map(to_line, records))
    result = trade_on_paper(bench, state, "--max-cycles", 2)
    assert result.exit_code == 0, result.output
    for said in (
        "0.0.9+of-before did before",
        f"first difference at event {marked.seq}: ",
        "stage AccountMarked",
        "trading starts as reduce_only",
        "bin.control resume --reason",
    ):
        assert said in result.output
    again = trade_on_paper(bench, state, "--max-cycles", 1)
    assert again.exit_code == 0, again.output
    assert "reduce_only since " in again.output
    assert "trading starts as" not in again.output
    replayed = run_verb("replay_session", "--state-dir", state)
    assert replayed.exit_code == 0, replayed.output
    assert f"events {marked.seq} to " in replayed.output
    assert "were decided by 0.0.9+of-before and are passed over" in replayed.output
    assert run_verb("control", "resume", "--reason", "looked", "--state-dir", state).exit_code == 0
    lifted = trade_on_paper(bench, state, "--max-cycles", 1)
    assert lifted.exit_code == 0, lifted.output
    assert "reduce_only since " not in lifted.output


def test_orders_of_a_lost_folder_are_adopted_by_a_word_that_is_journaled(bench: Bench, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert trade_on_paper(bench, state, "--max-cycles", 1, "--adopt-nonce").exit_code == 0
    first = next(r for r in read_journal(state / FOLDER) if r.kind == "event")
    assert (first.data[0], first.data[1]["action"]) == ("ControlRequest", "adopt_nonce")
    assert run_verb("replay_session", "--state-dir", state).exit_code == 0


def test_a_session_is_not_resumed_on_other_data(bench: Bench, stopped: Path, tmp_path: Path) -> None:
    state = Path(shutil.copytree(stopped, tmp_path / "state"))
    result = trade_on_paper(bench, state, data=bench.dear)
    assert result.exit_code == ExitCode.USAGE
    assert "data_hash" in result.output


def test_a_folder_that_another_process_owns_is_refused(bench: Bench, stopped: Path, tmp_path: Path) -> None:
    state = Path(shutil.copytree(stopped, tmp_path / "state"))
    with FolderLock(state):
        result = trade_on_paper(bench, state)
    assert result.exit_code == ExitCode.ALREADY_RUNNING


def test_a_damaged_journal_is_refused_by_its_line(bench: Bench, stopped: Path, tmp_path: Path) -> None:
    state = Path(shutil.copytree(stopped, tmp_path / "state"))
    lines = journal_lines(state)
    lines[7] = lines[7].replace(b'"seq"', b'"sEq"', 1)
    write_journal(state, lines)
    result = trade_on_paper(bench, state)
    assert result.exit_code == ExitCode.HALTED
    assert "journal/000000000000.jsonl:8" in result.output


@pytest.mark.parametrize("configured", [False, True], ids=["default", "mode-live"])
def test_live_is_refused_before_anything_is_touched(bench: Bench, tmp_path: Path, configured: bool) -> None:
    change = ("--set", "engine.mode=live") if configured else ()
    result = trade_on_paper(bench, tmp_path / "state", "--live", *change)
    assert result.exit_code == ExitCode.LIVE_GATE
    assert "--live" in result.output
    assert list(tmp_path.iterdir()) == []


def test_mode_live_in_a_file_alone_is_refused_too(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Path(shutil.copytree(bench.config, tmp_path / "CONFIG"))
    (config / "live_trading.yaml").write_text("live_trading: {engine: {mode: live}}\n")
    monkeypatch.setenv("LIVE_TRADING_CONFIG", str(config))
    result = trade_on_paper(bench, tmp_path / "state")
    assert result.exit_code == ExitCode.LIVE_GATE
    assert "engine.mode" in result.output
    assert not (tmp_path / "state").exists()


def test_a_session_without_live_is_a_paper_session(recorded: Path) -> None:
    first = json.loads(journal_lines(recorded)[0])["body"]
    assert first["data"][0]["mode"] == "paper"
    assert first["data"][0]["account"] == "PAPER"


def test_symbols_restrict_what_is_entered_and_not_what_is_forecast(
    bench: Bench, recorded: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    assert trade_on_paper(bench, state, "--symbols", "S0003, S0005").exit_code == 0
    assert entered(state) == {"S0003", "S0005"}
    assert len(entered(recorded)) > 6
    forecasts = [[e["raw"] for e in journal(folder, "event", "PredictionsReady")] for folder in (state, recorded)]
    assert forecasts[0] == forecasts[1]
    explained = run_verb("replay_session", "--state-dir", state, "--explain", "S0001", "--at", _first_cycle(state))
    assert "not_selected" in explained.output


def _first_cycle(state: Path) -> str:
    """The first cycle in which a symbol that is not to be traded would have been entered."""
    column = SYMBOLS.index("S0001")
    from LIVE_TRADING.common.units import iso_utc

    for cycle in journal(state, "commands", "CycleDecided"):
        if not cycle["warmup"] and cycle["side"][column] != 0:
            return iso_utc(cycle["cycle_time_ns"])
    raise AssertionError("S0001 was never chosen")


def test_symbols_come_from_a_file_as_well(bench: Bench, tmp_path: Path) -> None:
    listed = tmp_path / "symbols.txt"
    listed.write_text("# mine\nS0004\n\nS0007\n")
    state = tmp_path / "state"
    assert trade_on_paper(bench, state, "--symbols-file", listed, "--max-cycles", 60).exit_code == 0
    assert entered(state) == {"S0004", "S0007"}


def test_a_symbols_file_that_is_no_text_is_refused(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "symbols.txt").write_bytes(b"\xff\xfe\x00")
    result = trade_on_paper(bench, None, "--symbols-file", tmp_path / "symbols.txt")
    assert result.exit_code == ExitCode.USAGE
    assert "is no text" in result.output


def test_symbols_without_a_bar_in_the_traded_span_are_named_at_the_start(bench: Bench, tmp_path: Path) -> None:
    result = trade_on_paper(bench, tmp_path / "state", "--max-cycles", 30, data=bench.silent)
    assert result.exit_code == 0, result.output
    (said,) = [line for line in result.stderr.splitlines() if "without a bar between" in line]
    assert said.startswith(f"1 of {len(SYMBOLS)} symbols without a bar")
    assert said.endswith(": S0003")
    assert "without a bar" not in trade_on_paper(bench, None, "--dry-run").stderr


def test_ctrl_c_stops_cleanly_and_the_session_goes_on_later(
    bench: Bench, recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = 0

    def interrupted(engine: TradingEngine, max_cycles: int | None, on_cycle: Callable[[int], None]) -> Any:
        def count(now_ns: int) -> None:
            nonlocal decided
            decided += 1
            if decided == 20:
                signal.raise_signal(signal.SIGINT)
            on_cycle(now_ns)

        return trade(engine, max_cycles, count)

    trade = live.trade
    with monkeypatch.context() as patched:
        patched.setattr(live, "trade", interrupted)
        result = trade_on_paper(bench, tmp_path / "state")
    assert result.exit_code == 0, result.output
    assert 20 <= decided < 40
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert trade_on_paper(bench, tmp_path / "state").exit_code == 0
    assert digest_of(tmp_path / "state") == digest_of(recorded)


def test_targets_forecast_a_subset_of_horizons(bench: Bench, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert trade_on_paper(bench, state, "--targets", "ret_15m", "--max-cycles", 40).exit_code == 0
    kept = horizons_of(state).index("15m")
    chosen = {row for cycle in journal(state, "commands", "CycleDecided") for row in cycle.get("horizon", [])}
    assert chosen == {-1, kept}


def test_data_with_more_symbols_than_the_run_trade_the_run_s(bench: Bench, recorded: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    result = trade_on_paper(bench, state, data=bench.wide)
    assert result.exit_code == 0
    said = f"1 of {len(SYMBOLS) + 1} symbols of the data left out, for the models do not know them: {EXTRA}"
    assert said in result.stderr
    assert EXTRA not in entered(state)
    assert digest_of(state) == digest_of(recorded)


def test_initial_cash_is_what_the_account_starts_with(bench: Bench, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert trade_on_paper(bench, state, "--initial-cash", 12345.5, "--max-cycles", 1).exit_code == 0
    assert journal(state, "commands", "AccountMarked")[0]["equity"] == "12345.50"


def test_start_and_end_bound_what_is_decided(bench: Bench, tmp_path: Path) -> None:
    state, day = tmp_path / "state", bench.test_dates[1]
    assert trade_on_paper(bench, state, "--start", day, "--end", day).exit_code == 0
    decided = [cycle for cycle in journal(state, "commands", "CycleDecided") if not cycle["warmup"]]
    assert len(decided) == 26


def test_limited_mode_warns_watches_and_enters_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with pytest.warns(RuntimeWarning, match="limited mode"):
        result = run_verb(
            "run_live_trading", "--data", "simulated", "--state-dir", state, "--log-level", "error", *TINY
        )
    assert result.exit_code == 0, result.output
    assert len(journal(state, "commands", "AccountMarked")) == 52
    assert not entered(state)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(("--symbols", "S0001,NOPE"), "NOPE", id="symbol-not-in-the-universe"),
        pytest.param(("--symbols-file", "nowhere.txt"), "nowhere.txt", id="no-symbols-file"),
        pytest.param(("--targets", "ret_7m"), "ret_7m", id="target-the-run-lacks"),
        pytest.param(("--broker", "alpaca"), "alpaca", id="broker"),
        pytest.param(("--speed", "fast"), "--speed fast", id="speed-word"),
        pytest.param(("--speed", "-1"), "--speed -1", id="speed-negative"),
        pytest.param(("--start", "2025-02-30"), "--start 2025-02-30", id="start-no-date"),
        pytest.param(("--end", "yesterday"), "--end yesterday", id="end-no-date"),
        pytest.param(("--start", "2031-01-02"), "after the last session", id="start-after-the-data"),
        pytest.param(("--end", "2001-01-02"), "before the first session", id="end-before-the-data"),
        pytest.param(("--start", "2025-02-10"), "before the end of the training data", id="start-in-training"),
        pytest.param(("--profile", "lazy"), "profiles: busy", id="profile"),
        pytest.param(("--set", "sizing.max_wieght=1"), "max_weight", id="key-misspelt"),
        pytest.param(("--set", "sizing"), "section.key=value", id="set-without-value"),
        pytest.param(("--initial-cash", "-5"), "initial_cash_usd", id="cash-negative"),
        pytest.param(("--initial-cash", "nan"), "initial_cash_usd", id="cash-nan"),
        pytest.param(("--log-level", "loud"), "loud", id="log-level"),
        pytest.param(("--interval", "7"), "7", id="interval"),
        pytest.param(("--calendar", "MOON"), "MOON", id="calendar"),
        pytest.param(("--data", "histrical:bars"), "historical", id="data-spec"),
        pytest.param(("--data", "absent.parquet"), "absent.parquet", id="no-data-file"),
        pytest.param(("--run-id", "ghost"), "ghost", id="no-run"),
        pytest.param(("--max-cycles", "0"), "--max-cycles", id="max-cycles-zero"),
        pytest.param(("--wat",), "--wat", id="unknown-flag"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    bench: Bench, tmp_path: Path, change: tuple[str, ...], said: str
) -> None:
    result = trade_on_paper(bench, tmp_path / "state", *change)
    assert result.exit_code == ExitCode.USAGE, result.output
    assert said in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_data_that_lack_a_symbol_of_the_run_are_refused(bench: Bench, tmp_path: Path) -> None:
    result = trade_on_paper(bench, tmp_path / "state", data=bench.narrow)
    assert result.exit_code == ExitCode.USAGE
    assert "trained on S0000 too" in result.output


def test_metrics_are_served_while_it_runs(bench: Bench) -> None:
    result = trade_on_paper(bench, None, "--max-cycles", 1, "--metrics-port", 0)
    assert result.exit_code == 0
    assert "metrics on http://127.0.0.1:" in result.output


def test_a_port_in_use_is_refused(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = trade_on_paper(bench, None, "--metrics-port", taken.getsockname()[1])
    assert result.exit_code == ExitCode.USAGE
    assert "--metrics-port" in result.output


def test_a_log_folder_holds_one_json_object_a_line(bench: Bench, tmp_path: Path) -> None:
    result = trade_on_paper(bench, None, "--max-cycles", 5, "--log-dir", tmp_path / "logs", "--log-level", "info")
    assert result.exit_code == 0
    lines = (tmp_path / "logs" / "live_trading.jsonl").read_text().splitlines()
    assert any(json.loads(line)["event"] == "engine_start" for line in lines)


@dataclass
class Pauses:
    """The time by which a paced clock is held back; nothing else takes any."""

    waited_s: float = 0.0

    async def wait_for(self, waiting: Coroutine[Any, Any, Any], timeout_s: float) -> None:
        waiting.close()
        self.waited_s += timeout_s
        raise TimeoutError


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    made = Pauses()
    monkeypatch.setattr("LIVE_TRADING.common.async_clock.time", SimpleNamespace(monotonic=lambda: made.waited_s))
    monkeypatch.setattr("asyncio.wait_for", made.wait_for)
    return made


def test_recorded_data_play_at_a_multiple_of_real_time(bench: Bench, tmp_path: Path, pauses: Pauses) -> None:
    """Six bars of 15 minutes, 40 minutes a second, from the run's start and from where it stopped."""
    state, day = tmp_path / "state", bench.test_dates[0]
    for _ in range(2):
        pauses.waited_s = 0.0
        result = trade_on_paper(bench, state, "--speed", 2400, "--start", day, "--max-cycles", 3)
        assert result.exit_code == 0, result.output
        assert pauses.waited_s == pytest.approx(3 * 15 / 40, abs=0.1)
    decided = [cycle for cycle in journal(state, "commands", "CycleDecided") if not cycle["warmup"]]
    assert len(decided) == 6


def test_without_a_start_nobody_waits_for_the_time_of_training(bench: Bench, pauses: Pauses) -> None:
    """From the end of training to the first bar it is a night, which takes 0.6 s; from the first bar of all, 32 s."""
    assert trade_on_paper(bench, None, "--speed", 100_000, "--max-cycles", 3).exit_code == 0
    assert 0.6 < pauses.waited_s < 0.7
