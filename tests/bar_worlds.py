"""Small invented markets as plain arrays, with half days and missing bars, for tests of what advances bar by bar."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass

import numpy as np

from LIVE_TRADING.common.types import BarBatch

INTERVAL_NS = 300 * 10**9
DAY_NS = 86_400 * 10**9


@dataclass(frozen=True)
class World:
    """Prices (T, N) on a grid of sessions; `bars_of` gives the number of bars of each session."""

    bars_of: tuple[int, ...]
    open: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    joined: bool = False  # open always: the first bar of a session follows the last one at once

    @property
    def grid(self) -> list[tuple[int, int, int]]:
        """Session, slot and bars of the session, row by row."""
        return [(day, slot, n) for day, n in enumerate(self.bars_of) for slot in range(n)]

    def batch(self, row: int) -> BarBatch:
        day, slot, _ = self.grid[row]
        open_, close = self.open[row], self.close[row]
        end_ns = (row + 1) * INTERVAL_NS if self.joined else day * DAY_NS + (slot + 1) * INTERVAL_NS
        return BarBatch(
            end_ns,
            INTERVAL_NS,
            open_,
            np.maximum(open_, close),
            np.minimum(open_, close),
            close,
            self.volume[row],
            close,
            close,
        )

    def steps(self):
        """Yield (row, batch, slot, bars of the session, first of session)."""
        for row, (_, slot, n_bars) in enumerate(self.grid):
            yield row, self.batch(row), slot, n_bars, slot == 0

    def select(self, columns) -> World:
        return World(self.bars_of, self.open[:, columns], self.close[:, columns], self.volume[:, columns])

    def scaled(self, factor: float) -> World:
        return World(self.bars_of, self.open * factor, self.close * factor, self.volume)


def make_world(
    seed: int,
    bars_of: tuple[int, ...],
    n_symbols: int,
    *,
    missing: float = 0.0,
    bar_sd: float = 0.001,
    night_sd: float = 0.01,
    shape: np.ndarray | None = None,
) -> World:
    """Random walks; `shape` scales the sd of a bar by its slot."""
    rng = np.random.default_rng(seed)
    price = rng.uniform(20.0, 300.0, n_symbols)
    opens, closes = [], []
    for n_bars in bars_of:
        price = price * np.exp(night_sd * rng.standard_normal(n_symbols))
        for slot in range(n_bars):
            tick = price * np.exp(0.1 * bar_sd * rng.standard_normal(n_symbols))
            scale = 1.0 if shape is None else shape[slot]
            price = tick * np.exp(bar_sd * scale * rng.standard_normal(n_symbols))
            opens.append(tick)
            closes.append(price)
    open_, close = np.array(opens), np.array(closes)
    volume = rng.uniform(1e3, 1e5, close.shape)
    gone = rng.random(close.shape) < missing
    for values in (open_, close, volume):
        values[gone] = np.nan
    return World(tuple(bars_of), open_, close, volume)


def frozen_copy(record):
    """Return the arrays of a record, copied, to compare after somebody else worked with it."""
    return {name: array.copy() for name, array in record.to_arrays().items()}


def assert_same_arrays(before, after):
    assert sorted(before) == sorted(after)
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)


def assert_same_records(a, b):
    """Every field of two records, nested ones too, is equal to the last bit."""
    for field in fields(a):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if is_dataclass(left):
            assert_same_records(left, right)
        else:
            np.testing.assert_array_equal(left, right, err_msg=field.name)
