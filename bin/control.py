"""Lift or set the halt of a stopped engine."""

from pathlib import Path
from typing import Annotated

import typer

from LIVE_TRADING.cli.exits import run_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    action: Annotated[str, typer.Argument(help="resume (lift latches), reset (and measure losses anew), halt")],
    reason: Annotated[str, typer.Option("--reason", help="kept with the state")],
    state_dir: Annotated[Path, typer.Option("--state-dir", help="folder of the session")],
) -> None:
    """Resume, reset or halt, offline, under the folder's lock."""

    def command() -> int:
        from LIVE_TRADING.cli.control import control

        return control(action, reason, state_dir)

    run_command(command)


if __name__ == "__main__":
    app()
