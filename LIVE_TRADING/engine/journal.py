"""The journal: every event and every command, appended before anything that follows from them leaves the process.

One JSON object a line:

    {"crc":"1a2b3c4d","body":{"format":1,"seq":7,"t_ns":...,"kind":"event","data":["BarBatch",{...}]}}

crc    CRC-32 of the bytes of `body`, hex
kind   `run` (the first record), `event`, `commands` (those of the event with the same seq), `failed` (a handler raised)

NaN is null, infinity is refused. A torn last line is what a crash leaves behind: it is cut and reported. Anything else
that does not check is an error.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from LIVE_TRADING.common.codec import encode
from LIVE_TRADING.common.events import Stamped
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.files import OS_FILES, FileLayer
from LIVE_TRADING.engine.commands import Command, command_record

FORMAT = 1
FILE_NAME = "journal.jsonl"
_BEFORE_CRC, _BEFORE_BODY = b'{"crc":"', b'","body":'
_HEAD = len(_BEFORE_CRC) + 8 + len(_BEFORE_BODY)


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One line. `data` is [type, fields] for an event and a list of those for commands."""

    seq: int
    t_ns: int
    kind: str
    data: list[Any]


def to_line(record: JournalRecord) -> bytes:
    """Return the line of a record, newline included.

    Raises
    ------
    ValueError
        The record holds what JSON cannot say: text that no encoding can hold, an integer beyond 64 bits.
    """
    fields = {"format": FORMAT, "seq": record.seq, "t_ns": record.t_ns, "kind": record.kind, "data": record.data}
    try:
        body = orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise ValueError(str(error)) from error
    return b'{"crc":"%08x","body":%b}\n' % (zlib.crc32(body), body)


def from_line(line: bytes, where: str) -> JournalRecord:
    """Return the record of a line.

    Raises
    ------
    StateError
        The line is torn, altered, or of a newer format; says where.
    """
    body = line[_HEAD:-2]
    framed = line.startswith(_BEFORE_CRC) and line[16:_HEAD] == _BEFORE_BODY and line.endswith(b"}\n")
    if not framed:
        raise StateError(f"{where}: the record is torn")
    if line[8:16] != b"%08x" % zlib.crc32(body):
        raise StateError(f"{where}: the record was altered: its CRC does not match")
    try:
        fields = orjson.loads(body)
        if fields["format"] > FORMAT:
            raise StateError(
                f"{where}: format {fields['format']} is newer than {FORMAT}: use a newer version to read it"
            )
        return JournalRecord(fields["seq"], fields["t_ns"], fields["kind"], fields["data"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise StateError(f"{where}: no journal record: {error}") from error


def read_journal(path: Path, *, files: FileLayer = OS_FILES) -> Iterator[JournalRecord]:
    """Yield the records of a journal; a torn last line ends it silently (`torn_tail` tells).

    Raises
    ------
    StateError
        The file cannot be read, or a record before the last does not check.
    """
    try:
        lines = files.read_bytes(path).splitlines(keepends=True)
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if number == len(lines) and not line.endswith(b"\n"):
            return
        yield from_line(line, f"{path}:{number}")


def torn_tail(path: Path, *, files: FileLayer = OS_FILES) -> int:
    """Return how many bytes after the last newline a crash left behind."""
    data = files.read_bytes(path)
    return len(data) - (data.rfind(b"\n") + 1)


class Journal:
    """Appends records. The torn tail of a crash is cut when the journal is opened; `cut_bytes` says how much.

    After a write or a sync has failed nothing more is written: what stands after a torn record could not be read, and
    what was not synced once may be lost though a later sync succeeds.

    Raises
    ------
    StateError
        A write or sync failed, now or earlier; nothing that follows from the record may leave the process.
    """

    def __init__(self, folder: Path, *, files: FileLayer = OS_FILES) -> None:
        self._files = files
        self.path = folder / FILE_NAME
        try:
            self._descriptor = files.open_append(self.path)
            data = files.read_bytes(self.path)
            self._size = data.rfind(b"\n") + 1
            self.cut_bytes = len(data) - self._size
            if self.cut_bytes:
                files.truncate(self._descriptor, self._size)
            files.fsync_folder(folder)
        except OSError as error:
            raise StateError(f"{self.path}: cannot be opened: {error}") from error
        self._dirty = False
        self._broken = ""

    def append_run(self, t_ns: int, run: dict[str, Any]) -> None:
        """Append the record that opens a run, and make it durable."""
        self._append(JournalRecord(0, t_ns, "run", [run]))
        self.sync()

    def append_event(self, stamped: Stamped) -> None:
        """Append an event before it is handled; ValueError where it holds what cannot be recorded, such as infinity."""
        self._append(JournalRecord(stamped.seq, stamped.t_ns, "event", encode(stamped.event)))

    def append_commands(self, stamped: Stamped, commands: list[Command]) -> None:
        """Append what an event led to, before any of it is carried out; no commands, no record. ValueError as above."""
        if commands:
            data = [command_record(command) for command in commands]
            self._append(JournalRecord(stamped.seq, stamped.t_ns, "commands", data))

    def append_failure(self, stamped: Stamped, error: str) -> None:
        """Append that the handler of an event raised, so that a replay passes the same point."""
        readable = error.encode("utf-8", "backslashreplace").decode("utf-8")
        self._append(JournalRecord(stamped.seq, stamped.t_ns, "failed", [readable]))

    def sync(self) -> None:
        """Make everything appended durable."""
        self._check()
        if not self._dirty:
            return
        try:
            self._files.fdatasync(self._descriptor)
        except OSError as error:
            raise self._failed("cannot be synced", error) from error
        self._dirty = False

    def close(self) -> None:
        """Sync and close; a journal that has failed is closed as it is."""
        try:
            if not self._broken:
                self.sync()
        finally:
            self._files.close(self._descriptor)

    def _append(self, record: JournalRecord) -> None:
        self._check()
        line = to_line(record)
        try:
            self._files.write(self._descriptor, line)
        except OSError as error:
            raise self._failed("cannot be written", error) from error
        self._size += len(line)
        self._dirty = True

    def _check(self) -> None:
        if self._broken:
            raise StateError(f"{self._broken} before; nothing more is written to it")

    def _failed(self, what: str, error: OSError) -> StateError:
        """Close the journal to further records; cut what may stand there of the last one."""
        self._broken = f"{self.path}: {what} ({error.strerror or error})"
        with contextlib.suppress(OSError):  # then the next start cuts it
            self._files.truncate(self._descriptor, self._size)
        return StateError(f"{self._broken}; check space and the disk, then start again")
