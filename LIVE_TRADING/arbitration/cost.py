"""What a round trip is believed to cost. A belief: the simulated exchange charges by parameters of its own."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.types import FloatArray

_GIVEN = "Array(float64, 1, 'C', readonly=True)"


class CostModelConfig(FrozenConfig):
    """Parameters of the cost belief. `enabled: false` is the named neutral: cost 0, and nothing blocks."""

    enabled: bool = Field(True, description="false: every trade is believed to be free")
    k1_spread: float = Field(1.0, ge=0.0, le=10.0, description="k1: share of the quoted spread a round trip pays")
    k2_timing: float = Field(0.15, ge=0.0, le=10.0, description="k2: price of the risk while an order works")
    k3_impact: float = Field(0.7, ge=0.0, le=10.0, description="k3: square-root market impact, one side")
    exec_minutes: float = Field(1.0, ge=0.0, le=1440.0, description="minutes an order works")
    session_minutes: float | None = Field(None, gt=0.0, le=1440.0, description="minutes of a session; none: as traded")
    fee_bps_per_side: float = Field(0.5, ge=0.0, le=1000.0, description="commission and fees of one side, bps")


class CostModel:
    """cost = k1·spread + k2·σ_day·√(exec_minutes/session_minutes) + 2·k3·σ_day·√(q/ADV) + 2·fee, bps of a round trip.

    spread    quoted, bps of mid; two sides pay half of it each
    σ_day     volatility of a session, bps
    q, ADV    USD of the planned trade and of a day's volume
    √(q/ADV)  the square-root law of market impact (Barra 1997; Tóth et al. 2011), paid on both sides

    A spread, ADV or σ that is missing (NaN, negative spread, ADV or σ not positive) makes the cost NaN, which blocks
    the trade: a gap in the data never makes a trade free.
    """

    def __init__(self, config: CostModelConfig, session_minutes: float) -> None:
        """`session_minutes` is that of the calendar (390, crypto 1,440); the configuration's wins where it is given."""
        minutes = session_minutes if config.session_minutes is None else config.session_minutes
        self._enabled = config.enabled
        self._k1 = config.k1_spread
        self._timing = config.k2_timing * math.sqrt(config.exec_minutes / minutes)
        self._impact = 2.0 * config.k3_impact
        self._fees_bps = 2.0 * config.fee_bps_per_side

    def round_trip_bps(
        self, spread_bps: FloatArray, sigma_day_bps: FloatArray, adv_usd: FloatArray, trade_usd: float
    ) -> FloatArray:
        """Return the cost (N,) of a round trip of `trade_usd` in each symbol; NaN: unknown."""
        if not self._enabled:
            return np.zeros(spread_bps.shape)
        if not 0.0 <= trade_usd < math.inf:
            return np.full(spread_bps.shape, np.nan)
        cost_bps = np.empty(spread_bps.shape)
        round_trip(
            np.ascontiguousarray(spread_bps),
            np.ascontiguousarray(sigma_day_bps),
            np.ascontiguousarray(adv_usd),
            trade_usd,
            self._k1,
            self._timing,
            self._impact,
            self._fees_bps,
            cost_bps,
        )
        return cost_bps

    def parts_bps(self, cost_bps: float, spread_bps: float) -> tuple[float, float, float]:
        """Return the spread, the timing risk and impact, and the fees in one cost that `round_trip_bps` gave, bps."""
        if not self._enabled:
            return 0.0, 0.0, 0.0
        spread = self._k1 * spread_bps
        return spread, cost_bps - spread - self._fees_bps, self._fees_bps


@kernel(f"void({_GIVEN}, {_GIVEN}, {_GIVEN}, float64, float64, float64, float64, float64, float64[::1])")
def round_trip(
    spread_bps: FloatArray,
    sigma_day_bps: FloatArray,
    adv_usd: FloatArray,
    trade_usd: float,
    k1: float,
    timing: float,
    impact: float,
    fees_bps: float,
    out: FloatArray,
) -> None:
    """Write k1·spread + σ_day·(timing + impact·√(q/ADV)) + fees (N,), bps; NaN where spread, σ or ADV is unknown."""
    for i in range(len(out)):
        if spread_bps[i] >= 0.0 and sigma_day_bps[i] > 0.0 and adv_usd[i] > 0.0:
            risk = timing + impact * np.sqrt(trade_usd / adv_usd[i])
            out[i] = k1 * spread_bps[i] + sigma_day_bps[i] * risk + fees_bps
        else:
            out[i] = np.nan
