"""What a start says of a journal that it can go on from and that no replay can read any more."""

from __future__ import annotations

# covers: P18, P21
import gzip
from pathlib import Path

import numpy as np
import pytest

from LIVE_TRADING.common.events import OrderAck, Stamped
from LIVE_TRADING.engine.archive import compress_closed
from LIVE_TRADING.engine.checkpoint import arrays_name
from LIVE_TRADING.engine.journal import Journal, read_journal
from LIVE_TRADING.engine.journal_health import remarks
from LIVE_TRADING.engine.segments import Segment, list_segments
from LIVE_TRADING.models.snapshot import encode_arrays

LAST = 40


@pytest.fixture
def state(tmp_path: Path) -> Path:
    journal = Journal(tmp_path, segment_bytes=1000)
    journal.append_run(0, {"nonce": "n"})
    for seq in range(1, LAST + 1):
        journal.append_event(Stamped(seq, 1_000 + seq, OrderAck(f"lt-{seq}", 7)))
        journal.sync()
    journal.close()
    (tmp_path / arrays_name(0)).write_bytes(encode_arrays({"core": {"json": np.zeros(100, dtype=np.uint8)}}))
    return tmp_path


def segments(state: Path) -> list[Segment]:
    return list_segments(state / "journal")


def pack(segment: Segment) -> bytes:
    data = segment.plain.read_bytes()
    segment.packed.write_bytes(gzip.compress(data))
    return data


def test_a_whole_journal_needs_no_remark(state: Path) -> None:
    assert remarks(state, LAST) == ()
    compress_closed(state / "journal", LAST)
    assert remarks(state, LAST) == ()


def test_a_missing_start_is_told(state: Path) -> None:
    (state / arrays_name(0)).unlink()
    (said,) = remarks(state, LAST)
    assert said.startswith(f"{state / arrays_name(0)}: is missing; without it this session cannot be replayed")
    assert said.endswith("restore it from a copy")


@pytest.mark.parametrize("what", ["empty", "half", "a-bit"])
def test_a_damaged_start_is_told(state: Path, what: str) -> None:
    start = state / arrays_name(0)
    data = bytearray(start.read_bytes())
    data[len(data) // 2] ^= 1
    start.write_bytes({"empty": b"", "half": data[: len(data) // 2], "a-bit": bytes(data)}[what])
    (said,) = remarks(state, LAST)
    assert said.startswith(f"{start}: is damaged (")
    assert said.endswith("restore it from a copy")


@pytest.mark.parametrize("packed", [False, True])
def test_a_missing_segment_before_the_checkpoint_is_told(state: Path, packed: bool) -> None:
    _, gone, following, *_ = segments(state)
    if packed:
        compress_closed(state / "journal", gone.first_seq - 1)
        assert segments(state)[0].is_plain is False
    gone.plain.unlink()
    (said,) = remarks(state, LAST)
    events = f"events {gone.first_seq} to {following.first_seq - 1}"
    assert said.startswith(f"{gone.plain}: is missing, {events}; without it this session cannot be replayed")


def test_a_damaged_segment_before_the_checkpoint_is_told_with_its_line(state: Path) -> None:
    damaged = segments(state)[1]
    damaged.plain.write_bytes(damaged.plain.read_bytes().replace(b'"kind"', b'"kinD"', 1))
    (said,) = remarks(state, LAST)
    assert said.startswith(f"{damaged.plain}:1: the record was altered")


def test_what_is_after_the_checkpoint_is_for_the_restart_itself(state: Path) -> None:
    gone = segments(state)[2]
    gone.plain.unlink()
    assert remarks(state, gone.first_seq - 1) == ()


@pytest.mark.parametrize("kept", [0, 20, "a whole line"])
def test_a_damaged_plain_form_gives_way_to_the_whole_compressed_one(state: Path, kept: int | str) -> None:
    """Nothing is lost: what a crash left of a plain form is no reason to overwrite or to refuse the other."""
    expected = list(read_journal(state / "journal"))
    first = segments(state)[0]
    whole = pack(first)
    first.plain.write_bytes(whole[: whole.index(b"\n") + 1 if isinstance(kept, str) else kept])
    assert list(read_journal(state / "journal")) == expected
    assert remarks(state, LAST) == (f"{first.plain}: is damaged; its whole compressed form is read instead",)
    compress_closed(state / "journal", segments(state)[1].first_seq - 1)
    assert not first.plain.exists()
    assert gzip.decompress(first.packed.read_bytes()) == whole
    assert list(read_journal(state / "journal")) == expected
