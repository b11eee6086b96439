"""Quotes between bars through the shells: the same decisions, the journal's rate, a replay, a kill, real time."""

from __future__ import annotations

# covers: P27, P8, P17, B8, P18
import asyncio
from base64 import b64decode
from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from LIVE_TRADING.common.async_clock import RealTimeClock
from LIVE_TRADING.common.events import MarketData, OrderFill, Stamped
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Side
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.instruments import instruments_for
from LIVE_TRADING.data.interface import QuoteItem
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.data.simulated_quotes import SimulatedQuotes
from LIVE_TRADING.engine.commands import Command, SubmitOrder
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.cycle import STAGES
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.trading_engine import TradingEngine, recorded_run, start_core
from tests.support.killed import KillableFiles
from tests.support.runs import LOW_COST, Outcome, PlainForecast, exchange_for, facts_of, run_backtest, run_shell
from tests.support.told import MoodyBroker

S, MS = 10**9, 10**6
# costs count, a wide or missing quote blocks, and predictions take long enough for quotes to come before them
CONFIG = EngineConfig.model_validate(
    LOW_COST | {"gating": {"spread": {"max_spread_bps": 3.0, "max_quote_age_s": 200.0}}}
)
# trades so seldom that most of the time nothing is under way
SELDOM = EngineConfig.model_validate(CONFIG.model_dump() | {"engine": {"trade_symbols": ["S0004"]}})
LATENCY = InferenceLatency(20 * S, 3600 * S)
N_BARS = 5


class Ruffled:
    """The market's quotes of some bars, of which a symbol's are crossed, another's gone, and a third's are wide."""

    fingerprint = "ruffled"

    def __init__(self, panel: BarPanel, per_bar: int, start_ns: int, end_ns: int) -> None:
        self._quotes = SimulatedQuotes(panel, per_bar, 7)
        self._span = (start_ns, end_ns)
        self._odd = dict(zip(panel.symbols[:3], ((1.001, 0.999), (np.nan, 1.0), (0.999, 1.001)), strict=True))

    def of_bar(self, bar_end_ns: int, symbols: Sequence[str]) -> list[QuoteItem]:
        if not self._span[0] < bar_end_ns <= self._span[1]:
            return []
        return [self._ruffled(item) for item in self._quotes.of_bar(bar_end_ns, symbols)]

    def _ruffled(self, item: QuoteItem) -> QuoteItem:
        told = item.told
        if told.asset not in self._odd:
            return item
        bid, ask = (told.price * times for times in self._odd[told.asset])
        return QuoteItem(item.arrival_ns, MarketData(told.asset, told.timestamp_ns, told.price, bid=bid, ask=ask))


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return simulate_market(SimulatedMarketConfig(n_symbols=12, n_sessions=13, missing_bar_probability=0.02))


@pytest.fixture(scope="module")
def start_ns(panel: BarPanel) -> int:
    return panel.sessions.sessions[12].open_ns


@pytest.fixture(scope="module")
def quotes(panel: BarPanel, start_ns: int) -> Ruffled:
    return Ruffled(panel, 400, start_ns, start_ns + N_BARS * panel.interval_ns)


@pytest.fixture(scope="module")
def sparse(panel: BarPanel, start_ns: int) -> Ruffled:
    return Ruffled(panel, 40, start_ns, start_ns + N_BARS * panel.interval_ns)


@pytest.fixture(scope="module")
def backtest(panel: BarPanel, start_ns: int, quotes: Ruffled) -> Outcome:
    return run_backtest(panel, CONFIG, start_ns=start_ns, latency=LATENCY, quotes=quotes)


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def shell(panel: BarPanel, start_ns: int, quotes: Ruffled, state_dir: Path) -> Outcome:
    return run_shell(panel, CONFIG, start_ns=start_ns, latency=LATENCY, quotes=quotes, state_dir=state_dir)


def test_three_shells_agree(panel: BarPanel, start_ns: int, backtest: Outcome, shell: Outcome, state_dir: Path) -> None:
    run = recorded_run(state_dir)
    assert run is not None
    core = start_core(state_dir, run)
    assert feed_journal(core, read_journal(state_dir / FOLDER)).difference is None
    assert backtest.digests == shell.digests == core.state.digest.texts()
    assert backtest.core.state.digest.fill_count > 20
    for name in ("price", "bid", "ask", "price_ns", "quote_ns", "taken_ns"):
        ours, theirs = (getattr(outcome.core.state.quotes, name) for outcome in (backtest, shell))
        assert np.array_equal(ours, theirs, equal_nan=True), name
    without = run_backtest(panel, CONFIG, start_ns=start_ns, latency=LATENCY)
    assert without.digests != backtest.digests  # they count


