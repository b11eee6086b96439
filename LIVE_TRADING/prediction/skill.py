"""What past forecasts were worth: matured against realised returns as the bars come in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.exact_sums import bounded_sum
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.types import BarBatch, FloatArray
from LIVE_TRADING.common.units import BPS
from LIVE_TRADING.prediction.pending import PendingForecast, placed, with_entry
from LIVE_TRADING.prediction.skill_state import SkillFigures, SkillState
from LIVE_TRADING.prediction.spearman import spearman

IC_SUM, IC_COUNT, SQUARES, SQUARES_COUNT = range(4)


class SkillConfig(FrozenConfig):
    """Constants of the skill tracker."""

    window_sessions: int = Field(10, ge=1, le=250, description="sessions before today in the live figures")
    min_symbols: int = Field(10, ge=2, description="least cross-section for a rank correlation; fewer: pooled")
    clip: float = Field(4.0, gt=0, le=100, description="bound of forecast and outcome, in σ_h, in the RMSE")


class SkillTracker:
    """IC, RMSE and forecast covariance over the ten sessions before today.

    Outcome of a forecast made at the end of bar t: r = close(t+h)/open(t+1) − 1 within the session (without nights,
    across days), for 1d from open(t+1) to the close of the same slot of the next session, in units of σ_h as of t.

    IC    mean over matured cross-sections of Spearman's correlation of z and r/σ_h over the symbols
    RMSE  of r̂ (less its mean over the symbols) against r/σ_h, both clipped at ±4, over all matured values
    Σ     mean of z zᵀ over symbols and cycles; a symbol without a view of one of two families is left out of that term

    A cross-section of fewer than 10 pairs, or without variation, is not counted. In a universe of fewer than 10 symbols
    the IC is one Spearman correlation over all pairs of the window, computed once per session. A slot without a
    forecast (skipped or aborted cycle), a missing bar, or a bar that never came leaves out what it touches and nothing
    else.
    """

    def __init__(
        self,
        config: SkillConfig,
        horizons: tuple[Horizon, ...],
        n_families: int,
        n_symbols: int,
        bars_per_session: int,
        *,
        z_max: float,
        overnight: bool = True,
    ) -> None:
        self._config = config
        self._horizons = horizons
        self._shape = (len(horizons), n_families, n_symbols)
        self._bars = bars_per_session
        self._overnight = overnight
        self._product_bound = z_max * z_max
        self._pooled = n_symbols < config.min_symbols
        self._daily_row = next((row for row, horizon in enumerate(horizons) if horizon.is_daily), -1)
        self._ring = max(1, *(horizon.bars for horizon in horizons))
        self._overlap = np.array([[float(horizon.bars or bars_per_session)] for horizon in horizons])
        self._no_entry = np.full(n_symbols, np.nan)

    def initial(self) -> SkillState:
        """Return the memory before the first forecast."""
        n_horizons, n_families, n_symbols = self._shape
        n_sessions = self._config.window_sessions
        tally = np.zeros((4, n_horizons, n_families))
        products = np.zeros((2, n_horizons, n_families, n_families))
        no_pairs = np.empty((0, n_horizons, n_families + 1, n_symbols))
        return SkillState(
            bar=-1,
            slot=-1,
            bar_session=-1,
            ended=0,
            session=-1,
            intraday=(None,) * self._ring,
            daily=(None,) * self._bars,
            today=tally,
            sessions=np.zeros((n_sessions, *tally.shape)),
            closed=tally,
            today_products=products,
            session_products=np.zeros((n_sessions, *products.shape)),
            covariance=np.full(products.shape[1:], np.nan),
            live=self._figures(tally, np.full(tally.shape[1:], np.nan)),
            today_pairs=(),
            session_pairs=(no_pairs,) * n_sessions if self._pooled else (),
        )

    def without_evidence(self, state: SkillState) -> SkillState:
        """Return the memory with its forecast covariance alone: no IC, no RMSE, no forecast that waits."""
        return replace(
            self.initial(),
            today_products=state.today_products,
            session_products=state.session_products,
            covariance=state.covariance,
        )

    def open_session(self, state: SkillState, session: int | None = None) -> SkillState:
        """Return the memory at the start of a session: today joins the window, live figures and Σ are renewed.

        `session` is its number in the calendar; where it is given, 1d forecasts do not mature across a gap.
        """
        today = self._tally_of_today(state)
        sessions = np.concatenate((state.sessions[1:], today[None]))
        products = np.concatenate((state.session_products[1:], state.today_products[None]))
        window, window_products = sessions.sum(axis=0), products.sum(axis=0)
        pairs = (*state.session_pairs[1:], self._stacked(state.today_pairs)) if self._pooled else ()
        ic = self._pooled_ic(np.concatenate(pairs)) if self._pooled else _ratio(window[IC_SUM], window[IC_COUNT])
        return replace(
            state,
            session=state.session + 1 if session is None else session,
            today=np.zeros_like(today),
            sessions=sessions,
            closed=state.closed + today,
            today_products=np.zeros_like(state.today_products),
            session_products=products,
            covariance=_ratio(window_products[0], window_products[1]),
            live=self._figures(window, ic),
            today_pairs=(),
            session_pairs=pairs,
        )

    def mature(self, state: SkillState, bars: BarBatch, slot: int, n_bars_session: int) -> SkillState:
        """Return the memory after the bars of one bar end: forecasts whose horizon ends here are scored."""
        state = self._with_bar(state, bars, slot, n_bars_session)
        due = self._due(state)
        if not due:
            return state
        rows = [row for row, _, _ in due]
        z = np.stack([forecast.z[of] for _, forecast, of in due])
        relative = np.stack([forecast.relative[of] for _, forecast, of in due])
        sigma_bps = np.stack([forecast.sigma_bps[of] for _, forecast, of in due])
        entry = np.stack([forecast.entry for _, forecast, _ in due])
        known_sigma_bps = np.where(sigma_bps > 0, sigma_bps, np.nan)
        return self._scored(state, rows, z, relative, (bars.close / entry - 1.0) * BPS / known_sigma_bps)

    def observe(
        self, state: SkillState, z: FloatArray, relative: FloatArray, sigma_bps: FloatArray, slot: int
    ) -> SkillState:
        """Return the memory with the forecast made at the end of bar `slot` in it.

        One that is delivered after the next bar has come counts in Σ and is not scored: its entry is past.
        """
        products = self._with_products(state.today_products, z)
        if slot != state.slot or state.bar_session != state.session:
            return replace(state, today_products=products)
        made = PendingForecast(state.bar, state.session, z, relative, sigma_bps, self._no_entry)
        daily = state.daily
        if self._daily_row >= 0:
            row = slice(self._daily_row, self._daily_row + 1)
            # copies: a view would keep the arrays of all horizons alive for a whole session
            own = replace(made, z=z[row].copy(), relative=relative[row].copy(), sigma_bps=sigma_bps[row].copy())
            daily = placed(daily, slot, own)
        intraday = placed(state.intraday, state.bar % self._ring, made)
        return replace(state, today_products=products, intraday=intraday, daily=daily)

    def lifetime(self, state: SkillState) -> SkillFigures:
        """Return the figures over all sessions since the memory began, today included.

        In a universe of fewer than 10 symbols the IC is the mean of the sessions' pooled correlations.
        """
        total = state.closed + self._tally_of_today(state)
        return self._figures(total, _ratio(total[IC_SUM], total[IC_COUNT]))

    def _with_bar(self, state: SkillState, bars: BarBatch, slot: int, n_bars_session: int) -> SkillState:
        """Take note of the bar; its open is the entry of the forecast of the bar just before."""
        in_session = state.bar_session == state.session and slot == state.slot + 1
        over_night = state.bar_session == state.session - 1 and state.ended == 1 and slot == 0
        intraday, daily = state.intraday, state.daily
        if state.bar >= 0 and (in_session or over_night):
            intraday = with_entry(intraday, state.bar % self._ring, state.bar, bars.open)
            daily = with_entry(daily, state.slot, state.bar, bars.open)
        return replace(
            state,
            bar=bars.bar_end_ns // bars.interval_ns,
            slot=slot,
            bar_session=state.session,
            ended=int(slot == n_bars_session - 1),
            intraday=intraday,
            daily=daily,
        )

    def _due(self, state: SkillState) -> list[tuple[int, PendingForecast, int]]:
        """Return what matures at the newest bar: row of the horizon, forecast, row within the forecast."""
        due = []
        for row, horizon in enumerate(self._horizons):
            if horizon.is_daily:
                daily = state.daily[state.slot]
                if daily is not None and daily.session == state.session - 1:
                    due.append((row, daily, 0))
                continue
            made_at = state.bar - horizon.bars
            made = state.intraday[made_at % self._ring]
            if made is not None and made.bar == made_at and (made.session == state.session or not self._overnight):
                due.append((row, made, row))
        return due

    def _scored(
        self, state: SkillState, rows: list[int], z: FloatArray, relative: FloatArray, outcome: FloatArray
    ) -> SkillState:
        """Add matured rows: z and relative (R, M, N), outcome (R, N)."""
        today = state.today.copy()
        pairs = state.today_pairs
        correlation, n_pairs = spearman(z, outcome)
        if self._pooled:
            of_bar = np.full((len(self._horizons), z.shape[1] + 1, z.shape[2]), np.nan)
            of_bar[rows] = np.concatenate((z, outcome[:, None, :]), axis=1)
            pairs = (*pairs, of_bar)
            today[IC_COUNT, rows] += n_pairs > 0
        else:
            counted = (n_pairs >= self._config.min_symbols) & np.isfinite(correlation)
            today[IC_SUM, rows] += np.where(counted, correlation, 0.0)
            today[IC_COUNT, rows] += counted
        squares, n_squares = self._squares(relative, outcome)
        today[SQUARES, rows] += squares
        today[SQUARES_COUNT, rows] += n_squares
        return replace(state, today=today, today_pairs=pairs)

    def _squares(self, relative: FloatArray, outcome: FloatArray) -> tuple[FloatArray, FloatArray]:
        clip = self._config.clip
        error = np.clip(relative, -clip, clip) - np.clip(outcome, -clip, clip)[:, None, :]
        known = np.isfinite(error)
        return bounded_sum(np.where(known, np.square(error), 0.0), 4.0 * clip * clip), known.sum(axis=-1)

    def _with_products(self, products: FloatArray, z: FloatArray) -> FloatArray:
        """Return sum and number of z zᵀ with one more cycle's z (H, M, N)."""
        known = np.isfinite(z)
        if not known.any():
            return products
        counts = known.astype(np.float64)
        filled = z if known.all() else np.where(known, z, 0.0)
        terms = bounded_sum(filled[:, :, None, :] * filled[:, None, :, :], self._product_bound)
        return products + np.stack((terms, counts @ counts.transpose(0, 2, 1)))

    def _tally_of_today(self, state: SkillState) -> FloatArray:
        """Return today's tally; with pooling the correlation of today's pairs stands for each of its bars."""
        if not self._pooled:
            return state.today
        today = state.today.copy()
        today[IC_SUM] = np.nan_to_num(self._pooled_ic(self._stacked(state.today_pairs))) * today[IC_COUNT]
        return today

    def _stacked(self, pairs: tuple[FloatArray, ...]) -> FloatArray:
        n_horizons, n_families, n_symbols = self._shape
        return np.stack(pairs) if pairs else np.empty((0, n_horizons, n_families + 1, n_symbols))

    def _pooled_ic(self, pairs: FloatArray) -> FloatArray:
        """Return the correlation (H, M) over all bars and symbols of `pairs` (bars, H, M + 1, N)."""
        n_horizons, n_rows = pairs.shape[1:3]
        flat = pairs.transpose(1, 2, 0, 3).reshape(n_horizons, n_rows, -1)
        return spearman(flat[:, :-1], flat[:, -1])[0]

    def _figures(self, tally: FloatArray, ic: FloatArray) -> SkillFigures:
        return SkillFigures(
            ic=ic,
            n_effective=tally[IC_COUNT] / self._overlap,
            rmse=np.sqrt(_ratio(tally[SQUARES], tally[SQUARES_COUNT])),
            n_matured=tally[SQUARES_COUNT],
        )


def _ratio(total: FloatArray, count: FloatArray) -> FloatArray:
    """Return total/count, NaN where nothing was counted."""
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
