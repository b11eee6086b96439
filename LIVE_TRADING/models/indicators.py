"""Technical indicators with TA-Lib's conventions, one step at a time for all symbols at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from LIVE_TRADING.common.array_record import ArrayRecord
from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.types import BoolArray, FloatArray, IntArray
from LIVE_TRADING.models.arrivals import Arrival

INDICATORS = ("rsi", "macd", "macd_signal", "macd_histogram", "atr", "bollinger_middle", "bollinger_sd")
_RSI, _MACD, _SIGNAL, _HISTOGRAM, _ATR, _MIDDLE, _SD = range(len(INDICATORS))


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
class IndicatorState(ArrayRecord):
    """Memory of the indicators. While an average is being seeded its row holds the sum of its inputs so far."""

    count: IntArray  # (N,) bars seen
    close: FloatArray  # (N,) newest close, NaN: none
    wilder: FloatArray  # (3, N) averages of gain, loss, true range
    ema: FloatArray  # (3, N) averages of close (fast, slow) and of MACD (signal)
    closes: FloatArray  # (W, N) ring: bar number n, from 0, in slot n mod W


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
        self._wilder_period = np.array([[config.rsi_period], [config.rsi_period], [config.atr_period]], dtype=float)
        self._wilder_less = self._wilder_period - 1.0
        self._average_factor = np.array([[2.0 / (config.macd_fast + 1)], [2.0 / (config.macd_slow + 1)]])
        self._signal_factor = 2.0 / (config.macd_signal + 1)
        self._average_period = np.array([[config.macd_fast], [config.macd_slow]], dtype=np.int64)
        self._columns = np.arange(n_symbols)
        self.warm_up = np.array(config.bars_needed())
        self._longest = int(self.warm_up.max())

    def initial(self) -> IndicatorState:
        """Return the memory before the first bar."""
        n = self._n_symbols
        return IndicatorState(
            count=np.zeros(n, dtype=np.int64),
            close=np.full(n, np.nan),
            wilder=np.zeros((3, n)),
            ema=np.zeros((3, n)),
            closes=np.zeros((self._config.bollinger_period, n)),
        )

    def advance(self, state: IndicatorState, bars: Arrival, values: FloatArray) -> IndicatorState:
        """Return the memory after the bars of one bar end, and write the raw indicators into `values`.

        `values` has shape (7, N), in the order of `INDICATORS`, in units of price save RSI. Until a symbol's warm-up is
        over, and where it has no bar, what is written means nothing (finite or NaN): see `ready`.
        """
        young = bars.fewest <= self._longest
        wilder = self._wilder(state, bars, young)
        ema = self._averages(state, bars, young)
        macd = np.subtract(ema[0], ema[1], out=values[_MACD])
        self._signal(state, ema, macd, bars, young)
        np.subtract(macd, ema[2], out=values[_HISTOGRAM])
        _relative_strength(wilder, values[_RSI])
        values[_SIGNAL] = ema[2]
        values[_ATR] = wilder[2]
        self._moments(state.closes, bars, values[_MIDDLE], values[_SD])
        if bars.missing is None:
            return IndicatorState(bars.seen, bars.close, wilder, ema, state.closes)
        close = np.where(bars.missing, state.close, bars.close)
        bars.hold(wilder, state.wilder)
        bars.hold(ema, state.ema)
        return IndicatorState(bars.seen, close, wilder, ema, state.closes)

    def ready(self, bars: Arrival) -> BoolArray:
        """Return where the values of `advance` mean something, shape (7, N)."""
        known: BoolArray = bars.has_bar & (bars.seen >= self.warm_up[:, None])
        return known

    def _wilder(self, state: IndicatorState, bars: Arrival, young: bool) -> FloatArray:
        """Return averages (3, N) of gain, loss and true range."""
        inputs = np.empty((3, self._n_symbols))
        gain, loss, true_range = inputs
        np.subtract(bars.close, state.close, out=loss)
        np.maximum(loss, 0.0, out=gain)
        np.subtract(gain, loss, out=loss)
        np.maximum(bars.high, state.close, out=true_range)
        true_range -= np.minimum(bars.low, state.close)
        averages: FloatArray = state.wilder * self._wilder_less
        averages += inputs
        averages /= self._wilder_period
        if young:
            _seed(averages, state.wilder, inputs, bars.seen - 1, self._wilder_period)
        return averages

    def _averages(self, state: IndicatorState, bars: Arrival, young: bool) -> FloatArray:
        """Return averages (3, N); the last row, of MACD, is still to be written."""
        ema = np.empty((3, self._n_symbols))
        old, new = state.ema[:2], ema[:2]
        np.subtract(bars.close, old, out=new)
        new *= self._average_factor
        new += old
        if young:
            late = self._average_period - self._config.macd_slow
            _seed(new, old, bars.close, bars.seen + late, self._average_period)
        return ema

    def _signal(self, state: IndicatorState, ema: FloatArray, macd: FloatArray, bars: Arrival, young: bool) -> None:
        old, new = state.ema[2], ema[2]
        np.subtract(macd, old, out=new)
        new *= self._signal_factor
        new += old
        if young:
            _seed(new, old, macd, bars.seen - (self._config.macd_slow - 1), self._config.macd_signal)

    def _moments(self, closes: FloatArray, bars: Arrival, middle: FloatArray, sd: FloatArray) -> None:
        """Write mean and population sd of the window; the newest close takes the oldest's slot in the ring.

        The record before needs only the other slots: whatever comes next, its oldest close leaves the window.
        """
        period = len(closes)
        slot = bars.before % period
        slot *= self._n_symbols
        slot += self._columns
        closes.reshape(-1)[slot] = bars.close
        difference = closes - bars.close
        mean = sum_rows(difference)
        mean /= period
        np.add(bars.close, mean, out=middle)
        np.multiply(difference, difference, out=difference)
        variance = sum_rows(difference)
        variance /= period
        mean *= mean
        variance -= mean
        np.maximum(variance, 0.0, out=variance)
        np.sqrt(variance, out=sd)


def sum_rows(values: FloatArray) -> FloatArray:
    """Return the sum over the first axis, added row after row whatever the number of columns.

    numpy adds a single column pairwise, which rounds differently: a symbol alone must get the bits it gets in company.
    """
    total: FloatArray = np.add.accumulate(values)[-1] if values.shape[1] == 1 else np.add.reduce(values)
    return total


def _relative_strength(wilder: FloatArray, out: FloatArray) -> None:
    total = wilder[0] + wilder[1]
    total += total == 0.0
    np.divide(wilder[0], total, out=out)
    out *= 100.0


def _seed(
    new: FloatArray, old: FloatArray, inputs: FloatArray, n_inputs: IntArray, period: FloatArray | IntArray | int
) -> None:
    """Replace in `new` the averages that are not seeded yet: the sum so far, with the p-th input the mean of the p."""
    total = old + inputs
    seeded = np.where(n_inputs == period, total / period, total)
    np.copyto(new, np.where(n_inputs >= 1, seeded, 0.0), where=n_inputs <= period)
