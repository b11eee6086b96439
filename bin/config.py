"""Check or show the configuration."""

from typing import Annotated

import typer

from LIVE_TRADING.cli import options as opt
from LIVE_TRADING.cli.exits import run_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    action: Annotated[str, typer.Argument(help="check or show")],
    profile: opt.Profile = None,
    overrides: opt.Overrides = None,
) -> None:
    """Read the configuration folder ($LIVE_TRADING_CONFIG, else CONFIG/ of the checkout), profile, environment, flags.

    show prints every key with its value and the place that set it; check lists all that is wrong.
    """

    def command() -> int:
        from LIVE_TRADING.cli import config_verb
        from LIVE_TRADING.common.exceptions import ConfigurationError

        verbs = {"check": config_verb.check, "show": config_verb.show}
        if action not in verbs:
            raise ConfigurationError(f"{action}: one of {', '.join(verbs)}")
        return verbs[action](profile, overrides)

    run_command(command)


if __name__ == "__main__":
    app()
