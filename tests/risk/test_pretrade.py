"""The pre-trade rules one by one, what reducing orders pass, and that a verdict depends on nothing else.

covers: A1, A2, A6, A10, P15, P22
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import os
import socket
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import LIVE_TRADING.risk
from LIVE_TRADING.common.types import Instrument, Leg, Order, Rejection, Side
from LIVE_TRADING.risk import PreTradeRules, RiskConfig, RiskContext, TradingState
from LIVE_TRADING.risk import rules as rules_package
from LIVE_TRADING.risk.rules import rule_names

# covers: A1, A2, A6, A10, P15, P22

S = 1_000_000_000
NOW = 1_760_625_000 * S
RULES = PreTradeRules(RiskConfig())
STRICT = PreTradeRules(RiskConfig(limit_tolerance_frac=0.0))


def verdict(order, context, rules=RULES):
    rejection = rules.check(order, context)
    if rejection is not None:
        assert (rejection.symbol, rejection.side, rejection.leg) == (order.symbol, order.side, order.leg)
        assert rejection.quantity is order.quantity
    return None if rejection is None else rejection.rule_id


def test_nothing_speaks_against_a_plain_order(order, context):
    assert verdict(order(), context()) is None


@pytest.mark.parametrize("leg", list(Leg))
@pytest.mark.parametrize(
    ("state", "confirmed", "side", "position", "buying", "selling", "passes"),
    [
        # reduce_only: position plus working orders on that side cannot cross zero
        ("reduce_only", False, "sell", 10, 0, 0, True),
        ("reduce_only", False, "sell", 15, 0, 5, True),
        ("reduce_only", False, "sell", 9, 0, 0, False),
        ("reduce_only", False, "sell", 10, 0, 1, False),
        ("reduce_only", False, "buy", 10, 0, 0, False),
        ("reduce_only", False, "buy", 0, 0, 0, False),
        ("reduce_only", False, "sell", 0, 0, 0, False),
        ("reduce_only", False, "buy", -10, 0, 0, True),
        ("reduce_only", False, "buy", -10, 1, 0, False),
        ("reduce_only", False, "buy", -10, 0, 99, True),
        ("halted", False, "sell", 10, 0, 0, False),
        ("halted", True, "sell", 10, 0, 0, "flatten"),
        ("halted", True, "sell", 9, 0, 0, False),
        ("halted", True, "buy", 10, 0, 0, False),
    ],
)
def test_the_table_of_trading_states(order, context, leg, state, confirmed, side, position, buying, selling, passes):
    seen = context(position, buying, selling, trading_state=TradingState(state), flatten_confirmed=confirmed)
    expected = None if passes is True or passes == leg.value else "trading_state"
    assert verdict(order(side, leg=leg), seen) == expected


@pytest.mark.parametrize("quantity", ["NaN", "Infinity", "-5", "0"])
def test_no_quantity_reduces_nothing(order, context, quantity):
    seen = context(10, trading_state=TradingState.REDUCE_ONLY)
    assert verdict(order("sell", quantity, "exit"), seen) == "trading_state"


def test_a_refusal_says_value_and_limit_in_words(order, context):
    rejection = RULES.check(order(quantity=250), context())
    assert rejection == Rejection(
        "AAPL",
        Side.BUY,
        Decimal(250),
        Leg.ENTRY,
        "position_limit",
        "buy 250 AAPL refused: the position could become 25.00% of equity (25000.00 of 100000.00 USD); "
        "the limit is 20.00%, 21.00% with its tolerance",
    )


@pytest.mark.parametrize(
    ("quantity", "position", "buying", "expected"),
    [
        pytest.param(200, 0, 0, None, id="at-the-limit-passes"),
        pytest.param(201, 0, 0, "position_limit", id="beyond"),
        pytest.param(100, 101, 0, "position_limit", id="with-what-is-held"),
        pytest.param(150, -100, 0, None, id="from-short-to-long"),
        pytest.param(301, -100, 0, "position_limit", id="from-short-to-too-long"),
    ],
)
def test_position_limit(order, context, quantity, position, buying, expected):
    assert verdict(order("buy", quantity), context(position, buying), STRICT) == expected
    mirrored = context(-position, 0, buying)
    assert verdict(order("sell", quantity), mirrored, STRICT) == expected


def test_tolerance_leaves_room_for_drift(order, context):
    assert verdict(order(quantity=210), context()) is None
    assert verdict(order(quantity=211), context()) == "position_limit"


@pytest.mark.parametrize(
    ("gross", "net", "side", "expected"),
    [
        pytest.param(90_000.0, 0.0, "buy", None, id="gross-at-the-limit"),
        pytest.param(90_001.0, 0.0, "buy", "gross_limit", id="gross-beyond"),
        pytest.param(50_000.0, 20_000.0, "buy", None, id="net-at-the-limit"),
        pytest.param(50_000.0, 20_001.0, "buy", "net_limit", id="net-beyond"),
        pytest.param(50_000.0, -20_001.0, "sell", "net_limit", id="net-beyond-below"),
        pytest.param(50_000.0, 60_000.0, "sell", None, id="net-comes-back"),
        pytest.param(50_000.0, -25_000.0, "buy", None, id="net-through-zero"),
    ],
)
def test_book_limits(order, context, gross, net, side, expected):
    assert verdict(order(side, 100), context(gross_usd=gross, net_usd=net), STRICT) == expected


MARGIN = ("trading_state", "lot_and_tick", "duplicate_order", "exit_reduces", "buying_power")


@pytest.mark.parametrize(
    ("margin", "gross", "side", "expected"),
    [
        # equity 100,000 USD, an order of 10,000 USD
        pytest.param(1.0, 90_000.0, "buy", None, id="cash-account-to-the-last-dollar"),
        pytest.param(1.0, 90_001.0, "buy", "buying_power", id="cash-account-beyond"),
        pytest.param(1.0, 90_001.0, "sell", "buying_power", id="a-short-is-covered-too"),
        pytest.param(0.5, 190_000.0, "buy", None, id="regulation-t-twice-the-equity"),
        pytest.param(0.5, 190_001.0, "buy", "buying_power", id="regulation-t-beyond"),
        pytest.param(0.25, 390_000.0, "sell", None, id="a-quarter"),
        pytest.param(0.25, 390_001.0, "sell", "buying_power", id="a-quarter-beyond"),
        pytest.param(0.5, float("nan"), "buy", "buying_power", id="a-book-that-has-no-price"),
    ],
)
def test_buying_power(order, context, margin, gross, side, expected):
    rules = PreTradeRules(RiskConfig(initial_margin_frac=margin, rules=MARGIN, limit_tolerance_frac=0.5))
    assert verdict(order(side, 100), context(gross_usd=gross), rules) == expected


@pytest.mark.parametrize("equity", [0.0, -5.0, float("nan")])
def test_unknown_equity_covers_nothing(order, context, equity):
    rules = PreTradeRules(RiskConfig(rules=MARGIN))
    assert verdict(order("buy", 100), context(equity_usd=equity), rules) == "buying_power"


def test_what_takes_from_the_book_needs_no_margin(order, context):
    """An account whose equity has fallen below its margin leaves, cuts and turns over without more of it."""
    rules = PreTradeRules(RiskConfig(initial_margin_frac=1.0, rules=MARGIN))
    held = context(100, gross_usd=150_000.0)
    assert verdict(order("sell", 100, "exit"), held, rules) is None
    assert verdict(order("sell", 60, "resize"), held, rules) is None
    assert verdict(order("sell", 200), held, rules) is None  # as large on the other side: nothing is added
    assert verdict(order("sell", 201), held, rules) == "buying_power"
    assert verdict(order("buy", 1), held, rules) == "buying_power"


def test_a_refusal_for_margin_gives_its_figures(order, context):
    rejection = PreTradeRules(RiskConfig(rules=MARGIN)).check(order(quantity=100), context(gross_usd=195_000.0))
    assert rejection is not None
    assert rejection.message == (
        "buy 100 AAPL refused: gross exposure could become 205000.00 USD, whose initial margin of 50% is "
        "102500.00 USD; equity is 100000.00 USD"
    )


def test_by_default_the_limits_on_exposure_bind_first(order, context):
    """Gross 1.0 with its tolerance needs a little more than half of the equity as margin."""
    asked, seen = order("buy", 200), context(gross_usd=85_000.0)
    assert verdict(asked, seen) is None
    assert verdict(asked, context(gross_usd=85_001.0)) == "gross_limit"


def test_working_orders_are_reserved(order, context):
    """An exit at work frees no room for the reversal; an entry at work has taken its room."""
    rules = PreTradeRules(RiskConfig(limit_tolerance_frac=0.0, max_net=1.0, max_position_weight=1.0))
    held = context(position=100, selling=100, gross_usd=95_000.0, net_usd=10_000.0)
    assert held.reserved_usd() == 10_000.0
    assert held.reserved_usd(order("sell", 300)) == -30_000.0
    assert rules.check(order("sell", 300), held) is not None


@pytest.mark.parametrize("equity", [0.0, -5.0, float("nan")])
def test_no_new_risk_on_an_unknown_equity(order, context, equity):
    assert verdict(order(), context(equity_usd=equity)) == "position_limit"
    assert verdict(order("sell", 10, "exit"), context(10, equity_usd=equity)) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"mark_price_usd": float("nan")}, "mark_price", id="no-mark"),
        pytest.param({"mark_price_usd": 0.0}, "mark_price", id="zero"),
        pytest.param({"mark_price_usd": float("inf")}, "mark_price", id="infinite"),
        pytest.param({"mark_time_ns": NOW - 901 * S}, "mark_price", id="stale"),
        pytest.param({"mark_time_ns": NOW - 900 * S}, None, id="at-the-age-limit"),
        pytest.param({"last_order_time_ns": NOW - 5 * S}, None, id="cooldown-over"),
        pytest.param({"last_order_time_ns": NOW - 5 * S + 1}, "cooldown", id="within-the-cooldown"),
        pytest.param({"last_order_time_ns": NOW}, "cooldown", id="same-instant"),
        pytest.param({"last_order_time_ns": NOW + S}, "cooldown", id="clock-went-back"),
        pytest.param({"known_order_ids": ("lt-1",)}, "duplicate_order", id="id-sent-before"),
        pytest.param({"known_order_ids": {"lt-2": 1}}, None, id="another-id"),
        pytest.param({"instrument": Instrument("MSFT")}, "lot_and_tick", id="another-instrument"),
        pytest.param({"instrument": Instrument("AAPL", lot=Decimal(3))}, "lot_and_tick", id="off-lot"),
        pytest.param({"instrument": Instrument("AAPL", min_notional=Decimal(1001))}, "order_notional", id="too-small"),
        pytest.param({"instrument": Instrument("AAPL", min_notional=Decimal(1000))}, None, id="just-large-enough"),
    ],
)
def test_what_an_entry_runs_into(order, context, changes, expected):
    assert verdict(order(), context(**changes)) == expected


def test_new_risk_waits_for_orders_at_work(order, context):
    assert verdict(order(), context(buying=5)) == "duplicate_order"
    assert verdict(order(), context(selling=5)) == "duplicate_order"
    assert verdict(order("sell", 10, "exit"), context(20, selling=10)) is None


@pytest.mark.parametrize(
    ("quantity", "kind", "price", "expected"),
    [
        ("1.5", "market", None, "lot_and_tick"),
        ("0", "market", None, "lot_and_tick"),
        ("-1", "market", None, "lot_and_tick"),
        ("NaN", "market", None, "lot_and_tick"),
        ("10", "limit", None, "lot_and_tick"),
        ("10", "market", "100", "lot_and_tick"),
        ("10", "limit", "100.005", "lot_and_tick"),
        ("10", "limit", "0", "lot_and_tick"),
        ("10", "limit", "100.01", None),
    ],
)
def test_lot_and_tick(order, context, quantity, kind, price, expected):
    assert verdict(order(quantity=quantity, order_type=kind, limit_price=price), context()) == expected
    reducing = order("sell", quantity, "exit", order_type=kind, limit_price=price)
    assert verdict(reducing, context(10)) == expected


@pytest.mark.parametrize(
    ("quantity", "limit_price", "mark", "expected"),
    [
        (100, None, 100.0, None),
        (101, None, 100.0, "order_notional"),
        (100, "100.01", 100.0, "order_notional"),
        (100, "99", 100.01, "order_notional"),
        (100, "100", float("nan"), None),
        (100, None, float("nan"), "order_notional"),
    ],
)
def test_order_notional(order, context, quantity, limit_price, mark, expected):
    config = RiskConfig(max_order_notional_usd=10_000.0, rules=(*sorted(MANDATORY), "order_notional"))
    kind = "market" if limit_price is None else "limit"
    seen = context(mark_price_usd=mark)
    asked = order(quantity=quantity, order_type=kind, limit_price=limit_price)
    assert verdict(asked, seen, PreTradeRules(config)) == expected


MANDATORY = {"trading_state", "lot_and_tick", "duplicate_order", "exit_reduces"}


@pytest.mark.parametrize("leg", ["exit", "flatten"])
def test_an_exit_never_opens_a_position(order, context, leg):
    assert verdict(order("sell", 10, leg), context(10)) is None
    assert verdict(order("sell", 11, leg), context(10)) == "exit_reduces"
    assert verdict(order("sell", 1, leg), context(0)) == "exit_reduces"
    assert verdict(order("buy", 1, leg), context(10)) == "exit_reduces"
    assert verdict(order("sell", 6, leg), context(10, selling=5)) in ("exit_reduces", "duplicate_order")


def test_the_first_no_wins_and_the_configuration_sets_the_order(order, context):
    names = ("cooldown", "position_limit", *sorted(MANDATORY))
    seen = context(last_order_time_ns=NOW)
    asked = order(quantity=500)
    assert verdict(asked, seen, PreTradeRules(RiskConfig(rules=names))) == "cooldown"
    assert verdict(asked, seen, PreTradeRules(RiskConfig(rules=(names[1], names[0], *names[2:])))) == "position_limit"


def test_every_rule_is_listed_by_default_and_listens_to_its_name():
    assert sorted(RiskConfig().rules) == rule_names()
    built = PreTradeRules(RiskConfig()).rules
    assert [rule.rule_id for rule in built] == list(RiskConfig().rules)
    assert all(dataclasses.is_dataclass(rule) and rule.__dataclass_params__.frozen for rule in built)


def test_a_rule_is_added_by_one_file_and_its_name(monkeypatch, tmp_path, order, context):
    (tmp_path / "no_round_lots.py").write_text(
        """
