"""The backtest: a loop over simulated time that feeds the core what the asyncio shell would, in the same order."""

from __future__ import annotations

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np

from LIVE_TRADING.backtest.repeated import NotRepeatableError, partings
from LIVE_TRADING.brokers.simulated import BacktestBroker
from LIVE_TRADING.common.clock import SimulatedClock
from LIVE_TRADING.common.events import Answer, CycleAborted, Event, PredictionsReady, TargetsReady
from LIVE_TRADING.common.exceptions import LiveTradingError
from LIVE_TRADING.common.types import BarBatch, FloatArray, RawPredictions, Session
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.data.calendars import SessionTable
from LIVE_TRADING.data.interface import Arrival, FeedItem, QuoteItem
from LIVE_TRADING.engine.book import empty_batch, merged
from LIVE_TRADING.engine.commands import CancelOrder, Command, RunInference, SubmitOrder
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.queue import EventQueue
from LIVE_TRADING.engine.quote_pace import QuotePace
from LIVE_TRADING.engine.rule import TargetRule, targets_of
from LIVE_TRADING.engine.schedule import SESSION_OPEN, Due, schedule
from LIVE_TRADING.models.features import FeatureBuilder, FeatureState
from LIVE_TRADING.models.windows import Windows


class BlockPredictor(Protocol):
    """Predicts many bar ends at once, with the bits that one at a time would give."""

    def predict_block(self, features: FloatArray, windows: Windows | None = None) -> RawPredictions:
        """Return forecasts of T bar ends of features (T, F, N).

        `windows` (N, L, F) are those of the first bar end; the argument is left out where the run keeps none.
        """
        ...


class Feed(Protocol):
    """What the loop asks of a recording."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the columns of every batch."""
        ...

    @property
    def interval_ns(self) -> int:
        """Return the bar interval."""
        ...

    @property
    def sessions(self) -> SessionTable:
        """Return the trading sessions."""
        ...

    def timeline(self, start_ns: int, end_ns: int) -> Iterator[Arrival]:
        """Yield what arrives in (start, end], in the order of arrival."""
        ...


@runtime_checkable
class BarPredictor(Protocol):
    """Predicts one bar end as well, and says whether many at once would save anything."""

    @property
    def cheap_calls(self) -> bool:
        """Return whether they would not: then nothing is predicted ahead, and features advance once."""
        ...

    def predict(self, features: FloatArray, windows: Windows | None = None) -> RawPredictions:
        """Return forecasts of one bar end of features (F, N)."""
        ...


class Peekable:
    """An iterator whose next item can be looked at, and a run of items taken at once."""

    def __init__(self, items: Iterator[Arrival]) -> None:
        self._items = items
        self._ahead: deque[Arrival] = deque()
        self._fetch()

    def _fetch(self) -> bool:
        item = next(self._items, None)
        if item is not None:
            self._ahead.append(item)
        return item is not None

    def next_ns(self) -> int | None:
        """Return the arrival of the next item."""
        return self._ahead[0].arrival_ns if self._ahead else None

    def pop(self) -> Arrival:
        """Return the next item."""
        item = self._ahead.popleft()
        if not self._ahead:
            self._fetch()
        return item

    def until(self, instant_ns: int) -> list[Arrival]:
        """Return, without taking them, all items that arrive up to an instant."""
        while (not self._ahead or self._ahead[-1].arrival_ns <= instant_ns) and self._fetch():
            continue
        return [item for item in self._ahead if item.arrival_ns <= instant_ns]


