"""TA-Lib's indicators of one symbol, on the bars that it has."""

from __future__ import annotations

import numpy as np
import talib

from LIVE_TRADING.models.indicators import INDICATORS


def by_talib(config, bars, column):
    """Return TA-Lib's (T, 7) of one symbol on the bars that it has, the upper band in place of the sd."""
    has_bar = ~np.isnan(bars["close"][:, column])
    high, low, close = (np.ascontiguousarray(bars[name][has_bar, column]) for name in ("high", "low", "close"))
    upper, middle, _ = talib.BBANDS(close, config.bollinger_period, 2.0, 2.0)
    macd = talib.MACD(close, config.macd_fast, config.macd_slow, config.macd_signal)
    atr = talib.ATR(high, low, close, config.atr_period)
    out = np.full((len(has_bar), len(INDICATORS)), np.nan)
    out[has_bar] = np.column_stack([talib.RSI(close, config.rsi_period), *macd, atr, middle, upper])
    return out
