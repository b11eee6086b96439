"""Arbitration stage: alpha per horizon in; per symbol what to do, on which side, for which horizon, out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LIVE_TRADING.arbitration.book import CycleMoment, HeldBook
from LIVE_TRADING.arbitration.config import ArbitrationConfig
from LIVE_TRADING.arbitration.positions import PositionReview, ScoredView
from LIVE_TRADING.arbitration.selector import EntrySelector
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import (
    Action,
    ArbitrationResult,
    BlendResult,
    BoolArray,
    CodeArray,
    FloatArray,
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
        self._barrier_exit_p = config.barrier_exit_p
        minutes = np.array([horizon.session_minutes for horizon in horizons], dtype=np.float64)
        per_root = 1.0 / np.sqrt(minutes / SCORE_UNIT_MINUTES)
        daily = np.array([horizon.is_daily for horizon in horizons], dtype=np.bool_)
        self._per_root = per_root[:, None]
        self._daily = daily[:, None]
        self._bars = np.array([horizon.bars for horizon in horizons], dtype=np.int64)[:, None]
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
        net = np.abs(blend.alpha_bps) - cost_bps
        pays = net >= self._reserve_bps
        view = ScoredView(blend.alpha_bps, cost_bps, net, net * self._per_root, pays & self._open_rows(moment))
        horizon = np.full(cost_bps.size, -1, dtype=np.int16)
        side = np.zeros(cost_bps.size, dtype=np.int16)
        chosen_net = np.full(cost_bps.size, np.nan)
        probability = np.full(cost_bps.size, np.nan)
        reason = _flat_reasons(view, pays, moment)
        entering = np.flatnonzero(np.logical_or.reduce(view.qualifies, axis=0) & (held.side == 0))
        if entering.size:
            entry = _draw(selector, view.columns(entering), moment, tuple([symbols[i] for i in entering.tolist()]))
            horizon[entering], side[entering], chosen_net[entering], probability[entering] = entry
            reason[entering] = _ENTRY
        positions = np.flatnonzero(held.side)
        if positions.size:
            book = HeldBook(held.side[positions], held.horizon[positions], held.elapsed[positions])
            barrier = self._barrier(held.side, p_peak, p_valley)[positions]
            choice = self._review.judge(view.columns(positions), book, moment.closing, barrier)
            horizon[positions], side[positions] = choice.horizon, choice.side
            chosen_net[positions], reason[positions] = choice.net_bps, choice.reason
        return ArbitrationResult(
            cost_bps=cost_bps,
            net_bps=net,
            score=view.score,
            qualifies=view.qualifies,
            action=_ACTION_OF[reason],
            horizon=horizon,
            side=side,
            chosen_net_bps=chosen_net,
            entry_probability=probability,
            reason=reason,
        )

    def _open_rows(self, moment: CycleMoment) -> BoolArray:
        """Return which horizons (H, 1) may be entered now."""
        if moment.closing or moment.stale_predictions:
            return np.zeros_like(self._daily)
        if not moment.session_ends:
            return np.ones_like(self._daily)
        fits: BoolArray = (moment.slot + self._bars <= moment.n_bars_session - 1) | self._daily
        return fits

    def _barrier(self, side: CodeArray, p_peak: FloatArray | None, p_valley: FloatArray | None) -> BoolArray:
        """Return where the barrier against a position is likely: the peak of a long, the valley of a short."""
        likely = np.zeros(side.size, dtype=np.bool_)
        if p_peak is not None:
            likely |= (side > 0) & (p_peak > self._barrier_exit_p)
        if p_valley is not None:
            likely |= (side < 0) & (p_valley > self._barrier_exit_p)
        return likely


def _flat_reasons(view: ScoredView, pays: BoolArray, moment: CycleMoment) -> CodeArray:
    """Return why a flat symbol is not entered; written last to first."""
    if moment.stale_predictions:
        barred = _STALE_PREDICTIONS
    elif moment.closing:
        barred = _SESSION_CLOSING
    else:
        barred = _PAST_SESSION_END
    reason = np.full(view.cost_bps.size, _BELOW_COST, dtype=np.int16)
    reason[np.logical_or.reduce(pays, axis=0)] = barred
    reason[np.isnan(view.cost_bps)] = _COST_UNKNOWN
    reason[np.logical_and.reduce(np.isnan(view.alpha_bps), axis=0)] = _NO_VIEW
    return reason


def _draw(
    selector: EntrySelector, view: ScoredView, moment: CycleMoment, names: tuple[str, ...]
) -> tuple[CodeArray, CodeArray, FloatArray, FloatArray]:
    """Let the selector draw; return horizon, side, net and probability of the K entries that `view` holds."""
    row, probability = selector.select(view.score, view.qualifies, moment.scheduled_time_ns, names)
    column = np.arange(row.size)
    if row.min() < 0 or not view.qualifies[row, column].all():
        raise ValueError("the selector drew a horizon that does not qualify")
    side = np.where(view.alpha_bps[row, column] > 0.0, _LONG, _SHORT)
    return row, side, view.net_bps[row, column], probability
