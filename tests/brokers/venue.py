"""A simulated venue of two symbols with round numbers: for tests that work its prices out by hand.

Before the run AAA has gone 100 → 101 → 100 in one session of two bars, on 10,000 shares a bar: σ_day = √(0.01² +
0.0099²) ≈ 140.7 bps and ADV = 2.01 M USD. Its quote is 99.95 / 100.05, that is 10 bps of 100.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from LIVE_TRADING.brokers.exchange import ExchangeConfig, Report, SimulatedExchange
from LIVE_TRADING.common.types import BarBatch, Instrument, Leg, Order, Session, Side
from LIVE_TRADING.data.calendars import SessionTable

SYMBOLS = ("AAA", "BBB")
BAR = 300 * 10**9
DAY = 86_400 * 10**9
N_BARS = 6
NAN = float("nan")


def session_of(index: int) -> Session:
    opened = index * DAY + 10 * BAR
    return Session(index, f"2025-01-{index + 1:02d}", opened, opened + N_BARS * BAR)


SESSIONS = SessionTable("test", tuple(session_of(index) for index in range(4)))
TODAY = SESSIONS.sessions[1]


def batch(end_ns: int, open_: float = 100.0, close: float = 100.0, volume: float = 10_000.0, **rest: Any) -> BarBatch:
    """A bar of AAA; BBB has the same unless `other` gives (open, close, volume)."""
    other = rest.pop("other", (open_, close, volume))
    spread = rest.pop("spread", 0.10)
    columns = [np.array([mine, theirs]) for mine, theirs in zip((open_, close, volume), other, strict=True)]
    opens, closes, volumes = columns
    bid, ask = closes - spread / 2, closes + spread / 2
    return BarBatch(end_ns, BAR, opens, np.fmax(opens, closes), np.fmin(opens, closes), closes, volumes, bid, ask)


def bar_end(slot: int, session: Session = TODAY) -> int:
    return session.open_ns + (slot + 1) * BAR


def exchange_with_history(
    config: ExchangeConfig | None = None, *, session_ends: bool = True, lot: str = "1", tick: str = "0.01"
) -> SimulatedExchange:
    """A venue that has seen the session before today."""
    exchange = SimulatedExchange(
        config or ExchangeConfig(),
        SYMBOLS,
        {symbol: Instrument(symbol, Decimal(tick), Decimal(lot)) for symbol in SYMBOLS},
        Decimal(100_000),
        session_ends=session_ends,
    )
    yesterday = SESSIONS.sessions[0]
    exchange.prime(batch(bar_end(0, yesterday), 100.0, 100.0, 0.0), first_of_session=True)
    exchange.prime(batch(bar_end(1, yesterday), 100.0, 101.0), first_of_session=False)
    exchange.prime(batch(bar_end(2, yesterday), 101.0, 100.0), first_of_session=False)
    # the first bar of today closes yesterday's statistics
    exchange.on_bars(batch(bar_end(0), 100.0, 100.0), TODAY)
    return exchange


def order(number: int = 1, side: str = "buy", quantity: str = "10", symbol: str = "AAA", **changes: Any) -> Order:
    made = Order(f"id{number}", number, symbol, Side(side), Decimal(quantity), Leg.ENTRY, 0)
    return replace(made, **changes)


def events(reports: list[Report]) -> list[Any]:
    return [report.event for report in reports]


def kinds(reports: list[Report]) -> list[str]:
    return [type(report.event).__name__ for report in reports]
