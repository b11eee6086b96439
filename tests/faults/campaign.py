"""The kill campaign: lives of an engine ended by SIGKILL, each followed by a restart, against a venue that lives on.

    python tests/faults/campaign.py --kills 500

Every life goes on where the one before was killed, until the data end; then the next series begins with a new folder
and a new venue. After every restart the books of both sides are compared before the first order leaves. What is found
wrong ends the campaign with a message and leaves the folder.
"""

# ruff: noqa: E402  its own modules lie in three folders, which are put on the path first

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [path for path in map(str, (REPO, REPO / "tests/engine", REPO / "tests/faults")) if path not in sys.path]

from kill_market import COOLDOWN_S, panel
from life import LABELS, Life, live
from small_session import InAndOut
from venue_process import VenueClient, serve

from LIVE_TRADING.engine import deciding
from LIVE_TRADING.engine.archive import journal_start
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.kill_file import NAME as KILL_FILE
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.resume import recorded_run, start_core
from LIVE_TRADING.engine.schedule import CYCLE

REPORTS = ("OrderAck", "OrderFill", "OrderReject", "OrderCancelled", "CancelRejected", "OrderExpired")
ENDS = ("OrderReject", "OrderCancelled", "OrderExpired")
SIGKILLED = -9
LIFE_S = 60.0  # no life lasts that long
LONGEST_S = 0.3  # before a random kill
SHORT_S = 0.1  # of which a series can have many
DURING_START = 0.25  # so many of them count from the start of the process, the others from the first order on
LONGEST_IN_VAIN = 6  # series that a step may fail to come
DISTURBED_EVERY = 3  # series of which a halt is a part


@dataclass
class Counts:
    """What a campaign has done and seen.

    in_flight  random kills after which an order on file had no end on file
    restart_s  from the start of a process, forked from one that has everything imported, to its open feed
    """

    random: int = 0
    in_flight: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    series: int = 0
    restarts: int = 0
    compared: int = 0
    restart_s: list[float] = field(default_factory=list)
    refused_starts: int = 0
    halted_restarts: int = 0
    orders: int = 0
    fills: int = 0
    events: Counter[str] = field(default_factory=Counter)

    def rows(self) -> list[tuple[str, int]]:
        """Return what to print."""
        return [
            ("series, each to the end of the data", self.series),
            ("kills at a labelled step", self.labels.total()),
            ("kills at a random instant", self.random),
            ("... of which with an order in flight", self.in_flight),
            ("restarts that found a run on file", self.restarts),
            ("... of which into a halt that had been latched", self.halted_restarts),
            ("starts that the venue did not answer, and again", self.refused_starts),
            ("ms from a start to the open feed, median", round(1000 * statistics.median(self.restart_s))),
            ("comparisons of both books, to the last digit", self.compared),
            ("orders at the venue, none twice", self.orders),
            ("executions, each booked once", self.fills),
            ("orders of unknown fate", self.events["OrderUnknown"]),
            ("reports on file", sum(self.events[name] for name in REPORTS)),
            ("events replayed to the recorded commands", self.events.total()),
        ]


class FoundError(AssertionError):
    """The campaign found something lost, doubled or different, or cannot go on."""


