"""A provider in front of another that answers repeated questions from memory for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from LIVE_TRADING.common.clock import Clock
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.data.calendars import SessionTable
from LIVE_TRADING.data.interface import Arrival, DataProvider, Quote, QuoteItem, SymbolBars

T = TypeVar("T")
_Key = tuple[str, str, int]


class CachedDataProvider:
    """Asks `inner` once per question and `ttl_s`; whoever asks meanwhile waits for the same answer.

    Answers to quotes and history are dropped when the stream hands out newer bars, that to a symbol's quote when it
    hands out a newer one. Errors are not remembered. At most
    `max_answers` are kept, oldest dropped first. The stream is passed through.

    Parameters
    ----------
    inner
        The provider that knows.
    ttl_s
        How long an answer is good for, seconds, > 0.
    clock
        Whose seconds.
    max_answers
        Answers kept.

    Raises
    ------
    ConfigurationError
        `ttl_s` or `max_answers` is not positive.
    """

    def __init__(self, inner: DataProvider, ttl_s: float, clock: Clock, *, max_answers: int = 20_000) -> None:
        if not 0 < ttl_s < float("inf"):
            raise ConfigurationError(f"ttl_s {ttl_s}: give seconds above 0, or use the provider without a cache")
        if max_answers < 1:
            raise ConfigurationError(f"max_answers {max_answers}: give at least 1")
        self._inner = inner
        self._ttl_ns = round(ttl_s * NS_PER_S)
        self._clock = clock
        self._max_answers = max_answers
        self._answers: dict[_Key, tuple[int, object]] = {}
        self._asking: dict[_Key, asyncio.Lock] = {}
        self._generation = 0

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the symbols, in UTF-8 order."""
        return self._inner.symbols

    @property
    def interval_ns(self) -> int:
        """Return the bar interval."""
        return self._inner.interval_ns

    @property
    def sessions(self) -> SessionTable:
        """Return the trading sessions."""
        return self._inner.sessions

    async def get_quote(self, symbol: str) -> Quote:
        """Return the newest quote, at most `ttl_s` old."""
        return await self._answer(("quote", symbol, 0), lambda: self._inner.get_quote(symbol))

    async def get_historical(self, symbol: str, n_bars: int) -> SymbolBars:
        """Return the newest bars, as of at most `ttl_s` ago."""
        return await self._answer(("bars", symbol, n_bars), lambda: self._inner.get_historical(symbol, n_bars))

    async def get_adv(self, symbol: str) -> float:
        """Return the mean traded value of a session, USD, as of at most `ttl_s` ago."""
        return await self._answer(("adv", symbol, 0), lambda: self._inner.get_adv(symbol))

    async def stream(self) -> AsyncIterator[Arrival]:
        """Yield what `inner` streams."""
        async for item in self._inner.stream():
            if isinstance(item, QuoteItem):
                self._answers.pop(("quote", item.told.asset, 0), None)
                yield item
                continue
            self._generation += 1
            self._answers = {key: answer for key, answer in self._answers.items() if key[0] == "adv"}
            yield item

    async def _answer(self, key: _Key, ask: Callable[[], Awaitable[T]]) -> T:
        lock = self._asking.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                asked_ns = self._clock.now_ns()
                known = self._answers.get(key)
                if known is not None and asked_ns - known[0] < self._ttl_ns:
                    return known[1]  # type: ignore[return-value]  # the key says of which question this is the answer
                generation = self._generation
                value = await ask()
                if key[0] == "adv" or generation == self._generation:
                    self._keep(key, asked_ns, value)
                return value
        finally:
            if not lock.locked():
                self._asking.pop(key, None)

    def _keep(self, key: _Key, asked_ns: int, value: object) -> None:
        self._answers.pop(key, None)
        while len(self._answers) >= self._max_answers:
            self._answers.pop(next(iter(self._answers)))
        self._answers[key] = (asked_ns, value)
