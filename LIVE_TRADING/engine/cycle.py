"""What one cycle leaves behind: the records of its stages, its orders, its digests, and why each symbol fell where."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from LIVE_TRADING.common.codec import to_json_value
from LIVE_TRADING.common.reasons import REASON_TEXT, Reason
from LIVE_TRADING.common.records import computed_once
from LIVE_TRADING.common.types import (
    Action,
    AllPredictions,
    ArbitrationResult,
    BlendResult,
    CodeArray,
    GateResult,
    IntArray,
    Order,
    Record,
    Rejection,
    SizingResult,
    SpreadGateResult,
)
from LIVE_TRADING.engine.digest import decision_digest, fingerprint_text, fingerprints, stacked, trace_digest

STAGES = ("prediction", "blending", "arbitration", "barrier_gate", "spread_gate", "sizing", "risk")
PRINTED_STAGES = ("prediction", "blending", "arbitration", "gating", "sizing", "risk")

# what a stage says when it lets a symbol through; anything else is where the symbol fell
_PASSES: tuple[tuple[Reason, ...], ...] = (
    (Reason.OK,),
    (Reason.OK,),
    (Reason.ENTRY, Reason.HOLD, Reason.EXTEND),
    (Reason.OK, Reason.GATE_OFF),
    (Reason.OK, Reason.GATE_OFF),
    (Reason.SIZED, Reason.CAPPED, Reason.DRIFT_CUT),
    (),
)
_OK, _N_CODES = int(Reason.OK), max(Reason) + 1
_N_KEYS = np.int16(len(STAGES) * _N_CODES)
_LETS_THROUGH = np.zeros(_N_KEYS, dtype=np.bool_)
for _row, _codes in enumerate(_PASSES):
    _LETS_THROUGH[[_row * _N_CODES + code for code in _codes]] = True
_TEXT = [REASON_TEXT[Reason(code)] if code in REASON_TEXT else "" for code in range(_N_CODES)]

ReasonCounts = dict[str, int]


@lru_cache(maxsize=8)
def _grid(n_symbols: int) -> tuple[CodeArray, IntArray]:
    """Return `stage · codes` (S, N), to which codes are added, and the columns (N,): the same in every cycle."""
    first_key = np.arange(len(STAGES), dtype=np.int16) * np.int16(_N_CODES)
    return np.repeat(first_key[:, None], n_symbols, axis=1), np.arange(n_symbols)


@lru_cache(maxsize=8)
def _names(symbols: tuple[str, ...]) -> bytes:
    return "\n".join(symbols).encode()


@dataclass(frozen=True, eq=False)
class DecisionTrace:
    """The records of the stages, in order; an explanation is read from them and from nothing else."""

    predictions: AllPredictions
    blend: BlendResult
    arbitration: ArbitrationResult
    barrier: GateResult
    spread: SpreadGateResult
    sizing: SizingResult
    risk_reason: CodeArray

    @computed_once
    def reasons(self) -> CodeArray:
        """Reason codes (S, N), one row per stage of `STAGES`."""
        rows = (
            self.predictions.reason,
            self.blend.reason,
            self.arbitration.reason,
            self.barrier.reason,
            self.spread.reason,
            self.sizing.reason,
            self.risk_reason,
        )
        return np.array(rows, dtype=np.int16)

    @computed_once
    def fingerprints(self) -> np.ndarray:
        """One uint64 per stage of `PRINTED_STAGES` and symbol (S, N) over every float; see `digest.fingerprints`."""
        predictions, blend, chosen, sizing = self.predictions, self.blend, self.arbitration, self.sizing
        stages: tuple[tuple[np.ndarray[Any, Any], ...], ...] = (
            (predictions.raw, predictions.z, predictions.confidence, predictions.ic[..., None]),
            (blend.weights[..., None], blend.sigma_bps, blend.alpha_bps, blend.reason),
            (
                chosen.cost_bps,
                chosen.net_bps,
                chosen.score,
                chosen.action,
                chosen.horizon,
                chosen.side,
                chosen.chosen_net_bps,
                chosen.entry_probability,
                chosen.reason,
            ),
            (
                self.barrier.factor,
                self.barrier.reason,
                self.spread.spread_bps,
                self.spread.quote_age_s,
                self.spread.reason,
            ),
            (sizing.raw_weight, sizing.target_weight, sizing.target_shares, sizing.reason),
            (self.risk_reason,),
        )
        return fingerprints(*stacked(stages, len(self.risk_reason)))

    def deciding_stage(self) -> tuple[CodeArray, CodeArray]:
        """Return per symbol the stage (row of `STAGES`) that settled it and that stage's reason code, both (N,)."""
        reasons = self.reasons
        first_key, column = _grid(reasons.shape[1])
        stage = self._settled_at(reasons + first_key).astype(np.int16)
        return stage, reasons[stage, column]

    def reason_counts(self) -> tuple[dict[str, ReasonCounts], dict[str, ReasonCounts]]:
        """Return by stage how often it gave each reason, and how often it settled a symbol for each reason.

        The second counts every symbol once, as `deciding_stage` says, and names stages only that settled one.
        """
        first_key, column = _grid(self.reasons.shape[1])
        keys = self.reasons + first_key
        settled = keys[self._settled_at(keys), column]
        counted = np.bincount(np.concatenate((keys.ravel(), settled + _N_KEYS)))
        found = (counted > 0).nonzero()[0]
        tables: list[ReasonCounts] = [{} for _ in range(2 * len(STAGES))]
        for key, count in zip(found.tolist(), counted[found].tolist(), strict=True):
            tables[key // _N_CODES][_TEXT[key % _N_CODES]] = count
        given, settling = tables[: len(STAGES)], tables[len(STAGES) :]
        return dict(zip(STAGES, given, strict=True)), {
            stage: counts for stage, counts in zip(STAGES, settling, strict=True) if counts
        }

    def _settled_at(self, keys: CodeArray) -> IntArray:
        """Return the first stage that did not let a symbol through, from `stage · codes + code` (S, N)."""
        passed = _LETS_THROUGH.take(keys)
        if np.count_nonzero(self.risk_reason):  # an exit passes arbitration, if anything came of it
            passed[2] |= (self.arbitration.action > 0) & (self.risk_reason != _OK)
        stage: IntArray = passed.argmin(axis=0)
        return stage


@dataclass(frozen=True, slots=True)
class TradeDecision(Record):
    """What a cycle decided for one symbol on which it acted. `horizon` is "" where none was chosen."""

    symbol: str
    action: str
    horizon: str
    side: int
    alpha_bps: float
    cost_bps: float
    net_bps: float
    target_weight: float
    target_shares: float
    stage: str
    reason: str


@dataclass(frozen=True, eq=False)
class CycleResult:
    """A cycle as decided. `trace` is None for a warm-up cycle, which forecasts but does not decide."""

    cycle_number: int
    scheduled_time_ns: int
    symbols: tuple[str, ...]
    trace: DecisionTrace | None
    orders: tuple[Order, ...] = ()
    cancels: tuple[str, ...] = ()
    rejections: tuple[Rejection, ...] = ()

    @property
    def is_warmup(self) -> bool:
        """Return whether nothing was decided on purpose."""
        return self.trace is None

    @computed_once
    def decision_digest(self) -> str:
        """SHA-256 of what was decided; empty for a warm-up cycle."""
        if self.trace is None:
            return ""
        chosen = self.trace.arbitration
        return decision_digest(
            self.scheduled_time_ns,
            _names(self.symbols),
            self.trace.reasons,
            (chosen.horizon, chosen.side, self.trace.sizing.target_shares),
            self.orders,
            self.rejections,
        )

    @computed_once
    def trace_digest(self) -> str:
        """SHA-256 of the decision and every float behind it; empty for a warm-up cycle."""
        if self.trace is None:
            return ""
        return trace_digest(self.decision_digest, self.trace.fingerprints)

    def decisions(self) -> tuple[TradeDecision, ...]:
        """Return the decisions on symbols that were entered, resized, left, extended or refused, by symbol."""
        trace = self.trace
        if trace is None:
            return ()
        chosen, (stage, code) = trace.arbitration, trace.deciding_stage()
        acted = np.isin(chosen.action, (Action.ENTER, Action.EXTEND, Action.EXIT, Action.REVERSE))
        acted |= np.isin(trace.risk_reason, (Reason.ORDERED, Reason.REJECTED))
        return tuple(
            self._decision(trace, column, int(stage[column]), int(code[column]))
            for column in np.flatnonzero(acted).tolist()
        )

    def _decision(self, trace: DecisionTrace, column: int, stage: int, code: int) -> TradeDecision:
        chosen, row = trace.arbitration, int(trace.arbitration.horizon[column])
        return TradeDecision(
            symbol=self.symbols[column],
            action=Action(int(chosen.action[column])).name.lower(),
            horizon=trace.blend.horizons[row] if row >= 0 else "",
            side=int(chosen.side[column]),
            alpha_bps=float(trace.blend.alpha_bps[row, column]) if row >= 0 else float("nan"),
            cost_bps=float(chosen.cost_bps[column]),
            net_bps=float(chosen.chosen_net_bps[column]),
            target_weight=float(trace.sizing.target_weight[column]),
            target_shares=float(trace.sizing.target_shares[column]),
            stage=STAGES[stage],
            reason=REASON_TEXT[Reason(code)],
        )

    def to_record(self) -> dict[str, Any]:
        """Return what the journal keeps: digests, reasons, choices, and a fingerprint per stage and symbol."""
        record: dict[str, Any] = {
            "cycle_number": self.cycle_number,
            "cycle_time_ns": self.scheduled_time_ns,
            "warmup": self.is_warmup,
        }
        if self.trace is not None:
            chosen = self.trace.arbitration
            record |= {
                "decision_digest": self.decision_digest,
                "trace_digest": self.trace_digest,
                "fingerprints": {
                    stage: fingerprint_text(prints)
                    for stage, prints in zip(PRINTED_STAGES, self.trace.fingerprints, strict=True)
                },
                "reasons": base64.b64encode(self.trace.reasons.astype("<i2").tobytes()).decode(),
                "horizon": chosen.horizon.tolist(),
                "side": chosen.side.tolist(),
                "target_shares": to_json_value(self.trace.sizing.target_shares),
                "orders": [order.client_order_id for order in self.orders],
                "cancels": list(self.cancels),
                "rejections": to_json_value(self.rejections),
            }
        return record
