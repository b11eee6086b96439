"""Reads the columns of a file of bars into arrays. The only module that knows Parquet and CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from LIVE_TRADING.common.exceptions import DataProviderError
from LIVE_TRADING.common.types import FloatArray, IntArray
from LIVE_TRADING.data.panel import unknown_symbols
from LIVE_TRADING.data.problems import Problems

KEY_COLUMNS = ("symbol", "timestamp")
TRADE_COLUMNS = ("open", "high", "low", "close", "volume")
QUOTE_COLUMNS = ("bid", "ask")
NUMBER_COLUMNS = (*TRADE_COLUMNS, *QUOTE_COLUMNS)
COLUMNS = (*KEY_COLUMNS, *NUMBER_COLUMNS)
_ZONED = r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s?(Z|[+-]\d{2}(:?\d{2})?)$"
_TIME_REMEDY = "Write the start of the bar as aware UTC time, e.g. 2025-05-12T13:30:00Z"
_NUMBER_REMEDY = "Write plain numbers"
_UTC_NS = pa.timestamp("ns", "UTC")


@dataclass(frozen=True, slots=True, eq=False)
class BarColumns:
    """Rows of a file as arrays of shape (R,), in file order.

    `code` is the position of a row's symbol in `symbols` (UTF-8 order), `start_ns` the start of its bar, `file_row` its
    0-based row in the file; `values` float64 by column name, NaN where the file has no value. bid and ask are there
    both or not at all.
    """

    symbols: tuple[str, ...]
    code: IntArray
    start_ns: IntArray
    file_row: IntArray
    values: dict[str, FloatArray]

    def ended_by(self, instant_ns: int, interval_ns: int) -> BarColumns:
        """Return the rows whose bars had ended by an instant; the symbols stay those of the whole file."""
        kept = np.flatnonzero(self.start_ns + interval_ns <= instant_ns)
        values = {name: column[kept] for name, column in self.values.items()}
        return BarColumns(self.symbols, self.code[kept], self.start_ns[kept], self.file_row[kept], values)


def read_columns(path: Path, symbols: Sequence[str] | None, problems: Problems) -> BarColumns:
    """Return the columns of a file; problems of a column that do not keep others from being checked are noted.

    Raises
    ------
    DataProviderError
        The file cannot be read, holds no row, lacks symbol or timestamp or cannot have them read, or lacks a symbol
        that was asked for.
    """
    table = _read(path)
    first_row_number = 2 if _is_csv(path) else 1
    row_word = "line" if _is_csv(path) else "row"
    problems.where = lambda row: f"{row_word} {row + first_row_number}"
    _check_names(table.column_names, problems)
    given = [name for name in NUMBER_COLUMNS if table.column_names.count(name) == 1]
    read = {name: _numbers(table[name], name, problems) for name in given}
    values = {name: column for name, column in read.items() if column is not None}  # order: of the columns
    if not table.num_rows:
        problems.add("symbol", "no rows", "Give a file with at least one session of bars")
        raise problems.error()
    if any(table.column_names.count(name) != 1 for name in KEY_COLUMNS):
        raise problems.error()
    names, code = _symbols(table["symbol"], problems)
    start_ns = _instants(table["timestamp"], problems)
    if code is None or start_ns is None:
        raise problems.error()
    return _select(BarColumns(names, code, start_ns, np.arange(len(code)), values), symbols, path)


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() in (".csv", ".gz")


def _read(path: Path) -> pa.Table:
    """Return the columns that bars have, whatever their types."""
    if not path.is_file():
        raise DataProviderError(f"{path}: no such file; give a Parquet or CSV file of bars")
    try:
        if _is_csv(path):
            return _read_csv(path)
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
        with pq.ParquetFile(path, read_dictionary=["symbol"] if "symbol" in names else None) as file:
            return file.read([name for name in names if name in COLUMNS])
    except PermissionError as error:
        raise DataProviderError(f"{path}: cannot be read: {error.strerror}; check its permissions") from error
    except (pa.ArrowException, OSError) as error:
        kind = "CSV" if _is_csv(path) else "Parquet"
        raise DataProviderError(f"{path}: not a readable {kind} file: {error}; write it anew") from error


def _read_csv(path: Path) -> pa.Table:
    """Return keys as text and numbers as float64, or as text too where some of them are none."""
    with pa_csv.open_csv(path) as reader:
        found = [name for name in reader.schema.names if name in COLUMNS]
    if len(set(found)) != len(found):
        raise DataProviderError(f"{path}: a column is there twice: {', '.join(found)}; keep one of each")
    text = dict.fromkeys(KEY_COLUMNS, pa.string())
    try:
        return _convert_csv(path, found, text | dict.fromkeys(NUMBER_COLUMNS, pa.float64()))
    except pa.ArrowInvalid:
        return _convert_csv(path, found, text | dict.fromkeys(NUMBER_COLUMNS, pa.string()))


def _convert_csv(path: Path, names: list[str], types: dict[str, pa.DataType]) -> pa.Table:
    return pa_csv.read_csv(path, convert_options=pa_csv.ConvertOptions(column_types=types, include_columns=names))


def _check_names(found: Sequence[str], problems: Problems) -> None:
    required = (*KEY_COLUMNS, *TRADE_COLUMNS)
    missing = [name for name in required if name not in found]
    if missing:
        listed = ", ".join(found) or "none of them"
        problems.add(", ".join(missing), "missing", f"Bars need {', '.join(required)}; the file has {listed}")
    for name in COLUMNS:
        if found.count(name) > 1:
            problems.add(name, f"there {found.count(name)} times", "Keep one")
    if ("bid" in found) != ("ask" in found):
        absent = "ask" if "bid" in found else "bid"
        problems.add(absent, "missing", "Give both bid and ask, or neither (the spread is then estimated)")


def _numbers(column: pa.ChunkedArray, name: str, problems: Problems) -> FloatArray | None:
    """Return a column as float64, null as NaN; None, and a problem noted, if it does not hold numbers."""
    kind = column.type
    if pa.types.is_boolean(kind) or pa.types.is_temporal(kind):
        problems.add(name, f"type {kind} instead of numbers", _NUMBER_REMEDY)
        return None
    if pa.types.is_string(kind):
        blank = pc.is_in(column, value_set=pa.array(pa_csv.ConvertOptions().null_values))
        column = pc.if_else(blank, pa.scalar(None, pa.string()), column)
    try:
        floats = column.cast(pa.float64(), safe=False).combine_chunks()
    except pa.ArrowException:
        bad = np.array([_first_failing(column, pa.float64())])
        problems.add_rows(name, "no number", bad, lambda row: repr(column[row].as_py()), _NUMBER_REMEDY)
        return None
    values: FloatArray = floats.to_numpy(zero_copy_only=False)
    return values


def _symbols(column: pa.ChunkedArray, problems: Problems) -> tuple[tuple[str, ...], IntArray | None]:
    """Return the symbols in UTF-8 order and each row's position among them."""
    if not pa.types.is_dictionary(column.type):
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            problems.add("symbol", f"type {column.type} instead of text", "Write symbols as text")
            return (), None
        column = column.dictionary_encode()
    encoded = column.unify_dictionaries().combine_chunks()
    found = encoded.dictionary.to_pylist()
    position = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    blank = [not isinstance(symbol, str) or not symbol.strip() for symbol in found]
    empty = np.array([*blank, True], dtype=np.bool_)[position]
    if empty.any():
        problems.add_rows("symbol", "empty", empty, lambda row: repr(column[row].as_py()), "Name the instrument")
        return (), None
    used = np.flatnonzero(np.bincount(position, minlength=len(found)))
    names = tuple(sorted(found[number] for number in used))
    rank = {symbol: number for number, symbol in enumerate(names)}
    return names, np.array([rank.get(symbol, -1) for symbol in found], dtype=np.int64)[position]


