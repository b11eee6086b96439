"""Checkpoints as they were released: files that this and every later version reads.

The file of schema 1 was written by the version that wrote it: a long position, a short order at work, a bar missing.
"""

from __future__ import annotations

# covers: P18, B8
from decimal import Decimal
from pathlib import Path

import numpy as np

from LIVE_TRADING.engine.checkpoint import decode_core, encode_core
from tests.engine.core_desk import BAR, plan_of

SCHEMA_1 = Path(__file__).parent / "checkpoint_schema_1" / "arrays-000000000012.npz"


def test_a_checkpoint_of_schema_1_is_read() -> None:
    plan = plan_of()
    state, seq = decode_core(SCHEMA_1.read_bytes(), "golden", plan.assembly)
    assert seq == 12
    assert {symbol: held.quantity for symbol, held in state.ledger.positions.items()} == {"AAA": Decimal(10)}
    assert [record.order.symbol for record in state.orders.open.values()] == ["BBB"]
    opened_ns = state.opened_ns
    quotes = state.quotes
    assert quotes.price.tolist() == [100.0, 100.0, 100.0]
    assert quotes.bid.tolist() == [99.99, 99.99, 99.99]
    last_ns = [opened_ns + 3 * BAR, opened_ns + 3 * BAR, opened_ns + 2 * BAR]
    assert quotes.bar_end_ns.tolist() == quotes.price_ns.tolist() == quotes.quote_ns.tolist() == last_ns
    assert quotes.taken_ns.tolist() == [-1, -1, -1]
    assert quotes.taken_ns.dtype == np.int64


def test_what_was_read_is_written_in_the_present_schema() -> None:
    plan = plan_of()
    state, _ = decode_core(SCHEMA_1.read_bytes(), "golden", plan.assembly)
    again = encode_core(state, 12, plan.assembly)
    back, seq = decode_core(again, "memory", plan.assembly)
    assert seq == 12
    assert encode_core(back, 12, plan.assembly) == again
