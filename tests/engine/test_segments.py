"""Segments: where the journal is cut into files, and that it is read as one."""

from __future__ import annotations

# covers: B8, P18
import gzip
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from LIVE_TRADING.common.events import OrderAck, Stamped
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.engine.commands import RequestSnapshot
from LIVE_TRADING.engine.journal import FOLDER, Journal, read_journal
from LIVE_TRADING.engine.recovery import entries
from LIVE_TRADING.engine.segments import list_segments, torn_tail

SIZE = 1000  # bytes; a record is about 110


def event(seq: int) -> Stamped:
    return Stamped(seq, 1_000 + seq, OrderAck(f"lt-{seq}", 7))


def written(state_dir: Path, n_events: int = 40) -> Path:
    """A journal of many segments; return its folder."""
    journal = Journal(state_dir, segment_bytes=SIZE)
    journal.append_run(0, {"nonce": "n"})
    for seq in range(1, n_events + 1):
        journal.append_event(event(seq))
        journal.sync()
    journal.close()
    return journal.folder


def events_of(folder: Path, after_seq: int = 0) -> list[int]:
    return [record.seq for record in read_journal(folder, after_seq=after_seq) if record.kind == "event"]


def pack(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


def test_segments_are_named_by_their_first_event_and_read_as_one(tmp_path: Path) -> None:
    folder = written(tmp_path)
    segments = list_segments(folder)
    assert len(segments) >= 4
    assert segments[0].first_seq == 0
    for segment, following in itertools.pairwise(segments):
        assert SIZE <= segment.plain.stat().st_size < 2 * SIZE
        assert following.plain.read_bytes().startswith(b'{"crc":"')
        assert f'"seq":{following.first_seq},'.encode() in following.plain.read_bytes().splitlines()[0]
    assert events_of(folder) == list(range(1, 41))


def test_a_session_end_closes_the_segment_at_the_next_event(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append_run(0, {})
    journal.append_event(event(1))
    journal.close_segment()
    journal.append_event(event(2))  # what stands there is not durable yet
    assert journal.wants_sync
    journal.sync()
    journal.append_event(event(3))
    journal.close()
    assert [segment.first_seq for segment in list_segments(journal.folder)] == [0, 3]
    assert events_of(journal.folder) == [1, 2, 3]


def test_twice_the_size_is_not_waited_for(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=SIZE)
    journal.append_run(0, {})
    for seq in range(1, 60):
        journal.append_event(event(seq))  # nobody syncs
    journal.close()
    sizes = [segment.plain.stat().st_size for segment in list_segments(journal.folder)]
    assert all(2 * SIZE <= size < 3 * SIZE for size in sizes[:-1])
    assert len(sizes) >= 3


def test_the_next_process_goes_on_in_the_last_segment(tmp_path: Path) -> None:
    folder = written(tmp_path)
    before = list_segments(folder)
    journal = Journal(tmp_path, segment_bytes=10 * SIZE)
    journal.append_event(event(41))
    journal.close()
    assert list_segments(folder) == before
    assert events_of(folder) == list(range(1, 42))


def test_a_segment_that_was_begun_and_never_written_to_is_used(tmp_path: Path) -> None:
    folder = written(tmp_path)
    (folder / "000000000041.jsonl").touch()
    assert events_of(folder) == list(range(1, 41))
    journal = Journal(tmp_path)
    journal.append_event(event(41))
    journal.close()
    assert events_of(folder) == list(range(1, 42))


def test_a_segment_begun_after_a_checkpoint_does_not_hide_where_the_journal_ends(tmp_path: Path) -> None:
    """A crash between a rotation and the next event, right after a checkpoint of the last one."""
    folder = written(tmp_path)
    for leftover in (b"", b'{"crc":"torn'):
        (folder / "000000000041.jsonl").write_bytes(leftover)
        assert events_of(folder, 40)[-1] == 40
        assert events_of(folder, 39)[-1] == 40


def test_reading_after_an_event_begins_with_the_segment_that_holds_the_next(tmp_path: Path) -> None:
    folder = written(tmp_path)
    firsts = [segment.first_seq for segment in list_segments(folder)]
    for after_seq in range(1, 41):
        expected = max(first for first in firsts if first <= after_seq + 1)
        assert events_of(folder, after_seq) == list(range(max(expected, 1), 41))


def test_a_missing_segment_is_named(tmp_path: Path) -> None:
    folder = written(tmp_path)
    segments = list_segments(folder)
    for gone in segments[:-1]:
        data = gone.plain.read_bytes()
        gone.plain.unlink()
        with pytest.raises(StateError, match=rf"{gone.plain.name}.* missing"):
            events_of(folder)
        gone.plain.write_bytes(data)
    assert events_of(folder)


def test_a_missing_segment_before_what_is_needed_does_no_harm_and_one_after_it_does(tmp_path: Path) -> None:
    folder = written(tmp_path)
    first, second, third, *_ = list_segments(folder)
    first.plain.unlink()
    assert events_of(folder, second.first_seq)[0] == second.first_seq
    second.plain.unlink()
    with pytest.raises(StateError, match="missing"):
        events_of(folder, second.first_seq)
    assert events_of(folder, third.first_seq - 1)[0] == third.first_seq


def test_compressed_segments_are_read(tmp_path: Path) -> None:
    folder = written(tmp_path)
    for segment in list_segments(folder)[:-1]:
        pack(segment.plain)
        segment.plain.unlink()
    assert events_of(folder) == list(range(1, 41))


def test_of_both_forms_the_plain_one_is_read_if_it_is_whole(tmp_path: Path) -> None:
    folder = written(tmp_path)
    segment = list_segments(folder)[1]
    packed = pack(segment.plain)
    whole = packed.read_bytes()
    packed.write_bytes(whole[:-20])
    assert events_of(folder) == list(range(1, 41))
    packed.write_bytes(whole)
    segment.plain.write_bytes(segment.plain.read_bytes()[:-20])
    assert events_of(folder) == list(range(1, 41))
    segment.plain.write_bytes(b"")
    assert events_of(folder) == list(range(1, 41))
    packed.write_bytes(whole[:-20])
    with pytest.raises(StateError, match=rf"{packed.name}: is damaged"):
        events_of(folder)


def test_every_byte_of_a_compressed_segment_is_watched(tmp_path: Path) -> None:
    """A flipped bit is refused by the segment's name, or changes nothing of what is read (gzip's header)."""
    folder = written(tmp_path)
    segment = list_segments(folder)[1]
    expected = list(read_journal(folder))
    packed = pack(segment.plain)
    segment.plain.unlink()
    data = packed.read_bytes()
    refused = 0
    for position in range(len(data)):
        altered = bytearray(data)
        altered[position] ^= 1 << (position % 8)
        packed.write_bytes(altered)
        try:
            assert list(read_journal(folder)) == expected
        except StateError as error:
            assert packed.name in str(error)
            refused += 1
    assert refused > len(data) - 20


def test_a_torn_end_of_a_segment_that_is_not_the_last_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path)
    segment = list_segments(folder)[1]
    data = segment.plain.read_bytes()
    segment.plain.write_bytes(data[:-1])
    with pytest.raises(StateError, match=rf"{segment.plain.name}:\d+: the record is torn"):
        events_of(folder)
    whole_lines = data[: data.rfind(b"\n", 0, -1) + 1]
    segment.plain.write_bytes(whole_lines)
    with pytest.raises(StateError, match="missing"):
        events_of(folder)


def test_a_segment_under_anothers_name_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path)
    _, second, third, *_ = list_segments(folder)
    second.plain.write_bytes(third.plain.read_bytes())
    with pytest.raises(StateError, match=rf"{second.plain.name}:1: begins with a record of kind 'event', number"):
        events_of(folder)


