"""Arbitration stage: alpha per horizon in; per symbol what to do, on which side, for which horizon, out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LIVE_TRADING.arbitration.book import CycleMoment, HeldBook
from LIVE_TRADING.arbitration.config import ArbitrationConfig
from LIVE_TRADING.arbitration.positions import Choice, PositionReview, ScoredView
from LIVE_TRADING.arbitration.selector import EntrySelector
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import (
    Action,
    ArbitrationResult,
    BlendResult,
    BoolArray,
    CodeArray,
    FloatArray,
    IntArray,
)

SCORE_UNIT_MINUTES = 5.0  # scores are per √(5 minutes)
_SMALLEST = float(np.nextafter(0.0, 1.0))

# Plain integers: numpy takes several times longer over an enum member.
_ENTRY, _BELOW_COST, _PAST_SESSION_END = int(Reason.ENTRY), int(Reason.BELOW_COST), int(Reason.PAST_SESSION_END)
_NO_VIEW, _COST_UNKNOWN = int(Reason.NO_VIEW), int(Reason.COST_UNKNOWN)
_SESSION_CLOSING, _STALE_PREDICTIONS = int(Reason.SESSION_CLOSING), int(Reason.STALE_PREDICTIONS)
_LONG, _SHORT = np.int16(1), np.int16(-1)

_ACTION_OF = np.full(max(Reason) + 1, Action.NONE, dtype=np.int16)
_ACTION_OF[Reason.ENTRY] = Action.ENTER
_ACTION_OF[Reason.HOLD] = Action.HOLD
_ACTION_OF[Reason.EXTEND] = Action.EXTEND
_ACTION_OF[Reason.REVERSE] = Action.REVERSE
_ACTION_OF[Reason.EXIT_ELAPSED : Reason.EXIT_BARRIER + 1] = Action.EXIT


class HorizonArbiter:
    """net_h = |α_h| − cost, score_h = net_h / √(h/5 min); h in session minutes, so that a day is 390 (crypto 1,440).

    A flat symbol may enter at a horizon that *qualifies*: net_h ≥ reserve_bps (and > 0), and a position opened now is
    over within the session (slot + bars ≤ last slot; 1d always). The selector draws one of them. Nothing is entered
    in the last two bars of a session, nor on stale predictions. The reason why a flat symbol is not entered is the
    first of: no view, cost unknown, below cost, stale predictions, session closing, past the session's end.

    What becomes of a position says `PositionReview`. Longs and shorts are symmetric.

    Reads stage 2, the cost model and the ledger; read by gating, sizing and the orders.
    """

    def __init__(self, config: ArbitrationConfig, horizons: Sequence[Horizon]) -> None:
        self._names = tuple(horizon.name for horizon in horizons)
        # A trade worth exactly nothing is none, whatever the reserve.
        self._reserve_bps = max(config.reserve_bps, _SMALLEST)
        minutes = np.array([horizon.session_minutes for horizon in horizons], dtype=np.float64)
        per_root = 1.0 / np.sqrt(minutes / SCORE_UNIT_MINUTES)
        daily = np.array([horizon.is_daily for horizon in horizons], dtype=np.bool_)
        self._per_root = per_root
        self._bars = np.array([horizon.bars for horizon in horizons], dtype=np.int64)  # 1d: 0
        self._longest = int(self._bars.max())
        self._review = PositionReview(config, per_root, daily)

    def arbitrate(
        self,
        blend: BlendResult,
        cost_bps: FloatArray,
        held: HeldBook,
        moment: CycleMoment,
        selector: EntrySelector,
        symbols: tuple[str, ...],
        p_peak: FloatArray | None = None,
        p_valley: FloatArray | None = None,
    ) -> ArbitrationResult:
        """Return the choice per symbol of one cycle.

        Parameters
        ----------
        blend
            Stage 2: alpha (H, N) in bps over each horizon; NaN: no view.
        cost_bps
            (N,) of a round trip; NaN: unknown, blocks entries and switches.
        held
            Positions (N,).
        moment
            Time and place of the decision within its session.
        selector
            Draws among the horizons that qualify; asked about the symbols that may enter, only.
        symbols
            The N names.
        p_peak, p_valley
            (N,) calibrated probabilities for the barrier exit, or None; NaN never exits.

        Returns
        -------
        ArbitrationResult
            `chosen_net_bps` is side·α − cost at the chosen horizon: that of an entry, the new one of a switch, the
            held one otherwise, also of a position that leaves (whose `side` is 0 and `horizon` −1). REVERSE names the
            side and horizon that it leaves for. NaN for a flat symbol that stays flat.

        Raises
        ------
        ValueError
            The blend is for other horizons, or the selector drew one that does not qualify.
        """
        if blend.horizons != self._names:
            raise ValueError(f"blend for {blend.horizons}, arbiter for {self._names}")
        alpha, n_symbols = np.ascontiguousarray(blend.alpha_bps), cost_bps.size
        (net, score), qualifies = np.empty((2, *alpha.shape)), np.empty(alpha.shape, dtype=np.bool_)
        horizon, side, reason = np.empty((3, n_symbols), dtype=np.int16)
        chosen_net, probability = np.empty((2, n_symbols))
        horizon.fill(-1)
        side.fill(0)
        chosen_net.fill(np.nan)
        probability.fill(np.nan)
        price_horizons(
            alpha,
            cost_bps,
            self._per_root,
            self._bars,
            self._room(moment),
            self._reserve_bps,
            _barred(moment),
            net,
            score,
            qualifies,
            reason,
        )
        entering = np.flatnonzero((reason == _ENTRY) & (held.side == 0))
        if entering.size:
            row, probability[entering] = _draw(selector, score, qualifies, entering, moment, symbols)
            horizon[entering], chosen_net[entering] = row, net[row, entering]
            side[entering] = np.where(alpha[row, entering] > 0.0, _LONG, _SHORT)
        if held.side.any():
            scored, choice = ScoredView(alpha, cost_bps, score, qualifies), Choice(horizon, side, chosen_net, reason)
            self._review.judge(scored, held, moment.closing, p_peak, p_valley, choice)
        return ArbitrationResult(
            cost_bps=cost_bps,
            net_bps=net,
            score=score,
            qualifies=qualifies,
            action=_ACTION_OF[reason],
            horizon=horizon,
            side=side,
            chosen_net_bps=chosen_net,
            entry_probability=probability,
            reason=reason,
        )

    def _room(self, moment: CycleMoment) -> int:
        """Return for how many bars a position may be entered now; -1: for none, not even to the next session."""
        if moment.closing or moment.stale_predictions:
            return -1
        return moment.n_bars_session - 1 - moment.slot if moment.session_ends else self._longest


def _draw(
    selector: EntrySelector,
    score: FloatArray,
    qualifies: BoolArray,
    entering: IntArray,
    moment: CycleMoment,
    symbols: tuple[str, ...],
) -> tuple[CodeArray, FloatArray]:
    """Let the selector draw; return row and probability of the entries at the columns `entering` (K,)."""
    names, may = tuple([symbols[i] for i in entering.tolist()]), qualifies.take(entering, axis=1)
    row, probability = selector.select(score.take(entering, axis=1), may, moment.scheduled_time_ns, names)
    if row.min() < 0 or not may[row, np.arange(row.size)].all():
        raise ValueError("the selector drew a horizon that does not qualify")
    return row, probability


def _barred(moment: CycleMoment) -> int:
    """Return why a horizon that pays is not entered now."""
    if moment.stale_predictions:
        return _STALE_PREDICTIONS
    return _SESSION_CLOSING if moment.closing else _PAST_SESSION_END


@kernel(
    "void(float64[:, ::1], float64[::1], float64[::1], int64[::1], int64, float64, int64, float64[:, ::1], "
    "float64[:, ::1], boolean[:, ::1], int16[::1])"
)
def price_horizons(
    alpha_bps: FloatArray,
    cost_bps: FloatArray,
    per_root: FloatArray,
    bars: IntArray,
    room: int,
    reserve_bps: float,
    barred: int,
    net_bps: FloatArray,
    score: FloatArray,
    qualifies: BoolArray,
    reason: CodeArray,
) -> None:
    """Write net, score and what qualifies (H, N) of alphas (H, N), costs (N,), and why each symbol is (not) entered.

    `per_root` (H,) turns net into score. Horizons of at most `room` `bars` (H,) may be entered now; `barred` is the
    reason where only others pay. NaN: no view, no cost.
    """
    n_horizons, n = alpha_bps.shape
    reason[:] = 0  # how far the symbol's best horizon came
    for h in range(n_horizons):
        alpha, net, scored, may = alpha_bps[h], net_bps[h], score[h], qualifies[h]
        fits = bars[h] <= room
        for i in range(n):
            net[i] = abs(alpha[i]) - cost_bps[i]
            scored[i] = net[i] * per_root[h]
        for i in range(n):
            pays = net[i] >= reserve_bps
            may[i] = pays & fits
            came = np.int16(2) if pays else np.int16(alpha[i] == alpha[i])
            came = np.int16(3) if may[i] else came
            reason[i] = max(reason[i], came)
    for i in range(n):
        if reason[i] == 0:
            reason[i] = _NO_VIEW
        elif reason[i] == 1:
            reason[i] = _BELOW_COST if cost_bps[i] == cost_bps[i] else _COST_UNKNOWN
        else:
            reason[i] = _ENTRY if reason[i] == 3 else barred
