"""What stops trading, what lifts the stop, and what is close to one, as notices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from LIVE_TRADING.common.events import CodeChanged, ControlRequest, RunStarted, SystemFault
from LIVE_TRADING.engine.commands import AccountMarked, Anomaly, Command, TradingStateChanged
from LIVE_TRADING.engine.control import CODE_CHANGED, code_change_text
from LIVE_TRADING.observability import emit_safety as emit
from LIVE_TRADING.observability.emit_orders import emit_account_marked
from LIVE_TRADING.observability.events import Publisher, Severity
from LIVE_TRADING.risk import DailyLossMonitor, DrawdownMonitor, RiskConfig, RiskMemory
from LIVE_TRADING.risk.guardrails import EQUITY_UNREADABLE

HANDLER_FAILED = ("handler_failed", "event_refused")  # told when they happen
NEAR_FRAC = 0.8  # share of a loss limit from which on a warning goes out
_SEVERITIES = {severity.value: severity for severity in Severity}
_KILL, _REFUSED = "halt", "control_refused"


class RiskNotices:
    """Tells the account and the trading state of one run; `before` and `after` are risk before and after the event."""

    def __init__(self, bus: Publisher, run: RunStarted) -> None:
        self._bus = bus
        config = RiskConfig.model_validate(run.config.get("risk", {}))
        self._limits = {
            DrawdownMonitor.rule_id: config.max_drawdown_frac,
            DailyLossMonitor.rule_id: config.max_daily_loss_frac,
        }
        self._watched = config.guardrails
        self._warned: set[str] = set()
        self._losses: dict[str, float] = {}

    def open_session(self) -> None:
        """Warn anew from here on."""
        self._warned.clear()

    def account(self, marked: AccountMarked, t_ns: int, after: RiskMemory) -> None:
        """Tell the book, and once a session that a loss is close to its limit."""
        emit_account_marked(
            self._bus,
            t_ns,
            equity=marked.equity,
            cash=marked.cash,
            positions=marked.n_positions,
            gross=marked.gross,
            net=marked.net,
            drawdown_frac=marked.drawdown_frac,
            daily_loss_frac=marked.daily_loss_frac,
        )
        self._losses = {
            DrawdownMonitor.rule_id: marked.drawdown_frac,
            DailyLossMonitor.rule_id: marked.daily_loss_frac,
        }
        if self._watched:
            for rule_id, change_frac in sorted(self._losses.items()):
                if change_frac <= -NEAR_FRAC * self._limits[rule_id] and rule_id not in self._warned:
                    self._warn(rule_id, change_frac, t_ns, after)

    def _warn(self, rule_id: str, change_frac: float, t_ns: int, after: RiskMemory) -> None:
        self._warned.add(rule_id)
        if after.latch_of(rule_id) is not None:
            return  # it has tripped, which is told as such
        limit_frac = self._limits[rule_id]
        emit.emit_risk_warning(
            self._bus,
            t_ns,
            rule_id=rule_id,
            value=change_frac,
            limit=-limit_frac,
            message=f"a loss of {-change_frac:.2%} is close to the limit of {limit_frac:.2%}",
        )

    def state_changed(self, command: TradingStateChanged, t_ns: int, before: RiskMemory, after: RiskMemory) -> None:
        """Tell the new trading state and every guardrail that has tripped."""
        for latch in after.latches:
            if latch not in before.latches and (latch.rule_id in self._limits or latch.rule_id == EQUITY_UNREADABLE):
                emit.emit_guardrail_tripped(
                    self._bus,
                    t_ns,
                    rule_id=latch.rule_id,
                    value=self._losses.get(latch.rule_id, math.nan),
                    limit=-self._limits.get(latch.rule_id, math.nan),
                    message=latch.message,
                )
        emit.emit_trading_state_changed(
            self._bus, t_ns, old=command.old, new=command.new, rule_id=command.rule_id, message=command.message
        )

    def control(self, request: ControlRequest, t_ns: int, commands: Sequence[Command]) -> None:
        """Tell an operator's word; one that the core refused is told as the anomaly it left."""
        if any(isinstance(command, Anomaly) and command.kind == _REFUSED for command in commands):
            return
        emit.emit_control_applied(self._bus, t_ns, action=request.action, reason=request.reason)
        if request.action == _KILL:
            emit.emit_kill_switch(self._bus, t_ns, source="operator", reason=request.reason)

    def code_changed(self, changed: CodeChanged, t_ns: int) -> None:
        """Tell that other code decides, loudly where it would have decided otherwise."""
        severity = Severity.ERROR if changed.difference else Severity.INFO
        emit.emit_error(self._bus, t_ns, component=CODE_CHANGED, message=code_change_text(changed), severity=severity)

    def fault(self, fault: SystemFault, t_ns: int) -> None:
        """Tell a failure outside the core; an event that could not be handled has been told already."""
        if fault.error_type not in HANDLER_FAILED:
            emit.emit_error(
                self._bus,
                t_ns,
                component=fault.error_type,
                message=fault.message,
                severity=_SEVERITIES.get(fault.severity, Severity.ERROR),
            )
