"""What is on file is what happened: the core's state after an event that this code would have answered otherwise.

    orders      sent and cancelled as on file: none that only this code would have sent, each one that was, with its id
                and number; numbers go on behind the highest
    cycles      asked for, answered and counted as on file, their digests too
    positions   other horizons and adjusted books as on file
    switches    what restricted trading then restricts it now; so does what this code would have restricted

All else (fills, marks, market memory, round trips, weights) follows from the events, which are on file as they came.
"""

from __future__ import annotations

import base64
import binascii
import math
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from LIVE_TRADING.common.codec import record_from
from LIVE_TRADING.common.events import RunStarted
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import Leg, Order, Side
from LIVE_TRADING.engine.assembly import Assembly
from LIVE_TRADING.engine.book import exact
from LIVE_TRADING.engine.commands import (
    BookAdjusted,
    CancelOrder,
    Command,
    CycleDecided,
    RunInference,
    SubmitOrder,
    TradingStateChanged,
)
from LIVE_TRADING.engine.cycle import STAGES
from LIVE_TRADING.engine.ledger import EntryTicket, Ledger
from LIVE_TRADING.engine.orders import OrderBook, OrderRecord, OrderStatus
from LIVE_TRADING.engine.state import CoreState, ReconcileMemory
from LIVE_TRADING.risk.state import SEVERITY, Latch, TradingState

_KNOWN: dict[str, Any] = {kind.__name__: kind for kind in typing.get_args(Command)}
_OF_CONSEQUENCE = (SubmitOrder, CancelOrder, BookAdjusted, TradingStateChanged)
_NO_EXIT_FOLLOWS = (int(Reason.HALTED), int(Reason.REDUCE_ONLY))  # reasons of a cancel that leaves it at that
_LEAVES = frozenset({*range(Reason.EXIT_ELAPSED, Reason.EXIT_BARRIER + 1), int(Reason.REVERSE)})


@dataclass(frozen=True, slots=True)
class _Decided:
    """A cycle's decision. `reason` is arbitration's, by symbol; empty where the stages on file are not those of today.

    `cancels` lists the orders that an exit waits for, or that could fill too late to leave.
    """

    warmup: bool
    cycle_number: int
    digests: tuple[str, str] = ("", "")
    horizon: tuple[int, ...] = ()
    reason: tuple[int, ...] = ()
    cancels: tuple[str, ...] = ()

    @classmethod
    def of(cls, fields: dict[str, Any]) -> _Decided:
        """Return what `CycleResult.to_record` says."""
        if fields["warmup"]:
            return cls(True, int(fields["cycle_number"]))
        horizon = tuple(map(int, fields["horizon"]))
        reasons = np.frombuffer(base64.b64decode(fields["reasons"]), dtype="<i2")
        known = len(reasons) == len(STAGES) * len(horizon)
        reason = reasons.reshape(len(STAGES), -1)[STAGES.index("arbitration")].tolist() if known else ()
        digests = (str(fields["decision_digest"]), str(fields["trace_digest"]))
        return cls(False, int(fields["cycle_number"]), digests, horizon, tuple(reason), tuple(fields["cancels"]))

    def reason_at(self, column: int | None) -> int:
        """Return arbitration's reason for a symbol, `Reason.OK` where it is not known."""
        return self.reason[column] if column is not None and self.reason else int(Reason.OK)


@dataclass(frozen=True, slots=True)
class _Facts:
    """Commands that change the state."""

    sent: tuple[SubmitOrder, ...]
    cancelled: tuple[CancelOrder, ...]
    adjusted: tuple[BookAdjusted, ...]
    moved: tuple[TradingStateChanged, ...]
    asked: bool
    decided: _Decided | None


