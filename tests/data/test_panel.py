"""Panels: cuts, batches, and a hash that says whether two are the same data."""

# covers: P3, P9

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.exceptions import ConfigurationError, DataProviderError
from LIVE_TRADING.common.types import BAR_FIELDS
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market

PANEL = simulate_market(SimulatedMarketConfig(n_symbols=4, n_sessions=4, bars_per_session=13))


def with_arrays(panel: BarPanel, **arrays: np.ndarray) -> BarPanel:
    return replace(panel, **{name: values.copy() for name, values in arrays.items()})


def test_a_batch_is_one_row_that_nobody_can_write_to():
    batch = PANEL.batch(7)
    assert batch.bar_end_ns == PANEL.bar_end_ns[7]
    for name in BAR_FIELDS:
        assert np.array_equal(getattr(batch, name), getattr(PANEL, name)[7], equal_nan=True)
        with pytest.raises(ValueError, match="read-only"):
            getattr(batch, name)[0] = 1.0


def test_open_and_close_of_a_session_cut_out_that_session():
    session = PANEL.sessions.sessions[2]
    cut = PANEL.between(session.open_ns, session.close_ns)
    assert len(cut) == 13
    assert set(cut.session_index) == {2}
    assert list(cut.slot) == list(range(13))
    assert cut.session(0) is session
    assert np.array_equal(cut.close, PANEL.close[26:39], equal_nan=True)
    assert cut.sessions is PANEL.sessions


@settings(deadline=None)
@given(st.integers(-5, 60), st.integers(-5, 60))
def test_a_cut_holds_exactly_the_bars_that_end_within(first, last):
    step = PANEL.interval_ns
    start_ns, end_ns = int(PANEL.bar_end_ns[0]) + first * step, int(PANEL.bar_end_ns[0]) + last * step
    ends = [int(end) for end in PANEL.bar_end_ns if start_ns < end <= end_ns]
    assert PANEL.between(start_ns, end_ns).bar_end_ns.tolist() == ends


def test_dates_cut_out_sessions():
    dates = [session.date for session in PANEL.sessions.sessions]
    assert np.array_equal(PANEL.of_dates(dates[1], dates[2]).bar_end_ns, PANEL.bar_end_ns[13:39])
    assert len(PANEL.of_dates(None, None)) == len(PANEL)
    assert len(PANEL.of_dates("1999-01-01", dates[0])) == 13
    with pytest.raises(DataProviderError, match=f"from 2031-01-01 to the last; the data hold {dates[0]}"):
        PANEL.of_dates("2031-01-01", None)
    with pytest.raises(ConfigurationError, match="YYYY-MM-DD"):
        PANEL.of_dates("tomorrow", None)


def test_selection_takes_any_order_and_gives_sorted_columns():
    cut = PANEL.select(["S0003", "S0001", "S0003"])
    assert cut.symbols == ("S0001", "S0003")
    assert np.array_equal(cut.ask, PANEL.ask[:, [1, 3]], equal_nan=True)


@pytest.mark.parametrize(
    ("symbols", "told"),
    [
        pytest.param(["S0001", "S00O2"], ["'S00O2'", "did you mean", "S0000, S0001"], id="typing-error"),
        pytest.param([], ["none asked for"], id="none"),
    ],
)
def test_selection_of_what_is_not_there(symbols, told):
    with pytest.raises(DataProviderError) as error:
        PANEL.select(symbols)
    assert all(word in str(error.value) for word in told)


def test_rows_and_columns_are_found():
    assert PANEL.row_of(int(PANEL.bar_end_ns[5])) == 5
    assert PANEL.row_of(int(PANEL.bar_end_ns[5]) + 1) is None
    assert PANEL.row_of(int(PANEL.bar_end_ns[-1]) + 1) is None
    assert PANEL.column_of("S0002") == 2
    with pytest.raises(DataProviderError, match="'ZZZ'"):
        PANEL.column_of("ZZZ")


@pytest.mark.parametrize("name", BAR_FIELDS)
def test_the_hash_sees_every_number(name):
    values = getattr(PANEL, name).copy()
    values[3, 2] = np.nextafter(values[3, 2], np.inf)
    assert with_arrays(PANEL, **{name: values}).data_hash != PANEL.data_hash


def test_the_hash_sees_symbols_times_and_interval():
    assert replace(PANEL, symbols=("S0000", "S0001", "S0002", "T")).data_hash != PANEL.data_hash
    assert replace(PANEL, bar_end_ns=PANEL.bar_end_ns + 1).data_hash != PANEL.data_hash
    assert replace(PANEL, interval_ns=1).data_hash != PANEL.data_hash
    joined = replace(PANEL, symbols=("A", "AB", "C", "D")).data_hash
    assert replace(PANEL, symbols=("A", "A\n", "BC", "D")).data_hash != joined


def test_the_hash_does_not_see_which_nan_or_zero_it_is():
    volume = PANEL.volume.copy()
    volume[0, :2] = [np.nan, 0.0]
    other = volume.copy()
    other[0, :2] = [-np.float64(np.nan), -0.0]
    other[0, 0] = np.frombuffer(np.uint64(0x7FF8_0000_0000_0001).tobytes(), dtype=np.float64)[0]
    assert with_arrays(PANEL, volume=volume).data_hash == with_arrays(PANEL, volume=other).data_hash


def test_the_hash_does_not_see_the_memory_layout():
    columns_first = {name: np.asfortranarray(getattr(PANEL, name)) for name in BAR_FIELDS}
    assert replace(PANEL, **columns_first).data_hash == PANEL.data_hash


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param({"symbols": ("B", "A", "C", "D")}, "UTF-8 order", id="unsorted-symbols"),
        pytest.param({"symbols": ("A", "A", "C", "D")}, "each once", id="repeated-symbols"),
        pytest.param({"close": np.zeros((3, 4))}, r"close .* \(3, 4\)", id="wrong-shape"),
        pytest.param({"bid": np.zeros(PANEL.bid.shape, dtype=np.float32)}, "bid is float32", id="wrong-type"),
    ],
)
def test_panels_that_are_none(change, told):
    with pytest.raises(DataProviderError, match=told):
        replace(PANEL, **change)
