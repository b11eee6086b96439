"""Tables that verbs print when they are done."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from LIVE_TRADING.backtest.words import why_undefined
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.pages.numbers import UNDEFINED

_MONEY = ("start_equity_usd", "end_equity_usd", "gross_pnl_usd", "fees_usd", "spread_and_slippage_usd", "net_pnl_usd")
_PLAIN = ("cycles", "orders", "fills", "long_trades", "short_trades", "rejections")
_OUTCOMES = {"ordered": "became an order", "cancel_first": "cancels a working order", "unchanged": "needs no order"}
_RATIO = ("turnover_day", "sharpe_ann", "sortino_ann", "calmar", "max_drawdown_frac")


def summary_table(summary: Mapping[str, Any], out: Path | None, title: str = "backtest") -> Table:
    """Return the closing table of a backtest."""
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    for key in _MONEY:
        table.add_row(key, f"{float(summary[key]):,.2f}")
    for key in _PLAIN:
        if key in summary:
            table.add_row(key, f"{summary[key]:,}")
    for key in _RATIO:
        table.add_row(key, _ratio(summary, key))
    for label, number in funnel_rows(summary["funnel"]):
        table.add_row(label, f"{number:,}")
    table.add_row("decision_digest", str(summary["decision_digest"])[:16])
    table.add_row("run_digest", str(summary["run_digest"])[:16])
    if out is not None:
        table.add_row("written to", str(out))
    return table


def _ratio(summary: Mapping[str, Any], key: str) -> str:
    """Return a ratio, or a dash and why there is none."""
    value = summary.get(key)
    if value is None or not math.isfinite(value):
        return f"{UNDEFINED} ({why_undefined(key, summary['sessions'])})"
    return f"{value:.3f}"


def funnel_rows(funnel: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the funnel as the report counts it: each symbol-decision stops once, or comes through."""
    rows = [("symbol decisions", funnel["symbol_decisions"])]
    for stage in funnel["stages"]:
        rows.append((f"{stage['stage']}: went on", stage["passed"]))
        rows += [(f"{stage['stage']}: {reason}", number) for reason, number in stage["stopped"].items()]
    rows += [
        (f"came through: {_OUTCOMES[key]}", funnel[key]) for key in _OUTCOMES if key != "cancel_first" or funnel[key]
    ]
    if funnel["sent_between"]:
        rows.append(("orders between cycles", funnel["sent_between"]))
    return rows


def live_table(state: CoreState, state_dir: Path | None) -> Table:
    """Return the closing table of a live session."""
    table = Table(title="session", show_header=False, title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    closed = state.trades
    rows = {
        "stopped at": iso_utc(state.now_ns),
        "trading state": state.risk.state.value,
        "equity_usd": f"{state.equity:,.2f}",
        "cash_usd": ", ".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(state.ledger.cash.items())),
        "open positions": f"{len(state.ledger.positions)}",
        "working orders": f"{len(state.orders.open)}",
        "cycles decided": f"{state.digest.cycles:,}",
        "fills": f"{state.digest.fill_count:,}",
        "round trips long, short": f"{sum(t.side > 0 for t in closed):,}, {sum(t.side < 0 for t in closed):,}",
        "fees_usd": f"{state.ledger.fees:,.2f}",
        "decision_digest": state.digest.decision[:16],
        "run_digest": state.digest.texts()["run_digest"][:16],
    }
    for name, value in rows.items():
        table.add_row(name, value)
    for latch in state.risk.latches:
        table.add_row(f"latched: {latch.rule_id}", latch.message)
    if state_dir is not None:
        table.add_row("state in", str(state_dir))
    return table
