"""Several backtests side by side: read from their output folders, compared over the sessions they have in common."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from LIVE_TRADING.backtest import metrics
from LIVE_TRADING.backtest.outputs import RUN, RUN_FORMAT, SUMMARY
from LIVE_TRADING.backtest.sharpe_inference import correlation, psr_of_returns, sharpe_difference
from LIVE_TRADING.backtest.summary import SUMMARY_FORMAT
from LIVE_TRADING.backtest.words import FEW_SESSIONS, few_sessions
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.pages.numbers import count

EQUITY = "equity.csv"
AT_MOST = 12
NOT_SET = "not set"


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """One backtest as its folder tells it; `returns` are those of its sessions, `dates` the sessions', shape (S,)."""

    label: str
    folder: Path
    summary: Mapping[str, Any]
    run: Mapping[str, Any]
    dates: tuple[str, ...]
    returns: FloatArray


@dataclass(frozen=True, slots=True)
class SpanFigures:
    """Performance over the common sessions; the keys of summary.json, from the same functions."""

    total_return: float
    sharpe_ann: float
    sharpe_se_ann: float
    psr: float
    sortino_ann: float
    calmar: float
    volatility_ann: float
    max_drawdown_frac: float


@dataclass(frozen=True, slots=True)
class Pair:
    """The first run less the second over the common sessions. Sharpe ratios are annualised."""

    first: str
    second: str
    correlation: float
    sharpe_difference: float
    sharpe_difference_se: float
    mean_difference_day: float
    mean_difference_t: float


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What is said of several runs.

    growth, drawdown
        (runs, common sessions): Π(1 + r) from 1 at the start of the first common session, and its drawdown.
    differences
        Settings that are not the same everywhere: dotted key and the value of each run, as text.
    """

    outputs: tuple[Output, ...]
    dates: tuple[str, ...]
    figures: tuple[SpanFigures, ...]
    growth: FloatArray
    drawdown: FloatArray
    pairs: tuple[Pair, ...]
    differences: tuple[tuple[str, tuple[str, ...]], ...]
    same_data: bool
    warnings: tuple[str, ...]


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
        closing = _closing_equity(folder / EQUITY, closes, float(summary["start_equity_usd"]))
        returns = metrics.session_returns(closing, float(summary["start_equity_usd"]))
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


def _closing_equity(path: Path, closes: Sequence[str], start: float) -> FloatArray:
    """Return the equity at each session's last bar; a session without a bar keeps the one before."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [(row["time_utc"].removesuffix("Z"), float(row["equity_usd"])) for row in csv.DictReader(stream)]
    times = np.array([time for time, _ in rows], dtype="datetime64[ns]") if rows else np.zeros(0, "datetime64[ns]")
    ends = np.array([close.removesuffix("Z") for close in closes], dtype="datetime64[ns]")
    padded = np.array([start, *(equity for _, equity in rows)])
    closing: FloatArray = padded[np.searchsorted(times, ends, side="right")]
    return closing


def compare(outputs: Sequence[Output]) -> Comparison:
    """Compare runs over the sessions that all of them have.

    Raises
    ------
    ConfigurationError
        They have no session in common.
    """
    shared = set(outputs[0].dates).intersection(*(output.dates for output in outputs))
    if not shared:
        spans = "; ".join(f"{output.label} {_span(output)}" for output in outputs)
        raise ConfigurationError(f"the runs have no session in common: {spans}; run them over the same span")
    dates = tuple(sorted(shared))
    returns = np.array([_of_dates(output, dates) for output in outputs])
    year = float(outputs[0].run["sessions_per_year"])
    growth = np.cumprod(1.0 + np.nan_to_num(returns, nan=0.0), axis=1)
    return Comparison(
        outputs=tuple(outputs),
        dates=dates,
        figures=tuple(_figures(row, year) for row in returns),
        growth=growth,
        drawdown=np.array([metrics.drawdown(row) for row in returns]),
        pairs=tuple(
            _pair(outputs[a], outputs[b], returns[a], returns[b], year) for a, b in combinations(range(len(outputs)), 2)
        ),
        differences=setting_differences([output.run["config"] for output in outputs]),
        same_data=len({output.run["data_hash"] for output in outputs}) == 1,
        warnings=tuple(_warnings(outputs, dates)),
    )


