"""Reading files of bars: the grid, and one clear error that says everything that is wrong."""

# covers: P5, P9

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bar_tables import COLUMNS, MONDAY_OPEN, bar_table, changed, starts, write

from LIVE_TRADING.common.exceptions import ConfigurationError, DataProviderError
from LIVE_TRADING.common.types import BAR_FIELDS
from LIVE_TRADING.common.units import NS_PER_MINUTE, NS_PER_S
from LIVE_TRADING.data.bars_file import read_bars
from LIVE_TRADING.data.spread import SpreadEstimateConfig

FORMATS = pytest.mark.parametrize("suffix", ["parquet", "csv"])
WEEK = ["2025-05-12", "2025-05-13", "2025-05-14"]


def quoted(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(bid=table["close"] - 0.01, ask=table["close"] + 0.02)


def refused(path, **options) -> str:
    with pytest.raises(DataProviderError) as error:
        read_bars(path, **options)
    message = str(error.value)
    assert str(path) in message
    return message


# --- what is read --------------------------------------------------------------------------------------------------


@FORMATS
def test_bars_stand_on_the_grid_of_their_sessions(tmp_path, suffix):
    table = quoted(bar_table(("BBB", "AAA"), starts(WEEK[:2])))
    panel = read_bars(write(table, tmp_path / f"bars.{suffix}"))
    assert panel.symbols == ("AAA", "BBB")
    assert panel.interval_ns == 5 * NS_PER_MINUTE
    assert panel.sessions.name == "XNYS"
    assert [session.date for session in panel.sessions.sessions] == WEEK[:2]
    assert (len(panel), panel.bars_per_session, panel.quotes_estimated) == (156, 78, False)
    assert panel.bar_end_ns[0] == MONDAY_OPEN.value + 5 * NS_PER_MINUTE
    for column, symbol in enumerate(panel.symbols):
        rows = table[table["symbol"] == symbol]
        for name in BAR_FIELDS:
            assert np.array_equal(getattr(panel, name)[:, column], rows[name].to_numpy()), name


def test_every_format_gives_the_same_data(tmp_path):
    table = quoted(bar_table(times=starts(WEEK)))
    first = read_bars(write(table, tmp_path / "bars.parquet"))
    csv = write(table, tmp_path / "bars.csv")
    (tmp_path / "bars.csv.gz").write_bytes(gzip.compress(csv.read_bytes()))
    new_york = table.assign(timestamp=table["timestamp"].dt.tz_convert("America/New_York"), venue="X")
    by_time = table.sort_values(["timestamp", "symbol"], ascending=[True, False])
    text = table.assign(timestamp=table["timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S+00:00"))
    others = [
        csv,
        tmp_path / "bars.csv.gz",
        write(new_york, tmp_path / "new_york.parquet"),
        write(by_time, tmp_path / "by_time.parquet"),
        write(text, tmp_path / "text.parquet"),
        write(table.assign(symbol=table["symbol"].astype("category")), tmp_path / "category.parquet"),
        write(table.assign(volume=table["volume"].astype("int64")), tmp_path / "whole_volume.parquet"),
    ]
    assert {read_bars(path).data_hash for path in others} == {first.data_hash}


def test_symbols_of_a_category_that_no_row_has_are_not_there(tmp_path):
    table = bar_table(("AAA",))
    table["symbol"] = pd.Categorical(table["symbol"], categories=["AAA", "GONE"])
    assert read_bars(write(table, tmp_path / "bars.parquet")).symbols == ("AAA",)


@FORMATS
def test_a_bar_without_a_row_is_missing(tmp_path, suffix):
    table = quoted(bar_table()).drop(index=[1, 2])
    panel = read_bars(write(table, tmp_path / f"bars.{suffix}"))
    assert np.isnan(panel.close[:, 0]).tolist()[:6] == [False, True, True, False, False, False]
    assert not np.isnan(panel.close[:6, 1]).any()
    assert np.isnan(panel.close[6:]).all()
    assert len(panel) == 78


@FORMATS
def test_a_quote_without_a_trade_is_a_missing_bar_with_a_quote(tmp_path, suffix):
    nothing = dict.fromkeys(("open", "high", "low", "close", "volume"), np.nan)
    table = changed(2, **nothing)(quoted(bar_table()))
    table = changed(3, **(nothing | {"volume": 0.0}))(table)
    panel = read_bars(write(table, tmp_path / f"bars.{suffix}"))
    for row in (2, 3):
        assert all(np.isnan(getattr(panel, name)[row, 0]) for name in nothing)
        assert (panel.bid[row, 0], panel.ask[row, 0]) == (table["bid"][row], table["ask"][row])


def test_a_bar_without_a_quote_has_none(tmp_path):
    panel = read_bars(write(changed(2, bid=np.nan)(quoted(bar_table())), tmp_path / "bars.parquet"))
    assert np.isnan(panel.bid[2, 0])
    assert panel.ask[2, 0] > 0
    assert not panel.quotes_estimated


def test_a_crossed_quote_is_left_to_the_spread_gate(tmp_path):
    panel = read_bars(write(changed(2, bid=200.0)(quoted(bar_table())), tmp_path / "bars.parquet"))
    assert panel.bid[2, 0] > panel.ask[2, 0]


def test_bars_that_do_not_lie_wholly_in_a_session_are_dropped_and_counted(tmp_path):
    times = starts(["2025-07-03"], first="13:00", n_bars=60)  # 09:00 to 14:00 of a half day that ends at 13:00
    table = quoted(bar_table(("AAA",), times))
    panel = read_bars(write(table, tmp_path / "bars.parquet"))
    assert len(panel) == panel.bars_per_session == 42
    assert panel.dropped_outside_sessions == 6 + 12
    assert np.array_equal(panel.close[:, 0], table["close"][6:48].to_numpy())


def test_what_is_left_of_a_session_after_its_last_whole_bar_is_no_bar(tmp_path):
    times = starts(WEEK[:2], minutes=60, n_bars=7)
    panel = read_bars(write(bar_table(("AAA",), times), tmp_path / "bars.parquet"))
    assert (panel.bars_per_session, len(panel), panel.dropped_outside_sessions) == (6, 12, 2)


@pytest.mark.parametrize(
    ("options", "dates"),
    [
        pytest.param({}, WEEK, id="all"),
        pytest.param({"start": WEEK[1]}, WEEK[1:], id="from"),
        pytest.param({"end": WEEK[1]}, WEEK[:2], id="to"),
        pytest.param({"start": "2025-05-10", "end": WEEK[0]}, WEEK[:1], id="start-on-a-saturday"),
    ],
)
def test_sessions_are_chosen_by_date(tmp_path, options, dates):
    table = quoted(bar_table(times=starts(WEEK)))
    panel = read_bars(write(table, tmp_path / "bars.parquet"), **options)
    assert [session.date for session in panel.sessions.sessions] == dates
    assert len(panel) == 78 * len(dates)
    assert panel.dropped_outside_sessions == 0
    assert not np.isnan(panel.close).any()


def test_symbols_are_chosen_in_any_order(tmp_path):
    path = write(quoted(bar_table(("AAA", "BBB", "CCC"))), tmp_path / "bars.parquet")
    panel = read_bars(path, symbols=["CCC", "AAA"])
    assert panel.symbols == ("AAA", "CCC")
    assert panel.data_hash == read_bars(path).select(["AAA", "CCC"]).data_hash


def test_defects_of_symbols_that_are_not_asked_for_do_not_matter(tmp_path):
    path = write(changed(0, close=-1.0)(bar_table(("AAA", "BBB"))), tmp_path / "bars.parquet")
    assert read_bars(path, symbols=["BBB"]).symbols == ("BBB",)


@pytest.mark.parametrize(
    ("times", "interval_s"),
    [
        pytest.param(starts(WEEK[:1], minutes=1, n_bars=390), 60, id="1-minute"),
        pytest.param(starts(WEEK[:1], minutes=30, n_bars=13), 1_800, id="30-minutes"),
        pytest.param([MONDAY_OPEN + pd.Timedelta(seconds=n) for n in (0, 1, 2, 9, 40, 41)], 1, id="seconds-with-gaps"),
    ],
)
def test_the_interval_is_inferred(tmp_path, times, interval_s):
    assert read_bars(write(bar_table(times=times), tmp_path / "b.parquet")).interval_ns == interval_s * NS_PER_S


def test_the_interval_may_be_given_where_the_times_do_not_show_it(tmp_path):
    table = bar_table(times=[MONDAY_OPEN, MONDAY_OPEN + pd.Timedelta(minutes=30)])
    panel = read_bars(write(table, tmp_path / "bars.parquet"), interval_minutes=5)
    assert np.flatnonzero(~np.isnan(panel.close[:, 0])).tolist() == [0, 6]


@pytest.mark.parametrize(
    ("first", "n_bars", "calendar"),
    [
        pytest.param("2025-05-16T13:30Z", 78, "XNYS", id="friday-session"),
        pytest.param("2025-05-16T20:00Z", 60, "XNYS", id="friday-evening-in-new-york-is-saturday-in-utc"),
        pytest.param("2025-05-17T11:00Z", 24, "24/7", id="saturday"),
        pytest.param("2025-05-18T08:00Z", 24, "24/7", id="sunday-morning"),
    ],
)
def test_the_calendar_shows_on_weekends(tmp_path, first, n_bars, calendar):
    times = [*starts(["2025-05-16"]), *(pd.Timestamp(first) + pd.Timedelta(minutes=5 * n) for n in range(n_bars))]
    table = bar_table(("AAA",), sorted(set(times)))
    assert read_bars(write(table, tmp_path / "bars.parquet")).sessions.name == calendar


def test_a_named_calendar_is_taken_as_it_is(tmp_path):
    path = write(bar_table(times=starts(["2025-05-16"])), tmp_path / "bars.parquet")
    panel = read_bars(path, calendar="24/7")
    assert (panel.sessions.name, panel.bars_per_session) == ("24/7", 288)
    with pytest.raises(ConfigurationError, match="did you mean"):
        read_bars(path, calendar="XNYZ")


def test_futures_sessions_that_begin_the_evening_before(tmp_path):
    times = starts(["2025-05-11"], first="22:00", n_bars=12 * 23)  # Sunday 17:00 Chicago to Monday 16:00
    panel = read_bars(write(bar_table(("ES",), times), tmp_path / "bars.parquet"), calendar="CMES")
    assert [session.date for session in panel.sessions.sessions] == ["2025-05-12"]
    assert np.count_nonzero(~np.isnan(panel.close)) == 12 * 23


def test_without_quotes_the_spread_is_estimated_from_the_second_session_on(tmp_path):
    panel = read_bars(write(bar_table(times=starts(WEEK)), tmp_path / "bars.parquet"))
    assert panel.quotes_estimated
    assert np.isnan(panel.bid[:78]).all()
    assert (panel.ask[78:] - panel.bid[78:] >= 0.01 - 1e-12).all()
    assert np.allclose((panel.ask + panel.bid)[78:] / 2, panel.close[78:], rtol=1e-12)


def test_crypto_has_a_floor_of_its_own_and_any_estimate_may_be_asked_for(tmp_path):
    path = write(bar_table(times=starts(["2025-05-16", "2025-05-17"], first="00:00", n_bars=288)), tmp_path / "b.csv")
    panel = read_bars(path)
    assert panel.sessions.name == "24/7"
    assert np.nanmin((panel.ask - panel.bid) / panel.close) == pytest.approx(1e-4)
    wide = read_bars(path, spread=SpreadEstimateConfig(floor_bps=50))
    assert np.nanmin((wide.ask - wide.bid) / wide.close) == pytest.approx(5e-3)


def test_csv_numbers_may_turn_from_whole_to_broken_late_in_the_file(tmp_path):
    table = bar_table(tuple(f"S{n:03d}" for n in range(300)), starts(WEEK[:1]))
    path = write(table.astype({"volume": "int64"}), tmp_path / "bars.csv")
    text = path.read_text().rstrip("\n")
    path.write_text(text + ".5\n")
    assert read_bars(path).volume[-1, -1] % 1 == 0.5


# --- what is refused -----------------------------------------------------------------------------------------------


DEFECTS = [
    pytest.param(changed(2, close=np.nan), "close", "no value", ("AAA", "13:40:00Z", "nan", "Leave out"), id="nan"),
    pytest.param(changed(2, volume=np.nan), "volume", "no value", ("AAA", "nan", "Leave out"), id="nan-volume"),
    pytest.param(changed(8, high=np.inf), "high", "infinite", ("BBB", "13:40:00Z", "inf", "Correct"), id="infinite"),
    pytest.param(changed(8, volume=np.inf), "volume", "infinite", ("BBB", "inf"), id="infinite-volume"),
    pytest.param(changed(3, low=0.0), "low", "zero or negative", ("AAA", "13:45:00Z", "0.0", "Correct"), id="zero"),
    pytest.param(changed(3, open=-7.5), "open", "zero or negative", ("-7.5",), id="negative"),
    pytest.param(changed(3, high=1e300), "high", "no price of 1e-12 to 1e+12", ("1e+300", "Correct"), id="absurd"),
    pytest.param(changed(3, low=1e-300), "low", "no price of", ("AAA", "1e-300"), id="next-to-nothing"),
    pytest.param(changed(3, volume=1e30), "volume", "more than 1e+18", ("1e+30", "traded units"), id="absurd-volume"),
    pytest.param(changed(3, low=101.5), "low", "above open or close", ("101.5", "low <= open"), id="low-too-high"),
    pytest.param(changed(3, high=55.5), "high", "below open or close", ("55.5", "close <= high"), id="high-too-low"),
    pytest.param(changed(3, volume=-4.0), "volume", "negative", ("-4.0", "0 if none"), id="negative-volume"),
    pytest.param(
        changed(1, timestamp=MONDAY_OPEN), "timestamp", "same bar again", ("13:30:00Z", "one row"), id="twice"
    ),
    pytest.param(
        lambda table: table.iloc[[0, 2, 1, *range(3, 12)]],
        "timestamp",
        "earlier than the bar before",
        ("AAA", "13:35:00Z", "Sort the file"),
        id="unsorted",
    ),
    pytest.param(changed(4, symbol=""), "symbol", "empty", ("''", "Name the instrument"), id="no-symbol"),
    pytest.param(
        changed(5, timestamp=MONDAY_OPEN + pd.Timedelta(minutes=26)),
        "timestamp",
        "no one interval",
        ("5 minutes", "13:56:00Z", "6 minutes after", "interval_minutes"),
        id="mixed-intervals",
    ),
]
QUOTE_DEFECTS = [
    pytest.param(changed(3, ask=np.inf), "ask", "infinite", ("inf",), id="infinite-ask"),
    pytest.param(changed(3, bid=0.0), "bid", "zero or negative", ("0.0", "Leave it empty"), id="zero-bid"),
]


@FORMATS
@pytest.mark.parametrize(("defect", "column", "what", "told"), [*DEFECTS, *QUOTE_DEFECTS])
def test_a_defect_is_told_with_place_value_and_remedy(tmp_path, suffix, defect, column, what, told):
    message = refused(write(defect(quoted(bar_table())), tmp_path / f"bars.{suffix}"))
    lines = [line for line in message.splitlines() if f"column {column}: " in line and what in line]
    assert len(lines) == 1, message
    assert all(word in lines[0] for word in told), message
    assert ("line" if suffix == "csv" else "row") in lines[0]


def test_numbers_that_differ_in_precision_alone_are_shown_in_full(tmp_path):
    table = bar_table()
    flat = table["close"].round(2) + 0.03
    table[["open", "high", "low", "close"]] = np.column_stack([flat] * 4)
    table["close"] = table["close"].astype("float32")
    message = refused(write(table, tmp_path / "bars.parquet"))
    low, close = float(flat.iloc[0]), float(np.float32(flat.iloc[0]))
    assert low != close
    assert f"{low!r} against {close!r}" in message
    assert "all columns of one precision" in message


@pytest.mark.parametrize(
    ("suffix", "place"), [("parquet", "row 9 (BBB, 2025-05-12T13:40:00Z)"), ("csv", "line 10 (BBB")]
)
def test_the_place_is_that_in_the_file(tmp_path, suffix, place):
    table = changed(8, close=-1.0)(bar_table())
    path = write(table, tmp_path / f"bars.{suffix}")
    assert place in refused(path)
    assert place in refused(path, symbols=["BBB"])


@FORMATS
@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(tmp_path, suffix, column):
    message = refused(write(bar_table().drop(columns=column), tmp_path / f"bars.{suffix}"))
    assert f"column {column}: missing" in message
    assert "the file has" in message


def test_bid_without_ask_is_refused(tmp_path):
    message = refused(write(quoted(bar_table()).drop(columns="ask"), tmp_path / "bars.parquet"))
    assert "column ask: missing. Give both" in message
    message = refused(write(quoted(bar_table()).drop(columns="bid"), tmp_path / "bars.parquet"))
    assert "column bid: missing" in message


@FORMATS
def test_every_kind_of_problem_is_listed_at_once(tmp_path, suffix):
    table = bar_table().drop(columns="volume")
    for defect in (changed(0, open=-1.0), changed(1, close=np.nan), changed(3, low=500.0), changed(7, high=np.inf)):
        table = defect(table)
    table = pd.concat([table, table.iloc[[11]]])
    message = refused(write(table, tmp_path / f"bars.{suffix}"))
    assert "6 kinds of problem" in message
    for words in (
        "volume: missing",
        "open: zero or negative",
        "close: no value",
        "low: above",
        "high: inf",
        "same bar",
    ):
        assert words in message


def test_the_number_of_rows_is_told(tmp_path):
    table = bar_table()
    table.loc[[2, 4, 9], "close"] = 0.0
    assert "zero or negative in 3 rows, first in row 3 (AAA" in refused(write(table, tmp_path / "bars.parquet"))


@FORMATS
@pytest.mark.parametrize(
    "naive", [pytest.param("2025-05-12 13:35:00", id="time"), pytest.param("2025-05-12", id="date")]
)
def test_naive_times_are_refused(tmp_path, suffix, naive):
    table = bar_table()
    table["timestamp"] = [stamp.isoformat() for stamp in table["timestamp"]]
    message = refused(write(changed(1, timestamp=naive)(table), tmp_path / f"bars.{suffix}"))
    assert "column timestamp: no time zone in 1 row" in message
    assert naive in message
    assert "2025-05-12T13:30:00Z" in message


@pytest.mark.parametrize(
    ("times", "told"),
    [
        pytest.param(lambda stamps: stamps.dt.tz_localize(None), "no time zone in 12 rows", id="naive-type"),
        pytest.param(lambda stamps: stamps.dt.date, "type date32[day] instead of aware", id="dates"),
        pytest.param(lambda stamps: stamps.astype("int64"), "type int64 instead of aware", id="numbers"),
        pytest.param(lambda stamps: stamps.where(stamps.index != 4), "empty in 1 row", id="null"),
        pytest.param(lambda stamps: stamps.astype(str).where(stamps.index != 4), "empty in 1 row", id="null-text"),
    ],
)
def test_times_of_another_type_are_refused(tmp_path, times, told):
    table = bar_table()
    table["timestamp"] = times(table["timestamp"])
    assert f"column timestamp: {told}" in refused(write(table, tmp_path / "bars.parquet"))


def test_times_that_nothing_can_read_are_refused(tmp_path):
    table = bar_table()
    table["timestamp"] = [stamp.isoformat() for stamp in table["timestamp"]]
    path = write(changed(6, timestamp="2025-13-12 13:30:00Z")(table), tmp_path / "bars.csv")
    assert "no readable time in 1 row, first in line 8: '2025-13-12 13:30:00Z'" in refused(path)


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        pytest.param(
            "close", ["100.0"] * 7 + ["x"] + ["100.0"] * 4, "no number in 1 row, first in row 8: 'x'", id="text"
        ),
        pytest.param("close", [True] * 12, "type bool instead of numbers", id="truth"),
        pytest.param("volume", list(starts(WEEK[:1], n_bars=12)), "instead of numbers", id="times"),
        pytest.param("symbol", list(range(12)), "type int64 instead of text", id="numbers-as-symbols"),
    ],
)
def test_columns_of_another_type_are_refused(tmp_path, column, values, told):
    message = refused(write(bar_table().assign(**{column: values}), tmp_path / "bars.parquet"))
    assert f"column {column}: " in message
    assert told in message


