"""Raw forecasts to scores: relative to the universe, then to the symbol's own recent forecasts, or by rank alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.array_record import ArrayRecord
from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.exact_sums import scaled_sums
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.ranks import average_ranks
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.common.units import NS_PER_MINUTE

FORECAST_LIMIT = 1e100
SD_FLOOR = 1e-12  # spread that rounding alone leaves in a constant forecast of order one


class StandardizerConfig(FrozenConfig):
    """Constants of the standardiser."""

    standardize: Literal["zscore", "rank"] = Field(
        "zscore",
        description="how a raw forecast becomes a score; zscore: against the symbol's own recent forecasts; rank: by "
        "its place in the universe now",
    )
    window_sessions: int = Field(10, ge=1, le=250, description="sessions before today in the window")
    min_samples: int = Field(100, ge=2, description="least forecasts in the window; fewer: no view")
    z_max: float = Field(3.0, gt=0, le=10, description="largest score")
    min_symbols_to_demean: int = Field(
        10, ge=2, description="a smaller cross-section is not demeaned, nor ranked: no view"
    )


def check_interval(bars_per_session: int, interval_ns: int, config: StandardizerConfig | None = None) -> None:
    """Refuse a bar interval at which the window can never hold enough forecasts; ranks need no window.

    Raises
    ------
    ConfigurationError
        The sessions of the window hold fewer bars than `min_samples`.
    """
    config = config or StandardizerConfig()
    n_bars = config.window_sessions * bars_per_session
    if config.standardize == "zscore" and n_bars < config.min_samples:
        raise ConfigurationError(
            f"bars of {interval_ns / NS_PER_MINUTE:g} minutes: {config.window_sessions} sessions hold {n_bars}, "
            f"a z-score needs {config.min_samples}; use bars of a smaller interval"
        )


@dataclass(frozen=True, slots=True, eq=False)
class StandardizerState(ArrayRecord):
    """Forecasts seen, as count, mean and sum of squared deviations (M2); sessions oldest first.

    The window is the sessions before today. `window_sd` is NaN where it holds too few forecasts, and infinite where
    they do not vary (score 0).
    """

    session_counts: FloatArray  # (S, H, M, N)
    session_means: FloatArray
    session_m2: FloatArray
    today_count: FloatArray  # (H, M, N)
    today_mean: FloatArray
    today_m2: FloatArray
    window_mean: FloatArray  # (H, M, N)
    window_sd: FloatArray


class ZScoreStandardizer:
    """z = clip((x − mean)/sd, ±3),  x = r̂ − mean of r̂ over the symbols of the cycle.

    mean, sd   of x over the ten sessions before today, per horizon, family and symbol; sd with ddof 1
    z          0 where sd ≈ 0; NaN with fewer than 100 forecasts in the window, or none now

    Fewer than 10 symbols are not demeaned. Moments per session follow Welford (1962), their union Chan, Golub & LeVeque
    (1983), so that nothing cancels. Numbers do not depend on the order of the symbols.
    """

    def __init__(self, config: StandardizerConfig, n_horizons: int, n_families: int, n_symbols: int) -> None:
        self._config = config
        self._shape = (n_horizons, n_families, n_symbols)

    def initial(self) -> StandardizerState:
        """Return the memory before the first forecast."""
        sessions = np.zeros((self._config.window_sessions, *self._shape))
        today = np.zeros(self._shape)
        unknown = np.full(self._shape, np.nan)
        return StandardizerState(sessions, sessions, sessions, today, today, today, unknown, unknown)

    def open_session(self, state: StandardizerState) -> StandardizerState:
        """Return the memory at the start of a session: what was today joins the window, the oldest session leaves."""
        counts = np.concatenate((state.session_counts[1:], state.today_count[None]))
        means = np.concatenate((state.session_means[1:], state.today_mean[None]))
        m2 = np.concatenate((state.session_m2[1:], state.today_m2[None]))
        window_mean, window_sd = self._pool(counts, means, m2)
        today = np.zeros(self._shape)
        return StandardizerState(counts, means, m2, today, today, today, window_mean, window_sd)

    def relative(self, raw: FloatArray) -> FloatArray:
        """Return the forecasts (H, M, N) less their mean over the symbols; NaN where there is none.

        Infinity, and anything whose square is, is no forecast.
        """
        given = np.ascontiguousarray(raw, dtype=np.float64).reshape(-1, raw.shape[-1])
        sums, relative = np.empty((2, given.shape[0])), np.empty(raw.shape)
        scaled_sums(given, FORECAST_LIMIT, sums)
        demean(given, FORECAST_LIMIT, sums, self._config.min_symbols_to_demean, relative.reshape(given.shape))
        return relative

    def score(self, state: StandardizerState, relative: FloatArray) -> tuple[StandardizerState, FloatArray]:
        """Return the memory with today's forecasts in it, and z (H, M, N) of `relative` forecasts."""
        z = np.empty(relative.shape)
        z_scores(relative, state.window_mean, state.window_sd, self._config.z_max, z)
        return self._observe(state, relative), z

    def standardize(self, state: StandardizerState, raw: FloatArray) -> tuple[StandardizerState, FloatArray]:
        """Return the memory with today's forecasts in it, and z (H, M, N) of raw forecasts; NaN: no view."""
        return self.score(state, self.relative(raw))

    def _observe(self, state: StandardizerState, relative: FloatArray) -> StandardizerState:
        count, mean, m2 = today = np.empty((3, *self._shape))
        observe(relative, state.today_count, state.today_mean, state.today_m2, today)
        return StandardizerState(
            state.session_counts,
            state.session_means,
            state.session_m2,
            count,
            mean,
            m2,
            state.window_mean,
            state.window_sd,
        )

    def _pool(self, counts: FloatArray, means: FloatArray, m2: FloatArray) -> tuple[FloatArray, FloatArray]:
        n = counts.sum(axis=0)
        mean = (counts * means).sum(axis=0) / np.maximum(n, 1.0)
        squares = m2.sum(axis=0) + (counts * np.square(means - mean)).sum(axis=0)
        sd = np.sqrt(squares / np.maximum(n - 1.0, 1.0))
        sd = np.where(sd <= SD_FLOOR * (1.0 + np.abs(mean)), np.inf, sd)
        enough = n >= self._config.min_samples
        return np.where(enough, mean, np.nan), np.where(enough, sd, np.nan)


