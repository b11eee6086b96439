"""Recorded bars as a feed: order of arrival, late bars, and queries that cannot see the future."""

# covers: P17, B6

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.clock import SimulatedClock
from LIVE_TRADING.common.exceptions import DataProviderError
from LIVE_TRADING.common.types import BAR_FIELDS
from LIVE_TRADING.data.historical import HistoricalDataProvider, LateBar
from LIVE_TRADING.data.interface import DataProvider, FeedItem, RecordedDataProvider
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market

CONFIG = SimulatedMarketConfig(
    n_symbols=3, n_sessions=12, bars_per_session=13, halt_probability=0, missing_bar_probability=0
)
PANEL = simulate_market(CONFIG)
STEP = PANEL.interval_ns
ENDS = [int(end) for end in PANEL.bar_end_ns]
ALL = (0, ENDS[-1] + 100 * STEP)


def gathered(provider: HistoricalDataProvider) -> list[FeedItem]:
    async def gather() -> list[FeedItem]:
        return [item async for item in provider.stream()]

    return asyncio.run(gather())


def test_it_is_a_provider():
    provider = HistoricalDataProvider(PANEL)
    assert isinstance(provider, DataProvider)
    assert isinstance(provider, RecordedDataProvider)
    assert (provider.symbols, provider.interval_ns, provider.sessions) == (PANEL.symbols, STEP, PANEL.sessions)
    assert provider.panel is PANEL


def test_the_stream_is_the_recording():
    items = gathered(HistoricalDataProvider(PANEL))
    assert [item.arrival_ns for item in items] == ENDS
    assert all(item.batch.bar_end_ns == item.arrival_ns for item in items)
    for name in BAR_FIELDS:
        assert np.array_equal(np.stack([getattr(item.batch, name) for item in items]), getattr(PANEL, name))


def test_an_empty_recording_streams_nothing():
    assert gathered(HistoricalDataProvider(PANEL.between(0, 0))) == []


def test_streaming_lets_other_tasks_run():
    async def run() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        async for _ in HistoricalDataProvider(PANEL).stream():
            pass
        task.cancel()
        return turns

    assert asyncio.run(run()) >= len(PANEL)


def test_the_timeline_holds_what_arrives_after_its_start_up_to_its_end():
    items = list(HistoricalDataProvider(PANEL).timeline(ENDS[3], ENDS[7]))
    assert [item.arrival_ns for item in items] == ENDS[4:8]


