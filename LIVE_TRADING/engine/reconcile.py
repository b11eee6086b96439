"""Reconciliation: the venue's book against ours, at the start, every few cycles and whenever somebody asks.

    snapshot ─► orders moved since it was asked for? ─ yes ─► not counted
             ─► equal? ─ yes ─► done
             ─► the same difference as last time? ─ no ─► remembered, asked again in 5 s
             ─► mismatch: strict halts, warn tells, auto_sync takes the venue's book up to a limit, else halts

One difference alone is often a fill whose report is still on its way; two that agree are none. Orders with our prefix
that this run never made are judged at the first look (`foreign_orders`), and so are those that it has yet to make
(`old_folder`).
"""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

from LIVE_TRADING.common.events import BrokerSnapshot
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.engine.books import Differences, compare
from LIVE_TRADING.engine.commands import Anomaly, BookAdjusted, CancelOrder, Command, QueryOrder, RequestSnapshot
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.foreign_orders import foreign_refusal, judge_foreign
from LIVE_TRADING.engine.old_folder import judge_numbers, old_folder_refusal
from LIVE_TRADING.engine.order_fate import settle_hint
from LIVE_TRADING.engine.order_reports import finish
from LIVE_TRADING.engine.orders import OrderStatus
from LIVE_TRADING.engine.state import CoreState, ReconcileMemory
from LIVE_TRADING.engine.state_changes import state_changes

CONFIRM_AFTER_S = 5
RULE_ID = "reconciliation"


def on_snapshot(context: CoreContext, state: CoreState, snapshot: BrokerSnapshot, now_ns: int) -> Step:
    """Compare the venue's book with ours; once in a while ask again for orders of unknown fate."""
    if snapshot.book_version != state.book_version:
        return state, [RequestSnapshot(CONFIRM_AFTER_S, must_count=True)] if snapshot.must_count else []
    # where somebody waits for the answer, at a start or for a second look, they have just been asked for
    doubtful = (
        []
        if snapshot.must_count
        else [
            QueryOrder(order_id)
            for order_id, record in state.orders.open.items()  # order: of sending
            if record.status is OrderStatus.UNKNOWN
        ]
    )
    unknown = [order_id for order_id in snapshot.open_orders if order_id not in state.orders]
    state, later = judge_numbers(context, state, unknown, "a working order", now_ns)
    found = compare(state, context.run.nonce, snapshot, context.parts.config.reconcile.cash_tolerance)
    memory, others = state.reconcile, found.foreign
    if memory.adopts_foreign and not memory.adopted:  # a start's word covers those of this run that are over here
        others, found = tuple(sorted({*others, *found.stray})), replace(found, stray=())
    state, of_others = judge_foreign(context, state, others, now_ns, CONFIRM_AFTER_S)
    state, commands = _compared(context, state, found, snapshot, now_ns)
    return state, [*later, *of_others, *commands, *doubtful]


def _compared(
    context: CoreContext, state: CoreState, found: Differences, snapshot: BrokerSnapshot, now_ns: int
) -> Step:
    memory = state.reconcile
    if not found:
        return replace(state, reconcile=_agreed(memory)), []
    text = found.text
    if text != memory.seen:
        seen = replace(memory, seen=text, confirmed="")
        return replace(state, reconcile=seen), [RequestSnapshot(CONFIRM_AFTER_S, must_count=True)]
    return _mismatch(context, state, found, snapshot, now_ns)


def _mismatch(
    context: CoreContext, state: CoreState, found: Differences, snapshot: BrokerSnapshot, now_ns: int
) -> Step:
    memory, config, text = state.reconcile, context.parts.config.reconcile, found.text
    if text == memory.ignored:
        return state, []
    syncs = config.mode == "auto_sync" and not found.is_lost_orders_alone
    worth_usd = _worth_usd(context, state, found)
    if text == memory.adopted or (syncs and worth_usd <= config.max_auto_sync_usd):
        return _take_over(context, state, found, snapshot, now_ns)
    if text == memory.confirmed and (config.mode == "warn" or is_refused(state)):
        return state, []  # told, and still so
    state = replace(state, reconcile=replace(memory, confirmed=text))
    remedies = [
        f"if it works there no more, {settle_hint(state.orders.open[order_id])} closes it" for order_id in found.lost
    ]
    said: list[Command] = [Anomaly("book_mismatch", "; ".join((text, *remedies)))]
    said += [QueryOrder(order_id) for order_id in found.lost]
    if found.is_lost_orders_alone or config.mode == "warn":
        return state, said
    risk = context.parts.guardrails.halt(state.risk, RULE_ID, text, now_ns)
    return replace(state, risk=risk), [*said, *state_changes(state.risk, risk)]


def refusal(state: CoreState) -> str:
    """Return why a start is refused, and what to do; "" where it is not."""
    if said := old_folder_refusal(state) or foreign_refusal(state):
        return said
    if not is_refused(state):
        return ""
    return (
        f"the venue's book is not the ledger's ({state.reconcile.confirmed}): mend it at the venue, "
        "or accept it with `control adopt` or `control ignore`, then `control resume`"
    )


def is_refused(state: CoreState) -> bool:
    """Return whether trading is halted because the books differ, and they still do."""
    return bool(state.reconcile.confirmed) and state.risk.latch_of(RULE_ID) is not None


def _take_over(
    context: CoreContext, state: CoreState, found: Differences, snapshot: BrokerSnapshot, now_ns: int
) -> Step:
    """Make the venue's book ours; what works there and should not is cancelled there.

    Orders that the venue does not list are over by an operator's word; without one they are asked for.
    """
    closes = {
        symbol: float(state.quotes.price[context.column[symbol]])
        for symbol in sorted(found.positions)
        if symbol in context.column
    }
    marks = {symbol: Decimal(repr(close)) for symbol, close in sorted(closes.items()) if math.isfinite(close)}
    quantities = {symbol: theirs for symbol, (_, theirs) in sorted(found.positions.items())}
    cash = {currency: theirs for currency, (_, theirs) in sorted(found.cash.items())}
    ledger = state.ledger.adjusted(quantities, cash, marks, now_ns)
    commands: list[Command] = [] if found.is_lost_orders_alone else [BookAdjusted(quantities, cash, found.text)]
    commands += [CancelOrder(order_id, "", int(Reason.HALTED)) for order_id in found.stray]
    after = replace(state, ledger=ledger, reconcile=_agreed(state.reconcile))
    if found.text != state.reconcile.adopted:
        return after, [*commands, *(QueryOrder(order_id) for order_id in found.lost)]
    for order_id in found.lost:
        status = OrderStatus.CANCELLED if state.orders.open[order_id].filled else OrderStatus.NOT_AT_VENUE
        after, left = finish(context, after, order_id, status, "adopted: the venue does not list it", now_ns)
        commands += left
    return after, commands


def _agreed(memory: ReconcileMemory) -> ReconcileMemory:
    """Return the memory after two books that agree; orders of others are no part of that."""
    return ReconcileMemory(foreign=memory.foreign, alone=memory.alone, adopts_foreign=memory.adopts_foreign)


def _worth_usd(context: CoreContext, state: CoreState, found: Differences) -> float:
    """Return what the differences are worth at the last prices; NaN, which no limit allows, where one has no price."""
    worth = sum(float(abs(ours - theirs)) for ours, theirs in found.cash.values())  # order: of a sum of few
    for symbol, (ours, theirs) in sorted(found.positions.items()):
        column = context.column.get(symbol)
        price = float(state.quotes.price[column]) if column is not None else float("nan")
        worth += float(abs(ours - theirs)) * price
    return worth
