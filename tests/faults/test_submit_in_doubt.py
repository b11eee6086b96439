"""A venue that takes an order and answers with an error, or not at all: exactly one order there, a thousand times."""

from __future__ import annotations

# covers: A17, B2, B3
import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from small_session import FRICTIONLESS, config

from LIVE_TRADING.brokers.simulated import PaperBroker
from LIVE_TRADING.common.async_clock import VirtualClock
from LIVE_TRADING.common.events import OrderUnknown, Stamped
from LIVE_TRADING.common.exceptions import BrokerError
from LIVE_TRADING.common.types import Order
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.instruments import instruments_for
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.orders import OrderStatus
from LIVE_TRADING.engine.trading_engine import TradingEngine
from tests.support.runs import PlainForecast, exchange_for, facts_of

TRIES = 1000
PANEL = simulate_market(
    SimulatedMarketConfig(n_symbols=30, n_sessions=4, bars_per_session=13, seed=5, halt_probability=0.0)
)


async def answers_500() -> None:
    raise BrokerError("500 internal server error")


async def never_answers() -> None:
    await asyncio.get_running_loop().create_future()


class DoubtfulBroker(PaperBroker):
    """Takes every order, or none, and does not say so."""

    answer: Callable[[], Awaitable[None]]
    takes = True
    came: list[str]

    async def submit_order(self, order: Order) -> None:
        self.came.append(order.client_order_id)
        if self.takes:
            await super().submit_order(order)
        await self.answer()


@pytest.mark.parametrize("answer", [answers_500, never_answers])
@pytest.mark.parametrize("takes", [True, False], ids=["taken", "lost-on-the-way"])
def test_a_thousand_orders_in_doubt(answer: Callable[[], Awaitable[None]], takes: bool) -> None:
    start_ns = PANEL.sessions.sessions[0].open_ns
    clock = VirtualClock(start_ns)
    exchange = exchange_for(PANEL, start_ns, FRICTIONLESS)
    broker = DoubtfulBroker(exchange, PANEL.sessions, clock)
    broker.answer, broker.takes, broker.came = answer, takes, []
    in_doubt: Counter[str] = Counter()

    def observe(stamped: Stamped, commands: object) -> None:
        if isinstance(stamped.event, OrderUnknown):
            in_doubt[stamped.event.order_id] += 1

    engine = TradingEngine(
        broker,
        HistoricalDataProvider(PANEL),
        predictor=PlainForecast((), 3),
        config=config(submit_timeout_s=0.001),
        clock=clock,
        facts=facts_of(PANEL),
        instruments=instruments_for(PANEL.symbols),
        run_id="test",
        nonce="n",
        start_ns=start_ns,
        observers=[observe],
        grace_ns=0,
    )
    asyncio.run(engine.run())
    state = engine.core.state
    assert len(broker.came) >= TRIES
    assert set(Counter(broker.came).values()) == {1}  # never sent again
    assert in_doubt == Counter(broker.came)
    assert state.orders.open == {}
    ends = Counter(record.status for record in state.orders.closed.values())
    assert set(ends) <= ({OrderStatus.FILLED, OrderStatus.CANCELLED} if takes else {OrderStatus.NOT_AT_VENUE})
    assert state.ledger.cash == {"USD": exchange.cash}
    assert {symbol: position.quantity for symbol, position in state.ledger.positions.items()} == exchange.positions
