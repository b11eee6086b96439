"""Feeding a journal to a core and comparing what it commands with what is on file. Restart and replay share this.

What is on file is what happened: where the core would have commanded something else, its state is made that of the
record (`recorded`), and the feeding goes on. Whether that may be is told by what follows: a change of code on file
(`CodeChanged`) explains the differences before it; to a restart any difference is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from LIVE_TRADING.common.codec import decode
from LIVE_TRADING.common.events import CodeChanged, Event, OrderReject, Stamped
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.fingerprint import code_version
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.engine.commands import Command, SubmitOrder, command_record
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.digest import first_difference
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.journal_record import RESTORE, JournalRecord
from LIVE_TRADING.engine.recorded import as_recorded
from LIVE_TRADING.engine.state import CoreState

Listener = Callable[[Stamped, list[Command]], None]
StateAfter = Callable[[int], CoreState | None]

NEVER_SENT = "never sent: the process ended before"


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
class Unfinished:
    """The last event on file, whose commands are not: a crash came between the two, so nothing of them was sent."""

    stamped: Stamped
    commands: list[Command]

    def settle(self, driver: Driver) -> None:
        """Put the commands on file and tell the core that its orders came to nothing."""
        if driver.journal is not None:
            driver.journal.append_commands(self.stamped, self.commands)
        end_unsent(driver, self.commands, NEVER_SENT)


def end_unsent(driver: Driver, commands: Iterable[Command], why: str) -> None:
    """Tell the core that orders were never sent, for there was no engine to do it; a start asks for cancels again."""
    t_ns = driver.core.state.now_ns
    for command in commands:
        if isinstance(command, SubmitOrder):
            driver.step(OrderReject(command.order.client_order_id, why, t_ns), t_ns)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Events that other code, `code`, decided: from the first difference to the change of code after `last_seq`.

    `goes_on_from_file`: what follows was compared from the state that was left there, to the last bit.
    """

    first: Difference
    last_seq: int
    code: str
    goes_on_from_file: bool

    def __str__(self) -> str:
        went_on = "the state left there" if self.goes_on_from_file else "what they say, no state was left there"
        return (
            f"events {self.first.seq} to {self.last_seq} were decided by {self.code or 'other code'} and are passed "
            f"over; compared again from {went_on}; {self.first}"
        )


@dataclass(frozen=True, slots=True)
class FeedResult:
    """How far a journal was fed, the first difference that nothing on file explains, and what was left unfinished.

    `stopped`: the difference could not be passed, so the core stands before it. `unfinished` is what a crash left so.
    """

    last_seq: int
    last_ns: int
    events: int
    commands: int
    difference: Difference | None
    unfinished: Unfinished | None = None
    passed: tuple[PassedOver, ...] = ()
    stopped: bool = False


@dataclass(slots=True)
class Entry:
    """An event on file with what followed: commands, a failed handler, or nothing."""

    event: JournalRecord
    commands: list[Any]
    failed: bool = False
    is_last: bool = False


def feed_journal(
    core: EngineCore,
    records: Iterable[JournalRecord],
    *,
    after_seq: int = 0,
    listener: Listener | None = None,
    left_after: StateAfter = lambda seq: None,
) -> FeedResult:
    """Feed the events after `after_seq` until the end of the file, or a difference that cannot be passed.

    An event whose handler raised is passed over, as it was then. The last event's commands may be missing: a crash
    between the two records; they are taken from the core. `listener` is told what was compared and found equal;
    `left_after` gives the state that was left where other code took over after an event.

    Raises
    ------
    StateError
        A record is missing, out of place, or of a kind that this version does not know; or the file ends before
        `after_seq`.
    """
    fed, last_where = _Fed(core), ""
    for entry in entries(records, after_seq):
        fed.last_seq, fed.last_ns, last_where = entry.event.seq, entry.event.t_ns, entry.event.where
        if fed.last_seq <= after_seq or entry.failed:
            continue
        stamped = Stamped(fed.last_seq, fed.last_ns, _event_of(entry.event))
        if isinstance(stamped.event, CodeChanged) and not fed.explained_by(stamped, left_after(stamped.seq - 1)):
            return fed.result(stopped=True)
        before = core.state
        try:
            commands = core.handle(stamped)
        except Exception as error:  # noqa: BLE001  whatever it is: on file the handler did not raise
            fed.difference = fed.difference or _raised(stamped, entry.commands, error)
            return fed.result(stopped=True)
        fed.events, fed.commands = fed.events + 1, fed.commands + len(commands)
        replayed = _plain([command_record(command) for command in commands])
        if entry.is_last and not entry.commands and commands:
            fed.unfinished = Unfinished(stamped, commands)
        elif replayed != entry.commands:
            fed.difference = fed.difference or _differ(core, stamped, entry.commands, replayed)
            try:
                core.restore(as_recorded(core.run, core.parts, (before, core.state), commands, entry.commands))
            except StateError:
                return fed.result(stopped=True)
        if listener is not None and fed.difference is None:
            listener(stamped, commands)
    if fed.last_seq < after_seq:
        raise StateError(
            f"{last_where or 'journal'}: ends with event {fed.last_seq}, the checkpoint follows event {after_seq}: it "
            "was cut; restore it from a copy, or give another folder"
        )
    return fed.result()


