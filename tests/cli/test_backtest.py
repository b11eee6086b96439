"""`python -m bin.run_backtest`."""

from __future__ import annotations

# covers: P26, A14
import json
from pathlib import Path

import pandas as pd
import pytest
from cli_bench import RUN_ID, Bench, run_verb
from market_files import EXTRA, SYMBOLS
from typer.testing import Result

from LIVE_TRADING.cli.exits import ExitCode


def backtest(bench: Bench, out: Path, *arguments: object, data: Path | None = None) -> Result:
    common = ("--data", data or bench.bars, "--run-id", RUN_ID, "--profile", "busy")
    return run_verb("run_backtest", *common, "--out", out, *arguments)


def summary_of(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "summary.json").read_text())
    return found


def test_a_backtest_writes_every_file_and_prints_its_summary(bench: Bench, tmp_path: Path) -> None:
    result = backtest(bench, tmp_path / "out")
    assert result.exit_code == 0, result.output
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"summary.json", "trades.csv", "orders.csv", "fills.csv", "decisions.parquet", "equity.csv"} <= files
    assert "report.html" in files
    summary = summary_of(tmp_path / "out")
    assert str(summary["run_digest"])[:16] in result.stdout
    assert summary["cycles"] == 26 * len(bench.test_dates)
    assert summary["run_id"] == RUN_ID
    fills = pd.read_csv(tmp_path / "out" / "fills.csv")
    assert len(fills) == summary["fills"] > 20


def test_that_the_barrier_gate_is_off_is_said_at_the_start_and_in_the_report(bench: Bench, tmp_path: Path) -> None:
    result = backtest(bench, tmp_path / "out")
    why = "five minutes are no whole number of bars of the training data"
    assert f"barrier gate off: {why}" in " ".join(result.stderr.split())
    assert f"The barrier gate was off, so it made no entry smaller and blocked none: {why}." in (
        tmp_path / "out" / "report.html"
    ).read_text(encoding="utf-8")


def test_dates_bound_the_decisions(bench: Bench, tmp_path: Path) -> None:
    first, last = bench.test_dates[1:3]
    assert backtest(bench, tmp_path / "out", "--start", first, "--end", last).exit_code == 0
    summary = summary_of(tmp_path / "out")
    assert summary["cycles"] == 52
    times = pd.read_csv(tmp_path / "out" / "equity.csv")["time_utc"]
    assert (times.min()[:10], times.max()[:10]) == (first, last)


def test_data_with_more_symbols_than_the_run_backtest_the_run_s(bench: Bench, tmp_path: Path) -> None:
    assert backtest(bench, tmp_path / "all").exit_code == 0
    assert backtest(bench, tmp_path / "wide", data=bench.wide).exit_code == 0
    assert summary_of(tmp_path / "wide")["run_digest"] == summary_of(tmp_path / "all")["run_digest"]
    assert EXTRA not in set(pd.read_csv(tmp_path / "wide" / "orders.csv")["symbol"])


def test_symbols_that_the_models_do_not_know_are_named_at_the_start_and_in_the_report(
    bench: Bench, tmp_path: Path
) -> None:
    said = f"1 of {len(SYMBOLS) + 1} symbols of the data left out, for the models do not know them: {EXTRA}"
    wide = backtest(bench, tmp_path / "deep" / "wide", data=bench.wide)
    assert said in wide.stderr
    assert f"{said}." in (tmp_path / "deep" / "wide" / "report.html").read_text()
    assert "left out" not in backtest(bench, tmp_path / "all").stderr


def test_symbols_without_a_bar_in_the_traded_span_are_named_at_the_start_and_in_the_report(
    bench: Bench, tmp_path: Path
) -> None:
    common = ("--data", bench.silent, "--run-id", RUN_ID, "--profile", "busy", "--out", tmp_path / "silent")
    silent = run_verb("run_backtest", *common, columns=60)  # a line goes on past the edge
    assert silent.exit_code == 0, silent.output
    (said,) = [line for line in silent.stderr.splitlines() if "without a bar between" in line]
    assert said.startswith(f"1 of {len(SYMBOLS)} symbols without a bar")
    assert said.endswith(": S0003")
    assert f"{said}." in (tmp_path / "silent" / "report.html").read_text()
    assert "S0003" not in set(pd.read_csv(tmp_path / "silent" / "orders.csv")["symbol"])
    assert "without a bar" not in backtest(bench, tmp_path / "all").stderr


def test_symbols_restrict_what_is_entered(bench: Bench, tmp_path: Path) -> None:
    assert backtest(bench, tmp_path / "out", "--symbols", "S0002").exit_code == 0
    assert set(pd.read_csv(tmp_path / "out" / "orders.csv")["symbol"]) == {"S0002"}
    decisions = pd.read_parquet(tmp_path / "out" / "decisions.parquet")
    assert set(decisions["symbol"]) == set(SYMBOLS)
    assert "not_selected" in set(decisions[decisions["symbol"] != "S0002"]["reason_risk"])


