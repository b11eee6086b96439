"""The kill campaign in its short form: SIGKILL at every labelled step, and at random instants."""

from __future__ import annotations

# covers: P18, A17, B2, B3, B5, B8
import os
import subprocess
import sys
from pathlib import Path

import pytest
from campaign import FoundError, campaign
from life import LABELS
from planted_defects import DEFECTS

RANDOM_KILLS = 10


def test_an_engine_killed_anywhere_comes_back_with_the_venues_book(tmp_path: Path) -> None:
    """What the campaign checks after each restart and at the end of each series it raises itself."""
    counts = campaign(tmp_path, RANDOM_KILLS, list(LABELS))
    assert set(counts.labels) == set(LABELS)
    assert counts.random >= RANDOM_KILLS
    assert counts.in_flight > 0
    assert counts.halted_restarts >= 2
    assert counts.restarts >= len(LABELS) // 2
    assert counts.compared >= counts.series
    for kind in ("OrderUnknown", "OrderFill", "OrderCancelled", "OrderStatusReport"):
        assert counts.events[kind] > 0, kind


def test_the_campaign_runs_as_its_docs_say(tmp_path: Path) -> None:
    """With no path of ours in the environment, and from anywhere."""
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = subprocess.run(
        [sys.executable, Path(__file__).with_name("campaign.py"), "--help"],
        env=alone,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert "--kills" in said.stdout


# where an order is at the venue and the engine has not heard, where it has and nothing is booked, where all is on file:
# so many kills there show the same on a machine of any speed
STEPS = ("send-answered", "fill", "fill-appended")
BOOKS_DIFFER = "ledger and venue differ|halted by nobody: .*(ledger|venue)"
FOUND = {
    "booked-twice": BOOKS_DIFFER,
    "cooldowns-forgotten": "within the cooldown|does not give what is on file|first difference at event",
    "executions-forgotten": BOOKS_DIFFER,
    "halts-forgotten": "the halt was lost",
    "open-orders-forgotten": f"{BOOKS_DIFFER}|does not give what is on file",
    "sent-again": f"orders sent twice|{BOOKS_DIFFER}",
}


@pytest.mark.slow
@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_the_campaign_finds_a_defect_that_was_planted(tmp_path: Path, defect: str) -> None:
    with pytest.raises(FoundError, match=FOUND[defect]):
        campaign(tmp_path, 0, [*STEPS] * 20, defect=defect)
