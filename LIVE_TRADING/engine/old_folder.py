"""Orders of this run that the venue knows and the state folder does not: the folder is older than what was sent.

    the venue names an order that we never sent ─► an id that this run makes later? ─► halt, and number on behind it
    the venue refuses an order since it knows its id ─────────────────────────────────► halt, and number on behind it

A folder restored from a copy, or one whose journal was cut, would give its next orders the ids of orders that were sent
after the copy was made. What the venue tells of those is booked all the same: it happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import Order
from LIVE_TRADING.engine.commands import Anomaly
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.order_plan import ORDER_ID_PREFIX, client_order_id
from LIVE_TRADING.engine.sending import cancel_new_risk
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.engine.state_changes import state_changes

OLD_FOLDER = "old_state_folder"
LOOKED_AHEAD = 10_000  # numbers behind the last one; an id tells its number only by trying
# a venue shows executions and what works, not each order that was refused or cancelled: their ids are left out
LEFT_OUT = 1_000
_BLOCK = 5_000


def number_ahead(nonce: str, order_id: str, last_number: int) -> int | None:
    """Return the number of an id that this run makes within its next 10,000 orders; None for any other id."""
    if not order_id.startswith(ORDER_ID_PREFIX):
        return None
    for block in range((last_number + 1) // _BLOCK, (last_number + LOOKED_AHEAD) // _BLOCK + 1):
        number = _numbers(nonce, block).get(order_id)
        if number is not None and last_number < number <= last_number + LOOKED_AHEAD:
            return number
    return None


def judge_numbers(context: CoreContext, state: CoreState, order_ids: Iterable[str], what: str, now_ns: int) -> Step:
    """Halt where the venue names orders of this run that it has not sent yet; numbers go on behind them.

    `what` says what the venue tells of them: "an execution", "a report", "a working order".
    """
    ahead = {
        number: order_id
        for order_id in order_ids
        if (number := number_ahead(context.run.nonce, order_id, state.order_number)) is not None
    }
    if not ahead:
        return state, []
    number = max(ahead)
    said = f"the venue tells of {what} of {ahead[number]}, order {number} of this run; {state.order_number} are on file"
    return _halted(context, state, number, said, now_ns)


def judge_repeated(context: CoreContext, state: CoreState, order: Order, now_ns: int) -> Step:
    """Halt where the venue refused an order since it has had one of that id: each id is sent once."""
    said = (
        f"the venue has had {order.client_order_id} before, which is new here: order {order.order_number} of this run"
    )
    return _halted(context, state, order.order_number, said, now_ns)


def old_folder_refusal(state: CoreState) -> str:
    """Return why a start is refused until an operator has looked, "" where none is."""
    return next((latch.message for latch in state.risk.latches if latch.rule_id == OLD_FOLDER), "")


def _halted(context: CoreContext, state: CoreState, number: int, said: str, now_ns: int) -> Step:
    last = max(number + LEFT_OUT, state.order_number)
    message = (
        f"{said}. So this state folder is older than what was sent: restored from a copy, or its journal was cut. "
        "Executions are booked as the venue tells them, and no id is used again; entries, losses and cooldowns of the "
        "time that is lost are not known. Put a newer copy of the folder in place, if there is one; or compare "
        "positions, cash and orders with the venue's and go on: `control adopt` where they differ or an order works "
        "there that is over here, then `control resume`"
    )
    risk = context.parts.guardrails.halt(state.risk, OLD_FOLDER, message, now_ns)
    after, cancels = cancel_new_risk(replaced(state, risk=risk, order_number=last), now_ns)
    return after, [Anomaly(OLD_FOLDER, message), *state_changes(state.risk, risk), *cancels]


@lru_cache(maxsize=8)
def _numbers(nonce: str, block: int) -> dict[str, int]:
    """Return the numbers of a block by their ids; only where a venue names ids that are not known here."""
    return {client_order_id(nonce, number): number for number in range(block * _BLOCK, (block + 1) * _BLOCK)}
