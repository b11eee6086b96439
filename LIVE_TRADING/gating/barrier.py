"""Barrier gate: less size, or no entry, where the price is likely to turn at once."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import CodeArray, FloatArray, GateResult

_OK, _BLOCK = np.int16(Reason.OK), np.int16(Reason.BARRIER_BLOCK)
_GATE_OFF = int(Reason.GATE_OFF)


class BarrierGateConfig(FrozenConfig):
    """Parameters of the barrier gate. `enabled: false` is the named neutral: factor 1, nothing blocked."""

    enabled: bool = Field(True, description="false: factor 1, nothing blocked")
    g_min: float = Field(0.2, gt=0.0, le=1.0, description="smallest size factor")
    gamma: float = Field(1.0, ge=0.0, le=10.0, description="γ: weight of the probability against the position")
    delta: float = Field(0.5, ge=0.0, le=10.0, description="δ: weight of the probability in its favour")
    block_p: float = Field(0.6, gt=0.0, le=1.0, description="no entry above this probability against it")


class BarrierGate:
    """g = clip((1 − p_against)^γ · (1 + p_favour)^δ, g_min, 1); p_against > block_p blocks.

    p_against    probability of a peak for a long, of a valley for a short
    p_favour     the other one

    This is (1 − p_peak)^γ (0.5 + 0.5 p_valley)^δ relative to its value without information, p = 0. Without
    classifiers the gate is off and says so. Where they exist but give a symbol no probability (NaN, or none in [0,
    1]), that symbol is not judged: no entry, size left alone.
    """

    def __init__(self, config: BarrierGateConfig) -> None:
        self._config = config

    def judge(self, side: CodeArray, p_peak: FloatArray | None, p_valley: FloatArray | None) -> GateResult:
        """Return the verdict (N,) on positions wanted on `side` (−1, 0, +1); side 0 is not judged."""
        n_symbols = side.size
        if not self._config.enabled or p_peak is None or p_valley is None:
            everyone = np.ones(n_symbols, dtype=np.bool_)
            return GateResult(everyone, np.ones(n_symbols), np.full(n_symbols, _GATE_OFF, dtype=np.int16))
        wanted = side != 0
        judged = wanted & (p_peak >= 0.0) & (p_peak <= 1.0) & (p_valley >= 0.0) & (p_valley <= 1.0)
        long = side > 0
        against = np.where(judged, np.where(long, p_peak, p_valley), 0.0)
        favour = np.where(judged, np.where(long, p_valley, p_peak), 0.0)
        raw = (1.0 - against) ** self._config.gamma * (1.0 + favour) ** self._config.delta
        factor = np.minimum(np.maximum(raw, self._config.g_min), 1.0)
        blocked = (against > self._config.block_p) | (wanted & ~judged)
        reason = np.where(blocked, _BLOCK, _OK)
        return GateResult(~blocked, factor, reason)
