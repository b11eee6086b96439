"""The asyncio shell when something fails: the disk, the venue, the feed, a model; and when it is asked to stop."""

from __future__ import annotations

# covers: P8, P19, B15
import asyncio
import threading
import time
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.brokers.interface import OrderReport
from LIVE_TRADING.brokers.simulated import PaperBroker
from LIVE_TRADING.common.async_clock import RealTimeClock
from LIVE_TRADING.common.events import Stamped
from LIVE_TRADING.common.exceptions import (
    BrokerConnectionError,
    BrokerError,
    DataProviderError,
    ReconciliationError,
    StateError,
)
from LIVE_TRADING.common.types import FloatArray, Order, RawPredictions
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.data.historical import HistoricalDataProvider, QuoteSource
from LIVE_TRADING.data.instruments import instruments_for
from LIVE_TRADING.data.interface import RecordedDataProvider
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated_quotes import SimulatedQuotes
from LIVE_TRADING.engine.checkpointing import RETRY_S
from LIVE_TRADING.engine.commands import CancelOrder, Command, SubmitOrder
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.orders import OrderRecord, OrderStatus
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.observability import EventType, Notice
from LIVE_TRADING.risk import TradingState
from tests.support.runs import LOW_COST, PlainForecast, exchange_for, facts_of
from tests.support.scripted_sessions import LOW_COST_CONFIG, bar_end, dying_disk, listened, panel, start_ns
from tests.support.told import Ear, MoodyBroker, engine_of, real_time_engine, run_told


def orders_on_file(state_dir: Path) -> dict[int, int]:
    """Return how many orders each cycle has on file."""
    count: dict[int, int] = {}
    for record in read_journal(state_dir / FOLDER):
        for name, fields in record.data if record.kind == "commands" else ():
            if name == "SubmitOrder":
                cycle_ns = fields["order"]["decision_time_ns"]
                count[cycle_ns] = count.get(cycle_ns, 0) + 1
    return count


@pytest.mark.parametrize("how", ["full", "broken"])
@pytest.mark.parametrize("is_listened_to", [True, False])
def test_no_order_leaves_when_the_journal_cannot_be_written(tmp_path: Path, how: str, is_listened_to: bool) -> None:
    bus, ear = listened()
    died = dying_disk(tmp_path, bus if is_listened_to else None, how)
    assert ".jsonl: cannot be " in str(died.error)
    on_file = orders_on_file(tmp_path)
    assert on_file[bar_end(4)] > 0
    assert max(died.sent) == bar_end(4 if how == "full" else 3)
    assert all(on_file[cycle_ns] == count for cycle_ns, count in died.sent.items())
    if how == "broken":
        assert on_file[bar_end(4)] > 0  # written, not durable, and therefore not sent
    assert not (tmp_path / "engine_state.json").exists()
    if is_listened_to:
        (notice,) = ear.of(EventType.JOURNAL_ERROR)
        assert notice.fields["message"] == str(died.error)
        after = ear.notices[ear.notices.index(notice) + 1 :]
        assert [n.type for n in after] == [EventType.BROKER_DISCONNECTED, EventType.ERROR, EventType.ENGINE_STOP]


def test_neither_an_order_nor_a_cancel_leaves_before_it_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thin = ExchangeConfig(participation_frac=0.0001)
    engine, broker = engine_of(panel(), LOW_COST_CONFIG, None, start_ns=start_ns(), state_dir=tmp_path, exchange=thin)
    journal = engine.recovered.driver.journal
    assert journal is not None
    on_file: dict[str, int] = {}
    early: list[str] = []
    left: Counter[str] = Counter()
    append, submit, cancel = journal.append_commands, broker.submit_order, broker.cancel_order

    def noted(stamped: Stamped, commands: list[Command]) -> None:
        append(stamped, commands)
        for command in commands:
            if isinstance(command, (SubmitOrder, CancelOrder)):
                order_id = (
                    command.order.client_order_id if isinstance(command, SubmitOrder) else command.client_order_id
                )
                on_file[f"{type(command).__name__} {order_id}"] = journal.appended

    def leaves(what: str, order_id: str) -> None:
        left[what] += 1
        if journal.durable < on_file[f"{what} {order_id}"]:
            early.append(f"{what} {order_id}")

    async def submitted(order: Order) -> None:
        leaves("SubmitOrder", order.client_order_id)
        await submit(order)

    async def cancelled(client_order_id: str) -> None:
        leaves("CancelOrder", client_order_id)
        await cancel(client_order_id)

    def halt(now_ns: int) -> None:
        if now_ns == bar_end(6):
            engine.control("halt", "enough")

    monkeypatch.setattr(journal, "append_commands", noted)
    monkeypatch.setattr(broker, "submit_order", submitted)
    monkeypatch.setattr(broker, "cancel_order", cancelled)
    with closing(engine):
        asyncio.run(engine.run(10, halt))
    assert min(left["SubmitOrder"], left["CancelOrder"]) > 3
    assert early == []


