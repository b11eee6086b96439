"""Volume of a bar against the symbol's own level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.array_record import ArrayRecord
from LIVE_TRADING.common.types import FloatArray

_LEAST, _MOST = 1e-300, 1e300  # stand for zero and infinity under the logarithm; the clip does the rest
_LOG_MOST = 690.0  # just within the logarithms of both


@dataclass(frozen=True, slots=True, eq=False)
class VolumeState(ArrayRecord):
    """Memory of the volume level, arrays (N,); logarithms are relative to `anchor`."""

    anchor: FloatArray  # log volume of the first bar that traded, NaN: none yet
    level: FloatArray  # slow average of log volume
    trend: FloatArray  # fast average of the surprise
    n_known: FloatArray  # bars with a known volume since the anchor, the anchor's included


class VolumeLevel:
    """surprise u = clip(log V − level, ±clip), level before this bar; then level += a·u, trend += b·(u − trend).

    a = max(2/(span + 1), 1/n): the plain mean of the first bars, then an EWMA, so that no start value lingers. The
    trend starts at 0, the mean of a surprise. Zero volume is the lowest surprise, −clip. Unknown volume (NaN) and
    the very first one give NaN and leave the memory as it is. Scale-free: shares, coins or dollars give the same
    numbers.
    """

    def __init__(self, level_span: float, trend_span: int, clip: float) -> None:
        self._level_factor = 2.0 / (level_span + 1.0)
        self._trend_factor = 2.0 / (trend_span + 1.0)
        self._clip = clip

    def initial(self, n_symbols: int) -> VolumeState:
        """Return the memory before the first bar."""
        zeros = np.zeros(n_symbols)
        return VolumeState(np.full(n_symbols, np.nan), zeros, zeros, zeros)

    def advance(self, state: VolumeState, log_volume: FloatArray) -> tuple[VolumeState, FloatArray, FloatArray]:
        """Return the memory, the surprise (N,), NaN where unknown, and the clipped log volume (N,) against the anchor.

        `log_volume` (N,) is NaN where a symbol has no bar. The clipped log volume is the level where volume is unknown,
        so that sums of it can run on.
        """
        surprise = log_volume - state.anchor
        surprise -= state.level
        np.maximum(surprise, -self._clip, out=surprise)
        np.minimum(surprise, self._clip, out=surprise)
        unknown = np.isnan(surprise)
        some_unknown = bool(np.logical_or.reduce(unknown))
        step = np.where(unknown, 0.0, surprise) if some_unknown else surprise
        n_known = state.n_known + 1.0
        relative = state.level + step
        level = np.maximum(1.0 / n_known, self._level_factor)
        level *= step
        level += state.level
        trend = step - state.trend
        trend *= self._trend_factor
        trend += state.trend
        if not some_unknown:
            return VolumeState(state.anchor, level, trend, n_known), surprise, relative
        first = np.isnan(state.anchor) & (np.abs(log_volume) < _LOG_MOST)
        anchor = np.where(first, log_volume, state.anchor)
        np.copyto(trend, state.trend, where=unknown)
        np.copyto(n_known, state.n_known + first, where=unknown)
        return VolumeState(anchor, level, trend, n_known), surprise, relative


def safe_volume(volume: FloatArray) -> FloatArray:
    """Return volume with zero and infinity moved to where a logarithm is finite; NaN stays NaN."""
    safe: FloatArray = np.maximum(volume, _LEAST)
    return np.minimum(safe, _MOST, out=safe)
