"""Reads a file of bars (Parquet or CSV) onto the grid of its sessions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from LIVE_TRADING.common.types import BAR_FIELDS
from LIVE_TRADING.common.units import NS_PER_DAY, NS_PER_MINUTE, iso_utc
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.panel import BarPanel


def read_bars(
    path: str | Path,
    *,
    interval_minutes: int | None = None,
    calendar: str = "auto",
    symbols: Sequence[str] | None = None,
    start: str | None = None,
    end: str | None = None,
) -> BarPanel:
    """Return the bars of a file."""
    names = pq.read_schema(path).names
    table = pq.read_table(path, columns=["symbol", "timestamp", *(n for n in BAR_FIELDS if n in names)])
    encoded = table["symbol"].combine_chunks().dictionary_encode()
    found = encoded.dictionary.to_pylist()
    order = sorted(found)
    rank = np.array([order.index(symbol) for symbol in found])
    code = rank[encoded.indices.to_numpy()]
    start_ns = table["timestamp"].cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_numpy()
    steps = np.diff(start_ns)[np.diff(code) == 0]
    interval_ns = interval_minutes * NS_PER_MINUTE if interval_minutes else int(steps[steps > 0].min())
    if calendar == "auto":
        saturdays = ((start_ns // NS_PER_DAY + 3) % 7 == 5) & (start_ns % NS_PER_DAY >= NS_PER_DAY // 2)
        calendar = "24/7" if saturdays.any() else "XNYS"
    first, last = (iso_utc(int(value))[:10] for value in (start_ns.min(), start_ns.max()))
    sessions = session_table(calendar, max(first, start or first), min(last, end or last))
    bar_end_ns, _, _ = sessions.grid(interval_ns)
    row = np.searchsorted(bar_end_ns, start_ns + interval_ns)
    inside = (row < len(bar_end_ns)) & (bar_end_ns[np.minimum(row, len(bar_end_ns) - 1)] == start_ns + interval_ns)
    arrays = {}
    for name in BAR_FIELDS:
        grid = np.full((len(bar_end_ns), len(order)), np.nan)
        if name in names:
            grid[row[inside], code[inside]] = pc.cast(table[name], pa.float64()).to_numpy()[inside]
        arrays[name] = grid
    if "bid" not in names:
        half = np.maximum(arrays["close"] * 1e-4, 0.01) / 2
        arrays["bid"], arrays["ask"] = arrays["close"] - half, arrays["close"] + half
    panel = BarPanel.on_grid(
        order,
        interval_ns,
        sessions,
        arrays,
        quotes_estimated="bid" not in names,
        dropped_outside_sessions=int((~inside).sum()),
    )
    return panel.select(symbols) if symbols else panel
