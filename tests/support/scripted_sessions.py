"""Short sessions through the real shell in which everything happens that a notice can tell."""

from __future__ import annotations

import asyncio
import warnings
from collections import deque
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from LIVE_TRADING.alerting import Alert, AlertManager
from LIVE_TRADING.alerting.channels import DeliveryFailure
from LIVE_TRADING.alerting.config import AlertingConfig
from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.common.events import OrderFill
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OsFileLayer
from LIVE_TRADING.common.types import FloatArray, Order, RawPredictions, Side
from LIVE_TRADING.data.historical import LateBar
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.data.simulated_quotes import SimulatedQuotes
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.journal import Journal
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.observability import EventType, Notice, NoticeBus, Severity
from LIVE_TRADING.training.config import TrainingConfig
from LIVE_TRADING.training.train import train_run
from tests.support.runs import LOW_COST, PlainForecast
from tests.support.told import Ear, MoodyBroker, engine_of, run_told, without_bars

HALF_SECOND = 500_000_000
LOW_COST_CONFIG = EngineConfig.model_validate(LOW_COST)
GUARDED = EngineConfig.model_validate(
    LOW_COST | {"risk": {"max_gross": 2.0, "max_net": 2.0, "max_daily_loss_frac": 0.5, "max_drawdown_frac": 0.0023}}
)
PICKY = EngineConfig.model_validate(
    LOW_COST
    | {
        "gating": {"spread": {"max_quote_age_s": 60.0}},
        "risk": LOW_COST["risk"] | {"max_order_notional_usd": 1500.0},
    }
)


@cache
def panel(n_sessions: int = 16) -> BarPanel:
    """Half-hour bars of twelve symbols, of which those from the thirteenth session on are traded."""
    return simulate_market(
        SimulatedMarketConfig(n_symbols=12, n_sessions=n_sessions, bars_per_session=13, seed=2, halt_probability=0.1)
    )


def start_ns() -> int:
    return panel().sessions.sessions[12].open_ns


def bar_end(number: int) -> int:
    """Return the end of a bar of the first traded session, counted from 1."""
    return start_ns() + number * panel().interval_ns


def listened() -> tuple[NoticeBus, Ear]:
    bus, ear = NoticeBus(), Ear()
    bus.subscribe("ear", ear)
    return bus, ear


def ordinary(state_dir: Path, bus: NoticeBus | None) -> TradingEngine:
    """A late bar, a cycle skipped, one that times out, bars missing altogether, orders that fill in parts."""
    latency = InferenceLatency(
        HALF_SECOND,
        3600 * 10**9,
        {bar_end(5): panel().interval_ns + HALF_SECOND, bar_end(9): 2 * 3600 * 10**9, bar_end(15): 60 * 10**9},
    )
    return run_told(
        without_bars(panel(), bar_end(7)),
        LOW_COST_CONFIG,
        bus,
        start_ns=start_ns(),
        state_dir=state_dir,
        late=[LateBar(panel().symbols[3], bar_end(3), 3_000_000_000)],
        latency=latency,
        exchange=ExchangeConfig(participation_frac=0.0001),
    )


class _Failing:
    """A channel that nothing gets through."""

    name, min_severity = "pager", Severity.DEBUG

    def __init__(self) -> None:
        self.failures: deque[DeliveryFailure] = deque()

    def send(self, alert: Alert) -> None:
        self.failures.append(DeliveryFailure(alert.notice.type, "no route"))

    def close(self, timeout_s: float) -> None:
        pass


def _raises(notice: Notice) -> None:
    raise ZeroDivisionError("a listener")


def bad_venue(bus: NoticeBus) -> TradingEngine:
    """An order refused, executions invented, repeated, too large and too late; then the line goes dead."""
    AlertManager(AlertingConfig(), [_Failing()]).attach(bus)
    bus.subscribe("broken", _raises, [EventType.SURPRISING_FILL])
    first: list[OrderFill] = []

    def on_cycle(engine: TradingEngine, broker: MoodyBroker, now_ns: int) -> None:
        broker.refuses = frozenset({3})
        stranger = OrderFill("lt-nobody", "s1", "S0001", Side.BUY, Decimal(10), Decimal(1), Decimal(0), "USD", now_ns)
        if now_ns == bar_end(3):
            record = next(iter(engine.core.state.orders.closed.values()))
            late = replace(stranger, order_id=record.order.client_order_id, execution_id="s2")
            first.append(stranger)
            broker.say(stranger, late)
        if now_ns == bar_end(4):
            broker.say(*first)
        if now_ns == bar_end(6):
            engine.control("halt", "enough")
        if now_ns == bar_end(7):
            engine.control("resume", "looked into")
            engine.control("dance", "why not")
        broker.gone = now_ns >= bar_end(9)

    return run_told(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), on_cycle=on_cycle, max_cycles=16)


