"""Going on where a process ended: the run on file, the newest checkpoint, and the journal after it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from LIVE_TRADING.common.codec import record_from
from LIVE_TRADING.common.config import leaves
from LIVE_TRADING.common.determinism import glob_sorted
from LIVE_TRADING.common.events import CodeChanged, CycleAborted, RunStarted
from LIVE_TRADING.common.exceptions import ConfigurationError, StateError
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.common.files import read_json
from LIVE_TRADING.common.fingerprint import code_version
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.engine.announcer import Announcer
from LIVE_TRADING.engine.archive import journal_start
from LIVE_TRADING.engine.assembly import assemble
from LIVE_TRADING.engine.checkpoint import PREVIOUS_FILE, Checkpoints, arrays_name
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.driver import Driver, Observer
from LIVE_TRADING.engine.journal import FOLDER, SEGMENT_BYTES, Journal, read_journal
from LIVE_TRADING.engine.journal_health import check_end, remarks
from LIVE_TRADING.engine.recovery import FeedResult, feed_journal
from LIVE_TRADING.engine.segments import list_segments
from LIVE_TRADING.observability.bus import NoticeBus

EXPORTS = ("engine_state.json", "trades.json", "bandit_state.json")
VENUE_FILE = "paper_venue.json"


@dataclass(frozen=True, slots=True)
class Recovered:
    """Where this process goes on.

    resume_ns        the core's now
    fed_ns           bars that arrive, and cycles that are due, after this are still to come. Earlier than `resume_ns`
                     where the process ended between what else came at a bar end and its bars, or these and their
                     cycle; bars that come again change nothing
    pending_ns       a cycle whose predictions a crash lost
    cut_bytes        length of a torn tail of the journal
    checkpoint_seq   event that the checkpoint follows; `replayed` events after it came from the journal
    unreadable       newer checkpoints that could not be read, and why
    remarks          what of the journal before the checkpoint is lost or damaged, so that no replay can read it
    change           what to tell the core first, where other code decided before or this code could not give what is
                     on file; see `take_over`
    """

    driver: Driver
    resume_ns: int
    fed_ns: int
    resumed: bool = False
    pending_ns: int | None = None
    cut_bytes: int = 0
    checkpoint_seq: int = 0
    replayed: int = 0
    unreadable: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    change: CodeChanged | None = None


def recorded_run(state_dir: Path) -> RunStarted | None:
    """Return what opened the run on file in a state folder; None where there is none.

    Raises
    ------
    StateError
        The journal does not begin with a run, or it is lost though other files of a session are there.
    """
    path = state_dir / FOLDER
    first = next(iter(read_journal(path)), None) if list_segments(path) else None
    if first is None:
        left = [entry.name for entry in glob_sorted(state_dir, "*") if entry.is_file() and _after_journal(entry.name)]
        if left:
            raise StateError(
                f"{path}: holds no run, but {', '.join(left)} are there: the journal of that session is lost; restore "
                "it from a copy, or give another folder"
            )
        return None
    if first.kind != "run":
        raise StateError(f"{path}: does not begin with a run; move the folder away to start a new one")
    run: RunStarted = record_from(RunStarted, {"feature_sources": {}, **first.data[0]})
    return run


def _after_journal(name: str) -> bool:
    """Return whether a session writes this file only after its journal has begun."""
    return name in (*EXPORTS, PREVIOUS_FILE, VENUE_FILE) or (
        name.startswith(("arrays-", "code-")) and name != arrays_name(0)
    )


def start_core(state_dir: Path, run: RunStarted) -> EngineCore:
    """Return the core as it was where the journal on file begins: its configuration and arrays, never today's."""
    assembly = assemble(run)
    checkpoints = Checkpoints(state_dir, run, assembly)
    folder = state_dir / FOLDER
    start_seq = journal_start(folder)[0] if list_segments(folder) else 0
    state, _ = checkpoints.load(state_dir / arrays_name(start_seq))
    core = EngineCore(run, assembly, state.market)
    core.restore(state)
    return core


