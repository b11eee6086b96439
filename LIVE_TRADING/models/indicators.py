"""Technical indicators with TA-Lib's conventions, one step at a time for all symbols at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from LIVE_TRADING.common.array_record import BlockRecord, Rows
from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.types import BoolArray, FloatArray, IntArray
from LIVE_TRADING.models.arrivals import Arrival

INDICATORS = ("rsi", "macd", "macd_signal", "macd_histogram", "atr", "bollinger_middle", "bollinger_sd")
RSI, MACD, SIGNAL, HISTOGRAM, ATR, MIDDLE, SD = range(len(INDICATORS))
CLOSE, WILDER, EMA = 0, 1, 4  # rows of the state


class IndicatorConfig(FrozenConfig):
    """Periods of the indicators, in bars."""

    rsi_period: int = Field(14, ge=2, le=1_000, description="bars of Wilder's RSI")
    macd_fast: int = Field(12, ge=2, le=1_000, description="bars of MACD's fast average")
    macd_slow: int = Field(26, ge=3, le=1_000, description="bars of MACD's slow average")
    macd_signal: int = Field(9, ge=1, le=1_000, description="bars of MACD's signal line")
    bollinger_period: int = Field(20, ge=2, le=250, description="bars of the Bollinger window")
    atr_period: int = Field(14, ge=1, le=1_000, description="bars of Wilder's ATR")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.macd_fast >= self.macd_slow:
            raise ValueError(f"macd_fast {self.macd_fast} must be below macd_slow {self.macd_slow}")
        return self

    def bars_needed(self) -> tuple[int, ...]:
        """Return the bars until each of `INDICATORS` has a value."""
        macd = self.macd_slow + self.macd_signal - 1
        window = self.bollinger_period
        return (self.rsi_period + 1, macd, macd, macd, self.atr_period + 1, window, window)


@dataclass(frozen=True, slots=True, eq=False)
class IndicatorState(BlockRecord):
    """Memory of the indicators. While an average is being seeded its row holds the sum of its inputs so far."""

    count: IntArray  # (N,) bars seen
    block: FloatArray  # (7, N)
    closes: FloatArray  # (W, N) ring: bar number n, from 0, in slot n mod W
    close = Rows(CLOSE)  # newest close, NaN: none
    wilder = Rows(WILDER, 3)  # averages of gain, loss, true range
    ema = Rows(EMA, 3)  # averages of close (fast, slow) and of MACD (signal)


class Indicators:
    """RSI, MACD, ATR (Wilder 1978, Appel 1979) and Bollinger's moments, equal to TA-Lib's on the bars a symbol has.

    Wilder's averages     A = (A·(p-1) + x) / p, seeded with the mean of the first p inputs (gain, loss, true range)
    RSI                   100·gain/(gain + loss), 0 where both are 0
    MACD                  EMA_fast − EMA_slow of closes, k = 2/(p+1), each seeded with the mean of the p closes that end
                          with bar number `slow`; signal likewise over MACD
    ATR                   of TR = max(high, last close) − min(low, last close), from the second bar on
    Bollinger             mean and population sd of the last W closes

    Recursions run on across sessions; a missing bar holds them. The recursions are TA-Lib's operations in TA-Lib's
    order, so that they agree even where a difference is near zero. The moments are not: TA-Lib subtracts running sums
    of squares, which loses half the digits; here they are sums of differences from the newest close.
    """

    def __init__(self, config: IndicatorConfig, n_symbols: int) -> None:
        self._config = config
        self._n_symbols = n_symbols
        periods = (config.rsi_period, config.atr_period, config.macd_fast, config.macd_slow, config.macd_signal)
        self._periods = np.array(periods, dtype=np.int64)
        self.warm_up = np.array(config.bars_needed())

    def initial(self) -> IndicatorState:
        """Return the memory before the first bar."""
        n = self._n_symbols
        block = np.zeros((7, n))
        block[CLOSE] = np.nan
        return IndicatorState(np.zeros(n, dtype=np.int64), block, np.zeros((self._config.bollinger_period, n)))

    def advance(self, state: IndicatorState, bars: Arrival, values: FloatArray) -> IndicatorState:
        """Return the memory after the bars of one bar end, and write the raw indicators into `values`.

        `values` has shape (7, N), in the order of `INDICATORS`, in units of price save RSI. Until a symbol's warm-up is
        over, and where it has no bar, what is written means nothing (finite or NaN): see `ready`.
        """
        block = np.empty(state.block.shape)
        advance_averages(bars.values, bars.seen, self._periods, state.block, block, values)
        advance_moments(bars.close, bars.before, state.closes, values)
        return IndicatorState(bars.seen, block, state.closes)

    def ready(self, bars: Arrival) -> BoolArray:
        """Return where the values of `advance` mean something, shape (7, N)."""
        known: BoolArray = bars.has_bar & (bars.seen >= self.warm_up[:, None])
        return known


@kernel("void(float64[:, ::1], int64[::1], int64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])")
def advance_averages(
    bars: FloatArray, seen: IntArray, periods: IntArray, before: FloatArray, after: FloatArray, values: FloatArray
) -> None:
    """Write `IndicatorState.block` after bars (5, N), and all but the moments into `values` (7, N).

    `periods`: of RSI, ATR, MACD's fast, slow and signal average. An average whose number of inputs n is not above its
    period p is still the sum of them, for n = p their mean; before the first it is 0.
    """
    rsi, atr, fast, slow, signal = periods
    high, low, close = bars[1], bars[2], bars[3]
    after[:] = before
    for i in range(close.shape[0]):
        if close[i] != close[i]:
            continue
        last, n = before[CLOSE, i], seen[i]
        after[CLOSE, i] = close[i]
        gain = max(close[i] - last, 0.0)
        loss = gain - (close[i] - last)
        true_range = max(high[i], last) - min(low[i], last)
        for k in range(3):
            p, x = (rsi, gain) if k == 0 else (rsi, loss) if k == 1 else (atr, true_range)
            old = before[WILDER + k, i]
            if n - 1 > p:
                after[WILDER + k, i] = (old * (p - 1.0) + x) / p
            else:
                after[WILDER + k, i] = 0.0 if n == 1 else (old + x) / p if n - 1 == p else old + x
        for k in range(3):
            p, n_inputs = (fast, n + fast - slow) if k == 0 else (slow, n) if k == 1 else (signal, n - slow + 1)
            old, x = before[EMA + k, i], close[i] if k < 2 else after[EMA, i] - after[EMA + 1, i]
            if n_inputs > p:
                after[EMA + k, i] = (x - old) * (2.0 / (p + 1.0)) + old
            else:
                after[EMA + k, i] = 0.0 if n_inputs < 1 else (old + x) / p if n_inputs == p else old + x
    for i in range(close.shape[0]):
        moves = after[WILDER, i] + after[WILDER + 1, i]
        values[RSI, i] = after[WILDER, i] / (moves if moves != 0.0 else 1.0) * 100.0
        values[MACD, i] = after[EMA, i] - after[EMA + 1, i]
        values[SIGNAL, i] = after[EMA + 2, i]
        values[HISTOGRAM, i] = values[MACD, i] - values[SIGNAL, i]
        values[ATR, i] = after[WILDER + 2, i]


@kernel("void(float64[::1], int64[::1], float64[:, ::1], float64[:, ::1])")
def advance_moments(close: FloatArray, before: IntArray, closes: FloatArray, values: FloatArray) -> None:
    """Write mean and population sd of the last W closes into `values` (7, N).

    The newest close takes the oldest's slot in the ring `closes` (W, N). The record before needs only the other slots:
    whatever comes next, its oldest close leaves the window.
    """
    period, n = closes.shape
    total, squares = np.zeros(n), np.zeros(n)
    for i in range(n):
        if close[i] == close[i]:
            closes[before[i] % period, i] = close[i]
    for k in range(period):
        row = closes[k]
        for i in range(n):
            difference = row[i] - close[i]
            total[i] += difference
            squares[i] += difference * difference
    for i in range(n):
        mean = total[i] / period
        values[MIDDLE, i] = close[i] + mean
        values[SD, i] = np.sqrt(max(squares[i] / period - mean * mean, 0.0))