def told_of(state_dir: Path) -> tuple[dict[str, list[tuple[int, int]]], dict[str, int]]:
    """Return by symbol when the core was told, and what had been made then; and when its first order was sent."""
    told: dict[str, list[tuple[int, int]]] = defaultdict(list)
    ordered: dict[str, int] = {}
    for record in read_journal(state_dir / FOLDER):
        if record.kind == "event" and record.data[0] == "MarketData":
            told[record.data[1]["asset"]].append((record.t_ns, record.data[1]["timestamp_ns"]))
        for name, fields in record.data if record.kind == "commands" else ():
            if name == "SubmitOrder":
                ordered.setdefault(fields["order"]["symbol"], record.t_ns)
    return told, ordered


def test_the_journal_holds_a_quote_a_second_four_where_something_is_open_and_each_is_the_newest(
    panel: BarPanel, start_ns: int, shell: Outcome, quotes: Ruffled, state_dir: Path
) -> None:
    told, ordered = told_of(state_dir)
    assert sorted(told) == sorted(panel.symbols)
    last_ns = start_ns + N_BARS * panel.interval_ns
    provider = HistoricalDataProvider(panel, quotes=quotes)
    made: dict[str, list[int]] = defaultdict(list)
    for item in provider.timeline(start_ns, last_ns):
        if isinstance(item, QuoteItem):
            made[item.told.asset].append(item.arrival_ns)
    gaps = {symbol: [after - before for (before, _), (after, _) in pairwise(times)] for symbol, times in told.items()}
    assert min(map(min, gaps.values())) == 250 * MS
    for symbol, times in told.items():
        idle = [at_ns for at_ns, _ in times if at_ns <= ordered.get(symbol, at_ns)]
        assert all(after - before >= S for before, after in pairwise(idle))
        assert 0.5 * len(made[symbol]) < len(times) < len(made[symbol])
        for at_ns, made_ns in times:
            assert made_ns == made[symbol][bisect_right(made[symbol], at_ns) - 1]
        assert times[-1][1] == made[symbol][-1]  # the last is not left behind


def test_a_crossed_one_sided_or_wide_quote_since_the_bar_lets_no_entry_through(
    panel: BarPanel, start_ns: int, shell: Outcome, state_dir: Path
) -> None:
    """Though the quotes at the ends of the bars were good."""
    expected = (Reason.QUOTE_CROSSED, Reason.QUOTE_MISSING, Reason.SPREAD_TOO_WIDE)
    blocked, entered = set(), set()
    for record in read_journal(state_dir / FOLDER):
        for name, fields in record.data if record.kind == "commands" else ():
            if name == "CycleDecided" and not fields["warmup"]:
                row = panel.row_of(fields["cycle_time_ns"])
                quoted = row is not None and fields["cycle_time_ns"] < start_ns + N_BARS * panel.interval_ns
                reasons = np.frombuffer(b64decode(fields["reasons"]), dtype="<i2").reshape(len(STAGES), -1)
                for column, reason in enumerate(expected if quoted else ()):
                    if np.isfinite(panel.close[row + 1, column]):  # else nothing was said after the bar
                        assert reasons[STAGES.index("spread_gate"), column] == reason
                        blocked.add((fields["cycle_time_ns"], panel.symbols[column]))
            if name == "SubmitOrder" and fields["order"]["leg"] == "entry":
                entered.add((fields["order"]["decision_time_ns"], fields["order"]["symbol"]))
    assert len(blocked) >= 3 * (N_BARS - 2)
    assert entered
    assert not blocked & entered


class Copier:
    """Copies a state folder after quotes, now and then, as a kill would leave it, where nothing else is under way."""

    def __init__(self, state_dir: Path, target: Path, start_ns: int) -> None:
        self._state_dir, self._target, self._next_ns = state_dir, target, start_ns
        self.files = KillableFiles()
        self._open: set[str] = set()
        self._pending = False
        self.copies: list[Path] = []

    def __call__(self, stamped: Stamped, commands: Sequence[Command]) -> None:
        event, kind = stamped.event, type(stamped.event).__name__
        self._open |= {command.order.client_order_id for command in commands if isinstance(command, SubmitOrder)}
        if kind in ("OrderFill", "OrderReject", "OrderCancelled", "OrderExpired"):
            self._open.discard(event.order_id)  # type: ignore[union-attr]
        self._pending = any(type(command).__name__ == "RunInference" for command in commands) or (
            self._pending and kind != "PredictionsReady"
        )
        quiet = not self._open and not self._pending
        if kind == "MarketData" and quiet and stamped.t_ns >= self._next_ns:
            self.copies.append(self.files.copied(self._state_dir, self._target / f"{stamped.seq}"))
            self._next_ns = stamped.t_ns + 87 * S


