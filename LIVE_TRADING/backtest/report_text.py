"""Numbers as a reader wants them, and the sentences of the report that depend on the run."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

from LIVE_TRADING.backtest.record import LONG, BacktestRecord
from LIVE_TRADING.backtest.summary import Figures
from LIVE_TRADING.backtest.words import reason_words
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.units import BPS, utc_datetime

UNDEFINED = "–"
FEW_TRADES = 100
HONEST_REFUSALS = frozenset({Reason.BELOW_COST, Reason.NO_POSITIVE_WEIGHT, Reason.BELOW_MIN_ENTRY})


def usd(amount: Decimal | float, places: int = 2) -> str:
    """Return dollars with a true minus sign."""
    value = float(amount)
    if not math.isfinite(value):
        return UNDEFINED
    text = f"{abs(value):,.{places}f}"
    return f"−${text}" if value < 0 and text.strip("0.,") else f"${text}"


def pct(frac: float, places: int) -> str:
    """Return a fraction as percent."""
    return _signed(frac * 100, places, " %")


def bps(value: float) -> str:
    """Return basis points."""
    return _signed(value, 2, " bps")


def ratio(value: float) -> str:
    """Return a plain number."""
    return _signed(value, 2, "")


def whole(value: float) -> str:
    """Return a number of things, rounded up: so many are needed."""
    return f"{math.ceil(value):,}" if math.isfinite(value) else UNDEFINED


def _signed(value: float, places: int, unit: str) -> str:
    if not math.isfinite(value):
        return UNDEFINED
    text = f"{abs(value):,.{places}f}"
    return f"{'−' if value < 0 and text.strip('0.,') else ''}{text}{unit}"


def tone(amount: Decimal | float) -> str:
    """Return the style of a gain or a loss."""
    return "gain" if amount > 0 else "loss" if amount < 0 else ""


def decimals(step: float) -> int:
    """Return how many decimals tell two values apart that lie one step apart."""
    return max(0, math.ceil(-math.log10(step) - 1e-9))


def count(number: int, noun: str) -> str:
    """Return a number with its noun in singular or plural."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    if not math.isfinite(seconds):
        return UNDEFINED
    span = timedelta(seconds=round(seconds))
    hours, rest = divmod(span.seconds, 3600)
    if span.days:
        return f"{span.days} d {hours} h"
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min"


def minute_utc(instant_ns: int) -> str:
    """Return an instant to the minute."""
    return utc_datetime(instant_ns).strftime("%Y-%m-%d %H:%M UTC")


def verdict(record: BacktestRecord, run: Figures) -> list[str]:
    """Return the result in one to three sentences."""
    sessions = count(len(record.scope.sessions), "session")
    if not record.fills:
        return [f"No order was filled in {sessions}.", *_main_obstacle(run)]
    books, trades = run.account, record.trades
    net = float(books.net_pnl_usd)
    longs = sum(trade.side == LONG for trade in trades)
    paid = books.fees_usd + books.spread_and_slippage_usd
    outcome = "Earned" if net > 0 else "Lost" if net < 0 else "Neither earned nor lost:"
    return [
        f"{outcome} {usd(abs(net))} after costs in {sessions}, with {count(len(trades), 'closed round trip')} "
        f"({longs:,} long, {len(trades) - longs:,} short).",
        f"Before costs it was {usd(books.gross_pnl_usd)}; fees, spread and slippage took {usd(paid)}.",
        *_significance(run),
    ]


def _main_obstacle(run: Figures) -> list[str]:
    reasons = [(number, reason) for stage in run.funnel.stages for reason, number in stage.stopped]
    if not reasons:
        return []
    number, reason = max(reasons, key=lambda entry: entry[0])
    found = [f"Of {run.funnel.total:,} symbol-decisions {number:,} stopped because: {reason_words(reason)}."]
    return [*found, "Not to trade is then the right answer, not a fault."] if reason in HONEST_REFUSALS else found


def _significance(run: Figures) -> list[str]:
    t = run.performance.daily_t
    if math.isnan(t):
        return ["Too few sessions to tell skill from luck."]
    if abs(t) < 2:
        return [f"The mean session return has a t of {ratio(t)}: it cannot be told from luck."]
    return [f"The mean session return has a t of {ratio(t)}."]


def caveats(record: BacktestRecord, run: Figures) -> list[tuple[str, str]]:
    """Return what a reader has to know before believing the figures, as (heading, text)."""
    found = []
    minutes = record.scope.interval_ns / 60e9
    if record.scope.quotes_estimated:
        found.append(
            (
                "Spreads are estimated",
                "The data have no bid and ask. Spreads were estimated from lagged bars (Abdi and Ranaldo 2017), at "
                "least one tick. Real ones may be wider when it matters most.",
            )
        )
    found.append(
        (
            "A forecast is relative",
            "It says which symbols should do better than the mean of the universe, not whether the market rises. "
            "Positions carry market risk all the same.",
        )
    )
    found.append(
        (
            "Fills are simulated",
            f"An order fills at the open of the next bar, plus half the spread and impact, up to a share of the bar's "
            f"volume. An order sent within a bar counts as sent at its start, so the price may be up to {minutes:g} "
            "minutes older than the order. A real venue will differ; only shadow trading measures by how much.",
        )
    )
    if record.effort.warmup_cycles:
        found.append(
            (
                "Warm-up",
                f"{count(record.effort.warmup_cycles, 'cycle')} before the first session forecast without deciding, "
                "so that no decision rests on forecasts from the training span. They are in no figure here.",
            )
        )
    if len(record.trades) < FEW_TRADES:
        found.append(
            (
                "Few trades",
                f"{count(len(record.trades), 'closed round trip')}: ratios from so few say little. The system enters "
                "only where a forecast is worth its whole cost; on most bars of most markets none is, and few or no "
                "trades is the honest answer. The funnel shows where the candidates fell.",
            )
        )
    found += _open_caveat(record, run)
    return [*found, *(("Note", note) for note in record.notes)]


def _open_caveat(record: BacktestRecord, run: Figures) -> list[tuple[str, str]]:
    closed = sum((trade.net_pnl_usd for trade in record.trades), Decimal(0))
    rest = run.account.net_pnl_usd - closed
    if abs(rest) * int(BPS) < 1:
        return []
    return [
        (
            "Still open",
            f"{usd(rest)} of the net P&L is of positions that were open at the end, at their last price; trades.csv "
            "holds closed round trips only.",
        )
    ]
