"""Geometry of the report's charts: numbers in, SVG paths and ticks out. No text is drawn inside an SVG.

A chart's box is 1000 wide and 100 high and stretches with the page; labels are HTML placed beside it by share of the
box, so they stay readable at any width.
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


@dataclass(frozen=True, slots=True)
class Tick:
    """A label and its place, as a share of the box from the left or from the bottom."""

    at_frac: float
    label: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: `line` and `area` are SVG path data."""

    line: str
    area: str
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a bar chart, in box units."""

    x: float
    y: float
    width: float
    height: float
    negative: bool


def thinned(values: FloatArray, keep: int = MAX_POINTS) -> IntArray:
    """Return the rows to draw: all, or first, last and each stretch's extremes, so that none of these is lost."""
    n = len(values)
    if n <= keep:
        return np.arange(n, dtype=np.int64)
    rows = [0, n - 1]
    for stretch in np.array_split(np.arange(n), keep // 2):
        rows += [int(stretch[np.argmin(values[stretch])]), int(stretch[np.argmax(values[stretch])])]
    return np.unique(np.array(rows, dtype=np.int64))


def panel(
    rows: IntArray,
    n: int,
    values: FloatArray,
    label: Callable[[float, float], str],
    span: Sequence[float] = (),
    steps: int = 4,
) -> Panel:
    """Return the line through `values[rows]`, its ticks, and the area between the line and the top of the box.

    Parameters
    ----------
    rows, n
        Rows that are drawn, of n in all; x is the row, not the time, so that nights take no room.
    label
        Text of a tick from its value and the distance between ticks.
    span
        Values that the axis shows in any case.
    steps
        About how many steps the axis has.
    """
    shown = values[rows]
    low, high, ticks = scale([*shown.tolist(), *span], steps)
    step = ticks[1] - ticks[0]
    x = rows / max(1, n - 1) * WIDTH
    y = HEIGHT * (high - shown) / (high - low)
    line = "M" + " L".join(f"{a:.1f} {b:.2f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    area = f"{line} L{x[-1]:.1f} 0 L{x[0]:.1f} 0 Z"
    return Panel(line, area, tuple(Tick((v - low) / (high - low), label(v, step)) for v in ticks))


def bars(
    starts: FloatArray, ends: FloatArray, values: FloatArray, label: Callable[[float, float], str]
) -> tuple[list[Bar], tuple[Tick, ...]]:
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
