"""The sentences of the report that depend on the run."""

from __future__ import annotations

import math
from decimal import Decimal

from LIVE_TRADING.backtest.funnel import Funnel
from LIVE_TRADING.backtest.record import LONG, BacktestRecord
from LIVE_TRADING.backtest.summary import Figures
from LIVE_TRADING.backtest.words import FEW_SESSIONS, few_sessions, reason_words
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.units import BPS
from LIVE_TRADING.pages.numbers import count, ratio, usd, whole

FEW_TRADES = 100
HONEST_REFUSALS = frozenset({Reason.BELOW_COST, Reason.NO_POSITIVE_WEIGHT, Reason.BELOW_MIN_ENTRY})


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
    """Return what stopped most, what stopped those that came furthest, and whether that is as it should be."""
    funnel = run.funnel
    reasons = [(number, row, reason) for row, stage in enumerate(funnel.stages) for reason, number in stage.stopped]
    if funnel.orders:
        return [f"{count(funnel.orders, 'order')} went out, and none was filled: orders.csv says how each ended."]
    if not reasons:
        return []
    number, most, reason = max(reasons, key=lambda entry: entry[0])
    found = [f"Of {funnel.total:,} symbol-decisions {number:,} stopped because: {reason_words(reason)}."]
    beyond = [entry for entry in reasons if entry[1] > most]
    if beyond:
        last = max(row for _, row, _ in beyond)
        few, _, final = max((entry for entry in beyond if entry[1] == last), key=lambda entry: entry[0])
        verb = "came furthest and was" if few == 1 else "came furthest and were"
        found.append(f"{few:,} {verb} stopped because: {reason_words(final)}.")
    if {reason, *(later for _, _, later in beyond)} <= HONEST_REFUSALS:
        found.append("Not to trade is then the right answer, not a fault.")
    return found


def _significance(run: Figures) -> list[str]:
    t = run.performance.daily_t
    if math.isnan(t):
        return ["Too few sessions to tell skill from luck."]
    if abs(t) < 2:
        return [f"The mean session return has a t of {ratio(t)}: it cannot be told from luck."]
    return [f"The mean session return has a t of {ratio(t)}."]


def funnel_outcome(funnel: Funnel) -> list[str]:
    """Return what came of the symbol-decisions that no stage stopped, and how that goes with the orders sent."""
    waiting = f"; {funnel.cancel_first:,} had a working order cancelled, before an exit can follow"
    sent = f"{funnel.orders:,} orders were sent"
    if funnel.sent_between:
        sent += (
            f": those {funnel.ordered:,}, and {funnel.sent_between:,} between cycles (exits, once a cancel was "
            "confirmed or where a guardrail made them)"
        )
    return [
        f"{funnel.ordered:,} became an order{waiting if funnel.cancel_first else ''}; {funnel.unchanged:,} came "
        "through and needed none, for the position was as wanted.",
        f"Counted here are symbol-decisions, one for each symbol at each bar end. {sent}.",
    ]


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
    if len(run.returns) < FEW_SESSIONS:
        found.append(("Few sessions", few_sessions(len(run.returns))))
    found += _gate_caveat(run)
    found.append(
        (
            "One look among how many",
            "These figures are of this run alone. If it was chosen among others (settings, symbols, spans), the "
            "best of them looks good by chance, and neither the standard error nor the probability of skill knows how "
            f"many there were. {_needed(run)}",
        )
    )
    found += _open_caveat(record, run)
    return [*found, *(("Note", note) for note in record.notes)]


def _gate_caveat(run: Figures) -> list[tuple[str, str]]:
    """Return that the barrier gate was off, where it let everything pass that reached it for that reason."""
    gate = next((stage for stage in run.funnel.stages if stage.stage == "barrier_gate"), None)
    if gate is None or not gate.entered or dict(gate.went_on).get(Reason.GATE_OFF, 0) < gate.entered:
        return []
    return [
        (
            "The barrier gate was off",
            "It was switched off, or the run has no calibrated classifiers of peaks and valleys: no entry was "
            "refused, and none made smaller, because a price was likely to turn.",
        )
    ]


def _needed(run: Figures) -> str:
    needed, n = run.performance.min_track_record_sessions, len(run.returns)
    if math.isnan(needed):
        return "No length of record would show skill at the Sharpe ratio of this one."
    return f"A Sharpe ratio like this takes {whole(needed)} sessions to tell from none at 95 %; this run has {n:,}."


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
