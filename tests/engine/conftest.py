"""Cores to talk to. Whatever a test tells one is journaled, and replayed when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from core_desk import Desk, WishedDecisions, install, plan_of

from LIVE_TRADING.engine.checkpoint import can_checkpoint, decode_core, encode_core
from LIVE_TRADING.engine.journal import read_journal
from LIVE_TRADING.engine.recovery import feed_journal


@pytest.fixture
def wished(monkeypatch: pytest.MonkeyPatch) -> WishedDecisions:
    """Decisions as the test wishes for them."""
    return install(monkeypatch)


@pytest.fixture
def make_desk(wished: WishedDecisions, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Return a maker of desks. At the end every journal replays to the same state, and every checkpoint reads back."""
    desks: list[Desk] = []

    def make(*, strict: bool = False, **options: Any) -> Desk:
        folder = tmp_path / f"desk{len(desks)}"
        folder.mkdir()
        desk = Desk(plan_of(**options), None if strict else folder, wished, options)
        desks.append(desk)
        return desk

    yield make
    for desk in desks:
        if desk.journal is not None:
            assert_replays(desk)
        assert_reads_back(desk)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    """Return a desk in its first session."""
    made = make_desk()
    made.open(0)
    return made


def state_bytes(desk: Desk, seq: int = 0) -> bytes:
    return encode_core(desk.core.state, seq, desk.plan.assembly)


def assert_replays(desk: Desk) -> None:
    assert desk.journal is not None
    core = plan_of(**desk.options).core()  # a memory of its own: rings are shared along a run
    fed = feed_journal(core, read_journal(desk.journal.path))
    assert fed.difference is None, str(fed.difference)
    assert encode_core(core.state, 0, desk.plan.assembly) == state_bytes(desk)


def assert_reads_back(desk: Desk) -> None:
    state, seq = decode_core(state_bytes(desk, 5), "memory", desk.plan.assembly)
    assert seq == 5
    if can_checkpoint(desk.core.state):
        assert encode_core(state, 5, desk.plan.assembly) == state_bytes(desk, 5)
