"""`python -m bin.replay_session`: feed a journal through the core and prove the recorded commands."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from LIVE_TRADING.cli.exits import ExitCode
from LIVE_TRADING.common.events import RunStarted, Stamped
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.fingerprint import code_version, cpu_fingerprint
from LIVE_TRADING.common.units import instant_ns, iso_utc
from LIVE_TRADING.engine.archive import journal_start
from LIVE_TRADING.engine.checkpoint import Checkpoints
from LIVE_TRADING.engine.commands import Command, CycleDecided
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.cycle import CycleResult
from LIVE_TRADING.engine.explain import explain
from LIVE_TRADING.engine.journal import FOLDER, read_journal, torn_tail
from LIVE_TRADING.engine.journal_health import check_end
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.resume import recorded_run, start_core


def replay_session(state_dir: Path, explained: str | None, at: str | None) -> int:
    """Replay; print digests, or the first difference; explain a symbol at an instant where asked."""
    if at is not None and explained is None:
        raise ConfigurationError(f"--at {at}: give --explain SYMBOL with it")
    run = recorded_run(state_dir)
    if run is None:
        raise ConfigurationError(f"--state-dir {state_dir}: there is no journal; give the folder of a session")
    if run.cpu_fingerprint != cpu_fingerprint():
        print(f"recorded on {run.cpu_fingerprint}, replayed on {cpu_fingerprint()}: last bits may differ")
    core = start_core(state_dir, run)
    _tell_other_features(run, core.market_model.features.sources)
    path = state_dir / FOLDER
    explainer = _Explainer(run, core_config(run), explained, at) if explained is not None else None
    started = time.perf_counter()
    start_seq, _ = journal_start(path)
    if start_seq:
        print(f"events up to {start_seq} were removed by engine.journal_keep_days; the replay begins after them")
    left_after = Checkpoints(state_dir, run, core.parts).change_after
    fed = feed_journal(core, read_journal(path), after_seq=start_seq, listener=explainer, left_after=left_after)
    wall_s = time.perf_counter() - started
    if tail := torn_tail(path):
        print(f"the journal ends in a torn record of {tail} bytes, which is left out")
    for stretch in fed.passed:
        print(stretch)
    if fed.difference is not None:
        if (decided := core.state.code or run.code_version) != code_version():
            print(f"decided by {decided}, replayed by {code_version()}: other code decides otherwise")
        print(fed.difference)
        return int(ExitCode.HALTED)
    check_end(state_dir, fed.last_seq)
    print(
        f"{fed.events:,} events, {fed.commands:,} commands to {iso_utc(fed.last_ns)}: all "
        f"{'else ' if fed.passed else ''}as recorded "
        f"({fed.events / wall_s:,.0f} events/s)"
    )
    for name, digest in core.state.digest.texts().items():
        print(f"{name:<16}{digest}")
    if explainer is not None and not explainer.told:
        explainer.say_nothing_was_told()
    return int(ExitCode.DONE)


def _tell_other_features(run: RunStarted, now: Mapping[str, str]) -> None:
    """Say which user features are not the version that was recorded."""
    for path, recorded in run.feature_sources.items():  # order: of the configuration
        if now.get(path) != recorded:
            print(f"user feature {path}: recorded with {recorded:.12}, now {now.get(path, 'none'):.12}: it may differ")


def core_config(run: RunStarted) -> EngineConfig:
    """Return the recorded decision-relevant configuration."""
    return EngineConfig.model_validate({k: v for k, v in run.config.items() if k in EngineConfig.model_fields})


class _Explainer:
    """Prints a symbol's explanation at an instant, or at every cycle that acted on it; `told` counts them."""

    def __init__(self, run: RunStarted, config: EngineConfig, symbol: str, at: str | None) -> None:
        if symbol not in run.symbols:
            raise ConfigurationError(f"--explain {symbol}: not in the universe {', '.join(run.symbols)}")
        self._config = config
        self._symbol = symbol
        self._at_ns = _instant(at) if at is not None else None
        self.told = 0

    def __call__(self, _: Stamped, commands: list[Command]) -> None:
        """Take the commands of an event."""
        for command in commands:
            if isinstance(command, CycleDecided) and self._wanted(command.result):
                print("\n".join(explain(command.result, self._symbol, self._config)), end="\n\n")
                self.told += 1

    def _wanted(self, result: CycleResult) -> bool:
        if self._at_ns is not None:
            return result.scheduled_time_ns == self._at_ns
        acted = [order.symbol for order in result.orders] + [refused.symbol for refused in result.rejections]
        return self._symbol in acted

    def say_nothing_was_told(self) -> None:
        """Say that no cycle acted on the symbol.

        Raises
        ------
        ConfigurationError
            There is no cycle at the instant that was asked for.
        """
        if self._at_ns is not None:
            raise ConfigurationError(
                f"--at {iso_utc(self._at_ns)}: no cycle was decided then by this code; give the end of a bar"
            )
        print(f"no cycle acted on {self._symbol}; --at explains a cycle that did not")


def _instant(text: str) -> int:
    try:
        return instant_ns(datetime.fromisoformat(text))
    except ValueError as error:
        raise ConfigurationError(f"--at {text}: write an instant with its zone, e.g. 2025-12-08T15:00:00Z") from error
