"""Train one model per horizon and family, and write the run's artifacts."""

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
    until: Annotated[str | None, typer.Option("--until", help="last session to learn from, YYYY-MM-DD")] = None,
    interval: opt.Interval = None,
    calendar: opt.Calendar = "auto",
    profile: opt.Profile = None,
    overrides: opt.Overrides = None,
    replace: Annotated[bool, typer.Option("--replace", help="replace a run that stands there already")] = False,
) -> None:
    """Train on bars up to a date; validation is a purged walk-forward."""

    def command() -> int:
        from LIVE_TRADING.cli.train import train_models

        date = opt.session_date(until, "--until")
        return train_models(data, run_id, run_root, date, profile, overrides, interval, calendar, replace)

    run_command(command)


if __name__ == "__main__":
    app()
