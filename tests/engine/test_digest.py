"""Digests: the same for what is the same, and different for everything that counts."""

from __future__ import annotations

# covers: P27
import hashlib
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from LIVE_TRADING.common.events import OrderFill
from LIVE_TRADING.common.reasons import REASONS_VERSION
from LIVE_TRADING.common.types import Leg, Order, Rejection, Side
from LIVE_TRADING.engine.digest import (
    RunDigest,
    canonical,
    decision_digest,
    fingerprint,
    fingerprint_text,
    first_difference,
    stack_rows,
    trace_digest,
)

ORDER = Order("id-1", 1, "AAA", Side.BUY, Decimal("10"), Leg.ENTRY, 5)
REJECTION = Rejection("BBB", Side.SELL, Decimal("3"), Leg.RESIZE, "net_limit", "too much")
FILL = OrderFill("id-1", "x", "AAA", Side.BUY, Decimal("100.10"), Decimal("4"), Decimal("0.20"), "USD", 77)


def digest_of(**changes: object) -> str:
    arguments: dict[str, object] = {
        "time_ns": 5,
        "names": b"AAA\nBBB",
        "reasons": np.array([[0, 31]], dtype=np.int16),
        "choice": (np.array([2, -1]), np.array([1, 0]), np.array([10.0, 0.0])),
        "orders": [ORDER],
        "rejections": [REJECTION],
        **changes,
    }
    return decision_digest(**arguments)  # type: ignore[arg-type]


def test_a_decision_digest_by_hand() -> None:
    text = hashlib.sha256(f"decision-1/reasons-{REASONS_VERSION}".encode())
    text.update((5).to_bytes(8, "little"))
    text.update(b"AAA\nBBB")
    text.update(np.array([0, 31], dtype="<i2").tobytes())
    for row in ([2.0, -1.0], [1.0, 0.0], [10.0, 0.0]):
        text.update(np.array(row, dtype="<f8").tobytes())
    text.update(b"AAA|entry|buy|market|day|10|\n/\nBBB|resize|sell|3|net_limit")
    assert digest_of() == text.hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"time_ns": 6},
        {"names": b"AAA\nCCC"},
        {"reasons": np.array([[0, 32]], dtype=np.int16)},
        {"choice": (np.array([1, -1]), np.array([1, 0]), np.array([10.0, 0.0]))},
        {"choice": (np.array([2, -1]), np.array([-1, 0]), np.array([10.0, 0.0]))},
        {"choice": (np.array([2, -1]), np.array([1, 0]), np.array([10.0, np.nextafter(0, 1)]))},
        {"orders": []},
        {"orders": [replace(ORDER, quantity=Decimal("10.5"))]},
        {"orders": [replace(ORDER, side=Side.SELL)]},
        {"orders": [replace(ORDER, leg=Leg.RESIZE)]},
        {"orders": [replace(ORDER, symbol="CCC")]},
        {"orders": [replace(ORDER, order_type="limit", limit_price=Decimal("1"))]},
        {"orders": [replace(ORDER, time_in_force="gtc")]},
        {"rejections": []},
        {"rejections": [replace(REJECTION, rule_id="gross_limit")]},
        {"rejections": [replace(REJECTION, quantity=Decimal(4))]},
        {"orders": [], "rejections": [REJECTION, REJECTION]},
    ],
    ids=str,
)
def test_everything_decided_counts(changes: dict[str, object]) -> None:
    assert digest_of(**changes) != digest_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"orders": [replace(ORDER, client_order_id="other", order_number=9, decision_time_ns=1)]},
        {"orders": [replace(ORDER, quantity=Decimal("10.000"))]},
        {"rejections": [replace(REJECTION, message="in other words")]},
        {"choice": (np.array([2.0, -1.0]), np.array([1, -0.0]), np.array([10, -0.0]))},
    ],
    ids=["ids-and-times", "zeros-of-an-amount", "words-of-a-message", "minus-zero"],
)
def test_what_is_left_out(changes: dict[str, object]) -> None:
    assert digest_of(**changes) == digest_of()


def test_orders_count_as_a_set() -> None:
    other = replace(ORDER, symbol="BBB")
    assert digest_of(orders=[ORDER, other]) == digest_of(orders=[other, ORDER])


def test_one_nan_and_one_zero() -> None:
    odd = np.array([0x7FF8000000000001, 0xFFF8000000000000, 0x8000000000000000, 0], dtype=np.uint64).view(np.float64)
    bits = canonical(odd).view(np.uint64)
    assert bits[0] == bits[1]
    assert bits[2] == bits[3] == 0
    assert canonical(np.array([1, 2], dtype=np.int16)).dtype == np.float64


