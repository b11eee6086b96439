"""Volatility per symbol and horizon: a fast and a slow estimate, times the shape of the day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.array_record import BlockRecord, Rows
from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.exact_sums import bounded_sum
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.kernels import READ, kernel
from LIVE_TRADING.common.types import BarBatch, BoolArray, FloatArray, IntArray
from LIVE_TRADING.common.units import BPS

FAST, FAST_WEIGHT, REALISED, REALISED_WEIGHT, NIGHT, NIGHT_WEIGHT, VARIANCE, MASS, CLOSE = range(9)


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
class VolatilityState(BlockRecord):
    """Memory of the volatility model. N symbols, B bars of a regular session; variances are of plain returns.

    An estimate whose weight is 0 does not exist yet.
    """

    block: FloatArray  # (9, N)
    last_slot: IntArray  # (N,) slot of the newest close in the session under way, -1: no bar yet in it
    profile: FloatArray  # (B,) s, mean 1
    profile_sums: FloatArray  # (B + 1,) sum of s over the first bars
    session_profile: FloatArray  # (B,) mean over symbols of clipped r²/σ̄² in the session under way, NaN: not seen
    session_bars: int  # bars of the session under way, 0 before the first session
    fast = Rows(FAST)  # EWMA of r²/s, variance of a bar
    fast_weight = Rows(FAST_WEIGHT)
    realised = Rows(REALISED)  # V, variance of a session without its night
    realised_weight = Rows(REALISED_WEIGHT)
    overnight = Rows(NIGHT)  # U
    overnight_weight = Rows(NIGHT_WEIGHT)
    session_variance = Rows(VARIANCE)  # sum of r² of the session under way
    session_mass = Rows(MASS)  # sum of s over the bars that those returns span
    last_close = Rows(CLOSE)  # newest close, NaN: none


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
        share, fast_decay = config.fast_share_frac, 1.0 - 2.0 / (bars_per_session + 1.0)
        learning = (fast_decay, config.session_decay, config.overnight_winsor, config.profile_clip)
        self._constants = np.array([bars_per_session, overnight, share, *learning, config.floor_frac], dtype=float)

    def initial(self, n_symbols: int) -> VolatilityState:
        """Return the memory before the first bar."""
        block = np.zeros((9, n_symbols))
        block[CLOSE] = np.nan
        return VolatilityState(
            block,
            last_slot=np.full(n_symbols, -1, dtype=np.int64),
            profile=np.ones(self._bars),
            profile_sums=np.arange(self._bars + 1.0),
            session_profile=np.full(self._bars, np.nan),
            session_bars=0,
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
        self._check_slot(slot, n_bars_session)
        if first_of_session:
            state = self._close_session(state, n_bars_session)
        open_, close = np.ascontiguousarray(bars.open), np.ascontiguousarray(bars.close)
        block, last_slot = np.empty(state.block.shape), np.empty_like(state.last_slot)
        ratios = np.empty(last_slot.size)
        before = (state.block, state.last_slot, state.profile_sums, state.profile[slot])
        n_ratios = advance_variances(open_, close, *before, slot, self._constants, block, last_slot, ratios)
        session_profile = state.session_profile
        if n_ratios:
            clip = self._config.profile_clip
            session_profile = session_profile.copy()
            session_profile[slot] = bounded_sum(ratios[:n_ratios], clip) / n_ratios
        profile = (state.profile, state.profile_sums, session_profile, state.session_bars)
        return VolatilityState(block, last_slot, *profile)

    def sigma_bps(
        self, state: VolatilityState, slot: int, n_bars_session: int, horizons: tuple[Horizon, ...]
    ) -> FloatArray:
        """Return volatility (H, N) in bps of returns over each horizon from the end of bar `slot`; NaN: unknown."""
        return self.sigma_of_spans_bps(state, slot, n_bars_session, spans_of(horizons))[:-1]

    def sigma_day_bps(self, state: VolatilityState) -> FloatArray:
        """Return the volatility (N,) in bps of a session with its night; NaN: unknown."""
        sigma: FloatArray = self.sigma_of_spans_bps(state, 0, self._bars, spans_of(()))[0]
        return sigma

    def sigma_of_spans_bps(self, state: VolatilityState, slot: int, n_bars_session: int, spans: IntArray) -> FloatArray:
        """Return both, (H + 1, N), with the day last; `spans` is `spans_of` the horizons."""
        self._check_slot(slot, n_bars_session)
        sigma = np.empty((len(spans), state.last_slot.size))
        write_sigma(state.block, state.profile_sums, slot, n_bars_session, spans, self._constants, sigma)
        sigma *= BPS
        return sigma

    def _check_slot(self, slot: int, n_bars_session: int) -> None:
        if not 0 <= slot < n_bars_session <= self._bars:
            raise ValueError(f"bar {slot} of a session of {n_bars_session} bars; sessions here have {self._bars}")

    def _close_session(self, state: VolatilityState, n_bars_next: int) -> VolatilityState:
        """Return the memory at the start of a session of `n_bars_next` bars, the one before taken in."""
        observed = state.session_mass >= self._config.min_session_frac * self._bars
        scale = self._bars / np.where(observed, state.session_mass, 1.0)
        block = state.block.copy()
        block[REALISED], block[REALISED_WEIGHT] = _ewma(
            state.realised, state.realised_weight, state.session_variance * scale, self._config.session_decay, observed
        )
        block[VARIANCE] = block[MASS] = 0.0
        profile = self._next_profile(state)
        return VolatilityState(
            block,
            last_slot=np.full(state.last_slot.shape, -1, dtype=np.int64),
            profile=profile,
            profile_sums=np.concatenate(([0.0], np.cumsum(profile))),
            session_profile=np.full(self._bars, np.nan),
            session_bars=n_bars_next,
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


def spans_of(horizons: tuple[Horizon, ...]) -> IntArray:
    """Return the bars (H + 1,) of horizons, 0 for those that are held overnight, and a last 0: a session, its night."""
    return np.array([*(horizon.bars for horizon in horizons), 0], dtype=np.int64)


def _ewma(
    mean: FloatArray, weight: FloatArray, value: FloatArray, decay: float, usable: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return the debiased EWMA and its weight after `value`; both hold where it is not usable.

    Weights decay^k over their sum; weight = Σ decay^k, so that the first value is taken whole.
    """
    grown = decay * weight + 1.0
    return np.where(usable, mean + (value - mean) / grown, mean), np.where(usable, grown, weight)


