"""Spearman's rank correlation of several forecasts with one outcome, row by row."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.ranks import ascending_places
from LIVE_TRADING.common.types import FloatArray, IntArray


def spearman(forecasts: FloatArray, outcome: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return rank correlations (R, M) and the number of pairs (R, M) behind each.

    Parameters
    ----------
    forecasts
        Shape (R, M, N).
    outcome
        Shape (R, N). A pair counts where both values are finite.

    Returns
    -------
    Correlation of average ranks, as `scipy.stats.spearmanr` defines it; NaN with fewer than two pairs, or where one
    side is constant. Ranks about their mean are multiples of one half, so every sum is exact and does not depend on the
    order.
    """
    n_rows, n_families, n = forecasts.shape
    pairs = np.empty((n_rows, n_families + 1, n))
    pairs[:, :-1], pairs[:, -1] = forecasts, outcome
    pairs[~np.isfinite(pairs)] = np.inf
    rho, n_pairs = rank_correlations(pairs)
    return rho, n_pairs.astype(np.int64)


def rank_correlations(pairs: FloatArray) -> FloatArray:
    """Return (2, R, M) of what `spearman` returns; `pairs` (R, M + 1, N) has the outcome last and infinity for none."""
    n_rows, n_columns, n = pairs.shape
    out = np.empty((2, n_rows, n_columns - 1))
    correlate(pairs, ascending_places(pairs.reshape(n_rows * n_columns, n)).reshape(pairs.shape), out)
    return out


@kernel("void(float64[:, :, ::1], int64[:, :, ::1], float64[:, :, ::1])")
def correlate(pairs: FloatArray, order: IntArray, out: FloatArray) -> None:
    """Write correlations and numbers of pairs (2, R, M) of `pairs` (R, M + 1, N); `order`: their places, ascending.

    ρ = Σ ab / √(Σ a² · Σ b²), a and b twice the rank less the mean rank, among the pairs alone: whole numbers. Ties
    make a group, which shares the mean of its ranks.
    """
    n_rows, n_families, n = pairs.shape[0], pairs.shape[1] - 1, pairs.shape[2]
    b = np.empty(n, dtype=np.int64)
    for r in range(n_rows):
        outcome, by_outcome, ranked = pairs[r, n_families], order[r, n_families], -1
        n_outcomes = 0
        for i in range(n):
            n_outcomes += outcome[i] < np.inf
        for m in range(n_families):
            forecast, by_forecast = pairs[r, m], order[r, m]
            n_pairs = 0
            for i in range(n):
                n_pairs += (forecast[i] < np.inf) & (outcome[i] < np.inf)
            if ranked != n_outcomes or n_pairs != n_outcomes:  # else the ranks among all outcomes, which stand already
                bb = below = i = 0
                while below < n_pairs:
                    value, start, tied = outcome[by_outcome[i]], i, 0
                    while i < n and outcome[by_outcome[i]] == value:
                        tied += forecast[by_outcome[i]] < np.inf
                        i += 1
                    rank = 2 * below + tied - n_pairs
                    for k in range(start, i):
                        b[by_outcome[k]] = rank
                    bb += tied * rank * rank
                    below += tied
                ranked = n_pairs
            aa = ab = below = i = 0
            while below < n_pairs:
                value, tied, of_outcome = forecast[by_forecast[i]], 0, 0
                while i < n and forecast[by_forecast[i]] == value:
                    place = by_forecast[i]
                    if outcome[place] < np.inf:
                        tied += 1
                        of_outcome += b[place]
                    i += 1
                rank = 2 * below + tied - n_pairs
                aa += tied * rank * rank
                ab += rank * of_outcome
                below += tied
            spread = np.sqrt(float(aa) * float(bb))
            out[0, r, m] = ab / spread if spread > 0.0 else np.nan
            out[1, r, m] = n_pairs
