"""The journal: every event and every command, appended before anything that follows from them leaves the process.

It is a folder of segments (`segments`), each a file of lines (`journal_record`). A segment is closed once it is durable
and large enough, or when a session has ended; the next one is named by the event it begins with.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from LIVE_TRADING.common.codec import encode
from LIVE_TRADING.common.events import Stamped
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.common.files import remove_leftovers
from LIVE_TRADING.engine.commands import Command, command_record
from LIVE_TRADING.engine.journal_record import FORMAT, JournalRecord, from_line, line_of, to_line
from LIVE_TRADING.engine.segments import FOLDER, list_segments, read_journal, segment_path, torn_tail

__all__ = [
    "FOLDER",
    "FORMAT",
    "SEGMENT_BYTES",
    "Journal",
    "JournalRecord",
    "PendingSync",
    "from_line",
    "read_journal",
    "to_line",
    "torn_tail",
]

SEGMENT_BYTES = 64 * 2**20
SYNC_BYTES = 2**20  # more than this is not left to the sync that an order waits for


@dataclass(frozen=True, slots=True)
class PendingSync:
    """What makes everything appended so far durable; `run` may be called in any thread and raises OSError.

    upto    records appended when it was taken: so many are durable once it has run
    folder  of a segment that is new, whose name has to be made durable as well; else None
    """

    upto: int
    descriptor: int
    folder: Path | None
    files: FileLayer

    def run(self) -> None:
        """Sync."""
        self.files.fdatasync(self.descriptor)
        if self.folder is not None:
            self.files.fsync_folder(self.folder)


class Journal:
    """Appends records. The torn tail of a crash is cut when the journal is opened; `cut_bytes` says how much.

    `appended` counts records, `durable` how many of them a power cut cannot take. After a write or a sync has failed
    nothing more is written: what stands after a torn record could not be read, and what was not synced once may be lost
    though a later sync succeeds.

    Parameters
    ----------
    state_dir
        The state folder; the journal is its folder `journal`. The name of a new one is durable once the state folder is
        synced: a run writes its start there before its first record.
    segment_bytes
        Close a segment from this size on.

    Raises
    ------
    StateError
        A write or sync failed, now or earlier; nothing that follows from the record may leave the process.
    """

    def __init__(self, state_dir: Path, *, files: FileLayer = OS_FILES, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._files = files
        self._segment_bytes = segment_bytes
        self.folder = state_dir / FOLDER
        if not self.folder.exists():
            try:
                files.make_folder(self.folder)
            except OSError as error:
                raise StateError(f"{self.folder}: cannot be made: {error}") from error
        remove_leftovers(self.folder, files=files)
        segments = list_segments(self.folder)
        if segments and not segments[-1].is_plain:
            raise StateError(
                f"{segments[-1].packed}: was closed, so a segment after it is missing; restore it from a copy"
            )
        self.path = segments[-1].plain if segments else segment_path(self.folder, 0)
        try:
            self._descriptor = files.open_append(self.path)
            data = files.read_bytes(self.path)
            self._size = data.rfind(b"\n") + 1
            self.cut_bytes = len(data) - self._size
            if self.cut_bytes:
                files.truncate(self._descriptor, self._size)
            files.fsync_folder(self.folder)
        except OSError as error:
            raise StateError(f"{self.path}: cannot be opened: {error}") from error
        # a killed process may have left records that are in no file's durable part yet
        self.appended, self.durable = (1 if self._size else 0), 0
        self._unsynced_bytes = self._size
        self._is_new = self._rotate = self._in_thread = False
        self._broken = ""

    @property
    def wants_sync(self) -> bool:
        """Return whether to sync though nobody waits: much is written, or a segment is to be closed."""
        wanted = self._unsynced_bytes >= SYNC_BYTES or self._is_due()
        return wanted and self.durable < self.appended and not self._broken

    def append_run(self, t_ns: int, run: dict[str, Any]) -> None:
        """Append the record that opens a run, and make it durable."""
        self._append(0, t_ns, "run", [run])
        self.sync()

    def append_event(self, stamped: Stamped) -> None:
        """Append an event before it is handled; ValueError where it holds what cannot be recorded, such as infinity."""
        data = encode(stamped.event)
        if self._is_due():
            self._start_segment(stamped.seq)
        self._append(stamped.seq, stamped.t_ns, "event", data)

    def append_commands(self, stamped: Stamped, commands: list[Command]) -> None:
        """Append what an event led to, before any of it is carried out; no commands, no record. ValueError as above."""
        if commands:
            data = [command_record(command) for command in commands]
            self._append(stamped.seq, stamped.t_ns, "commands", data)

    def append_failure(self, stamped: Stamped, error: str) -> None:
        """Append that the handler of an event raised, so that a replay passes the same point."""
        readable = error.encode("utf-8", "backslashreplace").decode("utf-8")
        self._append(stamped.seq, stamped.t_ns, "failed", [readable])

    def close_segment(self) -> None:
        """Let the next event begin a new segment, as soon as this one is durable: a session has ended."""
        self._rotate = self._size > 0

    # -- durability ----------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Make everything appended durable, here and now."""
        pending = self.begin_sync()
        if pending.upto <= self.durable:
            return
        try:
            pending.run()
        except OSError as error:
            raise self.sync_failed(error) from error
        self.synced(pending)

    def begin_sync(self, *, in_thread: bool = False) -> PendingSync:
        """Return what is to be synced now; `synced` or `sync_failed` is to be called before the next.

        Raises
        ------
        StateError
            The journal has failed before.
        """
        self.check()
        self._in_thread = in_thread
        self._unsynced_bytes = 0
        return PendingSync(self.appended, self._descriptor, self.folder if self._is_new else None, self._files)

    def synced(self, pending: PendingSync) -> None:
        """Note that a sync has been done."""
        self.durable = max(self.durable, pending.upto)
        self._in_thread = False
        if pending.folder is not None:
            self._is_new = False

    def sync_failed(self, error: OSError) -> StateError:
        """Close the journal to further records; return what to raise."""
        self._in_thread = False
        return self._failed("cannot be synced", error)

    def check(self) -> None:
        """Raise if a write or a sync has failed."""
        if self._broken:
            raise StateError(f"{self._broken} before; nothing more is written to it")

    def close(self) -> None:
        """Sync and close; a journal that has failed is closed as it is."""
        try:
            if not self._broken:
                self.sync()
        finally:
            self._files.close(self._descriptor)

    # -- writing -------------------------------------------------------------------------------------------------

    def _is_due(self) -> bool:
        return self._rotate or self._size >= self._segment_bytes

    def _start_segment(self, first_seq: int) -> None:
        """Begin the segment of an event once all before it is durable, so that no segment follows one that is torn.

        The sync runs in a thread and is asked for (`wants_sync`); twice the size is not waited for.
        """
        if self.durable < self.appended:
            if self._in_thread or self._size < 2 * self._segment_bytes:
                return
            self.sync()
        elif self._in_thread:
            return  # it holds the descriptor
        path = segment_path(self.folder, first_seq)
        try:
            descriptor = self._files.open_append(path)
        except OSError as error:
            raise self._failed("cannot be followed by another segment", error) from error
        before, self._descriptor, self.path = self._descriptor, descriptor, path
        self._size, self._is_new, self._rotate = 0, True, False
        try:
            self._files.close(before)
        except OSError as error:
            raise self._failed("cannot be begun", error) from error

    def _append(self, seq: int, t_ns: int, kind: str, data: list[Any]) -> None:
        self.check()
        line = line_of(seq, t_ns, kind, data)
        try:
            self._files.write(self._descriptor, line)
        except OSError as error:
            raise self._failed("cannot be written", error) from error
        self._size += len(line)
        self._unsynced_bytes += len(line)
        self.appended += 1

    def _failed(self, what: str, error: OSError) -> StateError:
        """Close the journal to further records; cut what may stand there of the last one."""
        self._broken = f"{self.path}: {what} ({error.strerror or error})"
        with contextlib.suppress(OSError):  # then the next start cuts it
            self._files.truncate(self._descriptor, self._size)
        return StateError(f"{self._broken}; check space and the disk, then start again")
