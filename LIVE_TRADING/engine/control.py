"""What stops trading and what lifts the stop: an operator's word, and faults outside the core."""

from __future__ import annotations

from dataclasses import replace

from LIVE_TRADING.common.events import ControlRequest, SystemFault
from LIVE_TRADING.engine.commands import Anomaly, Command, TradingStateChanged
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.risk import RiskMemory


def on_control(context: CoreContext, state: CoreState, request: ControlRequest, now_ns: int) -> Step:
    """Halt, resume or reset."""
    guardrails = context.parts.guardrails
    if request.action == "halt":
        risk = guardrails.halt(state.risk, "operator", request.reason, now_ns)
    elif request.action == "resume":
        risk = guardrails.resume(state.risk, request.reason, now_ns)
    elif request.action == "reset":
        risk = guardrails.reset(state.risk, state.equity, request.reason, now_ns)
    else:
        return state, [Anomaly("unknown_control", request.action)]
    return replace(state, risk=risk), state_changes(state.risk, risk)


def on_fault(context: CoreContext, state: CoreState, fault: SystemFault, now_ns: int) -> Step:
    """Halt on what is critical."""
    if fault.severity != "critical":
        return state, []
    risk = context.parts.guardrails.halt(state.risk, fault.error_type, fault.message, now_ns)
    return replace(state, risk=risk), state_changes(state.risk, risk)


def state_changes(before: RiskMemory, after: RiskMemory) -> list[Command]:
    """Return what to say about the trading state, nothing where nothing moved."""
    if before.state is after.state and before.latches == after.latches:
        return []
    latch = after.latches[-1] if after.latches else None
    return [
        TradingStateChanged(
            before.state.value,
            after.state.value,
            latch.rule_id if latch is not None else "operator",
            latch.message if latch is not None else "lifted",
        )
    ]