class RankStandardizer(ZScoreStandardizer):
    """z = clip(Φ⁻¹((rank − ½)/n), ±3) over the n symbols of the cycle that have a forecast.

    rank  from 1, least forecast first; ties share the mean of their ranks
    Φ⁻¹   quantile function of the standard normal

    Negated forecasts give exactly negated scores: (rank − ½)/n = ½ + d/2n with the integer d = 2·rank − n − 1, and the
    quantile is taken at ½ − |d|/2n alone. Fewer than 10 forecasts give no view. There is no window, hence no warm-up;
    the moments are kept all the same, so that the memory has one layout. These are van der Waerden's normal scores
    (1952) with Hazen's plotting position.
    """

    def __init__(self, config: StandardizerConfig, n_horizons: int, n_families: int, n_symbols: int) -> None:
        from scipy.special import ndtri

        super().__init__(config, n_horizons, n_families, n_symbols)
        self._ndtri = ndtri

    def score(self, state: StandardizerState, relative: FloatArray) -> tuple[StandardizerState, FloatArray]:
        """Return the memory with today's forecasts in it, and z (H, M, N) of `relative` forecasts."""
        ranks = average_ranks(relative)
        n = np.isfinite(ranks).sum(axis=-1, keepdims=True).astype(np.float64)
        n[n < self._config.min_symbols_to_demean] = np.nan
        distance = 2.0 * ranks - n - 1.0
        z: FloatArray = np.copysign(self._ndtri((n - np.abs(distance)) / (2.0 * n)), distance)
        z_max = self._config.z_max
        return self._observe(state, relative), np.clip(z, -z_max, z_max, out=z)


@kernel("void(Array(float64, 2, 'C', readonly=True), float64, float64[:, ::1], int64, float64[:, ::1])")
def demean(raw: FloatArray, limit: float, sums: FloatArray, least: int, out: FloatArray) -> None:
    """Write raw forecasts (R, N) less their mean along the row, NaN where one is not below `limit` in size.

    `sums` (2, R) as `scaled_sums` gives them; a row of fewer than `least` forecasts keeps its mean.
    """
    for r in range(raw.shape[0]):
        mean = sums[0, r] / sums[1, r] if sums[1, r] >= least else 0.0
        for i in range(raw.shape[1]):
            out[r, i] = raw[r, i] - mean if abs(raw[r, i]) < limit else np.nan


@kernel("void(float64[:, :, ::1], float64[:, :, ::1], float64[:, :, ::1], float64, float64[:, :, ::1])")
def z_scores(relative: FloatArray, mean: FloatArray, sd: FloatArray, z_max: float, out: FloatArray) -> None:
    """Write clip((x − mean)/sd, ±z_max) of forecasts x, all (H, M, N); NaN where one of the three is NaN."""
    for h in range(relative.shape[0]):
        for m in range(relative.shape[1]):
            x, about, by, score = relative[h, m], mean[h, m], sd[h, m], out[h, m]
            for i in range(x.shape[0]):
                z = (x[i] - about[i]) / by[i]
                z = z_max if z > z_max else z
                score[i] = -z_max if z < -z_max else z


@kernel("void(float64[:, :, ::1], float64[:, :, ::1], float64[:, :, ::1], float64[:, :, ::1], float64[:, :, :, ::1])")
def observe(relative: FloatArray, count: FloatArray, mean: FloatArray, m2: FloatArray, out: FloatArray) -> None:
    """Write count, mean and M2 (3, H, M, N) with one more forecast (H, M, N), after Welford; NaN changes nothing."""
    for h in range(relative.shape[0]):
        for m in range(relative.shape[1]):
            x, n, average, squares = relative[h, m], count[h, m], mean[h, m], m2[h, m]
            n_after, average_after, squares_after = out[0, h, m], out[1, h, m], out[2, h, m]
            for i in range(x.shape[0]):  # two loops: compilers give up where one touches many arrays
                more = n[i] + 1.0
                moved = average[i] + (x[i] - average[i]) / more
                n_after[i] = more if x[i] == x[i] else n[i]
                average_after[i] = moved if x[i] == x[i] else average[i]
            for i in range(x.shape[0]):
                square = (x[i] - average_after[i]) * (x[i] - average[i])
                squares_after[i] = squares[i] + square if x[i] == x[i] else squares[i]


def make_standardizer(
    config: StandardizerConfig, n_horizons: int, n_families: int, n_symbols: int
) -> ZScoreStandardizer:
    """Return the standardiser that the configuration names."""
    kind = RankStandardizer if config.standardize == "rank" else ZScoreStandardizer
    return kind(config, n_horizons, n_families, n_symbols)
