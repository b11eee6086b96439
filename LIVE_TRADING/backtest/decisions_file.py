"""decisions.parquet: one row per deciding cycle and symbol, written in pieces so that memory stays flat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from LIVE_TRADING.backtest.record import Decisions
from LIVE_TRADING.common.reasons import REASON_TEXT
from LIVE_TRADING.common.types import Action, CodeArray

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_GROUP = 1 << 17
FIGURES = ("alpha_bps", "cost_bps", "net_bps", "target_weight", "target_shares")


def write_decisions(path: Path, decisions: Decisions, symbols: tuple[str, ...]) -> None:
    """Write the decisions, by cycle, then by symbol. Texts are dictionary columns; no horizon chosen is null."""
    import pyarrow.parquet as pq

    cycles = len(decisions.time_ns)
    step = max(1, ROWS_PER_GROUP // max(1, len(symbols)))
    first = _table(decisions, symbols, 0, min(step, cycles))
    text_columns = [field.name for field in first.schema if str(field.type).startswith("dictionary")]
    with pq.ParquetWriter(path, first.schema, compression="zstd", use_dictionary=text_columns) as writer:
        writer.write_table(first)
        for start in range(step, cycles, step):
            writer.write_table(_table(decisions, symbols, start, min(start + step, cycles)))


def _table(decisions: Decisions, symbols: tuple[str, ...], start: int, stop: int) -> pa.Table:
    import pyarrow as pa

    rows = slice(start, stop)
    cycles, n = stop - start, len(symbols)
    times = np.repeat(decisions.time_ns[rows], n)
    columns: dict[str, pa.Array] = {
        "time_utc": pa.array(times, type=pa.int64()).cast(pa.timestamp("ns", tz="UTC")),
        "symbol": _text(np.tile(np.arange(n, dtype=np.int32), cycles), list(symbols)),
    }
    for row, stage in enumerate(decisions.stages):
        columns[f"reason_{stage}"] = _reasons(decisions.reason[rows, row].ravel())
    columns["horizon"] = _text(decisions.horizon[rows].ravel(), list(decisions.horizons))
    columns["side"] = pa.array(decisions.side[rows].ravel().astype(np.int8))
    columns["action"] = _text(decisions.action[rows].ravel(), [action.name.lower() for action in Action])
    for name in FIGURES:
        columns[name] = pa.array(getattr(decisions, name)[rows].ravel())
    return pa.table(columns)


_REASON_ROW = np.full(max(REASON_TEXT) + 1, -1, dtype=np.int32)
_REASON_ROW[list(REASON_TEXT)] = np.arange(len(REASON_TEXT))


def _reasons(codes: CodeArray) -> pa.Array:
    return _text(_REASON_ROW[codes], list(REASON_TEXT.values()))


def _text(rows: np.ndarray[tuple[int], np.dtype[np.signedinteger]], words: list[str]) -> pa.Array:
    """Return a dictionary column; a negative row is null."""
    import pyarrow as pa

    indices = pa.array(rows.astype(np.int32), mask=rows < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, type=pa.string()))