def test_a_last_segment_that_is_compressed_lacks_its_successor(tmp_path: Path) -> None:
    folder = written(tmp_path)
    last = list_segments(folder)[-1]
    pack(last.plain)
    last.plain.unlink()
    for attempt in (lambda: events_of(folder), lambda: Journal(tmp_path)):
        with pytest.raises(StateError, match="a segment after it is missing"):
            attempt()
    assert torn_tail(folder) == 0


def test_the_single_file_of_before_is_refused_with_the_way_out(tmp_path: Path) -> None:
    folder = written(tmp_path, n_events=3)
    (only,) = list_segments(folder)
    only.plain.rename(tmp_path / "journal.jsonl")
    for attempt in (lambda: events_of(folder), lambda: Journal(tmp_path)):
        with pytest.raises(StateError, match=r"keep it as the first one: mkdir -p .*journal && mv .*0\.jsonl"):
            attempt()
    (tmp_path / "journal.jsonl").rename(only.plain)
    assert events_of(tmp_path / FOLDER) == [1, 2, 3]


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    folder = written(tmp_path)
    leftover = folder / ".000000000000.jsonl.gz.1-2.tmp~"
    leftover.write_bytes(b"half")
    assert events_of(folder) == list(range(1, 41))
    Journal(tmp_path).close()
    assert not leftover.exists()


# -- what is wrong is named with file, line and what to do ------------------------------------------------------


def damaged(folder: Path, damage: Callable[[list[bytes]], list[bytes]]) -> Path:
    path = list_segments(folder)[2].plain
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    return path


@pytest.mark.parametrize(
    ("damage", "line", "said"),
    [
        pytest.param(lambda lines: [*lines[:2], *lines[3:]], 3, "a record is missing", id="missing"),
        pytest.param(lambda lines: [*lines[:3], *lines[2:]], 4, "a record is there twice", id="twice"),
        pytest.param(
            lambda lines: [*lines[:3], lines[3].replace(b"kind", b"kinD"), *lines[4:]], 4, "CRC", id="altered"
        ),
        pytest.param(lambda lines: [*lines[:-1], lines[-1][:-20] + b"\n"], None, "torn", id="torn"),
    ],
)
def test_a_record_that_does_not_fit_is_named_with_file_line_and_remedy(
    tmp_path: Path, damage: Callable[[list[bytes]], list[bytes]], line: int | None, said: str
) -> None:
    folder = written(tmp_path)
    path = damaged(folder, damage)
    number = line or len(path.read_bytes().splitlines())
    with pytest.raises(StateError) as refused:
        list(entries(read_journal(folder), 0))
    message = str(refused.value)
    assert message.startswith(f"{path}:{number}: ")
    assert said in message
    assert message.endswith("; restore the segment from a copy")


def test_commands_that_are_there_twice_are_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append_run(0, {})
    journal.append_event(event(1))
    for _ in range(2):
        journal.append_commands(event(1), [RequestSnapshot(0)])
    journal.close()
    with pytest.raises(StateError, match=r"000000000000\.jsonl:4: what followed event 1 is there twice; restore"):
        list(entries(read_journal(journal.folder), 0))


def test_segments_that_changed_places_are_named(tmp_path: Path) -> None:
    folder = written(tmp_path)
    one, other = (segment.plain for segment in list_segments(folder)[1:3])
    contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0])
    one.write_bytes(contents[1])
    with pytest.raises(StateError, match=rf"{one.name}:1: begins with .*, not with event .*; restore the segment"):
        events_of(folder)


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("x")
    with pytest.raises(StateError, match=r"journal: is no folder; move it away and restore the folder from a copy"):
        list_segments(tmp_path / FOLDER)
