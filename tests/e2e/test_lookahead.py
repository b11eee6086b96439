"""Trained runs over recorded bars do not look ahead; a leak that is planted in the reading of those bars is found."""

# covers: R3

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from real_runs import AFTER_TRAINING, FILE, WEEK, World, low_cost

from LIVE_TRADING.cli.backtest import BacktestRequest
from LIVE_TRADING.cli.check_lookahead import Check, check
from LIVE_TRADING.cli.compose import open_recording
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.data import spread


def checked(bars: Path, run_root: Path, span: tuple[str, str | None], count: int) -> Check:
    settings = low_cost()
    recording = open_recording(str(bars), settings, None, "auto", run_root)
    return check(recording, settings, BacktestRequest(run_root, "e2e", *span), count, seed=7)


def assert_proven(found: Check, count: int) -> None:
    report = found.report
    assert found.differences == ()
    assert report.agreed_ns == report.instants_ns
    assert len(report.instants_ns) == count
    assert set(report.forecasts) == {"lightgbm", "ridge"}
    assert min(report.forecasts.values()) > 4 * 60 * count  # horizons, symbols that have a bar
    assert min(report.numbers.values()) > 0
    assert report.orders > count
    assert report.fills > count


def test_a_week_with_a_half_day(world: World) -> None:
    assert_proven(checked(world.bars, world.run_root, WEEK, 15), 15)


def test_a_spread_estimate_that_counts_the_session_it_is_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_today(values: FloatArray, window: int) -> FloatArray:
        padded = np.concatenate([np.zeros((window - 1, values.shape[1])), values])
        return np.lib.stride_tricks.sliding_window_view(padded, window, axis=0).sum(axis=-1)

    monkeypatch.setattr(spread, "_trailing_sum", with_today)
    found = checked(world.bars, world.run_root, WEEK, 5)
    first = found.differences[0]
    assert (first.stage, first.name) == ("bars", "bid")
    assert found.report.agreed_ns == ()


@pytest.mark.slow
def test_half_a_year(world: World, shared_data: Callable[[str], Path]) -> None:
    assert_proven(checked(shared_data(FILE), world.run_root, (AFTER_TRAINING, None), 50), 50)
