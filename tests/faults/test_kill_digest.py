"""Killed while no order is outstanding and no cycle in flight, an engine goes on to the digests of one that was not."""

from __future__ import annotations

# covers: P18, A18, P27
import asyncio
from collections import defaultdict
from pathlib import Path

import pytest
from small_session import Promises, engine_over, trade

from LIVE_TRADING.common.events import Stamped
from LIVE_TRADING.engine.trading_engine import TradingEngine
from tests.support.killed import KillableFiles

VENUE = "paper_venue.json"
AT_ENDS_ONLY = {"checkpoint_s": 1e6, "arrays_s": 1e6}
KINDS = ("BarBatch", "BrokerSnapshot", "OrderCancelled", "OrderFill", "PredictionsReady", "ScheduledTrigger")


class Copier:
    """Copies a state folder after each event as a kill would leave it, where nothing is under way."""

    engine: TradingEngine

    def __init__(self, state_dir: Path, target: Path) -> None:
        self._state_dir, self._target = state_dir, target
        self.files = KillableFiles()
        self.copies: dict[str, list[Path]] = defaultdict(list)

    def __call__(self, stamped: Stamped, commands: object) -> None:
        state = self.engine.core.state
        if state.orders.open or state.pending is not None:
            return
        copy = self.files.copied(self._state_dir, self._target / f"{stamped.seq}")
        self.copies[type(stamped.event).__name__].append(copy)


@pytest.fixture
def killed(tmp_path: Path) -> tuple[dict[str, list[Path]], dict[str, str]]:
    """Folders as kills leave them, by the last event handled, and the digests of the run that was not killed."""
    state_dir = tmp_path / "state"
    copier = Copier(state_dir, tmp_path)
    venue_file = state_dir / VENUE
    copier.engine = engine_over(
        state_dir, Promises(), copier.files, venue_file=venue_file, observers=[copier], **AT_ENDS_ONLY
    )
    asyncio.run(copier.engine.run())
    copier.engine.close()
    return copier.copies, copier.engine.core.state.digest.texts()


def check(copies: list[Path], digests: dict[str, str]) -> None:
    for copy in copies:
        resumed = trade(copy, Promises(), venue_file=copy / VENUE, **AT_ENDS_ONLY)
        assert resumed.core.state.digest.texts() == digests, copy.name


def test_a_kill_with_nothing_under_way_costs_nothing(
    killed: tuple[dict[str, list[Path]], dict[str, str]],
) -> None:
    copies, digests = killed
    assert set(copies) == set(KINDS)
    for kind in KINDS:
        found = copies[kind]
        check(sorted({found[0], found[len(found) // 2], found[-1]}), digests)


@pytest.mark.slow
def test_any_kill_with_nothing_under_way_costs_nothing(
    killed: tuple[dict[str, list[Path]], dict[str, str]],
) -> None:
    copies, digests = killed
    for found in copies.values():
        check(found, digests)
