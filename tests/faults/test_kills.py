"""The kill campaign in its short form: SIGKILL at every labelled step, and at random instants."""

from __future__ import annotations

# covers: P18, A17, B2, B3, B5, B8
from pathlib import Path

from campaign import campaign
from life import LABELS

RANDOM_KILLS = 10


def test_an_engine_killed_anywhere_comes_back_with_the_venues_book(tmp_path: Path) -> None:
    """What the campaign checks after each restart and at the end of each series it raises itself."""
    counts = campaign(tmp_path, RANDOM_KILLS, list(LABELS))
    assert set(counts.labels) == set(LABELS)
    assert counts.random >= RANDOM_KILLS
    assert counts.in_flight * 3 >= counts.random
    assert counts.halted_restarts >= 2
    assert counts.restarts >= len(LABELS) // 2
    assert counts.compared >= counts.series
    for kind in ("OrderUnknown", "OrderFill", "OrderCancelled", "OrderStatusReport"):
        assert counts.events[kind] > 0, kind
