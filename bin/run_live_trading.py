"""Trade: the asyncio shell over the core, on a live, recorded or simulated feed."""

from pathlib import Path
from typing import Annotated

import typer

from LIVE_TRADING.cli import options as opt
from LIVE_TRADING.cli.exits import run_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    data: opt.Data = "simulated",
    run_id: opt.RunId = None,
    run_root: opt.RunRoot = None,
    broker: Annotated[str, typer.Option("--broker", help="paper")] = "paper",
    start: opt.Start = None,
    end: opt.End = None,
    speed: Annotated[str, typer.Option("--speed", help="recorded data: max, or a multiple of real time")] = "max",
    initial_cash: opt.Cash = None,
    symbols: opt.Symbols = None,
    symbols_file: opt.SymbolsFile = None,
    targets: Annotated[str | None, typer.Option("--targets", help="ret_5m,... : forecast these only")] = None,
    interval: opt.Interval = None,
    calendar: opt.Calendar = "auto",
    max_cycles: Annotated[int | None, typer.Option("--max-cycles", min=1, help="stop after so many decisions")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check everything, trade nothing")] = False,
    no_state: Annotated[bool, typer.Option("--no-state", help="keep no journal and no checkpoints")] = False,
    state_dir: Annotated[Path | None, typer.Option("--state-dir", help="journal and checkpoints")] = None,
    metrics_port: Annotated[int | None, typer.Option("--metrics-port", help="Prometheus metrics, loopback")] = None,
    log_level: Annotated[str, typer.Option("--log-level", help="debug, info, warning, error")] = "warning",
    log_dir: Annotated[Path | None, typer.Option("--log-dir", help="JSON log file here as well")] = None,
    profile: opt.Profile = None,
    overrides: opt.Overrides = None,
    adopt_nonce: Annotated[
        bool, typer.Option("--adopt-nonce", help="cancel orders of a lost state folder, and go on")
    ] = False,
    live: Annotated[bool, typer.Option("--live", help="real money; refused unless every condition holds")] = False,
) -> None:
    """Trade one universe through one broker; ctrl-C stops cleanly, starting again goes on where it stopped."""

    def command() -> int:
        from LIVE_TRADING.cli.compose import settings_for
        from LIVE_TRADING.cli.live import LiveRequest, refuse_live, run_live_trading
        from LIVE_TRADING.observability.logging import configure_logging

        configure_logging(log_level, log_dir)
        chosen = opt.chosen_symbols(symbols, symbols_file)
        settings = settings_for(profile, overrides, cash_usd=initial_cash, trade_symbols=chosen)
        refuse_live(live, broker, settings)
        run = opt.RunOptions(data, run_id, run_root, start, end, interval, calendar, profile, overrides)
        first, last = run.sessions
        request = LiveRequest(
            run_root=opt.run_folder(run_id, run_root),
            run_id=run.name,
            start=first,
            end=last,
            speed=speed,
            state_dir=None if no_state else state_dir or Path("state") / "live" / run.name,
            max_cycles=max_cycles,
            adopt_nonce=adopt_nonce,
            targets=tuple(name.strip() for name in targets.split(",")) if targets else None,
        )
        return run_live_trading(
            data,
            request,
            settings,
            interval_minutes=interval,
            calendar=calendar,
            metrics_port=metrics_port,
            dry_run=dry_run,
        )

    run_command(command)


if __name__ == "__main__":
    app()
