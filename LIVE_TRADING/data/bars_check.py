"""Checks the rows of a file of bars: order, duplicates, prices, volume, interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.types import BoolArray, FloatArray, IntArray
from LIVE_TRADING.common.units import NS_PER_S, interval_text, iso_utc
from LIVE_TRADING.data.bars_table import BarColumns
from LIVE_TRADING.data.problems import Problems

_TELLING_STEPS = 20  # steps that must agree before the times overrule the interval that was asked for
PRICES = ("open", "high", "low", "close")
# beyond what any market has quoted or traded in a bar, and far within what squares and sums of floats can hold
MAX_PRICE, MIN_PRICE, MAX_VOLUME = 1e12, 1e-12, 1e18


@dataclass(frozen=True, slots=True, eq=False)
class CheckedRows:
    """What the checks found out: rows without a trade (a missing bar), and steps in time between a symbol's bars."""

    no_trade: BoolArray
    step_ns: IntArray
    step_row: IntArray


def check_rows(columns: BarColumns, problems: Problems) -> CheckedRows:
    """Note every kind of problem that rows have among themselves or in their values."""
    step_ns, step_row = _check_order(columns, problems)
    no_trade = _without_trade(columns)
    for name, values in columns.values.items():
        _check_column(name, values, no_trade, problems)
    if all(name in columns.values for name in PRICES):
        _check_range(columns.values, problems)
    return CheckedRows(no_trade, step_ns, step_row)


def infer_interval(steps: CheckedRows, asked_ns: int | None, problems: Problems) -> int:
    """Return the bar interval, ns; 0, and a problem noted, if the steps in time do not show one.

    The interval is the commonest step between two bars of a symbol, if all steps are multiples of it.
    """
    asked_ns = asked_ns or 0
    if not len(steps.step_ns):
        if not asked_ns:
            problems.add("timestamp", "no symbol has two bars to infer the interval from", "Give interval_minutes")
        return asked_ns
    lengths, counts = np.unique(steps.step_ns, return_counts=True)
    commonest = int(lengths[np.argmax(counts)])
    odd = (steps.step_ns % commonest != 0) | (commonest % NS_PER_S != 0)
    inferred = 0 if odd.any() else commonest
    if asked_ns and inferred not in (0, asked_ns) and len(steps.step_ns) >= _TELLING_STEPS:
        problems.add(
            "timestamp", f"bars of {interval_text(inferred)}, not of {interval_text(asked_ns)}", "Give their interval"
        )
    if asked_ns or inferred:
        return asked_ns or inferred
    step_of = dict(zip(steps.step_row[odd].tolist(), steps.step_ns[odd].tolist(), strict=True))
    problems.add_rows(
        "timestamp",
        f"no one interval: most bars are {interval_text(commonest)} apart, but not all a multiple of that",
        steps.step_row[odd],
        lambda row: f"{interval_text(step_of[row])} after the bar before",
        "Keep bars of one interval, or give interval_minutes",
    )
    return 0


def _check_order(columns: BarColumns, problems: Problems) -> tuple[IntArray, IntArray]:
    """Note unsorted and repeated bars; return the positive steps in time within symbols and the rows they lead to."""
    code, start_ns = columns.code, columns.start_ns
    grouped = bool((np.diff(code) >= 0).all())
    order = np.arange(len(code)) if grouped else np.argsort(code, kind="stable")
    same = np.diff(code[order]) == 0
    step_ns = np.diff(start_ns[order])
    backwards = same & (step_ns < 0)

    def time_of(row: int) -> str:
        return iso_utc(int(start_ns[row]))

    remedy = "Sort the file by symbol and time"
    if backwards.any():
        problems.add_rows("timestamp", "earlier than the bar before", order[1:][backwards], time_of, remedy)
        order = np.lexsort((start_ns, code))
        same = np.diff(code[order]) == 0
        step_ns = np.diff(start_ns[order])
    remedy = "Keep one row per symbol and time (of one venue)"
    problems.add_rows("timestamp", "the same bar again", order[1:][same & (step_ns == 0)], time_of, remedy)
    forward = same & (step_ns > 0)
    return step_ns[forward], order[1:][forward]


def _without_trade(columns: BarColumns) -> BoolArray:
    """Return which rows carry a quote and no trade: all prices null, volume null or 0, bid or ask there."""
    values = columns.values
    empty = np.full(len(columns.code), all(name in values for name in (*PRICES, "volume", "bid", "ask")))
    if not empty.any():
        return empty
    for name in PRICES:
        empty &= np.isnan(values[name])
    empty &= np.isnan(values["volume"]) | (values["volume"] == 0)
    empty &= ~np.isnan(values["bid"]) | ~np.isnan(values["ask"])
    return empty


def _check_column(name: str, values: FloatArray, no_trade: BoolArray, problems: Problems) -> None:
    def value_of(row: int) -> str:
        return repr(float(values[row]))

    quote = name in ("bid", "ask")
    if not quote:
        absent = np.isnan(values) & ~no_trade
        problems.add_rows(name, "no value", absent, value_of, "Leave out the row of a bar that does not exist")
    problems.add_rows(name, "infinite", np.isinf(values), value_of, "Correct the value or leave out the row")
    finite = np.isfinite(values)
    if name == "volume":
        remedy = "Give traded units, 0 if none"
        problems.add_rows(name, "negative", finite & (values < 0), value_of, remedy)
        problems.add_rows(name, f"more than {MAX_VOLUME:g}", finite & (values > MAX_VOLUME), value_of, remedy)
    else:
        remedy = "Leave it empty where there is no quote" if quote else "Correct the price or leave out the row"
        problems.add_rows(name, "zero or negative", finite & (values <= 0), value_of, remedy)
        impossible = finite & (values > 0) & ((values > MAX_PRICE) | (values < MIN_PRICE))
        problems.add_rows(name, f"no price of {MIN_PRICE:g} to {MAX_PRICE:g}", impossible, value_of, remedy)


def _check_range(values: dict[str, FloatArray], problems: Problems) -> None:
    good = np.ones(len(values["close"]), dtype=np.bool_)
    for name in PRICES:
        good &= np.isfinite(values[name]) & (values[name] > 0)
    low, high = values["low"], values["high"]
    body_low, body_high = np.minimum(values["open"], values["close"]), np.maximum(values["open"], values["close"])
    remedy = "Correct the bar: low <= open, close <= high, all columns of one precision"
    bad_low, bad_high = good & (low > body_low), good & (high < body_high)

    def against(name: str, bound: FloatArray, body: FloatArray) -> Callable[[int], str]:
        return lambda row: f"{name} {float(bound[row])!r} against {float(body[row])!r}"

    problems.add_rows("low", "above open or close", bad_low, against("low", low, body_low), remedy)
    problems.add_rows("high", "below open or close", bad_high, against("high", high, body_high), remedy)
