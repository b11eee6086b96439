"""What past forecasts were worth: matured against realised returns as the bars come in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.exact_sums import grid_scale
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.types import BarBatch, FloatArray, IntArray
from LIVE_TRADING.common.units import BPS
from LIVE_TRADING.prediction.pending import PendingForecasts
from LIVE_TRADING.prediction.skill_state import SkillFigures, SkillState, SkillWindow
from LIVE_TRADING.prediction.spearman import rank_correlations, spearman

IC_SUM, IC_COUNT, SQUARES, SQUARES_COUNT = range(4)
_GIVEN = "Array(float64, 1, 'C', readonly=True)"  # from outside, which may not be written to


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
        self._shape = (len(horizons), n_families, n_symbols)
        self._pending = PendingForecasts(horizons, bars_per_session, overnight)
        self._product_scale = grid_scale(z_max * z_max, n_symbols)
        self._square_scale = grid_scale(4.0 * config.clip * config.clip, n_symbols)
        self._pooled = n_symbols < config.min_symbols
        self._overlap = np.array([[float(horizon.bars or bars_per_session)] for horizon in horizons])

    def initial(self) -> SkillState:
        """Return the memory before the first forecast."""
        n_horizons, n_families, _ = self._shape
        n_sessions = self._config.window_sessions
        tally = np.zeros((4, n_horizons, n_families))
        products = np.zeros((2, n_horizons, n_families, n_families))
        window = SkillWindow(
            tallies=np.zeros((n_sessions, *tally.shape)),
            closed=tally,
            products=np.zeros((n_sessions, *products.shape)),
            pairs=(self._stacked(()),) * n_sessions if self._pooled else (),
            live=self._figures(tally, np.full(tally.shape[1:], np.nan)),
            covariance=np.full(products.shape[1:], np.nan),
        )
        return SkillState(self._pending.initial(), tally, products, (), window)

    def without_evidence(self, state: SkillState) -> SkillState:
        """Return the memory with its forecast covariance alone: no IC, no RMSE, no forecast that waits."""
        empty = self.initial()
        window = replace(empty.window, products=state.window.products, covariance=state.window.covariance)
        return replace(empty, products=state.products, window=window)

    def open_session(self, state: SkillState, session: int | None = None) -> SkillState:
        """Return the memory at the start of a session: today joins the window, live figures and Σ are renewed.

        `session` is its number in the calendar; where it is given, 1d forecasts do not mature across a gap.
        """
        before, today = state.window, self._closing_tally(state)
        tallies = np.concatenate((before.tallies[1:], today[None]))
        products = np.concatenate((before.products[1:], state.products[None]))
        pairs = (*before.pairs[1:], self._stacked(state.pairs)) if self._pooled else ()
        total, (terms, n_terms) = tallies.sum(axis=0), products.sum(axis=0)
        ic = self._pooled_ic(np.concatenate(pairs)) if self._pooled else _ratio(total[IC_SUM], total[IC_COUNT])
        window = SkillWindow(
            tallies=tallies,
            closed=before.closed + today,
            products=products,
            pairs=pairs,
            live=self._figures(total, ic),
            covariance=_ratio(terms, n_terms),
        )
        pending = self._pending.open_session(state.pending, session)
        return SkillState(pending, np.zeros_like(today), np.zeros_like(state.products), (), window)

    def mature(self, state: SkillState, bars: BarBatch, slot: int, n_bars_session: int) -> SkillState:
        """Return the memory after the bars of one bar end: forecasts whose horizon ends here are scored."""
        pending = self._pending.after_bar(state.pending, bars, slot, n_bars_session)
        due = self._pending.due(pending)
        if not due:
            return SkillState(pending, state.tally, state.products, state.pairs, state.window)
        tally, (n_horizons, n_families, n_symbols) = state.tally.copy(), self._shape
        close = np.ascontiguousarray(bars.close)
        settled = np.empty((len(due), n_families + 1, n_symbols))
        for place, matured in enumerate(due):
            forecast, row = matured.forecast, matured.place
            settle(
                forecast.z[row],
                forecast.relative[row],
                forecast.sigma_bps[row],
                forecast.entry,
                close,
                self._config.clip,
                self._square_scale,
                settled[place],
                matured.row,
                tally,
            )
        rows = np.array([matured.row for matured in due])
        correlations = rank_correlations(settled)
        count_correlations(correlations, rows, 1 if self._pooled else self._config.min_symbols, self._pooled, tally)
        pairs = state.pairs
        if self._pooled:
            of_bar = np.full((n_horizons, n_families + 1, n_symbols), np.nan)
            of_bar[rows] = np.where(settled < np.inf, settled, np.nan)
            pairs = (*pairs, of_bar)
        return SkillState(pending, tally, state.products, pairs, state.window)

    def observe(
        self, state: SkillState, z: FloatArray, relative: FloatArray, sigma_bps: FloatArray, slot: int
    ) -> SkillState:
        """Return the memory with the forecast made at the end of bar `slot` in it.

        One that is delivered after the next bar has come counts in Σ and is not scored: its entry is past.
        """
        pending = self._pending.add(state.pending, z, relative, sigma_bps, slot)
        products = np.empty(state.products.shape)
        add_products(state.products, z, self._product_scale, products)
        return SkillState(pending, state.tally, products, state.pairs, state.window)

    def lifetime(self, state: SkillState) -> SkillFigures:
        """Return the figures over all sessions since the memory began, today included.

        In a universe of fewer than 10 symbols the IC is the mean of the sessions' pooled correlations.
        """
        total = state.window.closed + self._closing_tally(state)
        return self._figures(total, _ratio(total[IC_SUM], total[IC_COUNT]))

    def _closing_tally(self, state: SkillState) -> FloatArray:
        """Return today's tally; with pooling the correlation of today's pairs stands for each of its bars."""
        if not self._pooled:
            return state.tally
        tally = state.tally.copy()
        tally[IC_SUM] = np.nan_to_num(self._pooled_ic(self._stacked(state.pairs))) * tally[IC_COUNT]
        return tally

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


@kernel(
    f"void(float64[:, ::1], float64[:, ::1], {_GIVEN}, {_GIVEN}, {_GIVEN}, float64, float64, float64[:, ::1], int64, "
    "float64[:, :, ::1])"
)
def settle(
    z: FloatArray,
    relative: FloatArray,
    sigma_bps: FloatArray,
    entry: FloatArray,
    close: FloatArray,
    clip: float,
    scale: float,
    settled: FloatArray,
    row: int,
    tally: FloatArray,
) -> None:
    """Write what has become of one horizon's forecasts: z (M, N), and below it r/σ_h, infinite where it is unknown.

    r = close/entry − 1 and σ_h in bps, (N,). To the row's `tally` are added the squared errors of `relative` forecasts
    (M, N) against r/σ_h, both within ±clip, on the grid of `scale` (see `exact_sums`), and their number.
    """
    n_families, n = z.shape
    outcome = settled[n_families]
    for i in range(n):
        ratio = (close[i] / entry[i] - 1.0) * BPS / sigma_bps[i]
        outcome[i] = ratio if sigma_bps[i] > 0.0 and np.isfinite(ratio) else np.inf
    for m in range(n_families):
        on_grid, n_known = 0, 0
        for i in range(n):
            settled[m, i] = z[m, i] if np.isfinite(z[m, i]) else np.inf
            forecast, result = relative[m, i], outcome[i]
            if np.isfinite(forecast) and result < np.inf:
                error = min(max(forecast, -clip), clip) - min(max(result, -clip), clip)
                on_grid += int(np.rint(error * error * scale))
                n_known += 1
        tally[SQUARES, row, m] += on_grid / scale
        tally[SQUARES_COUNT, row, m] += n_known


@kernel("void(float64[:, :, ::1], int64[::1], int64, boolean, float64[:, :, ::1])")
def count_correlations(correlations: FloatArray, rows: IntArray, least: int, pooled: bool, tally: FloatArray) -> None:
    """Add to the tally of horizons `rows` (R,) what `rank_correlations` gave (2, R, M) for at least `least` pairs.

    Where pairs are pooled they are counted alone: their one correlation comes at the session's end.
    """
    for r in range(rows.shape[0]):
        for m in range(correlations.shape[2]):
            correlation, n_pairs = correlations[0, r, m], correlations[1, r, m]
            if n_pairs >= least and (pooled or correlation == correlation):
                tally[IC_COUNT, rows[r], m] += 1.0
                tally[IC_SUM, rows[r], m] += 0.0 if pooled else correlation


@kernel("void(float64[:, :, :, ::1], float64[:, :, ::1], float64, float64[:, :, :, ::1])")
def add_products(before: FloatArray, z: FloatArray, scale: float, out: FloatArray) -> None:
    """Write sum and number of z zᵀ (2, H, M, M) with one more cycle's z (H, M, N); on the grid of `scale`."""
    n_horizons, n_families, n = z.shape
    for h in range(n_horizons):
        for a in range(n_families):
            left = z[h, a]
            for b in range(a + 1):
                right = z[h, b]
                on_grid, n_known = 0, 0
                for i in range(n):
                    product = left[i] * right[i]
                    if product == product:
                        on_grid += int(np.rint(product * scale))
                        n_known += 1
                out[0, h, a, b] = out[0, h, b, a] = before[0, h, a, b] + on_grid / scale
                out[1, h, a, b] = out[1, h, b, a] = before[1, h, a, b] + n_known
