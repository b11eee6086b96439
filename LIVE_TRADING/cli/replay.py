"""`python -m bin.replay_session`: feed a journal through the core and prove the recorded commands."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from LIVE_TRADING.cli.exits import ExitCode
from LIVE_TRADING.common.events import RunStarted, Stamped
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.fingerprint import cpu_fingerprint
from LIVE_TRADING.common.units import instant_ns, iso_utc
from LIVE_TRADING.engine.commands import Command, CycleDecided
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.explain import explain
from LIVE_TRADING.engine.journal import FILE_NAME, read_journal, torn_tail
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.trading_engine import recorded_run, start_core


def replay_session(state_dir: Path, explained: str | None, at: str | None) -> int:
    """Replay; print digests, or the first difference; explain a symbol at an instant where asked."""
    run = recorded_run(state_dir)
    if run is None:
        raise ConfigurationError(f"--state-dir {state_dir}: there is no journal; give the folder of a session")
    if run.cpu_fingerprint != cpu_fingerprint():
        print(f"recorded on {run.cpu_fingerprint}, replayed on {cpu_fingerprint()}: last bits may differ")
    core = start_core(state_dir, run)
    path = state_dir / FILE_NAME
    listener = _explainer(run, core_config(run), explained, at) if explained is not None else None
    started = time.perf_counter()
    fed = feed_journal(core, read_journal(path), listener=listener)
    wall_s = time.perf_counter() - started
    if tail := torn_tail(path):
        print(f"the journal ends in a torn record of {tail} bytes, which is left out")
    if fed.difference is not None:
        print(fed.difference)
        return int(ExitCode.HALTED)
    print(
        f"{fed.events:,} events, {fed.commands:,} commands to {iso_utc(fed.last_ns)}: all as recorded "
        f"({fed.events / wall_s:,.0f} events/s)"
    )
    for name, digest in core.state.digest.texts().items():
        print(f"{name:<16}{digest}")
    return int(ExitCode.DONE)


def core_config(run: RunStarted) -> EngineConfig:
    """Return the recorded decision-relevant configuration."""
    return EngineConfig.model_validate({k: v for k, v in run.config.items() if k in EngineConfig.model_fields})


def _explainer(
    run: RunStarted, config: EngineConfig, symbol: str, at: str | None
) -> Callable[[Stamped, list[Command]], None]:
    """Return a listener that prints a symbol's explanation at an instant, or at every cycle that acted on it."""
    if symbol not in run.symbols:
        raise ConfigurationError(f"--explain {symbol}: not in the universe {', '.join(run.symbols)}")
    wanted_ns = _instant(at) if at is not None else None

    def listen(_: Stamped, commands: list[Command]) -> None:
        for command in commands:
            if not isinstance(command, CycleDecided):
                continue
            result = command.result
            acted = symbol in [order.symbol for order in result.orders] + [no.symbol for no in result.rejections]
            if result.scheduled_time_ns == wanted_ns or (wanted_ns is None and acted):
                print("\n".join(explain(result, symbol, config)), end="\n\n")

    return listen


def _instant(text: str) -> int:
    try:
        return instant_ns(datetime.fromisoformat(text))
    except ValueError as error:
        raise ConfigurationError(f"--at {text}: write an instant with its zone, e.g. 2025-12-08T15:00:00Z") from error
