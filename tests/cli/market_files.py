"""Bars of an invented market on the sessions of XNYS, as a file that the command line reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from LIVE_TRADING.common.types import BAR_FIELDS
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market

N_SESSIONS = 30
BARS = 26  # of 15 minutes
FIRST, LAST = "2025-02-03", "2025-03-31"
SYMBOLS = tuple(f"S{number:04d}" for number in range(12))
EXTRA = "S0012"


def market() -> tuple[BarPanel, tuple[str, ...]]:
    """Thirteen symbols, and the dates of XNYS that their sessions are moved to; none of them is a half day."""
    panel = simulate_market(SimulatedMarketConfig(n_symbols=13, n_sessions=N_SESSIONS, bars_per_session=BARS))
    return panel, tuple(session.date for session in session_table("XNYS", FIRST, LAST).sessions[:N_SESSIONS])


def write_bars(
    panel: BarPanel,
    path: Path,
    symbols: Sequence[str],
    price_factor: float = 1.0,
    last_bars: Mapping[str, str] | None = None,
) -> Path:
    """Write the bars of some symbols.

    `price_factor` changes every price; `last_bars` gives, by symbol, the date after which it has no bar.
    """
    sessions = session_table("XNYS", FIRST, LAST).sessions
    starts_ns = np.array(
        [
            sessions[int(number)].open_ns + int(slot) * panel.interval_ns
            for number, slot in zip(panel.session_index, panel.slot, strict=True)
        ]
    )
    frames = []
    for symbol in symbols:
        column = panel.column_of(symbol)
        columns = {
            name: getattr(panel, name)[:, column] * (1.0 if name == "volume" else price_factor) for name in BAR_FIELDS
        }
        table = pd.DataFrame({"symbol": symbol, "timestamp": pd.to_datetime(starts_ns, utc=True), **columns})
        until = (last_bars or {}).get(symbol, LAST)
        frames.append(table[table["close"].notna() & (table["timestamp"].dt.strftime("%Y-%m-%d") <= until)])
    pd.concat(frames, ignore_index=True).to_parquet(path, index=False)
    return path
