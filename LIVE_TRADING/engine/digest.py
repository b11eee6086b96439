"""Digests that two runs compare, and per-symbol fingerprints that name where they first differ.

decision  version tag, scheduled time, per symbol the reason of every stage, horizon, side and target shares; then
          orders and rejections
trace     that, and per stage and symbol the fingerprint of every float, with one NaN pattern and −0 as +0
fills     exchange time, symbol, leg, side, quantity, price, fee, currency
run       chains the three with cash and positions over all cycles; a fill with the cycle or account that follows it

Left out: wall times, sequence numbers, ids, nonce, latencies, host.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Any

import numpy as np

from LIVE_TRADING.common.events import OrderFill
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.reasons import REASONS_VERSION
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import FloatArray, IntArray, Order, Rejection
from LIVE_TRADING.common.units import plain

_31, _29 = np.uint64(31), np.uint64(29)
_ZERO, _ONE_NAN = np.uint64(0), np.uint64(0x7FF8000000000000)
_WITHOUT_SIGN, _INFINITY = np.uint64(0x7FFFFFFFFFFFFFFF), np.uint64(0x7FF0000000000000)
VERSION_TAG = f"decision-1/reasons-{REASONS_VERSION}".encode()
_MULTIPLIERS = np.frombuffer(hashlib.shake_256(b"fingerprint rows").digest(8 * 512), dtype=np.uint64) | np.uint64(1)


@kernel("void(uint64[:, ::1], int64[::1], uint64[::1], uint64[:, ::1])")
def _hash_columns(bits: Any, first_row: Any, multipliers: Any, out: Any) -> None:
    """Write the multilinear hash of each column of each stage's rows; `bits` are those of float64.

    A row is mixed, multiplied by an odd number of its own and mixed again, each of which can be undone, so a column in
    which one number differs has another hash; several that differ cancel with a chance of 2⁻⁶⁴.
    """
    for stage in range(out.shape[0]):
        hashes = out[stage]
        hashes[:] = _ZERO
        for row in range(first_row[stage], first_row[stage + 1]):
            values, multiplier = bits[row], multipliers[(row - first_row[stage]) % len(multipliers)]
            for column in range(len(hashes)):
                value = values[column]
                size = value & _WITHOUT_SIGN
                value = _ONE_NAN if size > _INFINITY else value if size else _ZERO
                value = (value ^ (value >> _31)) * multiplier
                hashes[column] += value ^ (value >> _29)


def stacked(stages: Sequence[Sequence[np.ndarray]], n_symbols: int) -> tuple[FloatArray, IntArray]:
    """Return the arrays of all stages as rows (K, N), and where the rows of each stage begin and the last ones end.

    An array is (..., N), or (..., 1) where it is not per symbol: then it stands in every column.
    """
    n_rows = [sum([array.size // array.shape[-1] for array in arrays]) for arrays in stages]
    first_row = np.array(list(accumulate(n_rows, initial=0)), dtype=np.int64)
    table, at = np.empty((first_row[-1], n_symbols)), 0
    for arrays in stages:
        for array in arrays:
            if array.ndim == 1:
                table[at] = array
                at += 1
            else:
                rows = array.reshape(-1, array.shape[-1])
                table[at : at + len(rows)] = rows
                at += len(rows)
    return table, first_row


def fingerprints(table: FloatArray, first_row: IntArray) -> np.ndarray:
    """Return one uint64 per stage and column (S, N) of what `stacked` gave; one NaN pattern, −0 as +0."""
    out = np.empty((len(first_row) - 1, table.shape[1]), dtype=np.uint64)
    _hash_columns(table.view(np.uint64), first_row, _MULTIPLIERS, out)
    return out


def fingerprint(rows: FloatArray) -> np.ndarray:
    """Return one uint64 per column of (K, N)."""
    prints: np.ndarray = fingerprints(np.ascontiguousarray(rows), np.array([0, len(rows)]))[0]
    return prints


def fingerprint_text(prints: np.ndarray) -> str:
    """Return fingerprints (N,) as base64 of little-endian uint64."""
    return base64.b64encode(prints.astype("<u8", copy=False).tobytes()).decode()


def first_difference(one: str, other: str) -> int | None:
    """Return the first column in which two fingerprint texts differ, None if they are equal."""
    left, right = (np.frombuffer(base64.b64decode(text), dtype="<u8") for text in (one, other))
    if len(left) != len(right):
        return min(len(left), len(right))
    different = np.flatnonzero(left != right)
    return int(different[0]) if len(different) else None


def order_line(order: Order) -> str:
    """Return the canonical text of an order, without its id."""
    price = "" if order.limit_price is None else plain(order.limit_price)
    return "|".join(
        (order.symbol, order.leg, order.side, order.order_type, order.time_in_force, plain(order.quantity), price)
    )


def rejection_line(rejection: Rejection) -> str:
    """Return the canonical text of a rejection."""
    return "|".join((rejection.symbol, rejection.leg, rejection.side, plain(rejection.quantity), rejection.rule_id))


def decision_digest(
    time_ns: int,
    names: bytes,
    reasons: np.ndarray,
    choice: Sequence[np.ndarray],
    orders: Iterable[Order],
    rejections: Iterable[Rejection],
) -> str:
    """Return the decision digest of a cycle. `choice` is (horizon, side, target shares), each (N,)."""
    digest = hashlib.sha256(VERSION_TAG)
    digest.update(time_ns.to_bytes(8, "little"))
    digest.update(names)
    digest.update(np.ascontiguousarray(reasons, dtype="<i2").tobytes())
    digest.update((np.concatenate(choice, dtype=np.float64) + 0.0).astype("<f8", copy=False).data)  # −0 as +0
    lines = [*sorted(order_line(order) for order in orders), "/", *sorted(map(rejection_line, rejections))]
    digest.update("\n".join(lines).encode())
    return digest.hexdigest()


def trace_digest(decision: str, prints: np.ndarray) -> str:
    """Return the decision digest chained with the fingerprints (S, N) of every stage's floats."""
    digest = hashlib.sha256(decision.encode())
    digest.update(prints.astype("<u8", copy=False).data)
    return digest.hexdigest()