def bare_core(run: RunStarted) -> EngineCore:
    """Return a core of the run on file before any state of it, for a word or two: `resume_run` gives it one."""
    assembly = assemble(run, ready=False)
    return EngineCore(run, assembly, assembly.market.initial())


def resume_run(
    state_dir: Path,
    core: EngineCore,
    observers: Sequence[Observer] = (),
    bus: NoticeBus | None = None,
    *,
    files: FileLayer = OS_FILES,
    segment_bytes: int = SEGMENT_BYTES,
) -> Recovered:
    """Load the newest readable checkpoint, feed the rest of the journal, and stand where the process ended.

    Nothing is decided again: commands on file are facts, also where this code would have commanded something else. A
    cycle that was waiting for predictions is aborted. What is fed is history, and not told to observers or bus; what
    follows from here on is.

    Raises
    ------
    StateError
        No checkpoint can be read, an export is no JSON, or this code fails on what is on file or does not know it.
    """
    for name in EXPORTS:  # nothing is taken from them, but what cannot be read would be overwritten unseen
        if (state_dir / name).is_file():
            read_json(state_dir / name)
    checkpoints = Checkpoints(state_dir, core.run, core.parts, files=files)
    after_seq = 0
    unreadable: list[str] = []
    generations = checkpoints.generations()
    for path in reversed(generations):
        try:
            state, after_seq = checkpoints.load(path)
        except StateError as error:
            unreadable.append(f"{error}; going on from the one before" if path != generations[0] else str(error))
            if bus is None:  # else it is told with what else the start has to say
                warnings.warn(unreadable[-1], RuntimeWarning, stacklevel=2)
            continue
        core.restore(state)
        break
    else:
        raise StateError(
            f"{state_dir}: no checkpoint can be read; restore one from a copy, or start a new folder "
            f"({'; '.join(unreadable) or 'there is none'})"
        )
    journal = Journal(state_dir, files=files, segment_bytes=segment_bytes)
    records = read_journal(journal.folder, after_seq=after_seq)
    fed = feed_journal(core, records, after_seq=after_seq, left_after=checkpoints.change_after)
    last_seq = max(fed.last_seq, after_seq)
    if fed.stopped:
        journal.close()
        raise StateError(
            f"{state_dir}: this code cannot go on from what is on file, use the code that wrote it: {fed.difference}"
        )
    try:
        check_end(state_dir, last_seq, files=files)
    except StateError:
        journal.close()
        raise
    announcer = Announcer(bus, core) if bus is not None else None
    driver = Driver(core, journal, observers, announcer=announcer, next_seq=last_seq + 1)
    if fed.unfinished is not None:
        fed.unfinished.settle(driver)
    pending_ns = core.state.pending.cycle_time_ns if core.state.pending is not None else None
    now_ns = core.state.now_ns
    fed_ns = min(now_ns, max(core.run.started_ns, core.state.market.advanced_to_ns))
    return Recovered(
        driver,
        now_ns,
        fed_ns,
        True,
        pending_ns,
        journal.cut_bytes,
        after_seq,
        fed.events,
        tuple(unreadable),
        remarks(state_dir, after_seq, files=files),
        _change(fed, core.state.code or _code_at_start(journal.folder), now_ns),
    )


def _code_at_start(folder: Path) -> str:
    run: dict[str, str] = journal_start(folder)[1].data[0]
    return run.get("code_version", "")


def _change(fed: FeedResult, before: str, now_ns: int) -> CodeChanged | None:
    """Return what the core is to be told of the code that it runs, if anything; `before` is that which decided."""
    code = code_version()
    if fed.difference is not None:
        return CodeChanged(code, before, fed.difference.seq, str(fed.difference), now_ns)
    return CodeChanged(code, before, 0, "", now_ns) if before not in ("", code) else None


