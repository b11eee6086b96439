"""Options that several verbs share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from LIVE_TRADING.cli.config_folder import folder_in_words
from LIVE_TRADING.common.exceptions import ConfigurationError

RUN_ID = typer.Option("--run-id", help="name of the run: state/runs/<name>, or $LIVE_TRADING_RUNS/<name>")
RunId = Annotated[str | None, RUN_ID]
RunRoot = Annotated[Path | None, typer.Option("--run-root", help="folder of the run, in place of --run-id")]
Data = Annotated[
    str,
    typer.Option("--data", help="PATH of a Parquet or CSV file of bars, historical:PATH, or simulated", metavar="SPEC"),
]
Interval = Annotated[int | None, typer.Option("--interval", help="bar interval, minutes; inferred where absent")]
Profile = Annotated[str | None, typer.Option("--profile", help=f"profiles/<name>.yaml of {folder_in_words()} on top")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="section.key=value, wins over files; repeatable")]
Calendar = Annotated[str, typer.Option("--calendar", help="auto, 24/7, or an exchange such as XNYS")]
Start = Annotated[str | None, typer.Option("--start", help="first session to decide in, YYYY-MM-DD")]
End = Annotated[str | None, typer.Option("--end", help="last session, YYYY-MM-DD")]
Cash = Annotated[float | None, typer.Option("--initial-cash", help="USD")]
Symbols = Annotated[str | None, typer.Option("--symbols", help="symbols to enter, by comma; all are forecast")]
SymbolsFile = Annotated[Path | None, typer.Option("--symbols-file", help="the same, one a line")]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the verbs that run models over bars are told: which models, which bars, which sessions, which settings."""

    data: str
    run_id: str | None
    run_root: Path | None
    start: str | None
    end: str | None
    interval_minutes: int | None
    calendar: str
    profile: str | None
    overrides: list[str] | None

    @property
    def folder(self) -> Path:
        """Return the folder of the models; raises as `named_run_folder`."""
        return named_run_folder(self.run_id, self.run_root)

    @property
    def name(self) -> str:
        """Return what to call the run."""
        return run_name(self.run_id, self.run_root)

    @property
    def sessions(self) -> tuple[str | None, str | None]:
        """Return the first and the last session; raises as `session_date`."""
        return session_date(self.start, "--start"), session_date(self.end, "--end")


def run_name(run_id: str | None, run_root: Path | None) -> str:
    """Return what to call a run."""
    return run_id or (run_root.resolve().name if run_root is not None else "adhoc")


def named_run_folder(run_id: str | None, run_root: Path | None) -> Path:
    """Return the folder of a run that has to be named.

    Raises
    ------
    ConfigurationError
        Neither is given, or both and they name two runs.
    """
    folder = run_folder(run_id, run_root)
    if folder is None:
        raise ConfigurationError("name the run of models: --run-id or --run-root")
    return folder


def run_folder(run_id: str | None, run_root: Path | None) -> Path | None:
    """Return the folder of a run: `run_root`, else `run_id` under $LIVE_TRADING_RUNS or state/runs.

    Raises
    ------
    ConfigurationError
        Both are given and name two runs.
    """
    if run_root is not None:
        if run_id not in (None, run_root.resolve().name):
            raise ConfigurationError(
                f"--run-root {run_root} and --run-id {run_id} name two runs: leave one of them out"
            )
        return run_root
    if run_id is None:
        return None
    return Path(os.environ.get("LIVE_TRADING_RUNS", "state/runs")) / run_id


def chosen_symbols(symbols: str | None, file: Path | None) -> tuple[str, ...]:
    """Return the symbols of both options, sorted; none: neither option is given, so there is no choice.

    Raises
    ------
    ConfigurationError
        The file cannot be read, or what is given names no symbol.
    """
    names = [name.strip() for name in (symbols or "").split(",")]
    if file is not None:
        try:
            names += [line.strip() for line in file.read_text().splitlines()]
        except OSError as error:
            raise ConfigurationError(f"--symbols-file {file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"--symbols-file {file}: is no text, write one symbol a line") from error
    chosen = tuple(sorted({name for name in names if name and not name.startswith("#")}))
    given = [flag for flag, value in (("--symbols", symbols), ("--symbols-file", file)) if value is not None]
    if given and not chosen:  # an empty variable or list must not come to mean every symbol
        raise ConfigurationError(f"{' and '.join(given)}: no symbol is named; name one, or leave the option out")
    return chosen


def session_date(text: str | None, flag: str) -> str | None:
    """Return a date as given, or refuse it.

    Raises
    ------
    ConfigurationError
        It is no date.
    """
    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ConfigurationError(f"{flag} {text}: write YYYY-MM-DD") from error