from LIVE_TRADING.risk.context import refusal

class NoRoundLots:
    rule_id = "no_round_lots"

    def __init__(self, lot):
        self.lot = lot

    def check(self, order, context):
        return None if order.quantity % self.lot else refusal(order, self.rule_id, f"a multiple of {self.lot}")

def build(config):
    return NoRoundLots(int(config.rule_options["no_round_lots"]["lot"]))
"""
    )
    monkeypatch.setattr(rules_package, "__path__", [*rules_package.__path__, str(tmp_path)])
    names = (*RiskConfig().rules, "no_round_lots")
    rules = PreTradeRules(RiskConfig(rules=names, rule_options={"no_round_lots": {"lot": 5}}))
    assert verdict(order(quantity=10), context(), rules) == "no_round_lots"
    assert verdict(order(quantity=9), context(), rules) is None


def test_no_cooldown_leaves_the_rule_out(order, context):
    rules = PreTradeRules(RiskConfig(cooldown_s=0.0))
    assert "cooldown" not in [rule.rule_id for rule in rules.rules]
    assert verdict(order(), context(last_order_time_ns=NOW), rules) is None


quantities = st.integers(1, 400)


@given(
    st.sampled_from([-1, 1]),
    quantities,
    st.integers(1, 400),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-10, 10_000),
    st.sampled_from(["active", "reduce_only"]),
)
def test_what_only_reduces_is_never_refused_for_risk(sign, held, quantity, equity, price, age_s, state):
    """Whatever equity, mark, exposure or cooldown say: an order within the position passes."""
    seen = RiskContext(
        trading_state=TradingState(state),
        now_ns=NOW,
        equity_usd=equity,
        position_shares=Decimal(sign * held),
        working_buy_shares=Decimal(0),
        working_sell_shares=Decimal(0),
        mark_price_usd=price,
        mark_time_ns=NOW - age_s * S,
        gross_usd=1e9,
        net_usd=equity,
        last_order_time_ns=NOW,
        known_order_ids=(),
        instrument=Instrument("AAPL", min_notional=Decimal(10**9)),
    )
    side = Side.SELL if sign > 0 else Side.BUY
    asked = Order("x", 1, "AAPL", side, Decimal(quantity), Leg.RESIZE, NOW)
    rejection = PreTradeRules(RiskConfig(max_order_notional_usd=1.0)).check(asked, seen)
    if quantity <= held:
        assert rejection is None
    else:
        assert rejection is not None


@given(quantities, st.integers(-300, 300), st.floats(-90_000, 90_000), st.sampled_from(list(TradingState)))
def test_mirrored_orders_get_mirrored_verdicts(quantity, position, net, state):
    def judge(sign):
        seen = RiskContext(
            trading_state=state,
            now_ns=NOW,
            equity_usd=1e5,
            position_shares=Decimal(sign * position),
            working_buy_shares=Decimal(0),
            working_sell_shares=Decimal(0),
            mark_price_usd=100.0,
            mark_time_ns=NOW,
            gross_usd=max(abs(net), abs(position) * 100.0),
            net_usd=sign * net,
            last_order_time_ns=None,
            known_order_ids=(),
            instrument=Instrument("AAPL"),
        )
        side = Side.BUY if sign > 0 else Side.SELL
        rejection = RULES.check(Order("x", 1, "AAPL", side, Decimal(quantity), Leg.ENTRY, NOW), seen)
        return None if rejection is None else rejection.rule_id

    assert judge(1) == judge(-1)


@given(quantities, quantities, st.integers(-300, 300), st.floats(-1e5, 1e5), st.sampled_from(list(TradingState)))
def test_a_smaller_order_is_never_refused_where_a_larger_one_passes(quantity, smaller, position, net, state):
    seen = RiskContext(
        trading_state=state,
        now_ns=NOW,
        equity_usd=1e5,
        position_shares=Decimal(position),
        working_buy_shares=Decimal(0),
        working_sell_shares=Decimal(0),
        mark_price_usd=100.0,
        mark_time_ns=NOW,
        gross_usd=max(abs(net), abs(position) * 100.0),
        net_usd=net,
        last_order_time_ns=None,
        known_order_ids=(),
        instrument=Instrument("AAPL"),
    )
    for side in Side:
        large, small = (
            RULES.check(Order("x", 1, "AAPL", side, Decimal(amount), Leg.RESIZE, NOW), seen)
            for amount in (max(quantity, smaller), min(quantity, smaller))
        )
        assert large is not None or small is None


def test_verdicts_need_no_socket_and_no_file(monkeypatch, order, context):
    """Pure: with sockets and files disabled every rule still answers, and twice the same."""

    def forbidden(*args, **kwargs):
        raise AssertionError("a pre-trade rule reached outside")

    asked = [order(), order(quantity=500), order("sell", 10, "exit"), order(quantity="1.5"), order(leg="flatten")]
    seen = [context(), context(10), context(last_order_time_ns=NOW), context(trading_state=TradingState.HALTED)]
    with monkeypatch.context() as patched:
        for owner, name in [(socket, "socket"), (socket, "create_connection"), (builtins, "open"), (os, "open")]:
            patched.setattr(owner, name, forbidden)
        first = [RULES.check(a, b) for a in asked for b in seen]
        second = [RULES.check(a, b) for a in asked for b in seen]
    assert first == second
    assert any(first)
    assert not all(first)


def test_risk_imports_nothing_above_it():
    allowed = ("LIVE_TRADING.common", "LIVE_TRADING.risk")
    for path in sorted(Path(LIVE_TRADING.risk.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("LIVE_TRADING") or name.startswith(allowed), f"{path.name} imports {name}"
                assert name.split(".")[0] not in {"socket", "time", "datetime", "random", "sqlite3", "asyncio"}
