"""How far a Sharpe ratio can be believed: its sampling error, from moments of the returns. Pure functions.

All ratios here are per session, not annualised; skewness and kurtosis are those of the sample (divided by n, as scipy
does by default), and the kurtosis is not in excess: a normal's is 3. NaN in the returns are left out.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from LIVE_TRADING.backtest.metrics import mean_over_sd, observed
from LIVE_TRADING.common.types import FloatArray

CONFIDENCE = 0.95
_NORMAL = NormalDist()
_NAN = float("nan")


def skewness(returns: FloatArray) -> float:
    """Return m3 / m2^(3/2). NaN below two sessions, or where the returns do not vary."""
    return _standardised_moment(returns, 3)


def kurtosis(returns: FloatArray) -> float:
    """Return m4 / m2². NaN below two sessions, or where the returns do not vary."""
    return _standardised_moment(returns, 4)


def _standardised_moment(returns: FloatArray, order: int) -> float:
    values = observed(returns)
    if values.size < 2 or values.max() == values.min():
        return _NAN
    centred = values - values.mean()
    scaled = centred / np.abs(centred).max()  # so that no power of a small return underflows
    return float(np.mean(scaled**order) / np.mean(scaled**2) ** (order / 2))


def sharpe_variance(ratio: float, skew: float, kurt: float) -> float:
    """Return the variance of the estimated Sharpe ratio times n: 1 − skew·SR + (kurt − 1)/4·SR² (Mertens 2002)."""
    return 1.0 - skew * ratio + 0.25 * (kurt - 1.0) * ratio**2


def probabilistic_sharpe(ratio: float, n: int, skew: float, kurt: float, benchmark: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio is above a benchmark.

    Φ((SR − SR*)·√(n − 1) / √(1 − skew·SR + (kurt − 1)/4·SR²)), Bailey & López de Prado (2012), The Sharpe Ratio
    Efficient Frontier. NaN where the ratio is, below two sessions, or where that variance is not positive.
    """
    variance = sharpe_variance(ratio, skew, kurt)
    if n < 2 or not variance > 0.0:
        return _NAN
    return _NORMAL.cdf((ratio - benchmark) * float(np.sqrt(n - 1) / np.sqrt(variance)))


def min_track_record(
    ratio: float, skew: float, kurt: float, benchmark: float = 0.0, confidence: float = CONFIDENCE
) -> float:
    """Return how many sessions would show, at a confidence, that such a Sharpe ratio is above a benchmark.

    1 + (1 − skew·SR + (kurt − 1)/4·SR²)·(Φ⁻¹(confidence) / (SR − SR*))², Bailey & López de Prado (2012). NaN where the
    ratio is not above the benchmark: then no record is long enough.
    """
    variance = sharpe_variance(ratio, skew, kurt)
    if not (ratio > benchmark and variance > 0.0):
        return _NAN
    with np.errstate(over="ignore"):
        sessions = 1.0 + variance * float(np.square(_NORMAL.inv_cdf(confidence) / np.float64(ratio - benchmark)))
    return sessions if np.isfinite(sessions) else _NAN


def psr_of_returns(returns: FloatArray, benchmark: float = 0.0) -> float:
    """Return the probabilistic Sharpe ratio of session returns."""
    ratio, n = mean_over_sd(returns), int(np.count_nonzero(~np.isnan(returns)))
    return probabilistic_sharpe(ratio, n, skewness(returns), kurtosis(returns), benchmark)


def min_track_record_of_returns(returns: FloatArray, benchmark: float = 0.0) -> float:
    """Return the minimum track record of session returns at 95 %, in sessions."""
    return min_track_record(mean_over_sd(returns), skewness(returns), kurtosis(returns), benchmark)


def sharpe_difference(first: FloatArray, second: FloatArray) -> tuple[float, float]:
    """Return the difference of two Sharpe ratios over the same sessions, and its standard error; both per session.

    Var = (2 − 2ρ + ½·(SR₁² + SR₂²) − SR₁·SR₂·ρ²) / n, Jobson & Korkie (1981) as corrected by Memmel (2003), for
    returns that are normal and independent over time; ρ is the correlation of the two.

    Parameters
    ----------
    first, second
        Returns of the same n sessions; those where either is NaN are left out.

    Returns
    -------
    tuple of float
        NaN below three sessions, or where one of the two does not vary.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    a, b = first[both], second[both]
    ratios = mean_over_sd(a), mean_over_sd(b)
    if a.size < 3 or np.isnan(ratios).any():
        return _NAN, _NAN
    rho = correlation(a, b)
    variance = 2.0 - 2.0 * rho + 0.5 * (ratios[0] ** 2 + ratios[1] ** 2) - ratios[0] * ratios[1] * rho**2
    return ratios[0] - ratios[1], float(np.sqrt(max(variance, 0.0) / a.size))


def correlation(first: FloatArray, second: FloatArray) -> float:
    """Return Pearson's correlation; NaN below two pairs, or where one of the two does not vary."""
    both = ~(np.isnan(first) | np.isnan(second))
    a, b = first[both], second[both]
    if a.size < 2 or a.max() == a.min() or b.max() == b.min():
        return _NAN
    a, b = a - a.mean(), b - b.mean()
    return float(np.clip(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)), -1.0, 1.0))
