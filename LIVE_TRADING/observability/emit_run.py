"""Emitters of the process, the run and the market data."""

from __future__ import annotations

from typing import Any

from LIVE_TRADING.observability.events import EventType, Notice, Publisher, Severity

OLD_S = 3600.0


def emit_engine_start(bus: Publisher, time_ns: int, *, mode: str, version: str, config_hash: str) -> None:
    """Tell that the engine starts. `mode`: paper, live, backtest, replay."""
    bus.emit(Notice(EventType.ENGINE_START, time_ns, {"mode": mode, "version": version, "config_hash": config_hash}))


def emit_engine_stop(bus: Publisher, time_ns: int, *, reason: str, cycles: int) -> None:
    """Tell that the engine has stopped and why."""
    bus.emit(Notice(EventType.ENGINE_STOP, time_ns, {"reason": reason, "cycles": cycles}))


def emit_run_started(
    bus: Publisher, time_ns: int, *, run_id: str, account: str, symbols: int, horizons: tuple[str, ...], seed: int
) -> None:
    """Tell that a run has opened."""
    fields = {"run_id": run_id, "account": account, "symbols": symbols, "horizons": horizons, "seed": seed}
    bus.emit(Notice(EventType.RUN_STARTED, time_ns, fields))


def emit_limited_mode(bus: Publisher, time_ns: int, *, reason: str) -> None:
    """Tell that the engine runs without models and will take no decision."""
    bus.emit(Notice(EventType.LIMITED_MODE, time_ns, {"reason": reason}))


def emit_model_loaded(bus: Publisher, time_ns: int, *, target: str, family: str, sha256: str) -> None:
    """Tell that a model is loaded and its checksum is right."""
    bus.emit(Notice(EventType.MODEL_LOADED, time_ns, {"target": target, "family": family, "sha256": sha256}))


def emit_gate_off(bus: Publisher, time_ns: int, *, gate: str, reason: str) -> None:
    """Tell that a gate will judge nothing in this run."""
    bus.emit(Notice(EventType.GATE_OFF, time_ns, {"gate": gate, "reason": reason}))


def emit_state_restored(bus: Publisher, time_ns: int, *, sequence: int, age_s: float, replayed: int) -> None:
    """Tell that a run goes on from a checkpoint, of which event, and how many events were replayed on it.

    `age_s`: since the last event on file; warns of more than an hour, in which nobody watched what is held, and of a
    clock that stands before that event.
    """
    fields: dict[str, Any] = {"sequence": sequence, "age_s": age_s, "replayed": replayed}
    if age_s > OLD_S:
        fields |= {"severity": Severity.WARNING, "message": f"nothing was watched for {age_s / 3600:.1f} hours"}
    elif age_s < 0.0:
        said = f"the clock stands {-age_s:.1f} s before the last event on file: set it right"
        fields |= {"severity": Severity.WARNING, "message": said}
    bus.emit(Notice(EventType.STATE_RESTORED, time_ns, fields))


def emit_broker_connected(bus: Publisher, time_ns: int, *, broker: str, account: str) -> None:
    """Tell that the broker is connected."""
    bus.emit(Notice(EventType.BROKER_CONNECTED, time_ns, {"broker": broker, "account": account}))


def emit_broker_disconnected(bus: Publisher, time_ns: int, *, broker: str, reason: str, expected: bool) -> None:
    """Tell that the broker is gone; `expected`: we hung up."""
    fields = {"broker": broker, "reason": reason, "severity": Severity.INFO if expected else Severity.ERROR}
    bus.emit(Notice(EventType.BROKER_DISCONNECTED, time_ns, fields))


def emit_session_open(bus: Publisher, time_ns: int, *, date: str, bars: int) -> None:
    """Tell that a trading day opens."""
    bus.emit(Notice(EventType.SESSION_OPEN, time_ns, {"date": date, "bars": bars}))


def emit_session_close(bus: Publisher, time_ns: int, *, date: str, expired_orders: int) -> None:
    """Tell that a trading day has closed. `expired_orders`: those that have been reported by then."""
    bus.emit(Notice(EventType.SESSION_CLOSE, time_ns, {"date": date, "expired_orders": expired_orders}))


def emit_missing_bars(bus: Publisher, time_ns: int, *, bar_end_ns: int, symbols: tuple[str, ...]) -> None:
    """Tell which symbols have no bar at a bar end."""
    fields = {"bar_end_ns": bar_end_ns, "count": len(symbols), "symbols": symbols}
    bus.emit(Notice(EventType.MISSING_BARS, time_ns, fields))


def emit_late_bar(bus: Publisher, time_ns: int, *, bar_end_ns: int, symbols: tuple[str, ...]) -> None:
    """Tell that bars came after their cycle; they are not applied."""
    fields = {"bar_end_ns": bar_end_ns, "count": len(symbols), "symbols": symbols}
    bus.emit(Notice(EventType.LATE_BAR, time_ns, fields))


def emit_data_gap(bus: Publisher, time_ns: int, *, last_bar_end_ns: int, bar_end_ns: int, missing: int) -> None:
    """Tell that a cycle has no bar of any symbol, and how many bar ends of the session have gone so by now.

    `last_bar_end_ns`: the newest bar there is; -1 where there is none yet.
    """
    fields = {"last_bar_end_ns": last_bar_end_ns, "bar_end_ns": bar_end_ns, "missing": missing}
    bus.emit(Notice(EventType.DATA_GAP, time_ns, fields))


def emit_quote_stale(bus: Publisher, time_ns: int, *, symbols: tuple[str, ...], max_age_s: float) -> None:
    """Tell for which symbols the spread gate has begun to hold a quote too old, and how old the oldest is."""
    fields = {"count": len(symbols), "symbols": symbols, "max_age_s": max_age_s}
    bus.emit(Notice(EventType.QUOTE_STALE, time_ns, fields))


def emit_quotes_conflated(
    bus: Publisher, time_ns: int, *, offered: int, conflated: int, old: int, unknown_symbols: int
) -> None:
    """Tell, with each cycle, how many trades and quotes between bars came since the one before, and what of them.

    `conflated` joined one of their symbol that waited, `old` told nothing new, `unknown_symbols` are of none that is in
    the universe; the rest went to the core.
    """
    fields = {"offered": offered, "conflated": conflated, "old": old, "unknown_symbols": unknown_symbols}
    bus.emit(Notice(EventType.QUOTES_CONFLATED, time_ns, fields))
