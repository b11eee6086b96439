"""What becomes of a position: another horizon, a reason to leave, or neither."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.arbitration.book import HeldBook
from LIVE_TRADING.arbitration.config import ArbitrationConfig
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import BoolArray, CodeArray, FloatArray

# Plain integers: numpy takes several times longer over an enum member.
_HOLD, _EXTEND, _REVERSE = int(Reason.HOLD), int(Reason.EXTEND), int(Reason.REVERSE)
_EXIT_ELAPSED, _EXIT_REVERSED = int(Reason.EXIT_ELAPSED), int(Reason.EXIT_REVERSED)
_EXIT_SESSION_END, _EXIT_BARRIER = int(Reason.EXIT_SESSION_END), int(Reason.EXIT_BARRIER)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredView:
    """Forecasts against their cost: `alpha_bps, score, qualifies` (H, N), `cost_bps` (N,)."""

    alpha_bps: FloatArray
    cost_bps: FloatArray
    score: FloatArray
    qualifies: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The choice per symbol, shape (N,) each, as in `ArbitrationResult`; to be written to."""

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
        self._barrier_exit_p = config.barrier_exit_p
        self._per_root, self._daily = per_root, daily

    def judge(
        self,
        view: ScoredView,
        held: HeldBook,
        closing: bool,
        p_peak: FloatArray | None,
        p_valley: FloatArray | None,
        choice: Choice,
    ) -> None:
        """Write the choice for every symbol that holds a position; the others' is left alone.

        `p_peak`, `p_valley` (N,): probabilities of the barriers, None or NaN: not known.
        """
        judge_positions(
            view.alpha_bps,
            view.cost_bps,
            view.score,
            view.qualifies,
            held.side,
            held.horizon,
            held.elapsed,
            _given(p_peak, held),
            _given(p_valley, held),
            self._per_root,
            self._daily,
            closing,
            self._switch_ratio,
            self._switch_margin_bps,
            self._exit_bps,
            self._barrier_exit_p,
            choice.horizon,
            choice.side,
            choice.net_bps,
            choice.reason,
        )


def _given(probability: FloatArray | None, held: HeldBook) -> FloatArray:
    return np.full(held.side.size, np.nan) if probability is None else np.ascontiguousarray(probability)


@kernel(
    "void(float64[:, ::1], float64[::1], float64[:, ::1], boolean[:, ::1], int16[::1], int16[::1], boolean[::1], "
    "Array(float64, 1, 'C', readonly=True), Array(float64, 1, 'C', readonly=True), float64[::1], boolean[::1], "
    "boolean, float64, float64, float64, float64, int16[::1], int16[::1], float64[::1], int16[::1])"
)
def judge_positions(
    alpha_bps: FloatArray,
    cost_bps: FloatArray,
    score: FloatArray,
    qualifies: BoolArray,
    held_side: CodeArray,
    held_row: CodeArray,
    elapsed: BoolArray,
    p_peak: FloatArray,
    p_valley: FloatArray,
    per_root: FloatArray,
    daily: BoolArray,
    closing: bool,
    switch_ratio: float,
    switch_margin_bps: float,
    exit_bps: float,
    barrier_exit_p: float,
    row: CodeArray,
    side: CodeArray,
    net_bps: FloatArray,
    reason: CodeArray,
) -> None:
    """Write row, side, net and reason (N,) of the symbols whose `held_side` is not 0; see `PositionReview`."""
    for i in range(len(held_side)):
        now, held = held_side[i], held_row[i]
        if now == 0:
            continue
        forecast = now * alpha_bps[held, i] if held >= 0 else np.nan
        bar = switch_margin_bps
        if forecast > 0.0:
            bar += switch_ratio * (forecast * per_root[held])
        best, top = -1, bar
        for h in range(len(score)):
            if qualifies[h, i] and score[h, i] > top:
                best, top = h, score[h, i]
        row[i], side[i], net_bps[i] = held, now, forecast - cost_bps[i]
        agrees = False
        if best >= 0:
            # After a switch the view is on the side of the new horizon, so that its alpha counts in full.
            row[i], net_bps[i] = best, abs(alpha_bps[best, i]) - cost_bps[i]
            agrees = now * alpha_bps[best, i] > 0.0
            if not agrees:
                side[i], reason[i] = -now, _REVERSE
                continue
        if not agrees and elapsed[i] and not forecast > 0.0:
            reason[i] = _EXIT_ELAPSED
        elif not agrees and forecast < -exit_bps:
            reason[i] = _EXIT_REVERSED
        elif closing and not (held >= 0 and daily[held]):
            reason[i] = _EXIT_SESSION_END
        elif (p_peak[i] if now > 0 else p_valley[i]) > barrier_exit_p:
            reason[i] = _EXIT_BARRIER
        else:
            reason[i] = _EXTEND if agrees else _HOLD
            continue
        row[i], side[i] = -1, 0
