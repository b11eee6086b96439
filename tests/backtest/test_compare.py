"""Several backtests side by side."""

# covers: R8, C14

from __future__ import annotations

import json
import re
from dataclasses import replace

import empyrical
import numpy as np
import pandas as pd
import pytest
from backtest.backtest_records import synthetic
from backtest.test_report import outline, words

from LIVE_TRADING.backtest.compare import compare
from LIVE_TRADING.backtest.compare_files import read_outputs
from LIVE_TRADING.backtest.compare_page import render_comparison, sections, undefined, view
from LIVE_TRADING.backtest.compare_settings import NOT_SET, setting_differences
from LIVE_TRADING.backtest.outputs import write_outputs
from LIVE_TRADING.backtest.words import FEW_SESSIONS, few_sessions, why_undefined
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.pages.numbers import pct, ratio

CONFIG = {"sizing.max_weight": 0.05, "blending.temperature": {"5m": 0.75, "10m": 0.85}, "learning.mode": "off"}


def written(folder, config=None, **options):
    made = synthetic(**{"trade_rate": 0.1, "n_sessions": 12, **options}).record
    write_outputs(replace(made, config=CONFIG if config is None else config), folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("outputs")
    return [
        written(root / "first", seed=1),
        written(root / "second", seed=2, config=CONFIG | {"sizing.max_weight": 0.1}),
        written(root / "shorter", seed=3, n_sessions=8, n_symbols=4),
    ]


def closing(folder, dates):
    """Closing equity by session, from equity.csv alone, and the equity before each."""
    equity = pd.read_csv(folder / "equity.csv", parse_dates=["time_utc"]).set_index("time_utc")["equity_usd"]
    by_day = equity.groupby(equity.index.strftime("%Y-%m-%d")).last()
    returns = by_day.pct_change()
    returns.iloc[0] = by_day.iloc[0] / 100_000 - 1
    return returns.loc[list(dates)]


def test_figures_are_those_of_the_common_sessions(folders):
    found = compare(read_outputs(folders))
    assert found.dates == tuple(str(np.datetime64("2025-10-16") + day) for day in range(8))
    for row, folder in enumerate(folders):
        returns = closing(folder, found.dates)
        figures = found.figures[row]
        assert figures.total_return == pytest.approx(empyrical.cum_returns_final(returns))
        assert figures.sharpe_ann == pytest.approx(empyrical.sharpe_ratio(returns, annualization=252))
        assert figures.max_drawdown_frac == pytest.approx(empyrical.max_drawdown(returns))
        np.testing.assert_allclose(found.growth[row], (1 + returns).cumprod())


def test_pairs_hold_correlation_and_the_difference_with_its_error(folders):
    found = compare(read_outputs(folders))
    assert [(pair.first, pair.second) for pair in found.pairs] == [
        ("first", "second"),
        ("first", "shorter"),
        ("second", "shorter"),
    ]
    pair = found.pairs[0]
    a, b = (closing(folder, found.dates).to_numpy() for folder in folders[:2])
    assert pair.correlation == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert pair.sharpe_difference == pytest.approx(found.figures[0].sharpe_ann - found.figures[1].sharpe_ann)
    assert pair.mean_difference_day == pytest.approx((a - b).mean())
    # Memmel (2003), equation for the variance of the difference
    s, t, rho = a.mean() / a.std(ddof=1), b.mean() / b.std(ddof=1), np.corrcoef(a, b)[0, 1]
    variance = (2 - 2 * rho + (s**2 + t**2 - 2 * s * t * rho**2) / 2) / len(a)
    assert pair.sharpe_difference_se == pytest.approx(np.sqrt(variance * 252))


def test_a_run_is_equal_to_itself_whole(folders, tmp_path):
    again = written(tmp_path / "again", seed=1)
    found = compare(read_outputs([folders[0], again]))
    assert found.differences == ()
    assert found.same_data
    assert found.warnings == (few_sessions(12),)
    summary = json.loads((folders[0] / "summary.json").read_text())
    for name in ("sharpe_ann", "sharpe_se_ann", "psr", "sortino_ann", "calmar", "volatility_ann", "max_drawdown_frac"):
        assert getattr(found.figures[0], name) == pytest.approx(summary[name]), name
    assert (found.pairs[0].correlation, found.pairs[0].sharpe_difference) == (pytest.approx(1.0), 0.0)
    page = words(outline(render_comparison(found)))
    assert "None: the runs have the same models and the same configuration." in page
    assert "All runs read the same bars" in page


def test_settings_that_differ_are_told_by_dotted_key(folders):
    found = compare(read_outputs(folders))
    assert found.differences == (("sizing.max_weight", ("0.05", "0.1", "0.05")),)
    changed = {"blending.temperature": {"5m": 1.0, "10m": 0.85}, "learning.mode": "hedge", "extra.key": []}
    assert setting_differences([CONFIG, changed]) == (
        ("blending.temperature.5m", ("0.75", "1.0")),
        ("extra.key", (NOT_SET, "[]")),
        ("learning.mode", ('"off"', '"hedge"')),
        ("sizing.max_weight", ("0.05", NOT_SET)),
    )


def with_models(folder, models, families, horizons, gate):
    """One run over the bars of seed 1 by other models, under the same name."""
    made = synthetic(trade_rate=0.1, n_sessions=4, seed=1).record
    reason = made.decisions.reason.copy()
    reason[:, made.decisions.stages.index("barrier_gate")] = gate
    made = replace(
        made,
        identity=replace(made.identity, models=models),
        scope=replace(made.scope, families=families),
        decisions=replace(made.decisions, reason=reason, horizons=horizons),
        config=CONFIG,
    )
    write_outputs(made, folder)
    return folder


def test_other_models_of_the_same_name_are_told(tmp_path):
    four, three = ("5m", "15m", "60m", "1d"), ("5m", "15m", "60m", "2d")
    both = {"15m/ridge": "a" * 64, "15m/lightgbm": "b" * 64}
    folders = [
        with_models(tmp_path / "one", both, ("lightgbm", "ridge"), four, Reason.OK),
        with_models(tmp_path / "two", {"15m/mlp": "c" * 64}, ("mlp", "ridge"), three, Reason.GATE_OFF),
    ]
    found = compare(read_outputs(folders))
    assert found.same_data
    models, *others = found.differences
    assert models[0] == "models"
    assert len(set(models[1])) == 2
    assert [text.split(" ")[1] for text in models[1]] == ["(2)", "(1)"]
    assert others == [
        ("families", ("lightgbm, ridge", "mlp, ridge")),
        ("horizons", (", ".join(four), ", ".join(three))),
        ("barrier gate", ("on", "off")),
    ]
    text = words(outline(render_comparison(found)))
    assert "Their models differ" in text
    assert "None: the runs" not in text
    swapped = with_models(tmp_path / "three", dict(reversed(both.items())), ("lightgbm", "ridge"), four, Reason.OK)
    assert compare(read_outputs([folders[0], swapped])).differences == ()
    retrained = with_models(tmp_path / "four", both | {"15m/ridge": "d" * 64}, ("lightgbm", "ridge"), four, Reason.OK)
    assert [key for key, _ in compare(read_outputs([folders[0], retrained])).differences] == ["models"]


def test_a_run_that_does_not_name_its_models_is_told(folders, tmp_path):
    old = written(tmp_path / "old", seed=1)
    run = json.loads((old / "run.json").read_text())
    del run["models"]
    (old / "run.json").write_text(json.dumps(run))
    assert "run.json of old does not name them" in compare(read_outputs([folders[0], old])).warnings[-1]


def test_other_spans_universes_and_data_are_told(folders, tmp_path):
    found = compare(read_outputs(folders))
    few, *others = found.warnings
    assert few == few_sessions(8)
    assert [warning.split(" (")[0] for warning in others] == ["The spans differ", "The universes differ"]
    assert "8 common sessions, 2025-10-16 to 2025-10-23" in others[0]
    assert "first 6, second 6, shorter 4 symbols, 4 in all of them" in others[1]
    other = tmp_path / "other"
    made = synthetic(trade_rate=0.1, n_sessions=12).record
    made = replace(
        made,
        identity=replace(made.identity, data_hash="b" * 64, code_version="0.2.0"),
        scope=replace(made.scope, calendar="XLON", interval_ns=60 * 10**9, sessions_per_year=365),
    )
    write_outputs(made, other)
    found = compare(read_outputs([folders[0], other]))
    assert not found.same_data
    assert len(found.warnings) == 5
    assert "0.1.0, other 0.2.0" in found.warnings[-1]
    assert "different bars" in view(found)["data"]


def test_the_page_is_whole_and_loads_nothing(folders):
    found = compare(read_outputs(folders))
    html = render_comparison(found)
    page = outline(html)
    assert page.references == ["data:,"]
    assert page.headings == [
        "Before you compare",
        "Equity",
        "Figures",
        "Run against run",
        "Settings that differ",
        "These runs",
    ]
    text = words(page)
    assert re.findall(r"\b(nan|NaN|None|inf)\b", text.replace("None: the runs", "")) == []
    for figures in found.figures:
        assert ratio(figures.sharpe_ann) in text
        assert pct(figures.total_return, 2) in text
    assert not re.search(r"url\(|@import|fetch\(|https?://", html)
    assert len(html) < 200_000


def test_costs_and_funnel_are_those_of_the_summaries(folders):
    titles = {title: dict(rows) for title, rows in sections(compare(read_outputs(folders)))}
    summary = json.loads((folders[1] / "summary.json").read_text())
    assert titles["Each whole run"]["Cost paid"][1] == f"{summary['costs']['paid_bps']:.2f} bps"
    assert titles["How far decisions came"]["Became an order"][1] == f"{summary['funnel']['ordered']:,}"
    gate = next(stage for stage in summary["funnel"]["stages"] if stage["stage"] == "arbitration")
    share = gate["passed"] / summary["funnel"]["symbol_decisions"]
    assert titles["How far decisions came"]["Past worth its cost"][1] == f"{share * 100:.3g} %"


def test_a_run_without_trades_can_be_compared(folders, tmp_path):
    idle = written(tmp_path / "idle", trade_rate=0.0)
    found = compare(read_outputs([folders[0], idle]))
    assert np.isnan(found.pairs[0].correlation)
    text = words(outline(render_comparison(found)))
    assert re.findall(r"\b(nan|NaN|inf)\b", text) == []


def test_many_runs_have_lines_that_can_be_told_apart(tmp_path):
    made = [written(tmp_path / f"run{number}", seed=number, n_sessions=3) for number in range(8)]
    styles = view(compare(read_outputs(made)))["styles"]
    assert len(set(styles)) == 8
    assert styles[6] == "c1 dashed"


def test_a_line_that_lies_on_another_is_dashed_and_named(folders, tmp_path):
    again = written(tmp_path / "again", seed=1)
    shown = view(compare(read_outputs([*folders, again])))
    assert shown["styles"] == ["c1", "c2", "c3", "c4 dashed"]
    assert shown["hidden"] == ["again has the very curve of first: their colours take turns on one line."]
    text = words(outline(render_comparison(compare(read_outputs([folders[0], again])))))
    assert "again has the very curve of first" in text


def test_three_lines_in_one_place_take_turns(tmp_path):
    made = [written(tmp_path / name, seed=seed, n_sessions=3) for name, seed in zip("abcd", (1, 1, 2, 1), strict=True)]
    shown = view(compare(read_outputs(made)))
    dashes = [re.findall(r"\d+", text) for text in shown["dashes"]]
    assert [bool(dash) for dash in dashes] == [False, True, False, True]
    (on, off, second), (_, _, third) = ([int(number) for number in dash] for dash in (dashes[1], dashes[3]))
    assert (on + off) // on == 3
    assert {0, second, third} == {0, on, 2 * on}  # each has a third of the line to itself
    html = render_comparison(compare(read_outputs(made)))
    assert html.count(shown["dashes"][3]) == 2


def test_dashes_have_their_reasons_as_text(folders, tmp_path):
    idle = written(tmp_path / "idle", trade_rate=0.0)
    again = written(tmp_path / "again", seed=1)
    found = compare(read_outputs([folders[0], again, idle]))
    sentences = undefined(found)
    (sharpe,) = [text for text in sentences if text.startswith("– for idle, Sharpe ratio, its standard error")]
    assert sharpe.endswith(f"{why_undefined('sharpe_ann', 12)}.")
    assert "– for idle, Sortino ratio: no losing session." in sentences
    assert "– for first − again, t: fewer than 2 sessions, or the difference is the same in each." in sentences
    assert not any(sentence.startswith(("– for first,", "– for again,")) for sentence in sentences)
    text = words(outline(render_comparison(found)))
    assert all(sentence in text for sentence in sentences)


def test_ratios_of_few_sessions_come_with_a_caution_and_those_of_many_without(tmp_path):
    made = [written(tmp_path / f"long{seed}", seed=seed, n_sessions=FEW_SESSIONS, n_symbols=2) for seed in (1, 2)]
    assert compare(read_outputs(made)).warnings == ()


def test_orders_are_those_that_decisions_became_and_those_between_cycles(folders, tmp_path):
    record = synthetic(trade_rate=0.1, n_sessions=3).record
    row, column = np.argwhere(record.decisions.reason[:, -1] == Reason.ORDERED)[0]
    record.decisions.reason[row, -1, column] = Reason.CANCEL_WORKING  # its order follows between cycles
    write_outputs(record, tmp_path / "waits")
    funnel = json.loads((tmp_path / "waits" / "summary.json").read_text())["funnel"]
    orders = len((tmp_path / "waits" / "orders.csv").read_text().splitlines()) - 1
    assert (funnel["cancel_first"], funnel["sent_between"], funnel["ordered"]) == (1, 1, orders - 1)
    titles = {title: dict(rows) for title, rows in sections(compare(read_outputs([tmp_path / "waits", folders[0]])))}
    rows = titles["How far decisions came"]
    assert rows["Became an order"][0] == f"{orders - 1:,}"
    assert (rows["Cancelled an order first"][0], rows["Orders between cycles"][0]) == ("1", "1")
    assert rows["Orders sent"][0] == f"{orders:,}"
    report = words(outline((tmp_path / "waits" / "report.html").read_text()))
    assert f"{orders - 1:,} became an order; 1 had a working order cancelled, before an exit can follow; " in report
    assert f"{orders:,} orders were sent: those {orders - 1:,}, and 1 between cycles" in report


def test_folders_of_one_name_are_told_apart_by_their_parents(folders, tmp_path):
    twin = written(tmp_path / "deep" / "first", seed=9)
    labels = [output.label for output in read_outputs([folders[0], twin])]
    assert labels[1] == "deep/first"
    assert len(set(labels)) == 2


def cut(folder, end):
    """Cut equity.csv; from a place within a line behind its time, if it is near the end, else behind a whole line."""
    lines = (folder / "equity.csv").read_text()[:end].rsplit("\n", 1)
    (folder / "equity.csv").write_text(f"{lines[0]}\n{lines[1].split(',')[0]}" if end > -100 else f"{lines[0]}\n")


def edit_summary(folder, key, value):
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {key: value}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(lambda folder: (folder / "summary.json").unlink(), "has no summary.json", id="no-summary"),
        pytest.param(lambda folder: (folder / "run.json").unlink(), "has no run.json", id="no-run"),
        pytest.param(lambda folder: (folder / "run.json").write_text("{"), "cannot be read", id="no-json"),
        pytest.param(
            lambda folder: (folder / "run.json").write_text('{"format": 9}'), "format 9, known is 1", id="newer"
        ),
        pytest.param(
            lambda folder: (folder / "equity.csv").write_text("a,b\n1,2\n"), r"equity\.csv: line 2", id="equity"
        ),
        pytest.param(lambda folder: cut(folder, -9), r"equity\.csv: line 49 .*run the backtest again", id="cut-line"),
        pytest.param(
            lambda folder: cut(folder, -2000), "end_equity_usd is .*, by equity.csv", id="whole-lines-missing"
        ),
        pytest.param(
            lambda folder: edit_summary(folder, "net_pnl_usd", 999_999),
            r"summary\.json: net_pnl_usd is 999,999\.00, by equity\.csv beside it",
            id="edited-summary",
        ),
    ],
)
def test_what_is_no_output_is_refused_by_name(folders, tmp_path, damage, said):
    broken = written(tmp_path / "broken", n_sessions=2)
    damage(broken)
    with pytest.raises(ConfigurationError, match=said) as refused:
        read_outputs([folders[0], broken])
    assert "broken" in str(refused.value)


def test_what_cannot_be_compared_is_refused(folders, tmp_path):
    with pytest.raises(ConfigurationError, match="is no folder"):
        read_outputs([folders[0], tmp_path / "nowhere"])
    with pytest.raises(ConfigurationError, match="given twice"):
        read_outputs([folders[0], folders[0]])
    with pytest.raises(ConfigurationError, match="1 folder given; compare 2 to 12"):
        read_outputs(folders[:1])
    late = synthetic(n_sessions=3, trade_rate=0.1).record
    moved = tuple(replace(session, date=f"2026-01-0{session.index + 1}") for session in late.scope.sessions)
    write_outputs(replace(late, scope=replace(late.scope, sessions=moved)), tmp_path / "late")
    with pytest.raises(ConfigurationError, match="no session in common"):
        compare(read_outputs([folders[0], tmp_path / "late"]))
