"""What becomes of a position: another horizon, a reason to leave, or neither."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.arbitration.book import HeldBook
from LIVE_TRADING.arbitration.config import ArbitrationConfig
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import BoolArray, CodeArray, FloatArray, IntArray

# Plain integers: numpy takes several times longer over an enum member.
_HOLD, _EXTEND, _REVERSE = int(Reason.HOLD), int(Reason.EXTEND), int(Reason.REVERSE)
_EXIT_ELAPSED, _EXIT_REVERSED = int(Reason.EXIT_ELAPSED), int(Reason.EXIT_REVERSED)
_EXIT_SESSION_END, _EXIT_BARRIER = int(Reason.EXIT_SESSION_END), int(Reason.EXIT_BARRIER)

# What a reason does to the side: an exit wants none, a reversal the other one.
_SIDE_KEPT = np.ones(max(Reason) + 1, dtype=np.int16)
_SIDE_KEPT[[_EXIT_ELAPSED, _EXIT_REVERSED, _EXIT_SESSION_END, _EXIT_BARRIER]] = 0
_SIDE_KEPT[_REVERSE] = -1


@dataclass(frozen=True, slots=True, eq=False)
class ScoredView:
    """Forecasts against their cost: `alpha_bps, net_bps, score, qualifies` (H, N), `cost_bps` (N,)."""

    alpha_bps: FloatArray
    cost_bps: FloatArray
    net_bps: FloatArray
    score: FloatArray
    qualifies: BoolArray

    def columns(self, index: IntArray) -> ScoredView:
        """Return the view of some symbols."""
        return ScoredView(
            self.alpha_bps.take(index, axis=1),
            self.cost_bps.take(index),
            self.net_bps.take(index, axis=1),
            self.score.take(index, axis=1),
            self.qualifies.take(index, axis=1),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The choice for K symbols, shape (K,) each; as in `ArbitrationResult`."""

    horizon: CodeArray
    side: CodeArray
    net_bps: FloatArray
    reason: CodeArray


class PositionReview:
    """First a better horizon, then a reason to leave.

    1. best score of the horizons that qualify > switch_ratio · max(score_held, 0) + switch_margin_bps, where
       score_held = side·α_held/√(h/5) owes no cost: on the same side the position takes that horizon and its clock
       starts anew (EXTEND); on the other side it leaves, and the entry is decided once it is flat (REVERSE).
    2. It leaves when its horizon has elapsed and not side·α_held > 0 (NaN leaves, agreement holds on); when
       side·α_held < −exit_bps; when its horizon is intraday and the session closes; when the barrier against it is
       likely. The reason is the first of these. A position that was just extended is judged by its new horizon, whose
       clock has not run and which agrees with it: the first two do not apply.

    A position whose horizon is not known (row −1) has no forecast and counts as intraday.
    """

    def __init__(self, config: ArbitrationConfig, per_root: FloatArray, daily: BoolArray) -> None:
        self._switch_ratio = config.switch_ratio
        self._switch_margin_bps = config.switch_margin_bps
        self._exit_bps = config.exit_bps
        # One row more, so that row -1, a horizon that is not known, reads "no score" and "intraday".
        self._per_root = np.append(per_root, np.nan)
        self._intraday = np.append(~daily, True)

    def judge(self, view: ScoredView, held: HeldBook, closing: bool, barrier: BoolArray) -> Choice:
        """Return the choice for the K symbols of `view` and `held`, all of which hold a position.

        `barrier` (K,) says where the barrier against the position is likely.
        """
        column = np.arange(held.side.size)
        forecast = held.side * view.alpha_bps[held.horizon, column]
        forecast[held.horizon < 0] = np.nan
        scores = np.where(view.qualifies, view.score, -np.inf)
        best_row = scores.argmax(axis=0)
        best_alpha = view.alpha_bps[best_row, column]
        held_score = np.fmax(forecast * self._per_root[held.horizon], 0.0)
        bar = self._switch_ratio * held_score + self._switch_margin_bps
        switch = np.maximum.reduce(scores, axis=0) > bar
        agrees = held.side * best_alpha > 0.0
        reason = self._reasons(forecast, held, closing, barrier, switch & agrees)
        reason[switch & ~agrees] = _REVERSE
        # After a switch the view is on the side of the new horizon, so that its alpha counts in full.
        net = np.where(switch, np.abs(best_alpha), forecast) - view.cost_bps
        row = np.where(switch, best_row, held.horizon).astype(np.int16)
        keeps = _SIDE_KEPT[reason]
        row[keeps == 0] = -1
        return Choice(row, held.side * keeps, net, reason)

    def _reasons(
        self, forecast: FloatArray, held: HeldBook, closing: bool, barrier: BoolArray, extend: BoolArray
    ) -> CodeArray:
        """Return HOLD, EXTEND or the first exit that applies; written last to first."""
        reason = np.full(forecast.size, _HOLD, dtype=np.int16)
        reason[extend] = _EXTEND
        reason[barrier] = _EXIT_BARRIER
        if closing:
            reason[self._intraday[held.horizon]] = _EXIT_SESSION_END
        stays = ~extend
        reason[(forecast < -self._exit_bps) & stays] = _EXIT_REVERSED
        reason[held.elapsed & ~(forecast > 0.0) & stays] = _EXIT_ELAPSED
        return reason