def test_a_kill_between_quotes_costs_nothing(panel: BarPanel, start_ns: int, sparse: Ruffled, tmp_path: Path) -> None:
    options = {"start_ns": start_ns, "latency": LATENCY, "quotes": sparse}
    copier = Copier(tmp_path / "whole", tmp_path, start_ns + panel.interval_ns)
    whole = run_shell(panel, SELDOM, state_dir=tmp_path / "whole", observers=[copier], files=copier.files, **options)
    assert len(copier.copies) > 5
    for copy in copier.copies[:: max(1, len(copier.copies) // 2)]:
        resumed = run_shell(panel, SELDOM, state_dir=copy, **options)
        assert resumed.digests == whole.digests, copy.name
        assert told_of(copy) == told_of(tmp_path / "whole")  # the pace was kept, and nothing told twice
        core = start_core(copy, recorded_run(copy))  # type: ignore[arg-type]
        assert feed_journal(core, read_journal(copy / FOLDER)).difference is None


def test_a_stopped_run_goes_on_with_its_quotes(panel: BarPanel, start_ns: int, sparse: Ruffled, tmp_path: Path) -> None:
    options = {"start_ns": start_ns, "latency": LATENCY, "quotes": sparse}
    whole = run_backtest(panel, SELDOM, **options)
    run_shell(panel, SELDOM, state_dir=tmp_path, max_cycles=3, **options)
    run_shell(panel, SELDOM, state_dir=tmp_path, max_cycles=2, **options)
    assert run_shell(panel, SELDOM, state_dir=tmp_path, **options).digests == whole.digests


class _Storm:
    """A feed that is only listened to: quotes as fast as they are taken, and no pause. Halfway a fill comes."""

    n_quotes = 100_000

    def __init__(self, market: BarPanel, clock: RealTimeClock, broker: MoodyBroker) -> None:
        inner = HistoricalDataProvider(market, clock=clock)
        self.symbols, self.interval_ns, self.sessions = market.symbols, market.interval_ns, market.sessions
        self.get_quote, self.get_historical, self.get_adv = inner.get_quote, inner.get_historical, inner.get_adv
        self._clock, self._broker = clock, broker
        self.told = 0
        self.on_end: Callable[[], None] = lambda: None

    async def stream(self) -> AsyncIterator[QuoteItem]:
        for number in range(self.n_quotes):
            now_ns, symbol = self._clock.now_ns(), self.symbols[number % len(self.symbols)]
            if number == self.n_quotes // 2:
                amounts = (Decimal(10), Decimal(1), Decimal(0))
                self._broker.say(OrderFill("lt-nobody", "s1", symbol, Side.BUY, *amounts, "USD", now_ns))
            self.told = number
            yield QuoteItem(now_ns, MarketData(symbol, now_ns, bid=99.0, ask=99.01))
        self.on_end()


def test_a_storm_of_quotes_delays_no_fill_and_floods_no_journal(panel: BarPanel, tmp_path: Path) -> None:
    opened_ns = panel.sessions.sessions[0].open_ns
    clock = RealTimeClock(opened_ns, speed=1.0)
    broker = MoodyBroker(exchange_for(panel, opened_ns), panel.sessions, clock)
    feed = _Storm(panel, clock, broker)
    seen: list[tuple[str, int]] = []
    engine = TradingEngine(
        broker,
        feed,
        None,
        PlainForecast((), 3),
        config=CONFIG,
        clock=clock,
        facts=facts_of(panel),
        instruments=instruments_for(panel.symbols),
        start_ns=opened_ns,
        state_dir=tmp_path,
        observers=[lambda stamped, _: seen.append((type(stamped.event).__name__, feed.told))],
        grace_ns=0,
    )
    feed.on_end = engine.request_stop
    with closing(engine):
        asyncio.run(engine.run())
    assert feed.told == feed.n_quotes - 1
    (told_by_then,) = [told for kind, told in seen if kind == "OrderFill"]
    assert told_by_then - feed.n_quotes // 2 <= 1_000  # a few turns of the loop
    lasted_s = (clock.now_ns() - opened_ns) / S
    taken = sum(kind == "MarketData" for kind, _ in seen)
    assert len(panel.symbols) <= taken <= len(panel.symbols) * (2 + 4 * lasted_s)
    assert len(list(read_journal(tmp_path / FOLDER))) < taken + 20
