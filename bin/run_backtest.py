"""Backtest trained models over recorded or simulated bars."""

from pathlib import Path
from typing import Annotated

import typer

from LIVE_TRADING.cli import options as opt
from LIVE_TRADING.cli.exits import run_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    data: opt.Data,
    run_id: opt.RunId = None,
    run_root: opt.RunRoot = None,
    start: opt.Start = None,
    end: opt.End = None,
    out: Annotated[Path, typer.Option("--out", help="folder of the results")] = Path("out/backtest"),
    initial_cash: opt.Cash = None,
    symbols: opt.Symbols = None,
    symbols_file: opt.SymbolsFile = None,
    interval: opt.Interval = None,
    calendar: opt.Calendar = "auto",
    profile: opt.Profile = None,
    overrides: opt.Overrides = None,
) -> None:
    """Run trained models over bars and write summary, trades, orders, fills, decisions, equity and a report."""

    def command() -> int:
        from LIVE_TRADING.cli.backtest import run_backtest

        run = opt.RunOptions(data, run_id, run_root, start, end, interval, calendar, profile, overrides)
        return run_backtest(run, out, initial_cash, opt.chosen_symbols(symbols, symbols_file))

    run_command(command)


if __name__ == "__main__":
    app()