def test_numbers_written_as_text_are_numbers(tmp_path):
    table = bar_table()
    expected = read_bars(write(table, tmp_path / "a.parquet"))
    text = read_bars(write(table.assign(close=table["close"].map(repr)), tmp_path / "b.parquet"))
    assert text.data_hash == expected.data_hash


def test_text_among_the_numbers_of_a_csv_is_found_beside_empty_cells(tmp_path):
    path = write(changed(4, volume=np.nan)(bar_table()), tmp_path / "bars.csv")
    lines = path.read_text().splitlines()
    lines[7] = lines[7].replace("100.0", "1oo.0", 1)
    path.write_text("\n".join(lines))
    message = refused(path)
    assert "column open: no number in 1 row, first in line 8: '1oo.0'" in message
    assert "column volume: no value in 1 row, first in line 6 (AAA" in message
    assert message.count("column open") == 1  # what is no number is not missing besides


def test_null_symbols_are_refused(tmp_path):
    path = write(changed(4, symbol=None)(bar_table()), tmp_path / "bars.parquet")
    assert "column symbol: empty in 1 row, first in row 5: None" in refused(path)


def test_a_repeated_column_is_refused(tmp_path):
    table = pa.Table.from_pandas(bar_table(), preserve_index=False)
    pq.write_table(table.append_column("close", table["open"]), tmp_path / "bars.parquet")
    assert "column close: there 2 times" in refused(tmp_path / "bars.parquet")
    pq.write_table(table.append_column("symbol", table["symbol"]), tmp_path / "bars.parquet")
    assert "column symbol: there 2 times" in refused(tmp_path / "bars.parquet")
    (tmp_path / "bars.csv").write_text("symbol,timestamp,open,high,low,close,volume,close\n")
    assert "twice: symbol, timestamp" in refused(tmp_path / "bars.csv")


