"""Bars, cycles and sessions: what waits, what is skipped, when a held horizon is over."""

from __future__ import annotations

# covers: B8, P8, P24
from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np
import pytest
from core_desk import BAR, Desk, Wish, anomalies_of, enter, leave, orders_of, risk_reason

from LIVE_TRADING.common.events import CycleAborted, PredictionsReady, ScheduledTrigger
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action, BarBatch
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.engine.commands import AccountMarked, Command, CycleDecided, CycleSkipped, RunInference

MakeDesk = Callable[..., Desk]


def of_type(commands: Sequence[Command], kind: type) -> list[Command]:
    return [command for command in commands if isinstance(command, kind)]


def skipped(commands: Sequence[Command]) -> list[str]:
    return [command.reason for command in commands if isinstance(command, CycleSkipped)]


def inference(commands: Sequence[Command]) -> RunInference:
    (command,) = [command for command in commands if isinstance(command, RunInference)]
    return command


def elapsed(desk: Desk, slot: int | None = None) -> bool:
    desk.decide(slot=slot)
    return bool(desk.wished.seen[-1].held.elapsed[0])


# -- bars ------------------------------------------------------------------------------------------------------------


def test_bars_that_come_in_parts_are_one_bar_end(desk: Desk) -> None:
    nan = float("nan")
    desk.bars(AAA=101.0, BBB=nan, CCC=nan)
    desk.bars(desk.slot, AAA=nan, BBB=102.0, CCC=nan)
    bars = inference(desk.trigger("cycle", desk.bar_end_ns)).bars
    assert np.array_equal(bars.close, [101.0, 102.0, nan], equal_nan=True)
    assert np.array_equal(desk.core.state.quotes.price, [101.0, 102.0, nan], equal_nan=True)


def test_a_part_that_comes_again_changes_nothing(desk: Desk) -> None:
    desk.bars(AAA=101.0)
    desk.bars(desk.slot, AAA=999.0)
    assert inference(desk.trigger("cycle", desk.bar_end_ns)).bars.close[0] == 101.0


def test_a_bar_end_without_bars_is_a_cycle_of_missing_bars(desk: Desk) -> None:
    desk.slot = 0
    commands = desk.trigger("cycle", desk.bar_end_ns)
    assert np.isnan(inference(commands).bars.close).all()
    assert len(of_type(commands, AccountMarked)) == 1


def test_bars_of_the_next_bar_end_do_not_push_out_those_that_wait(desk: Desk) -> None:
    """After a stall two bar ends are in the queue, and bars go before triggers."""
    desk.bars(0, AAA=101.0)
    desk.bars(1, AAA=103.0)
    first, second = desk.session.open_ns + BAR, desk.session.open_ns + 2 * BAR
    assert inference(desk.trigger("cycle", first)).bars.close[0] == 101.0
    desk.tell(CycleAborted(first, "timeout"))
    assert inference(desk.trigger("cycle", second)).bars.close[0] == 103.0
    assert desk.core.state.collected == ()


def test_bars_that_no_cycle_asked_for_are_said(desk: Desk) -> None:
    desk.bars(0)
    commands = desk.cycle(1)
    assert anomalies_of(commands) == ["unscheduled_bars"]
    assert desk.core.state.collected == ()


def test_late_bars_are_said_and_not_applied(desk: Desk) -> None:
    desk.cycle(0, AAA=100.0)
    quotes = desk.core.state.quotes
    (said,) = desk.bars(0, AAA=120.0, BBB=float("nan"))
    assert (said.kind, said.message) == ("late_bar", f"bar end {iso_utc(desk.bar_end_ns)}: AAA, CCC not applied")
    assert desk.core.state.quotes is quotes


def test_missing_bars_keep_the_last_mark_and_age_the_quote(desk: Desk) -> None:
    desk.enter(shares=10)
    nan = float("nan")
    commands = desk.decide(prices={"AAA": nan})
    book = desk.wished.seen[-1]
    assert book.price_usd[0] == 100.0
    assert book.quote_age_s[0] == 300.0
    assert book.quote_age_s[1] == 0.0
    assert len(of_type(commands, CycleDecided)) == 1
    (exit_order,) = orders_of(desk.decide(AAA=leave()))  # two bars without a price: leaving needs none
    assert exit_order.quantity == 10


