"""`report.html`: one file that explains a run, readable without a network, on a phone, in light and dark.

What it says in numbers comes from `summary.figures`. Here they are put into words and tables, in `report_charts` into
the geometry of charts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from LIVE_TRADING.backtest.attribution import by_horizon_and_side
from LIVE_TRADING.backtest.funnel import StageFunnel
from LIVE_TRADING.backtest.record import LONG, BacktestRecord, TradeRow
from LIVE_TRADING.backtest.report_charts import cost_bars, cost_scatter, curve, rolling_sharpe, waterfall
from LIVE_TRADING.backtest.report_prices import price_charts
from LIVE_TRADING.backtest.report_sources import MONTHS, months, sources
from LIVE_TRADING.backtest.report_text import caveats, funnel_outcome, verdict
from LIVE_TRADING.backtest.summary import Figures
from LIVE_TRADING.backtest.words import METRIC_WORDS, STAGE_QUESTIONS, reason_words, why_undefined
from LIVE_TRADING.common.reasons import REASON_TEXT, Reason
from LIVE_TRADING.common.units import BPS, NS_PER_S
from LIVE_TRADING.pages.environment import render
from LIVE_TRADING.pages.numbers import count, duration, pct, ratio, tone, usd, whole

TEMPLATE = "report.html.j2"
REASONS_SHOWN = 5
UNREMARKABLE = frozenset({Reason.OK, Reason.SIZED, Reason.ORDERED})  # not worth a line where they let something pass
FORMS: dict[str, Callable[[float], str]] = {
    "pct": lambda value: pct(value, 2),
    "ratio": ratio,
    "count": whole,
    "time": duration,
    "usd": lambda value: usd(value, 0),
}
_WORDS_OF_TEXT = {text: reason_words(reason) for reason, text in REASON_TEXT.items()}


def render_report(record: BacktestRecord, run: Figures) -> str:
    """Return the report as one HTML document that loads nothing."""
    return render("LIVE_TRADING.backtest", TEMPLATE, view(record, run))


def view(record: BacktestRecord, run: Figures) -> dict[str, Any]:
    """Return everything that the template shows, as text, shares and paths."""
    return {
        "run_id": record.identity.run_id,
        "subtitle": _subtitle(record),
        "verdict": verdict(record, run),
        "tiles": _tiles(record, run),
        "curve": curve(record, run),
        "waterfall": waterfall(run.account) if record.fills else None,
        "costs": cost_bars(run.costs),
        "scatter": cost_scatter(record.trades),
        "months": months(record, run) if record.fills else [],
        "month_names": MONTHS,
        "rolling": rolling_sharpe(record, run),
        "sources": sources(record, run),
        "prices": price_charts(record),
        "funnel": _funnel(record, run),
        "trades": trade_groups(record.trades),
        "exits": _tally(
            [_WORDS_OF_TEXT.get(trade.exit_reason, trade.exit_reason or "unknown") for trade in record.trades]
        ),
        "rejections": _tally([row.rule_id for row in record.rejections]),
        "metrics": _metrics(run),
        "caveats": caveats(record, run),
        "identity": _identity(record),
    }


def _subtitle(record: BacktestRecord) -> str:
    scope = record.scope
    minutes = scope.interval_ns / (60 * NS_PER_S)
    span = f"{scope.sessions[0].date} to {scope.sessions[-1].date}" if scope.sessions else "no session"
    return (
        f"{span} · {count(len(scope.sessions), 'session')} · {count(len(scope.symbols), 'symbol')} · "
        f"bars of {minutes:g} minutes · {scope.calendar}"
    )


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline figure."""

    label: str
    value: str
    note: str
    tone: str = ""


def _tiles(record: BacktestRecord, run: Figures) -> list[Tile]:
    books, figures = run.account, run.performance
    net, start = float(books.net_pnl_usd), float(books.start_equity_usd)
    paid = books.fees_usd + books.spread_and_slippage_usd
    longs = sum(trade.side == LONG for trade in record.trades)
    return [
        Tile("Net P&L", usd(net), f"{pct(net / start, 2)} of {usd(start, 0)}", tone(net)),
        Tile("Before costs", usd(books.gross_pnl_usd), "at the open of each fill's bar", tone(books.gross_pnl_usd)),
        Tile("Costs paid", usd(paid), "fees, spread and slippage"),
        Tile("Sharpe ratio", ratio(figures.sharpe_ann), _standard_error(figures.sharpe_se_ann, len(run.returns))),
        Tile(
            "Deepest drawdown, by session",
            pct(figures.max_drawdown_frac, 2),
            f"{pct(figures.max_drawdown_bar_frac, 2)} by bar" if len(run.returns) else "not defined: no session",
        ),
        Tile("Round trips", f"{len(record.trades):,}", f"{longs:,} long, {len(record.trades) - longs:,} short"),
    ]