def test_unknown_symbols_are_named_with_the_nearest(tmp_path):
    path = write(bar_table(("MSFT", "AAPL")), tmp_path / "bars.parquet")
    message = refused(path, symbols=["AAPL", "MSTF", "XYZ"])
    assert "'MSTF' (did you mean 'MSFT'?), 'XYZ'" in message
    assert "choose among the 2 they hold: AAPL, MSFT" in message
    assert "none asked for" in refused(path, symbols=[])


def test_another_interval_than_the_files_is_refused(tmp_path):
    path = write(bar_table(times=starts(WEEK[:1])), tmp_path / "bars.parquet")
    assert "bars of 5 minutes, not of 1 minute" in refused(path, interval_minutes=1)
    assert "bars of 5 minutes, not of 10 minutes" in refused(path, interval_minutes=10)


@pytest.mark.parametrize("interval_minutes", [0, -5])
def test_an_interval_that_is_none_is_refused(tmp_path, interval_minutes):
    with pytest.raises(ConfigurationError, match=f"interval_minutes {interval_minutes}"):
        read_bars(write(bar_table(), tmp_path / "bars.parquet"), interval_minutes=interval_minutes)


def test_an_interval_that_cannot_be_inferred_is_asked_for(tmp_path):
    path = write(bar_table(times=[MONDAY_OPEN]), tmp_path / "bars.parquet")
    assert "no symbol has two bars" in refused(path)
    assert "Give interval_minutes" in refused(path)
    assert len(read_bars(path, interval_minutes=30)) == 13


