"""Checkpoints: the core's whole state beside the journal, so that a restart need not replay from the beginning.

engine_state.json     for people and monitors (P18): cycle, equity, cash, positions, orders, risk, bandit, trades;
                      the one before it stands in engine_state.previous.json
trades.json           export of the last round trips
bandit_state.json     export of the bandit
arrays-<seq>.npz      market memory and the core's state after event <seq>; what a restart loads
code-<seq>.npz        the same where other code took over after event <seq>; what a replay goes on from

All carry the sequence number of the event they follow. Each is written whole or not at all.
"""

from __future__ import annotations

import re
import struct
import typing
import zlib
from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from LIVE_TRADING.common.codec import from_json_value, to_json_value
from LIVE_TRADING.common.determinism import glob_sorted
from LIVE_TRADING.common.events import RunStarted
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.common.files import json_file, write_atomic_bytes, write_atomic_files
from LIVE_TRADING.engine.assembly import Assembly
from LIVE_TRADING.engine.state import CoreState, EngineState
from LIVE_TRADING.learning import BanditPersistence
from LIVE_TRADING.models.snapshot import decode_arrays, encode_arrays
from LIVE_TRADING.risk import RiskMemory

SCHEMA = 4
GENERATIONS = 2
STATE_FILE, PREVIOUS_FILE = "engine_state.json", "engine_state.previous.json"
EXPORTED_SEQ = {STATE_FILE: "journal_seq", "trades.json": "seq", "bandit_state.json": "seq"}  # where each says it
_ARRAYS, _CHANGES = re.compile(r"arrays-(\d{12})\.npz$"), "code-*.npz"
# not of a checkpoint, or kept by those who know them best
_OTHERWISE = ("market", "pending", "risk", "bandit")
# what damaged bytes make of zip, numpy, JSON and the records
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    ArithmeticError,
    OSError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
)


def arrays_name(seq: int) -> str:
    """Return the name of the arrays file after an event."""
    return f"arrays-{seq:012d}.npz"


def change_name(seq: int) -> str:
    """Return the name of the file that other code leaves where it takes over after an event."""
    return f"code-{seq:012d}.npz"


def can_checkpoint(state: CoreState) -> bool:
    """Return whether nothing is under way that a checkpoint could not hold."""
    return state.pending is None and not state.collected


@dataclass(frozen=True, slots=True)
class TakenState:
    """A state as of an event, sharing nothing that later events change: any thread may encode it."""

    state: CoreState
    seq: int
    market: dict[str, dict[str, np.ndarray[Any, Any]]]


def take_state(state: CoreState, seq: int, parts: Assembly) -> TakenState:
    """Return what an arrays file is made of. The market memory's rings are copied, the rest is never changed."""
    return TakenState(state, seq, dict(parts.market.to_parts(state.market)))


def encode_core(state: CoreState, seq: int, parts: Assembly) -> bytes:
    """Return the arrays file of a state."""
    return encode_taken(take_state(state, seq, parts), parts)


def encode_taken(taken: TakenState, parts: Assembly) -> bytes:
    """Return the arrays file of what `take_state` gave."""
    state, seq = taken.state, taken.seq
    record = {name: to_json_value(getattr(state, name)) for name in _plain_fields()}
    record["risk"] = state.risk.to_dict()
    record["bandit"] = _bandit(parts).to_dict(state.bandit)
    text = orjson.dumps({"schema": SCHEMA, "seq": seq, "core": record}, option=orjson.OPT_SERIALIZE_NUMPY)
    return encode_arrays(taken.market | {"core": {"json": np.frombuffer(text, dtype=np.uint8)}})


def decode_core(data: bytes, where: str, parts: Assembly) -> tuple[CoreState, int]:
    """Return state and sequence number of an arrays file.

    Raises
    ------
    StateError
        It cannot be read, is of a newer version, or its risk or bandit part is not to be trusted.
    """
    try:
        arrays = decode_arrays(data)
        record = orjson.loads(arrays.pop("core")["json"].tobytes())
        if record["schema"] > SCHEMA:
            raise StateError(
                f"{where}: schema {record['schema']} is newer than {SCHEMA}: use a newer version to read it"
            )
        core = record["core"]
        for upgrade in _UPGRADES[record["schema"] - 1 :]:
            core = upgrade(core)
        unknown = core.keys() ^ {*_plain_fields(), "risk", "bandit"}
        if unknown:
            raise ValueError(f"fields {', '.join(sorted(unknown))} missing or unknown")
        hints = typing.get_type_hints(CoreState)
        values = {name: from_json_value(hints[name], core[name]) for name in _plain_fields()}
        state = CoreState(
            market=parts.market.from_parts(arrays),
            risk=RiskMemory.from_dict(core["risk"]),
            bandit=_bandit(parts).from_dict(core["bandit"]),
            **values,
        )
        return state, int(record["seq"])
    except StateError as error:
        raise StateError(f"{where}: {error}") from error
    except UNREADABLE as error:
        raise StateError(f"{where}: the checkpoint cannot be read ({error}); restore it from a copy") from error


def _second(core: dict[str, Any]) -> dict[str, Any]:
    """Return the core of schema 1 as that of schema 2: nothing was told between bars then."""
    quotes = core["quotes"]
    upgraded = {name: values for name, values in quotes.items() if name != "close"}
    upgraded |= {"price": quotes["close"], "price_ns": quotes["bar_end_ns"], "taken_ns": [-1] * len(quotes["close"])}
    return core | {"quotes": upgraded}