def guarded(bus: NoticeBus) -> TradingEngine:
    """A loss that comes close to its limit and then reaches it."""
    return run_told(panel(), GUARDED, bus, start_ns=start_ns(), exchange=ExchangeConfig(fee_bps=4.0))


def picky(bus: NoticeBus) -> TradingEngine:
    """Quotes too old, orders too large."""
    return run_told(panel(), PICKY, bus, start_ns=start_ns())


class _Crooked(PlainForecast):
    """Gives forecasts of a shape that no core can take, once, and raises, once."""

    calls = 0

    def predict(self, features: FloatArray) -> RawPredictions:
        self.calls += 1
        if self.calls == 133:
            return RawPredictions(np.zeros((1, 1, 1)))
        if self.calls == 136:
            raise ZeroDivisionError("a model")
        return super().predict(features)


def crooked_model(bus: NoticeBus) -> TradingEngine:
    """A model whose forecasts the core cannot take, and that raises."""
    predictor = _Crooked((), 3)
    return run_told(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), predictor=predictor, max_cycles=12)


class DyingDisk(OsFileLayer):
    """Refuses to write, or to make durable, once told to."""

    full = False
    broken = False

    def write(self, descriptor: int, data: bytes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().write(descriptor, data)

    def fdatasync(self, descriptor: int) -> None:
        if self.broken:
            raise OSError(5, "Input/output error")
        super().fdatasync(descriptor)


@dataclass
class Died:
    """What a run on a dying disk left: which orders reached the venue, by their cycle, and what it ended with."""

    engine: TradingEngine
    sent: dict[int, int]
    error: StateError


def dying_disk(state_dir: Path, bus: NoticeBus | None, how: str = "full") -> Died:
    """A disk that gives up after the decision of the fourth bar end: `full` or `broken`."""
    engine, broker = engine_of(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), state_dir=state_dir)
    driver, disk = engine.recovered.driver, DyingDisk()
    if driver.journal is not None:
        driver.journal.close()
    driver.journal = Journal(state_dir, files=disk)
    sent: dict[int, int] = {}
    submit = broker.submit_order

    async def counted(order: Order) -> None:
        sent[order.decision_time_ns] = sent.get(order.decision_time_ns, 0) + 1
        await submit(order)

    broker.submit_order = counted  # type: ignore[method-assign]

    def on_cycle(now_ns: int) -> None:
        if now_ns >= bar_end(4):
            setattr(disk, how, True)

    with pytest.raises(StateError) as raised:
        asyncio.run(engine.run(on_cycle=on_cycle))
    engine.close()
    return Died(engine, sent, raised.value)


def stopped_and_resumed(state_dir: Path, bus: NoticeBus) -> TradingEngine:
    """A run halted and stopped, and started again; only the second process is listened to."""

    def on_cycle(engine: TradingEngine, broker: MoodyBroker, now_ns: int) -> None:
        if now_ns == bar_end(8):
            engine.control("halt", "for the night")

    run_told(panel(), LOW_COST_CONFIG, None, start_ns=start_ns(), state_dir=state_dir, max_cycles=10, on_cycle=on_cycle)
    return run_told(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), state_dir=state_dir, max_cycles=5)


def with_models(folder: Path, bus: NoticeBus) -> TradingEngine:
    """Models trained on the sessions before."""
    longer = panel(28)
    sessions = longer.sessions.sessions
    config = TrainingConfig(horizons=("30m", "1d"), families=("ridge",))
    train_run(longer, config, folder / "run", until=sessions[25].date)
    return run_told(longer, EngineConfig(), bus, start_ns=sessions[26].open_ns, run_root=folder / "run", max_cycles=3)


def limited(bus: NoticeBus) -> TradingEngine:
    """No models at all, and quotes between bars."""
    quotes = SimulatedQuotes(panel(), 2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return run_told(panel(), EngineConfig(), bus, start_ns=start_ns(), limited=True, quotes=quotes, max_cycles=3)