def as_recorded(
    run: RunStarted, parts: Assembly, states: tuple[CoreState, CoreState], ours: list[Command], recorded: list[Any]
) -> CoreState:
    """Return the state after an event as the commands on file have it.

    Parameters
    ----------
    states
        Before the event, and after it by this code.
    ours
        What this code would command.
    recorded
        What was commanded, as the journal keeps it: [type name, fields] each.

    Raises
    ------
    StateError
        A command on file is none that this version knows.
    """
    before, after = states
    facts, own = _read(recorded), _own(ours)
    column = {symbol: place for place, symbol in enumerate(run.symbols)}
    after = _with_orders(column, before, after, own, facts)
    after = _with_cycle(before, after, own, facts)
    if facts.decided is not None and not facts.decided.warmup:
        after = replaced(after, ledger=_reclocked(run.symbols, before, facts.decided))
    if own.adjusted != facts.adjusted:
        after = _with_book(column, before, after, facts)
    return _with_switches(after, facts)


def _read(recorded: list[Any]) -> _Facts:
    found: list[Any] = []
    decided: _Decided | None = None
    try:
        for name, values in recorded:
            kind = _KNOWN[name]
            if kind in _OF_CONSEQUENCE:
                found.append(record_from(kind, values))
                if kind is TradingStateChanged:
                    TradingState(values["new"])
            elif kind is CycleDecided:
                decided = _Decided.of(values)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, binascii.Error) as error:
        raise StateError(f"a command on file is none that this version knows: {error!r}") from error
    return _sorted(found, any(name == RunInference.__name__ for name, _ in recorded), decided)


def _own(commands: list[Command]) -> _Facts:
    decided = [_Decided.of(command.to_record()) for command in commands if isinstance(command, CycleDecided)]
    asked = any(isinstance(command, RunInference) for command in commands)
    return _sorted(commands, asked, decided[-1] if decided else None)


def _sorted(commands: Iterable[Any], asked: bool, decided: _Decided | None) -> _Facts:
    listed = list(commands)
    return _Facts(
        tuple(one for one in listed if isinstance(one, SubmitOrder)),
        tuple(one for one in listed if isinstance(one, CancelOrder)),
        tuple(one for one in listed if isinstance(one, BookAdjusted)),
        tuple(one for one in listed if isinstance(one, TradingStateChanged)),
        asked,
        decided,
    )


def _with_orders(column: dict[str, int], before: CoreState, after: CoreState, own: _Facts, facts: _Facts) -> CoreState:
    """Put what was sent and cancelled in the place of what this code would have."""
    planned = {one.order.client_order_id: one.order for one in own.sent}
    tickets: dict[tuple[str, Side], EntryTicket | None] = {}
    opened: dict[str, OrderRecord] = {}
    for order_id, record in after.orders.open.items():  # order: of sending
        if order_id in planned:
            tickets[record.order.symbol, record.order.side] = record.ticket
        else:
            opened[order_id] = record
    for one in facts.sent:
        order, ticket = one.order, None
        if order.leg is Leg.ENTRY:
            ticket = _ticket(column, before, facts.decided, order, tickets.get((order.symbol, order.side)))
        opened[order.client_order_id] = OrderRecord(order, OrderStatus.SUBMITTED, one.reason, ticket)
    _set_cancels(column, opened, before, own, facts, after.now_ns)
    sent = {(one.order.order_number, one.order.symbol) for one in facts.sent}
    # without an order it has moved past those that the venue has had (`old_folder`), which no record undoes
    numbered = before.order_number if own.sent else after.order_number
    return replaced(
        after,
        orders=OrderBook(opened, after.orders.closed, after.orders.strangers),
        order_number=max([numbered, *(one.order.order_number for one in facts.sent)]),
        last_order_ns=before.last_order_ns | dict.fromkeys(sorted(symbol for _, symbol in sent), after.now_ns),
        awaited=tuple(
            entry
            for entry in after.awaited
            if entry.order_number <= before.order_number or (entry.order_number, entry.symbol) in sent
        ),
    )


def _ticket(
    column: dict[str, int], before: CoreState, decided: _Decided | None, order: Order, own: EntryTicket | None
) -> EntryTicket | None:
    """Return what an entry was decided on: this code's, if it took the same horizon, else the horizon and no more.

    The rest is not on file, and nothing is learned from a trade without it.
    """
    pending, at = before.pending, column.get(order.symbol)
    if decided is None or decided.warmup or pending is None or at is None:
        return None
    horizon = decided.horizon[at]
    if own is not None and own.horizon == horizon:
        return own
    if horizon < 0:
        return None
    nan, moment = math.nan, (pending.cycle_time_ns, pending.session_number, pending.slot)
    return EntryTicket(horizon, nan, (), nan, nan, *moment)