def _third(core: dict[str, Any]) -> dict[str, Any]:
    """Return the core of schema 2 as that of schema 3: no bars were under way, and the code was that of the run."""
    return core | {"collected": [], "code": ""}


def _fourth(core: dict[str, Any]) -> dict[str, Any]:
    """Return the core of schema 3 as that of schema 4: orders of others were no matter of their own."""
    return core | {"reconcile": core["reconcile"] | {"foreign": [], "alone": [], "adopts_foreign": False}}


_UPGRADES = (_second, _third, _fourth)


def _bandit(parts: Assembly) -> BanditPersistence:
    return BanditPersistence(parts.learning, tuple(horizon.name for horizon in parts.horizons))


def _plain_fields() -> list[str]:
    return [field.name for field in fields(CoreState) if field.name not in _OTHERWISE]


class Checkpoints:
    """The checkpoint files of one state folder."""

    def __init__(self, folder: Path, run: RunStarted, parts: Assembly, *, files: FileLayer = OS_FILES) -> None:
        self._folder = folder
        self._run_id = run.run_id
        self._parts = parts
        self._files = files

    def write_state(self, state: CoreState, seq: int) -> None:
        """Write engine_state.json, trades.json and bandit_state.json; the first is kept as the previous one."""
        trades = [to_json_value(trade) for trade in state.trades]
        bandit = {"seq": seq, **_bandit(self._parts).to_dict(state.bandit)}
        record = EngineState(
            schema=SCHEMA,
            journal_seq=seq,
            run_id=self._run_id,
            cycle_number=state.cycle_number,
            portfolio_value=state.equity,
            cash=state.ledger.cash,
            positions={symbol: held.quantity for symbol, held in sorted(state.ledger.positions.items())},
            open_orders={order_id: record.status.value for order_id, record in sorted(state.orders.open.items())},
            trade_history=trades,
            risk=state.risk.to_dict(),
            bandit=bandit,
            last_update_ns=state.now_ns,
            run_digest=state.digest.texts()["run_digest"],
            decision_digest=state.digest.decision,
        )
        said = {
            STATE_FILE: record.to_dict(),
            "trades.json": {"seq": seq, "trades": trades},
            "bandit_state.json": bandit,
        }
        contents = {self._folder / name: json_file(self._folder / name, value) for name, value in said.items()}
        write_atomic_files(self._previous() | contents, files=self._files)

    def _previous(self) -> dict[Path, bytes]:
        """Return what is to be kept as the one before: a copy, since a rename would leave none for a moment."""
        path = self._folder / STATE_FILE
        if not path.exists():
            return {}
        try:
            return {self._folder / PREVIOUS_FILE: self._files.read_bytes(path)}
        except OSError as error:
            raise StateError(f"{path}: cannot be read: {error}") from error

    def take(self, state: CoreState, seq: int) -> TakenState:
        """Return what `write_taken` needs of a state, whatever happens to it meanwhile."""
        return take_state(state, seq, self._parts)

    def write_arrays(self, state: CoreState, seq: int) -> None:
        """Write arrays-<seq>.npz and drop all but the newest two; that of the run's start stays for replays."""
        self.write_taken(self.take(state, seq))
        self.drop_old()

    def write_taken(self, taken: TakenState) -> None:
        """Write the arrays file of what `take` gave, in any thread."""
        path = self._folder / arrays_name(taken.seq)
        write_atomic_bytes(path, encode_taken(taken, self._parts), files=self._files)

    def write_change(self, state: CoreState, seq: int) -> None:
        """Write code-<seq>.npz; no cycle may be in flight. It stays as long as the events before it."""
        path = self._folder / change_name(seq)
        write_atomic_bytes(path, encode_core(state, seq, self._parts), files=self._files)

    def change_after(self, seq: int) -> CoreState | None:
        """Return the state that was left where other code took over after an event; None where none was.

        Raises
        ------
        StateError
            It cannot be read.
        """
        path = self._folder / change_name(seq)
        return self.load(path)[0] if path.exists() else None

    def drop_changes(self, before_seq: int) -> None:
        """Remove what was left where other code took over, of events that are not on file any more."""
        for path in glob_sorted(self._folder, _CHANGES):
            if path.name < change_name(before_seq):
                try:
                    self._files.remove(path)
                except OSError as error:
                    raise StateError(f"{path}: cannot be removed: {error}") from error

    def drop_old(self, start_seq: int = 0, keep: Collection[int] = ()) -> None:
        """Remove all arrays files but the newest two, that of the journal's start, and those to keep."""
        for seq in self.sequences()[:-GENERATIONS]:
            if seq == start_seq or seq in keep:
                continue
            path = self._folder / arrays_name(seq)
            try:
                self._files.remove(path)
            except OSError as error:
                raise StateError(f"{path}: an old checkpoint cannot be removed: {error}") from error

    def generations(self) -> list[Path]:
        """Return the arrays files, oldest first."""
        return [path for path in glob_sorted(self._folder, "arrays-*.npz") if _ARRAYS.search(path.name)]

    def sequences(self) -> list[int]:
        """Return the events that the arrays files follow, oldest first."""
        return [int(path.name.removeprefix("arrays-").removesuffix(".npz")) for path in self.generations()]

    def load(self, path: Path) -> tuple[CoreState, int]:
        """Return state and sequence number of an arrays file.

        Raises
        ------
        StateError
            It cannot be read.
        """
        try:
            data = self._files.read_bytes(path)
        except OSError as error:
            raise StateError(f"{path}: cannot be read ({error.strerror or error}); restore it from a copy") from error
        return decode_core(data, str(path), self._parts)
