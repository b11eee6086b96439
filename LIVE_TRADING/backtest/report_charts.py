"""What the report draws: the curves over bar ends, the way from gross to net, believed and paid costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from LIVE_TRADING.backtest import metrics
from LIVE_TRADING.backtest.record import BacktestRecord, TradeRow
from LIVE_TRADING.backtest.summary import Account, CostComparison, Figures
from LIVE_TRADING.common.types import FloatArray, IntArray
from LIVE_TRADING.common.units import BPS
from LIVE_TRADING.pages import charts
from LIVE_TRADING.pages.numbers import bps, count, decimals, minute_utc, pct, ratio, tone, usd

SESSION_ROWS = 260  # of the table behind the curves; a longer run shows the last session of each month
LONG_WINDOW, SHORT_WINDOW = 63, 20  # sessions of the rolling Sharpe ratio: a quarter, or a month in a short run
LONG_RUN = 2 * LONG_WINDOW
SCATTER_POINTS = 400


def curve(record: BacktestRecord, run: Figures) -> dict[str, Any]:
    """Return equity, drawdown, exposure and P&L by session over one axis of bar ends."""
    start = float(record.scope.start_equity_usd)
    equity = np.asarray(record.equity.equity_usd, dtype=np.float64)
    times = record.equity.time_ns
    n = len(equity)
    if not record.fills or n == 0:
        return {"present": False, "start": usd(start)}
    peak = np.maximum.accumulate(np.maximum(equity, start))
    fallen = equity / peak - 1.0
    exposure = _exposure(record, equity)
    widest = exposure[-1]
    rows = _rows_to_draw(equity, fallen, widest)
    starts, ends = _session_rows(record, n)
    session_pnl = np.diff(np.concatenate(([start], run.closing_equity)))
    width = max(1, n - 1)
    session_bars, session_ticks = charts.bars(starts / width, ends / width, session_pnl, _usd_tick)
    shown = charts.spaced(len(starts), 8)
    return {
        "present": True,
        "equity": charts.panel(rows, n, [equity], _usd_tick, steps=6),
        "drawdown": charts.panel(rows, n, [fallen], _pct_tick, span=(0.0, -0.001)),
        "exposure": charts.panel(rows, n, exposure, _pct_tick, span=(0.0, 0.01)),
        "has_gross": record.equity.gross_usd is not None,
        "session_bars": session_bars,
        "session_ticks": session_ticks,
        "session_zero": next((tick.at_frac for tick in session_ticks if tick.label == "$0"), 0.0),
        "dates": [charts.Tick(float(starts[row]) / width, record.scope.sessions[row].date) for row in shown],
        "table": _session_table(record, run, session_pnl),
        "points": {
            "at": [round(float(row) / width, 5) for row in rows],
            "time": [minute_utc(int(times[row])) for row in rows],
            "equity": [usd(float(equity[row])) for row in rows],
            "drawdown": [pct(float(fallen[row]), 2) for row in rows],
            "exposure": [" / ".join(pct(float(values[row]), 1) for values in reversed(exposure)) for row in rows],
        },
    }


def _exposure(record: BacktestRecord, equity: FloatArray) -> list[FloatArray]:
    """Return net exposure and, where it was kept, gross, as shares of equity; NaN where there is none."""
    kept = [np.asarray(record.equity.positions_usd, dtype=np.float64)]
    if record.equity.gross_usd is not None:
        kept.append(record.equity.gross_usd)
    nothing = np.full(len(equity), np.nan)
    return [np.divide(values, equity, out=nothing.copy(), where=equity > 0) for values in kept]


def _rows_to_draw(equity: FloatArray, fallen: FloatArray, exposure: FloatArray) -> IntArray:
    """Return the rows of the curves: few enough for a small page, and the extremes of each curve among them."""
    half = charts.MAX_POINTS // 2
    if len(equity) <= charts.MAX_POINTS:
        return np.arange(len(equity), dtype=np.int64)
    rows = np.union1d(charts.thinned(equity, half), charts.thinned(exposure, half))
    return np.union1d(rows, [int(np.argmin(fallen))])


def _session_table(record: BacktestRecord, run: Figures, session_pnl: FloatArray) -> dict[str, Any]:
    """Return the curves as a table, by session or, in a long run, by the last session of each month."""
    fallen = metrics.drawdown(run.returns)
    dates = [session.date for session in record.scope.sessions]
    rows = list(range(len(dates)))
    if len(rows) > SESSION_ROWS:
        rows = [row for row in rows if row + 1 == len(rows) or dates[row][:7] != dates[row + 1][:7]]
    return {
        "monthly": len(rows) < len(dates),
        "rows": [
            {
                "date": dates[row],
                "equity": usd(float(run.closing_equity[row])),
                "pnl": usd(float(session_pnl[row])),
                "return": pct(float(run.returns[row]), 2),
                "drawdown": pct(float(fallen[row]), 2),
            }
            for row in rows
        ],
    }


def rolling_sharpe(record: BacktestRecord, run: Figures) -> dict[str, Any]:
    """Return the Sharpe ratio of the last sessions, with the band in which it cannot be told from none."""
    n, year = len(run.returns), record.scope.sessions_per_year
    window = LONG_WINDOW if n >= LONG_RUN else SHORT_WINDOW
    rolling = metrics.rolling_sharpe_ann(run.returns, window, year)
    text = f"{window} sessions"
    known = np.flatnonzero(np.isfinite(rolling))
    if n <= window or len(known) < 2:
        return {"present": False, "window": text, "sessions": count(n, "session")}
    first = window - 1
    values = rolling[first:]
    noise = 2.0 * float(np.sqrt(year / window))
    rows = charts.thinned(values)
    drawn = charts.panel(rows, len(values), [values], _plain_tick, span=(-noise, noise))
    dates = [session.date for session in record.scope.sessions[first:]]
    return {
        "present": True,
        "window": text,
        "panel": drawn,
        "noise": ratio(noise),
        "band": (drawn.axis.share(-noise) * 100, drawn.axis.share(noise) * 100),
        "dates": [charts.Tick(row / max(1, len(dates) - 1), dates[row]) for row in charts.spaced(len(dates), 6)],
        "rows": [(dates[row], ratio(float(values[row]))) for row in _sampled(len(values))],
    }


def _sampled(n: int, wanted: int = 24) -> list[int]:
    """Return rows for a table behind a line, the last among them."""
    return sorted({*charts.spaced(n, wanted), n - 1})


def _plain_tick(value: float, step: float) -> str:
    return f"{value:,.{decimals(step)}f}".replace("-", "−")


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
    """Return believed and paid cost as bars of one scale, in sum and by component."""
    amounts = [("Believed at entry", costs.modelled_usd), ("Paid", costs.paid_usd)]
    known = costs.part_trades == costs.trades
    parts = [
        (f"{part.name.capitalize()}, {word}", amount)
        for part in costs.parts
        for word, amount in (("believed", part.modelled_usd), ("paid", part.paid_usd))
    ]
    return {
        "trades": costs.trades,
        "text": count(costs.trades, "closed round trip"),
        "rows": _bar_rows(amounts, costs.notional_usd),
        "parts": _bar_rows(parts, costs.notional_usd) if known and any(amount for _, amount in parts) else [],
    }


def _bar_rows(amounts: list[tuple[str, float]], notional_usd: float) -> list[dict[str, Any]]:
    if not notional_usd:
        return []
    longest = max([1e-9, *(amount for _, amount in amounts)])
    return [
        {
            "label": label,
            "bps": bps(amount / notional_usd * BPS),
            "usd": usd(amount),
            "width": max(0.0, amount / longest * 100),
        }
        for label, amount in amounts
        if np.isfinite(amount)
    ]


def cost_scatter(trades: Sequence[TradeRow]) -> dict[str, Any]:
    """Return believed against paid cost trade by trade, and their quantiles."""
    known = [t for t in trades if not np.isnan(t.cost_model_bps) and t.entry_notional_usd > 0]
    believed = np.array([trade.cost_model_bps for trade in known])
    paid = np.array([float((t.slippage_usd + t.fees_usd) / t.entry_notional_usd) * BPS for t in known])
    end = max([0.0, *believed.tolist(), *(np.quantile(paid, [0.99]).tolist() if known else [])])
    if len(known) < 2 or end <= 0.0:  # where nothing costs anything there is nothing to see
        return {"present": False}
    low, high, ticks = charts.scale([0.0, end])
    rows = np.array(charts.spaced(len(known), SCATTER_POINTS))
    inside = rows[(believed[rows] >= low) & (paid[rows] >= low) & (paid[rows] <= high)]
    axis = charts.Axis(low, high)
    step = ticks[1] - ticks[0]
    return {
        "present": True,
        "dots": charts.dots((believed[inside] - low) / (high - low) * charts.WIDTH, axis.y(paid[inside])),
        "ticks": [charts.Tick(axis.share(tick), _plain_tick(tick, step)) for tick in ticks],
        "drawn": count(len(inside), "round trip"),
        "dearer": pct(float(np.mean(paid > believed)), 0),
        "rows": [
            (word, *(bps(float(np.quantile(values, share))) for values in (believed, paid, paid - believed)))
            for word, share in (("lowest", 0.0), ("10 %", 0.1), ("median", 0.5), ("90 %", 0.9), ("highest", 1.0))
        ],
    }
