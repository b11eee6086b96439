"""Guardrails: when they trip, what they latch, who lifts it, what survives a restart.

covers: P15
"""

from __future__ import annotations

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.common.codec import record_from, to_json_value
from LIVE_TRADING.common.exceptions import RiskLimitError, StateError
from LIVE_TRADING.risk import Exposure, Latch, RiskConfig, RiskGuardrails, RiskMemory, TradingState

# covers: P15

RAILS = RiskGuardrails(RiskConfig())
T = 1_760_625_000_000_000_000


def start(equity=100_000):
    return RAILS.open_session(RAILS.initial(Decimal(equity)), "2025-10-16", Decimal(equity))


def look(memory, *equities, rails=RAILS):
    status = None
    for step, equity in enumerate(equities):
        memory, status = rails.evaluate(memory, equity, T + step)
    return memory, status


def rule_ids(memory):
    return [latch.rule_id for latch in memory.latches]


@pytest.mark.parametrize("as_float", [True, False])
@pytest.mark.parametrize(
    ("equities", "tripped"),
    [
        pytest.param([98_000.01], [], id="just-above-the-daily-limit"),
        pytest.param([98_000], ["max_daily_loss"], id="at-the-daily-limit"),
        pytest.param([90_000.01], ["max_daily_loss"], id="just-above-the-drawdown-limit"),
        pytest.param([90_000], ["max_drawdown", "max_daily_loss"], id="at-both"),
        pytest.param([120_000, 108_000.01], [], id="peak-of-the-day-just-above"),
        pytest.param([120_000, 108_000], ["max_drawdown"], id="drawdown-from-a-peak-within-the-day"),
        pytest.param([130_000, 99_000, 130_000], ["max_drawdown"], id="recovery-does-not-unlatch"),
        pytest.param([-10], ["max_drawdown", "max_daily_loss"], id="equity-below-zero"),
    ],
)
def test_losses_trip_inclusively(equities, tripped, as_float):
    memory, status = look(start(), *(float(e) if as_float else Decimal(str(e)) for e in equities))
    assert rule_ids(memory) == tripped
    assert status.tripped == memory.latches
    assert memory.state is (TradingState.REDUCE_ONLY if tripped else TradingState.ACTIVE)


@pytest.mark.parametrize("limit", [0.01, 0.02, 0.03, 0.07, 0.1, 0.15, 0.29])
@pytest.mark.parametrize("equity", [100_000, 99_999.99, 33_333.33, 1e9])
def test_the_limit_itself_trips_whatever_floats_say(limit, equity):
    rails = RiskGuardrails(RiskConfig(max_drawdown_frac=limit, max_daily_loss_frac=1.0))
    memory = rails.initial(equity)
    at_limit = Decimal(repr(equity)) * (1 - Decimal(str(limit)))
    assert rule_ids(rails.evaluate(memory, at_limit + Decimal("1e-9"), T)[0]) == []
    assert rule_ids(rails.evaluate(memory, at_limit, T)[0]) == ["max_drawdown"]


def test_the_status_states_the_account():
    exposure = Exposure(50_000.0, -10_000.0, 0.5, -0.1)
    memory, status = RAILS.evaluate(start(), 99_000.0, T, exposure)
    assert (status.state, status.equity_usd, status.gross, status.net) == ("active", 99_000.0, 0.5, -0.1)
    assert status.drawdown_frac == pytest.approx(-0.01)
    assert status.daily_loss_frac == pytest.approx(-0.01)
    memory, first = RAILS.evaluate(memory, 97_000.0, T)
    _, second = RAILS.evaluate(memory, 96_000.0, T)
    assert [latch.rule_id for latch in first.newly_tripped] == ["max_daily_loss"]
    assert second.newly_tripped == ()
    assert (
        "97000.00 USD is 3.00% below the session open of 100000.00 USD; the limit is 2.00%" in first.tripped[0].message
    )


@pytest.mark.parametrize("equity", [float("nan"), float("inf"), float("-inf"), Decimal("NaN")])
@pytest.mark.parametrize("enabled", [True, False])
def test_an_equity_that_cannot_be_read_halts(equity, enabled):
    rails = RiskGuardrails(RiskConfig(guardrails=enabled))
    memory, status = look(start(), equity, rails=rails)
    assert memory.state is TradingState.HALTED
    assert rule_ids(memory) == ["equity_unreadable"]
    assert math.isnan(status.drawdown_frac)
    assert memory.peak_equity_usd == 100_000
    memory, _ = look(memory, 100_000.0, rails=rails)
    assert memory.state is TradingState.HALTED


