"""Seeded bars with sessions, half days, halts, flat bars and zero volume, for tests of features."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from LIVE_TRADING.common.types import BarBatch, FloatArray, IntArray, Session
from LIVE_TRADING.models.features import FeatureBuilder, FeatureState

INTERVAL_NS = 300 * 10**9
DAY_NS = 86_400 * 10**9
FIELDS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Series:
    """Bars (T, N) on a grid of sessions, as `compute_all` reads them."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    slot: IntArray
    sessions: tuple[Session, ...]  # one per row

    def __len__(self) -> int:
        return len(self.slot)

    @property
    def n_symbols(self) -> int:
        return self.close.shape[1]

    def batch(self, row: int) -> BarBatch:
        prices = [getattr(self, name)[row] for name in FIELDS]
        quote = np.full(self.n_symbols, np.nan)
        return BarBatch(
            self.sessions[row].open_ns + int(self.slot[row] + 1) * INTERVAL_NS, INTERVAL_NS, *prices, quote, quote
        )

    def session(self, row: int) -> Session:
        return self.sessions[row]

    def n_bars(self, row: int) -> int:
        return self.sessions[row].n_bars(INTERVAL_NS)

    def first(self, row: int) -> bool:
        return row == 0 or self.sessions[row] is not self.sessions[row - 1]

    def with_arrays(self, **arrays: FloatArray) -> Series:
        return replace(self, **arrays)

    def columns(self, order: list[int]) -> Series:
        return self.with_arrays(**{name: getattr(self, name)[:, order] for name in FIELDS})

    def rows(self, first: int, last: int) -> Series:
        arrays = {name: getattr(self, name)[first:last] for name in FIELDS}
        return replace(self, slot=self.slot[first:last], sessions=self.sessions[first:last], **arrays)

    def without(self, missing: np.ndarray) -> Series:
        return self.with_arrays(**{name: np.where(missing, np.nan, getattr(self, name)) for name in FIELDS})


def make_series(
    n_symbols: int,
    *,
    seed: int = 1,
    n_sessions: int = 6,
    bars_per_session: int = 26,
    missing: float = 0.0,
    tick: float = 0.01,
) -> Series:
    """Return a random walk in ticks; the third session is a half day, some bars are flat, some have no volume."""
    rng = np.random.default_rng(seed)
    lengths = [bars_per_session // 2 if number == 2 else bars_per_session for number in range(n_sessions)]
    table = [
        Session(number, f"day {number}", number * DAY_NS, number * DAY_NS + length * INTERVAL_NS)
        for number, length in enumerate(lengths)
    ]
    sessions = tuple(session for session, length in zip(table, lengths, strict=True) for _ in range(length))
    slot = np.concatenate([np.arange(length) for length in lengths])
    shape = (len(slot), n_symbols)
    step = rng.normal(0.0, 0.002, shape) * (rng.random(shape) > 0.15)
    night = np.where(slot == 0, 0.01, 0.0)[:, None] * rng.normal(size=shape)
    log_close = np.cumsum(step + night, axis=0) + np.log(rng.uniform(20.0, 400.0, n_symbols))
    close, open_ = (np.round(np.exp(path) / tick) * tick for path in (log_close, log_close - step))
    reach = tick * rng.integers(0, 12, (2, *shape))
    flat = rng.random(shape) < 0.05
    open_ = np.where(flat, close, open_)
    high = np.where(flat, close, np.maximum(open_, close) + reach[0])
    low = np.where(flat, close, np.minimum(open_, close) - reach[1])
    volume = np.round(np.exp(rng.normal(9.0, 0.8, shape))) * (rng.random(shape) > 0.03)
    series = Series(open_, high, low, close, volume, slot, sessions)
    return series.without(rng.random(shape) < missing)


def run(builder: FeatureBuilder, series: Series, state: FeatureState | None = None) -> tuple[FeatureState, FloatArray]:
    """Return the last memory and the features (T, F, N)."""
    state = builder.initial() if state is None else state
    out = []
    for row in range(len(series)):
        state, values = step(builder, state, series, row)
        out.append(values)
    return state, np.array(out)


def step(
    builder: FeatureBuilder, state: FeatureState, series: Series, row: int, first: bool | None = None
) -> tuple[FeatureState, FloatArray]:
    """Advance over one row."""
    is_first = series.first(row) if first is None else first
    return builder.advance(state, series.batch(row), int(series.slot[row]), series.n_bars(row), is_first)
