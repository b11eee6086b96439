"""Geometry of the pages' charts: numbers in, SVG paths and ticks out. No text is drawn inside an SVG.

A chart's box is 1000 wide and 100 high and stretches with the page; labels are HTML placed beside it by share of the
box, so they stay readable at any width. Dots are lines of no length with round ends, which do not stretch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.types import FloatArray, IntArray

WIDTH = 1000.0
HEIGHT = 100.0
MAX_POINTS = 1000
Label = Callable[[float, float], str]


@dataclass(frozen=True, slots=True)
class Tick:
    """A label and its place, as a share of the box from the left or from the bottom."""

    at_frac: float
    label: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: `lines` and `area` are SVG path data, the area that of the first line."""

    lines: tuple[str, ...]
    area: str
    ticks: tuple[Tick, ...]
    axis: Axis

    @property
    def line(self) -> str:
        """Return the first line."""
        return self.lines[0]

    @property
    def zero(self) -> float | None:
        """Return where zero is, as a share from the bottom; None where the axis does not reach it."""
        return self.axis.share(0.0) if self.axis.low <= 0.0 <= self.axis.high else None


@dataclass(frozen=True, slots=True)
class Axis:
    """The vertical axis of a chart."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Return where a value is, as a share from the bottom."""
        return (value - self.low) / (self.high - self.low)

    def y(self, values: FloatArray) -> FloatArray:
        """Return values in box units, from the top."""
        return HEIGHT * (self.high - values) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a bar chart, in box units."""

    x: float
    y: float
    width: float
    height: float
    negative: bool


@dataclass(frozen=True, slots=True)
class Span:
    """One bar of a row of a table, from zero: its place and length in percent of the row."""

    left: float
    width: float


def thinned(values: FloatArray, keep: int = MAX_POINTS) -> IntArray:
    """Return the rows to draw: all, or first, last and each stretch's extremes, so that none of these is lost.

    NaN is no extreme; a stretch of nothing else keeps its first row, so that a gap stays one.
    """
    n = len(values)
    if n <= keep:
        return np.arange(n, dtype=np.int64)
    rows = [0, n - 1]
    low, high = np.nan_to_num(values, nan=np.inf), np.nan_to_num(values, nan=-np.inf)
    for stretch in np.array_split(np.arange(n), keep // 2):
        rows += [int(stretch[np.argmin(low[stretch])]), int(stretch[np.argmax(high[stretch])])]
    return np.unique(np.array(rows, dtype=np.int64))


def panel(
    rows: IntArray,
    n: int,
    series: Sequence[FloatArray],
    label: Label,
    span: Sequence[float] = (),
    steps: int = 4,
) -> Panel:
    """Return the lines through `values[rows]` of each series, the ticks, and the area between the first and the top.

    Parameters
    ----------
    rows, n
        Rows that are drawn, of n in all; x is the row, not the time, so that nights take no room.
    series
        One or more arrays of shape (n,); NaN is a gap. At least one value must be known.
    label
        Text of a tick from its value and the distance between ticks.
    span
        Values that the axis shows in any case.
    steps
        About how many steps the axis has.
    """
    shown = [values[rows] for values in series]
    known = np.concatenate([values[np.isfinite(values)] for values in shown])
    low, high, ticks = scale([*known.tolist(), *span], steps)
    axis = Axis(low, high)
    x = rows / max(1, n - 1) * WIDTH
    lines = tuple(path(x, axis.y(values)) for values in shown)
    area = f"{lines[0]} L{x[-1]:.1f} 0 L{x[0]:.1f} 0 Z"
    step = ticks[1] - ticks[0]
    return Panel(lines, area, tuple(Tick(axis.share(v), label(v, step)) for v in ticks), axis)


def path(x: FloatArray, y: FloatArray) -> str:
    """Return the line through points, broken where y is NaN."""
    parts, drawing = [], False
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if math.isnan(b):
            drawing = False
            continue
        parts.append(f"{'L' if drawing else 'M'}{a:.1f} {b:.2f}")
        drawing = True
    return " ".join(parts)


def dots(x: FloatArray, y: FloatArray) -> str:
    """Return a dot at each point."""
    return "".join(f"M{a:.1f} {b:.2f}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def bars(starts: FloatArray, ends: FloatArray, values: FloatArray, label: Label) -> tuple[list[Bar], tuple[Tick, ...]]:
    """Return bars from zero, and ticks; `starts` and `ends` are shares of the width."""
    low, high, ticks = scale([0.0, *values.tolist()])
    unit = HEIGHT / (high - low)
    drawn = [
        Bar(
            round(start * WIDTH, 2),
            round((high - max(value, 0.0)) * unit, 2),
            round(max((end - start) * WIDTH, 0.5), 2),
            round(abs(value) * unit, 2),
            value < 0,
        )
        for start, end, value in zip(starts.tolist(), ends.tolist(), values.tolist(), strict=True)
    ]
    step = ticks[1] - ticks[0]
    return drawn, tuple(Tick((v - low) / (high - low), label(v, step)) for v in ticks)


def spans(values: Sequence[float]) -> tuple[list[Span], float]:
    """Return the bars from zero of the rows of a table, on one scale, and where zero is, in percent of the row."""
    low, high = min([0.0, *values]), max([0.0, *values])
    room = max(high - low, 1e-9)
    rows = [Span((min(value, 0.0) - low) / room * 100, abs(value) / room * 100) for value in values]
    return rows, -low / room * 100


def scale(values: list[float], wanted: int = 4) -> tuple[float, float, list[float]]:
    """Return lower end, upper end and ticks of an axis that holds all values, in steps of 1, 2 or 5 · 10ⁿ."""
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = max(abs(high) * 1e-3, 1e-3)
        low, high = low - pad, high + pad
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [number * step for number in range(first, last + 1)]
    return ticks[0], ticks[-1], ticks


def spaced(n: int, wanted: int) -> list[int]:
    """Return about `wanted` rows out of n, evenly spaced, the first among them."""
    step = max(1, math.ceil(n / wanted))
    return list(range(0, n, step))
