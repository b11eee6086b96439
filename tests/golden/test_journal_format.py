"""The journal's format as it was released: files that this and every later version reads.

`PYTHONPATH=. python tests/golden/test_journal_format.py` writes the files of the present format; a released one is
never written again.
"""

from __future__ import annotations

# covers: B8, P18
import gzip
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from LIVE_TRADING.common.codec import decode, encode
from LIVE_TRADING.common.events import MarketData, OrderFill, PredictionsReady, SystemFault
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.types import Side
from LIVE_TRADING.engine.journal import FOLDER, FORMAT, Journal, JournalRecord, read_journal, to_line
from LIVE_TRADING.engine.journal_record import from_line
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.segments import list_segments
from tests.engine.core_desk import plan_of

GOLDEN = Path(__file__).parent / "journal_format_1"

AT = 1_739_284_800 * 10**9
PRICE, FEE = Decimal("36.9835"), Decimal("0.2496")
FILL = OrderFill("lt-a", "x1", "BRK.B", Side.SELL, PRICE, Decimal("135"), FEE, "USD", AT)
RAW, P_PEAK = np.array([[[0.1, np.nan, -0.0]]]), np.array([0.25, np.nan, 1e-300])
PREDICTIONS = PredictionsReady(AT + 300 * 10**9, RAW, P_PEAK, None)
FAULT = SystemFault("data_feed", "Ünïcode ✓ \x00\n", "warning", 2**62)
RECORDS = [
    JournalRecord(0, 1_739_284_500 * 10**9, "run", [{"nonce": "n", "seed": 7}]),
    JournalRecord(1, AT, "event", encode(FILL)),
    JournalRecord(1, AT, "commands", [["Anomaly", {"kind": "unknown_order", "message": "fill x1"}]]),
    JournalRecord(2, AT + 300 * 10**9, "event", encode(PREDICTIONS)),
    JournalRecord(2, AT + 300 * 10**9, "failed", ["Traceback"]),
    JournalRecord(3, 1_739_285_200 * 10**9, "event", encode(FAULT)),
]


def test_released_files_are_read(tmp_path: Path) -> None:
    assert [segment.first_seq for segment in list_segments(copied(tmp_path))] == [0, 2]
    records = list(read_journal(tmp_path / FOLDER))
    assert [(record.seq, record.t_ns, record.kind) for record in records] == [
        (record.seq, record.t_ns, record.kind) for record in RECORDS
    ]
    assert records[0].data == RECORDS[0].data
    assert decode(records[1].data) == FILL
    assert records[2].data == RECORDS[2].data
    predictions = decode(records[3].data)
    assert predictions.raw.tobytes() == PREDICTIONS.raw.tobytes()
    assert predictions.p_peak.tobytes() == PREDICTIONS.p_peak.tobytes()
    assert predictions.p_valley is None
    assert decode(records[5].data) == FAULT


def test_the_next_process_goes_on_behind_released_files(tmp_path: Path) -> None:
    copied(tmp_path)
    journal = Journal(tmp_path)
    assert journal.cut_bytes == 0
    journal.close()
    assert len(list(read_journal(tmp_path / FOLDER))) == len(RECORDS)


def test_what_is_written_today_is_what_was_released() -> None:
    if FORMAT == 1:
        assert b"".join(map(to_line, RECORDS[:3])) == gzip.decompress((GOLDEN / "000000000000.jsonl.gz").read_bytes())
        assert b"".join(map(to_line, RECORDS[3:])) == (GOLDEN / "000000000002.jsonl").read_bytes()


def test_a_quote_is_written_as_it_was_released_and_read_back() -> None:
    """A kind of event that came after format 1: what a line is stays the same."""
    told = MarketData("BRK.B", AT, price=36.98, bid=36.97, ask=36.99, bid_size=200.0, traded_ns=AT - 1)
    record = JournalRecord(4, AT + 1, "event", encode(told))
    line = (
        b'{"crc":"0c2cb1e2","body":{"format":1,"seq":4,"t_ns":1739284800000000001,"kind":"event",'
        b'"data":["MarketData",{"asset":"BRK.B","timestamp_ns":1739284800000000000,"price":36.98,"volume":null,'
        b'"bid":36.97,"ask":36.99,"bid_size":200.0,"ask_size":null,"traded_ns":1739284799999999999}]}}\n'
    )
    assert to_line(record) == line
    back = decode(from_line(line, "golden").data)
    assert repr(back) == repr(told)


def test_an_event_that_a_version_does_not_know_is_refused_by_its_number_and_name() -> None:
    """So a version from before quotes says of a journal that holds some; it never passes over them."""
    plan = plan_of()
    records = [JournalRecord(1, AT, "event", ["MarketTick", {"asset": "BRK.B"}])]
    with pytest.raises(StateError, match="event 1 is none that this version knows: event type MarketTick is unknown"):
        feed_journal(plan.core(), records)


def test_a_newer_format_is_refused_by_file_and_line(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    newer = to_line(RECORDS[5]).replace(b'"format":1', b'"format":2')
    body = newer[len(b'{"crc":"00000000","body":') : -2]
    (folder / "000000000002.jsonl").write_bytes(to_line(RECORDS[3]) + line_of(body))
    with pytest.raises(StateError, match=r"0002\.jsonl:2: format 2 is newer than 1: use a newer version"):
        list(read_journal(folder))


def test_a_bit_flipped_in_any_byte_is_refused_by_file_and_line_or_is_a_torn_end(
    tmp_path: Path,
) -> None:
    folder = copied(tmp_path)
    whole = list(read_journal(folder))
    path = folder / "000000000002.jsonl"
    data = path.read_bytes()
    for position in range(len(data)):
        altered = bytearray(data)
        altered[position] ^= 1 << (position % 8)
        path.write_bytes(altered)
        if position == len(data) - 1:  # the last newline: as if the record had not been written to its end
            assert list(read_journal(folder)) == whole[:-1]
            continue
        with pytest.raises(StateError, match=r"000000000002\.jsonl:\d: ") as refused:
            list(read_journal(folder))
        number = int(str(refused.value).split(".jsonl:")[1].split(":")[0])
        assert number == 1 + data.count(b"\n", 0, position)


def copied(state_dir: Path) -> Path:
    folder = state_dir / FOLDER
    folder.mkdir()
    for path in sorted(GOLDEN.iterdir()):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def line_of(body: bytes) -> bytes:
    import zlib

    return b'{"crc":"%08x","body":%b}\n' % (zlib.crc32(body), body)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    first, second = b"".join(map(to_line, RECORDS[:3])), b"".join(map(to_line, RECORDS[3:]))
    (GOLDEN / "000000000000.jsonl.gz").write_bytes(gzip.compress(first, mtime=0))
    (GOLDEN / "000000000002.jsonl").write_bytes(second)
