"""Feeding a journal to a core and comparing what it commands with what is on file. Restart and replay share this."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from LIVE_TRADING.common.codec import decode
from LIVE_TRADING.common.events import Event, Stamped
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.engine.commands import Command, command_record
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.digest import first_difference
from LIVE_TRADING.engine.journal import JournalRecord

Listener = Callable[[Stamped, list[Command]], None]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replay first leaves the record. `symbol` is "" where the difference is not one symbol's."""

    seq: int
    cycle_time_ns: int
    stage: str
    symbol: str
    recorded: str
    replayed: str

    def __str__(self) -> str:
        where = f"cycle {iso_utc(self.cycle_time_ns)}, stage {self.stage}, symbol {self.symbol or '(all)'}"
        return (
            f"first difference at event {self.seq}: {where}\n  on file:  {self.recorded}\n  replayed: {self.replayed}"
        )


@dataclass(frozen=True, slots=True)
class FeedResult:
    """How far a journal was fed, and the first difference, if any."""

    last_seq: int
    last_ns: int
    events: int
    commands: int
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class _Entry:
    """An event on file with what followed: commands, a failed handler, or nothing."""

    event: JournalRecord
    commands: list[Any]
    failed: bool
    complete: bool


def feed_journal(
    core: EngineCore,
    records: Iterable[JournalRecord],
    *,
    after_seq: int = 0,
    listener: Listener | None = None,
) -> FeedResult:
    """Feed the events after `after_seq` until the end of the file or the first difference.

    An event whose handler raised is passed over, as it was then. The last event's commands may be missing: a crash
    between the two records; they are taken from the core.
    """
    events = commands_seen = last_seq = last_ns = 0
    for entry in _entries(records):
        last_seq, last_ns = entry.event.seq, entry.event.t_ns
        if last_seq <= after_seq or entry.failed:
            continue
        stamped = Stamped(last_seq, last_ns, decode(entry.event.data))
        commands = core.handle(stamped)
        events, commands_seen = events + 1, commands_seen + len(commands)
        replayed = _plain([command_record(command) for command in commands])
        if entry.complete and replayed != entry.commands:
            difference = _differ(core, stamped, entry.commands, replayed)
            return FeedResult(last_seq, last_ns, events, commands_seen, difference)
        if listener is not None:
            listener(stamped, commands)
    return FeedResult(last_seq, last_ns, events, commands_seen, None)


def _entries(records: Iterable[JournalRecord]) -> Iterator[_Entry]:
    """Yield the events on file, each with what followed."""
    event: JournalRecord | None = None
    commands: list[Any] = []
    failed = False
    for record in records:
        if record.kind == "commands":
            commands = record.data
        elif record.kind == "failed":
            failed = True
        elif record.kind == "event":
            if event is not None:
                yield _Entry(event, commands, failed, complete=True)
            event, commands, failed = record, [], False
    if event is not None:
        yield _Entry(event, commands, failed, complete=bool(commands))


def _plain(records: list[Any]) -> list[Any]:
    plain: list[Any] = orjson.loads(orjson.dumps(records, option=orjson.OPT_SERIALIZE_NUMPY))
    return plain


def _differ(core: EngineCore, stamped: Stamped, recorded: list[Any], replayed: list[Any]) -> Difference:
    """Name the first of two lists of commands that differ."""
    for ours, theirs in zip(replayed, recorded, strict=False):
        if ours != theirs:
            return _locate(core, stamped, theirs, ours)
    longer = recorded if len(recorded) > len(replayed) else replayed
    extra = longer[min(len(recorded), len(replayed))]
    missing = "nothing"
    texts = (str(extra)[:300], missing) if longer is recorded else (missing, str(extra)[:300])
    return Difference(stamped.seq, _cycle_of(stamped.event, extra[1]), extra[0], _symbol_of(extra[1]), *texts)


def _locate(core: EngineCore, stamped: Stamped, recorded: list[Any], replayed: list[Any]) -> Difference:
    """Name stage and symbol of two commands that differ."""
    cycle_ns = _cycle_of(stamped.event, recorded[1])
    if recorded[0] != replayed[0] or "fingerprints" not in recorded[1] or "fingerprints" not in replayed[1]:
        texts = (str(recorded)[:300], str(replayed)[:300])
        return Difference(stamped.seq, cycle_ns, recorded[0], _symbol_of(recorded[1]), *texts)
    theirs, ours = recorded[1]["fingerprints"], replayed[1]["fingerprints"]
    symbols = core.run.symbols
    for stage in theirs:
        column = first_difference(theirs[stage], ours.get(stage, ""))
        if column is not None:
            return Difference(stamped.seq, cycle_ns, stage, symbols[column], "fingerprint on file", "another")
    for key in recorded[1]:
        if recorded[1][key] != replayed[1].get(key):
            texts = (f"{key} {str(recorded[1][key])[:200]}", f"{key} {str(replayed[1].get(key))[:200]}")
            return Difference(stamped.seq, cycle_ns, "orders", "", *texts)
    return Difference(stamped.seq, cycle_ns, recorded[0], "", str(recorded)[:300], str(replayed)[:300])


def _cycle_of(event: Event, fields: dict[str, Any]) -> int:
    for source in (fields.get("cycle_time_ns"), fields.get("time_ns"), fields.get("order", {}).get("decision_time_ns")):
        if isinstance(source, int):
            return source
    for name in ("cycle_time_ns", "scheduled_time_ns", "bar_end_ns", "timestamp_ns"):
        value = getattr(event, name, None)
        if isinstance(value, int):
            return value
    return 0


def _symbol_of(fields: dict[str, Any]) -> str:
    inner = fields.get("order") or fields.get("trade") or fields
    return str(inner.get("symbol", ""))