def _standard_error(value: float, sessions: int) -> str:
    if np.isfinite(value):
        return f"± {ratio(value)} standard error"
    return f"not defined: {why_undefined('sharpe_ann', sessions)}"


def _funnel(record: BacktestRecord, run: Figures) -> dict[str, Any]:
    return {
        "total": f"{run.funnel.total:,}",
        "cycles": f"{len(record.decisions.time_ns):,}",
        "symbols": f"{len(record.scope.symbols):,}",
        "stages": [_stage(stage) for stage in run.funnel.stages],
        "outcome": funnel_outcome(run.funnel),
        "legs": _tally([order.leg.value for order in record.orders]),
    }


def _stage(stage: StageFunnel) -> dict[str, Any]:
    title, question = STAGE_QUESTIONS.get(stage.stage, (stage.stage.replace("_", " ").capitalize(), ""))
    share = stage.passed / stage.entered if stage.entered else 0.0
    went_on = tuple(entry for entry in stage.went_on if entry[0] not in UNREMARKABLE)
    return {
        "title": title,
        "question": question,
        "entered": f"{stage.entered:,}",
        "passed": f"{stage.passed:,}",
        "share": f"{share * 100:.1f} %" if share >= 0.01 or share == 0 else f"{share * 100:.2g} %",
        "width": share * 100,
        "reasons": [
            {"text": text, "count": f"{number:,}", "width": number / stage.entered * 100, "kind": kind}
            for kind, reasons in (("on", went_on), ("stop", stage.stopped))
            for text, number in _most_frequent(reasons)
        ],
    }


def _most_frequent(reasons: Sequence[tuple[Reason, int]]) -> list[tuple[str, int]]:
    shown, rest = reasons[:REASONS_SHOWN], reasons[REASONS_SHOWN:]
    lines = [(reason_words(reason), number) for reason, number in shown]
    return [*lines, ("other reasons", sum(number for _, number in rest))] if rest else lines


def trade_groups(trades: Sequence[TradeRow]) -> list[dict[str, Any]]:
    """Return one row of figures per horizon and side that was traded, shortest horizon first, and one of all."""
    groups = {
        name: [trade for trade in trades if (trade.horizon, trade.side) == name] for name in by_horizon_and_side(trades)
    }
    rows = [_group(horizon, side, members) for (horizon, side), members in groups.items()]
    return [*rows, _group("all", "", list(trades))] if rows else []


def _group(horizon: str, side: str, trades: list[TradeRow]) -> dict[str, Any]:
    notional = float(sum(trade.entry_notional_usd for trade in trades))
    net = float(sum(trade.net_pnl_usd for trade in trades))
    paid = float(sum(trade.slippage_usd + trade.fees_usd for trade in trades))
    held_s = sum(trade.exit_time_ns - trade.entry_time_ns for trade in trades) / len(trades) / NS_PER_S
    return {
        "horizon": horizon,
        "side": side,
        "count": f"{len(trades):,}",
        "won": pct(sum(trade.net_pnl_usd > 0 for trade in trades) / len(trades), 0),
        "gross": usd(net + paid),
        "costs": usd(paid),
        "net": usd(net),
        "net_bps": ratio(net / notional * BPS if notional else float("nan")),
        "tone": tone(net),
        "held": duration(held_s),
    }


def _tally(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return each name with how often it occurs, most frequent first."""
    counts = {name: names.count(name) for name in sorted(set(names))}
    return [(name, f"{number:,}") for name, number in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))]


def _metrics(run: Figures) -> list[dict[str, str]]:
    rows = []
    for name, label, form, definition in METRIC_WORDS:
        value = getattr(run.performance, name)
        text = FORMS[form](value)
        why = "" if np.isfinite(value) else why_undefined(name, len(run.returns))
        rows.append({"label": label, "value": text, "definition": definition, "key": name, "why": why})
    return rows


def _identity(record: BacktestRecord) -> list[tuple[str, str]]:
    identity, effort = record.identity, record.effort
    return [
        ("Run", identity.run_id),
        ("Decision digest", identity.decision_digest),
        ("Trace digest", identity.trace_digest),
        ("Fills digest", identity.fills_digest),
        ("Run digest", identity.run_digest),
        ("Configuration hash", identity.config_hash),
        ("Data hash", identity.data_hash),
        ("Code version", identity.code_version or "not recorded"),
        ("Cycles", f"{effort.cycles:,}, and {effort.warmup_cycles:,} of warm-up"),
        ("Bar events", f"{effort.bar_events:,}"),
        ("Wall time", f"{effort.wall_s:.1f} s, of it inference {effort.inference_s:.1f} s"),
        ("Peak memory", f"{effort.peak_rss_mb:,.0f} MB"),
    ]
