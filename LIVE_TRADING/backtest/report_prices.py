"""Trades on price: for the most traded symbols the latest round trips, drawn on the line of closes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from LIVE_TRADING.backtest.record import LONG, BacktestRecord, PriceLine, TradeRow
from LIVE_TRADING.common.types import IntArray
from LIVE_TRADING.common.units import NS_PER_DAY, utc_datetime
from LIVE_TRADING.pages import charts
from LIVE_TRADING.pages.numbers import decimals, duration, minute_utc, price, tone, usd

TRIPS_SHOWN = 20  # of a symbol, the latest
LINE_POINTS = 500
MARGIN_BARS = 12  # drawn before the first entry and after the last exit


@dataclass(frozen=True, slots=True)
class Mark:
    """An entry on the chart; places as shares of the box, from the left and from the bottom."""

    left: float
    bottom: float
    glyph: str
    tone: str


def price_charts(record: BacktestRecord) -> list[dict[str, Any]]:
    """Return one chart per symbol whose closes the record holds, most traded first."""
    drawn = []
    for symbol, line in record.prices.items():
        trips = [trade for trade in record.trades if trade.symbol == symbol]
        if trips and np.isfinite(line.close).any():
            drawn.append(_chart(symbol, line, trips[-TRIPS_SHOWN:], len(trips)))
    return drawn


def _chart(symbol: str, line: PriceLine, trips: Sequence[TradeRow], in_all: int) -> dict[str, Any]:
    entered = _rows_of(line, [trade.entry_time_ns for trade in trips])
    left = _rows_of(line, [trade.exit_time_ns for trade in trips])
    first = max(0, int(entered.min()) - MARGIN_BARS)
    last = min(len(line.time_ns), int(left.max()) + MARGIN_BARS + 1)
    closes, times = line.close[first:last], line.time_ns[first:last]
    n = last - first
    paid = np.array([float(trade.entry_price) for trade in trips])
    got = np.array([float(trade.exit_price) for trade in trips])
    panel = charts.panel(charts.thinned(closes, LINE_POINTS), n, [closes], _price_tick, span=[*paid, *got])
    # a fill is at the open of its bar, which the line reaches half a step before that bar's end
    x_in, x_out = (np.clip((rows - first - 0.5) / max(1, n - 1), 0.0, 1.0) for rows in (entered, left))
    y_in, y_out = panel.axis.y(paid), panel.axis.y(got)
    won = np.array([trade.net_pnl_usd > 0 for trade in trips])
    return {
        "symbol": symbol,
        "title": f"the latest {len(trips)} of {in_all:,} round trips" if in_all > len(trips) else _all_of(in_all),
        "panel": panel,
        "gains": _segments(x_in, y_in, x_out, y_out, won),
        "losses": _segments(x_in, y_in, x_out, y_out, ~won),
        "exits": charts.dots(x_out * charts.WIDTH, y_out),
        "marks": [
            Mark(
                float(x) * 100,
                panel.axis.share(float(level)) * 100,
                "▲" if trade.side == LONG else "▼",
                "long" if trade.side == LONG else "short",
            )
            for x, level, trade in zip(x_in, paid, trips, strict=True)
        ],
        "dates": _dates(times),
        "rows": [_row(trade) for trade in trips],
    }


def _all_of(number: int) -> str:
    return "its only round trip" if number == 1 else f"all {number} round trips"


def _rows_of(line: PriceLine, times_ns: Sequence[int]) -> IntArray:
    """Return the rows of the bars that begin at these times."""
    rows = np.searchsorted(line.time_ns, np.array(times_ns, dtype=np.int64), side="right")
    return np.minimum(rows, len(line.time_ns) - 1).astype(np.int64)


def _segments(x_in: Any, y_in: Any, x_out: Any, y_out: Any, chosen: Any) -> str:
    """Return the straight lines from entries to exits."""
    ends = zip(x_in[chosen], y_in[chosen], x_out[chosen], y_out[chosen], strict=True)
    return "".join(f"M{a * charts.WIDTH:.1f} {b:.2f}L{c * charts.WIDTH:.1f} {d:.2f}" for a, b, c, d in ends)


def _dates(times: IntArray) -> list[charts.Tick]:
    """Return where days begin, about five of them; within one day, instants."""
    n = len(times)
    days = times // NS_PER_DAY
    starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
    if len(starts) > 1:
        chosen = starts[charts.spaced(len(starts), 5)]
        return [
            charts.Tick(row / max(1, n - 1), f"{utc_datetime(int(times[row])):%Y-%m-%d}") for row in chosen.tolist()
        ]
    return [
        charts.Tick(row / max(1, n - 1), f"{utc_datetime(int(times[row])):%m-%d %H:%M} UTC")
        for row in charts.spaced(n, 4)
    ]


def _price_tick(value: float, step: float) -> str:
    return f"{value:,.{decimals(step)}f}"


def _row(trade: TradeRow) -> dict[str, str]:
    return {
        "entered": minute_utc(trade.entry_time_ns),
        "held": duration((trade.exit_time_ns - trade.entry_time_ns) / 1e9),
        "side": trade.side,
        "horizon": trade.horizon or "none",
        "quantity": f"{trade.quantity.normalize():f}",
        "entry": price(trade.entry_price),
        "exit": price(trade.exit_price),
        "net": usd(trade.net_pnl_usd),
        "tone": tone(trade.net_pnl_usd),
    }
