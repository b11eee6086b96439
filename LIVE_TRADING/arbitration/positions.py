"""What becomes of a position: another horizon, a reason to leave, or neither."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.arbitration.book import HeldBook
from LIVE_TRADING.arbitration.config import ArbitrationConfig
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import BoolArray, CodeArray, FloatArray, IntArray

_EXITS = (Reason.EXIT_ELAPSED, Reason.EXIT_REVERSED, Reason.EXIT_SESSION_END, Reason.EXIT_BARRIER)
_IS_EXIT = np.isin(np.arange(max(Reason) + 1), _EXITS)


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
            self.alpha_bps[:, index],
            self.cost_bps[index],
            self.net_bps[:, index],
            self.score[:, index],
            self.qualifies[:, index],
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
        self._config = config
        # One row more, so that row -1, a horizon that is not known, reads "no score" and "intraday".
        self._per_root = np.append(per_root, np.nan)
        self._intraday = np.append(~daily, True)

    def judge(self, view: ScoredView, held: HeldBook, closing: bool, barrier: BoolArray) -> Choice:
        """Return the choice for the K symbols of `view` and `held`, all of which hold a position.

        `barrier` (K,) says where the barrier against the position is likely.
        """
        count = np.arange(held.side.size)
        forecast = held.side * view.alpha_bps[held.horizon, count]
        forecast[held.horizon < 0] = np.nan
        best = np.where(view.qualifies, view.score, -np.inf)
        best_row = best.argmax(axis=0)
        held_score = np.fmax(forecast * self._per_root[held.horizon], 0.0)
        bar = self._config.switch_ratio * held_score + self._config.switch_margin_bps
        switch = best[best_row, count] > bar
        agrees = held.side * view.alpha_bps[best_row, count] > 0.0
        reverse = switch & ~agrees
        reason = self._reasons(forecast, held, closing, barrier, switch & agrees)
        reason[reverse] = Reason.REVERSE
        row = np.where(switch, best_row, held.horizon)
        side = np.where(reverse, -held.side, held.side)
        net = side * view.alpha_bps[row, count] - view.cost_bps
        net[row < 0] = np.nan
        leaves = _IS_EXIT[reason]
        return Choice(
            np.where(leaves, -1, row).astype(np.int16), np.where(leaves, 0, side).astype(np.int16), net, reason
        )

    def _reasons(
        self, forecast: FloatArray, held: HeldBook, closing: bool, barrier: BoolArray, extend: BoolArray
    ) -> CodeArray:
        """Return HOLD, EXTEND or the first exit that applies; written last to first."""
        reason = np.full(forecast.size, Reason.HOLD, dtype=np.int16)
        reason[extend] = Reason.EXTEND
        reason[barrier] = Reason.EXIT_BARRIER
        if closing:
            reason[self._intraday[held.horizon]] = Reason.EXIT_SESSION_END
        reason[(forecast < -self._config.exit_bps) & ~extend] = Reason.EXIT_REVERSED
        reason[held.elapsed & ~(forecast > 0.0) & ~extend] = Reason.EXIT_ELAPSED
        return reason
