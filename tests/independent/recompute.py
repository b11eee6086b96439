"""An independent recomputation of a backtest's account, from its fills.

Imports nothing of LIVE_TRADING and uses no float for money: cash, positions, fees and round trips are folded from
fills.csv with decimal, positions are valued at the closes of a bars file, fills are compared with its opens, and every
figure is held against equity.csv, trades.csv and summary.json to the cent. Also a command:

    python tests/independent/recompute.py OUT --start-cash 100000 [--bars BARS --interval-minutes 5]

prints what differs and ends with 1, or says that nothing does.

A fill's time is the open of its bar, and the account knows of it at that bar's end, plus the venue's latency if it has
one: a row of equity.csv holds the fills before its own time. A bar's timestamp is its start; its close is known one
interval later.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

ZERO = Decimal(0)
HALF_A_CENT = Decimal("0.005")
MAX_DIFFERENCES = 20


@dataclass(frozen=True)
class Fill:
    """One row of fills.csv."""

    time: datetime
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal

    @property
    def signed(self) -> Decimal:
        return self.quantity if self.side == "buy" else -self.quantity


@dataclass
class Bars:
    """One symbol's bars in order of time: ends and closes, and the opens by start."""

    ends: list[datetime] = field(default_factory=list)
    closes: list[Decimal] = field(default_factory=list)
    opens: dict[datetime, Decimal] = field(default_factory=dict)


Market = Mapping[str, Bars]


@dataclass(frozen=True)
class Trip:
    """One closed round trip."""

    symbol: str
    side: str
    entry_time: datetime
    exit_time: datetime
    fees: Decimal
    net_pnl: Decimal


@dataclass
class Recomputation:
    """What the fills say, and where the files say otherwise."""

    cash: Decimal
    positions: dict[str, Decimal] = field(default_factory=dict)
    fees: Decimal = ZERO
    trips: list[Trip] = field(default_factory=list)
    equity_rows: int = 0
    equity: Decimal | None = None
    differences: list[str] = field(default_factory=list)

    def differ(self, what: str, recomputed: object, reported: object) -> None:
        self.differences.append(f"{what}: recomputed {recomputed}, reported {reported}")

    def compare(self, what: str, recomputed: Decimal, reported: Decimal) -> None:
        if abs(recomputed - reported) > HALF_A_CENT:
            self.differ(what, recomputed, reported)


def recompute(
    out: Path,
    start_cash: Decimal | str,
    *,
    bars: Path | None = None,
    interval_minutes: int | None = None,
    fill_latency_ms: int = 0,
) -> Recomputation:
    """Return the account that the fills in `out` make, with the differences to what `out` reports.

    Without `bars` the value of positions is taken from equity.csv, so that only its sum with cash is checked, and
    spread and slippage from summary.json.
    """
    interval = timedelta(minutes=interval_minutes) if interval_minutes is not None else None
    latency = timedelta(milliseconds=fill_latency_ms)
    with localcontext() as context:
        context.prec = 50
        fills = read_fills(out / "fills.csv")
        result = Recomputation(cash=Decimal(start_cash))
        market = read_market(bars, interval) if bars is not None else None
        delay = latency + interval if interval is not None else timedelta(microseconds=1)
        _walk(result, fills, delay, out / "equity.csv", market)
        result.trips = round_trips(fills)
        _check_trades(result, out / "trades.csv")
        _check_summary(result, fills, Decimal(start_cash), market, out / "summary.json")
    return result


def read_fills(path: Path) -> list[Fill]:
    """Return the rows of fills.csv as they stand."""
    return [
        Fill(
            moment(row["time_utc"]),
            row["symbol"],
            row["side"],
            Decimal(row["quantity"]),
            Decimal(row["price"]),
            Decimal(row["fee"]),
        )
        for row in rows_of(path)
    ]


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def moment(text: str) -> datetime:
    """Return an aware UTC time; parts of a microsecond are cut."""
    if "." in text:
        whole, fraction = text.rstrip("Z").split(".")
        text = f"{whole}.{fraction[:6]:0<6}Z"
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"naive time {text}")
    return parsed.astimezone(UTC)


