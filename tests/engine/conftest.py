"""Cores to talk to. Whatever a test tells one is journaled, and replayed when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from core_desk import Desk, WishedDecisions, assert_reads_back, assert_replays, install, plan_of


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
