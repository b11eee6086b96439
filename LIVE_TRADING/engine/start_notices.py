"""What a process tells when it starts: a new run or an old one, its models, what is still latched."""

from __future__ import annotations

from collections.abc import Sequence

from LIVE_TRADING.common.events import RunStarted
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.engine.resume import Recovered
from LIVE_TRADING.observability import emit
from LIVE_TRADING.observability.events import Publisher, Severity


def tell_run(bus: Publisher, now_ns: int, run: RunStarted, recovered: Recovered) -> None:
    """Tell that a run has opened, or goes on."""
    if recovered.resumed:
        _tell_restored(bus, now_ns, recovered)
        return
    emit.emit_run_started(
        bus,
        now_ns,
        run_id=run.run_id,
        account=run.account,
        symbols=len(run.symbols),
        horizons=run.horizons,
        seed=run.seed,
    )


def tell_models(bus: Publisher, now_ns: int, run: RunStarted, targets: Sequence[str] | None, gate_off: str) -> None:
    """Tell each model that was loaded; `targets` is the subset asked for, None all; and why the barrier gate is off."""
    for name, sha256 in sorted(run.model_hashes.items()):
        target, family = name.split("/")
        if targets is None or target in targets:
            emit.emit_model_loaded(bus, now_ns, target=target, family=family, sha256=sha256)
    if gate_off:
        emit.emit_gate_off(bus, now_ns, gate="barrier", reason=gate_off)


def _tell_restored(bus: Publisher, now_ns: int, recovered: Recovered) -> None:
    for message in recovered.unreadable:
        emit.emit_error(bus, now_ns, component="checkpoint", message=message)
    for message in recovered.remarks:
        emit.emit_error(bus, now_ns, component="journal", message=message)
    if recovered.cut_bytes:
        message = f"{recovered.cut_bytes} bytes that a crash left unfinished were cut from its end"
        emit.emit_error(bus, now_ns, component="journal", message=message, severity=Severity.WARNING)
    state = recovered.driver.core.state
    age_s = (now_ns - state.now_ns) / NS_PER_S
    emit.emit_state_restored(bus, now_ns, sequence=recovered.checkpoint_seq, age_s=age_s, replayed=recovered.replayed)
    if state.risk.latches:
        latch, stands = state.risk.latches[-1], state.risk.state.value
        emit.emit_trading_state_changed(
            bus, now_ns, old=stands, new=stands, rule_id=latch.rule_id, message=f"still latched: {latch.message}"
        )
