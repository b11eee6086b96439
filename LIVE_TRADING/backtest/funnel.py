"""The decision funnel: how far each symbol-decision came, and which reason stopped it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.backtest.record import Decisions
from LIVE_TRADING.common.reasons import REASON_TEXT, Reason
from LIVE_TRADING.common.types import Action

# what lets a symbol go on to the next stage; everything else stops it there
PASSING = frozenset(
    {
        Reason.OK,
        Reason.ENTRY,
        Reason.HOLD,
        Reason.EXTEND,
        Reason.EXIT_ELAPSED,
        Reason.EXIT_REVERSED,
        Reason.EXIT_SESSION_END,
        Reason.EXIT_BARRIER,
        Reason.REVERSE,
        Reason.GATE_OFF,
        Reason.SIZED,
        Reason.CAPPED,
        Reason.DRIFT_CUT,
        Reason.ORDERED,
        Reason.CANCEL_WORKING,
    }
)
_CODES = max(Reason) + 1
_PASSES = np.isin(np.arange(_CODES), sorted(PASSING))


@dataclass(frozen=True, slots=True)
class StageFunnel:
    """One stage: how many symbol-decisions reached it, how many went on, and the reasons of both, most frequent first.

    `went_on` leaves out those that a held position carries past a reason that binds entries only.
    """

    stage: str
    entered: int
    passed: int
    stopped: tuple[tuple[Reason, int], ...]
    went_on: tuple[tuple[Reason, int], ...]


@dataclass(frozen=True, slots=True)
class Funnel:
    """All stages in order, and what came of the symbol-decisions that all of them let through.

    `ordered` became an order, `cancel_first` had a working order cancelled before an exit can follow, `unchanged`
    needed none. `sent_between` are orders that no symbol-decision became: exits sent between cycles, once a cancel was
    confirmed, or by a guardrail or an operator. The orders that were sent are `ordered` + `sent_between`.
    """

    stages: tuple[StageFunnel, ...]
    total: int
    ordered: int
    cancel_first: int
    unchanged: int
    sent_between: int

    @property
    def orders(self) -> int:
        """Return how many orders were sent."""
        return self.ordered + self.sent_between


def decision_funnel(decisions: Decisions, orders: int) -> Funnel:
    """Return how far the symbol-decisions came, and how they go with the number of `orders` that were sent.

    One stops at the first stage whose reason does not let it go on. A position that is held is stopped by sizing and
    risk alone: what the stages before say about its forecast or the quote binds entries only. Where sizing says that an
    increase is not allowed and the risk stage says why, it stops at the latter. What became an order was stopped by
    nothing.
    """
    cycles, _, symbols = decisions.reason.shape
    on = np.ones((cycles, symbols), dtype=bool)
    held = ~np.isin(decisions.action, (Action.NONE, Action.ENTER))
    last = decisions.reason[:, -1]
    ordered = last == Reason.ORDERED
    told_later = ~_PASSES[last]
    stages = []
    for row, stage in enumerate(decisions.stages):
        codes = decisions.reason[:, row]
        stops = (
            on & ~_PASSES[codes] & ~ordered & ~(held & (codes < Reason.SIZED)) & ~(told_later & (codes == Reason.GATED))
        )
        entered = int(np.count_nonzero(on))
        on &= ~stops
        passed = int(np.count_nonzero(on))
        stages.append(StageFunnel(stage, entered, passed, _counts(codes[stops]), _counts(codes[on & _PASSES[codes]])))
    n_ordered = int(np.count_nonzero(ordered))
    waiting = int(np.count_nonzero(on & (last == Reason.CANCEL_WORKING)))
    return Funnel(
        tuple(stages),
        cycles * symbols,
        ordered=n_ordered,
        cancel_first=waiting,
        unchanged=int(np.count_nonzero(on)) - n_ordered - waiting,
        sent_between=orders - n_ordered,
    )


def reasons_by_stage(decisions: Decisions) -> dict[str, dict[str, int]]:
    """Return how often each stage gave each reason, most frequent first; each stage adds up to cycles · symbols."""
    return {
        stage: {REASON_TEXT[reason]: count for reason, count in _counts(decisions.reason[:, row])}
        for row, stage in enumerate(decisions.stages)
    }


def _counts(codes: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> tuple[tuple[Reason, int], ...]:
    counted = np.bincount(codes.ravel(), minlength=_CODES)
    found = [(Reason(code), int(counted[code])) for code in np.flatnonzero(counted).tolist()]
    return tuple(sorted(found, key=lambda entry: (-entry[1], entry[0])))
