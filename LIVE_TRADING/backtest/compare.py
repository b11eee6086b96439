"""Several backtests side by side: read from their output folders, compared over the sessions they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from LIVE_TRADING.backtest import metrics
from LIVE_TRADING.backtest.compare_files import Output
from LIVE_TRADING.backtest.compare_settings import NOT_RECORDED, model_differences, models_text, setting_differences
from LIVE_TRADING.backtest.sharpe_inference import correlation, psr_of_returns, sharpe_difference
from LIVE_TRADING.backtest.words import FEW_SESSIONS, few_sessions
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import FloatArray


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
        What is not the same everywhere, with the value of each run as text: models, families, horizons and whether the
        barrier gate judged, then settings by dotted key.
    """

    outputs: tuple[Output, ...]
    dates: tuple[str, ...]
    figures: tuple[SpanFigures, ...]
    growth: FloatArray
    drawdown: FloatArray
    pairs: tuple[Pair, ...]
    differences: tuple[tuple[str, tuple[str, ...]], ...]
    same_data: bool
    same_models: bool
    warnings: tuple[str, ...]


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
        differences=(*model_differences(outputs), *setting_differences([output.run["config"] for output in outputs])),
        same_data=len({output.run["data_hash"] for output in outputs}) == 1,
        same_models=len({models_text(output) for output in outputs}) == 1,
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
    if silent := [output.label for output in outputs if models_text(output) == NOT_RECORDED]:
        found.append(
            f"Whether the models are the same is not known: run.json of {', '.join(silent)} does not name them."
        )
    return found


def _span(output: Output) -> str:
    return f"{output.dates[0]} to {output.dates[-1]}" if output.dates else "no session"