def test_a_trace_digest_holds_every_float_of_every_stage() -> None:
    rows = [np.array([[1.0, np.nan]]), np.array([[2.0, 3.0]])]
    expected = hashlib.sha256(b"decision" + b"".join(row.astype("<f8").tobytes() for row in rows)).hexdigest()
    assert trace_digest("decision", rows) == expected
    assert trace_digest("decision", rows[:1]) != expected
    assert trace_digest("other", rows) != expected


def test_rows_are_stacked_by_symbol() -> None:
    stacked = stack_rows((np.arange(12.0).reshape(2, 3, 2), np.array([True, False]), np.array([np.nan, -0.0])), 2)
    assert stacked.shape == (8, 2)
    assert np.array_equal(stacked[6:], [[1.0, 0.0], [np.nan, 0.0]], equal_nan=True)


GRIDS = npst.arrays(np.float64, st.tuples(st.integers(1, 700), st.integers(1, 6)), elements=st.floats(-1e6, 1e6))


@given(GRIDS, st.data())
def test_a_fingerprint_names_the_column_that_changed(grid: np.ndarray, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, grid.shape[0] - 1))
    column = data.draw(st.integers(0, grid.shape[1] - 1))
    changed = grid.copy()
    changed[row, column] = np.nextafter(changed[row, column], np.inf)
    same, other = fingerprint_text(canonical(grid)), fingerprint_text(canonical(changed))
    expected = None if canonical(grid)[row, column] == canonical(changed)[row, column] else column
    assert first_difference(same, other) == expected
    assert first_difference(same, same) is None


@given(GRIDS.filter(lambda grid: grid.shape[0] > 1), st.data())
def test_a_fingerprint_depends_on_where_a_number_stands(grid: np.ndarray, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, grid.shape[0] - 2))
    swapped = grid.copy()
    swapped[[row, row + 1]] = swapped[[row + 1, row]]
    differs = (canonical(grid) != canonical(swapped)).any(axis=0)
    assert ((fingerprint(canonical(grid)) != fingerprint(canonical(swapped))) == differs).all()


def test_fingerprints_of_other_sizes_differ_where_the_shorter_ends() -> None:
    one, two = fingerprint_text(np.ones((1, 1))), fingerprint_text(np.ones((1, 2)))
    assert first_difference(one, two) == 1
    assert first_difference("", two) == 0


def test_the_run_chains_cycles_fills_and_accounts_in_their_order() -> None:
    start = RunDigest()
    cycle, fill = start.with_cycle("d", "t"), start.with_fill(FILL, "entry")
    account = start.with_account(5, Decimal("10.00"), {"AAA": Decimal(4)})
    assert len({start.run, cycle.run, fill.run, account.run}) == 4
    assert cycle.with_fill(FILL, "entry").run != fill.with_cycle("d", "t").run
    assert (cycle.cycles, fill.fill_count) == (1, 1)
    assert fill.decision == ""
    assert cycle.fills == ""
    assert set(cycle.texts()) == {"decision_digest", "trace_digest", "fills_digest", "run_digest"}


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"fill_price": Decimal("100.1000")}, False),
        ({"execution_id": "y", "order_id": "z"}, False),
        ({"reference_price": Decimal("1")}, False),
        ({"fill_price": Decimal("100.11")}, True),
        ({"fill_amount": Decimal("5")}, True),
        ({"commission": Decimal("0.21")}, True),
        ({"currency": "EUR"}, True),
        ({"timestamp_ns": 78}, True),
        ({"side": Side.SELL}, True),
        ({"symbol": "BBB"}, True),
    ],
    ids=str,
)
def test_what_of_a_fill_counts(changes: dict[str, object], counts: bool) -> None:
    same = RunDigest().with_fill(replace(FILL, **changes), "entry").fills == RunDigest().with_fill(FILL, "entry").fills  # type: ignore[arg-type]
    assert same is not counts


def test_what_of_an_account_counts() -> None:
    one = RunDigest().with_account(5, Decimal("10.00"), {"BBB": Decimal(1), "AAA": Decimal("2.0")})
    assert one == RunDigest().with_account(5, Decimal("10"), {"AAA": Decimal(2), "BBB": Decimal(1)})
    assert one != RunDigest().with_account(6, Decimal("10"), {"AAA": Decimal(2), "BBB": Decimal(1)})
    assert one != RunDigest().with_account(5, Decimal("10.01"), {"AAA": Decimal(2), "BBB": Decimal(1)})
    assert one != RunDigest().with_account(5, Decimal("10"), {"AAA": Decimal(2)})