def _instants(column: pa.ChunkedArray, problems: Problems) -> IntArray | None:
    """Return bar starts in ns UTC; None, and a problem noted, if one of them is not an aware time."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        naive = pc.invert(pc.match_substring_regex(column, _ZONED)).fill_null(False).combine_chunks()
        rows = np.flatnonzero(naive.to_numpy(zero_copy_only=False))
        problems.add_rows("timestamp", "no time zone", rows, lambda row: repr(column[row].as_py()), _TIME_REMEDY)
        if len(rows):
            return None
    elif pa.types.is_timestamp(kind) and kind.tz is None:
        every = np.ones(len(column), dtype=np.bool_)
        problems.add_rows("timestamp", "no time zone", every, lambda row: str(column[row].as_py()), _TIME_REMEDY)
        return None
    elif not pa.types.is_timestamp(kind):
        problems.add("timestamp", f"type {kind} instead of aware UTC times", _TIME_REMEDY)
        return None
    absent = column.is_null().combine_chunks().to_numpy(zero_copy_only=False)
    problems.add_rows("timestamp", "empty", absent, lambda row: "null", _TIME_REMEDY)
    if absent.any():
        return None
    try:
        instants = column.cast(_UTC_NS).cast(pa.int64()).combine_chunks()
    except pa.ArrowException:
        bad = np.array([_first_failing(column, _UTC_NS)])
        problems.add_rows("timestamp", "no readable time", bad, lambda row: repr(column[row].as_py()), _TIME_REMEDY)
        return None
    start_ns: IntArray = instants.to_numpy(zero_copy_only=False)
    return start_ns


def _first_failing(column: pa.ChunkedArray, kind: pa.DataType) -> int:
    """Return the first row whose cast fails, by bisection."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            column.slice(low, middle - low).cast(kind)
        except pa.ArrowException:
            high = middle
        else:
            low = middle
    return low


def _select(columns: BarColumns, symbols: Iterable[str] | None, path: Path) -> BarColumns:
    if symbols is None:
        return columns
    wanted = tuple(sorted(set(symbols)))
    unknown = [symbol for symbol in wanted if symbol not in columns.symbols]
    if unknown or not wanted:
        raise DataProviderError(f"{path}: {unknown_symbols(unknown, columns.symbols)}")
    new_code = np.full(len(columns.symbols), -1, dtype=np.int64)
    for code, symbol in enumerate(wanted):
        new_code[columns.symbols.index(symbol)] = code
    code_of_row = new_code[columns.code]
    keep = np.flatnonzero(code_of_row >= 0)
    values = {name: column[keep] for name, column in columns.values.items()}
    return BarColumns(wanted, code_of_row[keep], columns.start_ns[keep], columns.file_row[keep], values)
