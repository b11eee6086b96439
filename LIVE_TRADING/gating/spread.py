"""Spread gate: no entry on a quote that is wide, old, crossed or not there."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import CodeArray, FloatArray, SpreadGateResult
from LIVE_TRADING.common.units import BPS

# Plain integers: numpy takes several times longer over an enum member.
_OK, _GATE_OFF = int(Reason.OK), int(Reason.GATE_OFF)
_MISSING, _CROSSED = int(Reason.QUOTE_MISSING), int(Reason.QUOTE_CROSSED)
_STALE, _TOO_WIDE = int(Reason.QUOTE_STALE), int(Reason.SPREAD_TOO_WIDE)
_GIVEN = "Array(float64, 1, 'C', readonly=True)"


class SpreadGateConfig(FrozenConfig):
    """Limits of the spread gate. `enabled: false` is the named neutral: every quote passes."""

    enabled: bool = Field(True, description="false: every quote passes")
    max_spread_bps: float = Field(12.0, gt=0.0, le=10_000.0, description="widest spread, bps of mid, inclusive")
    max_quote_age_s: float | None = Field(
        None, gt=0.0, le=86_400.0, description="oldest quote, seconds, inclusive; none: one bar interval"
    )
    max_quote_lead_s: float = Field(
        2.0, ge=0.0, le=3_600.0, description="a quote made later than now by more than this cannot be true, seconds"
    )


class SpreadGate:
    """spread = (ask − bid)/mid in bps; passes up to both limits, inclusive.

    A side that is NaN or not a positive finite price makes the quote missing (its spread NaN); bid above ask is crossed
    (its spread negative); a locked quote (bid = ask) passes; an unknown age is stale. The reason is the first of:
    missing, crossed, stale, too wide.
    """

    def __init__(self, config: SpreadGateConfig, interval_s: float) -> None:
        """`interval_s` is the bar interval: how old the quotes of a feed that brings them with its bars may be."""
        self._config = config
        self._max_age_s = interval_s if config.max_quote_age_s is None else config.max_quote_age_s

    def judge(self, bid: FloatArray, ask: FloatArray, quote_age_s: FloatArray) -> SpreadGateResult:
        """Return the verdict (N,) on quotes of the given age; `allowed` binds entries and increases only."""
        bid, ask, age_s = np.ascontiguousarray(bid), np.ascontiguousarray(ask), np.ascontiguousarray(quote_age_s)
        spread_bps, reason = np.empty(bid.size), np.empty(bid.size, dtype=np.int16)
        judge_quotes(bid, ask, age_s, self._config.max_spread_bps, self._max_age_s, spread_bps, reason)
        if not self._config.enabled:
            off = np.full(bid.size, _GATE_OFF, dtype=np.int16)
            return SpreadGateResult(spread_bps, quote_age_s, np.ones(bid.size, dtype=np.bool_), off)
        return SpreadGateResult(spread_bps, quote_age_s, reason == _OK, reason)


@kernel(f"void({_GIVEN}, {_GIVEN}, {_GIVEN}, float64, float64, float64[::1], int16[::1])")
def judge_quotes(
    bid: FloatArray,
    ask: FloatArray,
    age_s: FloatArray,
    max_spread_bps: float,
    max_age_s: float,
    spread_bps: FloatArray,
    reason: CodeArray,
) -> None:
    """Write spread and reason (N,) of quotes (N,), see `SpreadGate`; NaN: no quote, or of an age that is not known."""
    for i in range(bid.shape[0]):
        if not (0.0 < bid[i] < np.inf and 0.0 < ask[i] < np.inf):
            spread_bps[i], reason[i] = np.nan, _MISSING
            continue
        spread_bps[i] = (ask[i] - bid[i]) / (0.5 * (ask[i] + bid[i])) * BPS
        if spread_bps[i] < 0.0:
            reason[i] = _CROSSED
        elif not age_s[i] <= max_age_s:
            reason[i] = _STALE
        elif spread_bps[i] > max_spread_bps:
            reason[i] = _TOO_WIDE
        else:
            reason[i] = _OK
