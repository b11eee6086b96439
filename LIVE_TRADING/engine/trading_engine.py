"""`TradingEngine`: what a program builds to trade. Opens or resumes a run, then hands it to the asyncio shell."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from LIVE_TRADING.brokers.interface import Broker
from LIVE_TRADING.common.async_clock import RealTimeClock, VirtualClock
from LIVE_TRADING.common.codec import record_from, to_json_value
from LIVE_TRADING.common.events import ControlRequest, CycleAborted, RunStarted
from LIVE_TRADING.common.exceptions import ConfigurationError, ReconciliationError, StateError
from LIVE_TRADING.common.files import FolderLock
from LIVE_TRADING.common.types import Instrument
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.data.interface import DataProvider
from LIVE_TRADING.engine.announcer import Announcer
from LIVE_TRADING.engine.assembly import assemble
from LIVE_TRADING.engine.checkpoint import Checkpoints, arrays_name
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.driver import Driver, Observer
from LIVE_TRADING.engine.journal import FILE_NAME, Journal, read_journal
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.run_setup import DataFacts, RunPlan, RunPredictor, open_run
from LIVE_TRADING.engine.shell import LiveShell, NoForecasts, Predictor, ShellTimes
from LIVE_TRADING.observability import emit
from LIVE_TRADING.observability.bus import NoticeBus
from LIVE_TRADING.observability.events import Severity

LIMITED_MODE = "limited mode: no run_root and no predictor, so nothing is forecast and nothing will be entered"


@dataclass(frozen=True, slots=True)
class Recovered:
    """Where this process goes on.

    pending_ns       a cycle whose predictions a crash lost
    cut_bytes        length of a torn tail of the journal
    checkpoint_seq   event that the checkpoint follows; `replayed` events after it came from the journal
    unreadable       newer checkpoints that could not be read, and why
    """

    driver: Driver
    resume_ns: int
    resumed: bool = False
    pending_ns: int | None = None
    cut_bytes: int = 0
    checkpoint_seq: int = 0
    replayed: int = 0
    unreadable: tuple[str, ...] = ()


class TradingEngine:
    """Trades one universe through one broker.

    Parameters
    ----------
    broker, data_provider
        Where orders go and where bars come from.
    run_root
        Folder of trained artifacts. Without it, or a predictor, the engine runs in limited mode: it watches, marks the
        book and keeps the journal, but no symbol ever has a view.
    predictor
        Forecasts in place of the artifacts' models, on the run's grid of horizons and families.
    targets
        Subset of the artifacts' targets (`ret_5m`, ...) to forecast; the others have no view.
    config
        Decision-relevant configuration; defaults where absent.
    clock
        Real time where absent; a `VirtualClock` runs recorded data as fast as it can be decided on.
    facts, instruments
        What the data are and what the venue allows.
    state_dir
        Folder for journal and checkpoints; nothing is kept without one.
    bus
        Told what happens. Listening changes no decision.
    """

    def __init__(
        self,
        broker: Broker,
        data_provider: DataProvider,
        run_root: Path | None = None,
        predictor: RunPredictor | None = None,
        targets: Sequence[str] | None = None,
        config: EngineConfig | None = None,
        clock: RealTimeClock | VirtualClock | None = None,
        *,
        facts: DataFacts,
        instruments: Mapping[str, Instrument],
        run_id: str = "adhoc",
        account: str = "PAPER",
        start_ns: int | None = None,
        end_ns: int | None = None,
        state_dir: Path | None = None,
        latency: InferenceLatency | None = None,
        observers: Sequence[Observer] = (),
        grace_ns: int | None = None,
        nonce: str | None = None,
        bus: NoticeBus | None = None,
    ) -> None:
        self._config = config or EngineConfig()
        self._listened, self._bus = bus, bus or NoticeBus()
        self._broker = broker
        self._provider = data_provider
        self._clock = clock or RealTimeClock()
        self._state_dir = state_dir
        self._lock = FolderLock(state_dir) if state_dir is not None else None
        if self._lock is not None:
            self._lock.acquire()
        self._observers = tuple(observers)
        self._limited = run_root is None and predictor is None
        self._loads_models = run_root is not None and predictor is None
        self._targets = targets
        if self._limited:
            warnings.warn(LIMITED_MODE, RuntimeWarning, stacklevel=2)
        runtime = self._config.engine
        self._grace_ns = round(runtime.bar_grace_s * NS_PER_S) if grace_ns is None else grace_ns
        self._latency = latency or InferenceLatency(timeout_ns=round(runtime.inference_timeout_s * NS_PER_S))
        recorded = self._recorded_run()
        plan = open_run(
            self._config,
            facts,
            instruments,
            run_id=run_id,
            nonce=nonce or (recorded.nonce if recorded is not None else secrets.token_hex(16)),
            account=account,
            start_ns=start_ns,
            end_ns=end_ns,
            run_root=run_root,
            predictor=predictor,
            targets=targets,
        )
        if recorded is not None:
            _check_same_run(recorded, plan.run, state_dir or Path())
        self._plan = plan
        self._predictor: Predictor = plan.predictor or NoForecasts(len(plan.run.horizons), len(plan.run.families))
        self._recovered = self._open(plan, recorded is not None)
        self._shell = self._build_shell()

    @property
    def run_started(self) -> RunStarted:
        """Return what opened the run."""
        return self._plan.run

    @property
    def recovered(self) -> Recovered:
        """Return where this process goes on."""
        return self._recovered

    @property
    def core(self) -> EngineCore:
        """Return the core."""
        return self._recovered.driver.core

    @property
    def inference_s(self) -> float:
        """Return the time spent in models."""
        return self._shell.inference_s

    def request_stop(self) -> None:
        """Stop at the next instant at which nothing is under way."""
        self._shell.request_stop()

    def control(self, action: str, reason: str) -> None:
        """Queue an operator's word: halt, resume or reset; from the loop's thread. It is journaled like any event."""
        self._shell.put(ControlRequest(action, reason, self._clock.now_ns()))

    async def run(self, max_cycles: int | None = None, on_cycle: Callable[[int], None] | None = None) -> None:
        """Trade until the data end, `max_cycles` decisions are taken, or `request_stop`.

        Raises
        ------
        StateError
            The journal cannot be written: no order left after that.
        ReconciliationError, BrokerError
            The venue's book is not the ledger's, or the venue cannot be reached.
        """
        if isinstance(self._clock, VirtualClock):
            self._clock.advance_to(self._recovered.resume_ns)
        run = self._plan.run
        now_ns = self._clock.now_ns()
        emit.emit_engine_start(self._bus, now_ns, mode=run.mode, version=run.code_version, config_hash=run.config_hash)
        reason = "it failed"
        try:
            self._tell_start(now_ns)
            reason = await self._trade(max_cycles, on_cycle)
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            emit.emit_error(self._bus, self._clock.now_ns(), component="engine", message=message)
            raise
        finally:
            emit.emit_engine_stop(self._bus, self._clock.now_ns(), reason=reason, cycles=self._shell.decided)

    async def _trade(self, max_cycles: int | None, on_cycle: Callable[[int], None] | None) -> str:
        recovered = self._recovered
        if recovered.resumed:
            await self._check_book()
        if recovered.pending_ns is not None:
            recovered.driver.step(CycleAborted(recovered.pending_ns, "restart"), recovered.resume_ns)
        self._shell.on_cycle = on_cycle
        return await self._shell.run(recovered.resume_ns, self._plan.end_ns, max_cycles)

    def _tell_start(self, now_ns: int) -> None:
        """Tell what this process starts with: a new run or an old one, and its models."""
        run, bus = self._plan.run, self._bus
        if self._recovered.resumed:
            self._tell_restored(now_ns)
        else:
            emit.emit_run_started(
                bus,
                now_ns,
                run_id=run.run_id,
                account=run.account,
                symbols=len(run.symbols),
                horizons=run.horizons,
                seed=run.seed,
            )
        if self._limited:
            emit.emit_limited_mode(bus, now_ns, reason=LIMITED_MODE)
        for name, sha256 in sorted(run.model_hashes.items()) if self._loads_models else ():
            target, family = name.split("/")
            if self._targets is None or target in self._targets:
                emit.emit_model_loaded(bus, now_ns, target=target, family=family, sha256=sha256)

    def _tell_restored(self, now_ns: int) -> None:
        recovered, state, bus = self._recovered, self.core.state, self._bus
        for message in recovered.unreadable:
            emit.emit_error(bus, now_ns, component="checkpoint", message=message)
        if recovered.cut_bytes:
            message = f"{recovered.cut_bytes} bytes that a crash left unfinished were cut from its end"
            emit.emit_error(bus, now_ns, component="journal", message=message, severity=Severity.WARNING)
        age_s = (now_ns - state.now_ns) / NS_PER_S
        emit.emit_state_restored(
            bus, now_ns, sequence=recovered.checkpoint_seq, age_s=age_s, replayed=recovered.replayed
        )
        if state.risk.latches:
            latch, stands = state.risk.latches[-1], state.risk.state.value
            emit.emit_trading_state_changed(
                bus, now_ns, old=stands, new=stands, rule_id=latch.rule_id, message=f"still latched: {latch.message}"
            )

    async def _check_book(self) -> None:
        """Refuse to go on where the venue's positions are not the ledger's."""
        await self._broker.connect()
        theirs = await self._broker.get_positions()
        ours = {symbol: held.quantity for symbol, held in sorted(self.core.state.ledger.positions.items())}
        different = [
            f"{symbol}: ledger {ours.get(symbol, 0)}, venue {theirs.get(symbol, 0)}"
            for symbol in sorted(ours.keys() | theirs.keys())
            if ours.get(symbol, 0) != theirs.get(symbol, 0)
        ]
        if different:
            await self._broker.disconnect()
            raise ReconciliationError(
                f"{self._state_dir}: the venue's book is not the ledger's ({'; '.join(different)}): "
                "settle the difference at the venue or start a new --state-dir"
            )

    def close(self) -> None:
        """Close the journal and give the folder back."""
        if self._recovered.driver.journal is not None:
            self._recovered.driver.journal.close()
        if self._lock is not None:
            self._lock.release()

    # -- opening -------------------------------------------------------------------------------------------------

    def _recorded_run(self) -> RunStarted | None:
        return recorded_run(self._state_dir) if self._state_dir is not None else None

    def _open(self, plan: RunPlan, resume: bool) -> Recovered:
        core = plan.core()
        if self._state_dir is not None and resume:
            return resume_run(self._state_dir, core, self._observers, self._listened)
        announcer = Announcer(self._listened, core) if self._listened is not None else None
        if self._state_dir is None:
            return Recovered(Driver(core, None, self._observers, announcer=announcer), plan.feed_start_ns)
        checkpoints = Checkpoints(self._state_dir, plan.run, plan.assembly)
        checkpoints.write_arrays(core.state, 0)
        journal = Journal(self._state_dir)
        journal.append_run(plan.feed_start_ns, to_json_value(plan.run))
        return Recovered(Driver(core, journal, self._observers, announcer=announcer), plan.feed_start_ns)

    def _build_shell(self) -> LiveShell:
        runtime = self._config.engine
        checkpoints = None
        if self._state_dir is not None:
            checkpoints = Checkpoints(self._state_dir, self._plan.run, self._plan.assembly)
        return LiveShell(
            self._recovered.driver,
            self._broker,
            self._provider,
            self._predictor,
            self._clock,
            latency=self._latency,
            times=ShellTimes(self._grace_ns, runtime.checkpoint_s, runtime.arrays_s),
            checkpoints=checkpoints,
            bus=self._bus,
        )


def recorded_run(state_dir: Path) -> RunStarted | None:
    """Return what opened the run on file in a state folder; None where there is none.

    Raises
    ------
    StateError
        The journal does not begin with a run.
    """
    path = state_dir / FILE_NAME
    if not path.exists() or path.stat().st_size == 0:
        return None
    first = next(iter(read_journal(path)), None)
    if first is None:
        return None
    if first.kind != "run":
        raise StateError(f"{path}: does not begin with a run; move the folder away to start a new one")
    run: RunStarted = record_from(RunStarted, first.data[0])
    return run


def start_core(state_dir: Path, run: RunStarted) -> EngineCore:
    """Return the core as it was at the start of the run on file: its configuration and arrays, never today's."""
    assembly = assemble(run)
    checkpoints = Checkpoints(state_dir, run, assembly)
    state, _ = checkpoints.load(state_dir / arrays_name(0))
    core = EngineCore(run, assembly, state.market)
    core.restore(state)
    return core


