"""Trades and quotes between the bars of a simulated market."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LIVE_TRADING.common.events import MarketData
from LIVE_TRADING.common.units import NS_PER_MS
from LIVE_TRADING.data.interface import QuoteItem
from LIVE_TRADING.data.panel import BarPanel

STREAM = 8  # half of the Philox key; the streams of the market's bars are those below
GRID_NS = 100 * NS_PER_MS


class SimulatedQuotes:
    """Walks from the open to the close of each bar within its high and low, with the spread at its end.

    The price at a share f of the bar is open + f·(close − open) + ¼·(high − low)·√(4·f·(1 − f))·N(0, 1), rounded to a
    cent and cut at high and low; it is told as a trade, and half the spread to both sides of it as a quote. The k-th of
    K comes at (k + U)/K of the bar, in tenths of a second. A symbol without a bar says nothing.

    Numbers come from Philox, keyed by seed and bar end: the same for any span and any choice of symbols.

    Parameters
    ----------
    panel
        The whole market.
    per_bar
        K, of each symbol.
    seed
        Of the market.
    """

    def __init__(self, panel: BarPanel, per_bar: int, seed: int) -> None:
        self._panel = panel
        self._column = {symbol: column for column, symbol in enumerate(panel.symbols)}
        self._per_bar = per_bar
        self._seed = seed

    @property
    def fingerprint(self) -> str:
        """Return what beside the bars the numbers follow from."""
        return f"simulated quotes 1: {self._per_bar} a bar, seed {self._seed}"

    def of_bar(self, bar_end_ns: int, symbols: Sequence[str]) -> list[QuoteItem]:
        """Return what is said of some symbols within the bar that ends then, in order of time and symbol."""
        panel, row = self._panel, self._panel.row_of(bar_end_ns)
        if row is None:
            return []
        shape = (self._per_bar, len(panel.symbols))
        key = np.array([self._seed, STREAM], dtype=np.uint64)
        counter = np.array([0, 0, bar_end_ns, 0], dtype=np.uint64)
        draws = np.random.Generator(np.random.Philox(key=key, counter=counter))
        frac = (np.arange(self._per_bar)[:, None] + draws.random(shape)) / self._per_bar
        noise = draws.standard_normal(shape)
        columns = [self._column[symbol] for symbol in symbols]
        frac, noise = frac[:, columns], noise[:, columns]
        opened, high, low, close, bid, ask = (
            getattr(panel, name)[row, columns] for name in ("open", "high", "low", "close", "bid", "ask")
        )
        swing = 0.25 * (high - low) * np.sqrt(4.0 * frac * (1.0 - frac)) * noise
        price = np.clip(np.round(opened + frac * (close - opened) + swing, 2), low, high)
        half = np.broadcast_to((ask - bid) / 2.0, price.shape)
        n_ticks = panel.interval_ns // GRID_NS
        tick = np.clip(np.floor(frac * n_ticks), 1, n_ticks - 1).astype(np.int64)
        at_ns = bar_end_ns - panel.interval_ns + tick * GRID_NS
        place = np.broadcast_to(np.arange(len(columns)), price.shape)
        order = np.lexsort((place.ravel(), at_ns.ravel()))
        order = order[np.isfinite(price.ravel()[order])]
        rows = zip(
            at_ns.ravel()[order].tolist(),
            place.ravel()[order].tolist(),
            price.ravel()[order].tolist(),
            half.ravel()[order].tolist(),
            strict=True,
        )
        return [
            QuoteItem(made_ns, MarketData(symbols[at], made_ns, last, bid=last - half_usd, ask=last + half_usd))
            for made_ns, at, last, half_usd in rows
        ]