def test_a_run_goes_on_after_the_disk_was_full(tmp_path: Path) -> None:
    dying_disk(tmp_path, None, "full")
    rest = run_told(panel(), LOW_COST_CONFIG, None, start_ns=start_ns(), state_dir=tmp_path)
    whole = run_told(panel(), LOW_COST_CONFIG, None, start_ns=start_ns())
    assert rest.recovered.resumed
    assert rest.core.state.digest.texts() == whole.core.state.digest.texts()


def test_a_checkpoint_that_cannot_be_written_is_told_and_trading_goes_on(tmp_path: Path) -> None:
    config = EngineConfig.model_validate(LOW_COST | {"engine": {"checkpoint_s": 0.001}})
    (tmp_path / "engine_state.json").mkdir()
    bus, ear = listened()
    engine, _ = engine_of(panel(), config, bus, start_ns=start_ns(), state_dir=tmp_path)
    started = time.monotonic()
    with closing(engine), pytest.raises(StateError, match=r"engine_state\.json"):
        asyncio.run(engine.run())
    lasted_s = time.monotonic() - started
    errors = [notice for notice in ear.of(EventType.ERROR) if notice.fields["component"] == "checkpoint_failed"]
    assert 1 <= len(errors) <= 1 + lasted_s / RETRY_S
    assert {notice.fields["kind"] for notice in ear.of(EventType.CHECKPOINT_WRITTEN)} == {"arrays"}
    whole = run_told(panel(), LOW_COST_CONFIG, None, start_ns=start_ns())
    assert engine.core.state.digest.decision == whole.core.state.digest.decision
    assert engine.core.state.risk.state is TradingState.ACTIVE


def test_checkpoints_are_told_with_their_sequence(tmp_path: Path) -> None:
    bus, ear = listened()
    run_told(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), state_dir=tmp_path, max_cycles=20)
    written = ear.of(EventType.CHECKPOINT_WRITTEN)
    newest = max(path.stem for path in tmp_path.glob("arrays-*.npz"))
    sequences = [notice.fields["sequence"] for notice in written if notice.fields["kind"] == "arrays"]
    assert f"arrays-{sequences[-1]:012d}" == newest
    assert written[-1].fields["kind"] == "engine"
    assert all(notice.fields["duration_s"] > 0 for notice in written)


class _Stops(PlainForecast):
    """Asks the engine to stop while a cycle waits for its forecasts."""

    def __init__(self, n_horizons: int, at_call: int) -> None:
        super().__init__((), n_horizons)
        self.stop: list[TradingEngine] = []
        self._left = at_call

    def predict(self, features: FloatArray) -> RawPredictions:
        self._left -= 1
        if self._left == 0:
            self.stop[0].request_stop()
        return super().predict(features)


def test_a_stop_does_not_wait_for_forecasts_in_flight(tmp_path: Path) -> None:
    predictor = _Stops(3, 133)
    bus, ear = listened()
    options = {"start_ns": start_ns(), "state_dir": tmp_path, "latency": InferenceLatency(500_000_000)}
    engine, _ = engine_of(panel(), LOW_COST_CONFIG, bus, predictor=predictor, **options)
    predictor.stop.append(engine)
    with closing(engine):
        asyncio.run(engine.run())
    assert engine.core.state.pending is not None
    assert ear.of(EventType.ENGINE_STOP)[0].fields["reason"] == "a stop was requested"
    bus, ear = listened()
    resumed = run_told(panel(), LOW_COST_CONFIG, bus, max_cycles=1, **options)
    assert resumed.recovered.pending_ns == bar_end(3)
    (aborted,) = ear.of(EventType.CYCLE_ABORTED)
    assert aborted.fields == {"cycle_time_ns": bar_end(3), "reason": "restart"}


class _Hangs(PlainForecast):
    """Does not answer before it is let go."""

    def __init__(self, n_horizons: int) -> None:
        super().__init__((), n_horizons)
        self.let_go = threading.Event()

    def predict(self, features: FloatArray) -> RawPredictions:
        assert self.let_go.wait(20)
        return super().predict(features)


