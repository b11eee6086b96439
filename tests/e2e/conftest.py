"""One small run, trained once per test session on real bars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from real_runs import FILE, World, make_world, once

from LIVE_TRADING.data.bars_file import read_bars
from LIVE_TRADING.data.panel import BarPanel


@pytest.fixture(scope="session")
def world(shared_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> World:
    recorded = shared_data(FILE)
    folder = once(tmp_path_factory, "e2e-world", lambda made: make_world(recorded, made))
    return World(folder / "run", folder / "bars.parquet")


@pytest.fixture(scope="session")
def panel(world: World) -> BarPanel:
    return read_bars(world.bars)