def context() -> ForkServerContext:
    """Return what starts processes that have everything imported already."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["LIVE_TRADING", "life", "venue_process"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    return made


@contextmanager
def venue(processes: ForkServerContext) -> Iterator[tuple[VenueClient, int]]:
    """A venue with a book of its own."""
    ours, theirs = processes.Pipe()
    process = processes.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    port = ours.recv()
    owner = VenueClient(port)
    try:
        yield owner, port
    except ConnectionError as error:
        process.join(LIFE_S)
        raise FoundError(f"the venue is gone, with exit code {process.exitcode}: the campaign itself failed") from error
    finally:
        owner.close()
        process.join(LIFE_S)
        if process.is_alive():
            process.kill()


class Series:
    """Lives over one folder, against one venue."""

    def __init__(self, folder: Path, seed: int, processes: ForkServerContext, counts: Counts, defect: str) -> None:
        self.folder = folder
        self._processes = processes
        self._counts = counts
        self._defect = defect
        self._luck = Random(seed)
        self._seed = seed
        self._lines_read = 0
        self._lived = 0
        self._expected = "active"  # the trading state of which a restart is to find the engine; "": either
        self._last: list[dict[str, Any]] = []
        self.is_over = False

    def run(self, labels: list[str], kills: int, *, halts: bool) -> tuple[list[str], int]:
        """Live through labelled kills, then random ones, to the data's end; return what is left of both."""
        with venue(self._processes) as (owner, port):
            self._owner, self._base = owner, Life(self.folder / "state", port, self._seed, defect=self._defect)
            self._counts.series += 1
            left = list(labels)
            if halts:
                kills -= self._halt_and_resume()
            while left and not self.is_over:
                if self._live(label=left[0], count=self._luck.randint(1, 2)):
                    self._counts.labels[left.pop(0)] += 1
            while kills > 0 and not self.is_over:
                kills -= self._kill_at_random()
            if not self.is_over:
                self._live()
            if not self.is_over:
                raise FoundError(f"{self.folder}: the last life did not reach the end of the data: {self.said()}")
            self._audit()
        return left, kills

    # -- lives ---------------------------------------------------------------------------------------------------

    def _start(self, **options: Any) -> BaseProcess:
        if self._lived and self._luck.random() < 0.5:
            self._owner.ask("advance", self._luck.randint(0, 2))  # the market does not wait
        self._lived += 1
        born = replace(self._base, seed=self._luck.getrandbits(32), born_s=time.monotonic(), **options)
        process = self._processes.Process(target=live, args=(born,))
        process.start()
        return process

    def _ended(self, process: BaseProcess) -> None:
        """Wait for a life's end and for the venue to have heard all that it said; read its diary."""
        process.join(LIFE_S)
        if process.exitcode is None:
            process.kill()
            raise FoundError(f"{self.folder}: a life hangs: {self.said()}")
        self._owner.ask("await_gone")
        said = self._last = self._read()
        if process.exitcode not in (0, SIGKILLED):
            raise FoundError(f"{self.folder}: a life ended with {process.exitcode}: {said}")
        for entry in said:
            self._look_at(entry)
        failed = [entry for entry in said if entry["what"] == "failed"]
        if any(not entry["retry"] for entry in failed):
            raise FoundError(f"{self.folder}: a start was refused: {failed}")
        self._counts.refused_starts += len(failed)
        self.is_over = any(entry["what"] == "ended" for entry in said)

    def _live(self, **options: Any) -> bool:
        """Live a life to its own end; return whether that was a kill."""
        process = self._start(**options)
        self._ended(process)
        return process.exitcode == SIGKILLED

    def _kill_at_random(self) -> int:
        """Kill a life from outside; return how many were killed: none that had ended."""
        return self._kill_after(self._start(), "" if self._luck.random() < DURING_START else "settled", LONGEST_S)

    def _kill_after(self, process: BaseProcess, what: str, longest_s: float) -> int:
        """Kill a life some time after it has noted something, or after its start; return how many were killed."""
        if what:
            self._await(process, what)
        process.join(self._luck.uniform(0.0, longest_s))
        process.kill()
        self._ended(process)
        if process.exitcode != SIGKILLED:
            return 0
        self._counts.random += 1
        self._counts.in_flight += self._orders_in_flight() > 0
        return 1

    def _halt_and_resume(self) -> int:
        """Halt, by file or by word, kill, restart halted, twice, and resume: nothing is sent meanwhile."""
        by_file = self._luck.random() < 0.5
        kill_file = self.folder / "state" / KILL_FILE
        killed, self._expected = 0, ""
        while not self.is_over and not self._said_last("halted"):
            process = self._start(halt_after=-1 if by_file else 2)
            if by_file:
                self._await(process, "settled")
                process.join(self._luck.uniform(0.0, SHORT_S))
                kill_file.touch()
            killed += self._kill_after(process, "halted", SHORT_S)
        sent = len(self._owner.ask("log")["orders"])
        self._expected = "halted"
        for _ in range(2):
            if not self.is_over:
                killed += self._kill_after(self._start(), "settled", SHORT_S)
            kill_file.unlink(missing_ok=True)
        if len(self._owner.ask("log")["orders"]) != sent:
            raise FoundError(f"{self.folder}: orders were sent while trading was halted")
        self._expected = ""
        while not self.is_over and not self._said_last("resumed"):
            killed += self._kill_after(self._start(resumes=True), "resumed", LONGEST_S)
        self._expected = "active"
        return killed

    # -- looking -------------------------------------------------------------------------------------------------

    def _said_last(self, what: str) -> bool:
        return any(entry["what"] == what for entry in self._last)

    def _read(self) -> list[dict[str, Any]]:
        lines = self.said()
        new, self._lines_read = lines[self._lines_read :], len(lines)
        return new

    def said(self) -> list[dict[str, Any]]:
        if not self._base.diary.exists():
            return []
        return [json.loads(line) for line in self._base.diary.read_text().splitlines()]

    def _await(self, process: BaseProcess, what: str) -> None:
        """Wait until a life has noted something, or has ended."""
        while process.is_alive() and all(entry["what"] != what for entry in self.said()[self._lines_read :]):
            process.join(0.005)

    def _look_at(self, entry: dict[str, Any]) -> None:
        if entry.get("risk", self._expected) != self._expected and self._expected:
            what = "the halt was lost by a restart" if self._expected == "halted" else "trading is not as it should be"
            raise FoundError(f"{self.folder}: {what}: {entry}")
        if entry["what"] == "halted" and self._expected == "active":
            raise FoundError(f"{self.folder}: halted by nobody: {entry}")
        if entry["what"] == "recovered":
            self._counts.restarts += entry["seq"] > 0
            self._counts.halted_restarts += self._expected == "halted"
        elif entry["what"] in ("settled", "ended"):
            self._counts.compared += 1
            if entry["what"] == "settled":
                self._counts.restart_s.append(entry["after_s"])
            if entry["cash_apart"] or entry["held"] != entry["venue_held"]:
                raise FoundError(f"{self.folder}: ledger and venue differ: {entry}")

    def _orders_in_flight(self) -> int:
        """Return how many orders on file have no end on file: what the killed process had under way."""
        sent, over = set(), set()
        quantity: dict[str, float] = {}
        filled: Counter[str] = Counter()
        seen: set[str] = set()
        for record in self._records():
            if record.kind == "commands":
                for name, fields in record.data:
                    if name == "SubmitOrder":
                        order = fields["order"]
                        sent.add(order["client_order_id"])
                        quantity[order["client_order_id"]] = float(order["quantity"])
            elif record.kind == "event":
                name, fields = record.data
                if name in ENDS or (name == "OrderStatusReport" and fields["status"] not in ("working", "unanswered")):
                    over.add(fields["order_id"])
                elif name == "OrderFill" and fields["execution_id"] not in seen:
                    seen.add(fields["execution_id"])
                    filled[fields["order_id"]] += float(fields["fill_amount"])
        return sum(order_id not in over and filled[order_id] < quantity[order_id] for order_id in sent)

    def _records(self) -> Iterator[Any]:
        journal = self.folder / "state" / FOLDER
        return read_journal(journal) if journal.exists() and any(journal.iterdir()) else iter(())

    def _audit(self) -> None:
        """Compare what the venue saw over all lives with what is on file, and replay that."""
        log = self._owner.ask("log")
        ids = [order["client_order_id"] for order in log["orders"]]
        doubled = [order_id for order_id, times in Counter(ids).items() if times > 1]
        if doubled:
            raise FoundError(f"{self.folder}: orders sent twice: {doubled}")
        on_file: set[str] = set()
        booked: set[str] = set()
        came: set[int] = set()
        cycles: set[int] = set()
        for record in self._records():
            if record.kind == "event":
                name, fields = record.data
                self._counts.events[name] += 1
                if name == "OrderFill":
                    booked.add(fields["execution_id"])
                elif name == "CodeChanged":  # all lives are of one code
                    said = fields["difference"]
                    raise FoundError(f"{self.folder}: a restart does not give what is on file: {said}")
                elif name == "BarBatch":
                    came.add(fields["bar_end_ns"])
                elif name == "ScheduledTrigger" and fields["trigger_type"] == CYCLE:
                    cycles.add(fields["scheduled_time_ns"])
            elif record.kind == "commands":
                on_file |= {f["order"]["client_order_id"] for name, f in record.data if name == "SubmitOrder"}
        if unknown := set(ids) - on_file:
            raise FoundError(f"{self.folder}: orders reached the venue that are not on file: {sorted(unknown)}")
        if lost := {fill["execution_id"] for fill in log["fills"]} ^ booked:
            raise FoundError(f"{self.folder}: executions that only one side knows: {sorted(lost)}")
        if left_out := set(panel().bar_end_ns.tolist()) - (came & cycles):
            raise FoundError(f"{self.folder}: bar ends without bars or without a cycle: {sorted(left_out)}")
        self._check_cooldown(log["orders"])
        self._replay()
        self._counts.orders += len(ids)
        self._counts.fills += len(log["fills"])

    def _check_cooldown(self, orders: list[dict[str, Any]]) -> None:
        last: dict[str, int] = {}
        for order in sorted(orders, key=lambda order: order["order_number"]):
            symbol, at_ns = order["symbol"], order["decision_time_ns"]
            if order["leg"] == "entry" and symbol in last and at_ns - last[symbol] < COOLDOWN_S * 1e9:
                raise FoundError(f"{self.folder}: {order} entered within the cooldown of an order at {last[symbol]}")
            last[symbol] = at_ns

    def _replay(self) -> None:
        state_dir = self.folder / "state"
        run = recorded_run(state_dir)
        assert run is not None
        deciding.decide, decide = InAndOut(), deciding.decide  # type: ignore[assignment]
        try:
            start_seq, _ = journal_start(state_dir / FOLDER)
            fed = feed_journal(start_core(state_dir, run), self._records(), after_seq=start_seq)
        finally:
            deciding.decide = decide
        if fed.difference is not None or fed.passed:
            raise FoundError(f"{self.folder}: {fed.difference or fed.passed}")


