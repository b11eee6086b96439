"""The measurement of a live cycle runs the shell that it says it runs, and its parts make up the whole."""

from __future__ import annotations

# covers: P8, P18
from pathlib import Path

import pytest

from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.resume import recorded_run, start_core
from tests.bench.row_live import BELIEFS, WARM_SESSIONS, BarsLateError, Ran, lines, run
from tests.bench.worlds import Noise, market

N_CYCLES = 25
PERIODS_S = (0.02, 0.06, 0.2)  # of a bar, of which there are 260: the longer ones for a machine that is busy


def ran_in_time(folder: Path) -> tuple[Ran, Path]:
    """Return a run whose cycles ended before the next bar did, and its folder."""
    panel = market(6, WARM_SESSIONS + 1)
    for period_s in PERIODS_S:
        at = folder / f"{period_s}"
        at.mkdir()
        try:
            ran = run(panel, Noise(), N_CYCLES, at, BELIEFS["many orders"], period_s=period_s)
        except BarsLateError:
            continue
        if max(cycle.total_s for cycle in ran.cycles) < period_s:
            return ran, at
    raise BarsLateError(f"a cycle takes more than {PERIODS_S[-1]} s")


def test_it_times_the_cycles_of_a_shell_that_keeps_everything(tmp_path: Path) -> None:
    ran, folder = ran_in_time(tmp_path)
    assert len(ran.cycles) == N_CYCLES
    for cycle in ran.cycles:
        parts = cycle.parts_s()
        assert min(parts.values()) >= 0.0
        assert sum(parts.values()) == pytest.approx(cycle.total_s)
        assert (cycle.ended > cycle.decided) == (cycle.sent > 0)
    decided = [
        fields
        for record in read_journal(folder / FOLDER)
        if record.kind == "commands"
        for name, fields in record.data
        if name == "CycleDecided" and "orders" in fields
    ]
    assert len(decided) == N_CYCLES
    assert [cycle.sent for cycle in ran.cycles] == [len(one["orders"]) + len(one["cancels"]) for one in decided]
    assert sum(cycle.sent for cycle in ran.cycles) > N_CYCLES
    assert set(ran.checkpoints) == {"arrays", "engine"}
    recorded = recorded_run(folder)
    assert recorded is not None
    assert feed_journal(start_core(folder, recorded), read_journal(folder / FOLDER)).difference is None
    assert [line.row for line in lines("some", ran)] == ["3"] * 7