def test_cash_is_what_the_account_starts_with(bench: Bench, tmp_path: Path) -> None:
    assert backtest(bench, tmp_path / "out", "--initial-cash", 50_000).exit_code == 0
    assert float(str(summary_of(tmp_path / "out")["start_equity_usd"])) == 50_000


def test_bars_outside_sessions_are_told(bench: Bench, tmp_path: Path) -> None:
    bars = pd.read_parquet(bench.bars)
    early = bars[bars["timestamp"] == bars["timestamp"].min()].copy()
    early["timestamp"] -= pd.Timedelta(hours=1)
    pd.concat([early, bars]).sort_values(["symbol", "timestamp"]).to_parquet(tmp_path / "early.parquet")
    result = backtest(bench, tmp_path / "out", data=tmp_path / "early.parquet")
    assert result.exit_code == 0
    assert "12 bars outside regular sessions are left out" in result.stderr
    assert "12 bars outside regular sessions are left out." in (tmp_path / "out" / "report.html").read_text()


def test_bar_ends_without_any_bar_are_told(bench: Bench, tmp_path: Path) -> None:
    bars = pd.read_parquet(bench.bars)
    day = bars["timestamp"].dt.strftime("%Y-%m-%d")
    noon = bars["timestamp"].dt.hour >= 17
    holes = (day == bench.dates[-3]) | ((day == bench.dates[-2]) & noon)
    bars[~holes].to_parquet(tmp_path / "holes.parquet")
    n_ends, n_all = bars.loc[holes, "timestamp"].nunique(), bars["timestamp"].nunique()
    said = f"o symbol has a bar at {n_ends} of {n_all} bar ends, those of 1 whole session among them: {bench.dates[-3]}"
    result = backtest(bench, tmp_path / "out", data=tmp_path / "holes.parquet")
    assert result.exit_code == 0
    assert f"n{said}" in result.stderr
    assert f"N{said}." in (tmp_path / "out" / "report.html").read_text()
    trained = run_verb(
        *("train_models", "--data", tmp_path / "holes.parquet", "--run-id", "holes"),
        *("--set", "training.horizons=[15m]", "--set", "training.families=[ridge]"),
    )
    assert f"n{said}" in trained.output


@pytest.mark.parametrize(("flag", "value"), [("--symbols", ""), ("--symbols", " , "), ("--symbols-file", "none.txt")])
def test_a_choice_of_no_symbol_is_not_a_choice_of_all(bench: Bench, tmp_path: Path, flag: str, value: str) -> None:
    (tmp_path / "none.txt").write_text("# nothing yet\n\n")
    result = backtest(bench, tmp_path / "out", flag, tmp_path / value if value.endswith("txt") else value)
    assert result.exit_code == ExitCode.USAGE
    assert f"{flag}: no symbol is named" in result.output
    assert not (tmp_path / "out").exists()


def test_two_names_of_a_run_have_to_agree(bench: Bench, tmp_path: Path) -> None:
    folder = bench.runs / RUN_ID
    arguments = ("run_backtest", "--data", bench.bars, "--profile", "busy", "--out", tmp_path / "out")
    refused = run_verb(*arguments, "--run-root", folder, "--run-id", "other")
    assert refused.exit_code == ExitCode.USAGE
    assert f"--run-root {folder} and --run-id other name two runs" in refused.output
    assert run_verb(*arguments, "--run-root", folder, "--run-id", RUN_ID).exit_code == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(("--start", "01.12.2025"), "--start 01.12.2025", id="start-no-date"),
        pytest.param(("--end", "2025-00-01"), "--end 2025-00-01", id="end-no-date"),
        pytest.param(("--start", "2025-02-10"), "before the end of the training data", id="start-in-training"),
        pytest.param(("--start", "2025-03-14", "--end", "2025-03-12"), "not before the end", id="end-before-start"),
        pytest.param(("--set", "exchange.fee_bsp=1"), "fee_bps", id="key-misspelt"),
        pytest.param(("--run-id", "ghost"), "ghost", id="no-run"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_no_results(
    bench: Bench, tmp_path: Path, change: tuple[str, ...], said: str
) -> None:
    result = backtest(bench, tmp_path / "out", *change)
    assert result.exit_code == ExitCode.USAGE, result.output
    assert said in result.output
    assert not (tmp_path / "out" / "summary.json").exists()


def test_a_backtest_without_a_run_is_refused(bench: Bench, tmp_path: Path) -> None:
    result = run_verb("run_backtest", "--data", bench.bars, "--out", tmp_path / "out")
    assert result.exit_code == ExitCode.USAGE
    assert "--run-id or --run-root" in result.output


def test_data_that_lack_a_symbol_of_the_run_are_refused(bench: Bench, tmp_path: Path) -> None:
    result = backtest(bench, tmp_path / "out", data=bench.narrow)
    assert result.exit_code == ExitCode.USAGE
    assert "S0000" in result.output


def test_a_folder_that_is_no_result_is_not_overwritten(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, not a folder")
    result = backtest(bench, tmp_path / "out")
    assert result.exit_code == ExitCode.USAGE
    assert (tmp_path / "out").read_text() == "a file, not a folder"
