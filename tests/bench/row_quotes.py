"""Row B4: what a trade or quote between bars costs, from the feed's word to the journal, by size of the universe.

CPU time of one thread, journal on a real disk and synced whenever it asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from LIVE_TRADING.common.events import MarketData, Stamped
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.journal import Journal
from LIVE_TRADING.engine.queue import EventQueue
from LIVE_TRADING.engine.quote_pace import QuotePace
from tests.bench.row_persistence import AT_NS, state_folder
from tests.bench.rows import Measured
from tests.bench.worlds import market, plan_of

SIZES = (100, 500, 5_000)
N_QUOTES, REPEATS = 20_000, 3
STEP_NS = 1_000_000


def quotes_of(core: EngineCore, n: int) -> list[MarketData]:
    symbols = core.run.symbols
    return [
        MarketData(symbols[number % len(symbols)], AT_NS + number, 100.01, bid=100.0, ask=100.02, bid_size=300.0)
        for number in range(n)
    ]


def per_quote() -> list[Measured]:
    """µs a quote: made; offered where its symbol's waits; handled by the core; all of it, journal included."""
    found: list[Measured] = []
    for n_symbols in SIZES:
        core = plan_of(market(n_symbols, 2), 1).core()
        quotes = quotes_of(core, N_QUOTES)
        stamped = [Stamped(number, AT_NS + number, told) for number, told in enumerate(quotes)]
        rows = (
            ("made", lambda core=core: quotes_of(core, N_QUOTES)),
            ("joined one that waits", lambda core=core, quotes=quotes: conflated(core, quotes)),
            ("handled by the core", lambda core=core, stamped=stamped: handled(core, stamped)),
            ("from the feed to the journal", lambda core=core: through(core)),
        )
        for what, work in rows:
            found.append(Measured("B4", f"N = {n_symbols:,}, {what}", f"{best_us(work):.3g} µs"))
    return found


def best_us(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken) / N_QUOTES * 1e6


def conflated(core: EngineCore, quotes: list[MarketData]) -> None:
    """Offer quotes while none is taken: what a storm costs beyond one of each symbol."""
    pace = QuotePace(EventQueue(), {symbol: at for at, symbol in enumerate(core.run.symbols)}, lambda: core.state)
    for told in quotes:
        pace.offer(told)


def handled(core: EngineCore, stamped: list[Stamped]) -> None:
    for one in stamped:
        core.handle(one)


def through(core: EngineCore) -> None:
    """Offer, release, pop, journal, handle: each symbol once in its time, so that nothing is conflated."""
    with state_folder() as folder:
        driver, queue = Driver(core, Journal(folder), strict=True), EventQueue()
        pace = QuotePace(queue, {symbol: at for at, symbol in enumerate(core.run.symbols)}, lambda: core.state)
        now_ns = core.state.now_ns
        symbols = core.run.symbols
        for number in range(N_QUOTES):
            if number % len(symbols) == 0:
                now_ns += 1_000_000_000
            pace.offer(MarketData(symbols[number % len(symbols)], now_ns, 100.01, bid=100.0, ask=100.02))
            pace.release(now_ns)
            driver.step(queue.pop(), now_ns)
            if driver.journal is not None and driver.journal.wants_sync:
                driver.journal.sync()
        if driver.journal is not None:
            driver.journal.close()
