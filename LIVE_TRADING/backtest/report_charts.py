"""What the report draws: the curves over bar ends, the way from gross to net, believed and paid costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from LIVE_TRADING.backtest import charts
from LIVE_TRADING.backtest.record import BacktestRecord
from LIVE_TRADING.backtest.report_text import bps, count, decimals, minute_utc, pct, tone, usd
from LIVE_TRADING.backtest.summary import Account, CostComparison, Figures
from LIVE_TRADING.common.types import FloatArray


def curve(record: BacktestRecord, run: Figures) -> dict[str, Any]:
    """Return equity, drawdown and P&L by session over one axis of bar ends."""
    start = float(record.scope.start_equity_usd)
    equity = np.asarray(record.equity.equity_usd, dtype=np.float64)
    times = record.equity.time_ns
    n = len(equity)
    if not record.fills or n == 0:
        return {"present": False, "start": usd(start)}
    peak = np.maximum.accumulate(np.maximum(equity, start))
    fallen = equity / peak - 1.0
    rows = np.union1d(charts.thinned(equity), [int(np.argmin(fallen))])
    starts, ends = _session_rows(record, n)
    session_pnl = np.diff(np.concatenate(([start], run.closing_equity)))
    width = max(1, n - 1)
    session_bars, session_ticks = charts.bars(starts / width, ends / width, session_pnl, _usd_tick)
    shown = charts.spaced(len(starts), 8)
    return {
        "present": True,
        "equity": charts.panel(rows, n, equity, _usd_tick, steps=6),
        "drawdown": charts.panel(rows, n, fallen, _pct_tick, span=(0.0, -0.001)),
        "session_bars": session_bars,
        "session_ticks": session_ticks,
        "session_zero": next((tick.at_frac for tick in session_ticks if tick.label == "$0"), 0.0),
        "dates": [charts.Tick(float(starts[row]) / width, record.scope.sessions[row].date) for row in shown],
        "points": {
            "at": [round(float(row) / width, 5) for row in rows],
            "time": [minute_utc(int(times[row])) for row in rows],
            "equity": [usd(float(equity[row])) for row in rows],
            "drawdown": [pct(float(fallen[row]), 2) for row in rows],
        },
    }


def _session_rows(record: BacktestRecord, n: int) -> tuple[FloatArray, FloatArray]:
    """Return each session's first and last place on the axis of bar ends, shape (sessions,)."""
    opens = np.array([session.open_ns for session in record.scope.sessions], dtype=np.int64)
    closes = np.array([session.close_ns for session in record.scope.sessions], dtype=np.int64)
    first = np.searchsorted(record.equity.time_ns, opens, side="right")
    last = np.searchsorted(record.equity.time_ns, closes, side="right") - 1
    gap = 0.15 * (last - first)
    return np.clip(first + gap, 0, n - 1), np.clip(last - gap, 0, n - 1).astype(np.float64)


def _usd_tick(value: float, step: float) -> str:
    return usd(value, decimals(step))


def _pct_tick(value: float, step: float) -> str:
    return pct(value, decimals(step * 100))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way from gross to net, a bar from `left` to `left + width`, in percent of the row."""

    label: str
    amount: str
    left: float
    width: float
    tone: str


def waterfall(books: Account) -> dict[str, Any]:
    """Return the bars that lead from gross to net, and where zero is."""
    gross, net, fees = float(books.gross_pnl_usd), float(books.net_pnl_usd), float(books.fees_usd)
    slipped = float(books.spread_and_slippage_usd)
    if np.isfinite(books.spread_usd):
        parts = [("Spread", books.spread_usd), ("Impact", books.impact_usd)]
    else:
        parts = [("Spread and slippage", slipped)]
    marks = [("Before costs", 0.0, gross, tone(gross))]
    at = gross
    for label, paid in [*parts, ("Fees", fees)]:
        marks.append((label, at, at - paid, "cost" if paid >= 0 else "gain"))
        at -= paid
    marks.append(("Net", 0.0, net, tone(net)))
    ends = [0.0, *(edge for _, start, end, _ in marks for edge in (start, end))]
    low, span = min(ends), max(max(ends) - min(ends), 1e-9)
    steps = [
        Step(label, usd(end - start), (min(start, end) - low) / span * 100, abs(end - start) / span * 100, tone)
        for label, start, end, tone in marks
    ]
    return {"steps": steps, "zero": -low / span * 100}


def cost_bars(costs: CostComparison) -> dict[str, Any]:
    """Return believed and paid cost as bars of one scale."""
    longest = max(costs.modelled_bps, costs.paid_bps, 1e-9) if costs.notional_usd else 1.0
    return {
        "trades": costs.trades,
        "text": count(costs.trades, "closed round trip"),
        "rows": [
            {"label": label, "bps": bps(value), "usd": usd(amount), "width": max(0.0, value / longest * 100)}
            for label, value, amount in (
                ("Believed at entry", costs.modelled_bps, costs.modelled_usd),
                ("Paid", costs.paid_bps, costs.paid_usd),
            )
            if np.isfinite(value)
        ],
    }
