"""The whole path on a simulated market: train, backtest, trade on paper, replay."""

from pathlib import Path
from typing import Annotated

import typer

from LIVE_TRADING.cli.exits import run_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    seed: Annotated[int, typer.Option("--seed", min=0, help="another seed is another market")] = 7,
    out: Annotated[Path, typer.Option("--out", help="folder of everything the demo makes")] = Path("out/demo"),
) -> None:
    """Train small models, backtest them and trade simulated sessions on paper, offline."""

    def command() -> int:
        from LIVE_TRADING.cli.demo import demo

        return demo(seed, out)

    run_command(command)


if __name__ == "__main__":
    app()
