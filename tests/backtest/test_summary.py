"""The figures of a run."""

# covers: R8

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from backtest.backtest_records import INTERVAL_NS, START_CASH, sessions_of, synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.backtest.record import Decisions, EquityCurve
from LIVE_TRADING.backtest.summary import closing_equity, exact, figures, summary, traded_usd


def with_equity(record, values, times):
    zeros = [Decimal(0)] * len(values)
    curve = EquityCurve(np.array(times, dtype=np.int64), list(values), zeros, list(values))
    return replace(record, equity=curve)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.booleans(), st.floats(-20, 20))
def test_gross_is_net_and_fees_and_slippage_exactly(seed, flatten, edge_bps):
    made = synthetic(seed=seed, n_symbols=4, n_sessions=2, trade_rate=0.2, flatten=flatten, edge_bps=edge_bps)
    books = figures(made.record).account
    assert books.gross_pnl_usd == books.net_pnl_usd + books.fees_usd + books.spread_and_slippage_usd
    # the same from the other end: the fills at their mid prices, without fees, the rest at its mark
    at_mid, held = Decimal(0), {}
    for fill in made.record.fills:
        at_mid -= fill.signed_quantity * fill.mid_price
        held[fill.symbol] = held.get(fill.symbol, Decimal(0)) + fill.signed_quantity
    at_mid += sum((quantity * made.record.marks[symbol] for symbol, quantity in held.items()), Decimal(0))
    assert books.gross_pnl_usd == at_mid
    assert books.spread_usd + books.impact_usd == pytest.approx(float(books.spread_and_slippage_usd))


def test_closed_and_open_trades_add_up_to_the_net():
    record = synthetic(flatten=False).record
    run = figures(record)
    contents = summary(record, run)
    assert contents["open_positions"]
    still_open = sum((entry["net_pnl_usd"] for entry in contents["open_positions"]), Decimal(0))
    closed = sum((trade.net_pnl_usd for trade in record.trades), Decimal(0))
    assert closed + still_open == run.account.net_pnl_usd


def test_an_open_position_without_a_mark_has_no_pnl():
    record = replace(synthetic(flatten=False).record, marks={})
    entry = summary(record, figures(record))["open_positions"][0]
    assert entry["mark_price"] is None
    assert entry["net_pnl_usd"] is None


def test_float_equity_is_exact_to_a_millionth():
    record = synthetic().record
    curve = record.equity
    floats = EquityCurve(
        curve.time_ns,
        *(np.array([float(value) for value in column]) for column in (curve.cash_usd, curve.positions_usd)),
        np.array([float(value) for value in curve.equity_usd]),
    )
    ours, theirs = figures(replace(record, equity=floats)), figures(record)
    assert ours.account.net_pnl_usd == theirs.account.net_pnl_usd
    assert np.isnan(ours.performance.gross_exposure_frac)
    assert np.isnan(ours.performance.time_in_market_frac)
    assert ours.performance.sharpe_ann == theirs.performance.sharpe_ann
    assert exact(100.0000004) == Decimal("100")


def test_a_session_closes_at_its_last_bar():
    sessions = sessions_of(3, 2)
    times = [sessions[0].open_ns + INTERVAL_NS, sessions[0].close_ns, sessions[2].close_ns]
    record = synthetic(n_sessions=1).record
    record = replace(record, scope=replace(record.scope, sessions=sessions))
    record = with_equity(record, [Decimal(101), Decimal(102), Decimal(103)], times)
    np.testing.assert_array_equal(closing_equity(record), [102.0, 102.0, 103.0])


def test_traded_value_falls_into_the_session_of_the_fill():
    record = synthetic(n_sessions=3, trade_rate=0.3).record
    got = traded_usd(record)
    expected = np.zeros(3)
    for fill in record.fills:
        inside = [s.open_ns <= fill.time_ns < s.close_ns for s in record.scope.sessions]
        expected[inside.index(True)] += float(fill.quantity * fill.price)
    np.testing.assert_allclose(got, expected)
    late = replace(record.fills[0], time_ns=record.scope.sessions[-1].close_ns)
    np.testing.assert_array_equal(traded_usd(replace(record, fills=[late])), [0.0, 0.0, 0.0])


def test_costs_are_compared_where_the_belief_is_known():
    record = synthetic().record
    costs = figures(record).costs
    assert costs.trades == len(record.trades) > 0
    assert costs.modelled_bps == pytest.approx(4.5)
    paid = sum(float(trade.slippage_usd + trade.fees_usd) for trade in record.trades)
    notional = sum(float(trade.entry_notional_usd) for trade in record.trades)
    assert costs.paid_bps == pytest.approx(paid / notional * 1e4)
    unknown = [replace(trade, cost_model_bps=float("nan")) for trade in record.trades]
    none = figures(replace(record, trades=unknown)).costs
    assert none.trades == 0
    assert np.isnan([none.modelled_bps, none.paid_bps]).all()


def test_spread_is_not_divided_where_it_is_not_known():
    books = figures(synthetic(known_spread=False).record).account
    assert np.isnan([books.spread_usd, books.impact_usd]).all()


def test_a_run_without_a_bar_has_figures_all_the_same():
    record = synthetic(n_sessions=1).record
    none = np.zeros((0, len(record.scope.symbols)))
    codes = none.astype(np.int16)
    decisions = record.decisions
    empty = replace(
        with_equity(record, [], []),
        scope=replace(record.scope, sessions=()),
        decisions=Decisions(
            np.zeros(0, dtype=np.int64),
            decisions.stages,
            decisions.horizons,
            decisions.reason[:0],
            codes,
            codes,
            codes,
            *[none] * 5,
        ),
        fills=[],
        orders=[],
        trades=[],
    )
    run = figures(empty)
    assert run.account.end_equity_usd == START_CASH
    assert np.isnan(run.performance.turnover_day)
    assert summary(empty, run)["first_session"] is None


def test_columns_that_do_not_fit_are_named():
    record = synthetic(n_sessions=1).record
    with pytest.raises(ValueError, match=r"cost_bps \(1, 1\), expected"):
        replace(record.decisions, cost_bps=np.zeros((1, 1)))
    with pytest.raises(ValueError, match="different lengths"):
        replace(record.equity, gross_usd=np.zeros(1))
