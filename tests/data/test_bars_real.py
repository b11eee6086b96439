"""Recorded data of several markets load, and show what is known of them."""

# covers: P9, B21

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from LIVE_TRADING.common.exceptions import DataProviderError
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.data.bars_file import read_bars
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.panel import BarPanel

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def equity_5m(shared_data) -> BarPanel:
    return read_bars(shared_data("us_equity_5m_2025.parquet"))


def test_us_stocks_of_2025_are_a_complete_panel(equity_5m):
    assert len(equity_5m.symbols) == 81
    assert len(equity_5m.sessions) == 150
    assert (equity_5m.interval_ns, equity_5m.bars_per_session) == (5 * NS_PER_MINUTE, 78)
    assert equity_5m.sessions.name == "XNYS"
    assert equity_5m.close.size == 941_868
    assert not np.isnan(equity_5m.close).any()
    assert equity_5m.dropped_outside_sessions == 0
    assert equity_5m.quotes_estimated


def test_us_stocks_of_2025_have_the_exchanges_half_days(equity_5m):
    lengths = np.bincount(equity_5m.session_index)
    half_days = [equity_5m.sessions.sessions[index].date for index in np.flatnonzero(lengths == 42)]
    assert half_days == ["2025-07-03", "2025-11-28"]
    assert set(lengths) == {42, 78}


def test_us_stocks_of_2025_change_their_clocks(equity_5m):
    first = {session.date: session.open_ns for session in equity_5m.sessions.sessions}
    day_ns = 24 * 60 * NS_PER_MINUTE
    assert first["2025-11-03"] - first["2025-10-31"] == 3 * day_ns + 60 * NS_PER_MINUTE  # 2 November
    assert first["2025-11-10"] - first["2025-11-07"] == 3 * day_ns


def test_every_number_stands_where_the_file_has_it(equity_5m, shared_data):
    table = pq.read_table(shared_data("us_equity_5m_2025.parquet")).to_pandas()
    rng = np.random.default_rng(3)
    for row in rng.integers(0, len(table), 300):
        bar = table.iloc[int(row)]
        at = equity_5m.row_of(bar["timestamp"].value + equity_5m.interval_ns)
        column = equity_5m.column_of(bar["symbol"])
        for name in ("open", "high", "low", "close", "volume"):
            assert getattr(equity_5m, name)[at, column] == bar[name]


def test_the_estimated_spread_of_us_stocks_is_plausible(equity_5m):
    spread_bps = (equity_5m.ask - equity_5m.bid) / equity_5m.close * 1e4
    assert np.isnan(spread_bps[:78]).all()
    assert not np.isnan(spread_bps[78:]).any()
    assert 0.5 < np.median(spread_bps[78:]) < 5
    assert (equity_5m.ask - equity_5m.bid)[78:].min() >= 0.01 - 1e-9
    of = dict(zip(equity_5m.symbols, np.median(spread_bps[78:], axis=0), strict=True))
    assert of["SPY"] < 1 < of["LUNR"]


