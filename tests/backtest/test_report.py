"""The HTML report."""

# covers: R8

from __future__ import annotations

import json
import re
import tomllib
from collections import defaultdict
from dataclasses import fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import empyrical
import numpy as np
import pandas as pd
import pytest
from backtest.backtest_records import synthetic

from LIVE_TRADING.backtest.report import render_report, trade_groups, view
from LIVE_TRADING.backtest.report_sources import months, sources
from LIVE_TRADING.backtest.report_text import verdict
from LIVE_TRADING.backtest.summary import Performance, figures
from LIVE_TRADING.backtest.words import METRIC_WORDS, REASON_WORDS, reason_words
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.pages.numbers import bps, pct, ratio, usd

REPO = Path(__file__).resolve().parents[2]
VOID = {"meta", "link", "br", "path", "rect", "wbr"}


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
        "Months and rolling Sharpe ratio",
        "Costs",
        "Where it came from",
        "Trades on price",
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
    record = idle_but([])
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


def idle_but(stops):
    """A record without a fill whose first decisions, all past their cost, stop at other stages: {stage: reasons}."""
    record = synthetic(trade_rate=0.0).record
    names = record.decisions.stages
    reason = record.decisions.reason.copy()
    reason[:, names.index("arbitration")] = Reason.BELOW_COST
    row = 0
    for stage, reasons in stops:
        for code in reasons:
            reason[row, :, 0] = Reason.OK
            reason[row, names.index(stage), 0] = code
            row += 1
    return replace(record, decisions=replace(record.decisions, reason=reason))


@pytest.mark.parametrize(
    ("stops", "sentence", "right"),
    [
        pytest.param([], "", True, id="all-below-cost"),
        pytest.param(
            [("sizing", [Reason.BELOW_MIN_ENTRY]), ("risk", [Reason.NOT_SELECTED] * 2 + [Reason.COOLDOWN])],
            "2 came furthest and were stopped because: in the universe, but not among the symbols to trade (--symbols)",
            False,
            id="not-selected",
        ),
        pytest.param(
            [("sizing", [Reason.BELOW_MIN_ENTRY])],
            "1 came furthest and was stopped because: the entry would be too small.",
            True,
            id="too-small",
        ),
        pytest.param(
            [("spread_gate", [Reason.QUOTE_MISSING]), ("sizing", [Reason.BELOW_MIN_ENTRY] * 3)],
            "3 came furthest and were stopped because: the entry would be too small.",
            False,
            id="one-lacked-a-quote",
        ),
    ],
)
def test_the_headline_names_what_stopped_those_that_came_furthest(stops, sentence, right):
    record = idle_but(stops)
    text = " ".join(verdict(record, figures(record)))
    assert "no horizon earns its cost and the reserve." in text
    assert sentence in text
    assert ("right answer" in text) == right
    assert ("furthest" in text) == bool(stops)


def test_a_stage_that_nothing_passed_has_no_bar():
    record = idle_but([])
    html, _ = report(record)
    bars = re.findall(r'<div class="meter">(.*?)</div>', html)
    passed = [stage.passed for stage in figures(record).funnel.stages]
    assert 0 in passed
    assert [bool(bar) for bar in bars] == [number > 0 for number in passed]


@pytest.mark.parametrize("case", [{"trade_rate": 0.0}, {"n_sessions": 1, "trade_rate": 0.3}], ids=["idle", "one"])
def test_every_dash_among_the_metrics_has_its_reason(case):
    record = synthetic(**case).record
    run = figures(record)
    rows = {row["key"]: row for row in view(record, run)["metrics"]}
    assert {key for key, row in rows.items() if row["why"]} == {
        key for key in rows if np.isnan(getattr(run.performance, key))
    }
    assert rows["sharpe_ann"]["why"] == ("fewer than 2 sessions" if len(run.returns) < 2 else "no two returns differ")
    text = words(report(record)[1])
    for row in rows.values():
        assert not row["why"] or f"{row['definition']} – here: {row['why']}" in text
    if not record.trades:
        assert rows["hit_rate"]["why"] == "no closed round trip"


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
    assert (tile.value, tile.note) == ("–", "not defined: fewer than 2 sessions")
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


