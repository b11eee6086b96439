"""Digests: the same for what is the same, and different for everything that counts."""

from __future__ import annotations

# covers: P27
import hashlib
import struct
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
from LIVE_TRADING.engine import digest
from LIVE_TRADING.engine.book import account_of
from LIVE_TRADING.engine.digest import (
    RunDigest,
    decision_digest,
    fingerprint,
    fingerprint_text,
    fingerprints,
    first_difference,
    stacked,
    trace_digest,
)
from LIVE_TRADING.engine.ledger import FillContext, Ledger
from LIVE_TRADING.engine.state import Quotes

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


def column_hash(column: list[float], multipliers: list[int]) -> int:
    """The multilinear hash in Python's own integers, which do not wrap."""
    total, word = 0, 2**64
    for value, multiplier in zip(column, multipliers, strict=False):
        if value != value:
            value = float("nan")
        (bits,) = struct.unpack("<Q", struct.pack("<d", value + 0.0))
        bits = (bits ^ bits >> 31) * multiplier % word
        total += bits ^ bits >> 29
    return total % word


def test_a_fingerprint_by_hand() -> None:
    drawn = hashlib.shake_256(b"fingerprint rows").digest(8 * 512)
    multipliers = [int.from_bytes(drawn[at : at + 8], "little") | 1 for at in range(0, len(drawn), 8)]
    rng = np.random.default_rng(3)
    grid = rng.standard_normal((5, 4)) * [1, 1e9, 1e-300, 1]
    grid[1, 0], grid[2, 1], grid[3, 2], grid[4, 3] = np.nan, -0.0, np.inf, -np.inf
    assert fingerprint(grid).tolist() == [column_hash(column, multipliers) for column in grid.T.tolist()]


def test_fingerprints_are_the_same_interpreted() -> None:
    rng = np.random.default_rng(5)
    table, first_row = rng.standard_normal((7, 9)), np.array([0, 3, 7])
    table[rng.random(table.shape) < 0.2] = np.nan
    found, plain = fingerprints(table, first_row), np.empty((2, 9), dtype=np.uint64)
    with np.errstate(over="ignore"):
        digest._hash_columns.interpreted(table.view(np.uint64), first_row, digest._MULTIPLIERS, plain)
    assert found.tolist() == plain.tolist()


def test_one_nan_and_one_zero() -> None:
    odd = np.array([0x7FF8000000000001, 0xFFF8000000000000, 0x8000000000000000, 0], dtype=np.uint64).view(np.float64)
    prints = fingerprint(odd[None])
    assert prints[0] == prints[1] != prints[2]
    assert prints[2] == prints[3]


def test_a_trace_digest_chains_decision_and_fingerprints() -> None:
    prints = np.array([[1, 2], [3, 2**64 - 1]], dtype=np.uint64)
    expected = hashlib.sha256(b"decision" + struct.pack("<4Q", 1, 2, 3, 2**64 - 1)).hexdigest()
    assert trace_digest("decision", prints) == expected
    assert trace_digest("decision", prints[:1]) != expected
    assert trace_digest("other", prints) != expected


def test_rows_are_stacked_by_stage_and_symbol() -> None:
    per_symbol, flags, common = np.arange(12.0).reshape(2, 3, 2), np.array([True, False]), np.array([[5.0], [6.0]])
    table, first_row = stacked([[per_symbol, flags], [common]], 2)
    assert first_row.tolist() == [0, 7, 9]
    assert table.tolist() == [*per_symbol.reshape(6, 2).tolist(), [1.0, 0.0], [5.0, 5.0], [6.0, 6.0]]


GRIDS = npst.arrays(np.float64, st.tuples(st.integers(1, 700), st.integers(1, 6)), elements=st.floats(-1e6, 1e6))


@given(GRIDS, st.data())
def test_a_fingerprint_names_the_column_that_changed(grid: np.ndarray, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, grid.shape[0] - 1))
    column = data.draw(st.integers(0, grid.shape[1] - 1))
    changed = grid.copy()
    changed[row, column] = np.nextafter(changed[row, column], np.inf)
    same, other = fingerprint_text(fingerprint(grid)), fingerprint_text(fingerprint(changed))
    expected = None if grid[row, column] == changed[row, column] else column
    assert first_difference(same, other) == expected
    assert first_difference(same, same) is None


@given(GRIDS.filter(lambda grid: grid.shape[0] > 1), st.data())
def test_a_fingerprint_depends_on_where_a_number_stands(grid: np.ndarray, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, grid.shape[0] - 2))
    swapped = grid.copy()
    swapped[[row, row + 1]] = swapped[[row + 1, row]]
    differs = (grid != swapped).any(axis=0)
    assert ((fingerprint(grid) != fingerprint(swapped)) == differs).all()


def test_fingerprints_of_other_sizes_differ_where_the_shorter_ends() -> None:
    one, two = (fingerprint_text(fingerprint(np.ones((1, n)))) for n in (1, 2))
    assert first_difference(one, two) == 1
    assert first_difference("", two) == 0


def test_the_run_chains_cycles_fills_and_accounts_in_their_order() -> None:
    start = RunDigest()
    cycle, fill = start.with_cycle("d", "t"), start.with_fill(FILL, "entry")
    account = start.with_account(5, Decimal("10.00"), "AAA=4")
    runs = {made.texts()["run_digest"] for made in (start, cycle, fill, account)}
    runs |= {cycle.with_fill(FILL, "entry").texts()["run_digest"], fill.with_cycle("d", "t").texts()["run_digest"]}
    assert len(runs) == 6
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


def account_digest(time_ns: int, cash: str, **held: str) -> RunDigest:
    """The digest of an account whose positions were opened in the order given."""
    ledger = Ledger({"USD": Decimal(cash)}, {})
    for symbol, quantity in held.items():
        fill = replace(FILL, symbol=symbol, fill_amount=Decimal(quantity))
        ledger, _ = ledger.apply(fill, FillContext(None, 1, 0))
    account = account_of(replace(ledger, cash={"USD": Decimal(cash)}), Quotes.empty(2), {"AAA": 0, "BBB": 1}, "USD")
    return RunDigest().with_account(time_ns, account.cash, account.book)


def test_what_of_an_account_counts() -> None:
    one = account_digest(5, "10.00", BBB="1", AAA="2.0")
    assert one.run == hashlib.sha256(b"\naccount|5|10|AAA=2,BBB=1|").hexdigest()
    assert one == account_digest(5, "10", AAA="2", BBB="1")
    assert one != account_digest(6, "10", AAA="2", BBB="1")
    assert one != account_digest(5, "10.01", AAA="2", BBB="1")
    assert one != account_digest(5, "10", AAA="2")
