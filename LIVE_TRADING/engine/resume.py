"""Going on where a process ended: the run on file, the newest checkpoint, and the journal after it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from LIVE_TRADING.common.codec import record_from
from LIVE_TRADING.common.determinism import glob_sorted
from LIVE_TRADING.common.events import RunStarted
from LIVE_TRADING.common.exceptions import ConfigurationError, StateError
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.common.files import read_json
from LIVE_TRADING.engine.announcer import Announcer
from LIVE_TRADING.engine.archive import journal_start
from LIVE_TRADING.engine.assembly import assemble
from LIVE_TRADING.engine.checkpoint import PREVIOUS_FILE, Checkpoints, arrays_name
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.driver import Driver, Observer
from LIVE_TRADING.engine.journal import FOLDER, SEGMENT_BYTES, Journal, read_journal
from LIVE_TRADING.engine.recovery import feed_journal
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
    return name in (*EXPORTS, PREVIOUS_FILE, VENUE_FILE) or (name.startswith("arrays-") and name != arrays_name(0))


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

    Nothing is decided again: commands on file are facts. A cycle that was waiting for predictions is aborted. What is
    fed is history, and not told to observers or bus; what follows from here on is.

    Raises
    ------
    StateError
        No checkpoint can be read, an export is no JSON, or this code would have commanded something else than what is
        on file.
    """
    for name in EXPORTS:  # nothing is taken from them, but what cannot be read would be overwritten unseen
        if (state_dir / name).is_file():
            read_json(state_dir / name)
    checkpoints = Checkpoints(state_dir, core.run, core.parts, files=files)
    after_seq = 0
    unreadable: list[str] = []
    for path in reversed(checkpoints.generations()):
        try:
            state, after_seq = checkpoints.load(path)
        except StateError as error:
            unreadable.append(f"{error}; going on from the one before")
            warnings.warn(unreadable[-1], RuntimeWarning, stacklevel=2)
            continue
        core.restore(state)
        break
    else:
        raise StateError(f"{state_dir}: no checkpoint can be read; restore one from a copy, or start a new folder")
    journal = Journal(state_dir, files=files, segment_bytes=segment_bytes)
    fed = feed_journal(core, read_journal(journal.folder, after_seq=after_seq), after_seq=after_seq)
    last_seq = max(fed.last_seq, after_seq)
    if fed.difference is not None:
        raise StateError(f"{state_dir}: this code does not give what is on file: {fed.difference}")
    announcer = Announcer(bus, core) if bus is not None else None
    driver = Driver(core, journal, observers, announcer=announcer, next_seq=last_seq + 1)
    if fed.unfinished is not None:
        fed.unfinished.settle(driver)
    pending_ns = core.state.pending.cycle_time_ns if core.state.pending is not None else None
    now_ns = core.state.now_ns
    fed_ns = min(now_ns, max(core.run.started_ns, core.state.market.advanced_to_ns))
    return Recovered(
        driver, now_ns, fed_ns, True, pending_ns, journal.cut_bytes, after_seq, fed.events, tuple(unreadable)
    )


def check_same_run(recorded: RunStarted, planned: RunStarted, state_dir: Path) -> None:
    """Refuse to go on with a run under another configuration, universe or models."""
    different = [
        f"{name}: on file {getattr(recorded, name)!r:.80}, now {getattr(planned, name)!r:.80}"
        for name in (
            "run_id",
            "config_hash",
            "symbols",
            "families",
            "instruments",
            "interval_ns",
            "model_hashes",
            "feature_sources",
            "data_hash",
            "calendar",
        )
        if getattr(recorded, name) != getattr(planned, name)
    ]
    if different:
        raise ConfigurationError(
            f"{state_dir} holds a run that was started differently ({'; '.join(different)}): "
            "give the same, or another --state-dir"
        )
