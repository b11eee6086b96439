"""What is known of prices: the last trade or close, bid and ask of each symbol, and when each of them was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from LIVE_TRADING.common.events import MarketData
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import BarBatch, FloatArray, IntArray


@dataclass(frozen=True, eq=False)  # without slots, as `replaced` wants it
class Quotes:
    """Arrays (N,), never written to; prices NaN before the first, instants −1.

    price, price_ns   last trade or close, and when it was made: what the book is marked at
    bid, ask, quote_ns  last quote, a side NaN where it is not quoted or cannot be believed, and when it was made
    bar_end_ns        end of the newest bar, which is what features are as fresh as
    taken_ns          when the core last took a trade or quote between bars, whatever it said
    """

    price: FloatArray
    bid: FloatArray
    ask: FloatArray
    bar_end_ns: IntArray
    price_ns: IntArray
    quote_ns: IntArray
    taken_ns: IntArray

    @classmethod
    def empty(cls, n_symbols: int) -> Quotes:
        """Return quotes that nobody has seen."""
        nan = np.full(n_symbols, np.nan)
        never = np.full(n_symbols, -1, dtype=np.int64)
        return cls(nan, nan, nan, never, never, never, never)

    def with_bars(self, bars: BarBatch) -> Quotes:
        """Return the quotes after bars; closes and closing quotes count where they are newer than what is known."""
        end_ns = bars.bar_end_ns
        closed = np.isfinite(bars.close)
        traded, newest = closed & (self.price_ns < end_ns), closed & (self.bar_end_ns < end_ns)
        quoted = (np.isfinite(bars.bid) | np.isfinite(bars.ask)) & (self.quote_ns < end_ns)
        if traded.all() and quoted.all():
            now = np.full(len(traded), end_ns, dtype=np.int64)
            return Quotes(bars.close, bars.bid, bars.ask, now, now, now, self.taken_ns)
        return Quotes(
            np.where(traded, bars.close, self.price),
            np.where(quoted, bars.bid, self.bid),
            np.where(quoted, bars.ask, self.ask),
            np.where(newest, end_ns, self.bar_end_ns),
            np.where(traded, end_ns, self.price_ns),
            np.where(quoted, end_ns, self.quote_ns),
            self.taken_ns,
        )

    def is_news(self, at: int, told: MarketData) -> tuple[bool, bool]:
        """Return whether its trade, and its quote, are not older than what is known of the symbol at a place."""
        return (
            told.has_trade and told.trade_ns >= self.price_ns.item(at),
            told.has_quote and told.timestamp_ns >= self.quote_ns.item(at),
        )

    def holds(self, at: int, told: MarketData) -> bool:
        """Return whether nothing of it is newer than what is known, or of the same instant and other than that."""
        traded, quoted = self.is_news(at, told)
        if traded and (told.trade_ns, told.price) != (self.price_ns.item(at), self.price.item(at)):
            return False
        if quoted:
            known = told.timestamp_ns == self.quote_ns.item(at)
            return known and _same(told.bid, self.bid.item(at)) and _same(told.ask, self.ask.item(at))
        return True

    def with_told(self, at: int, told: MarketData, now_ns: int, news: tuple[bool, bool] | None = None) -> Quotes:
        """Return the quotes after a trade, a quote or both; a part that is older than what is known changes nothing.

        `news`: what `is_news` said, where that was asked.
        """
        changes: dict[str, Any] = {"taken_ns": _set(self.taken_ns, at, now_ns)}
        traded, quoted = news or self.is_news(at, told)
        if traded:
            changes["price"] = _set(self.price, at, told.price)
            changes["price_ns"] = _set(self.price_ns, at, told.trade_ns)
        if quoted:
            changes["bid"], changes["ask"] = _set(self.bid, at, told.bid), _set(self.ask, at, told.ask)
            changes["quote_ns"] = _set(self.quote_ns, at, told.timestamp_ns)
        return replaced(self, **changes)

    def without_quote(self, at: int, now_ns: int) -> Quotes:
        """Return the quotes without one of the symbol at a place, until the next."""
        nan = np.nan
        taken_ns = _set(self.taken_ns, at, now_ns)
        return replaced(self, bid=_set(self.bid, at, nan), ask=_set(self.ask, at, nan), taken_ns=taken_ns)


def _same(one: float, other: float) -> bool:
    return one == other or (one != one and other != other)


def _set(values: Any, at: int, value: float) -> Any:
    """Return a copy with one entry changed."""
    changed = values.copy()
    changed[at] = value
    return changed
