"""`python -m bin.control`: an operator's word to a stopped engine, journaled like any other event."""

from __future__ import annotations

import time
from pathlib import Path

from LIVE_TRADING.cli.exits import ExitCode
from LIVE_TRADING.common.events import ControlRequest, RunStarted
from LIVE_TRADING.common.exceptions import ConfigurationError, StateError
from LIVE_TRADING.common.files import FolderLock
from LIVE_TRADING.engine.checkpoint import Checkpoints
from LIVE_TRADING.engine.commands import Anomaly
from LIVE_TRADING.engine.control import OUTCOMES
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.kill_file import KillFile
from LIVE_TRADING.engine.recovery import end_unsent
from LIVE_TRADING.engine.resume import bare_core, recorded_run, resume_run

ACTIONS = ("resume", "reset", "halt", "adopt", "ignore", "settle")


def _run_of(state_dir: Path) -> RunStarted:
    run = recorded_run(state_dir)
    if run is None:
        raise ConfigurationError(f"--state-dir {state_dir}: there is no session; give the folder of one")
    return run


def _fate(state_dir: Path, seq: int, action: str) -> str:
    """Return whether a word that met a disk error is on file: if it is, the next start goes by it."""
    try:
        is_on_file = any(record.seq >= seq for record in read_journal(state_dir / FOLDER, after_seq=seq - 1))
    except StateError as error:
        return f"whether {action} is on file cannot be read: {error}"
    if is_on_file:
        return f"{action} is on file as event {seq} and stands: the next start goes by it and writes what is missing"
    return f"{action} is not on file and has no effect: give it again"


def control(action: str, reason: str, state_dir: Path, order: str = "", outcome: str = "") -> int:
    """Apply an action under the folder's lock and write the checkpoint; `order` and `outcome` belong to settle.

    Raises
    ------
    ConfigurationError
        Unknown action, no reason, no session in the folder, or an action that cannot be applied to it.
    StateError
        The session cannot be read, or the disk refused; says whether the word is on file and stands all the same.
    """
    if action not in ACTIONS:
        raise ConfigurationError(f"{action}: one of {', '.join(ACTIONS)}")
    if not reason.strip():
        raise ConfigurationError("--reason: say why; it is kept with the state")
    if bool(order and outcome) != (action == "settle") or bool(order) != bool(outcome):
        raise ConfigurationError("--order and --as: give both with settle, and with nothing else")
    if outcome and outcome not in OUTCOMES:
        raise ConfigurationError(f"--as {outcome}: one of {', '.join(OUTCOMES)}; fills come from the venue")
    if not state_dir.is_dir():
        raise ConfigurationError(f"--state-dir {state_dir}: no such folder")
    _run_of(state_dir)  # before the lock, which would leave its file in a folder of something else
    with FolderLock(state_dir):
        run = _run_of(state_dir)
        core = bare_core(run)
        recovered = resume_run(state_dir, core)
        driver = recovered.driver
        found = recovered.change.difference if recovered.change is not None else ""
        if found:
            print(f"this code would have commanded otherwise, so the next start is reduce_only: {found}")
        before = core.state.risk
        difference = core.state.reconcile.seen
        request, seq = ControlRequest(action, reason, time.time_ns(), order, outcome), driver.seq + 1
        try:
            commands = driver.step(request, recovered.resume_ns)
            end_unsent(driver, commands, "never sent: no engine was running")
            if driver.journal is not None:
                driver.journal.close()
            Checkpoints(state_dir, run, core.parts).write_state(core.state, driver.seq)
        except StateError as error:
            raise StateError(f"{error}; {_fate(state_dir, seq, action)}") from error
    refused = [said.message for said in commands if isinstance(said, Anomaly) and said.kind == "control_refused"]
    if refused:
        raise ConfigurationError("; ".join(refused))
    if action in ("adopt", "ignore"):
        print(f"{action}: {difference}")
    after = core.state.risk
    lifted = ", ".join(latch.rule_id for latch in before.latches) or "nothing was latched"
    print(f"{action}: {before.state.value} -> {after.state.value} ({lifted})")
    if pulled := KillFile(state_dir).pulled():
        print(f"{pulled} is there: the next start halts; remove it first to trade")
    return int(ExitCode.DONE)
