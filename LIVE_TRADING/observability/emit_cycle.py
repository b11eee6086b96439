"""Emitters of the decision cycle. A cycle is named by its scheduled time, the end of its bars."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from LIVE_TRADING.observability.events import EventType, Notice, Publisher


def emit_cycle_start(bus: Publisher, time_ns: int, *, cycle_time_ns: int, cycle: int) -> None:
    """Tell that features have advanced and predictions are asked for. `cycle` counts from 1."""
    bus.emit(Notice(EventType.CYCLE_START, time_ns, {"cycle_time_ns": cycle_time_ns, "cycle": cycle}))


def emit_cycle_end(
    bus: Publisher,
    time_ns: int,
    *,
    cycle_time_ns: int,
    cycle: int,
    orders: int,
    rejections: int,
    decisions: Mapping[str, Mapping[str, int]],
    duration_s: float,
) -> None:
    """Tell that a cycle is decided.

    `decisions`: stage that settled a symbol to reason to number of symbols; each symbol is counted once. `duration_s`:
    work of the engine from trigger to commands, journal included; models are told of apart, and waiting is left out.
    """
    fields = {
        "cycle_time_ns": cycle_time_ns,
        "cycle": cycle,
        "orders": orders,
        "rejections": rejections,
        "decisions": decisions,
        "duration_s": duration_s,
    }
    bus.emit(Notice(EventType.CYCLE_END, time_ns, fields))


def emit_cycle_skipped(bus: Publisher, time_ns: int, *, cycle_time_ns: int, reason: str) -> None:
    """Tell that a cycle only advanced the features."""
    bus.emit(Notice(EventType.CYCLE_SKIPPED, time_ns, {"cycle_time_ns": cycle_time_ns, "reason": reason}))


def emit_cycle_aborted(bus: Publisher, time_ns: int, *, cycle_time_ns: int, reason: str) -> None:
    """Tell that a cycle in flight was given up."""
    bus.emit(Notice(EventType.CYCLE_ABORTED, time_ns, {"cycle_time_ns": cycle_time_ns, "reason": reason}))


def emit_inference_completed(bus: Publisher, time_ns: int, *, cycle_time_ns: int, duration_s: float) -> None:
    """Tell that raw predictions are there."""
    fields = {"cycle_time_ns": cycle_time_ns, "duration_s": duration_s}
    bus.emit(Notice(EventType.INFERENCE_COMPLETED, time_ns, fields))


def emit_stale_predictions(bus: Publisher, time_ns: int, *, cycle_time_ns: int, age_s: float) -> None:
    """Tell that predictions came too late for entries."""
    bus.emit(Notice(EventType.STALE_PREDICTIONS, time_ns, {"cycle_time_ns": cycle_time_ns, "age_s": age_s}))


def emit_prediction_timeout(bus: Publisher, time_ns: int, *, cycle_time_ns: int, timeout_s: float) -> None:
    """Tell that predictions did not come."""
    fields = {"cycle_time_ns": cycle_time_ns, "timeout_s": timeout_s}
    bus.emit(Notice(EventType.PREDICTION_TIMEOUT, time_ns, fields))


def emit_stage_completed(
    bus: Publisher,
    time_ns: int,
    *,
    cycle_time_ns: int,
    stage: str,
    reasons: Mapping[str, int],
    duration_s: float | None = None,
) -> None:
    """Tell how a stage left the symbols. `reasons`: reason code in text to number of symbols; duration if measured."""
    fields = {"cycle_time_ns": cycle_time_ns, "stage": stage, "reasons": reasons, "duration_s": duration_s}
    bus.emit(Notice(EventType.STAGE_COMPLETED, time_ns, fields))


def emit_gate_blocked(
    bus: Publisher, time_ns: int, *, cycle_time_ns: int, gate: str, reasons: Mapping[str, int]
) -> None:
    """Tell how many symbols a gate (barrier, spread) held and why."""
    fields = {"cycle_time_ns": cycle_time_ns, "gate": gate, "reasons": reasons}
    bus.emit(Notice(EventType.GATE_BLOCKED, time_ns, fields))


def emit_decision(
    bus: Publisher,
    time_ns: int,
    *,
    cycle_time_ns: int,
    symbol: str,
    action: str,
    side: str,
    horizon: str,
    reason: str,
    target_shares: Decimal,
) -> None:
    """Tell what is wanted of a symbol. For symbols of which something is wanted; the others stand in the funnel."""
    fields = {
        "cycle_time_ns": cycle_time_ns,
        "symbol": symbol,
        "action": action,
        "side": side,
        "horizon": horizon,
        "reason": reason,
        "target_shares": target_shares,
    }
    bus.emit(Notice(EventType.DECISION, time_ns, fields))


def emit_bandit_updated(bus: Publisher, time_ns: int, *, rounds: int, probabilities: Mapping[str, float]) -> None:
    """Tell what the bandit believes after matured trades: horizon to probability."""
    bus.emit(Notice(EventType.BANDIT_UPDATED, time_ns, {"rounds": rounds, "probabilities": probabilities}))
