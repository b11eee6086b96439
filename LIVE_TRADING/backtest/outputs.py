"""The result folder of a backtest. docs/outputs.md explains every file and column.

The folder appears whole or not at all: everything is written and synced in a temporary folder beside it, which is then
renamed. Equal runs give equal bytes, except for the times and the memory in `summary.json` and `report.html`.
"""

from __future__ import annotations

import csv
import math
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from LIVE_TRADING.backtest.decisions_file import write_decisions
from LIVE_TRADING.backtest.record import BacktestRecord, EntryBelief, EquityCurve, FillRow
from LIVE_TRADING.backtest.report import render_report
from LIVE_TRADING.backtest.summary import exact, figures, summary
from LIVE_TRADING.backtest.trades import QUANTUM
from LIVE_TRADING.common.determinism import sorted_items
from LIVE_TRADING.common.exceptions import ConfigurationError, StateError
from LIVE_TRADING.common.strict_json import json_bytes
from LIVE_TRADING.common.units import iso_utc, plain

SUMMARY = "summary.json"
RUN = "run.json"
RUN_FORMAT = 1
FILES = (
    SUMMARY,
    RUN,
    "trades.csv",
    "orders.csv",
    "rejections.csv",
    "fills.csv",
    "decisions.parquet",
    "equity.csv",
    "report.html",
)

TRADE_COLUMNS = (
    "entry_time_utc",
    "exit_time_utc",
    "symbol",
    "side",
    "horizon",
    "quantity",
    "entry_price",
    "exit_price",
    "entry_notional_usd",
    "gross_pnl_usd",
    "spread_and_slippage_usd",
    "fees_usd",
    "net_pnl_usd",
    "cost_model_bps",
    "exit_reason",
    "entry_order_id",
    "exit_order_id",
    "spread_usd",
    "alpha_bps",
    "cost_model_spread_bps",
    "cost_model_impact_bps",
    "cost_model_fees_bps",
    "family_shares",
)
ORDER_COLUMNS = (
    "time_utc",
    "order_number",
    "order_id",
    "symbol",
    "leg",
    "side",
    "quantity",
    "order_type",
    "time_in_force",
    "status",
    "filled_quantity",
    "avg_price",
    "fees_usd",
    "spread_and_slippage_usd",
    "reason",
)
REJECTION_COLUMNS = ("time_utc", "symbol", "leg", "side", "quantity", "rule_id", "message")
FILL_COLUMNS = (
    "time_utc",
    "symbol",
    "leg",
    "side",
    "quantity",
    "price",
    "fee",
    "currency",
    "order_id",
    "execution_id",
)
EQUITY_COLUMNS = ("time_utc", "cash_usd", "positions_usd", "equity_usd")

Rows = Iterable[Sequence[str | int]]


def check_out_folder(out: Path) -> None:
    """Refuse a result folder that may not be replaced; meant for before the run, and repeated before the rename.

    Raises
    ------
    ConfigurationError
        It is a file, or holds something that no earlier run wrote there.
    """
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir():
        raise ConfigurationError(f"--out {out}: is not a folder; give a new or an empty one")
    names = sorted(entry.name for entry in out.iterdir())
    foreign = [name for name in names if name not in FILES]
    if foreign:
        raise ConfigurationError(
            f"--out {out}: holds {', '.join(foreign[:3])}{' and more' if len(foreign) > 3 else ''}, which no backtest "
            "wrote; give a new or an empty folder"
        )
    if names and SUMMARY not in names:
        raise ConfigurationError(f"--out {out}: is not empty and has no {SUMMARY}; give a new or an empty folder")


def write_outputs(record: BacktestRecord, out: Path) -> dict[str, Any]:
    """Write all files of a run into `out`, replacing those of an earlier run, and return the summary.

    Raises
    ------
    ConfigurationError
        As `check_out_folder`.
    StateError
        The file system refused; what was there before is kept.
    """
    out = out.resolve()
    check_out_folder(out)
    run = figures(record)
    contents = summary(record, run)
    temp = out.with_name(f".{out.name}.{os.getpid()}.tmp~")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temp, ignore_errors=True)
        temp.mkdir()
        _write_files(record, temp)
        (temp / SUMMARY).write_bytes(summary_json(contents))
        (temp / RUN).write_bytes(json_bytes(run_description(record), indent=True) + b"\n")
        (temp / "report.html").write_text(render_report(record, run), encoding="utf-8")
        _sync(temp)
        check_out_folder(out)
        _swap(temp, out)
    except OSError as error:
        raise StateError(f"{out}: results cannot be written ({error}); check space and permissions") from error
    finally:
        shutil.rmtree(temp, ignore_errors=True)
    return contents


def _write_files(record: BacktestRecord, folder: Path) -> None:
    _write_csv(folder / "trades.csv", TRADE_COLUMNS, trade_rows(record))
    _write_csv(folder / "orders.csv", ORDER_COLUMNS, order_rows(record))
    _write_csv(folder / "rejections.csv", REJECTION_COLUMNS, rejection_rows(record))
    _write_csv(folder / "fills.csv", FILL_COLUMNS, fill_rows(record))
    _write_csv(folder / "equity.csv", EQUITY_COLUMNS, equity_rows(record.equity))
    write_decisions(folder / "decisions.parquet", record.decisions, record.scope.symbols)


