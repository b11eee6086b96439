"""Cash, positions and round trips follow from the fills, to the last digit."""

from __future__ import annotations

# covers: P18, A5, B5, B23
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.common.events import OrderFill
from LIVE_TRADING.common.types import Side
from LIVE_TRADING.engine.ledger import ClosedTrade, EntryTicket, FillContext, Ledger

START = Decimal(100_000)
TICKET = EntryTicket(2, 0.5, (True, False, True), 20.0, 4.0, 1_000, 3, 7)
BARE = FillContext(None, 1, 33)


def fill(
    side: str, amount: str | Decimal, price: str | Decimal, fee: str | Decimal = "0", number: int = 0, **changes: object
) -> OrderFill:
    fields = {
        "order_id": "o",
        "execution_id": f"x{number}",
        "symbol": "AAA",
        "side": Side(side),
        "fill_price": Decimal(price),
        "fill_amount": Decimal(amount),
        "commission": Decimal(fee),
        "currency": "USD",
        "timestamp_ns": 1_000 + number,
        **changes,
    }
    return OrderFill(**fields)  # type: ignore[arg-type]


def booked(*fills: OrderFill, context: FillContext = BARE) -> tuple[Ledger, list[ClosedTrade]]:
    ledger, trades = Ledger({"USD": START}, {}), []
    for one in fills:
        ledger, trade = ledger.apply(one, context)
        if trade is not None:
            trades.append(trade)
    return ledger, trades


def test_a_long_round_trip() -> None:
    ledger, (trade,) = booked(fill("buy", 10, "100", "0.50"), fill("sell", 10, "103", "0.51", 1))
    assert ledger.cash["USD"] == START + Decimal("28.99")
    assert ledger.positions == {}
    assert (trade.side, trade.gross_pnl, trade.fees, trade.net_pnl) == (1, 30, Decimal("1.01"), Decimal("28.99"))
    assert (trade.entry_price, trade.exit_price, trade.entry_notional) == (100, 103, 1000)
    assert (trade.opened_ns, trade.closed_ns, trade.exit_reason) == (1_000, 1_001, 33)
    assert trade.pnl_bps == pytest.approx(289.9)
    assert ledger.realised == trade.net_pnl


def test_a_short_round_trip() -> None:
    ledger, (trade,) = booked(fill("sell", 10, "100"), fill("buy", 10, "103", number=1))
    assert (trade.side, trade.gross_pnl) == (-1, -30)
    assert ledger.cash["USD"] == START - 30


def test_adding_averages_and_reducing_does_not() -> None:
    ledger, trades = booked(fill("buy", 10, "100"), fill("buy", 30, "104", number=1), fill("sell", 15, "200", number=2))
    position = ledger.positions["AAA"]
    assert (position.quantity, position.average_price, position.max_quantity) == (25, 103, 40)
    assert (position.entry_notional, position.entry_price) == (4120, 100)
    assert trades == []


def test_a_fill_across_zero_closes_one_trip_and_opens_the_next() -> None:
    ledger, (trade,) = booked(
        fill("buy", 10, "100", "0.10"),
        fill("sell", 30, "110", "0.10", 1, reference_price=Decimal("110.03")),
        context=FillContext(TICKET, 8, 33),
    )
    position = ledger.positions["AAA"]
    assert (trade.gross_pnl, trade.fees) == (100, Decimal("0.10") + Decimal("0.03333333"))
    assert (position.quantity, position.entry_price, position.fees) == (-20, 110, Decimal("0.06666667"))
    assert trade.fees + position.fees == ledger.fees == Decimal("0.20")
    assert trade.slippage + position.slippage == ledger.slippage == Decimal("0.90")
    assert (position.ticket, position.horizon, position.entry_order_number) == (TICKET, 2, 8)
    assert (position.clock_ns, position.clock_session, position.clock_slot) == (1_000, 3, 7)


def test_a_position_nobody_decided_has_no_horizon() -> None:
    position = booked(fill("buy", 1, "100"))[0].positions["AAA"]
    assert (position.ticket, position.horizon, position.clock_session, position.clock_slot) == (None, -1, -1, -1)


def test_money_is_kept_by_currency() -> None:
    ledger, _ = booked(fill("buy", 1, "100"), fill("buy", 1, "100", "1", 1, currency="EUR", symbol="BBB"))
    assert ledger.cash == {"USD": START - 100, "EUR": Decimal(-101)}


def test_reclocking_moves_the_clock_and_nothing_else() -> None:
    ledger, _ = booked(fill("buy", 1, "100"), context=FillContext(TICKET, 1, 33))
    after = ledger.reclocked("AAA", 4, 9_000, 5, 11)
    expected = replace(ledger.positions["AAA"], horizon=4, clock_ns=9_000, clock_session=5, clock_slot=11)
    assert after.positions["AAA"] == expected
    assert ledger.positions["AAA"].horizon == 2
    assert after.cash == ledger.cash


