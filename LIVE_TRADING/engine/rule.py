"""A rule in place of models: target weights straight from bars; orders, ledger, limits, venue and digests as ever.

A run by rule is the whole engine but stages 1 to 4: what the rule wants is sized into whole lots, past the
pre-trade rules, through the exchange and into the same record. It measures an idea, or the engine, without training.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np

from LIVE_TRADING.arbitration import CycleMoment
from LIVE_TRADING.common.events import TargetsReady
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import (
    Action,
    AllPredictions,
    ArbitrationResult,
    BarBatch,
    BlendResult,
    BoolArray,
    CodeArray,
    FloatArray,
    GateResult,
    SizingResult,
    SpreadGateResult,
)
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.engine.assembly import TARGET_RULE
from LIVE_TRADING.engine.book import book_view
from LIVE_TRADING.engine.commands import Anomaly, CycleDecided
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.cycle import CycleResult
from LIVE_TRADING.engine.deciding import Decided, conclude
from LIVE_TRADING.engine.pipeline import BookView, Decision
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.risk import TradingState
from LIVE_TRADING.sizing import TargetSizer


@runtime_checkable
class TargetRule(Protocol):
    """Turns bars into target weights; keeps whatever memory it needs.

    Asked once per bar end of every session, in order, those before the start of the run included, so that its windows
    are full when it first counts. What it returns must depend on the bars that it has been given and on nothing else:
    then two runs over the same bars are equal to the last bit. A live engine asks it in a thread beside the loop, one
    bar end after the other; after a restart it asks a fresh one for all bar ends on file.
    """

    def targets(self, bars: BarBatch) -> FloatArray:
        """Return target weights (N,), signed shares of equity, of bars (N,) in UTF-8 order of the symbols.

        NaN: leave the symbol as it is; 0: be flat.
        """
        ...


def targets_of(rule: TargetRule, bars: BarBatch) -> FloatArray:
    """Return what a rule wants (N,), an array of its own, whatever the rule does with the one it gave.

    Raises
    ------
    ValueError
        The rule's targets are not of shape (N,), or hold an infinity; or it would end the process.
    """
    try:
        given = rule.targets(bars)
    except SystemExit as error:  # as any other error of a rule: what is held stays watched
        raise ValueError(f"a rule called sys.exit({error.code!r}); return NaN where it wants nothing") from error
    weights = np.array(given, dtype=np.float64)
    if weights.shape != bars.close.shape or np.isinf(weights).any():
        wanted = bars.close.shape
        raise ValueError(f"a rule gave targets of shape {weights.shape}; give {wanted} weights, NaN or finite")
    return weights


def on_targets(context: CoreContext, state: CoreState, ready: TargetsReady, now_ns: int) -> Step:
    """Decide the cycle that waits for these targets; a warm-up cycle decides nothing."""
    pending = state.pending
    if pending is None or pending.cycle_time_ns != ready.cycle_time_ns:
        return state, [Anomaly("dropped_predictions", f"no cycle waits for those of {iso_utc(ready.cycle_time_ns)}")]
    parts, end_ns = context.parts, pending.cycle_time_ns
    state = state.cycle_answered(state.market)
    if state.matured:  # nothing learns from a rule's trades
        state = replaced(state, matured=())
    if context.is_warmup(end_ns):
        return state, [CycleDecided(CycleResult(state.cycle_number, end_ns, context.run.symbols, None))]
    stale = now_ns - end_ns > parts.max_prediction_age_ns
    moment = CycleMoment(end_ns, pending.slot, pending.n_bars_session, parts.session_ends, stale)
    book = book_view(
        state,
        parts,
        context.run.symbols,
        context.column,
        moment,
        0.0,
        (None, None),
        may_increase=not stale and state.risk.state is TradingState.ACTIVE,
        interval_ns=context.run.interval_ns,
    )
    predictions, decision = decide_by_rule(parts.target_sizer, ready.weights, book)
    return conclude(context, state, Decided(pending, moment, predictions, book.held_shares, decision), [], now_ns)


def decide_by_rule(sizer: TargetSizer, weights: FloatArray, book: BookView) -> tuple[AllPredictions, Decision]:
    """Return the records of stages 1 to 5: the first four empty, for a rule has none, the last what the rule wants."""
    n = len(book.symbols)
    sizing = sizer.size(
        weights,
        book.held_shares,
        book.price_usd,
        book.lot,
        book.min_notional_usd,
        book.equity_usd,
        book.may_increase,
    )
    nothing, ones, ok, off, allowed = _neutral(n)
    none, all_none = nothing[None], nothing[:, :1]
    said = np.where(np.isnan(weights), np.int16(Reason.NO_FORECAST), np.int16(Reason.OK))
    predictions = AllPredictions((TARGET_RULE,), (TARGET_RULE,), none, none, all_none, none, none, said)
    blend = BlendResult((TARGET_RULE,), all_none, nothing, nothing, ok)
    barrier = GateResult(allowed, ones, off)
    spread = SpreadGateResult(nothing[0], book.quote_age_s, allowed, off)
    return predictions, Decision(blend, _wanted(sizing, book.held_shares), barrier, spread, sizing)


def _wanted(sizing: SizingResult, held_shares: FloatArray) -> ArbitrationResult:
    """Return what the targets ask for: to enter, to leave, or to hold, resized or not."""
    n, target = len(held_shares), sizing.target_shares
    held = held_shares != 0.0
    action = np.where(held, np.where(target == 0.0, int(Action.EXIT), int(Action.HOLD)), int(Action.NONE))
    action[~held & (target != 0.0)] = int(Action.ENTER)
    reason = _REASON_OF_ACTION[action]
    nothing, _, _, _, allowed = _neutral(n)
    unknown = nothing[0]
    return ArbitrationResult(
        cost_bps=unknown,
        net_bps=nothing,
        score=nothing,
        qualifies=~allowed[None],
        action=action.astype(np.int16),
        horizon=np.full(n, -1, dtype=np.int16),
        side=np.sign(target).astype(np.int16),
        chosen_net_bps=unknown,
        entry_probability=unknown,
        reason=reason,
    )


@lru_cache(maxsize=8)
def _neutral(n: int) -> tuple[FloatArray, FloatArray, CodeArray, CodeArray, BoolArray]:
    """Return what records say of stages that a rule has not: NaN (1, N), ones, ok, gate_off and true, (N,) each."""
    off = np.full(n, int(Reason.GATE_OFF), dtype=np.int16)
    return np.full((1, n), np.nan), np.ones(n), np.zeros(n, dtype=np.int16), off, np.ones(n, dtype=np.bool_)


_REASON_OF_ACTION = np.zeros(len(Action), dtype=np.int16)
_REASON_OF_ACTION[[Action.ENTER, Action.HOLD, Action.EXIT]] = Reason.ENTRY, Reason.HOLD, Reason.EXIT_REVERSED