@pytest.mark.parametrize(
    ("package", "names"),
    [
        ("backtest", {"report.html.j2", "report.js"}),
        ("pages", {"page.css", "head.html.j2", "macros.html.j2"}),
    ],
)
def test_the_templates_are_packaged(package, names):
    with (REPO / "pyproject.toml").open("rb") as stream:
        patterns = tomllib.load(stream)["tool"]["setuptools"]["package-data"][f"LIVE_TRADING.{package}"]
    folder = REPO / "LIVE_TRADING" / package
    packaged = {path.name for pattern in patterns for path in folder.glob(pattern)}
    assert names <= packaged


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


def words(page):
    return " ".join(" ".join(page.text).split())


def cells_after(page, title):
    """The texts of a table with bars, from its title to the next one."""
    texts = [text.strip() for text in page.text if text.strip()]
    start = texts.index(title)
    titles = {"By symbol", "By horizon", "By model family", "By time of entry", "When it was earned", "Trades on price"}
    end = next(row for row in range(start + 1, len(texts)) if texts[row] in titles)
    return texts[start + 1 : end]


def test_tables_of_sources_say_the_sums_of_the_trades_and_add_up(record):
    _, page = report(record)
    net = sum((trade.net_pnl_usd for trade in record.trades), Decimal(0))
    account = record.equity.equity_usd[-1] - record.scope.start_equity_usd
    for title, key in (
        ("By symbol", lambda trade: trade.symbol),
        ("By horizon", lambda trade: trade.horizon),
        ("By time of entry", lambda trade: half_hour(trade.entry_time_ns)),
    ):
        sums = defaultdict(Decimal)
        for trade in record.trades:
            sums[key(trade)] += trade.net_pnl_usd
        cells = cells_after(page, title)
        for name, amount in sums.items():
            shown = cells[cells.index(name) + 1]
            assert abs(to_number(shown) - float(amount)) < 0.01, (title, name)
        printed = [Decimal(str(to_number(cells[cells.index(name) + 1]))) for name in sums]
        assert sum(printed) == Decimal(str(to_number(cells[cells.index("Closed round trips") + 1])))
        assert cells[cells.index("Closed round trips") + 1] == usd(net)
        assert cells[cells.index("Still open, at the last price") + 1] == usd(account - net)
        assert cells[cells.index("Net P&L") + 1] == usd(account)
    cells = cells_after(page, "By model family")
    shown = [to_number(cells[cells.index(family) + 1]) for family in record.scope.families]
    assert sum(shown) == pytest.approx(to_number(cells[cells.index("Closed round trips") + 1]), abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_every_column_of_cents_adds_up_as_it_is_printed(seed):
    record = synthetic(seed=seed, trade_rate=0.2, flatten=False, n_sessions=4).record
    run = figures(record)
    for table in sources(record, run):
        amounts = [round(to_number(row.amount) * 100) for row in table.rows]
        lines = [round(to_number(text) * 100) for _, text in table.total]
        assert sum(amounts) == lines[0], table.title
        if len(lines) > 1:
            assert sum(lines[:-1]) == lines[-1]
        assert table.total[-1] == ("Net P&L", usd(run.account.net_pnl_usd))


def test_a_family_without_a_part_stands_with_nothing_and_no_bar(record):
    aside = replace(
        record,
        scope=replace(record.scope, families=(*record.scope.families, "mlp")),
        trades=[
            replace(trade, belief=replace(trade.belief, family_shares=(*trade.belief.family_shares, 0.0)))
            for trade in record.trades
        ],
    )
    table = next(table for table in sources(aside, figures(aside)) if table.title == "By model family")
    row = next(row for row in table.rows if row.label == "mlp")
    assert (row.amount, row.note, row.width) == ("$0.00", "no part in any entry", 0.0)


def half_hour(instant_ns):
    at = datetime.fromtimestamp(instant_ns / 1e9, ZoneInfo("America/New_York"))
    first = at.replace(minute=at.minute // 30 * 30)
    return f"{first:%H:%M}–{first + timedelta(minutes=30):%H:%M}"


def to_number(text):
    return float(text.replace("−", "-").replace("$", "").replace(",", ""))


def test_months_are_compounded_session_returns():
    record = synthetic(trade_rate=0.2, n_sessions=40, bars=12).record
    run = figures(record)
    _, page = report(record)
    text = words(page)
    returns = pd.Series(run.returns, index=pd.to_datetime([session.date for session in record.scope.sessions]))
    for month, inside in returns.groupby(returns.index.month):
        compounded = empyrical.cum_returns_final(inside)
        assert f"{abs(compounded) * 100:.2f} %" in text, month
    assert months(record, run)[0]["total"] == pct(float(empyrical.cum_returns_final(returns)), 2)
    rows = {row[0]: row[1] for row in view(record, run)["rolling"]["rows"]}
    last = record.scope.sessions[-1].date
    assert rows[last] == ratio(float(empyrical.sharpe_ratio(run.returns[-20:], annualization=252)))


def test_exposure_is_that_of_the_book(record):
    run = figures(record)
    shown = view(record, run)["curve"]["points"]["exposure"]
    equity = np.array([float(value) for value in record.equity.equity_usd])
    net = np.array([float(value) for value in record.equity.positions_usd]) / equity
    gross = record.equity.gross_usd / equity
    assert shown == [f"{pct(g, 1)} / {pct(n, 1)}" for g, n in zip(gross, net, strict=True)]


def test_costs_are_told_by_component_and_by_trade(record):
    shown = view(record, figures(record))
    labels = [row["label"] for row in shown["costs"]["parts"]]
    assert labels == [f"{part}, {word}" for part in ("Spread", "Impact", "Fees") for word in ("believed", "paid")]
    paid = [float((t.slippage_usd + t.fees_usd) / t.entry_notional_usd) * 1e4 for t in record.trades]
    median = next(row for row in shown["scatter"]["rows"] if row[0] == "median")
    assert median[1:3] == (bps(4.5), bps(float(np.median(paid))))
    assert shown["scatter"]["dearer"] == pct(np.mean(np.array(paid) > 4.5), 0)
    unknown = synthetic(known_spread=False, trade_rate=0.2).record
    assert view(unknown, figures(unknown))["costs"]["parts"] == []


def test_trades_are_drawn_where_they_happened(record):
    charts_ = view(record, figures(record))["prices"]
    assert [chart["symbol"] for chart in charts_] == list(record.prices)
    for chart in charts_:
        trips = [trade for trade in record.trades if trade.symbol == chart["symbol"]][-20:]
        assert len(chart["marks"]) == len(chart["rows"]) == len(trips)
        axis = chart["panel"].axis
        for mark, trade, row in zip(chart["marks"], trips, chart["rows"], strict=True):
            assert 0 <= mark.left <= 100
            assert mark.bottom == pytest.approx(100 * axis.share(float(trade.entry_price)))
            assert mark.glyph == ("▲" if trade.side == "long" else "▼")
            assert row["net"] == usd(trade.net_pnl_usd)
        lefts = [mark.left for mark in chart["marks"]]
        assert lefts == sorted(lefts)


def test_the_barrier_gate_that_was_off_is_told(record):
    heading = "The barrier gate was off"
    assert heading in report(record)[1].text
    reason = record.decisions.reason.copy()
    reason[:, 3] = Reason.OK
    on = replace(record, decisions=replace(record.decisions, reason=reason))
    assert heading not in report(on)[1].text


@pytest.mark.parametrize(
    ("sharpe_like", "sentence"),
    [
        pytest.param(60.0, "to tell from none at 95 %; this run has 10.", id="an-edge"),
        pytest.param(-60.0, "No length of record would show skill", id="a-loss"),
    ],
)
def test_how_long_a_record_it_takes_is_told(sharpe_like, sentence):
    record = synthetic(edge_bps=sharpe_like, trade_rate=0.2, n_sessions=10).record
    assert sentence in words(report(record)[1])


EDGES = {
    "no-trade": {"trade_rate": 0.0},
    "one-trade": {"trade_rate": 0.002, "seed": 3},
    "one-session": {"n_sessions": 1, "trade_rate": 0.3},
    "unknown-spread": {"known_spread": False, "trade_rate": 0.1},
    "many-symbols": {"n_symbols": 500, "trade_rate": 0.02, "n_sessions": 3, "bars": 12},
}


@pytest.mark.parametrize("case", EDGES, ids=list(EDGES))
def test_no_edge_breaks_the_page_or_prints_what_is_not_defined(case):
    record = synthetic(**EDGES[case]).record
    html, page = report(record)
    assert (case, len(record.trades)) != ("one-trade", 0)
    assert re.findall(r"\b(nan|NaN|None|inf|Infinity|undefined)\b", words(page)) == []
    assert not re.search(
        r"(nan|None|inf)[%\"; ]", "".join(re.findall(r' (?:d|style|x|y|width|height)="([^"]*)"', html))
    )
    assert len(html) < 400_000
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_five_hundred_symbols_are_folded_to_the_best_and_the_worst():
    record = synthetic(**EDGES["many-symbols"]).record
    cells = cells_after(report(record)[1], "By symbol")
    traded = {trade.symbol for trade in record.trades}
    assert len(traded) > 100
    assert sum(cell in traded for cell in cells) == 16
    assert f"{len(traded) - 16:,} other symbols" in cells


def test_long_names_of_symbols_can_break():
    name = "A" * 60 + "<&>"
    made = synthetic(trade_rate=0.2).record
    renamed = replace(
        made,
        scope=replace(made.scope, symbols=(name, *made.scope.symbols[1:])),
        trades=[replace(t, symbol=name) if t.symbol == made.scope.symbols[0] else t for t in made.trades],
        prices={name: next(iter(made.prices.values()))},
    )
    html, page = report(renamed)
    assert name in page.text
    assert "<&>" not in html
    assert re.search(r"\.bars\.wrap th \{[^}]*overflow-wrap: anywhere", html)
    assert re.search(r"\.symbol \{[^}]*overflow-wrap: anywhere", html)


def test_every_chart_has_a_title_and_a_table_or_a_text_behind_it(record):
    html, _ = report(record)
    drawings = re.findall(r"<svg[^>]*>(?:<title>([^<]*)</title>)?", html)
    assert len(drawings) == 5 + len(record.prices)
    assert all(drawings)
    assert html.count("<summary>") == 2 + len(record.prices)  # one table for the four curves


def test_the_size_does_not_grow_with_the_bars():
    """A long run's page is as small as a short one's: lines are thinned, tables sampled or folded."""
    small, large = (synthetic(trade_rate=0.01, n_sessions=n, bars=78, n_symbols=3).record for n in (15, 300))
    sizes = [len(report(record)[0]) for record in (small, large)]
    assert len(large.equity.time_ns) == 23_400
    assert sizes[1] < 450_000


def test_costs_of_nothing_are_not_drawn(record):
    free = [
        replace(
            trade,
            slippage_usd=Decimal(0),
            fees_usd=Decimal(0),
            spread_usd=0.0,
            cost_model_bps=0.0,
            belief=replace(trade.belief, cost_bps=0.0, cost_spread_bps=0.0, cost_impact_bps=0.0, cost_fees_bps=0.0),
        )
        for trade in record.trades
    ]
    made = replace(record, trades=free)
    shown = view(made, figures(made))
    assert shown["costs"]["parts"] == []
    assert shown["scatter"] == {"present": False}