def test_bars_that_do_not_begin_with_the_session_are_refused(tmp_path):
    path = write(bar_table(times=starts(WEEK[:1], minutes=60, first="14:00", n_bars=6)), tmp_path / "bars.parquet")
    message = refused(path)
    assert "not a whole number of bars of 3600 s after the session's open in 12 rows" in message
    assert "Build the bars from the open on" in message


def test_daily_bars_are_refused_where_sessions_are_shorter(tmp_path):
    path = write(bar_table(times=starts(WEEK, first="00:00", n_bars=1)), tmp_path / "bars.parquet")
    assert "bars of 1440 minutes do not fit into a session of XNYS. Give bars of at most 390" in refused(path)


def test_bars_outside_all_sessions_are_refused(tmp_path):
    path = write(bar_table(times=starts(WEEK, first="01:00", n_bars=5)), tmp_path / "bars.parquet")
    message = refused(path)
    assert "no bar lies in a session of XNYS" in message
    assert "from 2025-05-12T01:00:00Z to 2025-05-14T01:20:00Z" in message


def test_sunday_evenings_ask_for_a_calendar(tmp_path):
    path = write(bar_table(times=starts(["2025-05-11"], first="22:00", n_bars=5)), tmp_path / "bars.parquet")
    assert "bars on Sunday evenings: no stock exchange in 10 rows" in refused(path)
    assert "CMES" in refused(path)


