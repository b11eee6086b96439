"""Putting the parts of a run together."""

from __future__ import annotations

# covers: P26
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from LIVE_TRADING.cli.compose import open_source, settings_for
from LIVE_TRADING.cli.options import run_folder, run_name
from LIVE_TRADING.common.exceptions import ConfigurationError


@pytest.fixture
def weekend_bars(tmp_path: Path) -> Path:
    """Hourly bars over a week, weekend included."""
    times = pd.date_range("2025-03-03", "2025-03-10", freq="1h", tz="UTC", inclusive="left")
    price = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 1e-3, len(times))))
    table = pd.DataFrame({"symbol": "BTC-USD", "timestamp": times, "open": price, "close": price, "volume": 1e6})
    table["high"], table["low"] = price * 1.001, price * 0.999
    path = tmp_path / "crypto.parquet"
    table.to_parquet(path)
    return path


def test_a_market_that_never_closes_trades_in_parts_of_a_coin(weekend_bars: Path) -> None:
    source = open_source(str(weekend_bars), settings_for(None, None), None)
    assert source.facts.calendar == "24/7"
    assert source.instruments["BTC-USD"].lot == Decimal("0.000001")


def test_what_is_said_of_the_asset_class_holds(weekend_bars: Path) -> None:
    said = settings_for(None, ["instruments.asset_class=equity"])
    assert open_source(str(weekend_bars), said, None).instruments["BTC-USD"].lot == 1


def test_a_run_is_found_by_folder_or_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVE_TRADING_RUNS")
    assert run_folder("x", None) == Path("state/runs/x")
    monkeypatch.setenv("LIVE_TRADING_RUNS", str(tmp_path))
    assert run_folder("x", None) == tmp_path / "x"
    assert run_folder("y", tmp_path / "y") == tmp_path / "y"
    with pytest.raises(ConfigurationError, match="name two runs"):
        run_folder("x", tmp_path / "y")
    assert run_folder(None, None) is None
    assert (run_name("x", tmp_path), run_name(None, tmp_path / "y"), run_name(None, None)) == ("x", "y", "adhoc")