@dataclass(slots=True)
class _Fed:
    """How far the feeding is. `difference` is the first since the last change of code."""

    core: EngineCore
    last_seq: int = 0
    last_ns: int = 0
    events: int = 0
    commands: int = 0
    difference: Difference | None = None
    unfinished: Unfinished | None = None
    passed: tuple[PassedOver, ...] = ()

    def explained_by(self, stamped: Stamped, left: CoreState | None) -> bool:
        """Go on behind a change of code; return False where it does not explain a difference before it.

        It does where other code than this decided, or where the process that took over found the like.
        """
        changed: CodeChanged = stamped.event  # type: ignore[assignment]
        if self.difference is not None:
            if changed.before == code_version() and not changed.difference:
                return False
            passed = PassedOver(self.difference, stamped.seq - 1, changed.before, left is not None)
            self.passed, self.difference = (*self.passed, passed), None
        if left is not None:
            self.core.restore(left)
        return True

    def result(self, *, stopped: bool = False) -> FeedResult:
        """Return what was found."""
        return FeedResult(
            self.last_seq,
            self.last_ns,
            self.events,
            self.commands,
            self.difference,
            self.unfinished,
            self.passed,
            stopped,
        )


def entries(records: Iterable[JournalRecord], after_seq: int) -> Iterator[Entry]:
    """Yield the events on file, each with what followed; numbered without a gap from `after_seq` + 1 or before."""
    entry: Entry | None = None
    for record in records:
        if record.kind == "event":
            expected = entry.event.seq + 1 if entry is not None else min(record.seq, after_seq + 1)
            if record.seq != expected:
                wrong = "a record is missing" if record.seq > expected else "a record is there twice, or out of order"
                raise _misplaced(record, f"event {record.seq} stands where event {expected} should: {wrong}")
            if entry is not None:
                yield entry
            entry = Entry(record, [])
        elif record.kind in ("run", "cut") and entry is None:
            continue
        elif entry is None or record.seq != entry.event.seq or record.kind not in ("commands", "failed"):
            raise _misplaced(record, f"a record of kind {record.kind!r} and number {record.seq} is out of place")
        elif entry.commands or entry.failed:
            raise _misplaced(record, f"what followed event {record.seq} is there twice")
        elif record.kind == "commands":
            entry.commands = record.data
        else:
            entry.failed = True
    if entry is not None:
        entry.is_last = True
        yield entry


def _misplaced(record: JournalRecord, what: str) -> StateError:
    return StateError(f"{record.where or 'journal'}: {what}; {RESTORE}")


def _event_of(record: JournalRecord) -> Event:
    try:
        event: Event = decode(record.data)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise StateError(
            f"{record.where or 'journal'}: event {record.seq} is none that this version knows: {error}; use the "
            "version that wrote it"
        ) from error
    return event


def _plain(records: list[Any]) -> list[Any]:
    plain: list[Any] = orjson.loads(orjson.dumps(records, option=orjson.OPT_SERIALIZE_NUMPY))
    return plain


def _raised(stamped: Stamped, recorded: list[Any], error: Exception) -> Difference:
    texts = (str(recorded)[:300], f"{type(error).__name__}: {error}")
    return Difference(stamped.seq, _cycle_of(stamped.event, {}), "handler", "", *texts)


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
            symbol = symbols[column] if column < len(symbols) else ""
            return Difference(stamped.seq, cycle_ns, stage, symbol, "fingerprint on file", "another")
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
