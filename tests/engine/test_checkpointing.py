"""When a checkpoint begins: not beside a cycle, unless it would come much too late."""

from __future__ import annotations

# covers: B7, B8
import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from LIVE_TRADING.engine.checkpointing import PUT_OFF_S, CheckpointTimes, CheckpointWriter
from LIVE_TRADING.engine.group_commit import GroupCommit

STATE_S, ARRAYS_S = 60.0, 600.0


@dataclass
class Files:
    """Remembers what was written; something may happen while the arrays are."""

    written: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def take(self, state: object, seq: int) -> str:
        return "arrays"

    def write_taken(self, taken: str) -> None:
        self.written.append(taken)
        self.meanwhile()

    def write_state(self, state: object, seq: int) -> None:
        self.written.append("state")


class Bench:
    """A writer over a core whose cycle is in flight or not, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.files = Files()
        self.state = SimpleNamespace(pending=None, collected=(), now_ns=0)
        self.errors: list[Exception] = []

    def writer(self) -> CheckpointWriter:
        driver: Any = SimpleNamespace(core=SimpleNamespace(state=self.state), seq=1, journal=None, journal_failed=False)
        commit = GroupCommit(None, self.errors.append)
        files: Any = self.files
        times = CheckpointTimes(STATE_S, ARRAYS_S)
        return CheckpointWriter(driver, files, None, commit, times, lambda *_: None, self.errors.append)

    async def tended(self, writer: CheckpointWriter, at_s: float) -> list[str]:
        """Return what is written when the loop is idle at an instant."""
        self.now_s, before = 1000.0 + at_s, len(self.files.written)
        writer.tend()
        if writer._running is not None:
            await writer._running
        return self.files.written[before:]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench()
    clock = SimpleNamespace(monotonic=lambda: made.now_s, perf_counter=time.perf_counter)
    monkeypatch.setattr("LIVE_TRADING.engine.checkpointing.time", clock)
    return made


def test_each_kind_is_written_when_it_is_due(bench: Bench) -> None:
    async def play() -> list[list[str]]:
        writer = bench.writer()
        return [await bench.tended(writer, at_s) for at_s in (59, 60, 119, 120, 600, 660)]

    written = asyncio.run(play())
    assert written == [[], ["state"], [], ["state"], ["arrays", "state"], ["state"]]
    assert bench.errors == []


def test_the_state_is_written_soon_after_it_has_changed_by_decree_and_not_at_each_change(bench: Bench) -> None:
    async def play() -> list[list[str]]:
        writer = bench.writer()
        written = [await bench.tended(writer, 10)]
        for at_s in (10.5, 10.6, 11.0, 20.0):
            if at_s < 11.0:
                writer.changed()
            written.append(await bench.tended(writer, at_s))
        return written

    assert asyncio.run(play()) == [[], ["state"], [], [], ["state"]]


@pytest.mark.parametrize("busy", [{"pending": "a cycle"}, {"collected": ("bars",)}])
def test_it_waits_for_the_cycle_and_the_state_not_for_long(bench: Bench, busy: dict[str, object]) -> None:
    async def play() -> list[list[str]]:
        writer = bench.writer()
        written = [await bench.tended(writer, 590)]
        vars(bench.state).update(busy)
        late_s = 650 + PUT_OFF_S
        written += [await bench.tended(writer, at_s) for at_s in (600, 650, late_s - 0.1, late_s)]
        vars(bench.state).update(pending=None, collected=())
        return [*written, await bench.tended(writer, late_s + 1)]

    assert asyncio.run(play()) == [["state"], [], [], [], ["state"], ["arrays"]]
    assert bench.errors == []


@pytest.mark.parametrize("word", ["changed", "session_closed"])
def test_what_comes_while_files_are_written_is_of_the_next_ones(bench: Bench, word: str) -> None:
    """A halt, say: what is being written was taken before it."""

    async def play() -> list[list[str]]:
        writer = bench.writer()
        writer.session_closed()
        bench.files.meanwhile = getattr(writer, word)
        written = [await bench.tended(writer, 60)]
        bench.files.meanwhile = lambda: None
        return written + [await bench.tended(writer, at_s) for at_s in (61, 62)]

    again = {"changed": ["state"], "session_closed": ["arrays"]}[word]
    assert asyncio.run(play()) == [["arrays", "state"], again, []]
