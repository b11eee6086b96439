"""Sources by name."""

# covers: P17, P26

from __future__ import annotations

import pytest
from bar_tables import bar_table, starts, write

from LIVE_TRADING.common.clock import SimulatedClock
from LIVE_TRADING.common.exceptions import ConfigurationError, DataProviderError
from LIVE_TRADING.data.historical import HistoricalDataProvider, LateBar
from LIVE_TRADING.data.registry import DataOptions, get_data_provider
from LIVE_TRADING.data.simulated import SimulatedDataProvider, SimulatedMarketConfig

SMALL = SimulatedMarketConfig(n_symbols=3, n_sessions=4, bars_per_session=13)


def test_a_recording_by_name_and_by_path(tmp_path):
    path = write(bar_table(times=starts(["2025-05-12", "2025-05-13"])), tmp_path / "bars.parquet")
    named = get_data_provider(f"historical:{path}")
    assert isinstance(named, HistoricalDataProvider)
    assert get_data_provider(str(path)).panel.data_hash == named.panel.data_hash


def test_a_recording_is_narrowed_by_the_options(tmp_path):
    path = write(bar_table(times=starts(["2025-05-12", "2025-05-13"])), tmp_path / "bars.csv")
    late = LateBar("BBB", int(starts(["2025-05-13"])[1].value), 5)
    options = DataOptions(5, "XNYS", ["BBB"], "2025-05-13", "2025-05-13", [late])
    clock = SimulatedClock()
    provider = get_data_provider(f"historical:{path}", options, clock=clock)
    assert provider.symbols == ("BBB",)
    assert len(list(provider.timeline(0, 2**62))) == 78 + 1


def test_the_simulated_market_and_parts_of_it():
    assert get_data_provider("simulated").panel.close.shape == (60 * 78, 30)
    options = DataOptions(30, "simulated", ["S0001"], "2025-01-03", None, simulated=SMALL)
    provider = get_data_provider("simulated", options)
    assert isinstance(provider, SimulatedDataProvider)
    assert provider.panel.close.shape == (3 * 13, 1)


@pytest.mark.parametrize(
    ("spec", "options", "told"),
    [
        pytest.param("simulatd", DataOptions(), ["'simulatd'", "did you mean simulated?"], id="typing-error"),
        pytest.param("historical:", DataOptions(), ["historical:PATH"], id="no-path"),
        pytest.param("x.py", DataOptions(), ["'x.py'", ".parquet, .csv or .csv.gz, not in .py"], id="extension"),
        pytest.param("d/bars", DataOptions(), ["not in nothing", "write historical:d/bars"], id="no-extension"),
        pytest.param("bloomberg", DataOptions(), ["historical:PATH or simulated"], id="unknown"),
        pytest.param("simulated", DataOptions(5, simulated=SMALL), ["30 minutes", "bars_per_session"], id="interval"),
        pytest.param("simulated", DataOptions(calendar="XNYS"), ["XNYS", "leave it out"], id="calendar"),
    ],
)
def test_specs_that_name_nothing(spec, options, told):
    with pytest.raises(ConfigurationError) as error:
        get_data_provider(spec, options)
    assert all(word in str(error.value) for word in told), error.value


@pytest.mark.parametrize(
    ("spec", "options", "told"),
    [
        pytest.param("historical:none.parquet", DataOptions(), "none.parquet: no such file", id="no-file"),
        pytest.param("none.csv", DataOptions(), "none.csv: no such file", id="no-csv"),
        pytest.param("simulated", DataOptions(symbols=["S1"], simulated=SMALL), "'S1'", id="unknown-symbol"),
        pytest.param("simulated", DataOptions(start="2031-01-01", simulated=SMALL), "no session from", id="too-late"),
    ],
)
def test_data_that_are_not_there(spec, options, told):
    with pytest.raises(DataProviderError, match=told):
        get_data_provider(spec, options)
