"""Trades and quotes between bars in the core: what is newer counts, what cannot be true stops entries."""

from __future__ import annotations

# covers: B3, B8, P13
import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from core_desk import Desk, anomalies_of, enter, orders_of
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.events import MarketData
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import BarBatch, Rejection, SpreadGateResult
from LIVE_TRADING.engine.commands import AccountMarked, Anomaly, CycleDecided
from LIVE_TRADING.engine.pipeline import BookView
from LIVE_TRADING.engine.quotes import Quotes

MakeDesk = Callable[..., Desk]
S, NAN = 10**9, math.nan


def quoted(desk: Desk, after_s: float, bid: float = 99.9, ask: float = 100.1, **fields: object) -> MarketData:
    """A quote of AAA made so long after the last bar end."""
    return MarketData("AAA", desk.bar_end_ns + round(after_s * S), bid=bid, ask=ask, **fields)  # type: ignore[arg-type]


def seen(desk: Desk) -> BookView:
    """What the next decision is given."""
    desk.decide()
    return desk.wished.seen[-1]


def judged(desk: Desk, book: BookView) -> SpreadGateResult:
    """What the spread gate of the run says of the quotes that a decision was given."""
    return desk.plan.assembly.stages.spread_gate.judge(book.bid, book.ask, book.quote_age_s)


def reason(desk: Desk, told: MarketData, after_s: float = 100.0) -> Reason:
    """The spread gate's word on AAA in a decision that this was the last quote before, its bar missing."""
    desk.tell(told, desk.bar_end_ns + round(after_s * S))
    desk.slot += 1
    desk.trigger("cycle", desk.bar_end_ns)
    desk.predictions()
    return Reason(int(judged(desk, desk.wished.seen[-1]).reason[0]))


# -- what counts ------------------------------------------------------------------------------------------------------


def test_a_decision_sees_the_last_quote_as_of_its_predictions(desk: Desk) -> None:
    desk.cycle()
    desk.tell(quoted(desk, 1.0, 99.5, 99.6), desk.bar_end_ns + S)
    desk.predictions(2 * S)
    book = desk.wished.seen[-1]
    assert (book.bid[0], book.ask[0], book.quote_age_s[0]) == (99.5, 99.6, 0.0)
    assert (book.bid[1], book.ask[1], book.quote_age_s[1]) == (99.99, 100.01, 0.0)


def test_bars_whose_quotes_are_newer_take_over_and_older_ones_do_not(desk: Desk) -> None:
    desk.decide()
    desk.tell(quoted(desk, 10.0, 99.5, 99.6), desk.bar_end_ns + 10 * S)
    assert seen(desk).bid[0] == 99.99  # those of the next bar end
    desk.tell(quoted(desk, 310.0, 98.5, 98.6), desk.bar_end_ns + 310 * S)  # of a bar that is late
    assert seen(desk).bid[0] == 98.5


def test_age_is_counted_from_when_the_quote_was_made_to_the_scheduled_time(desk: Desk) -> None:
    desk.bars()
    told = quoted(desk, 100.0)
    desk.tell(told, desk.bar_end_ns + 130 * S)
    desk.slot += 1
    desk.trigger("cycle", desk.bar_end_ns)
    desk.predictions()
    assert desk.wished.seen[-1].quote_age_s.tolist() == [200.0, 300.0, 300.0]


def test_a_trade_moves_the_mark_and_leaves_the_quote(desk: Desk) -> None:
    desk.enter("AAA", 10)
    before = desk.core.state.quotes
    desk.tell(MarketData("AAA", desk.bar_end_ns + S, 110.0, 5.0), desk.bar_end_ns + S)
    quotes = desk.core.state.quotes
    assert quotes.price.tolist() == [110.0, 100.0, 100.0]
    assert quotes.price_ns[0] == desk.bar_end_ns + S
    assert (quotes.bid[0], quotes.quote_ns[0]) == (before.bid[0], before.quote_ns[0])
    desk.slot += 1
    (marked,) = [one for one in desk.trigger("cycle", desk.bar_end_ns) if isinstance(one, AccountMarked)]
    assert marked.positions_value == Decimal("1100.0")