def test_a_part_of_the_file_is_the_part_of_the_panel(equity_5m, shared_data):
    path = shared_data("us_equity_5m_2025.parquet")
    part = read_bars(path, symbols=["SPY", "AAPL"], start="2025-11-24", end="2025-12-05")
    whole = equity_5m.select(["AAPL", "SPY"]).of_dates("2025-11-24", "2025-12-05")
    assert part.symbols == ("AAPL", "SPY")
    assert np.array_equal(part.bar_end_ns, whole.bar_end_ns)
    for name in ("open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(part, name), getattr(whole, name))


def test_one_minute_stocks_have_missing_bars_and_bars_outside_the_session(shared_data):
    panel = read_bars(shared_data("us_equity_1m_2025.parquet"))
    assert (len(panel.symbols), len(panel.sessions), panel.bars_per_session) == (60, 29, 390)
    coverage = 1 - np.isnan(panel.close).mean(axis=0)
    of = dict(zip(panel.symbols, coverage, strict=True))
    assert coverage.mean() == pytest.approx(0.98, abs=0.005)
    assert of["ASML"] == pytest.approx(0.84, abs=0.01)
    assert of["MA"] == pytest.approx(0.92, abs=0.02)
    assert panel.dropped_outside_sessions / 911_322 == pytest.approx(0.27, abs=0.01)
    assert np.count_nonzero(~np.isnan(panel.close)) + panel.dropped_outside_sessions == 911_322


def test_one_venue_has_many_missing_minutes(shared_data):
    panel = read_bars(shared_data("us_equity_1m_2025q4.parquet"))
    of = dict(zip(panel.symbols, 1 - np.isnan(panel.close).mean(axis=0), strict=True))
    assert of["NVDA"] == pytest.approx(0.99, abs=0.01)
    assert of["RTX"] == pytest.approx(0.64, abs=0.02)


def test_a_hole_of_two_weeks_is_full_of_missing_bars(shared_data):
    panel = read_bars(shared_data("us_equity_1m_2026.parquet"))
    hole = panel.of_dates("2026-03-20", "2026-04-02")
    assert len(hole) == 10 * 390
    assert np.isnan(hole.close).all()
    assert panel.sessions.of_date("2026-04-03") is None


def test_crypto_never_closes(shared_data):
    panel = read_bars(shared_data("crypto_5m_2024.parquet"))
    assert panel.sessions.name == "24/7"
    assert panel.close.shape == (175 * 288, 12)
    assert not np.isnan(panel.close).any()
    assert panel.dropped_outside_sessions == 0


def test_single_days_of_crypto_months_apart(shared_data):
    panel = read_bars(shared_data("crypto_1m_bidask_2018.parquet"))
    assert panel.sessions.name == "24/7"
    assert not panel.quotes_estimated
    assert len(np.unique(panel.session_index[~np.isnan(panel.bid).all(axis=1)])) == 4
    five_pm_ns = 1_522_861_200 * 10**9  # the trades of 2018-04-04 stop at a quarter to five, the quotes go on
    after_the_trades_stop = panel.between(five_pm_ns, 2**62)
    assert np.isnan(after_the_trades_stop.close).all()
    assert np.isfinite(after_the_trades_stop.bid).any()


def test_recorded_quotes_and_minutes_without_a_trade(shared_data):
    panel = read_bars(shared_data("us_equity_1m_bidask_2013.parquet"))
    assert not panel.quotes_estimated
    assert panel.symbols == ("AIG", "BAC", "IBM", "SPY")
    assert panel.sessions.sessions[0].date == "2013-10-04"
    spread_bps = np.nanmedian((panel.ask - panel.bid) / panel.close * 1e4, axis=0)
    assert spread_bps == pytest.approx([2.0, 7.1, 2.2, 0.6], abs=0.15)
    silent = np.isnan(panel.close) & ~np.isnan(panel.bid)
    assert silent.sum() > 0
    assert all(np.isnan(getattr(panel, name)[silent]).all() for name in ("open", "high", "low", "volume"))


def test_the_estimator_finds_the_recorded_spread(shared_data):
    """Wide spreads within a third, narrow ones as narrow; from three earlier sessions of one-minute bars."""
    from LIVE_TRADING.data.spread import SpreadEstimateConfig, SpreadEstimator

    panel = read_bars(shared_data("us_equity_1m_bidask_2013.parquet"))
    estimator = SpreadEstimator(SpreadEstimateConfig(tick=0.0))
    spread = estimator.spread(panel.high, panel.low, panel.close, panel.volume, panel.session_index)
    last = panel.session_index == panel.session_index[-1]
    estimated_bps = np.nanmedian((spread / panel.close)[last] * 1e4, axis=0)
    recorded_bps = np.nanmedian(((panel.ask - panel.bid) / panel.close)[last] * 1e4, axis=0)
    assert estimated_bps[1] == pytest.approx(recorded_bps[1], rel=0.33)
    assert (np.abs(estimated_bps - recorded_bps)[[0, 2, 3]] < 1.5).all()


def test_seconds(shared_data):
    panel = read_bars(shared_data("us_equity_1s_bidask_2013.parquet"))
    assert panel.interval_ns == NS_PER_MINUTE // 60
    assert panel.close.shape == (3 * 23_400, 4)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("us_equity_1d_2015.parquet", ["1440 minutes", "XNYS", "at most 390"], id="daily"),
        pytest.param("us_equity_1h_1998.parquet", ["3600 s after", "AAPL", "1998-01-02T15:00:00Z"], id="clock-hours"),
        pytest.param("fx_1m_bidask_2014.parquet", ["same bar again", "venue", "volume: no value"], id="two-venues"),
        pytest.param("fut_6e_1m_2024.parquet", ["Sunday evenings", "CMES"], id="futures"),
        pytest.param("fx_ticks_2014.parquet", ["open, high, low, close, volume: missing"], id="ticks"),
    ],
)
def test_files_of_another_kind_are_refused_by_name(shared_data, name, told):
    with pytest.raises(DataProviderError) as error:
        read_bars(shared_data(name))
    assert all(word in str(error.value) for word in [name, *told]), error.value


def test_the_calendar_knows_the_first_day_of_the_file(equity_5m):
    assert session_table("XNYS", "2025-05-12", "2025-12-12").sessions == equity_5m.sessions.sessions
