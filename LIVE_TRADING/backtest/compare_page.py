"""`compare.html` and the terminal's table: a comparison of runs in words, tables and charts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from LIVE_TRADING.backtest.compare import Comparison, same_as_before
from LIVE_TRADING.backtest.compare_files import Output
from LIVE_TRADING.backtest.words import STAGE_QUESTIONS, why_undefined
from LIVE_TRADING.common.units import BPS
from LIVE_TRADING.pages import charts
from LIVE_TRADING.pages.environment import render
from LIVE_TRADING.pages.numbers import UNDEFINED, bps, count, decimals, pct, ratio, usd

TEMPLATE = "compare.html.j2"
COLOURS = 6
DASH = 12  # pixels
_SPAN_KEYS = (
    ("Sharpe ratio", "sharpe_ann"),
    ("its standard error", "sharpe_se_ann"),
    ("probability of skill", "psr"),
    ("Sortino ratio", "sortino_ann"),
    ("Calmar ratio", "calmar"),
    ("volatility", "volatility_ann"),
)
_WHOLE_KEYS = (
    ("cost believed", "modelled_bps"),
    ("cost paid", "paid_bps"),
    ("round trips that earned", "hit_rate"),
    ("profit factor", "profit_factor"),
    ("turnover", "turnover_day"),
    ("gross exposure", "gross_exposure_frac"),
    ("net exposure", "net_exposure_frac"),
    ("capacity", "capacity_usd"),
)
Section = tuple[str, list[tuple[str, list[str]]]]


def render_comparison(comparison: Comparison) -> str:
    """Return the comparison as one HTML document that loads nothing."""
    return render("LIVE_TRADING.backtest", TEMPLATE, view(comparison))


def view(comparison: Comparison) -> dict[str, Any]:
    """Return everything that the template shows."""
    n = len(comparison.dates)
    growth = np.pad(comparison.growth, ((0, 0), (1, 0)), constant_values=1.0)  # all begin at the same point
    drawdown = np.pad(comparison.drawdown, ((0, 0), (1, 0)))
    rows = charts.thinned(growth[0]) if n >= charts.MAX_POINTS else np.arange(n + 1, dtype=np.int64)
    shown = charts.spaced(n, 8)
    same = same_as_before(comparison.growth)
    return {
        "names": [output.label for output in comparison.outputs],
        "subtitle": (
            f"{count(len(comparison.outputs), 'run')} over {count(n, 'common session')}, "
            f"{comparison.dates[0]} to {comparison.dates[-1]}"
        ),
        "styles": [_style(number, dashed=first is not None) for number, first in enumerate(same)],
        "dashes": [_dashes(same, number) for number in range(len(same))],
        "hidden": [
            f"{comparison.outputs[number].label} has the very curve of {comparison.outputs[first].label}: their "
            "colours take turns on one line."
            for number, first in enumerate(same)
            if first is not None
        ],
        "data": _data(comparison),
        "warnings": comparison.warnings,
        "sections": sections(comparison),
        "undefined": undefined(comparison),
        "growth": charts.panel(rows, n + 1, list(growth * 100.0), _tick, span=(100.0,), steps=6),
        "drawdown": charts.panel(rows, n + 1, list(drawdown), _pct_tick, span=(0.0, -0.001)),
        "dates": [charts.Tick((row + 1) / n, comparison.dates[row]) for row in shown],
        "table": [
            (comparison.dates[row], [f"{value * 100:,.2f}" for value in comparison.growth[:, row]])
            for row in sorted({*charts.spaced(n, 24), n - 1})
        ],
        "pairs": [
            {
                "first": pair.first,
                "second": pair.second,
                "correlation": ratio(pair.correlation),
                "difference": ratio(pair.sharpe_difference),
                "error": f"± {ratio(pair.sharpe_difference_se)}",
                "mean": bps(pair.mean_difference_day * BPS),
                "t": ratio(pair.mean_difference_t),
            }
            for pair in comparison.pairs
        ],
        "differences": comparison.differences,
        "identity": [
            (
                output.label,
                str(output.summary["run_id"]),
                str(output.summary["run_digest"]),
                str(output.run["data_hash"]),
            )
            for output in comparison.outputs
        ],
    }


def _style(number: int, *, dashed: bool) -> str:
    """Return the colour of a run's lines; dashed in the second half, and where the line lies on an earlier one."""
    return f"c{number % COLOURS + 1}{' dashed' if number >= COLOURS or dashed else ''}"


def _dashes(same: Sequence[int | None], number: int) -> str:
    """Return the dashes of a line that lies on others, so that the colours of all take turns; "" for one of its own."""
    first = same[number]
    if first is None:
        return ""
    group = [row for row, other in enumerate(same) if row == first or other == first]
    gap, offset = DASH * (len(group) - 1), DASH * group.index(number)
    return f"stroke-dasharray:{DASH} {gap};stroke-dashoffset:-{offset}"