def _walk(result: Recomputation, fills: list[Fill], delay: timedelta, equity_csv: Path, market: Market | None) -> None:
    """Fold the fills along equity.csv, each known `delay` after its time, and compare each row."""
    todo = iter(fills)
    ahead = next(todo, None)
    for row in rows_of(equity_csv):
        now = moment(row["time_utc"])
        while ahead is not None and ahead.time + delay <= now:
            _book(result, ahead)
            ahead = next(todo, None)
        result.equity_rows += 1
        reported = {name: Decimal(row[name]) for name in ("cash_usd", "positions_usd", "equity_usd")}
        result.compare(f"cash at {now.isoformat()}", result.cash, reported["cash_usd"])
        value = reported["positions_usd"]
        if market is not None:
            value = _value(result, market, now)
            result.compare(f"positions at {now.isoformat()}", value, reported["positions_usd"])
        result.equity = result.cash + value
        result.compare(f"equity at {now.isoformat()}", result.equity, reported["equity_usd"])
        if len(result.differences) >= MAX_DIFFERENCES:
            result.differences.append("and perhaps more")
            break
    while ahead is not None:
        result.differences.append(f"no row of equity.csv knows the fill of {ahead.symbol} at {ahead.time.isoformat()}")
        _book(result, ahead)
        ahead = next(todo, None)


def _book(result: Recomputation, fill: Fill) -> None:
    result.cash -= fill.signed * fill.price + fill.fee
    result.fees += fill.fee
    position = result.positions.get(fill.symbol, ZERO) + fill.signed
    if position:
        result.positions[fill.symbol] = position
    else:
        result.positions.pop(fill.symbol, None)


def _value(result: Recomputation, market: Market, now: datetime) -> Decimal:
    total = ZERO
    for symbol, quantity in sorted(result.positions.items()):
        bars = market.get(symbol, Bars())
        known = bisect_right(bars.ends, now)
        if known == 0:
            result.differences.append(f"no close of {symbol} at or before {now.isoformat()}")
            continue
        total += quantity * bars.closes[known - 1]
    return total


def read_market(path: Path, interval: timedelta | None) -> Market:
    """Return the bars by symbol, those without a close left out."""
    if interval is None:
        raise ValueError("a bars file needs its interval in minutes")
    market: dict[str, Bars] = {}
    rows = _parquet_rows(path) if path.suffix == ".parquet" else _csv_rows(path)
    for symbol, start, opened, close in sorted(rows, key=lambda row: row[:2]):
        bars = market.setdefault(symbol, Bars())
        bars.ends.append(start + interval)
        bars.closes.append(close)
        bars.opens[start] = opened
    return market


def _csv_rows(path: Path) -> Iterator[tuple[str, datetime, Decimal, Decimal]]:
    for row in rows_of(path):
        if row["close"] not in ("", "nan", "NaN"):
            start = moment(row["timestamp"].replace(" ", "T"))
            yield row["symbol"], start, Decimal(row["open"]), Decimal(row["close"])


def _parquet_rows(path: Path) -> Iterator[tuple[str, datetime, Decimal, Decimal]]:
    import pyarrow.parquet as pq

    names = ["symbol", "timestamp", "open", "close"]
    table = pq.read_table(path, columns=names)
    for symbol, start, opened, close in zip(*(table.column(name).to_pylist() for name in names), strict=True):
        if close is not None and close == close:
            yield symbol, start.astimezone(UTC), Decimal(repr(opened)), Decimal(repr(close))


def round_trips(fills: list[Fill]) -> list[Trip]:
    """Return the closed round trips, flat to flat; a fill that crosses zero is split, its fee by quantity."""
    trips: list[Trip] = []
    open_trips: dict[str, tuple[datetime, Decimal, Decimal, Decimal]] = {}  # entry time, position, cash, fees
    for fill in fills:
        rest = fill.signed
        while rest:
            entry_time, position, cash, fees = open_trips.pop(fill.symbol, (fill.time, ZERO, ZERO, ZERO))
            part = rest if position * rest >= 0 or abs(rest) <= abs(position) else -position
            rest -= part
            fees += fill.fee * abs(part) / fill.quantity
            cash -= part * fill.price
            if position + part:
                open_trips[fill.symbol] = (entry_time, position + part, cash, fees)
            else:
                side = "long" if position > 0 else "short"
                trips.append(Trip(fill.symbol, side, entry_time, fill.time, fees, cash - fees))
    return trips


