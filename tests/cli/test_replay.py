"""`python -m bin.replay_session`."""

from __future__ import annotations

# covers: P26, P17
import re
import shutil
from pathlib import Path

import numpy as np
import orjson
import pytest
from cli_bench import Bench, contents, digest_of, journal, run_verb, trade_on_paper
from market_files import SYMBOLS

from LIVE_TRADING.cli.exits import ExitCode
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.engine.commands import CycleDecided
from LIVE_TRADING.engine.cycle import STAGES, CycleResult
from LIVE_TRADING.engine.journal import FOLDER, JournalRecord, read_journal, to_line
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.resume import recorded_run, start_core
from tests.support.journals import journal_lines, last_segment, write_journal


def results_of(state: Path) -> list[CycleResult]:
    """Replay, and return every cycle that was decided."""
    run = recorded_run(state)
    assert run is not None
    found: list[CycleResult] = []
    feed_journal(
        start_core(state, run),
        read_journal(state / FOLDER),
        listener=lambda _, commands: found.extend(c.result for c in commands if isinstance(c, CycleDecided)),
    )
    return found


def rewrite(state: Path, change: dict[int, dict[str, object]]) -> None:
    """Change fields of events by sequence number, checksums mended."""
    lines = []
    for record in read_journal(state / FOLDER):
        if record.kind == "event" and record.seq in change:
            record = JournalRecord(
                record.seq, record.t_ns, record.kind, [record.data[0], record.data[1] | change[record.seq]]
            )
        lines.append(to_line(record))
    write_journal(state, lines)


def test_a_session_replays_to_its_digest(recorded: Path) -> None:
    result = run_verb("replay_session", "--state-dir", recorded)
    assert result.exit_code == 0, result.output
    assert "all as recorded" in result.output
    assert digest_of(recorded) in result.output


def test_a_changed_fill_is_named(recorded: Path, tmp_path: Path) -> None:
    state = Path(shutil.copytree(recorded, tmp_path / "state"))
    fill = next(r for r in read_journal(state / FOLDER) if r.kind == "event" and r.data[0] == "OrderFill")
    rewrite(state, {fill.seq: {"fill_price": "1.23"}})
    result = run_verb("replay_session", "--state-dir", state)
    assert result.exit_code == ExitCode.HALTED
    assert "first difference at event" in result.output


def test_a_torn_tail_is_told_and_left_out(recorded: Path, tmp_path: Path) -> None:
    state = Path(shutil.copytree(recorded, tmp_path / "state"))
    with last_segment(state).open("ab") as file:
        file.write(b'{"crc":"00"')
    result = run_verb("replay_session", "--state-dir", state)
    assert result.exit_code == 0
    assert "torn record of 11 bytes" in result.output


@pytest.mark.parametrize("kept", ["journal", "arrays", "exports"])
def test_a_journal_whose_end_is_lost_is_not_proven_and_not_gone_on_from(
    bench: Bench, recorded: Path, tmp_path: Path, kept: str
) -> None:
    """40 whole lines are gone. Each file that follows a later event tells, and nothing is written over them."""
    state = Path(shutil.copytree(recorded, tmp_path / "state"))
    lines = journal_lines(state)
    last = max(record.seq for record in read_journal(state / FOLDER))
    if kept != "journal":
        write_journal(state, lines[:-40])
    ends = max(record.seq for record in read_journal(state / FOLDER))
    newest = sorted(state.glob("arrays-*.npz"))[-1]
    if kept == "exports":
        for path in sorted(state.glob("arrays-*.npz")):
            if path.name > f"arrays-{ends:012d}.npz":
                path.unlink()
    before = contents(state)
    result = run_verb("replay_session", "--state-dir", state)
    if kept == "journal":
        assert result.exit_code == 0
        return
    name = newest.name if kept == "arrays" else "engine_state.json"
    said = f"ends with event {ends}, but {name} follows event {last}: the journal's end is lost; restore it from a copy"
    assert result.exit_code == ExitCode.HALTED
    assert said in result.output
    assert str(state / FOLDER) in result.output
    assert "all as recorded" not in result.output
    refused = trade_on_paper(bench, state, "--max-cycles", 3)
    assert refused.exit_code == ExitCode.HALTED
    assert f"ends with event {ends}," in refused.output
    assert "restore it from a copy" in refused.output
    assert str(state / FOLDER) in refused.output
    assert {k: v for k, v in contents(state).items() if k != ".lock"} == {
        k: v for k, v in before.items() if k != ".lock"
    }


def test_another_machine_is_told(recorded: Path, tmp_path: Path) -> None:
    state = Path(shutil.copytree(recorded, tmp_path / "state"))
    records = list(read_journal(state / FOLDER))
    run = records[0].data[0] | {"cpu_fingerprint": "abacus"}
    records[0] = JournalRecord(records[0].seq, records[0].t_ns, records[0].kind, [run])
    write_journal(state, map(to_line, records))
    result = run_verb("replay_session", "--state-dir", state)
    assert result.exit_code == 0
    assert "recorded on abacus" in result.output


def number_after(text: str, words: str) -> float:
    found = re.search(re.escape(words) + r"\s*([+-]?(?:nan|[\d.]+))", text)
    assert found is not None, f"{words!r} not in {text!r}"
    return float(found.group(1))