def fill_line(fill: OrderFill, leg: str) -> str:
    """Return the canonical text of a fill."""
    return "|".join(
        (
            str(fill.timestamp_ns),
            fill.symbol,
            leg,
            fill.side,
            plain(fill.fill_amount),
            plain(fill.fill_price),
            plain(fill.commission),
            fill.currency,
        )
    )


@dataclass(frozen=True)
class RunDigest:
    """The four digests of a run as chains of SHA-256, so that a restart goes on with them."""

    decision: str = ""
    trace: str = ""
    fills: str = ""
    run: str = ""
    cycles: int = 0
    fill_count: int = 0

    def with_cycle(self, decision: str, trace: str) -> RunDigest:
        """Chain a cycle's digests."""
        return replaced(
            self,
            decision=_chain(self.decision, decision),
            trace=_chain(self.trace, trace),
            run=_chain(self.run, f"cycle|{decision}|{trace}|{self.fills}"),
            cycles=self.cycles + 1,
        )

    def with_fill(self, fill: OrderFill, leg: str) -> RunDigest:
        """Chain a fill."""
        return replaced(self, fills=_chain(self.fills, fill_line(fill, leg)), fill_count=self.fill_count + 1)

    def with_account(self, time_ns: int, cash: Decimal, book: str) -> RunDigest:
        """Chain cash and positions at a bar end; `book` is that of `engine.book.Account`."""
        return replaced(self, run=_chain(self.run, f"account|{time_ns}|{plain(cash)}|{book}|{self.fills}"))

    def texts(self) -> dict[str, str]:
        """Return the digests as hex by name."""
        return {
            "decision_digest": self.decision,
            "trace_digest": self.trace,
            "fills_digest": self.fills,
            "run_digest": _chain(self.run, f"fills|{self.fills}"),  # with those since the last account
        }


def _chain(link: str, text: str) -> str:
    return hashlib.sha256(f"{link}\n{text}".encode()).hexdigest()