@pytest.mark.parametrize(
    "changes",
    [
        {"fill_amount": Decimal(0)},
        {"fill_amount": Decimal(-1)},
        {"fill_amount": Decimal("NaN")},
        {"fill_price": Decimal(0)},
        {"fill_price": Decimal("-1")},
        {"fill_price": Decimal("Infinity")},
        {"commission": Decimal("NaN")},
        {"reference_price": Decimal("NaN")},
    ],
    ids=str,
)
def test_what_is_no_fill_is_not_booked(changes: dict[str, Decimal]) -> None:
    ledger, _ = booked(fill("buy", 1, "100"))
    with pytest.raises(ValueError, match="cannot be booked"):
        ledger.apply(replace(fill("sell", 1, "100", number=1), **changes), BARE)
    assert ledger.quantity("AAA") == 1


def test_a_rebate_is_a_negative_fee() -> None:
    ledger, _ = booked(fill("buy", 1, "100", "-0.02"))
    assert ledger.cash["USD"] == START - Decimal("99.98")


AMOUNTS = st.decimals("0.000001", "100000", places=6)
PRICES = st.decimals("0.0001", "90000", places=4)
FEES = st.decimals("-5", "50", places=4)
FILLS = st.lists(
    st.builds(
        fill,
        st.sampled_from(["buy", "sell"]),
        st.one_of(st.sampled_from([Decimal(1), Decimal(2), Decimal(3)]), AMOUNTS),
        PRICES,
        FEES,
        st.integers(0, 10**6),
        symbol=st.sampled_from(["AAA", "BBB", "CCC"]),
        reference_price=st.one_of(st.none(), PRICES),
    ),
    max_size=30,
)


@given(FILLS)
def test_the_book_follows_from_the_fills(fills: list[OrderFill]) -> None:
    ledger, trades = booked(*fills)
    cash, fees, slipped = START, Decimal(0), Decimal(0)
    shares: dict[str, Decimal] = defaultdict(Decimal)
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for one in fills:
        signed = one.fill_amount if one.side is Side.BUY else -one.fill_amount
        cash -= signed * one.fill_price + one.commission
        fees += one.commission
        shares[one.symbol] += signed
        paid[one.symbol] += signed * one.fill_price
        if one.reference_price is not None:
            slipped += signed * (one.fill_price - one.reference_price)
    assert ledger.cash == {"USD": cash}
    assert {name: held.quantity for name, held in ledger.positions.items()} == {n: q for n, q in shares.items() if q}
    assert (
        ledger.fees
        == fees
        == sum((t.fees for t in trades), Decimal(0)) + sum((p.fees for p in ledger.positions.values()), Decimal(0))
    )
    assert (
        ledger.slippage
        == slipped
        == sum((t.slippage for t in trades), Decimal(0))
        + sum((p.slippage for p in ledger.positions.values()), Decimal(0))
    )
    # P&L of closed trips and the flows of open ones are all the money that moved
    gross = sum((trade.gross_pnl for trade in trades), Decimal(0))
    still_open = sum((held.cash_flow for held in ledger.positions.values()), Decimal(0))
    assert gross + still_open == -sum(paid.values(), Decimal(0))
    assert ledger.realised == sum((trade.net_pnl for trade in trades), Decimal(0))
    if not ledger.positions:
        assert ledger.cash["USD"] - START == ledger.realised
    for trade in trades:
        assert trade.net_pnl == trade.gross_pnl - trade.fees
        assert trade.entry_notional > 0
        assert trade.max_quantity > 0


@given(FILLS, st.randoms(use_true_random=False))
def test_the_order_of_fills_changes_neither_cash_nor_positions(fills: list[OrderFill], random: object) -> None:
    shuffled = list(fills)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = booked(*fills)[0], booked(*shuffled)[0]
    assert (one.cash, one.fees, one.slippage) == (other.cash, other.fees, other.slippage)
    assert {n: p.quantity for n, p in one.positions.items()} == {n: p.quantity for n, p in other.positions.items()}


@given(FILLS)
def test_the_mirror_image_earns_the_opposite(fills: list[OrderFill]) -> None:
    mirrored = [replace(f, side=Side.SELL if f.side is Side.BUY else Side.BUY) for f in fills]
    trades, opposite = booked(*fills)[1], booked(*mirrored)[1]
    assert [(t.side, t.gross_pnl, t.fees) for t in trades] == [(-t.side, -t.gross_pnl, t.fees) for t in opposite]
    assert all(booked(*fills)[0].quantity(symbol) == -booked(*mirrored)[0].quantity(symbol) for symbol in ("AAA", "Z"))


@given(FILLS)
def test_an_earlier_ledger_stays_as_it_was(fills: list[OrderFill]) -> None:
    ledger = Ledger({"USD": START}, {})
    seen = []
    for one in fills:
        seen.append((ledger, dict(ledger.cash), dict(ledger.positions)))
        ledger, _ = ledger.apply(one, BARE)
    assert all((before.cash, before.positions) == (cash, positions) for before, cash, positions in seen)