def test_the_numbers_of_an_explanation_are_those_of_the_trace(recorded: Path) -> None:
    chosen = next(r for r in results_of(recorded) if r.orders)
    trace, order = chosen.trace, chosen.orders[0]
    assert trace is not None
    column = SYMBOLS.index(order.symbol)
    at = iso_utc(chosen.scheduled_time_ns)
    result = run_verb("replay_session", "--state-dir", recorded, "--explain", order.symbol, "--at", at)
    assert result.exit_code == 0, result.output
    lines = result.stdout.split("\n\n")[0].splitlines()
    assert lines[0] == f"cycle {chosen.cycle_number}, {at}, {order.symbol}"
    assert [line.split()[0] for line in lines[1:8]] == list(STAGES)
    prediction, blending, arbitration, barrier, spread, sizing, risk = lines[1:8]
    near = pytest.approx
    run = recorded_run(recorded)
    assert run is not None
    for row, horizon in enumerate(run.horizons):
        z, c = trace.predictions.z[row, 0, column], trace.predictions.confidence[row, 0, column]
        assert number_after(prediction, f"{horizon}/ridge z") == near(z, abs=0.005, nan_ok=True)
        assert number_after(prediction.split(f"{horizon}/ridge")[1], " c") == near(c, abs=5e-5, nan_ok=True)
        alpha = trace.blend.alpha_bps[row, column]
        assert number_after(blending, f"{horizon} ") == near(alpha, abs=5e-4, nan_ok=True)
    assert number_after(arbitration, "cost ") == near(trace.arbitration.cost_bps[column], abs=0.005)
    net = [float(text) for text in arbitration.split("net by horizon ")[1].split(" (")[0].split(", ")]
    np.testing.assert_allclose(net, trace.arbitration.net_bps[:, column], atol=0.005)
    assert number_after(barrier, "size factor ") == near(trace.barrier.factor[column], abs=0.005)
    assert number_after(spread, "bps (at most ") == 1000.0
    assert number_after(spread, " spread ") == near(trace.spread.spread_bps[column], abs=0.005)
    assert number_after(sizing, "raw weight ") == near(trace.sizing.raw_weight[column], abs=5e-5)
    assert number_after(sizing, "target ") == near(trace.sizing.target_weight[column], abs=5e-5)
    assert number_after(sizing, f"{trace.sizing.target_weight[column]:+.4f}, ") == trace.sizing.target_shares[column]
    assert f"{order.leg} {order.side} {order.quantity}" in risk
    assert lines[8].startswith("settled by ")


def test_without_an_instant_every_cycle_that_acted_is_explained(recorded: Path) -> None:
    symbol = results_of(recorded)[-20].symbols[3]
    acted = sum(
        any(entry.symbol == symbol for entry in (*result.orders, *result.rejections)) for result in results_of(recorded)
    )
    shown = run_verb("replay_session", "--state-dir", recorded, "--explain", symbol).stdout
    assert shown.count("settled by ") == acted > 0


def test_an_instant_without_a_cycle_is_refused(recorded: Path) -> None:
    result = run_verb("replay_session", "--state-dir", recorded, "--explain", "S0001", "--at", "2025-03-14T03:00:00Z")
    assert result.exit_code == ExitCode.USAGE
    assert "--at 2025-03-14T03:00:00Z: no cycle was decided then" in result.output


def test_a_symbol_on_which_nothing_acted_is_told(bench: Bench, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert trade_on_paper(bench, state, "--max-cycles", 12, "--symbols", "S0002").exit_code == 0
    result = run_verb("replay_session", "--state-dir", state, "--explain", "S0001")
    assert result.exit_code == 0
    assert "no cycle acted on S0001" in result.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(("--explain", "NOPE"), "--explain NOPE", id="symbol"),
        pytest.param(("--explain", "S0001", "--at", "noon"), "--at noon", id="no-instant"),
        pytest.param(("--explain", "S0001", "--at", "2025-03-14T15:00:00"), "with its zone", id="naive-instant"),
        pytest.param(("--at", "2025-03-14T15:00:00Z"), "--explain SYMBOL", id="instant-without-symbol"),
    ],
)
def test_what_cannot_be_explained_is_refused(recorded: Path, change: tuple[str, ...], said: str) -> None:
    result = run_verb("replay_session", "--state-dir", recorded, *change)
    assert result.exit_code == ExitCode.USAGE
    assert said in result.output


def test_a_folder_without_a_session_is_refused(tmp_path: Path) -> None:
    result = run_verb("replay_session", "--state-dir", tmp_path)
    assert result.exit_code == ExitCode.USAGE
    assert "no journal" in result.output


def test_replay_reads_and_writes_nothing(recorded: Path, tmp_path: Path) -> None:
    state = Path(shutil.copytree(recorded, tmp_path / "state"))
    before = {path: path.read_bytes() for path in sorted(state.rglob("*")) if path.is_file()}
    assert run_verb("replay_session", "--state-dir", state).exit_code == 0
    assert {path: path.read_bytes() for path in sorted(state.rglob("*")) if path.is_file()} == before
    assert orjson.loads((state / "engine_state.json").read_bytes())
    assert journal(state, "event", "OrderFill")
