"""Average daily volume in USD, lagged: today's volume is never in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.array_record import ArrayRecord
from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.kernels import READ, kernel
from LIVE_TRADING.common.types import BarBatch, FloatArray


class AdvConfig(FrozenConfig):
    """Constants of the volume average."""

    window_sessions: int = Field(10, ge=1, le=250, description="completed sessions in the average")


@dataclass(frozen=True, slots=True, eq=False)
class AdvState(ArrayRecord):
    """Memory of the volume average. S completed sessions, oldest first; NaN: the symbol had no bar in that session."""

    sessions_usd: FloatArray  # (S, N)
    today_usd: FloatArray  # (N,) so far in the session under way, NaN: no bar yet
    mean_usd: FloatArray  # (N,) over `sessions_usd`


class AdvModel:
    """ADV = mean over the last ten completed sessions of Σ close · volume, in the quote currency taken as USD.

    A session in which a symbol had no bar is left out of its mean; half days count as they are; a bar without a volume
    counts as missing. NaN until one session with a bar is complete.
    """

    def __init__(self, config: AdvConfig | None = None) -> None:
        self._config = config or AdvConfig()

    def initial(self, n_symbols: int) -> AdvState:
        """Return the memory before the first bar."""
        unknown = np.full(n_symbols, np.nan)
        return AdvState(np.full((self._config.window_sessions, n_symbols), np.nan), unknown, unknown)

    def advance(self, state: AdvState, bars: BarBatch, first_of_session: bool) -> AdvState:
        """Return the memory after the bars of one bar end; the first batch of a session closes the one before."""
        if first_of_session:
            state = self._close_session(state)
        today_usd = np.empty(state.today_usd.size)
        close, volume = np.ascontiguousarray(bars.close), np.ascontiguousarray(bars.volume)
        add_traded(close, volume, state.today_usd, today_usd)
        return AdvState(state.sessions_usd, today_usd, state.mean_usd)

    def adv_usd(self, state: AdvState) -> FloatArray:
        """Return the average (N,) in USD; NaN: unknown."""
        return state.mean_usd

    def _close_session(self, state: AdvState) -> AdvState:
        sessions = np.concatenate((state.sessions_usd[1:], state.today_usd[None]))
        counted = np.isfinite(sessions)
        n_sessions = counted.sum(axis=0)
        total = np.where(counted, sessions, 0.0).sum(axis=0)
        mean = np.where(n_sessions > 0, total / np.maximum(n_sessions, 1), np.nan)
        return AdvState(sessions, np.full(state.today_usd.shape, np.nan), mean)


@kernel(f"void({READ}, {READ}, float64[::1], float64[::1])")
def add_traded(close: FloatArray, volume: FloatArray, before: FloatArray, after: FloatArray) -> None:
    """Write what has traded (N,) in USD with bars of known volume; NaN before: nothing yet."""
    for i in range(close.shape[0]):
        traded = close[i] * volume[i]
        if traded != traded:
            after[i] = before[i]
        else:
            after[i] = before[i] + traded if before[i] == before[i] else traded
