"""Digests that two runs compare, and per-symbol fingerprints that name where they first differ.

decision  version tag, scheduled time, per symbol the reason of every stage, horizon, side and target shares; then
          orders and rejections
trace     that, and every float of every stage with one NaN pattern and −0 as +0
fills     exchange time, symbol, leg, side, quantity, price, fee, currency
run       chains the three with cash and positions over all cycles

Left out: wall times, sequence numbers, ids, nonce, latencies, host.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from LIVE_TRADING.common.events import OrderFill
from LIVE_TRADING.common.reasons import REASONS_VERSION
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import FloatArray, Order, Rejection
from LIVE_TRADING.common.units import plain

VERSION_TAG = f"decision-1/reasons-{REASONS_VERSION}".encode()
_MULTIPLIERS = np.frombuffer(hashlib.shake_256(b"fingerprint rows").digest(8 * 512), dtype=np.uint64) | np.uint64(1)


def canonical(values: FloatArray) -> FloatArray:
    """Return float64 with one NaN pattern and −0 as +0."""
    return _tidied(np.array(values, dtype=np.float64))


def _tidied(own: FloatArray) -> FloatArray:
    own += 0.0
    np.copyto(own, np.nan, where=own != own)
    return own


def stack_rows(arrays: Iterable[np.ndarray], n_symbols: int) -> FloatArray:
    """Return arrays of shape (..., N) as rows (K, N), canonical."""
    return _tidied(np.concatenate([array.reshape(-1, n_symbols) for array in arrays], dtype=np.float64))


def split_rows(stages: Mapping[str, Sequence[np.ndarray]], n_symbols: int) -> dict[str, FloatArray]:
    """Return `stack_rows` of the arrays of each stage, in order: views of one table, that is tidied at once."""
    table = stack_rows([array for arrays in stages.values() for array in arrays], n_symbols)  # order: of the stages
    rows, first = {}, 0
    for name, arrays in stages.items():  # order: of the stages
        last = first + sum(array.size for array in arrays) // n_symbols
        rows[name], first = table[first:last], last
    return rows


def fingerprint(rows: FloatArray) -> np.ndarray:
    """Return one uint64 per column of (K, N): a multilinear hash of its bits."""
    bits = np.ascontiguousarray(rows).view(np.uint64)
    repeats = -(-len(bits) // len(_MULTIPLIERS))
    multipliers = np.tile(_MULTIPLIERS, repeats)[: len(bits), None] if repeats > 1 else _MULTIPLIERS[: len(bits), None]
    mixed = (bits ^ (bits >> np.uint64(31))) * multipliers
    total: np.ndarray = (mixed ^ (mixed >> np.uint64(29))).sum(axis=0, dtype=np.uint64)
    return total


def fingerprint_text(rows: FloatArray) -> str:
    """Return the fingerprint as base64 of little-endian uint64."""
    return base64.b64encode(fingerprint(rows).astype("<u8").tobytes()).decode()


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
    digest.update(_tidied(np.concatenate(choice, dtype=np.float64)).astype("<f8", copy=False).data)
    lines = [*sorted(order_line(order) for order in orders), "/", *sorted(map(rejection_line, rejections))]
    digest.update("\n".join(lines).encode())
    return digest.hexdigest()


def trace_digest(decision: str, stages: Iterable[FloatArray]) -> str:
    """Return the decision digest chained with every stage's canonical floats."""
    digest = hashlib.sha256(decision.encode())
    for rows in stages:
        digest.update(np.ascontiguousarray(rows, dtype="<f8").data)
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


@dataclass(frozen=True, slots=True)
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
            run=_chain(self.run, f"cycle|{decision}|{trace}"),
            cycles=self.cycles + 1,
        )

    def with_fill(self, fill: OrderFill, leg: str) -> RunDigest:
        """Chain a fill."""
        line = fill_line(fill, leg)
        return replaced(
            self,
            fills=_chain(self.fills, line),
            run=_chain(self.run, f"fill|{line}"),
            fill_count=self.fill_count + 1,
        )

    def with_account(self, time_ns: int, cash: Decimal, positions: dict[str, Decimal]) -> RunDigest:
        """Chain cash and positions at a bar end."""
        book = ",".join([f"{symbol}={plain(quantity)}" for symbol, quantity in sorted(positions.items())])
        return replaced(self, run=_chain(self.run, f"account|{time_ns}|{plain(cash)}|{book}"))

    def texts(self) -> dict[str, str]:
        """Return the digests as hex by name."""
        return {
            "decision_digest": self.decision,
            "trace_digest": self.trace,
            "fills_digest": self.fills,
            "run_digest": self.run,
        }


def _chain(link: str, text: str) -> str:
    return hashlib.sha256(f"{link}\n{text}".encode()).hexdigest()