class BacktestEngine:
    """Runs a core over recorded or simulated history.

    Inference is computed ahead, one session at a time, from a copy of the feature state: features and models look only
    backward, so the numbers are those that the cycle would get, and the loop checks that they are. Models that gain
    nothing by that, and a rule in place of models, are asked bar by bar.
    """

    def __init__(
        self,
        driver: Driver,
        provider: Feed,
        broker: BacktestBroker,
        predictor: BlockPredictor | TargetRule,
        features: FeatureBuilder,
        *,
        grace_ns: int = 0,
        latency: InferenceLatency | None = None,
        on_session: Callable[[Session], None] | None = None,
    ) -> None:
        self._driver = driver
        self._provider = provider
        self._broker = broker
        self._by_bar = predictor if isinstance(predictor, BarPredictor) else None
        self._ask: Callable[[RunInference, Peekable], Answer] = (
            partial(self._by_rule, predictor)
            if isinstance(predictor, TargetRule)
            else partial(self._by_models, predictor)
        )
        self._features = features
        self._grace_ns = grace_ns
        self._latency = latency or InferenceLatency()
        self._on_session = on_session
        self._clock = SimulatedClock()
        self._queue = EventQueue()
        column = {symbol: place for place, symbol in enumerate(driver.core.run.symbols)}
        self._pace = QuotePace(self._queue, column, lambda: driver.core.state)
        self._inference: list[tuple[int, int, Event]] = []
        self._order = itertools.count()
        self._block: dict[int, tuple[FloatArray, RawPredictions]] = {}
        self.inference_s = 0.0
        self.bar_events = 0

    @property
    def seq(self) -> int:
        """Return the sequence number of the last event."""
        return self._driver.seq

    def run(self, start_ns: int, end_ns: int, *, drain: bool = True) -> None:
        """Feed everything that arrives in (start, end], then what that leads to.

        Not `drain`: stop at the end; a next run from there goes on with what is still under way.

        Raises
        ------
        NotRepeatableError
            A feature gave one value in the cycle and another when it was computed ahead, of the same bars.
        """
        feed = Peekable(self._provider.timeline(start_ns, end_ns))
        self._block = {}  # predicted over bars that the provider of a run before may not have had
        interval_ns = self._provider.interval_ns
        triggers = schedule(self._provider.sessions, interval_ns, self._grace_ns, start_ns, end_ns)
        due = next(triggers, None)
        while True:
            now_ns = self._next_instant(feed, due)
            if now_ns is None or (now_ns > end_ns and not drain):
                return
            self._clock.advance_to(now_ns)
            while (arrival_ns := feed.next_ns()) is not None and arrival_ns <= now_ns:
                self._take(feed.pop())
            self._pace.release(now_ns)
            self._collect(now_ns)
            while due is not None and due.due_ns <= now_ns:
                if due.trigger_type == SESSION_OPEN and self._on_session is not None:
                    self._on_session(due.session)
                self._queue.put(due.event(now_ns))
                due = next(triggers, None)
            while len(self._queue):
                self._carry_out(self._driver.step(self._queue.pop(), now_ns), now_ns, feed)
                self._collect(now_ns)

    def _next_instant(self, feed: Peekable, due: Due | None) -> int | None:
        candidates = (
            feed.next_ns(),
            due.due_ns if due is not None else None,
            self._broker.next_arrival_ns(),
            self._inference[0][0] if self._inference else None,
            self._pace.next_ns(),
        )
        known = [instant for instant in candidates if instant is not None]
        return max(min(known), self._clock.now_ns()) if known else None

    def _take(self, item: Arrival) -> None:
        if isinstance(item, QuoteItem):
            self._pace.offer(item.told)
            return
        batch = item.batch
        self.bar_events += int(np.count_nonzero(np.isfinite(batch.close)))
        self._broker.observe(batch)
        self._queue.put(batch)

    def _collect(self, now_ns: int) -> None:
        """Queue the reports and predictions that have arrived."""
        while (arrival_ns := self._broker.next_arrival_ns()) is not None and arrival_ns <= now_ns:
            self._queue.put(self._broker.pop())
        while self._inference and self._inference[0][0] <= now_ns:
            self._queue.put(heapq.heappop(self._inference)[2])

    def _carry_out(self, commands: list[Command], now_ns: int, feed: Peekable) -> None:
        for command in commands:
            if isinstance(command, SubmitOrder):
                self._broker.submit(command.order, now_ns)
            elif isinstance(command, CancelOrder):
                self._broker.cancel(command.client_order_id, now_ns)
            elif isinstance(command, RunInference):
                self._predict(command, now_ns, feed)

    def _predict(self, command: RunInference, now_ns: int, feed: Peekable) -> None:
        cycle_ns, answer = command.cycle_time_ns, self._ask(command, feed)
        if self._latency.times_out(cycle_ns):
            self._await(now_ns + self._latency.timeout_ns, CycleAborted(cycle_ns, "timeout"))
        self._await(now_ns + self._latency.of(cycle_ns), answer)

    def _by_rule(self, rule: TargetRule, command: RunInference, feed: Peekable) -> TargetsReady:
        return TargetsReady(command.cycle_time_ns, targets_of(rule, command.bars))

    def _by_models(self, predictor: BlockPredictor, command: RunInference, feed: Peekable) -> PredictionsReady:
        cycle_ns = command.cycle_time_ns
        if self._by_bar is not None and self._by_bar.cheap_calls:
            started = time.perf_counter()
            now = self._by_bar.predict(*command.inputs())
            self.inference_s += time.perf_counter() - started
            return PredictionsReady(cycle_ns, now.raw, now.p_peak, now.p_valley)
        if cycle_ns not in self._block:
            self._predict_ahead(predictor, command, feed)
        features, said = self._block.pop(cycle_ns)
        if not _same(features, command.features):
            names, symbols = self._features.names, self._provider.symbols
            raise NotRepeatableError(cycle_ns, partings(names, symbols, command.features, features))
        return PredictionsReady(cycle_ns, said.raw, said.p_peak, said.p_valley)

    def _await(self, arrival_ns: int, event: Event) -> None:
        heapq.heappush(self._inference, (arrival_ns, next(self._order), event))

    def _predict_ahead(self, predictor: BlockPredictor, command: RunInference, feed: Peekable) -> None:
        """Predict from this cycle to the end of its session, from a copy of the core's feature state."""
        cycle_ns, interval_ns = command.cycle_time_ns, self._provider.interval_ns
        session = self._provider.sessions.session_of(cycle_ns)
        if session is None:
            raise LiveTradingError(f"a cycle at {iso_utc(cycle_ns)} is in no session of {self._provider.sessions.name}")
        on_time = self._on_time(feed.until(session.close_ns + self._grace_ns))
        state: FeatureState = self._driver.core.state.market.features.copy()  # runs ahead of the core
        ends, rows = [cycle_ns], [command.features]
        n_bars, n_symbols = session.n_bars(interval_ns), len(self._provider.symbols)
        for slot in range(session.slot(cycle_ns, interval_ns) + 1, n_bars):
            end_ns = session.open_ns + (slot + 1) * interval_ns
            bars = on_time.get(end_ns) or empty_batch(end_ns, interval_ns, n_symbols)
            state, values = self._features.advance(state, bars, slot, n_bars, first_of_session=False)
            ends.append(end_ns)
            rows.append(values)
        started = time.perf_counter()
        block = predictor.predict_block(np.stack(rows), *command.inputs()[1:])
        self.inference_s += time.perf_counter() - started
        self._block = {end: (rows[row], block.at(row)) for row, end in enumerate(ends)}

    def _on_time(self, items: list[Arrival]) -> dict[int, BarBatch]:
        """Return, by bar end, the bars that will have arrived when their cycle is due."""
        batches: dict[int, BarBatch] = {}
        for item in items:
            if not isinstance(item, FeedItem):
                continue
            end_ns = item.batch.bar_end_ns
            if item.arrival_ns <= end_ns + self._grace_ns:
                batches[end_ns] = merged(batches[end_ns], item.batch) if end_ns in batches else item.batch
        return batches


def _same(ours: FloatArray, theirs: FloatArray) -> bool:
    """Return whether two arrays hold the same numbers, NaN equal to NaN; the same bits, as a rule, and quick to see."""
    if ours.shape != theirs.shape:
        return False
    return bool((ours.view(np.int64) == theirs.view(np.int64)).all()) or np.array_equal(ours, theirs, equal_nan=True)
