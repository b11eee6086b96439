"""One line of the journal.

    {"crc":"1a2b3c4d","body":{"format":1,"seq":7,"t_ns":...,"kind":"event","data":["BarBatch",{...}]}}

crc    CRC-32 of the bytes of `body`, hex
kind   `run` (opens a run), `event`, `commands` (those of the event with the same seq), `failed` (its handler raised),
       `cut` (retention removed the events up to seq)

NaN is null, infinity is refused.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import orjson

from LIVE_TRADING.common.exceptions import StateError

FORMAT = 1
RESTORE = "restore the segment from a copy"
_BEFORE_CRC, _BEFORE_BODY = b'{"crc":"', b'","body":'
_HEAD = len(_BEFORE_CRC) + 8 + len(_BEFORE_BODY)


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One line. `data` is [type, fields] for an event and a list of those for commands.

    where    file and line that it was read from, "" where it was not
    """

    seq: int
    t_ns: int
    kind: str
    data: list[Any]
    where: str = field(default="", compare=False)


def to_line(record: JournalRecord) -> bytes:
    """Return the line of a record, newline included.

    Raises
    ------
    ValueError
        The record holds what JSON cannot say: text that no encoding can hold, an integer beyond 64 bits.
    """
    return line_of(record.seq, record.t_ns, record.kind, record.data)


def line_of(seq: int, t_ns: int, kind: str, data: list[Any]) -> bytes:
    """Return the line of a record given by its fields; as `to_line`."""
    fields = {"format": FORMAT, "seq": seq, "t_ns": t_ns, "kind": kind, "data": data}
    try:
        body = orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise ValueError(str(error)) from error
    return b'{"crc":"%08x","body":%b}\n' % (zlib.crc32(body), body)


def check_line(line: bytes, where: str) -> bytes:
    """Return the body of a line whose frame and CRC are right.

    Raises
    ------
    StateError
        The line is torn or altered; says where.
    """
    body = line[_HEAD:-2]
    framed = line.startswith(_BEFORE_CRC) and line[16:_HEAD] == _BEFORE_BODY and line.endswith(b"}\n")
    if not framed:
        raise StateError(f"{where}: the record is torn; {RESTORE}")
    if line[8:16] != b"%08x" % zlib.crc32(body):
        raise StateError(f"{where}: the record was altered: its CRC does not match; {RESTORE}")
    return body


def from_line(line: bytes, where: str) -> JournalRecord:
    """Return the record of a line.

    Raises
    ------
    StateError
        The line is torn, altered, or of a newer format; says where.
    """
    body = check_line(line, where)
    try:
        fields = orjson.loads(body)
        if fields["format"] > FORMAT:
            raise StateError(
                f"{where}: format {fields['format']} is newer than {FORMAT}: use a newer version to read it"
            )
        return JournalRecord(fields["seq"], fields["t_ns"], fields["kind"], fields["data"], where)
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise StateError(f"{where}: no journal record: {error}; {RESTORE}") from error
