"""What every data provider promises, held over each implementation."""

# covers: P17

from __future__ import annotations

import asyncio
import math

import numpy as np
import pytest

from LIVE_TRADING.common.clock import SimulatedClock
from LIVE_TRADING.common.exceptions import DataProviderError
from LIVE_TRADING.data import (
    CachedDataProvider,
    DataProvider,
    FeedItem,
    HistoricalDataProvider,
    SimulatedDataProvider,
    SimulatedMarketConfig,
    simulate_market,
)

CONFIG = SimulatedMarketConfig(n_symbols=3, n_sessions=3, bars_per_session=13)
PANEL = simulate_market(CONFIG)


def historical(clock: SimulatedClock) -> DataProvider:
    return HistoricalDataProvider(PANEL, clock=clock)


def simulated(clock: SimulatedClock) -> DataProvider:
    return SimulatedDataProvider(CONFIG, clock=clock)


def cached(clock: SimulatedClock) -> DataProvider:
    return CachedDataProvider(HistoricalDataProvider(PANEL, clock=clock), 1.0, clock)


@pytest.fixture(params=[historical, simulated, cached])
def build(request):
    return request.param


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(PANEL.sessions.sessions[1].close_ns)


@pytest.fixture
def provider(build, clock) -> DataProvider:
    return build(clock)


def test_it_satisfies_the_protocol(provider):
    assert isinstance(provider, DataProvider)


def test_symbols_are_sorted_and_interval_and_sessions_known(provider):
    assert list(provider.symbols) == sorted(provider.symbols)
    assert provider.interval_ns == PANEL.interval_ns
    assert provider.sessions.sessions == PANEL.sessions.sessions


def test_quote_history_and_adv_agree(provider, clock):
    quote = asyncio.run(provider.get_quote("S0001"))
    bars = asyncio.run(provider.get_historical("S0001", 4))
    adv_usd = asyncio.run(provider.get_adv("S0001"))
    assert quote.symbol == bars.symbol == "S0001"
    assert quote.quote_ns == bars.bar_end_ns[-1] <= clock.now_ns()
    assert quote.bid < quote.last < quote.ask
    assert len(bars.close) == 4
    assert (np.diff(bars.bar_end_ns) > 0).all()
    assert math.isfinite(adv_usd)
    assert adv_usd > 0


@pytest.mark.parametrize("question", ["get_quote", "get_adv"])
def test_unknown_symbols_are_refused(provider, question):
    with pytest.raises(DataProviderError, match="'NONE'"):
        asyncio.run(getattr(provider, question)("NONE"))


def test_the_stream_comes_in_the_order_of_arrival(provider):
    async def gather() -> list[FeedItem]:
        return [item async for item in provider.stream()]

    items = asyncio.run(gather())
    arrivals = [item.arrival_ns for item in items]
    assert arrivals == sorted(arrivals)
    assert all(item.arrival_ns >= item.batch.bar_end_ns for item in items)
    assert all(item.batch.close.shape == (3,) for item in items)
