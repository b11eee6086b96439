"""The output folders of backtests, read for a comparison and checked to fit together."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from LIVE_TRADING.backtest import metrics
from LIVE_TRADING.backtest.outputs import RUN, RUN_FORMAT, SUMMARY
from LIVE_TRADING.backtest.summary import SUMMARY_FORMAT
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.pages.numbers import count

EQUITY = "equity.csv"
AT_MOST = 12
CENT = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """One backtest as its folder tells it; `returns` are those of its sessions, `dates` the sessions', shape (S,)."""

    label: str
    folder: Path
    summary: Mapping[str, Any]
    run: Mapping[str, Any]
    dates: tuple[str, ...]
    returns: FloatArray


def read_outputs(folders: Sequence[Path]) -> tuple[Output, ...]:
    """Read the folders that backtests wrote.

    Raises
    ------
    ConfigurationError
        There are fewer than two or more than twelve, one is given twice, or one is no output of a backtest.
    """
    if not 2 <= len(folders) <= AT_MOST:
        raise ConfigurationError(
            f"compare_runs: {count(len(folders), 'folder')} given; compare 2 to {AT_MOST} outputs of bin.run_backtest"
        )
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise ConfigurationError(f"{folder}: is given twice; name each output once")
    return tuple(_read(folder, label) for folder, label in zip(folders, _labels(places), strict=True))


def _labels(places: Sequence[Path]) -> list[str]:
    """Return the shortest ends of the paths that tell the folders apart."""
    for depth in range(1, max(len(place.parts) for place in places)):
        labels = ["/".join(place.parts[-depth:]) for place in places]
        if len(set(labels)) == len(labels):
            return labels
    return [str(place) for place in places]


def _read(folder: Path, label: str) -> Output:
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: is no folder; give one that bin.run_backtest wrote")
    summary = _json(folder, SUMMARY, SUMMARY_FORMAT)
    run = _json(folder, RUN, RUN_FORMAT)
    try:
        closes = [session["close_utc"] for session in run["sessions"]]
        dates = tuple(session["date"] for session in run["sessions"])
        start = float(summary["start_equity_usd"])
        times, equity = _equity(folder / EQUITY)
        _check_account(folder, summary, start, float(equity[-1]) if len(equity) else start)
        returns = metrics.session_returns(_closing(times, equity, closes, start), start)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{folder}: its files do not fit together ({error}); run the backtest again"
        ) from error
    return Output(label, folder, summary, run, dates, returns)


def _json(folder: Path, name: str, known: int) -> dict[str, Any]:
    try:
        read = orjson.loads((folder / name).read_bytes())
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{folder}: is no output of a backtest, for it has no {name}; give a folder that bin.run_backtest of this "
            "version wrote"
        ) from error
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigurationError(f"{folder / name}: cannot be read ({error}); run the backtest again") from error
    found = read.get("format") if isinstance(read, dict) else None
    if found != known:
        raise ConfigurationError(f"{folder / name}: format {found}, known is {known}; run the backtest again")
    contents: dict[str, Any] = read
    return contents


def _equity(path: Path) -> tuple[np.ndarray, FloatArray]:
    """Return time (datetime64) and equity of every bar end, shape (B,).

    Raises
    ------
    ConfigurationError
        A line lacks its time or its equity, or holds something else there; the file and the line are named.
    """
    times: list[np.datetime64] = []
    equity: list[float] = []
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        for row in reader:
            time, amount = row.get("time_utc"), row.get("equity_usd")
            try:
                if time is None or amount is None:
                    raise ValueError("it has no time_utc or no equity_usd")
                times.append(np.datetime64(time.removesuffix("Z"), "ns"))
                equity.append(float(amount))
            except ValueError as error:
                raise ConfigurationError(
                    f"{path}: line {reader.line_num} is cut off or altered ({error}); run the backtest again"
                ) from error
    return np.array(times, dtype="datetime64[ns]"), np.array(equity, dtype=np.float64)


def _check_account(folder: Path, summary: Mapping[str, Any], start: float, end: float) -> None:
    """Refuse a summary whose account is not that of the equity curve, to the cent."""
    for key, expected in (("end_equity_usd", end), ("net_pnl_usd", end - start)):
        found = float(summary[key])
        if not math.isclose(found, expected, rel_tol=1e-9, abs_tol=CENT):
            raise ConfigurationError(
                f"{folder / SUMMARY}: {key} is {found:,.2f}, by {EQUITY} beside it {expected:,.2f}: one of the two is "
                "cut off or altered; run the backtest again"
            )


def _closing(times: np.ndarray, equity: FloatArray, closes: Sequence[str], start: float) -> FloatArray:
    """Return the equity at each session's last bar; a session without a bar keeps the one before."""
    ends = np.array([close.removesuffix("Z") for close in closes], dtype="datetime64[ns]")
    closing: FloatArray = np.concatenate(([start], equity))[np.searchsorted(times, ends, side="right")]
    return closing
