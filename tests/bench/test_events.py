"""Events at a pace through journal, risk and ledger, in small: what the bench counts as lost is what is lost."""

from __future__ import annotations

# covers: B22
from decimal import Decimal
from pathlib import Path

import pytest

from LIVE_TRADING.common.events import Event
from LIVE_TRADING.engine.commands import Command
from LIVE_TRADING.engine.driver import Driver
from tests.bench.row_persistence import PARTS, pace

N_EVENTS = 1_000  # of 200 orders: an acknowledgement and four fills each


def test_each_event_is_on_file_and_each_fill_in_the_book(tmp_path: Path) -> None:
    paced = pace(tmp_path, 5_000, N_EVENTS)
    n_fills = N_EVENTS * PARTS // (PARTS + 1)
    assert (paced.on_file, paced.fills_booked) == (N_EVENTS, n_fills)
    assert paced.fees == n_fills * Decimal("0.05")
    assert len(paced.latencies_s) == N_EVENTS


def test_an_event_that_went_missing_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, handled = Driver.step, list[Event]()

    def forgetful(self: Driver, event: Event, now_ns: int) -> list[Command]:
        handled.append(event)
        return [] if len(handled) == 333 else step(self, event, now_ns)

    monkeypatch.setattr(Driver, "step", forgetful)
    paced = pace(tmp_path, 5_000, N_EVENTS)
    assert paced.on_file == N_EVENTS - 1
    assert paced.fills_booked == N_EVENTS * PARTS // (PARTS + 1) - 1
