"""Round trips from fills."""

# covers: R8

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from backtest.backtest_records import HORIZONS, STAGES
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.backtest.record import Decisions, FillRow, OrderRow
from LIVE_TRADING.backtest.trades import round_trips
from LIVE_TRADING.common.types import Leg, Side


def fill(time_ns, signed, price, *, symbol="A", mid=None, fee="0.01", order_id="o", horizon="5m"):
    return FillRow(
        time_ns=time_ns,
        symbol=symbol,
        leg=Leg.ENTRY,
        side=Side.BUY if signed > 0 else Side.SELL,
        quantity=Decimal(abs(signed)),
        price=Decimal(price),
        fee=Decimal(fee),
        currency="USD",
        order_id=order_id,
        execution_id=f"x{time_ns}",
        mid_price=Decimal(mid if mid is not None else price),
        horizon=horizon,
    )


def order(order_id, time_ns, reason):
    return OrderRow(
        order_id, 1, time_ns, "A", Leg.ENTRY, Side.BUY, Decimal(1), "market", "day", "filled", Decimal(1), None, reason
    )


def test_a_long_trip_in_parts():
    trades, open_trades = round_trips(
        [
            fill(1, 10, "100.10", mid="100", order_id="in"),
            fill(2, 10, "102.10", mid="102", order_id="in"),
            fill(3, -5, "103.90", mid="104"),
            fill(4, -15, "104.90", mid="105", order_id="out"),
        ],
        [order("out", 3, "exit_elapsed")],
    )
    (trade,) = trades
    assert open_trades == []
    assert (trade.side, trade.entry_time_ns, trade.exit_time_ns, trade.quantity) == ("long", 1, 4, 20)
    assert (trade.entry_price, trade.exit_price) == (Decimal("101.1"), Decimal("104.65"))
    assert trade.entry_notional_usd == Decimal("2022")
    assert trade.gross_pnl_usd == 75
    assert trade.slippage_usd == 4
    assert trade.fees_usd == Decimal("0.04")
    assert trade.net_pnl_usd == Decimal("70.96")
    assert (trade.exit_reason, trade.entry_order_id, trade.exit_order_id) == ("exit_elapsed", "in", "out")
    assert np.isnan(trade.cost_model_bps)


def test_a_short_trip_gains_when_the_price_falls():
    ((trade,), _) = round_trips([fill(1, -10, "100"), fill(2, 10, "99")])
    assert (trade.side, trade.gross_pnl_usd, trade.net_pnl_usd) == ("short", 10, Decimal("9.98"))


def test_a_fill_that_crosses_zero_closes_one_trip_and_opens_the_next():
    trades, open_trades = round_trips([fill(1, 10, "100"), fill(2, -40, "101", fee="0.08", horizon="60m")])
    assert trades[0].fees_usd == Decimal("0.03")
    assert trades[0].net_pnl_usd == Decimal("9.97")
    (rest,) = open_trades
    assert (rest.side, rest.position, rest.horizon, rest.fees_usd) == ("short", -30, "60m", Decimal("0.06"))
    assert rest.marked_net_usd(Decimal("100")) == Decimal("29.94")


def test_the_cost_believed_is_that_of_the_entry_decision():
    shape = (2, 2)
    figures = {name: np.zeros(shape) for name in ("alpha_bps", "cost_bps", "net_bps", "target_weight", "target_shares")}
    figures["cost_bps"] = np.array([[1.0, 2.0], [3.0, 4.0]])
    codes = np.zeros(shape, dtype=np.int16)
    reason = np.zeros((2, len(STAGES), 2), dtype=np.int16)
    decisions = Decisions(np.array([10, 20]), STAGES, HORIZONS, reason, codes, codes, codes, **figures)
    fills = [fill(21, 1, "10", order_id="in"), fill(30, -1, "10", order_id="out")]
    ((trade,), _) = round_trips(fills, [order("in", 20, "entry")], decisions, ("A", "B"))
    assert trade.cost_model_bps == 3.0
    ((unknown,), _) = round_trips(fills, [order("in", 15, "entry")], decisions, ("A", "B"))
    assert np.isnan(unknown.cost_model_bps)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("AB"),
            st.integers(-9, 9).filter(bool),
            st.decimals("1", "200", places=4),
            st.decimals("1", "200", places=2),
            st.decimals("0", "2", places=4),
        ),
        max_size=30,
    )
)
def test_closed_and_open_trips_add_up_to_the_account(rows):
    fills = [
        fill(number, signed, str(price), symbol=symbol, mid=str(mid), fee=str(fee))
        for number, (symbol, signed, price, mid, fee) in enumerate(rows)
    ]
    trades, open_trades = round_trips(fills)
    mark = Decimal("77.7")
    cash = -sum((f.signed_quantity * f.price + f.fee for f in fills), Decimal(0))
    value = sum((f.signed_quantity for f in fills), Decimal(0)) * mark
    total = sum((trade.net_pnl_usd for trade in trades), Decimal(0))
    assert total + sum((trade.marked_net_usd(mark) for trade in open_trades), Decimal(0)) == cash + value
    for trade in trades:
        assert trade.gross_pnl_usd == trade.net_pnl_usd + trade.fees_usd + trade.slippage_usd


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_price_worse_than_mid_is_a_cost(side):
    worse = "101" if side is Side.BUY else "99"
    assert fill(1, 10 * side.sign, worse, mid="100").slippage_usd == 10
