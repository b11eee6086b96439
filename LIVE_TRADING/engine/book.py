"""What a decision sees of the book: marks, exposures and holdings as arrays, from the ledger's exact records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from LIVE_TRADING.arbitration import CycleMoment, HeldBook
from LIVE_TRADING.common.types import BAR_FIELDS, BarBatch, FloatArray
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.engine.ledger import Ledger, PositionState
from LIVE_TRADING.engine.pipeline import BookView
from LIVE_TRADING.engine.quotes import Quotes
from LIVE_TRADING.engine.state import CoreState

if TYPE_CHECKING:
    from LIVE_TRADING.engine.assembly import Assembly


@dataclass(frozen=True, slots=True)
class Account:
    """The book marked at the last trades or closes; gross and net as shares of equity."""

    cash: Decimal
    positions_value: Decimal
    equity: Decimal
    gross: float
    net: float
    book: str  # each position as text, in the order of the symbols: what digests hold


def account_of(ledger: Ledger, quotes: Quotes, column: Mapping[str, int], currency: str) -> Account:
    """Mark the book. A position without any price yet is marked at its average price."""
    cash = ledger.cash[currency]
    held = [position for _, position in sorted(ledger.positions.items())]
    values = [position.quantity * price for position, price in zip(held, marks(held, quotes, column), strict=True)]
    net, gross = sum(values, Decimal(0)), sum(map(abs, values), Decimal(0))
    equity = cash + net
    share = 1 / float(equity) if equity > 0 else float("nan")
    return Account(cash, net, equity, float(gross) * share, float(net) * share, ",".join([one.text for one in held]))


def marks(positions: Sequence[PositionState], quotes: Quotes, column: Mapping[str, int]) -> list[Decimal]:
    """Return `mark` of several positions."""
    places = [column.get(position.symbol, -1) for position in positions]
    if not places or min(places) < 0:
        return [mark(position, quotes, column) for position in positions]
    prices = quotes.price[places].tolist()
    return [
        exact(price) if price == price else position.average_price
        for price, position in zip(prices, positions, strict=True)
    ]


def mark(position: PositionState, quotes: Quotes, column: Mapping[str, int]) -> Decimal:
    """Return the last trade or close, exactly as recorded, or the average price before the first."""
    at = column.get(position.symbol)
    price = quotes.price.item(at) if at is not None else math.nan
    return exact(price) if price == price else position.average_price


@lru_cache(maxsize=16_384)
def exact(price: float) -> Decimal:
    """Return the Decimal that a price's shortest text writes; prices of a market come again and again."""
    return Decimal(repr(price))


def book_view(
    state: CoreState,
    assembly: Assembly,
    symbols: tuple[str, ...],
    column: Mapping[str, int],
    moment: CycleMoment,
    planned_usd: float,
    barriers: tuple[FloatArray | None, FloatArray | None],
    may_increase: bool,
    interval_ns: int,
) -> BookView:
    """Return the arrays that the stages need of ledger, working orders and quotes."""
    n, equity_usd = len(symbols), float(state.equity)
    side, horizon = np.zeros(n, dtype=np.int16), np.full(n, -1, dtype=np.int16)
    elapsed, shares = np.zeros(n, dtype=np.bool_), np.zeros(n)
    positions = state.ledger.positions.values()  # order: each goes to a place of its own
    held = [(at, one) for one in positions if (at := column.get(one.symbol)) is not None]
    if held:
        places = [at for at, _ in held]
        shares[places] = [position.shares for _, position in held]
        horizon[places] = [position.horizon for _, position in held]
        side = np.sign(shares).astype(np.int16)
        elapsed[places] = [
            position.horizon < 0 or _elapsed(position, assembly, state, moment, interval_ns) for _, position in held
        ]
    working = np.zeros(n)
    for _, record in sorted(state.orders.open.items()):
        at = column.get(record.order.symbol)
        price = state.quotes.price.item(at) if at is not None else math.nan
        if math.isfinite(price) and equity_usd > 0:
            working[at] += record.order.side.sign * float(record.remaining) * price / equity_usd
    quoted = state.quotes.quote_ns >= 0
    # a quote made since the trigger is no fresher than fresh
    age_ns = np.maximum(moment.scheduled_time_ns - state.quotes.quote_ns, 0)
    age_s = np.where(quoted, age_ns / NS_PER_S, np.nan)
    return BookView(
        symbols=symbols,
        moment=moment,
        held=HeldBook(side, horizon, elapsed),
        held_shares=shares,
        working_weight=working,
        may_increase=assembly.tradable & may_increase,
        price_usd=state.quotes.price,
        bid=state.quotes.bid,
        ask=state.quotes.ask,
        quote_age_s=age_s,
        lot=assembly.lot_sizes,
        min_notional_usd=assembly.min_notional_usd,
        equity_usd=equity_usd,
        planned_usd=planned_usd,
        p_peak=barriers[0],
        p_valley=barriers[1],
    )


def _elapsed(
    position: PositionState, assembly: Assembly, state: CoreState, moment: CycleMoment, interval_ns: int
) -> bool:
    """Return whether the held horizon is over at this bar end.

    1d: the same slot of the next session, or the last bar that can still fill where a half day has no such slot.
    """
    horizon = assembly.horizons[position.horizon]
    sessions_later = state.session_number - position.clock_session
    if not horizon.is_daily:
        overnight = moment.session_ends and sessions_later > 0
        return overnight or moment.scheduled_time_ns >= position.clock_ns + horizon.bars * interval_ns
    return sessions_later > 1 or (sessions_later == 1 and (moment.slot >= position.clock_slot or moment.closing))


def merged(earlier: BarBatch, later: BarBatch) -> BarBatch:
    """Return the bars of one bar end that came in two parts; the part that came first keeps its values."""
    fields = [
        np.where(np.isnan(getattr(earlier, name)), getattr(later, name), getattr(earlier, name)) for name in BAR_FIELDS
    ]
    return BarBatch(earlier.bar_end_ns, earlier.interval_ns, *fields)


def empty_batch(bar_end_ns: int, interval_ns: int, n_symbols: int) -> BarBatch:
    """Return the bars of a bar end at which nothing came."""
    nan = np.full(n_symbols, np.nan)
    return BarBatch(bar_end_ns, interval_ns, nan, nan, nan, nan, nan, nan, nan)
