"""Put the results of several backtests side by side."""

from pathlib import Path
from typing import Annotated

import typer

from LIVE_TRADING.cli.exits import run_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    folders: Annotated[list[Path], typer.Argument(help="result folders of bin.run_backtest, two or more")],
    out: Annotated[Path, typer.Option("--out", help="HTML file to write")] = Path("out/compare.html"),
) -> None:
    """Compare figures, equity, costs, funnels and settings over the sessions that all runs have."""

    def command() -> int:
        from LIVE_TRADING.cli.compare_runs import compare_runs

        return compare_runs(folders, out)

    run_command(command)


if __name__ == "__main__":
    app()