def _swap(temp: Path, out: Path) -> None:
    """Rename `temp` to `out`; a folder that is there is moved aside first, and back if the rename fails."""
    aside = out.with_name(f".{out.name}.{os.getpid()}.old~")
    if not out.exists():
        temp.rename(out)
    else:
        shutil.rmtree(aside, ignore_errors=True)
        out.rename(aside)
        try:
            temp.rename(out)
        except OSError:
            aside.rename(out)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    _sync_one(out.parent)


def _sync(folder: Path) -> None:
    for entry in sorted(folder.iterdir()):
        _sync_one(entry)
    _sync_one(folder)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_csv(path: Path, columns: Sequence[str], rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def summary_json(contents: dict[str, Any]) -> bytes:
    """Return the summary as JSON. Decimals are numbers with all their digits, NaN is null, infinity is refused."""
    return json_bytes(_numbers(contents), indent=True) + b"\n"


def _numbers(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(plain(value))
    if isinstance(value, dict):
        return {key: _numbers(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_numbers(member) for member in value]
    return value


def run_description(record: BacktestRecord) -> dict[str, Any]:
    """Return the contents of run.json: what was run, for a program that compares runs."""
    scope, identity = record.scope, record.identity
    return {
        "format": RUN_FORMAT,
        "run_id": identity.run_id,
        "data_hash": identity.data_hash,
        "calendar": scope.calendar,
        "timezone": scope.timezone,
        "interval_ns": scope.interval_ns,
        "sessions_per_year": scope.sessions_per_year,
        "quotes_estimated": scope.quotes_estimated,
        "symbols": list(scope.symbols),
        "horizons": list(record.decisions.horizons),
        "families": list(scope.families),
        "models": dict(sorted(identity.models.items())),
        "sessions": [
            {"date": session.date, "open_utc": iso_utc(session.open_ns), "close_utc": iso_utc(session.close_ns)}
            for session in scope.sessions
        ],
        "config": dict(sorted_items(record.config)),
    }


def trade_rows(record: BacktestRecord) -> Rows:
    """Yield the rows of trades.csv."""
    for trade in record.trades:
        yield (
            iso_utc(trade.entry_time_ns),
            iso_utc(trade.exit_time_ns),
            trade.symbol,
            trade.side,
            trade.horizon,
            plain(trade.quantity),
            plain(trade.entry_price),
            plain(trade.exit_price),
            plain(trade.entry_notional_usd),
            plain(trade.gross_pnl_usd),
            plain(trade.slippage_usd),
            plain(trade.fees_usd),
            plain(trade.net_pnl_usd),
            _float(trade.cost_model_bps),
            trade.exit_reason,
            trade.entry_order_id,
            trade.exit_order_id,
            _float(trade.spread_usd),
            *_belief(trade.belief, record.scope.families),
        )


def _belief(belief: EntryBelief | None, families: Sequence[str]) -> tuple[str, ...]:
    if belief is None:
        return ("",) * 5
    shares = zip(families, belief.family_shares, strict=True)
    return (
        _float(belief.alpha_bps),
        _float(belief.cost_spread_bps),
        _float(belief.cost_impact_bps),
        _float(belief.cost_fees_bps),
        ";".join(f"{family}={share!r}" for family, share in shares),
    )


def _float(value: float) -> str:
    """Return a float so that it reads back exactly; nothing for NaN."""
    return "" if math.isnan(value) else repr(float(value))


def order_rows(record: BacktestRecord) -> Rows:
    """Yield the rows of orders.csv, fees and slippage summed over each order's fills."""
    fees = _by_order(record.fills, lambda fill: fill.fee)
    slippage = _by_order(record.fills, lambda fill: fill.slippage_usd)
    for order in record.orders:
        yield (
            iso_utc(order.time_ns),
            order.order_number,
            order.order_id,
            order.symbol,
            order.leg.value,
            order.side.value,
            plain(order.quantity),
            order.order_type,
            order.time_in_force,
            order.status,
            plain(order.filled_quantity),
            "" if order.avg_price is None else plain(order.avg_price.quantize(QUANTUM)),
            plain(fees.get(order.order_id, Decimal(0))),
            plain(slippage.get(order.order_id, Decimal(0))),
            order.reason,
        )


def _by_order(fills: Sequence[FillRow], amount: Callable[[FillRow], Decimal]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for fill in fills:
        sums[fill.order_id] = sums.get(fill.order_id, Decimal(0)) + amount(fill)
    return sums


def rejection_rows(record: BacktestRecord) -> Rows:
    """Yield the rows of rejections.csv."""
    for row in record.rejections:
        yield (
            iso_utc(row.time_ns),
            row.symbol,
            row.leg.value,
            row.side.value,
            plain(row.quantity),
            row.rule_id,
            row.message,
        )


def fill_rows(record: BacktestRecord) -> Rows:
    """Yield the rows of fills.csv."""
    for fill in record.fills:
        yield (
            iso_utc(fill.time_ns),
            fill.symbol,
            fill.leg.value,
            fill.side.value,
            plain(fill.quantity),
            plain(fill.price),
            plain(fill.fee),
            fill.currency,
            fill.order_id,
            fill.execution_id,
        )


def equity_rows(curve: EquityCurve) -> Rows:
    """Yield the rows of equity.csv."""
    columns = (curve.cash_usd, curve.positions_usd, curve.equity_usd)
    for time_ns, cash, positions, equity in zip(curve.time_ns.tolist(), *columns, strict=True):
        yield iso_utc(time_ns), plain(exact(cash)), plain(exact(positions)), plain(exact(equity))
