"""The journal: what is written is read back, what a crash tore is cut, what was altered is named."""

from __future__ import annotations

# covers: B8, P4, P18
import errno
import os
import zlib
from pathlib import Path

import numpy as np
import orjson
import pytest

from LIVE_TRADING.common.codec import decode
from LIVE_TRADING.common.events import OrderAck, PredictionsReady, Stamped, SystemFault
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OsFileLayer
from LIVE_TRADING.engine.commands import Anomaly, BanditUpdated, CancelOrder, Command
from LIVE_TRADING.engine.journal import (
    FOLDER,
    FORMAT,
    Journal,
    JournalRecord,
    from_line,
    read_journal,
    to_line,
    torn_tail,
)

COMMANDS: list[Command] = [CancelOrder("lt-a", "AAA", 37), Anomaly("late_bar", "Ünïcode ✓ and \x00 and \n")]


def stamped(seq: int, order_id: str = "lt-a") -> Stamped:
    return Stamped(seq, 1_000 + seq, OrderAck(order_id, 7))


def written(folder: Path) -> Path:
    """A journal of a run, two events, one with commands, and a failed one."""
    journal = Journal(folder)
    journal.append_run(0, {"nonce": "n"})
    journal.append_event(stamped(1))
    journal.append_commands(stamped(1), COMMANDS)
    journal.append_event(stamped(2))
    journal.append_commands(stamped(2), [])
    journal.append_event(stamped(3))
    journal.append_failure(stamped(3), "Traceback\n  …\nValueError: \udcff")
    journal.close()
    return journal.path


def kinds(path: Path) -> list[tuple[int, str]]:
    """Return what stands in the journal that a segment belongs to."""
    return [(record.seq, record.kind) for record in read_journal(path.parent)]


WHOLE = [(0, "run"), (1, "event"), (1, "commands"), (2, "event"), (3, "event"), (3, "failed")]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = written(tmp_path)
    records = list(read_journal(path.parent))
    assert kinds(path) == WHOLE
    assert records[0].data == [{"nonce": "n"}]
    assert decode(records[1].data) == stamped(1).event
    assert records[2].data == [
        ["CancelOrder", {"client_order_id": "lt-a", "symbol": "AAA", "reason": 37}],
        ["Anomaly", {"kind": "late_bar", "message": "Ünïcode ✓ and \x00 and \n"}],
    ]
    assert records[2].t_ns == 1_001
    assert "\\udcff" in records[5].data[0]
    assert path.read_bytes().count(b"\n") == len(WHOLE)


def test_a_second_process_appends(tmp_path: Path) -> None:
    path = written(tmp_path)
    journal = Journal(tmp_path)
    assert journal.cut_bytes == 0
    journal.append_event(stamped(4))
    journal.close()
    assert kinds(path) == [*WHOLE, (4, "event")]


def test_a_record_torn_at_any_byte_is_cut_and_the_rest_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = path.read_bytes()
    last = data.rfind(b"\n", 0, -1) + 1
    for size in range(last, len(data)):
        path.write_bytes(data[:size])
        assert kinds(path) == WHOLE[:-1]
        assert torn_tail(path.parent) == size - last
        journal = Journal(tmp_path)
        assert journal.cut_bytes == size - last
        assert path.read_bytes() == data[:last]
        journal.append_event(stamped(4))
        journal.close()
        assert kinds(path) == [*WHOLE[:-1], (4, "event")]
        assert torn_tail(path.parent) == 0


def test_zeros_that_a_power_cut_left_are_cut(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data + b"\0" * 4096)
    assert Journal(tmp_path).cut_bytes == 4096
    assert path.read_bytes() == data


def test_a_byte_changed_anywhere_is_named_with_its_place(tmp_path: Path) -> None:
    """Every byte of a record in the middle, each with one bit flipped; a newline or its loss included."""
    path = written(tmp_path)
    data = path.read_bytes()
    start = data.find(b"\n") + 1
    end = data.find(b"\n", start)
    for position in range(start, end + 1):
        altered = bytearray(data)
        altered[position] ^= 1 << (position % 7)
        path.write_bytes(altered)
        with pytest.raises(StateError, match=r"journal/000000000000\.jsonl:2"):
            list(read_journal(path.parent))


def test_a_line_that_is_gone_in_the_middle_of_a_record_is_named(tmp_path: Path) -> None:
    path = written(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2][:50] + b"\n", *lines[3:]]))
    with pytest.raises(StateError, match=r"journal/000000000000\.jsonl:3: the record is torn"):
        list(read_journal(path.parent))


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    body = orjson.dumps({"format": FORMAT + 1, "seq": 1, "t_ns": 0, "kind": "event", "data": []})
    line = b'{"crc":"%08x","body":%b}\n' % (zlib.crc32(body), body)
    with pytest.raises(StateError, match=r"here: format 2 is newer than 1: use a newer version"):
        from_line(line, "here")


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"format":1}', b'{"format":"x"}', b"nonsense", b"null"])
def test_a_line_that_checks_and_is_no_record_is_refused(body: bytes) -> None:
    with pytest.raises(StateError, match="here: no journal record"):
        from_line(b'{"crc":"%08x","body":%b}\n' % (zlib.crc32(body), body), "here")