def test_dates_without_bars_are_refused(tmp_path):
    path = write(bar_table(), tmp_path / "bars.parquet")
    assert "no bar in the sessions from 2025-06-01 to the last" in refused(path, start="2025-06-01")
    assert "no bar in the sessions from the first to 2024-12-31" in refused(path, end="2024-12-31")
    with pytest.raises(ConfigurationError, match=r"start '1\.6\.2025' is no date"):
        read_bars(path, start="1.6.2025")


def test_one_wrong_year_does_not_fill_the_memory(tmp_path):
    times = [pd.Timestamp("1925-05-16T13:30Z"), *starts(["2025-05-17"], minutes=1)]
    path = write(bar_table(("AAA", "BBB"), times), tmp_path / "bars.parquet")
    message = refused(path)
    assert "would be next to empty" in message
    assert "1925-05-16" in message


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        pytest.param("bars.parquet", b"PAR1 no", "not a readable Parquet file", id="no-parquet"),
        pytest.param("bars.csv", b"", "not a readable CSV file", id="empty-csv"),
        pytest.param("bars.csv", b"symbol,timestamp\nA,2025,3\n", "not a readable CSV file", id="ragged-csv"),
        pytest.param("bars.csv", b"symbol,timestamp,open,high,low,close,volume\n", "no rows", id="no-rows"),
        pytest.param("bars.csv", b"a,b\n1,2\n", "missing. Bars need symbol, timestamp", id="another-csv"),
    ],
)
def test_files_that_are_none_are_refused(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    assert told in refused(tmp_path / name)


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert "no such file" in refused(tmp_path / "bars.parquet")
    assert "no such file" in refused(tmp_path)
