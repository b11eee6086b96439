"""What stops trading and what lifts the stop: an operator's word, and faults outside the core."""

from __future__ import annotations

from dataclasses import replace

from LIVE_TRADING.common.events import CodeChanged, ControlRequest, SystemFault
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.engine.commands import Anomaly, RequestSnapshot
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.old_folder import OLD_FOLDER
from LIVE_TRADING.engine.order_reports import finish
from LIVE_TRADING.engine.orders import OrderStatus
from LIVE_TRADING.engine.sending import cancel_all, cancel_new_risk
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.engine.state_changes import state_changes

OUTCOMES = {
    "not_at_venue": OrderStatus.NOT_AT_VENUE,
    "cancelled": OrderStatus.CANCELLED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}
DISK_LOW = "disk_low"
CODE_CHANGED = "code_changed"
FOREIGN_ORDERS = "foreign_orders"
ADOPT_NONCE = "adopt_nonce"


def on_control(context: CoreContext, state: CoreState, request: ControlRequest, now_ns: int) -> Step:
    """Halt and cancel whatever works, resume, or reset."""
    guardrails, before = context.parts.guardrails, state.risk
    if request.action == "halt":
        risk = guardrails.halt(before, "operator", request.reason, now_ns)
        after, cancels = cancel_all(replace(state, risk=risk), int(Reason.HALTED), now_ns)
        return after, [*state_changes(before, risk), *cancels]
    if request.action == "resume":
        risk = guardrails.resume(before, request.reason, now_ns)
    elif request.action == "reset":
        if state.equity <= 0:
            return state, [
                Anomaly("control_refused", f"reset: there is nothing to measure from, equity {state.equity}")
            ]
        risk = guardrails.reset(before, state.equity, request.reason, now_ns)
    elif request.action == ADOPT_NONCE:  # a start's word: they are cancelled at the next look, and halt no more
        risk = before
        for rule_id in (FOREIGN_ORDERS, OLD_FOLDER):
            risk = guardrails.lift(risk, rule_id, ADOPT_NONCE, request.reason, now_ns)
        state = replace(state, reconcile=replace(state.reconcile, adopts_foreign=True))
    elif request.action in ("adopt", "ignore"):
        return _accept(state, request)
    elif request.action == "settle":
        return _settle(context, state, request, now_ns)
    else:
        known = "halt, resume, reset, adopt, ignore or settle"
        return state, [Anomaly("control_refused", f"{request.action}: no such action; {known}")]
    return replace(state, risk=risk), state_changes(before, risk)


def _accept(state: CoreState, request: ControlRequest) -> Step:
    """Let the difference that was seen be taken over, or left alone; another one is another matter.

    Orders of others that were seen are cancelled, or left alone, with it.
    """
    memory = state.reconcile
    if not memory.seen and not memory.foreign:
        return state, [Anomaly("control_refused", f"{request.action}: the books do not differ")]
    if request.action == "adopt":
        accepted = replace(memory, adopted=memory.seen, adopts_foreign=bool(memory.foreign))
    else:
        accepted = replace(memory, ignored=memory.seen, alone=(*memory.alone, *memory.foreign), foreign=())
    return replace(state, reconcile=accepted), [RequestSnapshot(0)]


def _settle(context: CoreContext, state: CoreState, request: ControlRequest, now_ns: int) -> Step:
    """Close an order of unknown fate as a person found it at the venue."""
    record, outcome = state.orders.open.get(request.subject), OUTCOMES.get(request.outcome)
    if record is None:
        there = ", ".join(sorted(state.orders.open)) or "none"
        return state, [Anomaly("control_refused", f"settle {request.subject}: no such open order; open: {there}")]
    if outcome is None:
        known = ", ".join(sorted(OUTCOMES))
        return state, [Anomaly("control_refused", f"settle {request.subject} as {request.outcome}: one of {known}")]
    return finish(context, state, request.subject, outcome, f"settled: {request.reason}", now_ns)


def on_fault(context: CoreContext, state: CoreState, fault: SystemFault, now_ns: int) -> Step:
    """Halt on what is critical, restrict where the disk runs full, and cancel what would add risk."""
    guardrails = context.parts.guardrails
    if fault.severity == "critical":
        risk = guardrails.halt(state.risk, fault.error_type, fault.message, now_ns)
    elif fault.error_type == DISK_LOW:
        risk = guardrails.restrict(state.risk, fault.error_type, fault.message, now_ns)
    else:
        return state, []
    after, cancels = cancel_new_risk(replace(state, risk=risk), now_ns)
    return after, [*state_changes(state.risk, risk), *cancels]


def on_code_changed(context: CoreContext, state: CoreState, changed: CodeChanged, now_ns: int) -> Step:
    """Note which code decides from here on; where it would have decided otherwise, open nothing until a person looks.

    What is on file stands: the state before this event is that of the record already.
    """
    state = replace(state, code=changed.code)
    if not changed.difference:
        return state, []
    where = changed.difference.splitlines()[0]
    message = f"{changed.code} would have commanded otherwise than {changed.before or 'other code'} did: {where}"
    risk = context.parts.guardrails.restrict(state.risk, CODE_CHANGED, message, now_ns)
    after, cancels = cancel_new_risk(replace(state, risk=risk), now_ns)
    return after, [*state_changes(state.risk, risk), *cancels]


def code_change_text(changed: CodeChanged) -> str:
    """Return a change of code in words, with what an operator can do where this code would have decided otherwise."""
    said = f"{changed.code} decides from here on, {changed.before or 'other code'} did before"
    if not changed.difference:
        return said
    return (
        f"{said} and commanded what this code would not have; what is on file stands. Look at the difference, then "
        f"lift this with `python -m bin.control resume --reason WHY --state-dir FOLDER`. {changed.difference}"
    )