def test_quotes_that_are_missing_or_one_sided_are_seen_as_they_are(desk: Desk) -> None:
    desk.slot = 0
    close = np.array([100.0, 100.0, 100.0])
    bid, ask = np.array([np.nan, 99.0, np.nan]), np.array([101.0, np.nan, np.nan])
    desk.tell(BarBatch(desk.bar_end_ns, BAR, close, close, close, close, close, bid, ask))
    quotes = desk.core.state.quotes
    assert np.array_equal(quotes.bid, bid, equal_nan=True)
    assert np.array_equal(quotes.ask, ask, equal_nan=True)
    assert quotes.quote_ns.tolist() == [desk.bar_end_ns, desk.bar_end_ns, -1]


# -- cycles ----------------------------------------------------------------------------------------------------------


def test_one_cycle_in_flight(desk: Desk) -> None:
    desk.cycle(0)
    memory = desk.core.state.market
    commands = desk.cycle(1)
    assert (skipped(commands), of_type(commands, RunInference)) == (["skipped_overlap"], [])
    assert desk.core.state.market.advanced_to_ns == memory.advanced_to_ns + BAR  # features go on
    pending = desk.core.state.pending
    assert pending is not None
    assert pending.cycle_time_ns == memory.advanced_to_ns


def test_a_trigger_that_comes_again_advances_nothing(desk: Desk) -> None:
    desk.decide(slot=3)
    memory = desk.core.state.market
    assert skipped(desk.trigger("cycle", desk.bar_end_ns)) == ["repeated"]
    assert skipped(desk.trigger("cycle", desk.bar_end_ns - BAR)) == ["repeated"]
    assert desk.core.state.market is memory
    assert desk.core.state.pending is None


def test_predictions_nobody_waits_for_are_dropped(desk: Desk) -> None:
    raw = np.zeros((len(desk.horizons), 1, 3))
    assert anomalies_of(desk.tell(PredictionsReady(5, raw, None, None))) == ["dropped_predictions"]
    desk.cycle(0)
    assert anomalies_of(desk.tell(PredictionsReady(5, raw, None, None))) == ["dropped_predictions"]
    assert desk.core.state.pending is not None


def test_an_aborted_cycle_ends_and_another_ones_abortion_does_not_touch_it(desk: Desk) -> None:
    desk.cycle(0)
    assert desk.tell(CycleAborted(5, "timeout")) == []
    assert skipped(desk.tell(CycleAborted(desk.bar_end_ns, "timeout"))) == ["timeout"]
    assert desk.core.state.pending is None
    assert desk.tell(CycleAborted(desk.bar_end_ns, "timeout")) == []


def test_stale_predictions_open_nothing_and_close(desk: Desk) -> None:
    desk.enter(symbol="BBB")
    desk.cycle()
    limit_ns = desk.plan.assembly.max_prediction_age_ns
    commands = desk.predictions(limit_ns + 1, AAA=enter(10), BBB=leave())
    assert [order.symbol for order in orders_of(commands)] == ["BBB"]
    assert risk_reason(commands) is Reason.STALE_PREDICTIONS
    assert desk.wished.seen[-1].moment.stale_predictions
    desk.cycle()
    assert len(orders_of(desk.predictions(limit_ns, AAA=enter(10)))) == 1


def test_a_run_that_warms_up_decides_nothing(make_desk: MakeDesk) -> None:
    desk = make_desk(decide_from=20)
    desk.open(0)
    commands = [*desk.cycle(19), *desk.predictions(AAA=enter(10))]
    (decided,) = of_type(commands, CycleDecided)
    assert decided.result.is_warmup
    assert (of_type(commands, AccountMarked), orders_of(commands)) == ([], [])
    assert desk.core.state.digest.cycles == 0
    assert len(orders_of(desk.decide(AAA=enter(10)))) == 1


def test_symbols_not_selected_are_forecast_and_not_entered(make_desk: MakeDesk) -> None:
    desk = make_desk(engine={"trade_symbols": ["BBB"]})
    desk.open(0)
    commands = desk.decide(AAA=enter(10), BBB=enter(10))
    assert [order.symbol for order in orders_of(commands)] == ["BBB"]
    assert risk_reason(commands) is Reason.NOT_SELECTED


