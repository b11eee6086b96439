"""The cache asks once, forgets in time, and keeps nothing that is no longer so."""

# covers: P17

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from LIVE_TRADING.common.clock import SimulatedClock
from LIVE_TRADING.common.exceptions import ConfigurationError, DataProviderError
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.data.cached import CachedDataProvider
from LIVE_TRADING.data.calendars import SessionTable
from LIVE_TRADING.data.interface import FeedItem, Quote, SymbolBars
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market

PANEL = simulate_market(SimulatedMarketConfig(n_symbols=1, n_sessions=1, bars_per_session=13))


class CountingProvider:
    """Answers with the number of the question; fails as often as it is told to."""

    symbols = ("AAA", "BBB")
    interval_ns = PANEL.interval_ns
    sessions: SessionTable = PANEL.sessions

    def __init__(self) -> None:
        self.asked = 0
        self.failures = 0

    async def _answer(self) -> float:
        await asyncio.sleep(0)
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise DataProviderError("not now")
        return float(self.asked)

    async def get_quote(self, symbol: str) -> Quote:
        price = await self._answer()
        return Quote(symbol, price, price, price, 0)

    async def get_historical(self, symbol: str, n_bars: int) -> SymbolBars:
        values = np.full(n_bars, await self._answer())
        return SymbolBars(symbol, self.interval_ns, values.astype(np.int64), values, values, values, values, values)

    async def get_adv(self, symbol: str) -> float:
        return await self._answer()

    async def stream(self) -> AsyncIterator[FeedItem]:
        for row in range(2):
            yield FeedItem(int(PANEL.bar_end_ns[row]), PANEL.batch(row))


@pytest.fixture
def inner() -> CountingProvider:
    return CountingProvider()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(1_000 * NS_PER_S)


@pytest.fixture
def provider(inner, clock) -> CachedDataProvider:
    return CachedDataProvider(inner, 5.0, clock)


def test_an_answer_is_good_for_its_time(provider, clock):
    assert asyncio.run(provider.get_adv("AAA")) == 1.0
    clock.advance_to(clock.now_ns() + 5 * NS_PER_S - 1)
    assert asyncio.run(provider.get_adv("AAA")) == 1.0
    clock.advance_to(clock.now_ns() + 1)
    assert asyncio.run(provider.get_adv("AAA")) == 2.0


def test_other_questions_have_other_answers(provider, inner):
    async def ask() -> None:
        await provider.get_quote("AAA")
        await provider.get_quote("BBB")
        await provider.get_historical("AAA", 2)
        await provider.get_historical("AAA", 3)
        await provider.get_adv("AAA")

    asyncio.run(ask())
    assert inner.asked == 5
    asyncio.run(ask())
    assert inner.asked == 5


def test_many_who_ask_at_once_share_one_answer(provider, inner):
    async def ask() -> list[Quote]:
        return await asyncio.gather(*(provider.get_quote("AAA") for _ in range(50)))

    quotes = asyncio.run(ask())
    assert inner.asked == 1
    assert len(set(quotes)) == 1


def test_errors_are_not_remembered(provider, inner):
    inner.failures = 1
    with pytest.raises(DataProviderError, match="not now"):
        asyncio.run(provider.get_quote("AAA"))
    assert asyncio.run(provider.get_quote("AAA")).last == 2.0
    assert provider._asking == {}


def test_newer_bars_end_quotes_and_history_but_not_adv(provider, inner):
    async def run() -> tuple[float, float, int]:
        await provider.get_quote("AAA")
        await provider.get_adv("AAA")
        async for _ in provider.stream():
            pass
        return (await provider.get_quote("AAA")).last, await provider.get_adv("AAA"), inner.asked

    assert asyncio.run(run()) == (3.0, 2.0, 3)


def test_an_answer_that_newer_bars_overtook_is_not_kept(provider, inner):
    async def run() -> float:
        pending = asyncio.create_task(provider.get_quote("AAA"))
        await asyncio.sleep(0)
        async for _ in provider.stream():
            break
        await pending
        return (await provider.get_quote("AAA")).last

    assert asyncio.run(run()) == 2.0


def test_memory_is_bounded(inner, clock):
    provider = CachedDataProvider(inner, 5.0, clock, max_answers=10)

    async def ask() -> None:
        for n_bars in range(1, 101):
            await provider.get_historical("AAA", n_bars)

    asyncio.run(ask())
    assert len(provider._answers) == 10
    assert provider._asking == {}


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, float("nan"), float("inf")])
def test_times_that_are_none_are_refused(inner, clock, ttl_s):
    with pytest.raises(ConfigurationError, match="ttl_s"):
        CachedDataProvider(inner, ttl_s, clock)


def test_no_room_is_refused(inner, clock):
    with pytest.raises(ConfigurationError, match="max_answers"):
        CachedDataProvider(inner, 1.0, clock, max_answers=0)