@kernel(
    f"int64({READ}, {READ}, float64[:, ::1], int64[::1], float64[::1], float64, int64, float64[::1], float64[:, ::1], "
    "int64[::1], float64[::1])"
)
def advance_variances(
    open_: FloatArray,
    close: FloatArray,
    before: FloatArray,
    last_slot: IntArray,
    profile_sums: FloatArray,
    share: float,
    slot: int,
    constants: FloatArray,
    after: FloatArray,
    slots: IntArray,
    ratios: FloatArray,
) -> int:
    """Write `VolatilityState.block` and `last_slot` after bars (N,) in a slot whose share of the profile is `share`.

    Returns how many symbols the profile learns from; their clipped r²/σ̄² are the first of `ratios` (N,).
    """
    n_bars, overnight, fast_decay, night_decay = constants[0], constants[1], constants[3], constants[4]
    winsor, clip = constants[5], constants[6]
    n_ratios = 0
    after[:], slots[:] = before, last_slot
    for i in range(close.shape[0]):
        last, opening = before[CLOSE, i], last_slot[i] < 0
        squared = close[i] / (open_[i] if opening else last) - 1.0
        squared *= squared
        if squared - squared != 0.0:
            continue
        one_bar = opening or last_slot[i] == slot - 1
        mass = share if one_bar else profile_sums[slot + 1] - profile_sums[last_slot[i] + 1]
        after[FAST_WEIGHT, i] = fast_decay * before[FAST_WEIGHT, i] + 1.0
        after[FAST, i] = before[FAST, i] + (squared / mass - before[FAST, i]) / after[FAST_WEIGHT, i]
        after[VARIANCE, i] = before[VARIANCE, i] + squared
        after[MASS, i] = before[MASS, i] + mass
        after[CLOSE, i], slots[i] = close[i], slot
        expected = before[REALISED, i] / n_bars
        if one_bar and expected > 0.0:
            ratios[n_ratios] = min(squared / expected, clip)
            n_ratios += 1
        night = open_[i] / last - 1.0
        night *= night
        if opening and overnight != 0.0 and night - night == 0.0:
            usual = before[NIGHT, i]
            after[NIGHT_WEIGHT, i] = night_decay * before[NIGHT_WEIGHT, i] + 1.0
            night = min(night, winsor * usual) if usual > 0.0 else night
            after[NIGHT, i] = usual + (night - usual) / after[NIGHT_WEIGHT, i]
    return n_ratios


@kernel("void(float64[:, ::1], float64[::1], int64, int64, int64[::1], float64[::1], float64[:, ::1])")
def write_sigma(
    block: FloatArray,
    profile_sums: FloatArray,
    slot: int,
    n_bars_session: int,
    spans: IntArray,
    constants: FloatArray,
    sigma: FloatArray,
) -> None:
    """Write volatility (H, N) as a share of price over `spans` (H,) in bars after `slot`, 0: a session and its night.

    `block` is that of `VolatilityState`; the profile's mass ahead is at least the floor.
    """
    n_bars, overnight, fast_share, floor = constants[0], constants[1], constants[2], constants[7]
    n_slots = profile_sums.shape[0] - 1
    for h in range(spans.shape[0]):
        end = slot + 1 + spans[h]
        if overnight != 0.0:
            mass = profile_sums[min(end, n_bars_session)] - profile_sums[slot + 1]
        else:  # the profile wraps
            mass = end // n_slots * profile_sums[n_slots] + profile_sums[end % n_slots] - profile_sums[slot + 1]
        mass = n_bars if spans[h] == 0 else max(mass, floor * spans[h])
        for i in range(sigma.shape[1]):
            if block[REALISED_WEIGHT, i] > 0.0:
                of_bar = fast_share * block[FAST, i] + (1.0 - fast_share) / n_bars * block[REALISED, i]
            else:
                of_bar = np.nan
            night = block[NIGHT, i] if block[NIGHT_WEIGHT, i] > 0.0 or overnight == 0.0 else np.nan
            sigma[h, i] = np.sqrt(mass * of_bar + night if spans[h] == 0 else mass * of_bar)
