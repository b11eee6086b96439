"""Reads a file of bars (Parquet or CSV) onto the grid of its sessions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import BAR_FIELDS, BoolArray, FloatArray, IntArray, Session
from LIVE_TRADING.common.units import NS_PER_DAY, NS_PER_MINUTE, NS_PER_S, iso_utc
from LIVE_TRADING.data.calendars import ALWAYS_OPEN, SessionTable, parse_date, session_table
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.problems import Problems
from LIVE_TRADING.data.spread import CRYPTO_SPREAD, EQUITY_SPREAD, SpreadEstimateConfig, SpreadEstimator

if TYPE_CHECKING:
    from LIVE_TRADING.data.bars_table import BarColumns

_PAD_DAYS = 7  # sessions may carry another date than their bars in UTC, and a range needs a session to be one
_MAX_CELLS = 50_000_000
_MAX_CELLS_PER_ROW = 1_000


def read_bars(
    path: str | Path,
    *,
    interval_minutes: int | None = None,
    calendar: str = "auto",
    symbols: Sequence[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    spread: SpreadEstimateConfig | None = None,
) -> BarPanel:
    """Return the bars of a file, checked, over every bar of every session that they span.

    The file has the columns symbol, timestamp (start of the bar, aware, any zone), open, high, low, close, volume, and
    perhaps bid and ask (quote at the end of the bar); others are ignored. Within a symbol, rows are in order of time.
    A bar that did not happen has no row; a row with bid or ask and no trade is a missing bar with a quote. Bars that do
    not lie wholly in a session are dropped and counted. Without bid and ask columns the spread is estimated.

    Parameters
    ----------
    path
        `.csv` or `.csv.gz`, else Parquet.
    interval_minutes
        Bar interval; None: inferred from the times.
    calendar
        Name for `session_table`; "auto": 24/7 if there are bars on weekends, else XNYS.
    symbols
        Those to read, in any order; None: all.
    start, end
        First and last session (YYYY-MM-DD), both included; None: as far as the file goes.
    spread
        How to estimate the spread; None: by the calendar.

    Raises
    ------
    DataProviderError
        The file cannot be used; one message lists every kind of problem with file, column, row, symbol, time, value
        and remedy.
    ConfigurationError
        The interval, the calendar or a date is not usable.
    """
    from LIVE_TRADING.data import bars_table  # here, because pyarrow takes a while to import

    if interval_minutes is not None and interval_minutes < 1:
        raise ConfigurationError(f"interval_minutes {interval_minutes}: give at least 1, or nothing to infer it")
    path = Path(path)
    problems = Problems(str(path))
    columns = bars_table.read_columns(path, symbols, problems)
    interval_ns = None if interval_minutes is None else interval_minutes * NS_PER_MINUTE
    return panel_of(columns, problems, interval_ns, calendar, (start, end), spread)


def panel_of(
    columns: BarColumns,
    problems: Problems,
    interval_ns: int | None = None,
    calendar: str = "auto",
    span: tuple[str | None, str | None] = (None, None),
    spread: SpreadEstimateConfig | None = None,
) -> BarPanel:
    """Check rows that were read and put them on the grid; see `read_bars`."""
    from LIVE_TRADING.data import bars_check

    _tell_symbol_and_time(problems, columns)
    rows = bars_check.check_rows(columns, problems)
    interval_ns = bars_check.infer_interval(rows, interval_ns, problems)
    problems.raise_any()
    name = _calendar_of(columns, problems) if calendar == "auto" else calendar
    problems.raise_any()
    placed = _place(columns, interval_ns, name, span, problems)
    problems.raise_any()
    arrays = _fill(columns, placed, interval_ns)
    estimated = "bid" not in columns.values
    if estimated:
        _, session_index, _ = placed.sessions.grid(interval_ns)
        _estimate_quotes(arrays, session_index, spread or (CRYPTO_SPREAD if name == ALWAYS_OPEN else EQUITY_SPREAD))
    return BarPanel.on_grid(
        columns.symbols,
        interval_ns,
        placed.sessions,
        arrays,
        quotes_estimated=estimated,
        dropped_outside_sessions=placed.dropped,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """Which rows of the file are used, the row of the grid that each goes to, and how many lay outside sessions."""

    sessions: SessionTable
    used: IntArray
    grid_row: IntArray
    dropped: int


def _tell_symbol_and_time(problems: Problems, columns: BarColumns) -> None:
    file_place = problems.where

    def where(row: int) -> str:
        symbol, start = columns.symbols[columns.code[row]], iso_utc(int(columns.start_ns[row]))
        return f"{file_place(int(columns.file_row[row]))} ({symbol}, {start})"

    problems.where = where


def _calendar_of(columns: BarColumns, problems: Problems) -> str:
    """Return 24/7 if bars exist on weekends, else XNYS.

    A weekend is Saturday 12:00 to Sunday 12:00 UTC: Friday evening in New York is over; currencies and futures, which
    begin on Sunday evening, have not begun.
    """
    weekday = (columns.start_ns // NS_PER_DAY + 3) % 7
    afternoon = columns.start_ns % NS_PER_DAY >= NS_PER_DAY // 2
    if ((afternoon & (weekday == 5)) | (~afternoon & (weekday == 6))).any():
        return ALWAYS_OPEN
    remedy = "Name the calendar, e.g. 24/5 for currencies, CMES for CME futures"
    sundays = afternoon & (weekday == 6)
    problems.add_rows("timestamp", "bars on Sunday evenings: no stock exchange", sundays, lambda _row: "Sunday", remedy)
    return "XNYS"


def _place(
    columns: BarColumns, interval_ns: int, calendar: str, span: tuple[str | None, str | None], problems: Problems
) -> _Placed:
    """Find the session and the row of the grid of every bar."""
    start_ns = columns.start_ns
    table = session_table(calendar, _day(int(start_ns.min()), -_PAD_DAYS), _day(int(start_ns.max()), _PAD_DAYS))
    longest_ns = max(session.close_ns - session.open_ns for session in table.sessions)
    if interval_ns > longest_ns:
        minutes = (interval_ns / NS_PER_MINUTE, longest_ns / NS_PER_MINUTE)
        remedy = f"Give bars of at most {minutes[1]:g} minutes"
        problems.add("timestamp", f"bars of {minutes[0]:g} minutes do not fit into a session of {calendar}", remedy)
        raise problems.error()
    opens = np.array([session.open_ns for session in table.sessions], dtype=np.int64)
    closes = np.array([session.close_ns for session in table.sessions], dtype=np.int64)
    position = np.searchsorted(opens, start_ns, side="right") - 1
    inside = (position >= 0) & (start_ns + interval_ns <= closes[position])
    off_grid = inside & ((start_ns - opens[position]) % interval_ns != 0)
    _check_places(columns, off_grid, inside, calendar, interval_ns, problems)
    first, last = _wanted(table, span)
    wanted = inside & (position >= first) & (position <= last)
    if not wanted.any():
        asked = f"from {span[0] or 'the first'} to {span[1] or 'the last'}"
        problems.add("timestamp", f"no bar in the sessions {asked}", _extent(columns))
        raise problems.error()
    used = np.flatnonzero(wanted)
    sessions = _renumber(table, int(position[used].min()), int(position[used].max()))
    n_bars = sessions.n_bars(interval_ns)
    first_grid_row = np.cumsum(n_bars) - n_bars
    position = position[used]
    slot = (start_ns[used] - opens[position]) // interval_ns
    _check_size(columns, int(n_bars.sum()), problems)
    dropped = int(np.count_nonzero(~inside))
    return _Placed(sessions, used, first_grid_row[position - position.min()] + slot, dropped)


def _check_places(
    columns: BarColumns, off_grid: BoolArray, inside: BoolArray, calendar: str, interval_ns: int, problems: Problems
) -> None:
    problems.add_rows(
        "timestamp",
        f"not a whole number of bars of {interval_ns / NS_PER_S:g} s after the session's open",
        off_grid,
        lambda row: iso_utc(int(columns.start_ns[row])),
        "Build the bars from the open on, or name the right calendar and interval",
    )
    if not inside.any():
        problems.add("timestamp", f"no bar lies in a session of {calendar}", f"Name the calendar. {_extent(columns)}")
    problems.raise_any()


def _check_size(columns: BarColumns, n_rows: int, problems: Problems) -> None:
    """Refuse a grid that would be next to empty and huge: one wrong year fills the memory."""
    cells = n_rows * len(columns.symbols)
    if cells > max(_MAX_CELLS, _MAX_CELLS_PER_ROW * len(columns.start_ns)):
        what = f"the grid of {n_rows} bars and {len(columns.symbols)} symbols would be next to empty"
        problems.add("timestamp", what, f"Look for wrong times or give start and end. {_extent(columns)}")
        raise problems.error()


def _extent(columns: BarColumns) -> str:
    first, last = (iso_utc(int(instant)) for instant in (columns.start_ns.min(), columns.start_ns.max()))
    return f"The file's bars start from {first} to {last}"


def _day(instant_ns: int, shift_days: int) -> str:
    moment = datetime.fromtimestamp(instant_ns // NS_PER_S, UTC) + timedelta(days=shift_days)
    return moment.date().isoformat()


def _wanted(table: SessionTable, span: tuple[str | None, str | None]) -> tuple[int, int]:
    """Return the positions of the first and last session asked for."""
    start, end = span
    dates = [session.date for session in table.sessions]
    first = 0 if start is None else bisect_left(dates, parse_date("start", start).isoformat())
    last = len(dates) if end is None else bisect_right(dates, parse_date("end", end).isoformat())
    return first, last - 1


def _renumber(table: SessionTable, first: int, last: int) -> SessionTable:
    kept = enumerate(table.sessions[first : last + 1])
    return SessionTable(
        table.name, tuple(Session(index, session.date, session.open_ns, session.close_ns) for index, session in kept)
    )


def _fill(columns: BarColumns, placed: _Placed, interval_ns: int) -> dict[str, FloatArray]:
    """Return (T, N) arrays of every field, NaN where the file has nothing."""
    shape = (int(placed.sessions.n_bars(interval_ns).sum()), len(columns.symbols))
    cell = placed.grid_row * shape[1] + columns.code[placed.used]
    arrays = {name: np.full(shape, np.nan) for name in BAR_FIELDS}
    for name, values in columns.values.items():
        arrays[name].reshape(-1)[cell] = values[placed.used]
    has_bar = ~np.isnan(arrays["close"])
    arrays["volume"][~has_bar] = np.nan
    return arrays


def _estimate_quotes(arrays: dict[str, FloatArray], session_index: IntArray, config: SpreadEstimateConfig) -> None:
    high, low, close, volume = (arrays[name] for name in ("high", "low", "close", "volume"))
    half = SpreadEstimator(config).spread(high, low, close, volume, session_index) / 2.0
    arrays["bid"], arrays["ask"] = arrays["close"] - half, arrays["close"] + half
