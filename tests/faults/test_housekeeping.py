"""Old segments are compressed, and removed only where that was asked for; a disk that runs full stops new risk."""

from __future__ import annotations

# covers: B8, B15, P18
import asyncio
import itertools
import json
from pathlib import Path

import pytest
from small_session import Promises, engine_over, losses, panel, trade

from LIVE_TRADING.cli.replay import replay_session
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OsFileLayer
from LIVE_TRADING.engine.archive import compress_closed, journal_start
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.segments import list_segments
from LIVE_TRADING.risk import TradingState


def events_of(state_dir: Path) -> list[int]:
    return [record.seq for record in read_journal(state_dir / FOLDER) if record.kind == "event"]


def generations(state_dir: Path) -> list[int]:
    return sorted(int(path.stem.removeprefix("arrays-")) for path in state_dir.glob("arrays-*.npz"))


def test_what_the_older_checkpoint_needs_stays_plain_and_the_rest_is_compressed(tmp_path: Path) -> None:
    trade(tmp_path, Promises())
    older = generations(tmp_path)[-2]
    segments = list_segments(tmp_path / FOLDER)
    assert len(segments) >= 4
    for segment, following in itertools.pairwise(segments):
        ended = following.first_seq <= older + 1
        assert (segment.is_packed, segment.is_plain) == (ended, not ended)
    assert not segments[-1].is_packed
    assert events_of(tmp_path) == list(range(1, max(events_of(tmp_path)) + 1))


def test_a_damaged_segment_is_not_compressed(tmp_path: Path) -> None:
    trade(tmp_path, Promises(), arrays_s=1e6)  # checkpoints at the sessions' ends only
    segments = list_segments(tmp_path / FOLDER)
    victim = next(segment for segment in segments if segment.is_plain)
    data = bytearray(victim.plain.read_bytes())
    data[data.index(b'"kind"') + 1] ^= 1  # within a body: in a frame it would be called torn
    victim.plain.write_bytes(data)
    with pytest.raises(StateError, match=rf"{victim.plain.name}:\d+: the record was altered"):
        compress_closed(tmp_path / FOLDER, 10**9)
    assert victim.plain.read_bytes() == data
    assert not victim.packed.exists()


def test_exports_do_not_depend_on_compression(tmp_path: Path) -> None:
    """A segment that cannot be compressed is an error at the end, after all that a monitor reads has been written."""
    state, venue = tmp_path / "state", tmp_path / "venue.json"
    engine = engine_over(state, Promises(), venue_file=venue, arrays_s=1e6)
    asyncio.run(engine.run(max_cycles=40))
    engine.close()
    first = next(segment.plain for segment in list_segments(state / FOLDER) if segment.is_plain)
    first.write_bytes(first.read_bytes().replace(b'"kind"', b'"kinD"', 1))
    again = engine_over(state, Promises(), venue_file=venue, arrays_s=1e6)
    with pytest.raises(StateError, match=rf"{first.name}:1: the record was altered"):
        asyncio.run(again.run())
    again.close()
    assert json.loads((state / "engine_state.json").read_bytes())["journal_seq"] == again.recovered.driver.seq
    assert generations(state)[-1] == again.recovered.driver.seq


def test_without_retention_everything_is_kept(tmp_path: Path) -> None:
    trade(tmp_path, Promises())
    assert journal_start(tmp_path / FOLDER)[0] == 0
    assert generations(tmp_path)[0] == 0
    assert len(generations(tmp_path)) == 3


def test_retention_says_what_it_cut_and_the_rest_replays_and_restarts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    promises = Promises()
    trade(tmp_path, promises, journal_keep_days=0.1)
    cut, run = journal_start(tmp_path / FOLDER)
    assert cut > 0
    assert generations(tmp_path)[0] == cut
    records = list(read_journal(tmp_path / FOLDER))
    assert [record.kind for record in records[:2]] == ["run", "cut"]
    assert records[1].seq == cut
    first = min(seq for seq in events_of(tmp_path))
    assert 1 < first <= cut + 1
    last_ns = panel().sessions.sessions[-1].close_ns
    oldest_needed = [record for record in records if record.t_ns >= last_ns - 8_640 * 10**9 and record.kind == "event"]
    assert oldest_needed[0].seq > cut  # nothing younger was cut
    assert run.data == records[0].data
    # orders of the time that was cut are not on file any more, and nothing else is missing
    assert all("was sent and is not on file" in lost for lost in losses(tmp_path, promises))
    assert replay_session(tmp_path, None, None) == 0
    said = capsys.readouterr().out
    assert f"events up to {cut} were removed by engine.journal_keep_days" in said
    assert "all as recorded" in said


@pytest.mark.parametrize("kept_days", [30.0, 5.0])
def test_retention_removes_nothing_that_is_younger(tmp_path: Path, kept_days: float) -> None:
    promises = Promises()
    trade(tmp_path, promises, journal_keep_days=kept_days)
    assert journal_start(tmp_path / FOLDER)[0] == 0
    assert losses(tmp_path, promises) == []
    firsts = [segment.first_seq for segment in list_segments(tmp_path / FOLDER)]
    bases = generations(tmp_path)
    assert len(bases) > 3  # a replay may begin in any segment but for the last ones
    assert all(any(first - 1 <= base for base in bases) for first in firsts[:-1])


class FillingDisk(OsFileLayer):
    """Has as much room as it is told."""

    free_mb = 10_000.0

    def free_bytes(self, folder: Path) -> int:
        return round(self.free_mb * 2**20)


@pytest.mark.parametrize(
    ("free_mb", "expected"),
    [(513.0, TradingState.ACTIVE), (511.0, TradingState.REDUCE_ONLY), (63.0, TradingState.HALTED)],
)
def test_a_disk_that_runs_full_stops_new_risk_then_everything(
    tmp_path: Path, free_mb: float, expected: TradingState
) -> None:
    disk, promises = FillingDisk(), Promises()
    disk.free_mb = free_mb
    engine = trade(tmp_path, promises, disk, min_free_disk_mb=512.0)
    assert engine.core.state.risk.state is expected
    if expected is not TradingState.ACTIVE:
        assert promises.sent == []
        (latch,) = engine.core.state.risk.latches
        assert latch.rule_id in ("disk_low", "disk_full")
        assert f"{free_mb:.0f} MB free" in latch.message


def test_a_full_disk_is_told_once_and_latches(tmp_path: Path) -> None:
    disk = FillingDisk()
    disk.free_mb = 100.0
    engine = engine_over(tmp_path, Promises(), disk, min_free_disk_mb=512.0)
    asyncio.run(engine.run(max_cycles=3))
    engine.close()
    faults = [
        record
        for record in read_journal(tmp_path / FOLDER)
        if record.kind == "event" and record.data[0] == "SystemFault"
    ]
    assert [record.data[1]["error_type"] for record in faults] == ["disk_low"]
    disk.free_mb = 10_000.0
    again = trade(tmp_path, Promises(), disk, min_free_disk_mb=512.0)
    assert again.core.state.risk.state is TradingState.REDUCE_ONLY
