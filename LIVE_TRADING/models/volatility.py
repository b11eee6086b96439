"""Volatility per symbol and horizon: a fast and a slow estimate, times the shape of the day."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.array_record import ArrayRecord
from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.exact_sums import bounded_sum
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.types import BarBatch, BoolArray, FloatArray, IntArray
from LIVE_TRADING.common.units import BPS


class VolatilityConfig(FrozenConfig):
    """Constants of the volatility model."""

    session_decay: float = Field(0.94, gt=0, lt=1, description="decay per session of V and U")
    profile_decay: float = Field(0.95, gt=0, lt=1, description="decay per session of the intraday profile")
    profile_clip: float = Field(25.0, gt=1, description="largest r²/σ̄² that one symbol adds to the profile")
    overnight_winsor: float = Field(25.0, gt=1, description="a squared overnight return counts at most this times U")
    fast_share_frac: float = Field(0.5, ge=0, le=1, description="share of the bar-by-bar estimate in σ_bar²")
    floor_frac: float = Field(0.3, ge=0, le=1, description="least profile mass of h bars, as a share of h")
    profile_floor: float = Field(0.05, ge=0, lt=1, description="least value of the profile before it is renormalised")
    min_session_frac: float = Field(0.3, gt=0, le=1, description="least observed share of a session for V to move")


@dataclass(frozen=True, slots=True, eq=False)
class VolatilityState(ArrayRecord):
    """Memory of the volatility model. N symbols, B bars of a regular session; variances are of plain returns.

    An estimate whose weight is 0 does not exist yet.
    """

    fast: FloatArray  # (N,) EWMA of r²/s, variance of a bar
    fast_weight: FloatArray
    realised: FloatArray  # (N,) V, variance of a session without its night
    realised_weight: FloatArray
    overnight: FloatArray  # (N,) U
    overnight_weight: FloatArray
    profile: FloatArray  # (B,) s, mean 1
    profile_sums: FloatArray  # (B + 1,) sum of s over the first bars
    session_variance: FloatArray  # (N,) sum of r² of the session under way
    session_mass: FloatArray  # (N,) sum of s over the bars that those returns span
    session_profile: FloatArray  # (B,) mean over symbols of clipped r²/σ̄² in the session under way, NaN: not seen
    session_bars: int  # bars of the session under way, 0 before the first session
    last_close: FloatArray  # (N,) newest close, NaN: none
    last_slot: IntArray  # (N,) slot of that close in the session under way, -1: no bar yet in it


class VolatilityModel:
    """σ_h² = σ_bar² · max(Σ s over the h bars ahead, 0.3·h);  σ_1d² = B·σ_bar² + U = σ_day².

    σ_bar² = ½·EWMA_{span B}(r²/s) + ½·V/B
    r      return of a bar within its session: close on close, for a symbol's first bar of a session close on open
    s      profile of variance by bar of the session, mean 1: starts at 1; after each session s ← 0.95·s + 0.05·x,
           renormalised, x the mean over symbols of min(r²/σ̄², 25), σ̄² = V/B of that symbol before the session
    V      EWMA(0.94) over sessions of realised variance Σ r²
    U      EWMA(0.94) over nights of (open/last close − 1)², each at most 25·U; 0 without nights
    B      bars of a regular session

    EWMAs are debiased: weights sum to one from the first value on, so that a young estimate is not drawn to zero.

    Choices where the formula is silent. A missing bar leaves everything as it is; the next return is from the last
    close of the session and counts as the variance of all the bars it spans (r² over the sum of their s). A session's
    Σ r² is scaled by B/(Σ s over the observed bars): half days and sessions with missing bars count as if they had been
    whole; with less than 30 % of B observed, V holds. The profile learns from sessions of regular length and returns of
    a single bar: the last bars of a half day are a close, not a noon; a slot in which nothing ever moves keeps 5 %, or
    its first move would be taken for a crash. The winsor needs a positive U. Bars ahead that lie beyond the end of the
    session do not exist where nights do (the floor remains); without nights the profile wraps. V, and with it every σ,
    is NaN until the second session begins.
    """

    def __init__(self, config: VolatilityConfig, bars_per_session: int, overnight: bool = True) -> None:
        self._config = config
        self._bars = bars_per_session
        self._overnight = overnight
        self._fast_decay = 1.0 - 2.0 / (bars_per_session + 1.0)

    def initial(self, n_symbols: int) -> VolatilityState:
        """Return the memory before the first bar."""
        zeros = np.zeros(n_symbols)
        return VolatilityState(
            fast=zeros,
            fast_weight=zeros,
            realised=zeros,
            realised_weight=zeros,
            overnight=zeros,
            overnight_weight=zeros,
            profile=np.ones(self._bars),
            profile_sums=np.arange(self._bars + 1.0),
            session_variance=zeros,
            session_mass=zeros,
            session_profile=np.full(self._bars, np.nan),
            session_bars=0,
            last_close=np.full(n_symbols, np.nan),
            last_slot=np.full(n_symbols, -1, dtype=np.int64),
        )

    def advance(
        self, state: VolatilityState, bars: BarBatch, slot: int, n_bars_session: int, first_of_session: bool
    ) -> VolatilityState:
        """Return the memory after the bars of one bar end.

        Parameters
        ----------
        bars
            Arrays (N,); NaN close: no bar.
        slot, n_bars_session
            Number of the bar within its session, from 0, and how many bars this session has.
        first_of_session
            Whether this is the first batch of a session that is seen; it closes the session before.
        """
        if first_of_session:
            state = self._close_session(state, n_bars_session)
        opening = state.last_slot < 0
        squared = np.square(bars.close / np.where(opening, bars.open, state.last_close) - 1.0)
        has_bar = np.isfinite(squared)
        mass, spans_gap = self._mass(state, slot, opening)
        session_profile = self._observe_profile(state, slot, squared, has_bar & ~spans_gap)
        fast, fast_weight = _ewma(state.fast, state.fast_weight, squared / mass, self._fast_decay, has_bar)
        overnight, overnight_weight = self._observe_night(state, bars.open, opening & has_bar)
        return VolatilityState(
            fast=fast,
            fast_weight=fast_weight,
            realised=state.realised,
            realised_weight=state.realised_weight,
            overnight=overnight,
            overnight_weight=overnight_weight,
            profile=state.profile,
            profile_sums=state.profile_sums,
            session_variance=np.where(has_bar, state.session_variance + squared, state.session_variance),
            session_mass=np.where(has_bar, state.session_mass + mass, state.session_mass),
            session_profile=session_profile,
            session_bars=state.session_bars,
            last_close=np.where(has_bar, bars.close, state.last_close),
            last_slot=np.where(has_bar, slot, state.last_slot),
        )

    def sigma_bps(
        self, state: VolatilityState, slot: int, n_bars_session: int, horizons: tuple[Horizon, ...]
    ) -> FloatArray:
        """Return volatility (H, N) in bps of returns over each horizon from the end of bar `slot`; NaN: unknown."""
        mass = self._mass_ahead(state, slot, n_bars_session, horizons)
        variance = mass[:, None] * self._bar_variance(state)
        for row, horizon in enumerate(horizons):
            if horizon.is_daily:
                variance[row] += self._night_variance(state)
        return np.sqrt(variance) * BPS

    def sigma_day_bps(self, state: VolatilityState) -> FloatArray:
        """Return the volatility (N,) in bps of a session with its night; NaN: unknown."""
        sigma: FloatArray = np.sqrt(self._bars * self._bar_variance(state) + self._night_variance(state)) * BPS
        return sigma

    def _bar_variance(self, state: VolatilityState) -> FloatArray:
        share = self._config.fast_share_frac
        variance = share * state.fast + (1.0 - share) / self._bars * state.realised
        known: FloatArray = np.where(state.realised_weight > 0, variance, np.nan)
        return known

    def _night_variance(self, state: VolatilityState) -> FloatArray:
        return np.where(state.overnight_weight > 0, state.overnight, np.nan) if self._overnight else state.overnight

    def _mass_ahead(
        self, state: VolatilityState, slot: int, n_bars_session: int, horizons: tuple[Horizon, ...]
    ) -> FloatArray:
        """Return (H,) Σ s over the bars of each horizon after `slot`, at least the floor; 1d: over a session."""
        sums, floor = state.profile_sums, self._config.floor_frac
        so_far = float(sums[slot + 1])
        mass = []
        for horizon in horizons:  # scalars: an array of six is slower
            if horizon.is_daily:
                mass.append(float(self._bars))
                continue
            days, end = 0, min(slot + 1 + horizon.bars, n_bars_session)
            if not self._overnight:
                days, end = divmod(slot + 1 + horizon.bars, self._bars)
            mass.append(max(days * float(sums[-1]) + float(sums[end]) - so_far, floor * horizon.bars))
        return np.array(mass)

    def _mass(self, state: VolatilityState, slot: int, opening: BoolArray) -> tuple[FloatArray, BoolArray]:
        """Return Σ s (N,) over the bars that a return ending now spans, and whether they are more than one."""
        spans_gap = ~opening & (state.last_slot != slot - 1)
        mass = np.full(opening.shape, state.profile[slot])
        if spans_gap.any():
            sums = state.profile_sums
            mass = np.where(spans_gap, sums[slot + 1] - sums[state.last_slot + 1], mass)
        return mass, spans_gap

    def _observe_profile(self, state: VolatilityState, slot: int, squared: FloatArray, usable: BoolArray) -> FloatArray:
        expected = state.realised / self._bars
        usable = usable & (expected > 0)
        if not usable.any():
            return state.session_profile
        clip = self._config.profile_clip
        ratio = np.minimum(squared[usable] / expected[usable], clip)
        session_profile = state.session_profile.copy()
        session_profile[slot] = bounded_sum(ratio, clip) / ratio.size
        return session_profile

    def _observe_night(
        self, state: VolatilityState, open_price: FloatArray, opening: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        if not self._overnight or not opening.any():
            return state.overnight, state.overnight_weight
        squared = np.square(open_price / state.last_close - 1.0)
        limit = np.where(state.overnight > 0, self._config.overnight_winsor * state.overnight, np.inf)
        usable = opening & np.isfinite(squared)
        return _ewma(
            state.overnight, state.overnight_weight, np.minimum(squared, limit), self._config.session_decay, usable
        )

    def _close_session(self, state: VolatilityState, n_bars_next: int) -> VolatilityState:
        """Return the memory at the start of a session of `n_bars_next` bars, the one before taken in."""
        observed = state.session_mass >= self._config.min_session_frac * self._bars
        scale = self._bars / np.where(observed, state.session_mass, 1.0)
        realised, realised_weight = _ewma(
            state.realised, state.realised_weight, state.session_variance * scale, self._config.session_decay, observed
        )
        profile = self._next_profile(state)
        zeros = np.zeros_like(state.session_variance)
        return replace(
            state,
            realised=realised,
            realised_weight=realised_weight,
            profile=profile,
            profile_sums=np.concatenate(([0.0], np.cumsum(profile))),
            session_variance=zeros,
            session_mass=zeros,
            session_profile=np.full(self._bars, np.nan),
            session_bars=n_bars_next,
            last_slot=np.full(state.last_slot.shape, -1, dtype=np.int64),
        )

    def _next_profile(self, state: VolatilityState) -> FloatArray:
        seen = np.isfinite(state.session_profile)
        if state.session_bars != self._bars or not seen.any():
            return state.profile
        decay = self._config.profile_decay
        moved = np.where(seen, decay * state.profile + (1.0 - decay) * state.session_profile, state.profile)
        moved = np.maximum(moved, self._config.profile_floor)
        renormalised: FloatArray = moved / moved.mean()
        return renormalised


def _ewma(
    mean: FloatArray, weight: FloatArray, value: FloatArray, decay: float, usable: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return the debiased EWMA and its weight after `value`; both hold where it is not usable.

    Weights decay^k over their sum; weight = Σ decay^k, so that the first value is taken whole.
    """
    grown = decay * weight + 1.0
    return np.where(usable, mean + (value - mean) / grown, mean), np.where(usable, grown, weight)
