"""Lift or set the halt of a stopped engine, accept a difference of the books, settle an order of unknown fate."""

from pathlib import Path
from typing import Annotated

import typer

from LIVE_TRADING.cli.exits import run_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    action: Annotated[
        str, typer.Argument(help="resume (lift latches), reset (and measure losses anew), halt, adopt, ignore, settle")
    ],
    reason: Annotated[str, typer.Option("--reason", help="kept with the state")],
    state_dir: Annotated[Path, typer.Option("--state-dir", help="folder of the session")],
    order: Annotated[str, typer.Option("--order", help="settle: the order's client_order_id")] = "",
    outcome: Annotated[
        str,
        typer.Option("--as", help="settle: not_at_venue, cancelled, expired or rejected; fills come from the venue"),
    ] = "",
) -> None:
    """Speak to a stopped engine, under its folder's lock.

    adopt takes over the venue's book where it was last found to differ, ignore leaves that difference alone; another
    difference is another matter. settle closes an order of unknown fate as it was found at the venue.
    """

    def command() -> int:
        from LIVE_TRADING.cli.control import control

        return control(action, reason, state_dir, order, outcome)

    run_command(command)


if __name__ == "__main__":
    app()