def test_in_real_time_a_model_that_hangs_times_out() -> None:
    market = panel()
    first_ns = market.sessions.sessions[0].open_ns
    clock = RealTimeClock(first_ns, speed=100_000.0)
    predictor = _Hangs(3)
    bus, ear = listened()
    engine = TradingEngine(
        PaperBroker(exchange_for(market, first_ns), market.sessions, clock),
        HistoricalDataProvider(market),
        None,
        predictor,
        config=LOW_COST_CONFIG,
        clock=clock,
        facts=facts_of(market),
        instruments=instruments_for(market.symbols),
        start_ns=first_ns,
        latency=InferenceLatency(timeout_ns=1_000_000),
        grace_ns=0,
        bus=bus,
    )

    def answer(notice: Notice) -> None:
        predictor.let_go.set()
        if notice.type is EventType.STALE_PREDICTIONS:
            engine.request_stop()

    bus.subscribe("answer", answer, [EventType.PREDICTION_TIMEOUT, EventType.STALE_PREDICTIONS])
    asyncio.run(engine.run())
    timeout = ear.of(EventType.PREDICTION_TIMEOUT)[0]
    assert timeout.fields["timeout_s"] == 0.001
    aborted = ear.of(EventType.CYCLE_ABORTED)[0]
    assert aborted.fields["cycle_time_ns"] == timeout.fields["cycle_time_ns"]
    assert ear.of(EventType.ENGINE_STOP)[0].fields["reason"] == "a stop was requested"


def test_in_real_time_a_run_ends_with_its_data() -> None:
    market = panel()
    close_ns = market.sessions.sessions[0].close_ns
    engine = real_time_engine(market, LOW_COST_CONFIG, speed=1_000_000.0, end_ns=close_ns)
    asyncio.run(engine.run())
    assert engine.core.state.market.advanced_to_ns == close_ns


class _Unreachable(MoodyBroker):
    async def connect(self) -> None:
        raise BrokerConnectionError("nobody answers")


def test_a_venue_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    bus, ear = listened()
    monkeypatch.setattr("tests.support.told.MoodyBroker", _Unreachable)
    engine, _ = engine_of(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns())
    with pytest.raises(BrokerConnectionError, match="nobody answers"):
        asyncio.run(engine.run())
    assert [notice.type for notice in ear.notices] == [
        EventType.ENGINE_START,
        EventType.RUN_STARTED,
        EventType.ERROR,
        EventType.ENGINE_STOP,
    ]


class _Silent(MoodyBroker):
    """Takes no order, says nothing of it, nor of cancels, nor when it is asked."""

    asked: ClassVar[list[tuple[str, int]]] = []

    async def submit_order(self, order: Order) -> None:
        raise BrokerError("no answer")

    async def cancel_order(self, client_order_id: str) -> None:
        raise BrokerError("no answer")

    async def get_order(self, client_order_id: str) -> OrderReport | None:
        self.asked.append((client_order_id, self._clock.now_ns()))
        raise BrokerError("no answer")


def run_on(venue: type[MoodyBroker], monkeypatch: pytest.MonkeyPatch, **options: object) -> tuple[TradingEngine, Ear]:
    bus, ear = listened()
    monkeypatch.setattr("tests.support.told.MoodyBroker", venue)
    return run_told(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), **options), ear


def sent_of(engine: TradingEngine) -> list[OrderRecord]:
    book = engine.core.state.orders
    return [*book.open.values(), *book.closed.values()]


