"""Notices: what the system tells about itself. They change nothing; the core's inputs are the events of `common`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from LIVE_TRADING.common.units import iso_utc


class Severity(StrEnum):
    """How much an operator should care, in rising order."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def level(self) -> int:
        """Return the level of the standard library's logging: 10 to 50."""
        return _LEVELS[self]


_LEVELS = {severity: 10 * rank for rank, severity in enumerate(Severity, start=1)}


class EventType(StrEnum):
    """Kinds of notices. `emit_<value>` emits each, and nothing else does."""

    # process and run
    ENGINE_START = "engine_start"
    ENGINE_STOP = "engine_stop"
    RUN_STARTED = "run_started"
    LIMITED_MODE = "limited_mode"
    MODEL_LOADED = "model_loaded"
    GATE_OFF = "gate_off"
    STATE_RESTORED = "state_restored"
    BROKER_CONNECTED = "broker_connected"
    BROKER_DISCONNECTED = "broker_disconnected"
    SESSION_OPEN = "session_open"
    SESSION_CLOSE = "session_close"
    # market data
    MISSING_BARS = "missing_bars"
    LATE_BAR = "late_bar"
    DATA_GAP = "data_gap"
    QUOTE_STALE = "quote_stale"
    QUOTES_CONFLATED = "quotes_conflated"
    # the cycle
    CYCLE_START = "cycle_start"
    CYCLE_END = "cycle_end"
    CYCLE_SKIPPED = "cycle_skipped"
    CYCLE_ABORTED = "cycle_aborted"
    INFERENCE_COMPLETED = "inference_completed"
    STALE_PREDICTIONS = "stale_predictions"
    PREDICTION_TIMEOUT = "prediction_timeout"
    STAGE_COMPLETED = "stage_completed"
    GATE_BLOCKED = "gate_blocked"
    DECISION = "decision"
    # orders and money
    ORDER_SUBMITTED = "order_submitted"
    ORDER_ACKNOWLEDGED = "order_acknowledged"
    ORDER_FILLED = "order_filled"
    ORDER_REJECTED = "order_rejected"
    ORDER_CANCELLED = "order_cancelled"
    ORDER_EXPIRED = "order_expired"
    SURPRISING_FILL = "surprising_fill"
    TRADE_CLOSED = "trade_closed"
    ACCOUNT_MARKED = "account_marked"
    BANDIT_UPDATED = "bandit_updated"
    # safety
    RISK_WARNING = "risk_warning"
    GUARDRAIL_TRIPPED = "guardrail_tripped"
    KILL_SWITCH = "kill_switch"
    TRADING_STATE_CHANGED = "trading_state_changed"
    CONTROL_APPLIED = "control_applied"
    # the machinery
    CHECKPOINT_WRITTEN = "checkpoint_written"
    JOURNAL_ERROR = "journal_error"
    HANDLER_FAILED = "handler_failed"
    ERROR = "error"
    ALERT_FAILED = "alert_failed"
    LISTENER_FAILED = "listener_failed"


_QUIET = (
    EventType.QUOTES_CONFLATED,
    EventType.CYCLE_START,
    EventType.CYCLE_END,
    EventType.INFERENCE_COMPLETED,
    EventType.STAGE_COMPLETED,
    EventType.GATE_BLOCKED,
    EventType.DECISION,
    EventType.ORDER_ACKNOWLEDGED,
    EventType.ACCOUNT_MARKED,
    EventType.BANDIT_UPDATED,
    EventType.CHECKPOINT_WRITTEN,
)
_LOUD = {
    Severity.WARNING: (
        EventType.LIMITED_MODE,
        EventType.GATE_OFF,
        EventType.LATE_BAR,
        EventType.DATA_GAP,
        EventType.QUOTE_STALE,
        EventType.CYCLE_SKIPPED,
        EventType.CYCLE_ABORTED,
        EventType.STALE_PREDICTIONS,
        EventType.ORDER_REJECTED,
        EventType.RISK_WARNING,
        EventType.CONTROL_APPLIED,
        EventType.ALERT_FAILED,
    ),
    Severity.ERROR: (
        EventType.BROKER_DISCONNECTED,
        EventType.PREDICTION_TIMEOUT,
        EventType.SURPRISING_FILL,
        EventType.ERROR,
        EventType.LISTENER_FAILED,
    ),
    Severity.CRITICAL: (
        EventType.GUARDRAIL_TRIPPED,
        EventType.KILL_SWITCH,
        EventType.JOURNAL_ERROR,
        EventType.HANDLER_FAILED,
    ),
}

SEVERITY: Mapping[EventType, Severity] = {
    **dict.fromkeys(EventType, Severity.INFO),
    **dict.fromkeys(_QUIET, Severity.DEBUG),
    **{kind: severity for severity, kinds in _LOUD.items() for kind in kinds},
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice. `time_ns` is the core's now; `fields` hold text, numbers, Decimals and mappings or tuples of them."""

    type: EventType
    time_ns: int
    fields: Mapping[str, Any]

    @property
    def severity(self) -> Severity:
        """Return the severity of the type, unless the notice carries one of its own."""
        own = self.fields.get("severity")
        return SEVERITY[self.type] if own is None else Severity(own)

    def to_dict(self) -> dict[str, Any]:
        """Return the notice flat, for logs and messages."""
        return {"type": self.type.value, "time_utc": iso_utc(self.time_ns), **self.fields}


class Publisher(Protocol):
    """What the `emit_*` functions speak to."""

    def emit(self, notice: Notice) -> None:
        """Tell all listeners."""
        ...