def test_a_bar_that_closed_after_the_trade_marks_the_book_and_one_before_it_does_not(desk: Desk) -> None:
    desk.bars(AAA=101.0)
    desk.tell(MarketData("AAA", desk.bar_end_ns + 400 * S, 110.0), desk.bar_end_ns + 400 * S)
    desk.bars(AAA=102.0)
    assert desk.core.state.quotes.price[0] == 110.0
    assert desk.core.state.quotes.bar_end_ns[0] == desk.bar_end_ns  # the features are as fresh as this
    desk.bars(AAA=103.0)
    assert desk.core.state.quotes.price[0] == 103.0


def test_orders_are_sized_and_checked_at_the_last_trade(make_desk: MakeDesk) -> None:
    desk = make_desk(risk={"max_order_notional_usd": 1_050.0})
    desk.open(0)
    desk.cycle()
    desk.tell(MarketData("AAA", desk.bar_end_ns + S, 106.0), desk.bar_end_ns + S)
    commands = desk.predictions(S, AAA=enter(10), BBB=enter(10))
    assert [order.symbol for order in orders_of(commands)] == ["BBB"]
    assert [no.rule_id for no in rejections(commands)] == ["order_notional"]
    assert desk.wished.seen[-1].price_usd.tolist() == [106.0, 100.0, 100.0]


def test_the_mark_of_an_order_is_as_old_as_the_last_trade(make_desk: MakeDesk) -> None:
    desk = make_desk(risk={"max_mark_age_s": 200.0})
    desk.open(0)
    desk.bars()
    desk.tell(MarketData("AAA", desk.bar_end_ns + 150 * S, 100.0), desk.bar_end_ns + 150 * S)
    desk.slot += 1
    desk.trigger("cycle", desk.bar_end_ns)  # no bar came
    commands = desk.predictions(AAA=enter(5), BBB=enter(5))
    assert [order.symbol for order in orders_of(commands)] == ["AAA"]
    assert [no.rule_id for no in rejections(commands)] == ["mark_price"]


def rejections(commands: list[object]) -> list[Rejection]:
    (result,) = (command.result for command in commands if isinstance(command, CycleDecided))
    return list(result.rejections)


def test_features_are_not_fresher_for_a_trade(desk: Desk) -> None:
    desk.bars()
    known = desk.core.state.quotes.bar_end_ns.tolist()
    desk.tell(MarketData("AAA", desk.bar_end_ns + S, 100.0), desk.bar_end_ns + S)
    assert desk.core.state.quotes.bar_end_ns.tolist() == known


# -- what does not ----------------------------------------------------------------------------------------------------


def test_what_is_older_than_what_is_known_is_ignored_each_part_for_itself(desk: Desk) -> None:
    desk.bars()
    desk.tell(quoted(desk, 5.0, 99.0, 99.2, price=99.1), desk.bar_end_ns + 5 * S)
    before = desk.core.state.quotes
    assert desk.tell(quoted(desk, 4.0, 50.0, 51.0, price=50.0), desk.bar_end_ns + 6 * S) == []
    after = desk.core.state.quotes
    assert (after.bid[0], after.ask[0], after.price[0]) == (99.0, 99.2, 99.1)
    assert (after.quote_ns[0], after.price_ns[0]) == (before.quote_ns[0], before.price_ns[0])
    older_trade = quoted(desk, 7.0, 98.0, 98.2, price=50.0, traded_ns=desk.bar_end_ns + S)
    desk.tell(older_trade, desk.bar_end_ns + 7 * S)
    assert (desk.core.state.quotes.bid[0], desk.core.state.quotes.price[0]) == (98.0, 99.1)


def test_an_old_impossible_quote_is_old_and_nothing_else(desk: Desk) -> None:
    desk.bars()
    assert desk.tell(quoted(desk, -5.0, -1.0, 99.2)) == []
    assert desk.core.state.quotes.bid[0] == 99.99


def test_a_symbol_outside_the_universe_changes_nothing(desk: Desk) -> None:
    desk.bars()
    before = desk.core.state
    assert desk.tell(replace(quoted(desk, 1.0), asset="ZZZ")) == []
    assert desk.core.state is before