def test_guardrails_switched_off_trip_on_no_loss():
    memory, status = look(start(), 100.0, rails=RiskGuardrails(RiskConfig(guardrails=False)))
    assert memory.state is TradingState.ACTIVE
    assert status.drawdown_frac == pytest.approx(-0.999)


def test_a_latch_outlives_the_session_and_the_day_starts_anew():
    memory, _ = look(start(), 97_000.0)
    memory = RAILS.open_session(memory, "2025-10-17", 97_000.0)
    assert memory.session_open_equity_usd == 97_000
    memory, status = look(memory, 96_000.0)
    assert rule_ids(memory) == ["max_daily_loss"]
    assert status.daily_loss_frac == pytest.approx(96 / 97 - 1)


def test_a_restart_within_the_session_does_not_forgive():
    memory, _ = look(start(), 98_500.0)
    assert RAILS.open_session(memory, "2025-10-16", 98_500.0) is memory
    assert rule_ids(look(memory, 98_000.0)[0]) == ["max_daily_loss"]


def test_an_unreadable_equity_at_the_open_keeps_the_measure():
    memory = RAILS.open_session(start(), "2025-10-17", float("nan"))
    assert (memory.session_date, memory.session_open_equity_usd) == ("2025-10-17", 100_000)


def test_resume_lifts_and_a_loss_that_stands_trips_again():
    memory, _ = look(start(), 90_000.0)
    memory = RAILS.halt(memory, "kill", "operator", T)
    assert memory.state is TradingState.HALTED
    memory = RAILS.resume(memory, "checked the book", T + 5)
    assert memory.state is TradingState.ACTIVE
    assert memory.last_release.lifted == ("max_drawdown", "max_daily_loss", "kill")
    assert (memory.last_release.reason, memory.last_release.time_ns) == ("checked the book", T + 5)
    assert look(memory, 90_000.0)[0].state is TradingState.REDUCE_ONLY


def test_reset_measures_from_here():
    memory, _ = look(start(), 90_000.0)
    memory = RAILS.reset(memory, 90_000.0, "new start", T)
    assert look(memory, 89_000.0)[0].state is TradingState.ACTIVE
    assert (memory.peak_equity_usd, memory.session_open_equity_usd) == (90_000, 90_000)
    with pytest.raises(RiskLimitError, match="equity to reset to"):
        RAILS.reset(memory, float("nan"), "no", T)


def test_the_strictest_latch_rules_and_the_first_of_a_kind_stays():
    memory = RAILS.restrict(start(), "breaker", "venue down", T)
    assert memory.state is TradingState.REDUCE_ONLY
    memory = RAILS.halt(memory, "breaker", "journal lost", T + 1)
    memory = RAILS.halt(memory, "breaker", "again", T + 2)
    assert memory.state is TradingState.HALTED
    assert [latch.message for latch in memory.latches] == ["venue down", "journal lost"]


def test_flattening_is_for_tripped_guardrails_only():
    rails = RiskGuardrails(RiskConfig(on_trip="flatten"))
    memory, status = look(start(), 98_000.0, rails=rails)
    assert status.flatten
    assert memory.state is TradingState.REDUCE_ONLY
    assert not look(start(), 98_000.0)[1].flatten
    assert not rails.flattens(rails.halt(start(), "kill", "operator", T))


@pytest.mark.parametrize("amount", [50_000, -50_000])
def test_cash_flows_neither_hide_nor_make_a_loss(amount):
    memory, before = look(start(), 99_000.0)
    memory = RAILS.deposit(memory, Decimal(amount), 99_000.0)
    memory, after = look(memory, 99_000.0 + amount)
    assert after.drawdown_frac == pytest.approx(before.drawdown_frac)
    assert after.daily_loss_frac == pytest.approx(before.daily_loss_frac)
    assert memory.deposits_usd == amount
    assert rule_ids(look(memory, (99_000.0 + amount) * 0.98)[0]) == ["max_daily_loss"]
    assert RAILS.open_session(memory, "2025-10-17", 99_000.0 + amount).deposits_usd == 0


@pytest.mark.parametrize(("amount", "before"), [(-100_000, 100_000), (5, float("nan")), ("NaN", 100_000), (5, 0)])
def test_cash_flows_without_a_proportion_are_refused(amount, before):
    with pytest.raises(RiskLimitError, match="deposit"):
        RAILS.deposit(start(), Decimal(amount), before)


