"""Tables that verbs print when they are done."""

# covers: R8, P26

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from backtest.backtest_records import synthetic
from backtest.test_report import outline, words

from LIVE_TRADING.backtest.outputs import write_outputs
from LIVE_TRADING.cli.tables import funnel_rows, summary_table
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action


def shown(summary):
    table = summary_table(summary, None)
    labels, values = (list(column.cells) for column in table.columns)
    return dict(zip(labels, values, strict=True))


@pytest.fixture(scope="module")
def held_without_forecast(tmp_path_factory):
    """A run in which a position is held where the forecast is missing: that stops no symbol-decision there."""
    record = synthetic(trade_rate=0.1, n_sessions=3).record
    entered = record.decisions.reason[:, -1] == Reason.ORDERED
    record.decisions.reason[:, 0][~entered] = Reason.NO_FORECAST
    record.decisions.action[::2][~entered[::2]] = Action.HOLD
    out = tmp_path_factory.mktemp("held") / "out"
    summary = write_outputs(record, out)
    return summary, out


def test_the_console_counts_what_the_report_counts(held_without_forecast):
    summary, out = held_without_forecast
    rows = shown(summary)
    raw = summary["decisions"]["prediction"]["no_forecast"]
    stopped = next(s for s in summary["funnel"]["stages"] if s["stage"] == "prediction")["stopped"]["no_forecast"]
    assert 0 < stopped < raw
    assert rows["prediction: no_forecast"] == f"{stopped:,}"
    report = words(outline((out / "report.html").read_text()))
    assert f"the models gave no forecast at any horizon {stopped:,}" in report
    assert f"{rows['came through: became an order']} became an order" in report
    assert f"{rows['orders']} orders were sent" in report


def test_the_rows_of_the_console_add_up(held_without_forecast):
    summary, _ = held_without_forecast
    rows = dict(funnel_rows(json.loads(json.dumps(summary["funnel"]))))
    stops = sum(number for label, number in rows.items() if ": " in label and "went on" not in label)
    assert stops == rows["symbol decisions"]


@pytest.mark.parametrize(
    ("sessions", "equity", "said"),
    [
        pytest.param(1, [1.01], {"sharpe_ann": "fewer than 2 sessions", "calmar": "fewer than"}, id="one-session"),
        pytest.param(
            3,
            [1.01, 1.02, 1.05],
            {"sortino_ann": "no losing session", "calmar": "no drawdown between closes"},
            id="only-gains",
        ),
        pytest.param(3, [1.0, 1.0, 1.0], {"sharpe_ann": "no two returns differ"}, id="flat"),
    ],
)
def test_a_ratio_that_is_not_defined_says_why(tmp_path, sessions, equity, said):
    record = synthetic(trade_rate=0.0, n_sessions=sessions).record
    per_session = len(record.equity.time_ns) // sessions
    money = np.repeat(np.array(equity) * float(record.scope.start_equity_usd), per_session)
    curve = replace(record.equity, cash_usd=money, positions_usd=np.zeros_like(money), equity_usd=money)
    rows = shown(write_outputs(replace(record, equity=curve), tmp_path / "out"))
    for key, why in said.items():
        assert rows[key].startswith(f"– ({why}")
    assert "nan" not in " ".join(rows.values())