def campaign(folder: Path, kills: int, labels: list[str], seed: int = 1, defect: str = "") -> Counts:
    """Kill at every label and at so many random instants; return the counts, or raise what was found."""
    counts, processes = Counts(), context()
    left, number, in_vain = list(labels), 0, 0
    while left or kills > 0:
        number += 1
        at = folder / f"series-{number}"
        at.mkdir(parents=True)
        was_left = len(left)
        series = Series(at, seed * 1_000_003 + number, processes, counts, defect)
        left, kills = series.run(left, kills, halts=number % DISTURBED_EVERY == 1)
        shutil.rmtree(at)
        in_vain = in_vain + 1 if left and len(left) == was_left else 0
        if in_vain == LONGEST_IN_VAIN:
            raise FoundError(f"the step {left[0]} never came")
    return counts


def main() -> None:
    """Run the campaign and print what it did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=500, help="at random instants, besides one at every labelled step")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the lives keep their files; default: a temporary one")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="kills-"))
    started = time.perf_counter()
    counts = campaign(folder, given.kills, list(LABELS), given.seed)
    wall_s = time.perf_counter() - started
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {wall_s:,.0f} s")
    for name, value in counts.rows():
        print(f"{name:<58}{value:>8,}")
    if counts.in_flight * 3 < counts.random:
        raise FoundError("fewer than a third of the random kills had an order in flight: they show too little")


if __name__ == "__main__":
    main()
