"""Where the net P&L came from: by symbol, horizon, side, family and time of day. docs/metrics.md defines each.

With what was still open at the end, at its last price, each adds up to the net P&L of the account.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from LIVE_TRADING.backtest.record import BacktestRecord, TradeRow
from LIVE_TRADING.common.horizons import HORIZON_NAMES
from LIVE_TRADING.common.types import FloatArray, IntArray
from LIVE_TRADING.common.units import NS_PER_MINUTE, utc_datetime

NO_FAMILY = "not known"
DAY_MINUTES = 24 * 60
FINE_MINUTES, COARSE_MINUTES = 30, 60
FINE_UP_TO_MINUTES = 8 * 60  # sessions up to this length are told by the half hour
_ZERO = Decimal(0)
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Portion:
    """What some of the closed round trips earned; net = gross − costs, USD."""

    trips: int
    won: int
    gross_usd: Decimal
    costs_usd: Decimal
    net_usd: Decimal
    notional_usd: Decimal

    @classmethod
    def of(cls, trades: Sequence[TradeRow]) -> Portion:
        """Return the sums over some trades."""
        return cls(
            trips=len(trades),
            won=sum(trade.net_pnl_usd > 0 for trade in trades),
            gross_usd=sum((trade.gross_pnl_usd for trade in trades), _ZERO),
            costs_usd=sum((trade.slippage_usd + trade.fees_usd for trade in trades), _ZERO),
            net_usd=sum((trade.net_pnl_usd for trade in trades), _ZERO),
            notional_usd=sum((trade.entry_notional_usd for trade in trades), _ZERO),
        )


@dataclass(frozen=True, slots=True)
class FamilyPortion:
    """What a model family has earned: the sum over round trips of its share in the entry's alpha times the P&L, USD."""

    trips: int  # entries in which it had a say
    mean_share: float
    gross_usd: float
    costs_usd: float
    net_usd: float


def by_key(trades: Sequence[TradeRow], key: Callable[[TradeRow], K]) -> dict[K, Portion]:
    """Return the portions by a key of the trades, in the order in which the keys first come."""
    groups: dict[K, list[TradeRow]] = {}
    for trade in trades:
        groups.setdefault(key(trade), []).append(trade)
    return {name: Portion.of(members) for name, members in groups.items()}


def by_symbol(trades: Sequence[TradeRow]) -> dict[str, Portion]:
    """Return the portions by symbol, the best first, by name where they are equal."""
    portions = by_key(trades, lambda trade: trade.symbol)
    return dict(sorted(portions.items(), key=lambda entry: (-entry[1].net_usd, entry[0])))


def by_horizon_and_side(trades: Sequence[TradeRow]) -> dict[tuple[str, str], Portion]:
    """Return the portions by the entry's horizon and side, the shortest horizon and the long side first."""
    portions = by_key(trades, lambda trade: (trade.horizon, trade.side))
    return dict(sorted(portions.items(), key=lambda entry: (horizon_order(entry[0][0]), entry[0][1])))


def horizon_order(name: str) -> tuple[int, str]:
    """Return what horizons are sorted by; one that has no known name comes last."""
    return (HORIZON_NAMES.index(name) if name in HORIZON_NAMES else len(HORIZON_NAMES), name)


def by_family(trades: Sequence[TradeRow], families: Sequence[str]) -> dict[str, FamilyPortion]:
    """Return the portions by family, and under `NO_FAMILY` the trades whose shares are not known, if there are any."""
    known = [trade for trade in trades if trade.belief is not None]
    shares = np.array([trade.belief.family_shares for trade in known if trade.belief], dtype=np.float64)
    shares = shares.reshape(len(known), len(families))
    amounts = _amounts(known)
    portions = {
        family: FamilyPortion(
            int(np.count_nonzero(shares[:, column])),
            float(shares[:, column].mean()) if known else float("nan"),
            *(shares[:, column] @ amounts).tolist(),
        )
        for column, family in enumerate(families)
    }
    rest = [trade for trade in trades if trade.belief is None]
    if rest:
        portions[NO_FAMILY] = FamilyPortion(len(rest), float("nan"), *_amounts(rest).sum(axis=0).tolist())
    return portions


def _amounts(trades: Sequence[TradeRow]) -> FloatArray:
    """Return gross P&L, costs and net P&L of trades, shape (trades, 3)."""
    rows = [(trade.gross_pnl_usd, trade.slippage_usd + trade.fees_usd, trade.net_pnl_usd) for trade in trades]
    return np.array(rows, dtype=np.float64).reshape(len(trades), 3)


def by_time_of_day(trades: Sequence[TradeRow], timezone: str, step_minutes: int) -> dict[int, Portion]:
    """Return the portions by the time of the first fill: minutes after midnight at which a step begins, ascending."""
    portions = by_key(trades, lambda trade: minute_of_day(trade.entry_time_ns, timezone) // step_minutes * step_minutes)
    return dict(sorted(portions.items()))


def earned_by_time_of_day(record: BacktestRecord, step_minutes: int) -> dict[int, float]:
    """Return the change of equity by the time of day at which its bar began, USD; they add up to the net P&L."""
    equity = np.asarray(record.equity.equity_usd, dtype=np.float64)
    if not len(equity):
        return {}
    changes = np.diff(equity, prepend=float(record.scope.start_equity_usd))
    begins: IntArray = record.equity.time_ns - record.scope.interval_ns
    minutes = np.array([minute_of_day(int(begin), record.scope.timezone) for begin in begins])
    steps = minutes // step_minutes
    sums = np.bincount(steps, weights=changes)
    return {int(step) * step_minutes: float(sums[step]) for step in np.unique(steps)}


def step_minutes(record: BacktestRecord) -> int:
    """Return how finely times of day are told: by the half hour for a short session, else by the hour."""
    spans = [(session.close_ns - session.open_ns) // NS_PER_MINUTE for session in record.scope.sessions]
    return FINE_MINUTES if spans and max(spans) <= FINE_UP_TO_MINUTES else COARSE_MINUTES


def minute_of_day(instant_ns: int, timezone: str) -> int:
    """Return the local time of an instant, in minutes after midnight."""
    midnight_ns, offset_minutes = _utc_hour(instant_ns // (60 * NS_PER_MINUTE), timezone)
    return ((instant_ns - midnight_ns) // NS_PER_MINUTE + offset_minutes) % DAY_MINUTES


@lru_cache(maxsize=1 << 16)
def _utc_hour(hour: int, timezone: str) -> tuple[int, int]:
    """Return the start of an hour of UTC, ns, and its local minute of day: zones change their offset on the hour."""
    start_ns = hour * 60 * NS_PER_MINUTE
    local = utc_datetime(start_ns).astimezone(ZoneInfo(timezone))
    return start_ns, local.hour * 60 + local.minute