def same_as_before(growth: FloatArray) -> list[int | None]:
    """Return for each run the first earlier one with the very same curve (runs, sessions); None: there is none."""
    curves = [row.tobytes() for row in growth]
    firsts = [curves.index(curve) for curve in curves]
    return [first if first < number else None for number, first in enumerate(firsts)]


def _of_dates(output: Output, dates: Sequence[str]) -> FloatArray:
    row = {date: number for number, date in enumerate(output.dates)}
    return output.returns[[row[date] for date in dates]]


def _figures(returns: FloatArray, year: float) -> SpanFigures:
    return SpanFigures(
        total_return=metrics.compounded(returns),
        sharpe_ann=metrics.sharpe_ann(returns, year),
        sharpe_se_ann=metrics.sharpe_se_ann(returns, year),
        psr=psr_of_returns(returns),
        sortino_ann=metrics.sortino_ann(returns, year),
        calmar=metrics.calmar(returns, year),
        volatility_ann=metrics.volatility_ann(returns, year),
        max_drawdown_frac=metrics.max_drawdown_frac(returns),
    )


def _pair(first: Output, second: Output, a: FloatArray, b: FloatArray, year: float) -> Pair:
    difference, error = sharpe_difference(a, b)
    apart = a - b
    return Pair(
        first=first.label,
        second=second.label,
        correlation=correlation(a, b),
        sharpe_difference=difference * float(np.sqrt(year)),
        sharpe_difference_se=error * float(np.sqrt(year)),
        mean_difference_day=float(np.nanmean(apart)) if np.isfinite(apart).any() else float("nan"),
        mean_difference_t=metrics.mean_t(apart),
    )


def setting_differences(configs: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the settings that are not the same everywhere, by dotted key, with the value of each as JSON."""
    flat = [_dotted(config) for config in configs]
    keys = sorted(set().union(*flat))
    rows = [(key, tuple(settings.get(key, NOT_SET) for settings in flat)) for key in keys]
    return tuple((key, values) for key, values in rows if len(set(values)) > 1)


def _dotted(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    rows: dict[str, str] = {}
    for key, value in sorted(tree.items()):
        if isinstance(value, dict) and value:
            rows |= _dotted(value, f"{prefix}{key}.")
        else:
            rows[f"{prefix}{key}"] = orjson.dumps(value).decode()
    return rows


def _warnings(outputs: Sequence[Output], dates: Sequence[str]) -> list[str]:
    """Return what makes the runs less comparable than they look."""
    found = []
    if len(dates) < FEW_SESSIONS:
        found.append(few_sessions(len(dates)))
    if any(len(output.dates) != len(dates) for output in outputs):
        spans = "; ".join(f"{output.label} {_span(output)}" for output in outputs)
        found.append(
            f"The spans differ ({spans}): performance is compared over the {len(dates):,} common sessions, "
            f"{dates[0]} to {dates[-1]}. Trades, costs and funnel are of each whole run."
        )
    universes = [set(output.run["symbols"]) for output in outputs]
    if any(universe != universes[0] for universe in universes):
        everywhere = set.intersection(*universes)
        sizes = ", ".join(f"{o.label} {len(u):,}" for o, u in zip(outputs, universes, strict=True))
        found.append(
            f"The universes differ ({sizes} symbols, {len(everywhere):,} in all of them): not the same market."
        )
    for key, words in (
        ("calendar", "The calendars differ"),
        ("interval_ns", "The bar intervals differ"),
        ("sessions_per_year", "The years have different numbers of sessions; the first run's is used"),
    ):
        if len({output.run[key] for output in outputs}) > 1:
            found.append(f"{words}.")
    if len({output.summary["code_version"] for output in outputs}) > 1:
        versions = ", ".join(f"{output.label} {output.summary['code_version']}" for output in outputs)
        found.append(f"Different versions of the program wrote them: {versions}.")
    return found


def _span(output: Output) -> str:
    return f"{output.dates[0]} to {output.dates[-1]}" if output.dates else "no session"
