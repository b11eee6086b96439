"""`TradingEngine`: what a program builds to trade. Opens or resumes a run, then hands it to the asyncio shell."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from LIVE_TRADING.brokers.interface import Broker
from LIVE_TRADING.common.async_clock import RealTimeClock, VirtualClock
from LIVE_TRADING.common.codec import to_json_value
from LIVE_TRADING.common.events import ControlRequest, RunStarted
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.common.files import FolderLock
from LIVE_TRADING.common.types import Instrument
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.data.interface import DataProvider
from LIVE_TRADING.engine.announcer import Announcer
from LIVE_TRADING.engine.checkpoint import Checkpoints
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.driver import Driver, Observer
from LIVE_TRADING.engine.housekeeping import Housekeeper
from LIVE_TRADING.engine.inference import NoForecasts, Predictor
from LIVE_TRADING.engine.journal import Journal
from LIVE_TRADING.engine.kill_file import KillFile
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.resume import Recovered, check_same_run, recorded_run, resume_run, start_core, take_over
from LIVE_TRADING.engine.rule import TargetRule
from LIVE_TRADING.engine.rule_memory import recall
from LIVE_TRADING.engine.run_setup import DataFacts, RunPlan, RunPredictor, open_run
from LIVE_TRADING.engine.shell import LiveShell, ShellTimes
from LIVE_TRADING.engine.start_notices import tell_models, tell_run
from LIVE_TRADING.engine.venue_link import CallLimits
from LIVE_TRADING.observability import emit
from LIVE_TRADING.observability.bus import NoticeBus

__all__ = ["Recovered", "TradingEngine", "recorded_run", "resume_run", "start_core"]

LIMITED_MODE = "limited mode: no run_root and no predictor, so nothing is forecast and nothing will be entered"


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
    rule
        Target weights straight from bars, in place of models; see docs/rules.md.
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
    files
        The file layer under journal, checkpoints and lock.
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
        rule: TargetRule | None = None,
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
        files: FileLayer = OS_FILES,
    ) -> None:
        self._config = config or EngineConfig()
        self._listened, self._bus = bus, bus or NoticeBus()
        self._broker = broker
        self._provider = data_provider
        self._clock = clock or RealTimeClock()
        self._state_dir = state_dir
        self._files = files
        self._lock = FolderLock(state_dir, files=files) if state_dir is not None else None
        self._observers = tuple(observers)
        self._limited = run_root is None and predictor is None and rule is None
        self._loads_models = run_root is not None and predictor is None
        self._targets = targets
        if self._limited:
            warnings.warn(LIMITED_MODE, RuntimeWarning, stacklevel=2)
        runtime = self._config.engine
        self._grace_ns = round(runtime.bar_grace_s * NS_PER_S) if grace_ns is None else grace_ns
        self._latency = latency or InferenceLatency(timeout_ns=round(runtime.inference_timeout_s * NS_PER_S))
        planned = partial(
            open_run,
            self._config,
            facts,
            instruments,
            run_id=run_id,
            account=account,
            end_ns=end_ns,
            run_root=run_root,
            predictor=predictor,
            targets=targets,
            rule=rule,
        )
        self._plan, self._recovered = self._plan_and_open(planned, nonce, start_ns)
        run = self._plan.run
        models = self._plan.predictor or NoForecasts(len(run.horizons), len(run.families))
        self._predictor: Predictor | TargetRule = models if rule is None else rule
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
    def barrier_gate_off(self) -> str:
        """Return why the barrier gate judges nothing in this run, "" where it does."""
        return self._plan.barrier_gate_off

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
        if self._state_dir is not None:
            take_over(recovered, self._state_dir, files=self._files)
        if recovered.change is not None:
            self._shell.put(recovered.change)
        self._shell.on_cycle = on_cycle
        return await self._shell.run(recovered.fed_ns, self._plan.end_ns, max_cycles)

    def _tell_start(self, now_ns: int) -> None:
        tell_run(self._bus, now_ns, self._plan.run, self._recovered)
        if self._limited:
            emit.emit_limited_mode(self._bus, now_ns, reason=LIMITED_MODE)
        if self._loads_models:
            tell_models(self._bus, now_ns, self._plan.run, self._targets, self._plan.barrier_gate_off)

    def close(self) -> None:
        """Close the journal and give the folder back."""
        if self._recovered.driver.journal is not None:
            self._recovered.driver.journal.close()
        if self._lock is not None:
            self._lock.release()

    # -- opening -------------------------------------------------------------------------------------------------

    def _recorded_run(self) -> RunStarted | None:
        return recorded_run(self._state_dir) if self._state_dir is not None else None

    def _plan_and_open(
        self, planned: Callable[..., RunPlan], nonce: str | None, start_ns: int | None
    ) -> tuple[RunPlan, Recovered]:
        """Plan the run, then lock its folder and open it: a refused start leaves no folder and no lock behind."""
        recorded = self._recorded_run()
        plan = planned(**_as_on_file(recorded, nonce, start_ns))
        if self._lock is not None:
            self._lock.acquire()
        try:
            if recorded is None and (recorded := self._recorded_run()) is not None:
                plan = planned(**_as_on_file(recorded, nonce, start_ns))  # another process came and went meanwhile
            if recorded is not None:
                check_same_run(recorded, plan.run, self._state_dir or Path())
            return plan, self._open(plan, recorded is not None)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    def _open(self, plan: RunPlan, resume: bool) -> Recovered:
        core = plan.core()
        if self._state_dir is not None and resume:
            recovered = resume_run(
                self._state_dir,
                core,
                self._observers,
                self._listened,
                files=self._files,
                segment_bytes=self._segment_bytes(),
            )
            self._recall(plan, recovered)
            return recovered
        announcer = Announcer(self._listened, core) if self._listened is not None else None
        start_ns = plan.feed_start_ns
        if self._state_dir is None:
            return Recovered(Driver(core, None, self._observers, announcer=announcer), start_ns, start_ns)
        checkpoints = Checkpoints(self._state_dir, plan.run, plan.assembly, files=self._files)
        journal = Journal(self._state_dir, files=self._files, segment_bytes=self._segment_bytes())
        try:
            checkpoints.write_arrays(core.state, 0)
            journal.append_run(start_ns, to_json_value(plan.run))
        except BaseException:
            journal.close()
            raise
        return Recovered(Driver(core, journal, self._observers, announcer=announcer), start_ns, start_ns)

    def _recall(self, plan: RunPlan, recovered: Recovered) -> None:
        journal = recovered.driver.journal
        if plan.rule is None or journal is None:
            return
        try:
            recall(plan.rule, journal.folder, plan.run)
        except BaseException:
            journal.close()
            raise

    def _segment_bytes(self) -> int:
        return round(self._config.engine.journal_segment_mb * 2**20)

    def _build_shell(self) -> LiveShell:
        runtime = self._config.engine
        checkpoints = keeper = None
        if self._state_dir is not None:
            checkpoints = Checkpoints(self._state_dir, self._plan.run, self._plan.assembly, files=self._files)
            keeper = Housekeeper(
                self._state_dir,
                checkpoints,
                keep_days=runtime.journal_keep_days,
                min_free_mb=runtime.min_free_disk_mb,
                files=self._files,
            )
        return LiveShell(
            self._recovered.driver,
            self._broker,
            self._provider,
            self._predictor,
            self._clock,
            latency=self._latency,
            times=ShellTimes(self._grace_ns, runtime.checkpoint_s, runtime.arrays_s),
            checkpoints=checkpoints,
            keeper=keeper,
            bus=self._bus,
            limits=CallLimits(runtime.connect_timeout_s, runtime.submit_timeout_s, runtime.query_timeout_s),
            resumed=self._recovered.resumed,
            kill=KillFile(self._state_dir),
        )


def _as_on_file(recorded: RunStarted | None, nonce: str | None, start_ns: int | None) -> dict[str, Any]:
    """Return nonce and start, where none is given those of the run on file, else a new nonce and the models' start."""
    if recorded is None:
        return {"nonce": nonce or secrets.token_hex(16), "start_ns": start_ns}
    start = recorded.warmup_until_ns if start_ns is None else start_ns
    return {"nonce": nonce or recorded.nonce, "start_ns": start}
