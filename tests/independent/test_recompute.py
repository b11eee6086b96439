"""The independent recomputation finds nothing in a true account, and every change to a false one."""

# covers: R8

from __future__ import annotations

import ast
import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from backtest.backtest_records import START_CASH, synthetic
from independent import recompute as module
from independent.recompute import main, recompute

from LIVE_TRADING.backtest.outputs import write_outputs


@pytest.fixture
def run(tmp_path):
    made = synthetic(trade_rate=0.15, flatten=False)
    write_outputs(made.record, tmp_path / "out")
    made.write_bars(tmp_path / "bars.csv")
    return made, tmp_path / "out", tmp_path / "bars.csv"


def test_it_imports_nothing_of_ours():
    tree = ast.parse(Path(module.__file__).read_text())
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert names
    assert not [name for name in names if name.startswith("LIVE_TRADING")]


@pytest.mark.parametrize("flatten", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_true_account_differs_nowhere(tmp_path, seed, flatten):
    made = synthetic(seed=seed, trade_rate=0.2, flatten=flatten)
    write_outputs(made.record, tmp_path / "out")
    result = recompute(tmp_path / "out", START_CASH, bars=made.write_bars(tmp_path / "b.csv"), interval_minutes=5)
    assert result.differences == []
    assert result.equity_rows == len(made.record.equity.time_ns)
    assert result.equity == made.record.equity.equity_usd[-1]
    assert len(result.trips) == len(made.record.trades) > 5
    assert bool(result.positions) is not flatten
    assert result.fees == sum(fill.fee for fill in made.record.fills)


def test_parquet_bars_are_read_too(run, tmp_path):
    _, out, bars = run
    table = pa_csv.read_csv(bars)
    stamps = table["timestamp"].cast(pa.timestamp("us", tz="UTC"))
    pq.write_table(table.set_column(1, "timestamp", stamps), tmp_path / "bars.parquet")
    result = recompute(out, START_CASH, bars=tmp_path / "bars.parquet", interval_minutes=5)
    assert result.differences == []


def change_csv(path, row, column, value):
    lines = [line.split(",") for line in path.read_text().splitlines()]
    lines[row][lines[0].index(column)] = value
    path.write_text("\n".join(",".join(line) for line in lines) + "\n")


@pytest.mark.parametrize(
    ("file", "row", "column", "value", "named"),
    [
        pytest.param("fills.csv", 2, "price", "79.11", "cash at", id="price"),
        pytest.param("fills.csv", 2, "quantity", "999", "cash at", id="quantity"),
        pytest.param("fills.csv", 2, "fee", "0.99", "cash at", id="fee"),
        pytest.param("fills.csv", 2, "time_utc", "2025-10-17T13:35:00Z", "cash at", id="time"),
        pytest.param("equity.csv", 50, "cash_usd", "1", "cash at", id="cash"),
        pytest.param("equity.csv", 50, "positions_usd", "1", "positions at", id="positions"),
        pytest.param("equity.csv", 50, "equity_usd", "1", "equity at", id="equity"),
        pytest.param("trades.csv", 3, "net_pnl_usd", "99", "net: recomputed", id="trade-net"),
        pytest.param("trades.csv", 3, "fees_usd", "99", "fees: recomputed", id="trade-fees"),
        pytest.param("trades.csv", 3, "side", "sideways", "round trip of", id="trade-side"),
    ],
)
def test_a_false_account_is_found(run, file, row, column, value, named):
    _, out, bars = run
    change_csv(out / file, row, column, value)
    result = recompute(out, START_CASH, bars=bars, interval_minutes=5)
    assert any(named in difference for difference in result.differences)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fees_usd", 1),
        ("net_pnl_usd", 1),
        ("end_equity_usd", 1),
        ("spread_and_slippage_usd", 1),
        ("gross_pnl_usd", 1),
        ("fills", 1),
        ("long_trades", 99),
        ("open_positions", []),
    ],
)
def test_a_false_summary_is_found(run, key, value):
    _, out, bars = run
    said = json.loads((out / "summary.json").read_text())
    (out / "summary.json").write_text(json.dumps(said | {key: value}))
    result = recompute(out, START_CASH, bars=bars, interval_minutes=5)
    assert any(key.replace("_", " ") in text.replace("_", " ") for text in result.differences)


def test_a_missing_trade_and_a_late_fill_are_found(run):
    _, out, bars = run
    lines = (out / "trades.csv").read_text().splitlines()
    (out / "trades.csv").write_text("\n".join(lines[:-1]) + "\n")
    assert any("round trips" in text for text in recompute(out, START_CASH).differences)
    equity = (out / "equity.csv").read_text().splitlines()
    (out / "equity.csv").write_text("\n".join(equity[:20]) + "\n")
    result = recompute(out, START_CASH, bars=bars, interval_minutes=5)
    assert any("no row of equity.csv knows" in text for text in result.differences)


def test_a_position_without_a_close_is_named(run):
    _, out, bars = run
    symbol = (out / "fills.csv").read_text().splitlines()[1].split(",")[1]
    kept = [line for line in bars.read_text().splitlines() if not line.startswith(f"{symbol},2025-10-16")]
    bars.write_text("\n".join(kept) + "\n")
    with pytest.raises(KeyError):  # the bar of a fill is missing: no comparison with its open is possible
        recompute(out, START_CASH, bars=bars, interval_minutes=5)


def test_the_latency_of_fills_moves_them_to_a_later_row(run):
    _, out, bars = run
    late = recompute(out, START_CASH, bars=bars, interval_minutes=5, fill_latency_ms=500)
    assert any("cash at" in text for text in late.differences)


def test_the_command_tells_and_counts(run, capsys):
    _, out, bars = run
    arguments = [str(out), "--start-cash", "100000", "--bars", str(bars), "--interval-minutes", "5"]
    assert main(arguments) == 0
    assert "nothing differs" in capsys.readouterr().out
    assert main([str(out), "--start-cash", "99999"]) == 1
    assert "cash at" in capsys.readouterr().out
    with pytest.raises(ValueError, match="interval"):
        recompute(out, START_CASH, bars=bars)


def test_times_keep_their_microseconds():
    assert module.moment("2025-10-16T13:30:00.123456789Z").microsecond == 123456
    assert module.moment("2025-10-16T13:30:00.5Z").microsecond == 500000
    with pytest.raises(ValueError, match="naive"):
        module.moment("2025-10-16T13:30:00")


def test_a_fill_across_zero_is_two_trips():
    def fill(second, side, quantity, price):
        time = module.moment(f"2025-10-16T13:30:{second:02d}Z")
        return module.Fill(time, "A", side, Decimal(quantity), Decimal(price), Decimal("0.3"))

    trips = module.round_trips([fill(0, "buy", 1, 10), fill(1, "sell", 3, 11), fill(2, "buy", 2, 10)])
    assert [(trip.side, trip.fees, trip.net_pnl) for trip in trips] == [
        ("long", Decimal("0.4"), Decimal("0.6")),
        ("short", Decimal("0.5"), Decimal("1.5")),
    ]
