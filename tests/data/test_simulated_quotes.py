"""Quotes between the bars of the simulated market: the same for a seed, within their bar, in order of arrival."""

from __future__ import annotations

# covers: P17, B3
import asyncio

import numpy as np
import pytest

from LIVE_TRADING.common.clock import SimulatedClock
from LIVE_TRADING.data import (
    Arrival,
    CachedDataProvider,
    FeedItem,
    HistoricalDataProvider,
    LateBar,
    QuoteItem,
    SimulatedDataProvider,
    SimulatedMarketConfig,
    simulate_market,
)

PER_BAR = 5
CONFIG = SimulatedMarketConfig(
    n_symbols=6, n_sessions=3, bars_per_session=13, quotes_per_bar=PER_BAR, missing_bar_probability=0.1
)
PANEL = simulate_market(CONFIG)
ENDS = PANEL.bar_end_ns
ALL = (int(ENDS[0]) - PANEL.interval_ns, int(ENDS[-1]))


def items_of(provider: HistoricalDataProvider, span: tuple[int, int] = ALL) -> list[Arrival]:
    return list(provider.timeline(*span))


def quotes_of(items: list[Arrival]) -> list[tuple[int, str, float, float, float]]:
    return [
        (item.arrival_ns, item.told.asset, item.told.price, item.told.bid, item.told.ask)
        for item in items
        if isinstance(item, QuoteItem)
    ]


def test_every_bar_that_is_there_has_its_quotes_and_bars_are_as_without() -> None:
    items = items_of(SimulatedDataProvider(CONFIG))
    plain = items_of(HistoricalDataProvider(PANEL))
    bars = [item for item in items if isinstance(item, FeedItem)]
    assert [item.batch.bar_end_ns for item in bars] == [item.batch.bar_end_ns for item in plain]  # type: ignore[union-attr]
    assert all(
        (one.batch.close == other.batch.close)[~np.isnan(one.batch.close)].all()
        for one, other in zip(bars, plain, strict=True)
    )  # type: ignore[union-attr]
    assert len(quotes_of(items)) == PER_BAR * np.isfinite(PANEL.close).sum()
    assert np.isnan(PANEL.close).any()


def test_they_come_in_order_within_their_bar_and_its_prices() -> None:
    items = items_of(SimulatedDataProvider(CONFIG))
    arrivals = [item.arrival_ns for item in items]
    assert arrivals == sorted(arrivals)
    row = {symbol: column for column, symbol in enumerate(PANEL.symbols)}
    for at_ns, symbol, price, bid, ask in quotes_of(items):
        end = int(np.searchsorted(ENDS, at_ns))
        assert ENDS[end] - PANEL.interval_ns < at_ns < ENDS[end]
        column = row[symbol]
        assert PANEL.low[end, column] <= price <= PANEL.high[end, column]
        assert 0 < bid < price < ask
        assert ask - bid == pytest.approx(PANEL.ask[end, column] - PANEL.bid[end, column])


def test_they_are_the_same_whatever_is_asked_for() -> None:
    whole = quotes_of(items_of(SimulatedDataProvider(CONFIG)))
    assert quotes_of(items_of(SimulatedDataProvider(CONFIG))) == whole
    middle = ALL[0] + 17 * PANEL.interval_ns // 2
    provider = SimulatedDataProvider(CONFIG)
    parts = [*items_of(provider, (ALL[0], middle)), *items_of(provider, (middle, ALL[1]))]
    assert quotes_of(parts) == whole
    assert [item.arrival_ns for item in parts] == [item.arrival_ns for item in items_of(provider)]
    some = PANEL.symbols[1:4:2]
    expected = [quote for quote in whole if quote[1] in some]
    assert quotes_of(items_of(SimulatedDataProvider(CONFIG, symbols=some))) == expected
    assert quotes_of(items_of(SimulatedDataProvider(CONFIG).of_symbols(some))) == expected
    longer = SimulatedDataProvider(CONFIG.model_copy(update={"n_sessions": 5}))
    assert quotes_of(items_of(longer, ALL)) == whole
    other = SimulatedDataProvider(CONFIG.model_copy(update={"seed": 8}))
    assert quotes_of(items_of(other)) != whole


def test_a_late_bar_comes_among_them_when_it_arrives() -> None:
    column, row = next((int(c), int(r)) for r, c in zip(*np.nonzero(np.isfinite(PANEL.close)), strict=True) if r > 3)
    late = LateBar(PANEL.symbols[column], int(ENDS[row]), PANEL.interval_ns // 2)
    items = items_of(SimulatedDataProvider(CONFIG, late=[late]))
    arrivals = [item.arrival_ns for item in items]
    assert arrivals == sorted(arrivals)
    assert int(ENDS[row]) + PANEL.interval_ns // 2 in [item.arrival_ns for item in items if isinstance(item, FeedItem)]


def test_without_the_option_there_are_none_and_the_data_hash_says_which() -> None:
    plain = SimulatedDataProvider(CONFIG.model_copy(update={"quotes_per_bar": 0}))
    assert quotes_of(items_of(plain)) == []
    assert plain.data_hash == PANEL.data_hash == plain.panel.data_hash
    more = CONFIG.model_copy(update={"quotes_per_bar": PER_BAR + 1})
    hashes = {SimulatedDataProvider(config).data_hash for config in (CONFIG, more)}
    assert len(hashes | {PANEL.data_hash}) == 3


def test_a_question_sees_the_last_that_has_arrived_and_none_that_has_not() -> None:
    items = items_of(SimulatedDataProvider(CONFIG))
    clock = SimulatedClock(ALL[0])
    provider = SimulatedDataProvider(CONFIG, clock=clock)
    symbol, seen = PANEL.symbols[2], 0
    column = PANEL.column_of(symbol)
    for item in items[:200]:
        clock.advance_to(item.arrival_ns)
        if isinstance(item, QuoteItem) and item.told.asset == symbol:
            quote = asyncio.run(provider.get_quote(symbol))
            assert (quote.bid, quote.ask, quote.last, quote.quote_ns) == (
                item.told.bid,
                item.told.ask,
                item.told.price,
                item.arrival_ns,
            )
            seen += 1
        elif isinstance(item, FeedItem) and np.isfinite(item.batch.close[column]):
            assert asyncio.run(provider.get_quote(symbol)).quote_ns == item.batch.bar_end_ns
    assert seen > 5


def test_the_stream_has_them_too_and_a_cache_forgets_the_quote_that_is_older() -> None:
    async def streamed() -> int:
        clock = SimulatedClock(ALL[0])
        inner = SimulatedDataProvider(CONFIG, clock=clock)
        cached = CachedDataProvider(inner, 3600.0, clock)
        n_quotes = 0
        async for item in cached.stream():
            clock.advance_to(item.arrival_ns)
            if isinstance(item, QuoteItem):
                n_quotes += 1
                if n_quotes < 40:
                    assert (await cached.get_quote(item.told.asset)).quote_ns == item.arrival_ns
        return n_quotes

    assert asyncio.run(streamed()) == PER_BAR * np.isfinite(PANEL.close).sum()
