"""Tables that verbs print when they are done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.engine.state import CoreState

_MONEY = ("start_equity_usd", "end_equity_usd", "gross_pnl_usd", "fees_usd", "spread_and_slippage_usd", "net_pnl_usd")
_PLAIN = ("cycles", "orders", "fills", "long_trades", "short_trades", "rejections")
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
        value = summary.get(key)
        table.add_row(key, "-" if value is None else f"{value:.3f}")
    for stage, reasons in summary["decisions"].items():
        for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
            table.add_row(f"{stage}: {reason}", f"{count:,}")
    table.add_row("decision_digest", str(summary["decision_digest"])[:16])
    table.add_row("run_digest", str(summary["run_digest"])[:16])
    if out is not None:
        table.add_row("written to", str(out))
    return table


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
        "run_digest": state.digest.run[:16],
    }
    for name, value in rows.items():
        table.add_row(name, value)
    for latch in state.risk.latches:
        table.add_row(f"latched: {latch.rule_id}", latch.message)
    if state_dir is not None:
        table.add_row("state in", str(state_dir))
    return table
