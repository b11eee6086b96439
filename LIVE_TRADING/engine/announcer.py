"""Turns what the core was told and what it commanded into notices.

An observer of the driver: it reads events, commands and the core's records, and changes none of them. History that is
fed to a core (recovery, replay) does not pass a driver and is not told; bars and cycles of the warm-up are history too,
and only what fails in them is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from LIVE_TRADING.common.events import (
    Answer,
    CodeChanged,
    ControlRequest,
    CycleAborted,
    OrderAck,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderReject,
    PredictionsReady,
    ScheduledTrigger,
    Stamped,
    SystemFault,
    TargetsReady,
)
from LIVE_TRADING.common.types import BarBatch, BoolArray
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.engine.commands import (
    AccountMarked,
    Anomaly,
    BanditUpdated,
    Command,
    CycleDecided,
    CycleSkipped,
    RunInference,
    SubmitOrder,
    TradeClosed,
    TradingStateChanged,
)
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.cycle_notices import CycleNotices
from LIVE_TRADING.engine.old_folder import OLD_FOLDER
from LIVE_TRADING.engine.order_notices import FILL_SURPRISES, OrderNotices
from LIVE_TRADING.engine.risk_notices import RiskNotices
from LIVE_TRADING.engine.schedule import SESSION_CLOSE, SESSION_OPEN
from LIVE_TRADING.observability import emit
from LIVE_TRADING.observability.events import Publisher, Severity

# anomalies that are told as something else
_TOLD_OTHERWISE = ("late_bar", "dropped_predictions")
_SEVERE = ("exit_rejected", "missing_executions", "order_unsettled", "book_mismatch", OLD_FOLDER)

OnEvent = Callable[[Any, int, Sequence[Command]], None]
OnCommand = Callable[[Any, int], None]


class Announcer:
    """Tells a bus what a driver does.

    Parameters
    ----------
    bus
        Where notices go; nothing that its listeners do comes back.
    core
        The core that the driver feeds, as it stands now; what came before is not told.
    """

    def __init__(self, bus: Publisher, core: EngineCore) -> None:
        run = core.run
        self._bus = bus
        self._core = core
        self._symbols, self._interval_ns, self._warmup_until_ns = run.symbols, run.interval_ns, run.warmup_until_ns
        self._cycles = CycleNotices(bus, run)
        self._orders = OrderNotices(bus, run)
        self._risk = RiskNotices(bus, run)
        self._before = core.state
        self._started_s = time.perf_counter()
        self._trigger: tuple[int, float] = (-1, 0.0)
        self._on_event = self._event_handlers()
        self._on_command = self._command_handlers()

    def _event_handlers(self) -> dict[type, OnEvent]:
        orders, risk = self._orders, self._risk
        return {
            BarBatch: self._bars,
            CodeChanged: lambda event, t_ns, _: risk.code_changed(event, t_ns),
            ControlRequest: risk.control,
            CycleAborted: self._aborted,
            OrderAck: lambda event, t_ns, _: orders.acknowledged(event, t_ns, self._before.orders),
            OrderCancelled: lambda event, t_ns, _: orders.cancelled(event, t_ns, self._before.orders),
            OrderExpired: lambda event, t_ns, _: orders.has_expired(event, t_ns, self._before.orders),
            OrderFill: lambda event, t_ns, commands: orders.filled(event, t_ns, self._core.state.orders, commands),
            OrderReject: lambda event, t_ns, _: orders.rejected(event, t_ns, self._before.orders),
            PredictionsReady: self._predictions,
            TargetsReady: self._predictions,
            ScheduledTrigger: self._triggered,
            SystemFault: lambda event, t_ns, _: risk.fault(event, t_ns),
        }

    def _command_handlers(self) -> dict[type, OnCommand]:
        orders, risk = self._orders, self._risk
        return {
            AccountMarked: lambda command, t_ns: risk.account(command, t_ns, self._core.state.risk),
            BanditUpdated: self._cycles.bandit_updated,
            CycleDecided: lambda command, t_ns: self._cycles.decided(command.result, t_ns),
            RunInference: self._cycle_started,
            SubmitOrder: orders.submitted,
            TradeClosed: orders.trade_closed,
            TradingStateChanged: lambda command, t_ns: risk.state_changed(
                command, t_ns, self._before.risk, self._core.state.risk
            ),
        }

    # -- what the driver calls -----------------------------------------------------------------------------------

    def before(self) -> None:
        """Note where the core stands before an event; the time that a step takes runs from here."""
        self._before = self._core.state
        self._started_s = time.perf_counter()

    def __call__(self, stamped: Stamped, commands: Sequence[Command]) -> None:
        """Tell an event and what followed from it."""
        try:
            self._tell(stamped.event, stamped.t_ns, commands)
        except Exception as error:  # noqa: BLE001  whatever goes wrong in telling, trading goes on
            message = f"{type(stamped.event).__name__}: {type(error).__name__}: {error}"
            emit.emit_error(self._bus, stamped.t_ns, component="announcer", message=message)

    def handler_failed(self, stamped: Stamped, error: Exception) -> None:
        """Tell that the core raised; the halt that follows is told as a change of the trading state."""
        emit.emit_handler_failed(
            self._bus,
            stamped.t_ns,
            sequence=stamped.seq,
            event_type=type(stamped.event).__name__,
            message=f"{type(error).__name__}: {error}",
        )

    def journal_failed(self, error: Exception) -> None:
        """Tell that the journal cannot be written."""
        emit.emit_journal_error(self._bus, self._core.state.now_ns, message=str(error))

    def _tell(self, event: Any, t_ns: int, commands: Sequence[Command]) -> None:
        on_event = self._on_event.get(type(event))
        if on_event is not None:
            on_event(event, t_ns, commands)
        for command in commands:
            on_command = self._on_command.get(type(command))
            if on_command is not None:
                on_command(command, t_ns)
            elif isinstance(command, Anomaly):
                self._anomaly(event, command, t_ns)
        for command in commands:
            if isinstance(command, CycleDecided):
                self._cycle_ended(command, t_ns)

    # -- market and cycle ----------------------------------------------------------------------------------------

    def _bars(self, bars: BarBatch, t_ns: int, commands: Sequence[Command]) -> None:
        """Tell bars that the core does not apply any more."""
        if commands and bars.bar_end_ns > self._warmup_until_ns:
            late = self._named(np.isfinite(bars.close))
            if late:
                emit.emit_late_bar(self._bus, t_ns, bar_end_ns=bars.bar_end_ns, symbols=late)

    def _triggered(self, trigger: ScheduledTrigger, t_ns: int, commands: Sequence[Command]) -> None:
        session = trigger.session
        if trigger.trigger_type == SESSION_OPEN:
            self._orders.expired = 0
            self._risk.open_session()
            if session.close_ns > self._warmup_until_ns:
                emit.emit_session_open(self._bus, t_ns, date=session.date, bars=session.n_bars(self._interval_ns))
        elif trigger.trigger_type == SESSION_CLOSE:
            if session.close_ns > self._warmup_until_ns:
                emit.emit_session_close(self._bus, t_ns, date=session.date, expired_orders=self._orders.expired)
        else:
            self._cycle_triggered(trigger, t_ns, commands)

    def _cycle_triggered(self, trigger: ScheduledTrigger, t_ns: int, commands: Sequence[Command]) -> None:
        """Tell a cycle that only advances the features, and which bars one has to do without."""
        for command in commands:
            if isinstance(command, CycleSkipped):
                cycle_ns, reason = command.cycle_time_ns, command.reason
                emit.emit_cycle_skipped(self._bus, t_ns, cycle_time_ns=cycle_ns, reason=reason)
        if trigger.scheduled_time_ns > max(self._warmup_until_ns, self._before.market.advanced_to_ns):
            self._cycle_bars(trigger, t_ns)

    def _cycle_bars(self, trigger: ScheduledTrigger, t_ns: int) -> None:
        end_ns = trigger.scheduled_time_ns
        bars = self._before.bars_of(end_ns)
        if bars is not None and bars.close.sum() > 0:
            return  # prices are positive, so NaN is what is missing
        missing = np.isnan(bars.close) if bars is not None else None
        if missing is None or missing.all():
            last_ns = int(self._core.state.quotes.bar_end_ns.max())
            n_missing = (end_ns - max(last_ns, trigger.session.open_ns)) // self._interval_ns
            emit.emit_data_gap(self._bus, t_ns, last_bar_end_ns=last_ns, bar_end_ns=end_ns, missing=n_missing)
        else:
            emit.emit_missing_bars(self._bus, t_ns, bar_end_ns=end_ns, symbols=self._named(missing))

    def _named(self, marked: BoolArray) -> tuple[str, ...]:
        return tuple(self._symbols[column] for column in np.flatnonzero(marked).tolist())

    def _cycle_started(self, command: RunInference, t_ns: int) -> None:
        cycle_ns = command.cycle_time_ns
        if cycle_ns > self._warmup_until_ns:
            self._trigger = (cycle_ns, time.perf_counter() - self._started_s)
            cycle = self._core.state.cycle_number + 1
            emit.emit_cycle_start(self._bus, t_ns, cycle_time_ns=cycle_ns, cycle=cycle)

    def _cycle_ended(self, command: CycleDecided, t_ns: int) -> None:
        cycle_ns, trigger_s = self._trigger
        if cycle_ns != command.result.scheduled_time_ns:
            trigger_s = 0.0  # a process that has ended did that part
        self._cycles.ended(command.result, t_ns, trigger_s + time.perf_counter() - self._started_s)

    def _predictions(self, ready: Answer, t_ns: int, commands: Sequence[Command]) -> None:
        """Tell predictions that no cycle waits for any more; those that one does are told with its decision."""
        if not any(isinstance(command, CycleDecided) for command in commands):
            cycle_ns = ready.cycle_time_ns
            emit.emit_stale_predictions(self._bus, t_ns, cycle_time_ns=cycle_ns, age_s=(t_ns - cycle_ns) / NS_PER_S)

    def _aborted(self, aborted: CycleAborted, t_ns: int, commands: Sequence[Command]) -> None:
        if commands:
            emit.emit_cycle_aborted(self._bus, t_ns, cycle_time_ns=aborted.cycle_time_ns, reason=aborted.reason)

    def _anomaly(self, event: Any, anomaly: Anomaly, t_ns: int) -> None:
        """Tell what an operator should know and no other notice says."""
        told = anomaly.kind in _TOLD_OTHERWISE or (isinstance(event, OrderFill) and anomaly.kind in FILL_SURPRISES)
        if not told:
            severity = Severity.ERROR if anomaly.kind in _SEVERE else Severity.WARNING
            emit.emit_error(self._bus, t_ns, component=anomaly.kind, message=anomaly.message, severity=severity)