# -- what cannot be true -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        pytest.param((99.99, 100.01), Reason.OK, id="good"),
        pytest.param((100.0, 100.0), Reason.OK, id="locked"),
        pytest.param((99.0, 101.0), Reason.SPREAD_TOO_WIDE, id="wide"),
        pytest.param((100.02, 100.01), Reason.QUOTE_CROSSED, id="crossed"),
        pytest.param((99.99, NAN), Reason.QUOTE_MISSING, id="one-sided"),
        pytest.param((NAN, NAN), Reason.QUOTE_MISSING, id="withdrawn"),
        pytest.param((0.0, 100.01), Reason.QUOTE_MISSING, id="zero"),
        pytest.param((-99.99, 100.01), Reason.QUOTE_MISSING, id="negative"),
    ],
)
def test_the_spread_gate_judges_what_was_said_last(desk: Desk, sides: tuple[float, float], expected: Reason) -> None:
    desk.bars()
    assert reason(desk, quoted(desk, 100.0, *sides)) is expected


def test_a_quote_that_has_become_old_is_stale(make_desk: MakeDesk) -> None:
    desk = make_desk(gating={"spread": {"max_quote_age_s": 60.0}})
    desk.open(0)
    desk.bars()
    assert reason(desk, quoted(desk, 239.0, 99.99, 100.01), 239.0) is Reason.QUOTE_STALE
    assert reason(desk, quoted(desk, 240.0, 99.99, 100.01), 240.0) is Reason.OK


@pytest.mark.parametrize(
    ("told", "said"),
    [
        pytest.param({"bid": 0.0}, "bid 0", id="zero-bid"),
        pytest.param({"ask": -1.0}, "ask -1", id="negative-ask"),
        pytest.param({"price": 0.0}, "price 0", id="zero-trade"),
        pytest.param({"price": -5.0, "bid": NAN, "ask": NAN}, "price -5", id="negative-trade-alone"),
        pytest.param({"volume": -1.0}, "volume -1", id="negative-volume"),
        pytest.param({"bid_size": -1.0}, "bid size -1", id="negative-size"),
    ],
)
def test_what_no_market_can_say_leaves_the_symbol_without_a_quote_and_the_mark_where_it_was(
    desk: Desk, told: dict[str, float], said: str
) -> None:
    desk.bars(AAA=101.0)
    (anomaly,) = desk.tell(replace(quoted(desk, 100.0), **told), desk.bar_end_ns + 100 * S)
    assert isinstance(anomaly, Anomaly)
    assert anomaly.kind == "impossible_quote"
    assert anomaly.message == f"AAA: {said}; no entry until the next quote"
    quotes = desk.core.state.quotes
    assert quotes.price[0] == 101.0
    assert np.isnan([quotes.bid[0], quotes.ask[0]]).all()
    assert quotes.bid[1] == 99.99  # the others go on
    assert reason(desk, quoted(desk, 200.0, 100.99, 101.01), 200.0) is Reason.OK


def test_an_infinite_price_of_a_feed_is_none_and_stops_entries(desk: Desk) -> None:
    desk.bars()
    told = MarketData.of_feed("AAA", desk.bar_end_ns + 100 * S, bid=99.99, ask=math.inf)
    assert reason(desk, told) is Reason.QUOTE_MISSING


@pytest.mark.parametrize("lead_s", [2.0, 2.001])
def test_a_quote_of_the_future_is_believed_only_as_far_as_clocks_differ(desk: Desk, lead_s: float) -> None:
    desk.bars()
    commands = desk.tell(quoted(desk, 100.0 + lead_s, 99.5, 99.6), desk.bar_end_ns + 100 * S)
    believed = lead_s <= 2.0
    assert anomalies_of(commands) == ([] if believed else ["impossible_quote"])
    assert (desk.core.state.quotes.bid[0] == 99.5) == believed
    # and the next one that is of now counts, however far ahead that was
    later = quoted(desk, 110.0, 99.99, 100.01)
    desk.tell(later, desk.bar_end_ns + 110 * S)
    assert desk.core.state.quotes.bid[0] == 99.99
    assert desk.core.state.quotes.quote_ns[0] == later.timestamp_ns


