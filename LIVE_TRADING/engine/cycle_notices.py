"""What a decided cycle says of itself: how each stage left the symbols, what gates held, who acted.

Counted with a few array operations over all symbols; Python looks at those alone of which something was wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from LIVE_TRADING.common.events import RunStarted
from LIVE_TRADING.common.reasons import REASON_TEXT, Reason
from LIVE_TRADING.common.types import Action, Rejection
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.engine.assembly import prediction_age_limit_ns
from LIVE_TRADING.engine.commands import BanditUpdated
from LIVE_TRADING.engine.config import RuntimeConfig
from LIVE_TRADING.engine.cycle import CycleResult, DecisionTrace, ReasonCounts
from LIVE_TRADING.observability import emit_cycle as emit
from LIVE_TRADING.observability.emit_orders import emit_order_rejected
from LIVE_TRADING.observability.emit_run import emit_quote_stale
from LIVE_TRADING.observability.events import Publisher

_GATES = {"barrier": "barrier_gate", "spread": "spread_gate"}
_PASSED_GATE = (REASON_TEXT[Reason.OK], REASON_TEXT[Reason.GATE_OFF])
_QUOTE_STALE, _STALE_CODE = REASON_TEXT[Reason.QUOTE_STALE], int(Reason.QUOTE_STALE)
_ACTIONS = [action.name.lower() for action in Action]
_SIDES = {-1: "short", 0: "flat", 1: "long"}
_ACTED = np.zeros(max(Reason) + 1, dtype=np.bool_)
_ACTED[[Reason.ORDERED, Reason.REJECTED, Reason.CANCEL_WORKING]] = True
_EXTEND = int(Action.EXTEND)


def reason_text(code: int) -> str:
    """Return a reason code in words."""
    return REASON_TEXT[Reason(code)]


class CycleNotices:
    """Tells the decided cycles of one run, in order. A warm-up cycle decides nothing and is not told."""

    def __init__(self, bus: Publisher, run: RunStarted) -> None:
        self._bus = bus
        self._symbols = run.symbols
        self._horizons = run.horizons
        runtime = RuntimeConfig.model_validate(run.config.get("engine", {}))
        self._max_age_ns = prediction_age_limit_ns(runtime, run.interval_ns)
        self._stale: frozenset[int] = frozenset()
        self._settled: dict[str, ReasonCounts] = {}

    def bandit_updated(self, command: BanditUpdated, t_ns: int) -> None:
        """Tell what the bandit believes now."""
        probabilities = dict(zip(self._horizons, command.probabilities, strict=True))
        emit.emit_bandit_updated(self._bus, t_ns, rounds=command.rounds, probabilities=probabilities)

    def decided(self, result: CycleResult, t_ns: int) -> None:
        """Tell everything of a cycle but its orders, which follow, and its end."""
        bus, cycle_ns, trace = self._bus, result.scheduled_time_ns, result.trace
        if trace is None:
            return
        if t_ns - cycle_ns > self._max_age_ns:
            emit.emit_stale_predictions(bus, t_ns, cycle_time_ns=cycle_ns, age_s=(t_ns - cycle_ns) / NS_PER_S)
        given, self._settled = trace.reason_counts()
        for stage, reasons in given.items():  # order: that of the stages
            emit.emit_stage_completed(bus, t_ns, cycle_time_ns=cycle_ns, stage=stage, reasons=reasons)
        for gate, stage in _GATES.items():  # order: as written above
            held = {reason: count for reason, count in sorted(given[stage].items()) if reason not in _PASSED_GATE}
            if held:
                emit.emit_gate_blocked(bus, t_ns, cycle_time_ns=cycle_ns, gate=gate, reasons=held)
        if self._stale or _QUOTE_STALE in given[_GATES["spread"]]:
            self._stale_quotes(trace, t_ns)
        acted = np.flatnonzero(_ACTED[trace.risk_reason] | (trace.arbitration.action == _EXTEND))
        if acted.size:
            self._decisions(trace, acted.tolist(), cycle_ns, t_ns)
        for rejection in result.rejections:
            self._rejected(rejection, t_ns)

    def ended(self, result: CycleResult, t_ns: int, duration_s: float) -> None:
        """Tell how a cycle ended, after what was decided of it and its orders."""
        if result.trace is not None:
            emit.emit_cycle_end(
                self._bus,
                t_ns,
                cycle_time_ns=result.scheduled_time_ns,
                cycle=result.cycle_number,
                orders=len(result.orders),
                rejections=len(result.rejections),
                decisions=self._settled,
                duration_s=duration_s,
            )

    def _stale_quotes(self, trace: DecisionTrace, t_ns: int) -> None:
        """Tell the symbols whose quotes have become too old since the cycle before."""
        stale = np.flatnonzero(trace.spread.reason == _STALE_CODE).tolist()
        fresh = [column for column in stale if column not in self._stale]
        self._stale = frozenset(stale)
        if fresh:
            symbols = tuple(self._symbols[column] for column in fresh)
            max_age_s = float(np.max(trace.spread.quote_age_s[fresh]))
            emit_quote_stale(self._bus, t_ns, symbols=symbols, max_age_s=max_age_s)

    def _decisions(self, trace: DecisionTrace, columns: Sequence[int], cycle_ns: int, t_ns: int) -> None:
        chosen, shares = trace.arbitration, trace.sizing.target_shares
        for column in columns:
            horizon = int(chosen.horizon[column])
            emit.emit_decision(
                self._bus,
                t_ns,
                cycle_time_ns=cycle_ns,
                symbol=self._symbols[column],
                action=_ACTIONS[chosen.action[column]],
                side=_SIDES[int(chosen.side[column])],
                horizon=self._horizons[horizon] if horizon >= 0 else "",
                reason=reason_text(int(chosen.reason[column])),
                target_shares=Decimal(repr(float(shares[column]))),
            )

    def _rejected(self, rejection: Rejection, t_ns: int) -> None:
        """Tell the no of a pre-trade rule."""
        emit_order_rejected(
            self._bus,
            t_ns,
            source="pre_trade",
            symbol=rejection.symbol,
            side=rejection.side.value,
            quantity=rejection.quantity,
            rule_id=rejection.rule_id,
            message=rejection.message,
        )
