"""What the report says of where the P&L came from: tables with bars, each adding up to the net P&L."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from LIVE_TRADING.backtest import attribution
from LIVE_TRADING.backtest.attribution import FamilyPortion, Portion
from LIVE_TRADING.backtest.metrics import compounded
from LIVE_TRADING.backtest.record import BacktestRecord
from LIVE_TRADING.backtest.summary import Figures
from LIVE_TRADING.common.units import BPS
from LIVE_TRADING.pages.charts import spans
from LIVE_TRADING.pages.numbers import clock, count, pct, ratio, tone, usd, whole_cents

SYMBOLS_SHOWN = 8  # best, and as many worst
_ZERO = Decimal(0)
TotalLines = tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row of a table with bars; `left` and `width` in percent of the track, `note` what stands below the amount."""

    label: str
    amount: str
    note: str
    left: float
    width: float
    tone: str


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table with bars; `zero` in percent of the track, `total` the line below it."""

    title: str
    rows: tuple[SourceRow, ...]
    zero: float
    total: tuple[tuple[str, str], ...]
    note: str


def sources(record: BacktestRecord, run: Figures) -> list[SourceTable]:
    """Return the tables by symbol, horizon, family and time of day; none without a closed round trip."""
    trades, scope = record.trades, record.scope
    if not trades:
        return []
    step = attribution.step_minutes(record)
    horizons = attribution.by_key(trades, lambda trade: trade.horizon)
    ordered = sorted(horizons.items(), key=lambda entry: attribution.horizon_order(entry[0]))
    total = _total(record, run)
    hours = attribution.by_time_of_day(trades, scope.timezone, step)
    tables = [
        _table("By symbol", _folded(attribution.by_symbol(trades)), total, "The best and the worst, by net P&L."),
        _table("By horizon", [(name or "none", p) for name, p in ordered], total, "The horizon of the entry."),
        _families(record, total),
        _table(
            "By time of entry",
            [(f"{clock(minute)}–{clock(minute + step)}", portion) for minute, portion in hours.items()],
            total,
            f"Time of the first fill, {scope.timezone}.",
        ),
        _earned(record, run, step),
    ]
    return [table for table in tables if table.rows]


def _total(record: BacktestRecord, run: Figures) -> TotalLines:
    """Return the lines that lead from the rows to the net P&L of the account, in whole cents that add up."""
    closed = sum((trade.net_pnl_usd for trade in record.trades), _ZERO)
    net = run.account.net_pnl_usd
    rest = net - closed
    is_open = abs(rest) * int(BPS) >= 1
    closed_line, *rest_line = whole_cents([closed, rest] if is_open else [net], net)
    return (
        ("Closed round trips", closed_line),
        *(("Still open, at the last price", amount) for amount in rest_line),
        ("Net P&L", closed_line + sum(rest_line, _ZERO)),
    )


def _folded(portions: Mapping[str, Portion]) -> list[tuple[str, Portion]]:
    """Return the best and the worst symbols, and the others as one row."""
    entries = list(portions.items())
    if len(entries) <= 2 * SYMBOLS_SHOWN + 1:
        return entries
    best, between, worst = entries[:SYMBOLS_SHOWN], entries[SYMBOLS_SHOWN:-SYMBOLS_SHOWN], entries[-SYMBOLS_SHOWN:]
    return [*best, (f"{len(between):,} other symbols", _sum([portion for _, portion in between])), *worst]


def _sum(portions: Sequence[Portion]) -> Portion:
    return Portion(
        trips=sum(p.trips for p in portions),
        won=sum(p.won for p in portions),
        gross_usd=sum((p.gross_usd for p in portions), _ZERO),
        costs_usd=sum((p.costs_usd for p in portions), _ZERO),
        net_usd=sum((p.net_usd for p in portions), _ZERO),
        notional_usd=sum((p.notional_usd for p in portions), _ZERO),
    )


def _table(title: str, entries: Sequence[tuple[str, Portion]], total: TotalLines, note: str) -> SourceTable:
    return _drawn(
        title,
        [(name, float(portion.net_usd), _portion_note(portion)) for name, portion in entries],
        total,
        note,
    )


def _portion_note(portion: Portion) -> str:
    won = pct(portion.won / portion.trips, 0)
    net_bps = float(portion.net_usd / portion.notional_usd) * BPS if portion.notional_usd else float("nan")
    return f"{count(portion.trips, 'trip')} · {won} won · {ratio(net_bps)} bps"


def _families(record: BacktestRecord, total: TotalLines) -> SourceTable:
    known = any(trade.belief is not None for trade in record.trades)
    portions = attribution.by_family(record.trades, record.scope.families) if known else {}
    rows = [(name, portion.net_usd, _family_note(portion)) for name, portion in portions.items()]
    note = (
        "Each round trip is divided by the families' shares in the entry's blended alpha. A family that disagreed has "
        "a negative share and gains where the trade loses."
    )
    return _drawn("By model family", rows, total, note)


def _family_note(portion: FamilyPortion) -> str:
    if not portion.trips:
        return "no part in any entry"
    share = "share not known" if math.isnan(portion.mean_share) else f"mean share {pct(portion.mean_share, 0)}"
    return f"{share} · {count(portion.trips, 'entry', 'entries')}"


def _earned(record: BacktestRecord, run: Figures, step: int) -> SourceTable:
    found = attribution.earned_by_time_of_day(record, step)
    rows = [(f"{clock(minute)}–{clock(minute + step)}", amount, "") for minute, amount in found.items()]
    total = (("Net P&L", run.account.net_pnl_usd),)
    note = f"Change of the account by the time of day, {record.scope.timezone}; a session's first bar holds the night."
    return _drawn("When it was earned", rows, total, note)


def _drawn(title: str, entries: Sequence[tuple[str, float, str]], total: TotalLines, note: str) -> SourceTable:
    """Return a table whose amounts, in whole cents, add up to the first line of the total."""
    amounts = [amount for _, amount, _ in entries]
    bars, zero = spans(amounts)
    rows = [
        SourceRow(label, usd(cents), text, bar.left, bar.width, tone(amount))
        for (label, amount, text), cents, bar in zip(entries, whole_cents(amounts, total[0][1]), bars, strict=True)
    ]
    return SourceTable(title, tuple(rows), zero, tuple((label, usd(amount)) for label, amount in total), note)


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def months(record: BacktestRecord, run: Figures) -> list[dict[str, Any]]:
    """Return one row per year: the compounded return of each month and of the year; nothing where no session was."""
    grouped: dict[tuple[str, int], list[float]] = {}
    for session, value in zip(record.scope.sessions, run.returns.tolist(), strict=True):
        grouped.setdefault((session.date[:4], int(session.date[5:7])), []).append(value)
    returns = {key: compounded(np.array(values)) for key, values in grouped.items()}
    largest = max([1e-9, *(abs(value) for value in returns.values())])
    years = sorted({year for year, _ in grouped})
    return [
        {
            "year": year,
            "cells": [
                _month(name, returns.get((year, number)), largest) for number, name in enumerate(MONTHS, start=1)
            ],
            "total": pct(compounded(np.array([v for (y, _), vs in grouped.items() if y == year for v in vs])), 2),
        }
        for year in years
    ]


def _month(name: str, value: float | None, largest: float) -> dict[str, Any]:
    if value is None:
        return {"month": name, "text": "", "tone": "", "weight": 0}
    return {"month": name, "text": pct(value, 2), "tone": tone(value), "weight": round(abs(value) / largest * 32)}
