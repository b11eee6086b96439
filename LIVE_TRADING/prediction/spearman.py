"""Spearman's rank correlation of several forecasts with one outcome, row by row."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.ranks import average_ranks
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
    usable = np.isfinite(forecasts) & np.isfinite(outcome)[:, None, :]
    n = forecasts.shape[-1]
    if usable.all():
        ranks = average_ranks(np.concatenate((forecasts, outcome[:, None, :]), axis=1)) - 0.5 * (n + 1)
        return _correlation(ranks[:, :-1], ranks[:, -1:]), np.full(forecasts.shape[:2], n)
    n_pairs = usable.sum(axis=-1)
    if (usable == usable[:, :1]).all():  # gaps of the symbol, not of a family: one ranking of the outcome serves all
        outcomes, n_outcomes = np.where(usable[:, :1], outcome[:, None, :], np.nan), n_pairs[:, :1]
    else:
        outcomes, n_outcomes = np.where(usable, outcome[:, None, :], np.nan), n_pairs
    ranks = average_ranks(np.concatenate((np.where(usable, forecasts, np.nan), outcomes), axis=1))
    ranks -= 0.5 * (np.concatenate((n_pairs, n_outcomes), axis=1) + 1)[..., None]
    ranks[np.isnan(ranks)] = 0.0
    n_families = forecasts.shape[1]
    return _correlation(ranks[:, :n_families], ranks[:, n_families:]), n_pairs


def _correlation(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return Σab/√(Σa²·Σb²) along the last axis, NaN where that is 0/0."""
    spread = np.sqrt(np.add.reduce(a * a, axis=-1) * np.add.reduce(b * b, axis=-1))
    correlation: FloatArray = np.add.reduce(a * b, axis=-1) / np.where(spread > 0, spread, np.nan)
    return correlation
