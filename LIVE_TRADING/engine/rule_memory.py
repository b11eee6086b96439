"""A rule after a restart: asked again for every bar end it was asked for, so that its memory is what it was.

A rule keeps its memory to itself, so no checkpoint holds it. But what it was asked stands in the journal, and what it
said then as well: it must say the same again, or it is another rule. Once it has raised, it may since have been mended:
what it said after that need not come out again; trading is halted then until an operator resumes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from LIVE_TRADING.common.codec import decode
from LIVE_TRADING.common.events import CycleAborted, Event, RunStarted, TargetsReady
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.types import BarBatch, FloatArray
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.engine.archive import journal_start
from LIVE_TRADING.engine.book import empty_batch, merged
from LIVE_TRADING.engine.commands import RunInference
from LIVE_TRADING.engine.inference import FAILED
from LIVE_TRADING.engine.journal import read_journal
from LIVE_TRADING.engine.recovery import entries
from LIVE_TRADING.engine.rule import TargetRule, targets_of

_READ = (BarBatch.__name__, TargetsReady.__name__, CycleAborted.__name__)


def recall(rule: TargetRule, folder: Path, run: RunStarted) -> None:
    """Ask a rule again what it was asked by the journal in `folder`.

    A journal whose beginning was removed (`engine.journal_keep_days`) fills the rule's windows from where it begins;
    there the newest answer on file must come out again, elsewhere all of them.

    Raises
    ------
    StateError
        The rule says something else than is on file, or raises where there is an answer on file.
    """
    start_seq, _ = journal_start(folder)
    again, difference = _Again(rule, run), ""
    for entry in entries(read_journal(folder), start_seq):
        if entry.failed:
            continue
        if entry.event.data[0] in _READ:
            difference = again.take(decode(entry.event.data), difference)
        for command, fields in entry.commands:
            if command == RunInference.__name__:
                again.ask(fields["cycle_time_ns"])
        if difference and not start_seq:
            break
    if difference:
        raise StateError(
            f"{folder}: the rule does not say what is on file: {difference}; give the rule that opened this run"
            + (", or keep more of its bars (engine.journal_keep_days)" if start_seq else "")
            + ", or start a new folder"
        )


class _Again:
    """Collects bars as the core does, asks the rule, and keeps what it says until the answer on file comes."""

    def __init__(self, rule: TargetRule, run: RunStarted) -> None:
        self._rule = rule
        self._run = run
        self._collected: dict[int, BarBatch] = {}
        self._said: dict[int, FloatArray | Exception] = {}
        self._has_raised = False

    def take(self, event: Event, difference: str) -> str:
        """Take bars or what became of a cycle; return how the rule differs from its newest answer, "" for not."""
        if isinstance(event, TargetsReady):
            return self._compared(event)
        if isinstance(event, CycleAborted):
            self._has_raised |= event.reason == FAILED
        if isinstance(event, BarBatch):
            earlier = self._collected.get(event.bar_end_ns)
            self._collected[event.bar_end_ns] = event if earlier is None else merged(earlier, event)
        return difference

    def ask(self, cycle_ns: int) -> None:
        """Ask for the targets of a bar end. What the rule raises may be what it raised then."""
        bars = self._collected.get(cycle_ns) or empty_batch(cycle_ns, self._run.interval_ns, len(self._run.symbols))
        self._collected = {end: batch for end, batch in self._collected.items() if end > cycle_ns}
        try:
            self._said[cycle_ns] = targets_of(self._rule, bars)
        except Exception as error:  # noqa: BLE001  its cycle was aborted then; if it was not, there is an answer
            self._said[cycle_ns] = error

    def _compared(self, ready: TargetsReady) -> str:
        said, cycle = self._said.pop(ready.cycle_time_ns, None), iso_utc(ready.cycle_time_ns)
        if said is None or self._has_raised:  # asked before the journal begins, or maybe mended since
            return ""
        if isinstance(said, Exception):
            return f"at {cycle} it raises {type(said).__name__}: {said}"
        if np.array_equal(said, ready.weights, equal_nan=True):
            return ""
        column = int(np.flatnonzero(~((said == ready.weights) | (np.isnan(said) & np.isnan(ready.weights))))[0])
        return f"at {cycle} {said[column]} for {self._run.symbols[column]}, on file {ready.weights[column]}"
