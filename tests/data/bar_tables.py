"""Small tables of bars for tests of reading."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

COLUMNS = ("symbol", "timestamp", "open", "high", "low", "close", "volume")
MONDAY_OPEN = pd.Timestamp("2025-05-12T13:30:00Z")


def starts(dates: Sequence[str], *, minutes: int = 5, first: str = "13:30", n_bars: int = 78) -> list[pd.Timestamp]:
    """Return the starts of consecutive bars from a time of each date, UTC."""
    return [
        pd.Timestamp(f"{date}T{first}:00Z") + pd.Timedelta(minutes=minutes * number)
        for date in dates
        for number in range(n_bars)
    ]


def bar_table(
    symbols: Sequence[str] = ("AAA", "BBB"), times: Sequence[pd.Timestamp] | None = None, *, seed: int = 0
) -> pd.DataFrame:
    """Return a random walk of every symbol over the same bar starts, as the documented columns."""
    times = starts(["2025-05-12"], n_bars=6) if times is None else times
    rng = np.random.default_rng(seed)
    frames = []
    for symbol in symbols:
        close = np.round(100.0 * np.exp(np.cumsum(rng.standard_normal(len(times)) * 1e-3)), 2)
        opens = np.append(100.0, close[:-1])
        frames.append(
            pd.DataFrame(
                {
                    "symbol": symbol,
                    "timestamp": times,
                    "open": opens,
                    "high": np.maximum(opens, close) + 0.05,
                    "low": np.minimum(opens, close) - 0.05,
                    "close": close,
                    "volume": rng.integers(1_000, 9_000, len(times)).astype(np.float64),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def write(table: pd.DataFrame, path: Path) -> Path:
    """Write a table in the format that the name says."""
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%S%z")
    return path


def changed(row: int, **values: Any) -> Any:
    """Return a function that sets values in one row of a table."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        for column, value in values.items():
            table.loc[row, column] = value
        return table

    return change
