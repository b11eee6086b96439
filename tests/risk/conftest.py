"""Orders and contexts that nothing speaks against, to be changed in one place per test."""

from __future__ import annotations

from decimal import Decimal

import pytest

from LIVE_TRADING.common.types import Instrument, Leg, Order, Side
from LIVE_TRADING.risk import RiskContext, TradingState

S = 1_000_000_000
NOW = 1_760_625_000 * S


@pytest.fixture
def order():
    """Return a maker of orders of AAPL; quantities as text or int."""

    def make(side="buy", quantity=10, leg="entry", **changes):
        fields = {"client_order_id": "lt-1", "order_number": 1, "symbol": "AAPL", "decision_time_ns": NOW, **changes}
        if fields.get("limit_price") is not None:
            fields["limit_price"] = Decimal(fields["limit_price"])
        return Order(side=Side(side), quantity=Decimal(quantity), leg=Leg(leg), **fields)

    return make


@pytest.fixture
def context():
    """Return a maker of contexts: 100,000 USD, flat in AAPL at 100 USD, nothing else held."""

    def make(position=0, buying=0, selling=0, **changes):
        fields = {
            "trading_state": TradingState.ACTIVE,
            "now_ns": NOW,
            "equity_usd": 100_000.0,
            "position_shares": Decimal(position),
            "working_buy_shares": Decimal(buying),
            "working_sell_shares": Decimal(selling),
            "mark_price_usd": 100.0,
            "mark_time_ns": NOW - S,
            "gross_usd": abs(position) * 100.0,
            "net_usd": position * 100.0,
            "last_order_time_ns": None,
            "known_order_ids": (),
            "instrument": Instrument("AAPL"),
            **changes,
        }
        return RiskContext(**fields)

    return make
