"""Orders of this run that the venue knows and the state folder does not: the folder is older than what was sent.

    the venue names an order that we never sent ─► an id that this run makes later? ─► halt, and number on behind it
    the venue refuses an order since it knows its id ─────────────────────────────────► halt, and number on behind it

A folder restored from a copy, or one whose journal was cut, would give its next orders the ids of orders that were sent
after the copy was made. What the venue tells of those is booked all the same: it happened.
"""

from __future__ import annotations

from collections.abc import Iterable

from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import Order
from LIVE_TRADING.engine.commands import Anomaly
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.order_plan import order_numbers
from LIVE_TRADING.engine.sending import cancel_new_risk
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.engine.state_changes import state_changes

OLD_FOLDER = "old_state_folder"
LOOKED_AHEAD = 10_000  # numbers behind the last one
# a venue shows executions and what works, not each order that was refused or cancelled: their ids are left out
LEFT_OUT = 1_000


def number_ahead(nonce: str, order_id: str, last_number: int) -> int | None:
    """Return the number of an id that this run makes within its next 10,000 orders; None for any other id."""
    return order_numbers(nonce, (order_id,), last_number + 1, last_number + LOOKED_AHEAD).get(order_id)


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
    latch = state.risk.latch_of(OLD_FOLDER)
    return latch.message if latch is not None else ""


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