def resume_run(
    state_dir: Path, core: EngineCore, observers: Sequence[Observer] = (), bus: NoticeBus | None = None
) -> Recovered:
    """Load the newest readable checkpoint, feed the rest of the journal, and stand where the process ended.

    Nothing is decided again: commands on file are facts. A cycle that was waiting for predictions is aborted. What is
    fed is history, and not told to observers or bus; what follows from here on is.

    Raises
    ------
    StateError
        No checkpoint can be read, or this code would have commanded something else than what is on file.
    """
    checkpoints = Checkpoints(state_dir, core.run, core.parts)
    after_seq = 0
    unreadable: list[str] = []
    for path in reversed(checkpoints.generations()):
        try:
            state, after_seq = checkpoints.load(path)
        except StateError as error:
            unreadable.append(f"{error}; going on from the one before")
            warnings.warn(unreadable[-1], RuntimeWarning, stacklevel=2)
            continue
        core.restore(state)
        break
    else:
        raise StateError(f"{state_dir}: no checkpoint can be read; restore one from a copy, or start a new folder")
    journal = Journal(state_dir)
    fed = feed_journal(core, read_journal(journal.path), after_seq=after_seq)
    last_seq = max(fed.last_seq, after_seq)
    if fed.difference is not None:
        raise StateError(f"{state_dir}: this code does not give what is on file: {fed.difference}")
    announcer = Announcer(bus, core) if bus is not None else None
    driver = Driver(core, journal, observers, announcer=announcer, next_seq=last_seq + 1)
    if fed.unfinished is not None:
        fed.unfinished.settle(driver)
    pending_ns = core.state.pending.cycle_time_ns if core.state.pending is not None else None
    return Recovered(
        driver, core.state.now_ns, True, pending_ns, journal.cut_bytes, after_seq, fed.events, tuple(unreadable)
    )


def _check_same_run(recorded: RunStarted, planned: RunStarted, state_dir: Path) -> None:
    """Refuse to go on with a run under another configuration, universe or models."""
    different = [
        f"{name}: on file {getattr(recorded, name)!r:.80}, now {getattr(planned, name)!r:.80}"
        for name in ("run_id", "config_hash", "symbols", "interval_ns", "model_hashes", "data_hash", "calendar")
        if getattr(recorded, name) != getattr(planned, name)
    ]
    if different:
        raise ConfigurationError(
            f"{state_dir} holds a run that was started differently ({'; '.join(different)}): "
            "give the same, or another --state-dir"
        )
