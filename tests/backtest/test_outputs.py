"""The result folder of a backtest."""

# covers: R8

from __future__ import annotations

import csv
import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from backtest.backtest_records import STAGES, synthetic

from LIVE_TRADING.backtest import decisions_file, outputs
from LIVE_TRADING.backtest.outputs import FILES, check_out_folder, summary_json, write_outputs
from LIVE_TRADING.backtest.summary import Performance, cost_comparison
from LIVE_TRADING.common.exceptions import ConfigurationError, StateError
from LIVE_TRADING.common.reasons import REASON_TEXT

REPO = Path(__file__).resolve().parents[2]

SUMMARY_KEYS = """
    decision_digest run_digest config_hash data_hash run_id cycles bar_events decisions orders fills
    start_equity_usd end_equity_usd fees_usd spread_and_slippage_usd gross_pnl_usd net_pnl_usd long_trades short_trades
    turnover_day sharpe_ann sortino_ann calmar max_drawdown_frac wall_s inference_s peak_rss_mb"""


@pytest.fixture(scope="module")
def record():
    made = synthetic(flatten=False, trade_rate=0.1).record
    return replace(made, orders=[replace(made.orders[0], avg_price=Decimal(100) / 3), *made.orders[1:]])


@pytest.fixture(scope="module")
def folder(record, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "run"
    write_outputs(record, out)
    return out


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_folder_holds_these_files_and_nothing_else(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert [path.name for path in folder.parent.iterdir()] == ["run"]


def test_summary_holds_what_was_promised(folder, record):
    said = json.loads((folder / "summary.json").read_text(), parse_float=Decimal)
    assert [key for key in SUMMARY_KEYS.split() if key not in said] == []
    assert said["gross_pnl_usd"] == said["net_pnl_usd"] + said["fees_usd"] + said["spread_and_slippage_usd"]
    assert said["end_equity_usd"] - said["start_equity_usd"] == said["net_pnl_usd"]
    assert said["end_equity_usd"] == record.equity.equity_usd[-1]
    assert (said["orders"], said["fills"]) == (len(record.orders), len(record.fills))
    assert said["long_trades"] + said["short_trades"] == len(record.trades)
    assert set(said["decisions"]) == set(STAGES)


def test_undefined_figures_are_null_and_infinity_is_refused():
    said = json.loads(summary_json({"a": float("nan"), "b": Decimal("1E+2"), "c": [Decimal("-0.0")]}))
    assert said == {"a": None, "b": 100, "c": [0]}
    with pytest.raises(ValueError, match="infinite"):
        summary_json({"sharpe_ann": float("inf")})


def test_columns_of_the_csv_files_are_those_of_the_documentation(folder):
    page = (REPO / "docs" / "outputs.md").read_text()
    for name in ("trades", "orders", "rejections", "fills", "equity"):
        with (folder / f"{name}.csv").open(newline="") as stream:
            header = next(csv.reader(stream))
        section = page.split(f"## {name}.csv")[1].split("\n## ")[0]
        documented = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
        assert header == documented, name
    said = json.loads((folder / "summary.json").read_text())
    undocumented = [key for key in said if f"`{key}`" not in page]
    assert undocumented == []


def test_fills_and_equity_have_exactly_the_promised_columns(folder):
    assert (folder / "fills.csv").read_text().splitlines()[0] == (
        "time_utc,symbol,leg,side,quantity,price,fee,currency,order_id,execution_id"
    )
    assert (folder / "equity.csv").read_text().splitlines()[0] == "time_utc,cash_usd,positions_usd,equity_usd"


def test_rows_say_what_the_record_holds(folder, record):
    for row, fill in zip(rows(folder / "fills.csv"), record.fills, strict=True):
        assert datetime.fromisoformat(row["time_utc"]).astimezone(UTC).timestamp() == fill.time_ns / 1e9
        assert (Decimal(row["quantity"]), Decimal(row["price"]), Decimal(row["fee"])) == (
            fill.quantity,
            fill.price,
            fill.fee,
        )
        assert "E" not in row["price"]
    for row, equity in zip(rows(folder / "equity.csv"), record.equity.equity_usd, strict=True):
        assert Decimal(row["equity_usd"]) == equity == Decimal(row["cash_usd"]) + Decimal(row["positions_usd"])
    trades = rows(folder / "trades.csv")
    assert sum(Decimal(row["net_pnl_usd"]) for row in trades) == sum(trade.net_pnl_usd for trade in record.trades)
    assert len(rows(folder / "rejections.csv")) == len(record.rejections)


def test_orders_add_up_to_the_costs_of_the_run(folder):
    said = json.loads((folder / "summary.json").read_text(), parse_float=Decimal)
    orders = rows(folder / "orders.csv")
    assert sum(Decimal(row["fees_usd"]) for row in orders) == said["fees_usd"]
    assert {row["avg_price"] for row in orders} == {"", "33.33333333"}
    assert sum(Decimal(row["spread_and_slippage_usd"]) for row in orders) == said["spread_and_slippage_usd"]


def test_decisions_come_back_as_they_were_made(record, tmp_path, monkeypatch):
    monkeypatch.setattr(decisions_file, "ROWS_PER_GROUP", 50)
    write_outputs(record, tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "decisions.parquet")
    made = record.decisions
    n_symbols = len(record.scope.symbols)
    assert table.num_rows == made.horizon.size
    assert pq.ParquetFile(tmp_path / "out" / "decisions.parquet").num_row_groups > 1
    assert table["symbol"].to_pylist()[:n_symbols] == list(record.scope.symbols)
    assert table["time_utc"].cast("int64").to_numpy()[::n_symbols].tolist() == made.time_ns.tolist()
    assert str(table.schema.field("time_utc").type) == "timestamp[ns, tz=UTC]"
    for row, stage in enumerate(STAGES):
        expected = [REASON_TEXT[code] for code in made.reason[:, row].ravel().tolist()]
        assert table[f"reason_{stage}"].to_pylist() == expected
    horizons = [made.horizons[code] if code >= 0 else None for code in made.horizon.ravel().tolist()]
    assert table["horizon"].to_pylist() == horizons
    np.testing.assert_array_equal(table["alpha_bps"].to_numpy(), made.alpha_bps.ravel())
    np.testing.assert_array_equal(table["side"].to_numpy(), made.side.ravel())
    assert set(table["action"].to_pylist()) <= {"none", "enter", "exit"}


def test_equal_runs_give_equal_bytes(record, folder, tmp_path):
    write_outputs(record, tmp_path / "again")
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_an_earlier_run_is_replaced_whole(record, tmp_path):
    out = tmp_path / "deep" / "run"
    write_outputs(record, out)
    fewer = replace(record, fills=[], orders=[], trades=[])
    write_outputs(fewer, out)
    assert json.loads((out / "summary.json").read_text())["fills"] == 0
    assert [path.name for path in out.parent.iterdir()] == ["run"]


def test_an_empty_folder_is_used(record, tmp_path):
    write_outputs(record, tmp_path)
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        pytest.param(["notes.txt"], "holds notes.txt", id="foreign"),
        pytest.param(["summary.json", "a", "b", "c", "d"], "holds a, b, c and more", id="ours-and-foreign"),
        pytest.param(["fills.csv"], "has no summary.json", id="half-of-ours"),
    ],
)
def test_what_no_backtest_wrote_is_refused_and_kept(record, tmp_path, names, problem):
    for name in names:
        (tmp_path / name).write_text("precious")
    with pytest.raises(ConfigurationError, match=problem):
        write_outputs(record, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_file_is_refused(record, tmp_path):
    target = tmp_path / "out"
    target.write_text("precious")
    with pytest.raises(ConfigurationError, match="is not a folder"):
        check_out_folder(target)
    with pytest.raises(ConfigurationError, match="is not a folder"):
        write_outputs(record, target)
    assert target.read_text() == "precious"


@pytest.mark.parametrize("step", ["write_decisions", "_sync"])
def test_a_full_disk_leaves_the_earlier_run(record, tmp_path, monkeypatch, step):
    out = tmp_path / "run"
    write_outputs(record, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs, step, full)
    with pytest.raises(StateError, match="No space left"):
        write_outputs(replace(record, fills=[]), out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_failed_rename_puts_the_earlier_run_back(record, tmp_path, monkeypatch):
    out = tmp_path / "run"
    write_outputs(record, out)
    before = (out / "summary.json").read_bytes()
    rename = Path.rename

    def refuse_the_new_one(self, target):
        if self.name.endswith(".tmp~"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new_one)
    with pytest.raises(StateError, match="Input/output error"):
        write_outputs(replace(record, fills=[]), out)
    assert (out / "summary.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_run_json_says_what_was_run(record, tmp_path):
    config = {"sizing.max_weight": 0.05, "blending.temperature": {"5m": 0.75}}
    write_outputs(replace(record, config=config), tmp_path / "out")
    said = json.loads((tmp_path / "out" / "run.json").read_text())
    assert said["config"] == config
    assert (said["symbols"], said["families"]) == (list(record.scope.symbols), list(record.scope.families))
    assert [session["date"] for session in said["sessions"]] == [session.date for session in record.scope.sessions]
    assert said["sessions"][0]["open_utc"] == "2025-10-16T13:30:00Z"


def test_costs_by_component_add_up(folder, record):
    said = json.loads((folder / "summary.json").read_text())["costs"]
    trades = rows(folder / "trades.csv")
    assert said["part_trades"] == said["trades"] == len(trades)
    for kind in ("modelled_usd", "paid_usd"):
        assert sum(part[kind] for part in said["parts"].values()) == pytest.approx(said[kind])
    notional = sum(float(row["entry_notional_usd"]) for row in trades)
    assert said["parts"]["fees"]["modelled_usd"] == pytest.approx(notional * 1.0 / 1e4)
    assert said["parts"]["spread"]["modelled_usd"] == pytest.approx(notional * 2.0 / 1e4)
    assert said["parts"]["spread"]["paid_usd"] == pytest.approx(sum(float(row["spread_usd"]) for row in trades))
    unknown = synthetic(known_spread=False, trade_rate=0.2).record
    assert cost_comparison(unknown.trades).parts == ()
    assert cost_comparison([replace(trade, belief=None) for trade in record.trades]).parts == ()


def test_every_metric_has_its_formula_in_the_documentation():
    page = (REPO / "docs" / "metrics.md").read_text()
    assert [name for name in (field.name for field in fields(Performance)) if f"`{name}`" not in page] == []
