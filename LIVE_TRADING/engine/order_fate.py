"""Orders of which nobody knows whether the venue has them. Never sent again: the venue is asked, and says.

    submit timed out, broke off, or the process ended ─► unknown ─► query ─┬─► working, filled, cancelled, …
                                                                          ├─► absent for good ─► not_at_venue
                                                                          └─► absent or silent ─► unknown, until settled
    acknowledged, and the venue lists it no more ─► query ─┬─► as above, but
                                                          └─► absent ─► as it was, until settled or adopted; a day order
                                                                        of a session before: expired

While an order is unknown it counts as open: its exposure and its symbol stay reserved, and it is asked for again
whenever the books are compared, every few cycles.
"""

from __future__ import annotations

from dataclasses import replace

from LIVE_TRADING.common.events import OrderStatusReport, OrderUnknown, VenueStatus
from LIVE_TRADING.engine.commands import Anomaly, QueryOrder
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.order_reports import finish, unless_known
from LIVE_TRADING.engine.orders import UNCONFIRMED, OrderRecord, OrderStatus
from LIVE_TRADING.engine.state import CoreState

_ENDED = {
    VenueStatus.CANCELLED: OrderStatus.CANCELLED,
    VenueStatus.REJECTED: OrderStatus.REJECTED,
    VenueStatus.EXPIRED: OrderStatus.EXPIRED,
}


def on_unknown(context: CoreContext, state: CoreState, unknown: OrderUnknown, now_ns: int) -> Step:
    """Reserve what the order may do, and have the venue asked; one that has shown a sign of life meanwhile is known."""
    record = state.orders.open.get(unknown.order_id)
    if record is None:
        return unless_known(context, state, unknown.order_id, now_ns)
    if record.status not in UNCONFIRMED:
        return state, []
    doubtful = replace(record, status=OrderStatus.UNKNOWN, venue_reason=unknown.reason)
    state = replace(state, orders=state.orders.with_record(doubtful))
    return state, [
        Anomaly("order_unknown", f"{unknown.order_id}: {unknown.reason}"),
        QueryOrder(unknown.order_id),
    ]


def on_status_report(context: CoreContext, state: CoreState, report: OrderStatusReport, now_ns: int) -> Step:
    """Take the venue's word for an order. Only fills are booked: a status that lacks some of them settles nothing."""
    record = state.orders.open.get(report.order_id)
    if record is None:
        return unless_known(context, state, report.order_id, now_ns)
    if report.filled > record.filled or report.status is VenueStatus.FILLED:  # one filled in full would be closed
        lacking = f"{report.order_id}: the venue filled {report.filled}, executions of {record.filled} are known"
        return state, [Anomaly("missing_executions", lacking)]
    if report.status is VenueStatus.WORKING:
        return _lives(state, record), []
    if report.status in _ENDED:
        return finish(context, state, report.order_id, _ENDED[report.status], report.reason, now_ns)
    if report.status is VenueStatus.ABSENT and report.final and not record.filled and record.status in UNCONFIRMED:
        return finish(context, state, report.order_id, OrderStatus.NOT_AT_VENUE, report.reason, now_ns)
    if report.status is VenueStatus.ABSENT and report.final and _outlived(context, state, record):
        return finish(
            context, state, report.order_id, OrderStatus.EXPIRED, f"its session is over: {report.reason}", now_ns
        )
    said = f"{report.order_id}: {report.status}, {report.reason}; look it up at the venue, then {settle_hint(record)}"
    return state, [Anomaly("order_unsettled", said)]


def settle_hint(record: OrderRecord) -> str:
    """Return what an operator says to close an order that the venue does not know."""
    return (
        f"`control settle --order {record.order.client_order_id} --as not_at_venue` (or cancelled, expired, rejected)"
    )


def _outlived(context: CoreContext, state: CoreState, record: OrderRecord) -> bool:
    """Return whether an order was good for a session that is over: it works no more, whatever became of it."""
    order = record.order
    return context.parts.session_ends and order.time_in_force == "day" and order.decision_time_ns < state.opened_ns


def _lives(state: CoreState, record: OrderRecord) -> CoreState:
    if record.status not in UNCONFIRMED:
        return state
    return replace(state, orders=state.orders.with_record(replace(record, status=OrderStatus.ACCEPTED)))
