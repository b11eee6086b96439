"""Prove that nothing at an instant depends on bars that come after it."""

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
    instants: Annotated[int, typer.Option("--instants", min=1, help="bar ends at which the future is cut off")] = 50,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of the draw of instants")] = 7,
    start: opt.Start = None,
    end: opt.End = None,
    interval: opt.Interval = None,
    calendar: opt.Calendar = "auto",
    profile: opt.Profile = None,
    overrides: opt.Overrides = None,
) -> None:
    """Recompute features, predictions and decisions with the future cut off at random instants; compare bit for bit.

    Exit code 0: all the same. 4: the first difference is named by instant, stage and symbol.
    """

    def command() -> int:
        from LIVE_TRADING.cli.check_lookahead import check_run

        run = opt.RunOptions(data, run_id, run_root, start, end, interval, calendar, profile, overrides)
        return check_run(run, instants, seed)

    run_command(command)


if __name__ == "__main__":
    app()
