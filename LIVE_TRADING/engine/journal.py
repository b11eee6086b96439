"""The journal: every event and every command, appended before anything that follows from them leaves the process.

One JSON object a line:

    {"crc":"1a2b3c4d","body":{"format":1,"seq":7,"t_ns":...,"kind":"event","data":["BarBatch",{...}]}}

crc    CRC-32 of the bytes of `body`, hex
kind   `run` (the first record), `event`, `commands` (those of the event with the same seq), `failed` (a handler raised)

NaN is null, infinity is refused. A torn last line is what a crash leaves behind: it is cut and reported. Anything else
that does not check is an error.
"""

from __future__ import annotations

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
_HEAD = len(b'{"crc":"00000000","body":')


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One line. `data` is [type, fields] for an event and a list of those for commands."""

    seq: int
    t_ns: int
    kind: str
    data: list[Any]


def to_line(record: JournalRecord) -> bytes:
    """Return the line of a record, newline included."""
    body = orjson.dumps(
        {"format": FORMAT, "seq": record.seq, "t_ns": record.t_ns, "kind": record.kind, "data": record.data},
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    return b'{"crc":"%08x","body":%b}\n' % (zlib.crc32(body), body)


def from_line(line: bytes, where: str) -> JournalRecord:
    """Return the record of a line.

    Raises
    ------
    StateError
        The line is torn, altered, or of a newer format; says where.
    """
    body = line[_HEAD:-2]
    if not line.endswith(b"}\n") or line[: len(b'{"crc":"')] != b'{"crc":"':
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

    Raises
    ------
    StateError
        A write or sync failed; nothing that follows from the record may leave the process.
    """

    def __init__(self, folder: Path, *, files: FileLayer = OS_FILES) -> None:
        self._files = files
        self.path = folder / FILE_NAME
        try:
            self._descriptor = files.open_append(self.path)
            size = len(files.read_bytes(self.path))
            self.cut_bytes = torn_tail(self.path, files=files)
            if self.cut_bytes:
                files.truncate(self._descriptor, size - self.cut_bytes)
            files.fsync_folder(folder)
        except OSError as error:
            raise StateError(f"{self.path}: cannot be opened: {error}") from error
        self._dirty = False

    def append_run(self, t_ns: int, run: dict[str, Any]) -> None:
        """Append the record that opens a run, and make it durable."""
        self._append(JournalRecord(0, t_ns, "run", [run]))
        self.sync()

    def append_event(self, stamped: Stamped) -> None:
        """Append an event before it is handled."""
        self._append(JournalRecord(stamped.seq, stamped.t_ns, "event", encode(stamped.event)))

    def append_commands(self, stamped: Stamped, commands: list[Command]) -> None:
        """Append what an event led to, before any of it is carried out; no commands, no record."""
        if commands:
            data = [command_record(command) for command in commands]
            self._append(JournalRecord(stamped.seq, stamped.t_ns, "commands", data))

    def append_failure(self, stamped: Stamped, error: str) -> None:
        """Append that the handler of an event raised, so that a replay passes the same point."""
        self._append(JournalRecord(stamped.seq, stamped.t_ns, "failed", [error]))

    def sync(self) -> None:
        """Make everything appended durable."""
        if not self._dirty:
            return
        try:
            self._files.fdatasync(self._descriptor)
        except OSError as error:
            raise StateError(f"{self.path}: cannot be synced: {error}") from error
        self._dirty = False

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        self._files.close(self._descriptor)

    def _append(self, record: JournalRecord) -> None:
        try:
            self._files.write(self._descriptor, to_line(record))
        except OSError as error:
            raise StateError(f"{self.path}: cannot be written: {error}") from error
        self._dirty = True
