"""Orders with our prefix that this run never made: another engine on the account, or orders of a lost state folder.

seen ─► an operator lets them be? ─ yes ─► nothing
     ─► an operator adopts them? ─ yes ─► cancelled, once; those that are still there 5 s later halt
     ─► halt, at the first look: unlike a fill on its way, nothing makes such an order ours
"""

from __future__ import annotations

from dataclasses import replace

from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.engine.commands import Anomaly, CancelOrder, RequestSnapshot
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.control import FOREIGN_ORDERS
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.engine.state_changes import state_changes

NAMED = 5  # of many orders so many are named


def judge_foreign(
    context: CoreContext, state: CoreState, foreign: tuple[str, ...], now_ns: int, confirm_after_s: int
) -> Step:
    """Halt, cancel or let be what the venue lists of others with our prefix; `foreign` is all of it, sorted."""
    memory = state.reconcile
    alone = tuple(order_id for order_id in memory.alone if order_id in foreign)
    strange = tuple(order_id for order_id in foreign if order_id not in alone)
    told = strange == memory.foreign and _is_latched(state) and not memory.adopts_foreign
    state = replace(state, reconcile=replace(memory, foreign=strange, alone=alone, adopts_foreign=False))
    if not strange or told:
        return state, []
    if memory.adopts_foreign:
        said = Anomaly(FOREIGN_ORDERS, f"cancelled, as an operator has said: {_named(strange)}")
        cancels = [CancelOrder(order_id, "", int(Reason.HALTED)) for order_id in strange]
        return state, [said, *cancels, RequestSnapshot(confirm_after_s, must_count=True)]
    risk = context.parts.guardrails.halt(state.risk, FOREIGN_ORDERS, foreign_text(strange), now_ns)
    after = replace(state, risk=risk)
    return after, [Anomaly(FOREIGN_ORDERS, foreign_text(strange)), *state_changes(state.risk, risk)]


def foreign_refusal(state: CoreState) -> str:
    """Return why a start is refused while orders of others work, and what to do; "" where none do."""
    return foreign_text(state.reconcile.foreign) if state.reconcile.foreign and _is_latched(state) else ""


def foreign_text(order_ids: tuple[str, ...]) -> str:
    """Return the orders in words, with the remedies."""
    return (
        f"orders with this program's prefix work at the venue, and this run never made them: {_named(order_ids)}. "
        "Another engine trades this account: stop it, or give this one an account of its own. Or its state folder is "
        "lost: restore it, or start with --adopt-nonce, which cancels them"
    )


def _named(order_ids: tuple[str, ...]) -> str:
    more = f" and {len(order_ids) - NAMED} more" if len(order_ids) > NAMED else ""
    return ", ".join(order_ids[:NAMED]) + more


def _is_latched(state: CoreState) -> bool:
    return state.risk.latch_of(FOREIGN_ORDERS) is not None