def _check_trades(result: Recomputation, trades_csv: Path) -> None:
    reported = list(rows_of(trades_csv))
    if len(reported) != len(result.trips):
        result.differ("round trips", len(result.trips), len(reported))
        return
    recomputed = sorted(result.trips, key=lambda trip: (trip.exit_time, trip.symbol, trip.entry_time))
    reported.sort(key=lambda row: (moment(row["exit_time_utc"]), row["symbol"], moment(row["entry_time_utc"])))
    for trip, row in zip(recomputed, reported, strict=True):
        name = f"round trip of {trip.symbol} to {trip.exit_time.isoformat()}"
        mine = (trip.symbol, trip.side, trip.entry_time, trip.exit_time)
        theirs = (row["symbol"], row["side"], moment(row["entry_time_utc"]), moment(row["exit_time_utc"]))
        if mine != theirs:
            result.differ(name, mine, theirs)
            continue
        result.compare(f"{name}, fees", trip.fees, Decimal(row["fees_usd"]))
        result.compare(f"{name}, net", trip.net_pnl, Decimal(row["net_pnl_usd"]))


def slippage(fills: list[Fill], market: Market) -> Decimal:
    """Return what the fills cost against the opens of their bars."""
    return sum((fill.signed * (fill.price - market[fill.symbol].opens[fill.time]) for fill in fills), ZERO)


def _check_summary(
    result: Recomputation, fills: list[Fill], start_cash: Decimal, market: Market | None, summary_json: Path
) -> None:
    said: dict[str, Any] = json.loads(summary_json.read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal)
    end = result.equity if result.equity is not None else result.cash
    slipped = said["spread_and_slippage_usd"] if market is None else slippage(fills, market)
    amounts = {
        "start_equity_usd": start_cash,
        "end_equity_usd": end,
        "fees_usd": result.fees,
        "net_pnl_usd": end - start_cash,
        "spread_and_slippage_usd": slipped,
        "gross_pnl_usd": end - start_cash + result.fees + slipped,
    }
    for name, amount in amounts.items():
        result.compare(f"summary {name}", amount, said[name])
    counts = {
        "fills": len(fills),
        "long_trades": sum(trip.side == "long" for trip in result.trips),
        "short_trades": sum(trip.side == "short" for trip in result.trips),
    }
    for name, number in counts.items():
        if said[name] != number:
            result.differ(f"summary {name}", number, said[name])
    held = {entry["symbol"]: _signed(entry) for entry in said.get("open_positions", [])}
    if held != result.positions:
        result.differ("open positions", dict(sorted(result.positions.items())), dict(sorted(held.items())))


def _signed(entry: dict[str, Any]) -> Decimal:
    quantity = Decimal(entry["quantity"])
    return quantity if entry["side"] == "long" else -quantity


def main(arguments: list[str] | None = None) -> int:
    """Print the differences; return 1 if there are any."""
    parser = argparse.ArgumentParser(description="Recompute a backtest's account from its fills.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--start-cash", required=True)
    parser.add_argument("--bars", type=Path)
    parser.add_argument("--interval-minutes", type=int)
    parser.add_argument("--fill-latency-ms", type=int, default=0)
    given = parser.parse_args(arguments)
    result = recompute(
        given.out,
        given.start_cash,
        bars=given.bars,
        interval_minutes=given.interval_minutes,
        fill_latency_ms=given.fill_latency_ms,
    )
    for difference in result.differences:
        print(difference)
    if not result.differences:
        print(f"{result.equity_rows} rows, {len(result.trips)} round trips: nothing differs")
    return 1 if result.differences else 0


if __name__ == "__main__":
    sys.exit(main())
