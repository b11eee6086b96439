"""What comes in at the boundary as a dict: whatever it is, the ledger knows orders and fills only."""

from __future__ import annotations

# covers: A1, A2, A3, A4, A5
import builtins
import datetime as dt
import os
import socket
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from core_desk import plan_of
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.contracts import parse_fill, parse_order
from LIVE_TRADING.common.events import OrderFill, Stamped
from LIVE_TRADING.common.exceptions import ContractError
from LIVE_TRADING.common.types import FillReport, Order, Side
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.run_setup import RunPlan

REPO = Path(__file__).resolve().parents[2]
ORDER: dict[str, Any] = {
    "client_order_id": "lt-a",
    "order_number": 1,
    "symbol": "AAA",
    "side": "buy",
    "quantity": "10",
    "leg": "entry",
    "decision_time": "2025-11-24T15:00:00Z",
}
FILL: dict[str, Any] = {
    "execution_id": "x1",
    "client_order_id": "lt-a",
    "symbol": "AAA",
    "side": "sell",
    "quantity": "4",
    "price": "101.25",
    "fee": "0.5",
    "currency": "USD",
    "exchange_time": "2025-11-24T15:00:00Z",
}

JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.decimals(),
        st.text(max_size=6),
        st.binary(max_size=4),
        st.datetimes(),
        st.sampled_from(["nan", "inf", "-1", "0", "1e400", "buy", "AAA", "2025-11-24T15:00:00", dt.date(2025, 1, 1)]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)


@lru_cache(maxsize=1)
def plan() -> RunPlan:
    return plan_of()


def booked(core: EngineCore, report: FillReport, seq: int) -> None:
    """Hand a fill on, as an adapter does once the contract has let it through."""
    fill = OrderFill(
        report.client_order_id,
        report.execution_id,
        report.symbol,
        report.side,
        report.price,
        report.quantity,
        report.fee,
        report.currency,
        report.exchange_time_ns,
    )
    core.handle(Stamped(seq, seq, fill))


@pytest.mark.parametrize(("parse", "valid"), [(parse_order, ORDER), (parse_fill, FILL)], ids=["order", "fill"])
@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_arbitrary_dicts_are_refused_and_change_nothing(parse: Any, valid: dict[str, Any], data: st.DataObject) -> None:
    core = plan().core()
    before = core.state
    base = dict(valid) if data.draw(st.booleans()) else {}
    keys = st.one_of(st.sampled_from(sorted(valid)), st.text(max_size=8))
    given_ = {**base, **data.draw(st.dictionaries(keys, JUNK, max_size=4))}
    try:
        parsed = parse(given_)
    except ContractError as error:
        assert error.fields
        assert core.state is before
        return
    assert isinstance(parsed, (Order, FillReport))
    assert parsed.quantity.is_finite()
    assert parsed.quantity > 0
    assert core.state is before


@pytest.mark.parametrize("parse", [parse_order, parse_fill])
@settings(deadline=None, max_examples=60)
@given(thing=JUNK)
def test_what_is_no_dict_is_refused(parse: Any, thing: Any) -> None:
    with pytest.raises(ContractError):
        parse(thing)


NUMBERS = st.one_of(
    st.integers(1, 10**6),
    st.decimals("0.000001", "1000000", places=6),
    st.decimals("0.01", "1000", places=2).map(str),
)
FILLS = st.fixed_dictionaries(
    {
        "execution_id": st.sampled_from([f"x{number}" for number in range(12)]),
        "client_order_id": st.sampled_from(["lt-a", "lt-b"]),
        "symbol": st.sampled_from(["AAA", "BBB", "ZZZ"]),
        "side": st.sampled_from(["buy", "sell", "BUY", "hold"]),
        "quantity": st.one_of(NUMBERS, st.sampled_from(["-1", "0", "nan", True, None])),
        "price": st.one_of(NUMBERS, st.sampled_from(["-1", "0", "inf", False])),
        "fee": st.sampled_from(["0", "1.25", "-0.10", "nan"]),
        "currency": st.sampled_from(["USD", "EUR", "usd", ""]),
        "exchange_time": st.sampled_from(["2025-11-24T15:00:00Z", "2025-11-24T15:00:00", 5]),
    }
)


@settings(deadline=None, max_examples=100)
@given(st.lists(FILLS, max_size=12))
def test_the_ledger_is_that_of_the_fills_that_are_fills(dicts: list[dict[str, Any]]) -> None:
    core = plan().core()
    cash: dict[str, Decimal] = defaultdict(Decimal, {"USD": Decimal(core.run.initial_cash)})
    shares: dict[str, Decimal] = defaultdict(Decimal)
    seen: set[str] = set()
    for seq, one in enumerate(dicts, start=1):
        try:
            report = parse_fill(one)
        except ContractError:
            continue
        booked(core, report, seq)
        if report.execution_id in seen:
            continue  # orders nobody knows: told apart by execution alone
        seen.add(report.execution_id)
        signed = report.quantity if report.side is Side.BUY else -report.quantity
        cash[report.currency] -= signed * report.price + report.fee
        shares[report.symbol] += signed
    ledger = core.state.ledger
    assert ledger.cash == dict(cash)
    assert {name: held.quantity for name, held in ledger.positions.items()} == {n: q for n, q in shares.items() if q}


def test_contracts_need_no_engine_no_broker_and_no_numbers_library() -> None:
    code = (
        "import sys, LIVE_TRADING.common.contracts, LIVE_TRADING.risk; "
        "print([name for name in sys.modules if name.startswith(('LIVE_TRADING.engine', 'LIVE_TRADING.brokers', "
        "'LIVE_TRADING.data', 'LIVE_TRADING.observability', 'sqlite3', 'asyncio', 'ssl'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_contracts_work_with_sockets_and_files_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> Any:
        raise AssertionError("the boundary reads and writes nothing")

    for owner, name in ((builtins, "open"), (os, "open"), (socket, "socket"), (socket, "create_connection")):
        monkeypatch.setattr(owner, name, forbidden)
    order, fill = parse_order(ORDER), parse_fill(FILL)
    monkeypatch.undo()
    assert (order.quantity, fill.price) == (Decimal(10), Decimal("101.25"))