def undefined(comparison: Comparison) -> list[str]:
    """Return a sentence for each reason why figures of a run, or of two, are dashes."""
    sentences = []
    n = len(comparison.dates)
    for output, run in zip(comparison.outputs, comparison.figures, strict=True):
        summary = output.summary
        whole = {**summary, **summary["costs"]}
        missing = [(label, why_undefined(key, n)) for label, key in _SPAN_KEYS if not np.isfinite(getattr(run, key))]
        missing += [
            (label, why_undefined(key, len(output.dates))) for label, key in _WHOLE_KEYS if whole.get(key) is None
        ]
        for why in dict.fromkeys(why for _, why in missing):
            labels = ", ".join(label for label, reason in missing if reason == why)
            sentences.append(f"{UNDEFINED} for {output.label}, {labels}: {why}.")
    for pair in comparison.pairs:
        names = f"{UNDEFINED} for {pair.first} − {pair.second}"
        if not np.isfinite(pair.sharpe_difference_se):
            sentences.append(f"{names}, Sharpe ratios: fewer than 3 sessions, or no two returns of one of them differ.")
        if not np.isfinite(pair.correlation):
            sentences.append(f"{names}, correlation: fewer than 2 sessions, or no two returns of one of them differ.")
        if not np.isfinite(pair.mean_difference_t):
            sentences.append(f"{names}, t: fewer than 2 sessions, or the difference is the same in each.")
    return sentences


def _data(comparison: Comparison) -> str:
    models = "" if comparison.same_models else " Their models differ: see the settings that differ."
    if comparison.same_data:
        return f"All runs read the same bars (data hash {comparison.outputs[0].run['data_hash'][:12]}…).{models}"
    return (
        "The runs read different bars (their data hashes differ): differences between them may come from the data."
        f"{models}"
    )


def sections(comparison: Comparison) -> list[Section]:
    """Return the tables of figures: title, and rows of a label with one text per run."""
    figures, outputs = comparison.figures, comparison.outputs
    span = [
        ("Return", [pct(run.total_return, 2) for run in figures]),
        ("Sharpe ratio", [ratio(run.sharpe_ann) for run in figures]),
        ("… its standard error", [ratio(run.sharpe_se_ann) for run in figures]),
        ("Probability of skill", [pct(run.psr, 1) for run in figures]),
        ("Sortino ratio", [ratio(run.sortino_ann) for run in figures]),
        ("Calmar ratio", [ratio(run.calmar) for run in figures]),
        ("Volatility of a year", [pct(run.volatility_ann, 2) for run in figures]),
        ("Deepest drawdown, by session", [pct(run.max_drawdown_frac, 2) for run in figures]),
    ]
    whole = [
        ("Sessions", [f"{len(output.dates):,}" for output in outputs]),
        ("Symbols", [f"{len(output.run['symbols']):,}" for output in outputs]),
        ("Starting equity", _of(outputs, "start_equity_usd", lambda value: usd(value, 0))),
        ("Net P&L", _of(outputs, "net_pnl_usd", usd)),
        ("Before costs", _of(outputs, "gross_pnl_usd", usd)),
        ("Spread and slippage", _of(outputs, "spread_and_slippage_usd", usd)),
        ("Fees", _of(outputs, "fees_usd", usd)),
        ("Cost believed", [_cost(output, "modelled_bps") for output in outputs]),
        ("Cost paid", [_cost(output, "paid_bps") for output in outputs]),
        ("Round trips", [f"{o.summary['long_trades'] + o.summary['short_trades']:,}" for o in outputs]),
        ("… that earned", _of(outputs, "hit_rate", lambda value: pct(value, 1))),
        ("Profit factor", _of(outputs, "profit_factor", ratio)),
        ("Turnover a session", _of(outputs, "turnover_day", lambda value: pct(value, 1))),
        ("Gross exposure", _of(outputs, "gross_exposure_frac", lambda value: pct(value, 1))),
        ("Net exposure", _of(outputs, "net_exposure_frac", lambda value: pct(value, 1))),
        ("Capacity", _of(outputs, "capacity_usd", lambda value: usd(value, 0))),
    ]
    return [("Common sessions", span), ("Each whole run", whole), ("How far decisions came", _funnel(outputs))]


def _of(outputs: Sequence[Output], key: str, form: Callable[[float], str]) -> list[str]:
    values = [output.summary.get(key) for output in outputs]
    return [UNDEFINED if value is None else form(float(value)) for value in values]


def _cost(output: Output, key: str) -> str:
    value = output.summary["costs"].get(key)
    return UNDEFINED if value is None else bps(float(value))


def _funnel(outputs: Sequence[Output]) -> list[tuple[str, list[str]]]:
    """Return per stage the share of all symbol-decisions that went on, and what became an order."""
    funnels = [output.summary["funnel"] for output in outputs]
    rows = [("Symbol-decisions", [f"{funnel['symbol_decisions']:,}" for funnel in funnels])]
    names = [stage["stage"] for stage in funnels[0]["stages"]]
    for name in names:
        passed = [next((s["passed"] for s in funnel["stages"] if s["stage"] == name), None) for funnel in funnels]
        title = STAGE_QUESTIONS.get(name, (name, ""))[0]
        rows.append((f"Past {title.lower()}", [_share(p, f) for p, f in zip(passed, funnels, strict=True)]))
    rows.append(("Became an order", [f"{funnel['ordered']:,}" for funnel in funnels]))
    if any(funnel["cancel_first"] for funnel in funnels):
        rows.append(("Cancelled an order first", [f"{funnel['cancel_first']:,}" for funnel in funnels]))
    rows.append(("Orders between cycles", [f"{funnel['sent_between']:,}" for funnel in funnels]))
    rows.append(("Orders sent", [f"{output.summary['orders']:,}" for output in outputs]))
    return rows


def _share(passed: int | None, funnel: dict[str, Any]) -> str:
    if passed is None or not funnel["symbol_decisions"]:
        return UNDEFINED
    share = passed / funnel["symbol_decisions"]
    return f"{share * 100:.3g} %"


def _tick(value: float, step: float) -> str:
    return f"{value:,.{decimals(step)}f}"


def _pct_tick(value: float, step: float) -> str:
    return pct(value, decimals(step * 100))
