"""Spread gate: no entry on a quote that is wide, old, crossed or not there."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import FloatArray, SpreadGateResult
from LIVE_TRADING.common.units import BPS

# Plain integers: numpy takes several times longer over an enum member.
_OK, _GATE_OFF = int(Reason.OK), int(Reason.GATE_OFF)
_MISSING, _CROSSED = int(Reason.QUOTE_MISSING), int(Reason.QUOTE_CROSSED)
_STALE, _TOO_WIDE = int(Reason.QUOTE_STALE), int(Reason.SPREAD_TOO_WIDE)


class SpreadGateConfig(FrozenConfig):
    """Limits of the spread gate. `enabled: false` is the named neutral: every quote passes."""

    enabled: bool = Field(True, description="false: every quote passes")
    max_spread_bps: float = Field(12.0, gt=0.0, le=10_000.0, description="widest spread, bps of mid, inclusive")
    max_quote_age_s: float | None = Field(
        None, gt=0.0, le=86_400.0, description="oldest quote, seconds, inclusive; none: one bar interval"
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
        quoted = (np.minimum(bid, ask) > 0.0) & (np.maximum(bid, ask) < np.inf)
        good_bid = np.where(quoted, bid, np.nan)
        spread_bps = (ask - good_bid) / (0.5 * (ask + good_bid)) * BPS
        if not self._config.enabled:
            off = np.full(bid.size, _GATE_OFF, dtype=np.int16)
            return SpreadGateResult(spread_bps, quote_age_s, np.ones(bid.size, dtype=np.bool_), off)
        reason = np.full(bid.size, _OK, dtype=np.int16)
        reason[spread_bps > self._config.max_spread_bps] = _TOO_WIDE
        reason[~(quote_age_s <= self._max_age_s)] = _STALE
        reason[spread_bps < 0.0] = _CROSSED
        reason[~quoted] = _MISSING
        return SpreadGateResult(spread_bps, quote_age_s, reason == _OK, reason)
