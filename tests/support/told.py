"""Runs that are listened to: the real shell over a paper venue that can be told to misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from LIVE_TRADING.brokers.exchange import ExchangeConfig, Report
from LIVE_TRADING.brokers.simulated import PaperBroker
from LIVE_TRADING.common.async_clock import RealTimeClock, VirtualClock
from LIVE_TRADING.common.events import OrderEvent
from LIVE_TRADING.common.exceptions import BrokerConnectionError, OrderRejectedError
from LIVE_TRADING.common.types import BAR_FIELDS, Order
from LIVE_TRADING.data.historical import HistoricalDataProvider, LateBar, QuoteSource
from LIVE_TRADING.data.instruments import instruments_for
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.run_setup import RunPredictor
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.observability import EventType, Notice, NoticeBus
from tests.support.runs import PlainForecast, exchange_for, facts_of, plan_for


class Ear:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def __call__(self, notice: Notice) -> None:
        self.notices.append(notice)

    @property
    def kinds(self) -> set[EventType]:
        return {notice.type for notice in self.notices}

    def of(self, kind: EventType) -> list[Notice]:
        return [notice for notice in self.notices if notice.type is kind]


class MoodyBroker(PaperBroker):
    """The paper venue, which also refuses orders, says things nobody asked for, and goes away."""

    refuses: frozenset[int] = frozenset()
    gone = False

    async def submit_order(self, order: Order) -> None:
        if order.order_number in self.refuses:
            raise OrderRejectedError("not today")
        await super().submit_order(order)

    async def get_next_event(self) -> OrderEvent:
        event = await super().get_next_event()
        if self.gone:
            raise BrokerConnectionError("the line is dead")
        return event

    def say(self, *events: OrderEvent) -> None:
        """Report these as of now."""
        self._venue.restore([Report(self._clock.now_ns(), event) for event in events])
        self._arrived.set()


OnCycle = Callable[[TradingEngine, MoodyBroker, int], None]


def engine_of(
    panel: BarPanel,
    config: EngineConfig,
    bus: NoticeBus | None,
    *,
    start_ns: int,
    state_dir: Path | None = None,
    late: Sequence[LateBar] = (),
    latency: InferenceLatency | None = None,
    exchange: ExchangeConfig | None = None,
    run_root: Path | None = None,
    predictor: RunPredictor | None = None,
    limited: bool = False,
    quotes: QuoteSource | None = None,
) -> tuple[TradingEngine, MoodyBroker]:
    """Return an engine on a plain forecast (or models, or nothing) and its venue."""
    plan = plan_for(panel, config, start_ns=start_ns)
    clock = VirtualClock(plan.feed_start_ns)
    venue_file = state_dir / "paper_venue.json" if state_dir is not None else None
    broker = MoodyBroker(exchange_for(panel, plan.feed_start_ns, exchange), panel.sessions, clock, venue_file)
    if run_root is None and predictor is None and not limited:
        predictor = PlainForecast(plan.run.feature_names, len(plan.run.horizons))
    engine = TradingEngine(
        broker,
        HistoricalDataProvider(panel, late=late, quotes=quotes),
        run_root,
        predictor,
        config=config,
        clock=clock,
        facts=facts_of(panel),
        instruments=instruments_for(panel.symbols),
        run_id="test",
        nonce="n",
        start_ns=start_ns,
        state_dir=state_dir,
        latency=latency,
        grace_ns=0,
        bus=bus,
    )
    return engine, broker


def real_time_engine(panel: BarPanel, config: EngineConfig, speed: float, **options: object) -> TradingEngine:
    """Return an engine on a plain forecast over a clock that runs, from the open of the panel's first session."""
    opened_ns = panel.sessions.sessions[0].open_ns
    clock = RealTimeClock(opened_ns, speed=speed)
    return TradingEngine(
        PaperBroker(exchange_for(panel, opened_ns), panel.sessions, clock),
        HistoricalDataProvider(panel),
        None,
        PlainForecast((), 3),
        config=config,
        clock=clock,
        facts=facts_of(panel),
        instruments=instruments_for(panel.symbols),
        start_ns=opened_ns,
        grace_ns=0,
        **options,
    )


def run_told(
    panel: BarPanel,
    config: EngineConfig,
    bus: NoticeBus | None,
    *,
    max_cycles: int | None = None,
    on_cycle: OnCycle | None = None,
    words: Sequence[str] = (),
    **options: object,
) -> TradingEngine:
    """Run an engine to its end; `on_cycle` is called after every decision, warm-up included.

    `words` are an operator's, before the venue is asked.
    """
    engine, broker = engine_of(panel, config, bus, **options)
    with closing(engine):
        for word in words:
            engine.control(word, "looked into it")
        asyncio.run(
            engine.run(max_cycles, None if on_cycle is None else lambda now_ns: on_cycle(engine, broker, now_ns))
        )
    return engine


def without_bars(panel: BarPanel, *bar_end_ns: int) -> BarPanel:
    """Return a panel in which no symbol has bars or quotes at some bar ends."""
    rows = [panel.row_of(end_ns) for end_ns in bar_end_ns]
    arrays = {name: getattr(panel, name).copy() for name in BAR_FIELDS}
    for values in arrays.values():
        values[rows] = np.nan
    return replace(panel, **arrays)