def test_a_trade_of_the_future_beside_a_quote_of_now_is_no_more_believed(desk: Desk) -> None:
    desk.bars()
    told = quoted(desk, 100.0, price=50.0, traded_ns=desk.bar_end_ns + 1_000 * S)
    assert anomalies_of(desk.tell(told, desk.bar_end_ns + 100 * S)) == ["impossible_quote"]
    assert desk.core.state.quotes.price[0] == 100.0


def test_it_is_said_once_until_the_symbol_is_quoted_again(desk: Desk) -> None:
    desk.bars()
    bad, good = quoted(desk, 0.0, 0.0, 100.0), quoted(desk, 0.0, 99.9, 100.1)
    said = []
    for number, told in enumerate((bad, bad, bad, good, bad, bad)):
        made_ns = desk.bar_end_ns + (number + 1) * S
        said.append(len(desk.tell(replace(told, timestamp_ns=made_ns), made_ns)))
    assert said == [1, 0, 0, 0, 1, 0]


def test_before_the_first_bar_an_impossible_quote_is_said_too(desk: Desk) -> None:
    assert anomalies_of(desk.tell(MarketData("AAA", desk.bar_end_ns, bid=-1.0, ask=1.0))) == ["impossible_quote"]


def test_a_price_that_cannot_be_known_costs_nothing_less(desk: Desk) -> None:
    """Crossed or gone, the cost is unknown, which blocks the trade; it is never below that of a good quote."""
    stages = desk.plan.assembly.stages
    bid = np.array([99.99, 100.02, NAN, NAN])
    ask = np.array([100.01, 100.01, 100.01, NAN])
    spread = stages.spread_gate.judge(bid, ask, np.zeros(4)).spread_bps
    cost = stages.cost_model.round_trip_bps(spread, np.full(4, 150.0), np.full(4, 1e8), 1e4)
    assert np.isfinite(cost).tolist() == [True, False, False, False]


def test_an_impossible_quote_between_order_and_fill_loses_no_fill(desk: Desk) -> None:
    (order,) = orders_of(desk.decide(AAA=enter(10)))
    desk.tell(quoted(desk, 100.0, -1.0, -1.0, price=-1.0), desk.bar_end_ns + 100 * S)
    desk.fill(order, 10, "100.25")
    assert desk.held() == 10


# -- any order of bars, quotes and trades ------------------------------------------------------------------------------

NUMBERS = st.one_of(st.just(NAN), st.sampled_from([-1.0, 0.0, 99.0, 100.0, 101.0]))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("bars"), st.integers(1, 12)),
        st.tuples(st.integers(-20, 40), NUMBERS, NUMBERS, NUMBERS),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=200)
@given(STEPS)
def test_times_never_go_back_and_no_state_before_is_changed(steps: list[tuple[object, ...]]) -> None:
    quotes = Quotes.empty(2)
    for step in steps:
        before = quotes
        if step[0] == "bars":
            close = np.array([100.0, NAN])
            quotes = quotes.with_bars(BarBatch(int(str(step[1])), 1, close, close, close, close, close, close, close))
        else:
            made_ns, price, bid, ask = step
            told = MarketData("AAA", made_ns, price=price, bid=bid, ask=ask)  # type: ignore[arg-type]
            quotes = quotes.with_told(0, told, 50)
            assert quotes.price_ns[0] == (max(made_ns, before.price_ns[0]) if price == price else before.price_ns[0])
            if made_ns >= before.price_ns[0] and price == price:
                assert quotes.price[0] == price
            if made_ns < before.quote_ns[0]:
                assert (quotes.bid is before.bid, quotes.ask is before.ask) == (True, True)
        for name in ("bar_end_ns", "price_ns", "quote_ns", "taken_ns"):
            assert (getattr(quotes, name) >= getattr(before, name)).all()
        assert before.price is quotes.price or not np.shares_memory(before.price, quotes.price)
        assert quotes.quote_ns[1] == quotes.taken_ns[1] == -1
        assert quotes.bar_end_ns.max() <= 12
