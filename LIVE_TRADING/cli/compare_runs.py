"""`python -m bin.compare_runs`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from LIVE_TRADING.backtest.compare import Comparison, compare
from LIVE_TRADING.backtest.compare_files import read_outputs
from LIVE_TRADING.backtest.compare_page import render_comparison, view
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.files import write_atomic_bytes


def compare_runs(folders: Sequence[Path], out: Path) -> int:
    """Compare the outputs of backtests; print tables and write the page."""
    if out.is_dir():
        raise ConfigurationError(f"--out {out}: is a folder; name the HTML file to write")
    comparison = compare(read_outputs(folders))
    page = render_comparison(comparison)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic_bytes(out, page.encode())
    except OSError as error:
        raise ConfigurationError(f"--out {out}: cannot be written ({error.strerror})") from error
    console = Console()
    for table in comparison_tables(comparison):
        console.print(table)
    shown = view(comparison)
    console.print(shown["data"], *shown["undefined"], *comparison.warnings, f"written to {out}", sep="\n", markup=False)
    return 0


def comparison_tables(comparison: Comparison) -> list[Table]:
    """Return the comparison as tables of a terminal."""
    shown = view(comparison)
    tables = []
    for title, rows in shown["sections"]:
        table = _table(title, shown["names"])
        for label, values in rows:
            table.add_row(label, *values)
        tables.append(table)
    pairs = _table("Run against run", ("Sharpe difference", "its error", "mean, a session", "t", "correlation"))
    for pair in shown["pairs"]:
        figures = (pair[key] for key in ("difference", "error", "mean", "t", "correlation"))
        pairs.add_row(f"{pair['first']} − {pair['second']}", *figures)
    settings = _table("Settings that differ", shown["names"])
    for key, values in comparison.differences:
        settings.add_row(key, *values)
    return [*tables, pairs, *([settings] if comparison.differences else [])]


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", overflow="fold")
    return table