def take_over(recovered: Recovered, state_dir: Path, *, files: FileLayer = OS_FILES) -> None:
    """Abort the cycle whose predictions are lost, and leave the state from which a replay goes on by this code.

    The change itself is for the caller to tell the core, before anything else, so that what follows is carried out.

    Raises
    ------
    StateError
        The journal cannot be made durable, or the state cannot be written.
    """
    driver, core = recovered.driver, recovered.driver.core
    if recovered.pending_ns is not None:
        driver.step(CycleAborted(recovered.pending_ns, "restart"), recovered.resume_ns)
    if recovered.change is None or driver.journal is None:
        return
    driver.journal.sync()
    Checkpoints(state_dir, core.run, core.parts, files=files).write_change(core.state, driver.seq)


_SAME = (  # what a run goes on with; its configuration is compared setting by setting
    "run_id",
    "account",
    "symbols",
    "families",
    "instruments",
    "interval_ns",
    "bars_per_session",
    "feature_names",
    "model_hashes",
    "feature_sources",
    "data_hash",
    "calendar",
    "currency",
)


def check_same_run(recorded: RunStarted, planned: RunStarted, state_dir: Path) -> None:
    """Refuse to go on with a run under another start, configuration, universe or models; other code may go on.

    Settings that the code on file did not have yet count as their defaults, so that new code with new settings goes on.
    """
    different = [
        _difference(name, getattr(recorded, name), getattr(planned, name))
        for name in _SAME
        if getattr(recorded, name) != getattr(planned, name)
    ]
    if recorded.warmup_until_ns != planned.warmup_until_ns:
        on_file, now = iso_utc(recorded.warmup_until_ns), iso_utc(planned.warmup_until_ns)
        different.append(f"start: on file {on_file}, now {now}; without a start it goes on with that on file")
    if recorded.config_hash != planned.config_hash:
        different += _other_settings(recorded.config, planned.config)
    if different:
        raise ConfigurationError(
            f"{state_dir} holds a run that was started differently ({'; '.join(different)}): "
            "give the same, or another --state-dir"
        )


def _difference(name: str, recorded: Any, planned: Any) -> str:
    """Return what differs, of a table or a list its entries, not the beginning that both have in common."""
    if isinstance(recorded, dict) and isinstance(planned, dict):
        gone, come = sorted(recorded.items() - planned.items()), sorted(planned.items() - recorded.items())
        return _entries(name, *([f"{key} ({value!s:.12})" for key, value in side] for side in (gone, come)))
    if isinstance(recorded, (tuple, list)) and isinstance(planned, (tuple, list)):
        gone, come = [one for one in recorded if one not in planned], [one for one in planned if one not in recorded]
        if gone or come:
            return _entries(name, gone, come)
    return f"{name}: on file {recorded!r:.80}, now {planned!r:.80}"


def _entries(name: str, gone: Sequence[Any], come: Sequence[Any]) -> str:
    then, now = (", ".join(map(str, side)) or "none" for side in (gone, come))
    return f"{name}: only on file {then:.300}; only now {now:.300}"


def _other_settings(recorded: dict[str, Any], planned: dict[str, Any]) -> list[str]:
    """Return each setting that is another now, with its place; those that only one side has are named, too."""
    try:
        completed = EngineConfig.model_validate(recorded).model_dump(mode="json")
    except ValidationError as error:
        wrong = [(".".join(map(str, found["loc"])), found["msg"]) for found in error.errors()]
        return [f"{place}: on file, and refused by this version: {message}" for place, message in wrong]
    then, now = leaves(completed), leaves(planned)
    return [
        f"{place}: on file {then.get(place, 'absent')!r:.300}, now {now.get(place, 'absent')!r:.300}"
        for place in sorted(then.keys() | now.keys())
        if then.get(place, _ABSENT) != now.get(place, _ABSENT)
    ]


_ABSENT = object()
