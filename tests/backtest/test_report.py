"""The HTML report."""

# covers: R8

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields, replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from backtest.backtest_records import synthetic

from LIVE_TRADING.backtest import charts
from LIVE_TRADING.backtest.report import render_report, trade_groups, view
from LIVE_TRADING.backtest.report_text import bps, count, decimals, duration, pct, ratio, usd
from LIVE_TRADING.backtest.summary import Performance, figures
from LIVE_TRADING.backtest.words import METRIC_WORDS, REASON_WORDS, reason_words
from LIVE_TRADING.common.reasons import Reason

REPO = Path(__file__).resolve().parents[2]
VOID = {"meta", "link", "br", "path", "rect"}


class Outline(HTMLParser):
    """Collects texts and references, and fails on tags that do not close."""

    def __init__(self):
        super().__init__()
        self.stack, self.references, self.text, self.headings = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.references += [value for name, value in attrs if name in ("src", "href", "action", "srcset", "data")]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] not in ("style", "script"):
            self.text.append(data)
        if self.stack and self.stack[-1] == "h2":
            self.headings.append(data)


def outline(html):
    parser = Outline()
    parser.feed(html)
    parser.close()
    assert parser.stack == []
    return parser


def report(record):
    html = render_report(record, figures(record))
    return html, outline(html)


@pytest.fixture(scope="module")
def record():
    return synthetic(trade_rate=0.1, flatten=False).record


def test_it_is_one_file_that_loads_nothing(record):
    html, page = report(record)
    assert page.references == ["data:,"]
    assert "default-src 'none'" in html
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|https?://(?!www\.w3\.org)", html)
    assert len(html) < 1_000_000


def test_it_has_its_sections_and_the_figures_of_the_summary(record):
    _, page = report(record)
    assert page.headings == [
        "Equity",
        "Costs",
        "Why it traded, and why not",
        "Round trips",
        "Metrics",
        "Before you believe it",
        "This run",
    ]
    text = " ".join(page.text)
    run = figures(record)
    for amount in (run.account.net_pnl_usd, run.account.gross_pnl_usd, run.account.fees_usd):
        assert usd(amount) in text or usd(-amount) in text
    assert f"{run.funnel.ordered:,} became an order" in text
    assert record.identity.run_digest in text


@pytest.mark.parametrize(
    ("change", "heading"),
    [
        pytest.param({}, "Spreads are estimated", id="estimated"),
        pytest.param({}, "A forecast is relative", id="relative"),
        pytest.param({}, "Fills are simulated", id="fills"),
        pytest.param({}, "Warm-up", id="warm-up"),
        pytest.param({}, "Few trades", id="few"),
        pytest.param({}, "Still open", id="open"),
        pytest.param({"notes": ("7 bars lay outside the sessions.",)}, "Note", id="note"),
    ],
)
def test_caveats_that_apply_are_told(record, change, heading):
    _, page = report(replace(record, **change))
    assert heading in page.text


def test_caveats_that_do_not_apply_are_not_told():
    record = synthetic(trade_rate=0.4, n_sessions=8, n_symbols=8).record
    record = replace(
        record,
        scope=replace(record.scope, quotes_estimated=False),
        effort=replace(record.effort, warmup_cycles=0),
    )
    assert len(record.trades) >= 100
    _, page = report(record)
    for heading in ("Spreads are estimated", "Warm-up", "Few trades", "Still open"):
        assert heading not in page.text


def test_a_run_that_never_traded_says_why():
    record = synthetic(trade_rate=0.0).record
    _, page = report(record)
    text = " ".join(" ".join(page.text).split())
    assert "No order was filled in 5 sessions." in text
    assert "no horizon earns its cost and the reserve. Not to trade is then the right answer" in text
    assert "the account stayed at $100,000.00" in text
    assert "nan" not in text.lower().replace("finance", "")
    other = record.decisions.reason.copy()
    other[:, 0] = Reason.NO_FORECAST
    _, page = report(replace(record, decisions=replace(record.decisions, reason=other)))
    assert "right answer" not in " ".join(page.text)


def test_no_decision_and_no_session_still_render():
    record = synthetic(n_sessions=1, trade_rate=0.0).record
    empty = replace(
        record.decisions,
        **{
            name: getattr(record.decisions, name)[:0]
            for name in (field.name for field in fields(record.decisions))
            if name not in ("stages", "horizons")
        },
    )
    _, page = report(replace(record, decisions=empty, scope=replace(record.scope, sessions=())))
    assert "no session" in " ".join(page.text)


def test_one_session_has_no_ratio():
    record = synthetic(n_sessions=1, trade_rate=0.3).record
    shown = view(record, figures(record))
    tile = next(tile for tile in shown["tiles"] if tile.label == "Sharpe ratio")
    assert (tile.value, tile.note) == ("–", "not defined")
    assert "Too few sessions" in shown["verdict"][-1]


@pytest.mark.parametrize(
    ("edge_bps", "outcome", "significance"),
    [
        pytest.param(60.0, "Earned", "The mean session return has a t of", id="planted-edge"),
        pytest.param(0.0, "Lost", "", id="costs-only"),
    ],
)
def test_verdict(edge_bps, outcome, significance):
    record = synthetic(edge_bps=edge_bps, trade_rate=0.2, n_sessions=10).record
    words = view(record, figures(record))["verdict"]
    assert words[0].startswith(outcome)
    assert significance in words[-1]