def _set_cancels(
    column: dict[str, int],
    opened: dict[str, OrderRecord],
    before: CoreState,
    own: _Facts,
    facts: _Facts,
    now_ns: int,
) -> None:
    """Undo the cancels that only this code wants, and remember those that were asked for.

    A decision that wants a cancel which has just been asked for sends none, but lets the exit follow.
    """
    undone = [one.client_order_id for one in own.cancelled]
    if own.decided is not None:
        undone += own.decided.cancels
    for order_id in undone:
        was = before.orders.open.get(order_id)
        if order_id in opened and was is not None:
            opened[order_id] = replaced(
                opened[order_id],
                cancel_asked_ns=was.cancel_asked_ns,
                cancel_reason=was.cancel_reason,
                then_exit=was.then_exit,
            )
    for order_id in facts.decided.cancels if facts.decided is not None else ():
        if order_id in opened and facts.decided is not None:
            record = opened[order_id]
            reason = facts.decided.reason_at(column.get(record.order.symbol))
            why = reason if reason in _LEAVES else int(Reason.EXIT_SESSION_END)
            opened[order_id] = replaced(record, cancel_reason=why, then_exit=True)
    for one in facts.cancelled:
        if one.client_order_id in opened:
            record = opened[one.client_order_id]
            then_exit = record.then_exit or one.reason not in _NO_EXIT_FOLLOWS
            opened[one.client_order_id] = replaced(
                record, cancel_asked_ns=now_ns, cancel_reason=one.reason, then_exit=then_exit
            )


def _with_cycle(before: CoreState, after: CoreState, own: _Facts, facts: _Facts) -> CoreState:
    """Count, answer and digest the cycle as on file."""
    decided = facts.decided
    if decided is not None:
        digest = after.digest
        if not decided.warmup:
            digest = before.digest.with_cycle(*decided.digests)
        return replaced(after, pending=None, cycle_number=decided.cycle_number, digest=digest)
    if own.decided is not None:
        return replaced(after, pending=before.pending, cycle_number=before.cycle_number, digest=before.digest)
    if own.asked and not facts.asked:
        return replaced(after, pending=before.pending)
    return after


def _reclocked(symbols: tuple[str, ...], before: CoreState, decided: _Decided) -> Ledger:
    """Start the clock of the positions that took another horizon; a decision changes no more of the ledger."""
    ledger, pending = before.ledger, before.pending
    for symbol, reason, horizon in zip(symbols, decided.reason, decided.horizon, strict=False):
        if reason == Reason.EXTEND and symbol in ledger.positions and pending is not None:
            at = (pending.cycle_time_ns, pending.session_number, pending.slot)
            ledger = ledger.reclocked(symbol, horizon, *at)
    return ledger


def _with_book(column: dict[str, int], before: CoreState, after: CoreState, facts: _Facts) -> CoreState:
    """Take the venue's book over where that was done, and only there; a snapshot changes no more of the ledger."""
    ledger = before.ledger
    prices = {symbol: after.quotes.price.item(place) for symbol, place in column.items()}  # order: looked up below
    for one in facts.adjusted:
        marks: dict[str, Decimal] = {
            symbol: exact(prices[symbol])
            for symbol in sorted(one.positions)
            if symbol in prices and prices[symbol] == prices[symbol]
        }
        ledger = ledger.adjusted(one.positions, one.cash, marks, after.now_ns)
    return replaced(after, ledger=ledger, reconcile=ReconcileMemory() if facts.adjusted else before.reconcile)


def _with_switches(after: CoreState, facts: _Facts) -> CoreState:
    """Latch what restricted trading more than this code does."""
    risk = after.risk
    for one in facts.moved:
        state = TradingState(one.new)
        if SEVERITY.index(state) > SEVERITY.index(risk.state):
            risk = replaced(risk, latches=(*risk.latches, Latch(one.rule_id, state, one.message, after.now_ns)))
    return after if risk is after.risk else replaced(after, risk=risk)
