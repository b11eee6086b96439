"""Emitters of risk, control, persistence and failures."""

from __future__ import annotations

from LIVE_TRADING.observability.events import EventType, Notice, Publisher, Severity

_STATE_SEVERITY = {"active": Severity.INFO, "reduce_only": Severity.ERROR, "halted": Severity.CRITICAL}


def emit_risk_warning(bus: Publisher, time_ns: int, *, rule_id: str, value: float, limit: float, message: str) -> None:
    """Tell that a limit is near. `value` and `limit` are negative for losses."""
    fields = {"rule_id": rule_id, "value": value, "limit": limit, "message": message}
    bus.emit(Notice(EventType.RISK_WARNING, time_ns, fields))


def emit_guardrail_tripped(
    bus: Publisher, time_ns: int, *, rule_id: str, value: float, limit: float, message: str
) -> None:
    """Tell that a guardrail has latched. `value` and `limit` are negative for losses, NaN where there is none."""
    fields = {"rule_id": rule_id, "value": value, "limit": limit, "message": message}
    bus.emit(Notice(EventType.GUARDRAIL_TRIPPED, time_ns, fields))


def emit_kill_switch(bus: Publisher, time_ns: int, *, source: str, reason: str) -> None:
    """Tell that trading was killed, and by what: `operator`, through a program's `TradingEngine.control`."""
    bus.emit(Notice(EventType.KILL_SWITCH, time_ns, {"source": source, "reason": reason}))


def emit_trading_state_changed(bus: Publisher, time_ns: int, *, old: str, new: str, rule_id: str, message: str) -> None:
    """Tell that trading became active, reduce_only or halted."""
    fields = {"old": old, "new": new, "rule_id": rule_id, "message": message, "severity": _STATE_SEVERITY[new]}
    bus.emit(Notice(EventType.TRADING_STATE_CHANGED, time_ns, fields))


def emit_control_applied(bus: Publisher, time_ns: int, *, action: str, reason: str) -> None:
    """Tell that an operator's word was carried out."""
    bus.emit(Notice(EventType.CONTROL_APPLIED, time_ns, {"action": action, "reason": reason}))


def emit_checkpoint_written(bus: Publisher, time_ns: int, *, kind: str, sequence: int, duration_s: float) -> None:
    """Tell that state is on file. `kind`: engine, arrays."""
    fields = {"kind": kind, "sequence": sequence, "duration_s": duration_s}
    bus.emit(Notice(EventType.CHECKPOINT_WRITTEN, time_ns, fields))


def emit_journal_error(bus: Publisher, time_ns: int, *, message: str) -> None:
    """Tell that the journal cannot be written: no order without a durable intent."""
    bus.emit(Notice(EventType.JOURNAL_ERROR, time_ns, {"message": message}))


def emit_handler_failed(bus: Publisher, time_ns: int, *, sequence: int, event_type: str, message: str) -> None:
    """Tell that the core raised on an event; the prior state is kept and trading halted."""
    fields = {"sequence": sequence, "event_type": event_type, "message": message}
    bus.emit(Notice(EventType.HANDLER_FAILED, time_ns, fields))


def emit_error(
    bus: Publisher, time_ns: int, *, component: str, message: str, severity: Severity = Severity.ERROR
) -> None:
    """Tell of a failure outside the core, or of something odd that no other notice says."""
    fields = {"component": component, "message": message, "severity": severity}
    bus.emit(Notice(EventType.ERROR, time_ns, fields))


def emit_alert_failed(bus: Publisher, time_ns: int, *, channel: str, alert: str, message: str) -> None:
    """Tell that an alert did not reach its channel."""
    bus.emit(Notice(EventType.ALERT_FAILED, time_ns, {"channel": channel, "alert": alert, "message": message}))


def emit_listener_failed(bus: Publisher, time_ns: int, *, listener: str, message: str) -> None:
    """Tell, once per listener, that it raised; the others and trading go on."""
    bus.emit(Notice(EventType.LISTENER_FAILED, time_ns, {"listener": listener, "message": message}))
