"""What a decided cycle says of itself: how each stage left the symbols, what gates held, who acted.

Counted with a few array operations over all symbols; Python looks at those alone of which something was wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from LIVE_TRADING.common.events import RunStarted
from LIVE_TRADING.common.reasons import REASON_TEXT, Reason
from LIVE_TRADING.common.types import Action, CodeArray, Rejection
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.engine.assembly import prediction_age_limit_ns
from LIVE_TRADING.engine.commands import BanditUpdated
from LIVE_TRADING.engine.config import RuntimeConfig
from LIVE_TRADING.engine.cycle import STAGES, CycleResult, DecisionTrace
from LIVE_TRADING.observability import emit_cycle as emit
from LIVE_TRADING.observability.emit_orders import emit_order_rejected
from LIVE_TRADING.observability.emit_run import emit_quote_stale
from LIVE_TRADING.observability.events import Publisher

_CODES = 128  # more than the highest reason code
_BASE = (np.arange(len(STAGES), dtype=np.int16) * _CODES)[:, None]
_TEXT = [REASON_TEXT[Reason(code)] if code in REASON_TEXT else "" for code in range(_CODES)]
_GATES = {"barrier": STAGES.index("barrier_gate"), "spread": STAGES.index("spread_gate")}
_PASSED_GATE = (REASON_TEXT[Reason.OK], REASON_TEXT[Reason.GATE_OFF])
_QUOTE_STALE, _STALE_CODE = REASON_TEXT[Reason.QUOTE_STALE], int(Reason.QUOTE_STALE)
_ACTIONS = [action.name.lower() for action in Action]
_SIDES = {-1: "short", 0: "flat", 1: "long"}
_ACTED = np.zeros(_CODES, dtype=np.bool_)
_ACTED[[Reason.ORDERED, Reason.REJECTED, Reason.CANCEL_WORKING]] = True
_EXTEND = int(Action.EXTEND)

ReasonCounts = dict[str, int]


def reason_text(code: int) -> str:
    """Return a reason code in words."""
    return _TEXT[code]


def counts_by_stage(codes: CodeArray) -> list[ReasonCounts]:
    """Return per stage how often each reason occurs; `codes` any array of stage · 128 + reason."""
    counted = np.bincount(codes.ravel())
    found = np.flatnonzero(counted)
    tables: list[ReasonCounts] = [{} for _ in STAGES]
    for key, count in zip(found.tolist(), counted[found].tolist(), strict=True):
        tables[key // _CODES][_TEXT[key % _CODES]] = count
    return tables


def settled_counts(trace: DecisionTrace) -> dict[str, ReasonCounts]:
    """Return, per stage that settled a symbol, for what reason it did and how often."""
    stage, code = trace.deciding_stage()
    tables = counts_by_stage(stage * _CODES + code)
    return {name: table for name, table in zip(STAGES, tables, strict=True) if table}


class CycleNotices:
    """Tells the decided cycles of one run, in order. A warm-up cycle decides nothing and is not told."""

    def __init__(self, bus: Publisher, run: RunStarted) -> None:
        self._bus = bus
        self._symbols = run.symbols
        self._horizons = run.horizons
        runtime = RuntimeConfig.model_validate(run.config.get("engine", {}))
        self._max_age_ns = prediction_age_limit_ns(runtime, run.interval_ns)
        self._stale: frozenset[int] = frozenset()

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
        tables = counts_by_stage(trace.reasons + _BASE)
        for stage, reasons in zip(STAGES, tables, strict=True):
            emit.emit_stage_completed(bus, t_ns, cycle_time_ns=cycle_ns, stage=stage, reasons=reasons)
        for gate, row in _GATES.items():
            held = {reason: count for reason, count in tables[row].items() if reason not in _PASSED_GATE}
            if held:
                emit.emit_gate_blocked(bus, t_ns, cycle_time_ns=cycle_ns, gate=gate, reasons=held)
        if self._stale or _QUOTE_STALE in tables[_GATES["spread"]]:
            self._stale_quotes(trace, t_ns)
        acted = np.flatnonzero(_ACTED[trace.risk_reason] | (trace.arbitration.action == _EXTEND))
        if acted.size:
            self._decisions(trace, acted.tolist(), cycle_ns, t_ns)
        for rejection in result.rejections:
            self._rejected(rejection, t_ns)

    def ended(self, result: CycleResult, t_ns: int, duration_s: float) -> None:
        """Tell how a cycle ended, after its orders."""
        if result.trace is not None:
            emit.emit_cycle_end(
                self._bus,
                t_ns,
                cycle_time_ns=result.scheduled_time_ns,
                cycle=result.cycle_number,
                orders=len(result.orders),
                rejections=len(result.rejections),
                decisions=settled_counts(result.trace),
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
