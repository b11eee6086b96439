"""Prove that a recorded session's commands follow from its events."""

from pathlib import Path
from typing import Annotated

import typer

from LIVE_TRADING.cli.exits import run_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    state_dir: Annotated[Path, typer.Option("--state-dir", help="folder of the session")],
    explain: Annotated[str | None, typer.Option("--explain", help="symbol to explain, stage by stage")] = None,
    at: Annotated[str | None, typer.Option("--at", help="instant, e.g. 2025-12-08T15:00:00Z")] = None,
) -> None:
    """Feed the journal through the core; name the first difference, if there is one."""

    def command() -> int:
        from LIVE_TRADING.cli.replay import replay_session

        return replay_session(state_dir, explain, at)

    run_command(command)


if __name__ == "__main__":
    app()
