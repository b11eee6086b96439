"""Shared fixtures."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import LIVE_TRADING  # noqa: F401  the reproducibility bootstrap comes before numpy

REPO = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LIVE_TRADING_DATA", REPO.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return the path of a recorded data set by its file name; skips where the recordings are absent."""

    def path_of(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            pytest.skip("recorded market data are absent")
        return path

    return path_of


@pytest.fixture(scope="session")
def shared_reference() -> Callable[[str], Path]:
    """Return the path of a file of published reference numbers; skips where they are absent."""

    def path_of(name: str) -> Path:
        path = DATA.parent / "reference" / name
        if not path.exists():
            pytest.skip("published reference numbers are absent")
        return path

    return path_of