# -- sessions --------------------------------------------------------------------------------------------------------


def test_a_session_opens_once(desk: Desk) -> None:
    desk.decide(slot=0)
    before = desk.core.state
    assert desk.open(0) == []
    assert (desk.core.state.session_number, desk.core.state.risk) == (before.session_number, before.risk)
    desk.close()
    assert desk.core.state.session is None
    desk.open(0)
    assert desk.core.state.session_number == before.session_number
    desk.open(1)
    assert desk.core.state.session_number == before.session_number + 1


def test_the_daily_loss_is_measured_from_the_equity_before_the_open(desk: Desk) -> None:
    desk.enter(shares=10)
    desk.decide(prices={"AAA": 90.0})
    desk.open(1)
    assert desk.core.state.risk.session_open_equity_usd == desk.core.state.equity == Decimal("99899.99")


def test_the_intraday_clock_runs_from_the_decision(desk: Desk) -> None:
    desk.slot = 9
    desk.enter(horizon="15m")  # decided at the end of slot 10
    assert not elapsed(desk, 12)
    assert elapsed(desk, 13)


def test_extending_starts_the_clock_anew(desk: Desk) -> None:
    desk.slot = 9
    desk.enter(horizon="15m")
    desk.decide(slot=12, AAA=Wish(Action.EXTEND, 10, "30m"))
    position = desk.core.state.ledger.positions["AAA"]
    assert desk.horizons[position.horizon] == "30m"
    assert not elapsed(desk, 17)
    assert elapsed(desk, 18)
    ticket = desk.core.state.ledger.positions["AAA"].ticket
    assert ticket is not None
    assert desk.horizons[ticket.horizon] == "15m"  # the reward stays with the entry's horizon


def test_a_day_is_the_same_slot_of_the_next_session(desk: Desk) -> None:
    desk.slot = 19
    desk.enter(horizon="1d")  # end of slot 20
    assert not elapsed(desk, 77)
    desk.open(1)
    assert not elapsed(desk, 19)
    assert elapsed(desk, 20)


def test_a_day_ends_with_a_half_day_at_its_last_bar_that_can_fill(desk: Desk) -> None:
    desk.open(2)
    desk.slot = 59
    desk.enter(horizon="1d")
    desk.open(3)  # the day after Thanksgiving: 42 bars
    assert desk.session.n_bars(BAR) == 42
    assert not elapsed(desk, 39)
    assert elapsed(desk, 40)


def test_a_position_that_could_not_be_left_for_a_whole_session_is_over(desk: Desk) -> None:
    desk.slot = 59
    desk.enter(horizon="1d")
    desk.open(1)
    desk.open(2)
    assert elapsed(desk, 0)


def test_an_intraday_position_that_went_overnight_is_over(desk: Desk) -> None:
    desk.slot = 69
    desk.enter(horizon="60m")
    desk.open(1)
    assert elapsed(desk, 0)


def test_where_nothing_closes_an_intraday_position_crosses_midnight(make_desk: MakeDesk) -> None:
    desk = make_desk(calendar="24/7")
    desk.open(0)
    desk.slot = 285
    desk.enter(horizon="15m")  # end of slot 286, so over at the end of slot 1 of the next day
    assert not elapsed(desk, 287)
    desk.close()
    desk.open(1)
    assert not elapsed(desk, 0)
    assert elapsed(desk, 1)
    order = desk.enter(symbol="BBB", horizon="1d")  # end of slot 2
    assert order.symbol == "BBB"
    desk.open(2)
    desk.decide(slot=1)
    assert not desk.wished.seen[-1].held.elapsed[1]
    desk.decide(slot=2)
    assert desk.wished.seen[-1].held.elapsed[1]


def test_an_unknown_trigger_is_an_error(make_desk: MakeDesk) -> None:
    desk = make_desk(strict=True)
    desk.open(0)
    with pytest.raises(ValueError, match="session_pause"):
        desk.tell(ScheduledTrigger("session_pause", desk.session.close_ns, desk.session, 0))