def test_a_late_bar_leaves_its_batch_and_comes_alone():
    late = LateBar("S0001", ENDS[4], STEP // 2)
    items = list(HistoricalDataProvider(PANEL, late=[late]).timeline(*ALL))
    assert len(items) == len(PANEL) + 1
    on_time, alone, following = items[4], items[5], items[6]
    assert on_time.batch.bar_end_ns == alone.batch.bar_end_ns == ENDS[4]
    assert (alone.arrival_ns, following.arrival_ns) == (ENDS[4] + STEP // 2, ENDS[5])
    for name in BAR_FIELDS:
        recorded = getattr(PANEL, name)[4]
        assert np.array_equal(getattr(on_time.batch, name), [recorded[0], np.nan, recorded[2]], equal_nan=True)
        assert np.array_equal(getattr(alone.batch, name), [np.nan, recorded[1], np.nan], equal_nan=True)
    assert not np.isnan(PANEL.close).any()


def test_late_bars_that_arrive_with_a_batch_come_before_it_older_first():
    late = [LateBar("S0002", ENDS[5], STEP), LateBar("S0000", ENDS[4], 2 * STEP), LateBar("S0001", ENDS[5], STEP)]
    items = list(HistoricalDataProvider(PANEL, late=late).timeline(ENDS[5], ENDS[6]))
    arrived = [(item.batch.bar_end_ns, np.flatnonzero(~np.isnan(item.batch.close)).tolist()) for item in items]
    assert arrived == [(ENDS[4], [0]), (ENDS[5], [1]), (ENDS[5], [2]), (ENDS[6], [0, 1, 2])]


def test_a_late_bar_may_arrive_after_the_last_batch():
    late = LateBar("S0000", ENDS[-1], 7 * STEP)
    assert gathered(HistoricalDataProvider(PANEL, late=[late]))[-1].arrival_ns == ENDS[-1] + 7 * STEP


LATE_BARS = st.lists(
    st.builds(LateBar, st.sampled_from(PANEL.symbols), st.sampled_from(ENDS), st.integers(1, 30 * STEP)),
    max_size=12,
    unique_by=lambda bar: (bar.symbol, bar.bar_end_ns),
)


@settings(max_examples=40, deadline=None)
@given(LATE_BARS, st.integers(0, len(ENDS) - 1), st.randoms(use_true_random=False))
def test_nothing_is_lost_or_doubled_whatever_is_late_and_wherever_the_timeline_is_cut(late, cut, random):
    provider = HistoricalDataProvider(PANEL, late=late)
    shuffled = list(late)
    random.shuffle(shuffled)
    items = list(provider.timeline(*ALL))
    arrivals = [item.arrival_ns for item in items]
    assert arrivals == sorted(arrivals)
    total = np.zeros(PANEL.close.shape)
    for item in items:
        total[ENDS.index(item.batch.bar_end_ns)] += np.nan_to_num(item.batch.close)
    assert np.array_equal(total, PANEL.close)
    middle_ns = ENDS[cut]
    pieces = [*provider.timeline(ALL[0], middle_ns), *provider.timeline(middle_ns, ALL[1])]
    again = list(HistoricalDataProvider(PANEL, late=shuffled).timeline(*ALL))
    for other in (pieces, again):
        assert [item.arrival_ns for item in other] == arrivals
        for left, right in zip(items, other, strict=True):
            assert np.array_equal(left.batch.close, right.batch.close, equal_nan=True)


@pytest.mark.parametrize(
    ("late", "told"),
    [
        pytest.param([LateBar("S9", ENDS[0], 1)], "'S9'", id="unknown-symbol"),
        pytest.param([LateBar("S0000", ENDS[0] + 1, 1)], "S0000 has no bar", id="no-such-bar"),
        pytest.param([LateBar("S0000", ENDS[0], 0)], "give > 0", id="not-late"),
        pytest.param([LateBar("S0000", ENDS[0], 1), LateBar("S0000", ENDS[0], 2)], "twice", id="delayed-twice"),
    ],
)
def test_late_bars_that_cannot_be(late, told):
    with pytest.raises(DataProviderError, match=told):
        HistoricalDataProvider(PANEL, late=late)


def test_queries_see_what_has_arrived_by_now():
    clock = SimulatedClock(ENDS[20])
    late = LateBar("S0001", ENDS[20], STEP // 2)
    provider = HistoricalDataProvider(PANEL, late=[late], clock=clock)
    bars = asyncio.run(provider.get_historical("S0000", 5))
    assert bars.bar_end_ns.tolist() == ENDS[16:21]
    assert np.array_equal(bars.close, PANEL.close[16:21, 0])
    quote = asyncio.run(provider.get_quote("S0000"))
    assert (quote.quote_ns, quote.bid, quote.ask) == (ENDS[20], PANEL.bid[20, 0], PANEL.ask[20, 0])
    assert (quote.last, quote.estimated) == (PANEL.close[20, 0], False)
    assert asyncio.run(provider.get_quote("S0001")).quote_ns == ENDS[19]
    clock.advance_to(ENDS[20] + STEP // 2)
    assert asyncio.run(provider.get_quote("S0001")).quote_ns == ENDS[20]
    assert len(asyncio.run(provider.get_historical("S0001", 10_000)).close) == 21


def test_without_a_clock_now_is_the_last_item_handed_out():
    provider = HistoricalDataProvider(PANEL)
    with pytest.raises(DataProviderError, match="no bar has arrived by 1970"):
        asyncio.run(provider.get_quote("S0000"))
    timeline = provider.timeline(*ALL)
    next(timeline)
    next(timeline)
    assert asyncio.run(provider.get_quote("S0000")).quote_ns == ENDS[1]


def test_a_quote_without_a_trade_is_newer_than_the_last_trade():
    arrays = {name: getattr(PANEL, name).copy() for name in BAR_FIELDS}
    for name in ("open", "high", "low", "close", "volume"):
        arrays[name][:2, 0] = np.nan
        arrays[name][5, 0] = np.nan
    panel = type(PANEL).on_grid(PANEL.symbols, STEP, PANEL.sessions, arrays)
    clock = SimulatedClock(ENDS[1])
    provider = HistoricalDataProvider(panel, clock=clock)
    before = asyncio.run(provider.get_quote("S0000"))
    assert (before.quote_ns, before.bid) == (ENDS[1], PANEL.bid[1, 0])
    assert np.isnan(before.last)
    clock.advance_to(ENDS[5])
    quote = asyncio.run(provider.get_quote("S0000"))
    assert (quote.quote_ns, quote.bid, quote.last) == (ENDS[5], PANEL.bid[5, 0], PANEL.close[4, 0])


def test_missing_bars_are_left_out_of_history():
    gappy = simulate_market(CONFIG.model_copy(update={"missing_bar_probability": 0.3}))
    clock = SimulatedClock(ENDS[-1])
    bars = asyncio.run(HistoricalDataProvider(gappy, clock=clock).get_historical("S0000", 50))
    rows = np.flatnonzero(~np.isnan(gappy.close[:, 0]))[-50:]
    assert bars.bar_end_ns.tolist() == gappy.bar_end_ns[rows].tolist()
    assert not np.isnan(bars.close).any()


def test_adv_is_the_mean_of_the_last_ten_closed_sessions():
    clock = SimulatedClock(PANEL.sessions.sessions[0].close_ns - 1)
    provider = HistoricalDataProvider(PANEL, clock=clock)
    assert np.isnan(asyncio.run(provider.get_adv("S0002")))
    value_usd = (PANEL.close[:, 2] * PANEL.volume[:, 2]).reshape(12, 13).sum(axis=1)
    for closed in (1, 2, 10, 12):
        clock.advance_to(PANEL.sessions.sessions[closed - 1].close_ns)
        expected = value_usd[max(0, closed - 10) : closed].mean()
        assert asyncio.run(provider.get_adv("S0002")) == pytest.approx(expected, rel=1e-12)


def test_adv_leaves_out_sessions_without_any_bar():
    arrays = {name: getattr(PANEL, name).copy() for name in BAR_FIELDS}
    for values in arrays.values():
        values[13:26, 0] = np.nan
        values[:, 1] = np.nan
    panel = type(PANEL).on_grid(PANEL.symbols, STEP, PANEL.sessions, arrays)
    clock = SimulatedClock(PANEL.sessions.sessions[2].close_ns)
    provider = HistoricalDataProvider(panel, clock=clock)
    value_usd = (PANEL.close[:, 0] * PANEL.volume[:, 0]).reshape(12, 13).sum(axis=1)
    assert asyncio.run(provider.get_adv("S0000")) == pytest.approx(value_usd[[0, 2]].mean(), rel=1e-12)
    assert np.isnan(asyncio.run(provider.get_adv("S0001")))


@pytest.mark.parametrize("ask", ["get_quote", "get_adv"])
def test_unknown_symbols_are_refused(ask):
    with pytest.raises(DataProviderError, match=r"'S0O01' \(did you mean 'S0001'"):
        asyncio.run(getattr(HistoricalDataProvider(PANEL), ask)("S0O01"))


def test_history_of_no_bars_is_refused():
    with pytest.raises(DataProviderError, match="at least 1"):
        asyncio.run(HistoricalDataProvider(PANEL).get_historical("S0000", 0))
