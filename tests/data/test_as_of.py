"""A recording as of an instant is what a recording that ends there gives."""

# covers: R3

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bar_tables import bar_table, starts, write

from LIVE_TRADING.common.exceptions import ConfigurationError, DataProviderError
from LIVE_TRADING.common.types import BAR_FIELDS
from LIVE_TRADING.data.as_of import OfSymbols, RecordedFile, RecordedSimulation
from LIVE_TRADING.data.bars_file import read_bars
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.registry import DataOptions, get_recording
from LIVE_TRADING.data.simulated import SimulatedMarketConfig

WEEK = ["2025-05-12", "2025-05-13", "2025-05-14", "2025-05-15"]
INTERVAL = pd.Timedelta(minutes=5)
SMALL = SimulatedMarketConfig(n_symbols=3, n_sessions=5, bars_per_session=13)


def assert_same_panel(one: BarPanel, other: BarPanel) -> None:
    for field in fields(BarPanel):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right, err_msg=field.name)
        else:
            assert left == right, field.name


def shorter(table: pd.DataFrame, instant: pd.Timestamp) -> pd.DataFrame:
    return table[table["timestamp"] + INTERVAL <= instant]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize(
    "text", ["2025-05-12T14:00:00Z", "2025-05-13T20:00:00Z", "2025-05-15T13:35:00Z", "2025-05-15T20:00:00Z"]
)
def test_it_is_the_panel_of_a_shorter_file(tmp_path: Path, text: str, suffix: str, quoted: bool) -> None:
    table = bar_table(("AAA", "BBB", "CCC"), starts(WEEK))
    table = table.drop(index=table.sample(30, random_state=1).index)
    if quoted:
        table = table.assign(bid=table["close"] - 0.01, ask=table["close"] + 0.02)
    whole = write(table, tmp_path / f"whole.{suffix}")
    instant = pd.Timestamp(text)
    short = read_bars(write(shorter(table, instant), tmp_path / f"short.{suffix}"))
    recording = RecordedFile(whole)
    assert_same_panel(recording.as_of(instant.value), short)
    assert_same_panel(recording.panel(), read_bars(whole))


def test_a_symbol_that_has_no_bar_yet_is_there_without_any(tmp_path: Path) -> None:
    table = bar_table(("AAA", "NEW"), starts(WEEK))
    table = table[(table["symbol"] == "AAA") | (table["timestamp"] > "2025-05-14")]
    panel = RecordedFile(write(table, tmp_path / "bars.parquet")).as_of(pd.Timestamp("2025-05-13T15:00:00Z").value)
    assert panel.symbols == ("AAA", "NEW")
    assert np.isnan(panel.close[:, 1]).all()
    assert np.isfinite(panel.close[:10, 0]).all()


def test_calendar_and_interval_are_those_of_the_whole_file(tmp_path: Path) -> None:
    table = bar_table(("AAA",), starts(["2025-05-12", "2025-05-17"]))  # a Saturday: this market never closes
    recording = RecordedFile(write(table, tmp_path / "bars.parquet"))
    panel = recording.as_of(pd.Timestamp("2025-05-12T13:35:00Z").value)
    assert (panel.sessions.name, panel.interval_ns) == ("24/7", 5 * 60 * 10**9)
    assert np.isfinite(panel.close).sum() == 1


def test_before_the_first_bar_there_is_nothing(tmp_path: Path) -> None:
    recording = RecordedFile(write(bar_table(), tmp_path / "bars.parquet"))
    with pytest.raises(DataProviderError, match="no bar had ended by 2025-05-12T13:34:00Z"):
        recording.as_of(pd.Timestamp("2025-05-12T13:34:00Z").value)
    simulation = RecordedSimulation(SMALL)
    with pytest.raises(DataProviderError, match="no bar had ended"):
        simulation.as_of(int(simulation.panel().sessions.sessions[0].open_ns))


@pytest.mark.parametrize("row", [0, 5, 12, 13, 40, 64])
def test_the_simulated_market_begins_as_the_whole_one_and_ends_at_the_instant(row: int) -> None:
    recording = RecordedSimulation(SMALL)
    whole = recording.panel()
    panel = recording.as_of(int(whole.bar_end_ns[row]))
    for name in BAR_FIELDS:
        np.testing.assert_array_equal(getattr(panel, name)[: row + 1], getattr(whole, name)[: row + 1])
        assert np.isnan(getattr(panel, name)[row + 1 :]).all()
    assert len(panel.sessions.sessions) == row // 13 + 1


def test_some_symbols_of_it() -> None:
    recording = RecordedSimulation(SMALL)
    of_two = OfSymbols(recording, ["S0002", "S0000"])
    instant_ns = int(recording.panel().bar_end_ns[20])
    assert_same_panel(of_two.panel(), recording.panel().select(["S0000", "S0002"]))
    assert_same_panel(of_two.as_of(instant_ns), recording.as_of(instant_ns).select(["S0000", "S0002"]))


def test_a_spec_names_it(tmp_path: Path) -> None:
    path = write(bar_table(), tmp_path / "bars.parquet")
    assert_same_panel(get_recording(str(path)).panel(), read_bars(path))
    assert_same_panel(get_recording(f"historical:{path}").panel(), read_bars(path))
    simulated = get_recording("simulated", DataOptions(simulated=SMALL))
    assert simulated.panel().symbols == ("S0000", "S0001", "S0002")
    with pytest.raises(ConfigurationError, match="did you mean historical"):
        get_recording("historcal:x")
    with pytest.raises(ConfigurationError, match="set bars_per_session"):
        get_recording("simulated", DataOptions(interval_minutes=7, simulated=SMALL))
