"""Write the model card of a trained run."""

from pathlib import Path
from typing import Annotated

import typer

from LIVE_TRADING.cli import options as opt
from LIVE_TRADING.cli.exits import run_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    run_id: opt.RunId = None,
    run_root: opt.RunRoot = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="HTML file; model_card.html of the run where absent")
    ] = None,
) -> None:
    """Say of a run's models what they know, out of sample, what they use and what they are for; one HTML file."""

    def command() -> int:
        from LIVE_TRADING.cli.model_card import write_card

        return write_card(run_id, run_root, out)

    run_command(command)


if __name__ == "__main__":
    app()
