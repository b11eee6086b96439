"""Two sessions in both shells, plain and disturbed; as a script it prints the digests as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import LIVE_TRADING  # noqa: F401  the reproducibility bootstrap comes before numpy

# isort: split
from real_runs import TWO_SESSIONS, Trail, backtested, low_cost, source_of, traded

from LIVE_TRADING.data.bars_file import read_bars
from LIVE_TRADING.data.historical import LateBar
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.latency import InferenceLatency

LATE_SYMBOL = "MSFT"
VENUE = ("exchange.ack_latency_ms=40", "exchange.fill_latency_ms=70")


def bar_end_ns(panel: BarPanel, number: int) -> int:
    """Return the end of a bar of the first of the two sessions, counted from 1."""
    session = next(session for session in panel.sessions.sessions if session.date == TWO_SESSIONS[0])
    return session.open_ns + number * panel.interval_ns


def both_shells(panel: BarPanel, run_root: Path, *, disturbed: bool) -> tuple[Trail, Trail]:
    """Return backtest and asyncio shell; disturbed: slow venue, slow models, a late bar, a cycle that is skipped."""
    settings = low_cost(*(VENUE if disturbed else ()))
    late = [LateBar(LATE_SYMBOL, bar_end_ns(panel, 5), 3 * 10**9)] if disturbed else []
    source = source_of(panel, settings, late)
    longer_than_a_bar = {bar_end_ns(panel, 9): panel.interval_ns + 500_000_000}
    latency = InferenceLatency(500_000_000, 3_600 * 10**9, longer_than_a_bar) if disturbed else None
    return (
        backtested(source, settings, run_root, TWO_SESSIONS, latency=latency),
        traded(source, settings, run_root, TWO_SESSIONS, latency=latency),
    )


def digests(panel: BarPanel, run_root: Path) -> dict[str, dict[str, str]]:
    """Return the digests of all four."""
    plain, disturbed = (both_shells(panel, run_root, disturbed=flag) for flag in (False, True))
    names = ("plain backtest", "plain shell", "disturbed backtest", "disturbed shell")
    return {name: trail.digests for name, trail in zip(names, (*plain, *disturbed), strict=True)}


if __name__ == "__main__":
    print(json.dumps(digests(read_bars(sys.argv[1]), Path(sys.argv[2]))))