def test_an_order_of_which_the_venue_says_nothing_stays_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Silent, "asked", [])
    engine, ear = run_on(_Silent, monkeypatch, max_cycles=4)
    assert engine.core.state.risk.state is TradingState.ACTIVE
    orders = engine.core.state.orders.open
    assert {record.status for record in orders.values()} == {OrderStatus.UNKNOWN}
    symbols = [record.order.symbol for record in orders.values()]
    assert len(symbols) == len(set(symbols)) == len(ear.of(EventType.ORDER_SUBMITTED)) > 0
    first = next(iter(orders))
    asked_ns = [at_ns for order_id, at_ns in _Silent.asked if order_id == first]
    rounds = [(at_ns - asked_ns[0]) // NS_PER_S for at_ns in asked_ns]
    assert rounds == [0, 2, 5, 10, 1800, 1802, 1805, 1810]  # and once more when the books are compared
    components = {notice.fields["component"] for notice in ear.of(EventType.ERROR)}
    assert components == {"order_unknown", "order_unsettled"}


class _BreaksAfterTaking(MoodyBroker):
    """Has every order, and says that it does not know."""

    async def submit_order(self, order: Order) -> None:
        await super().submit_order(order)
        raise BrokerConnectionError("500 after accepting")


class _BreaksBeforeTaking(MoodyBroker):
    """Has no order of which it says that it does not know."""

    async def submit_order(self, order: Order) -> None:
        raise BrokerConnectionError("500 before accepting")


def test_an_order_that_the_venue_has_is_found_there_and_trades_as_if_nothing_had_been(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, ear = run_on(_BreaksAfterTaking, monkeypatch, max_cycles=20)
    plain, _ = run_on(MoodyBroker, monkeypatch, max_cycles=20)
    assert len(ear.of(EventType.ORDER_SUBMITTED)) > 5
    assert engine.core.state.digest.texts() == plain.core.state.digest.texts()


def test_an_order_that_the_venue_never_had_ends_and_is_never_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, ear = run_on(_BreaksBeforeTaking, monkeypatch, max_cycles=20)
    records = sent_of(engine)
    closed = [record for record in records if record.status.is_terminal]
    assert {record.status for record in closed} == {OrderStatus.NOT_AT_VENUE}
    assert len(closed) > 5
    assert len({record.order.client_order_id for record in records}) == len(ear.of(EventType.ORDER_SUBMITTED))
    assert not engine.core.state.ledger.positions


class _Breaks(HistoricalDataProvider):
    """Breaks off in the first traded session."""

    def timeline(self, start_ns: int, end_ns: int):
        for item in super().timeline(start_ns, end_ns):
            if item.batch.bar_end_ns > bar_end(3):
                raise DataProviderError("the recording is torn")
            yield item


def test_a_feed_that_breaks_off_halts(monkeypatch: pytest.MonkeyPatch) -> None:
    bus, ear = listened()
    monkeypatch.setattr("tests.support.told.HistoricalDataProvider", _Breaks)
    engine = run_told(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), max_cycles=6)
    assert engine.core.state.risk.state is TradingState.HALTED
    assert ear.of(EventType.ERROR)[0].fields == {
        "component": "data_feed",
        "message": "DataProviderError: the recording is torn",
        "severity": "critical",
    }
    gaps = [notice.fields["missing"] for notice in ear.of(EventType.DATA_GAP)]
    assert gaps == [1, 2, 3]


class _Live:
    """A source that does not know its future: it can only be listened to."""

    def __init__(self, market: BarPanel, *, late: object = (), quotes: QuoteSource | None = None) -> None:
        span = market.between(market.sessions.sessions[2].open_ns, market.sessions.sessions[-1].close_ns)
        self._inner = HistoricalDataProvider(span, quotes=quotes)
        self.symbols, self.interval_ns, self.sessions = market.symbols, market.interval_ns, market.sessions
        self.get_quote, self.get_historical = self._inner.get_quote, self._inner.get_historical
        self.get_adv, self.stream = self._inner.get_adv, self._inner.stream


def test_a_feed_that_can_only_be_listened_to_gives_the_same_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    quotes, latency = SimulatedQuotes(panel(), 2, 2), InferenceLatency(30 * NS_PER_S)
    options = {"start_ns": start_ns(), "quotes": quotes, "latency": latency}
    recorded = run_told(panel(), LOW_COST_CONFIG, None, **options)
    monkeypatch.setattr("tests.support.told.HistoricalDataProvider", _Live)
    live = run_told(panel(), LOW_COST_CONFIG, None, **options)
    assert (live.core.state.quotes.taken_ns > start_ns()).all()
    assert not isinstance(_Live(panel()), RecordedDataProvider)
    assert live.core.state.digest.texts() == recorded.core.state.digest.texts()


def test_a_book_that_differs_is_not_traded_on(tmp_path: Path) -> None:
    first = run_told(panel(), LOW_COST_CONFIG, None, start_ns=start_ns(), state_dir=tmp_path, max_cycles=5)
    assert first.core.state.ledger.positions
    (tmp_path / "paper_venue.json").unlink()
    bus, ear = listened()
    engine, broker = engine_of(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), state_dir=tmp_path)
    with closing(engine), pytest.raises(ReconciliationError, match="the venue's book is not the ledger's"):
        asyncio.run(engine.run())
    with pytest.raises(BrokerConnectionError):
        asyncio.run(broker.get_cash())
    told = [notice.type for notice in ear.notices]
    assert told[:3] == [EventType.ENGINE_START, EventType.STATE_RESTORED, EventType.BROKER_CONNECTED]
    assert told[-1] is EventType.ENGINE_STOP
    assert not {EventType.ORDER_SUBMITTED, EventType.CYCLE_START} & set(told)


def test_what_cannot_be_recorded_has_not_happened(tmp_path: Path) -> None:
    bus, ear = listened()
    engine, _ = engine_of(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), state_dir=tmp_path)
    driver = engine.recovered.driver
    batch = panel().batch(0)
    open_usd = batch.open.copy()
    open_usd[0] = np.inf
    before = engine.core.state.collected
    with closing(engine):
        driver.step(type(batch)(batch.bar_end_ns, batch.interval_ns, open_usd, *_rest(batch)), batch.bar_end_ns)
    assert engine.core.state.collected == before
    assert engine.core.state.risk.state is TradingState.HALTED
    assert driver.seq == 1
    (failed,) = ear.of(EventType.HANDLER_FAILED)
    assert failed.fields["event_type"] == "BarBatch"
    assert not ear.of(EventType.ERROR)
    assert engine.core.state.equity == Decimal(100_000)


def _rest(batch):
    return tuple(getattr(batch, name) for name in ("high", "low", "close", "volume", "bid", "ask"))