@pytest.mark.parametrize("equity", [0, -1, float("nan"), float("inf")])
def test_no_start_without_equity(equity):
    with pytest.raises(RiskLimitError, match="starting equity"):
        RAILS.initial(equity)


money = st.decimals("0.01", "1e9", places=2)
latches = st.builds(
    Latch,
    st.text(min_size=1),
    st.sampled_from([TradingState.REDUCE_ONLY, TradingState.HALTED]),
    st.text(),
    st.integers(0, 2**62),
)


@given(money, st.lists(st.floats(0.5, 1.5), min_size=1, max_size=30))
def test_the_peak_never_falls_and_latches_never_go(equity, factors):
    memory = RAILS.initial(equity)
    for factor in factors:
        before = memory
        memory, status = RAILS.evaluate(memory, equity * Decimal(repr(factor)), T)
        assert memory.peak_equity_usd >= before.peak_equity_usd
        assert memory.latches[: len(before.latches)] == before.latches
        assert status.drawdown_frac <= 0.0


@given(st.lists(st.floats(0.7, 1.2), min_size=1, max_size=20), st.sampled_from([Decimal("0.01"), Decimal(1000)]))
def test_the_currency_changes_no_verdict(factors, unit):
    memory, other = start(), start(100_000 * unit)
    for factor in factors:
        equity = 100_000 * Decimal(repr(factor))
        memory, status = RAILS.evaluate(memory, equity, T)
        other, same = RAILS.evaluate(other, equity * unit, T)
        assert (other.state, rule_ids(other)) == (memory.state, rule_ids(memory))
        assert (same.drawdown_frac, same.daily_loss_frac) == pytest.approx(
            (status.drawdown_frac, status.daily_loss_frac)
        )


@given(st.lists(st.floats(0.85, 1.1), max_size=10), st.floats(50_000.0, 120_000.0), st.floats(0.0, 20_000.0))
def test_a_deeper_loss_never_trips_less(factors, equity, deeper):
    memory, _ = look(start(), *(100_000.0 * factor for factor in factors))
    better, worse = RAILS.evaluate(memory, equity, T)[0], RAILS.evaluate(memory, equity - deeper, T)[0]
    assert set(rule_ids(better)) <= set(rule_ids(worse))


@given(
    money, money, st.dates().map(str), st.decimals(-1000, 1000, places=3), st.lists(latches, max_size=3), st.booleans()
)
def test_memory_survives_a_restart_exactly(peak, opened, date, deposits, held, released):
    memory = RiskMemory(peak, opened, date, deposits, tuple(held))
    memory = RAILS.resume(memory, "checked", T) if released else memory
    assert RiskMemory.from_dict(json.loads(json.dumps(memory.to_dict()))) == memory
    assert record_from(RiskMemory, json.loads(json.dumps(to_json_value(memory)))) == memory


def saved(**changes):
    memory = RAILS.resume(RAILS.halt(start(), "kill", "x", T), "ok", T)
    memory = RAILS.halt(memory, "kill", "y", T)
    data = memory.to_dict()
    for path, value in changes.items():
        inner = data
        *parents, last = path.split("__")
        for key in parents:
            inner = inner[int(key) if key.isdigit() else key]
        inner[last] = value
    return data


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "active"},
        {"state": None},
        {"peak_equity_usd": "NaN"},
        {"peak_equity_usd": 1.0},
        {"peak_equity_usd": "a lot"},
        {"session_date": None},
        {"latches": None},
        {"latches": [5]},
        {"latches": []},
        {"latches__0__state": "active"},
        {"latches__0__state": "sleeping"},
        {"latches__0__time_ns": True},
        {"latches__0__message": None},
        {"last_release__lifted": "kill"},
        {"last_release": 5},
        {"surprise": 1},
    ],
)
def test_an_unreadable_state_is_refused_and_says_halted(changes):
    with pytest.raises(StateError, match="halted"):
        RiskMemory.from_dict(saved(**changes))


@pytest.mark.parametrize("data", [{}, None, [], {"state": "active"}])
def test_what_is_no_state_is_refused(data):
    with pytest.raises(StateError, match="halted"):
        RiskMemory.from_dict(data)


def test_a_missing_field_is_refused():
    for key in sorted(saved()):
        data = saved()
        del data[key]
        with pytest.raises(StateError, match=key):
            RiskMemory.from_dict(data)