def test_luck_is_called_luck(record):
    run = figures(record)
    lucky = replace(run, performance=replace(run.performance, daily_t=1.2))
    assert "cannot be told from luck" in view(record, lucky)["verdict"][-1]


def test_names_are_escaped(record):
    hostile = replace(record, identity=replace(record.identity, run_id="<script>alert(1)</script>"))
    html, _ = report(hostile)
    assert "<script>alert" not in html


def test_the_templates_are_packaged():
    with (REPO / "pyproject.toml").open("rb") as stream:
        patterns = tomllib.load(stream)["tool"]["setuptools"]["package-data"]["LIVE_TRADING.backtest"]
    folder = REPO / "LIVE_TRADING" / "backtest"
    packaged = {path.name for pattern in patterns for path in folder.glob(pattern)}
    assert {"report.html.j2", "report.css", "report.js"} <= packaged


def test_points_of_the_chart_are_json(record):
    html, _ = report(record)
    points = json.loads(re.search(r'id="points">(.*?)</script>', html, re.S).group(1))
    assert len({len(column) for column in points.values()}) == 1
    assert points["at"] == sorted(points["at"])
    assert (points["at"][0], points["at"][-1]) == (0.0, 1.0)


def test_waterfall_leads_from_gross_to_net(record):
    steps = view(record, figures(record))["waterfall"]["steps"]
    assert [step.label for step in steps] == ["Before costs", "Spread", "Impact", "Fees", "Net"]
    unknown = synthetic(known_spread=False, trade_rate=0.2).record
    steps = view(unknown, figures(unknown))["waterfall"]["steps"]
    assert [step.label for step in steps] == ["Before costs", "Spread and slippage", "Fees", "Net"]
    for step in steps:
        assert step.left >= -1e-9
        assert step.left + step.width <= 100 + 1e-9


def test_trades_are_grouped_by_horizon_and_side(record):
    groups = trade_groups(record.trades)
    order = [group["horizon"] for group in groups]
    assert order[-1] == "all"
    assert sum(int(group["count"]) for group in groups[:-1]) == int(groups[-1]["count"]) == len(record.trades)
    ranks = [("5m", "15m", "60m", "1d").index(name) for name in order[:-1]]
    assert ranks == sorted(ranks)
    assert trade_groups([]) == []


def test_long_reason_lists_are_folded():
    record = synthetic(trade_rate=0.0).record
    reason = record.decisions.reason.copy()
    many = [Reason.BELOW_COST, Reason.COST_UNKNOWN, Reason.NO_VIEW, Reason.PAST_SESSION_END, Reason.STALE_PREDICTIONS]
    many.append(Reason.SESSION_CLOSING)
    reason[:, 2] = np.resize(np.array(many, dtype=np.int16), reason[:, 2].shape)
    changed = replace(record, decisions=replace(record.decisions, reason=reason))
    shown = view(changed, figures(changed))["funnel"]["stages"][2]["reasons"]
    assert [line["text"] for line in shown][-1] == "other reasons"


def test_every_reason_and_metric_has_words():
    assert set(REASON_WORDS) == set(Reason)
    names = {field.name for field in fields(Performance)}
    assert {name for name, *_ in METRIC_WORDS} == names
    assert reason_words(Reason.QUOTE_STALE) == "the quote is too old"


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (usd(Decimal("-1234.5")), "−$1,234.50"),
        (usd(-0.001), "$0.00"),
        (usd(float("nan")), "–"),
        (pct(-0.0123, 1), "−1.2 %"),
        (pct(-0.00001, 1), "0.0 %"),
        (ratio(float("nan")), "–"),
        (bps(3.14159), "3.14 bps"),
        (count(1, "session"), "1 session"),
        (count(2000, "symbol"), "2,000 symbols"),
        (duration(59), "0 min"),
        (duration(3 * 3600 + 240), "3 h 4 min"),
        (duration(90000), "1 d 1 h"),
        (decimals(0.05), 2),
        (decimals(200.0), 0),
    ],
)
def test_numbers_as_a_reader_wants_them(got, expected):
    assert got == expected


def test_thinning_keeps_the_extremes():
    values = np.random.default_rng(4).normal(size=50_000).cumsum()
    rows = charts.thinned(values)
    assert len(rows) <= charts.MAX_POINTS + 2
    assert (rows[0], rows[-1]) == (0, len(values) - 1)
    assert {int(values.argmin()), int(values.argmax())} <= set(rows.tolist())
    assert charts.thinned(values[:10]).tolist() == list(range(10))


@pytest.mark.parametrize(
    ("values", "ends", "step"),
    [
        pytest.param([0.0, 97.0], (0.0, 100.0), 50.0, id="round-steps"),
        pytest.param([-3.2, 4.1], (-4.0, 6.0), 2.0, id="both-sides"),
        pytest.param([5.0, 5.0], None, None, id="flat"),
        pytest.param([0.0], None, None, id="zero"),
        pytest.param([1e-7, 3e-7], None, None, id="tiny"),
    ],
)
def test_an_axis_holds_its_values(values, ends, step):
    low, high, ticks = charts.scale(values)
    assert low <= min(values) <= max(values) <= high
    assert 3 <= len(ticks) <= 8
    if ends:
        assert (low, high) == pytest.approx(ends)
        assert ticks[1] - ticks[0] == pytest.approx(step)