def test_a_line_round_trips() -> None:
    record = JournalRecord(7, 2**62, "event", ["OrderAck", {"a": [1.5, None, -0.0]}])
    assert from_line(to_line(record), "here") == record
    assert str(from_line(to_line(record), "here").data[1]["a"][2]) == "-0.0"


def test_an_absent_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="journal: there is no journal"):
        list(read_journal(tmp_path / FOLDER))


# -- what cannot be written ------------------------------------------------------------------------------------------


def test_infinity_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for raw in (np.full((1, 1, 2), np.inf), np.array([[[np.nan, -np.inf]]])):
        with pytest.raises(ValueError, match="infinity"):
            journal.append_event(Stamped(1, 0, PredictionsReady(5, raw, None, None)))
    with pytest.raises(ValueError, match="infinity"):
        journal.append_commands(stamped(1), [BanditUpdated(1, (float("inf"),))])
    with pytest.raises(ValueError, match="surrogate"):
        journal.append_event(Stamped(1, 0, SystemFault("a", "\udcff", "warning", 0)))
    assert journal.path.read_bytes() == b""
    journal.append_event(stamped(1))
    journal.close()
    assert kinds(journal.path) == [(1, "event")]


def test_nan_is_null_and_minus_zero_is_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append_event(Stamped(1, 0, PredictionsReady(5, np.array([[[np.nan, -0.0]]]), None, None)))
    journal.close()
    assert b"[[[null,-0.0]]]" in journal.path.read_bytes()
    (record,) = read_journal(journal.folder)
    back = decode(record.data)
    assert np.isnan(back.raw[0, 0, 0])
    assert np.signbit(back.raw[0, 0, 1])


class FailingLayer(OsFileLayer):
    """Fails at the named operation while `failing`; a failing write leaves a part of its bytes."""

    def __init__(self, operation: str, code: int = errno.ENOSPC, part: int = 40) -> None:
        self.operation, self.code, self.part, self.failing = operation, code, part, True

    def _may_fail(self, name: str) -> None:
        if self.failing and name == self.operation:
            raise OSError(self.code, os.strerror(self.code))

    def write(self, descriptor: int, data: bytes) -> None:
        if self.failing and self.operation in ("write", "write, truncate"):
            super().write(descriptor, data[: self.part])
            raise OSError(self.code, os.strerror(self.code))
        super().write(descriptor, data)

    def fdatasync(self, descriptor: int) -> None:
        self._may_fail("fdatasync")
        super().fdatasync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        self._may_fail("truncate")
        if self.failing and self.operation == "write, truncate":
            raise OSError(self.code, os.strerror(self.code))
        super().truncate(descriptor, size)

    def open_append(self, path: Path) -> int:
        self._may_fail("open_append")
        return super().open_append(path)

    def fsync_folder(self, folder: Path) -> None:
        self._may_fail("fsync_folder")
        super().fsync_folder(folder)

    def read_bytes(self, path: Path) -> bytes:
        self._may_fail("read_bytes")
        return super().read_bytes(path)


@pytest.mark.parametrize("operation", ["write", "write, truncate"])
@pytest.mark.parametrize("part", [0, 1, 40])
def test_a_full_disk_is_said_and_the_journal_takes_nothing_more(tmp_path: Path, operation: str, part: int) -> None:
    path = written(tmp_path)
    files = FailingLayer(operation, part=part)
    journal = Journal(tmp_path, files=files)
    with pytest.raises(StateError, match=r"journal/000000000000\.jsonl: cannot be written \(No space left on device\)"):
        journal.append_event(stamped(4))
    files.failing = False
    for attempt in (
        lambda: journal.append_event(stamped(4)),
        lambda: journal.append_commands(stamped(4), COMMANDS),
        lambda: journal.append_failure(stamped(4), "why"),
        journal.sync,
    ):
        with pytest.raises(StateError, match="nothing more is written"):
            attempt()
    journal.close()
    assert kinds(path) == WHOLE
    again = Journal(tmp_path)
    again.append_event(stamped(4))
    again.close()
    assert kinds(path) == [*WHOLE, (4, "event")]


def test_a_sync_that_failed_once_is_not_believed_the_second_time(tmp_path: Path) -> None:
    files = FailingLayer("fdatasync", errno.EIO)
    journal = Journal(tmp_path, files=files)
    journal.append_event(stamped(1))
    with pytest.raises(StateError, match="cannot be synced"):
        journal.sync()
    files.failing = False
    with pytest.raises(StateError, match="nothing more is written"):
        journal.sync()
    journal.close()


@pytest.mark.parametrize("operation", ["open_append", "read_bytes", "fsync_folder"])
def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path, operation: str) -> None:
    with pytest.raises(StateError, match=r"cannot be (opened|made)"):
        Journal(tmp_path, files=FailingLayer(operation, errno.EROFS))


def test_syncing_is_only_done_where_something_is_new(tmp_path: Path) -> None:
    files = FailingLayer("fdatasync")
    journal = Journal(tmp_path, files=files)
    journal.sync()
    files.failing = False
    journal.append_event(stamped(1))
    journal.sync()
    files.failing = True
    journal.sync()
    journal.close()
