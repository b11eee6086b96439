"""Volume of a bar against the symbol's own level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.array_record import BlockRecord, Rows
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.types import FloatArray

ANCHOR, LEVEL, TREND, KNOWN = range(4)
_LEAST, _MOST = 1e-300, 1e300  # stand for zero and infinity under the logarithm; the clip does the rest
_LOG_MOST = 690.0  # just within the logarithms of both


@dataclass(frozen=True, slots=True, eq=False)
class VolumeState(BlockRecord):
    """Memory of the volume level, rows (N,); logarithms are relative to `anchor`."""

    block: FloatArray  # (4, N)
    anchor = Rows(ANCHOR)  # log volume of the first bar that traded, NaN: none yet
    level = Rows(LEVEL)  # slow average of log volume
    trend = Rows(TREND)  # fast average of the surprise
    n_known = Rows(KNOWN)  # bars with a known volume since the anchor, the anchor's included


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
        block = np.zeros((4, n_symbols))
        block[ANCHOR] = np.nan
        return VolumeState(block)

    def advance(self, state: VolumeState, volume: FloatArray, surprise: FloatArray, clipped: FloatArray) -> VolumeState:
        """Return the memory after bars of `volume` (N,), NaN where there is no bar or its volume is not known.

        Writes the surprise (N,), NaN where unknown, and the clipped log volume (N,) against the anchor: the level where
        volume is unknown, so that sums of it can run on.
        """
        safe = np.minimum(np.maximum(volume, _LEAST), _MOST)  # where a logarithm is finite; NaN stays NaN
        block = np.empty(state.block.shape)
        rows = (surprise, clipped)
        advance_volume(np.log(safe), state.block, self._level_factor, self._trend_factor, self._clip, block, *rows)
        return VolumeState(block)


@kernel("void(float64[::1], float64[:, ::1], float64, float64, float64, float64[:, ::1], float64[::1], float64[::1])")
def advance_volume(
    log_volume: FloatArray,
    before: FloatArray,
    level_factor: float,
    trend_factor: float,
    clip: float,
    after: FloatArray,
    surprise: FloatArray,
    clipped: FloatArray,
) -> None:
    """Write `VolumeState.block` after bars of `log_volume` (N,), NaN: unknown, and what `VolumeLevel.advance` gives."""
    after[:] = before
    for i in range(log_volume.shape[0]):
        level = before[LEVEL, i]
        u = log_volume[i] - before[ANCHOR, i] - level
        if u != u:
            surprise[i], clipped[i] = np.nan, level
            if before[ANCHOR, i] != before[ANCHOR, i] and abs(log_volume[i]) < _LOG_MOST:
                after[ANCHOR, i] = log_volume[i]
                after[KNOWN, i] = before[KNOWN, i] + 1.0
            continue
        u = min(max(u, -clip), clip)
        n_known = before[KNOWN, i] + 1.0
        surprise[i], clipped[i] = u, level + u
        after[LEVEL, i] = level + max(1.0 / n_known, level_factor) * u
        after[TREND, i] = before[TREND, i] + (u - before[TREND, i]) * trend_factor
        after[KNOWN, i] = n_known
