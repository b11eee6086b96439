"""What probabilities were worth: Brier score against the base rate, log loss, reliability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.types import FloatArray, IntArray
from LIVE_TRADING.models.artifacts import ClassifierFold, ClassifierMetrics, ReliabilityBin

N_BINS = 10
_LEAST = 1e-15  # probabilities are kept off 0 and 1 by this in the log loss


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Probabilities and outcomes (R,) of 0 and 1, and the session that each lies in."""

    p: FloatArray
    outcome: FloatArray
    session: IntArray


def classifier_metrics(scored: Scored, folds: tuple[ClassifierFold, ...]) -> ClassifierMetrics:
    """Return the figures as they are stored.

    The base rate is that of the very outcomes that are scored: nobody could have known it before, so the bar is high.
    The standard error of the gain takes a session as one observation, since outcomes within it share their market:
    √Σ(D_s − n_s·gain)² / n, D_s the session's sum of gains.
    """
    p, outcome = scored.p, scored.outcome
    rate, bins = float(outcome.mean()), reliability_bins(p, outcome)
    gains = (outcome - rate) ** 2 - (outcome - p) ** 2
    gain = float(gains.mean())
    brier, base = float(((outcome - p) ** 2).mean()), rate * (1.0 - rate)
    return ClassifierMetrics(
        n=len(p),
        n_sessions=len(np.unique(scored.session)),
        base_rate=rate,
        brier=brier,
        brier_base_rate=base,
        brier_gain=gain,
        brier_gain_error=_error_by_session(gains - gain, scored.session),
        brier_skill=gain / base,
        brier_reliability=_mean_square([(b.p_mean - b.observed, b.n) for b in bins]),
        brier_resolution=_mean_square([(b.observed - rate, b.n) for b in bins]),
        brier_uncertainty=base,
        log_loss=log_loss(p, outcome),
        log_loss_base_rate=log_loss(np.full_like(p, rate), outcome),
        reliability=bins,
        folds=folds,
    )


def log_loss(p: FloatArray, outcome: FloatArray) -> float:
    """Return the mean of −ln of the probability given to what came."""
    said = np.clip(np.where(outcome > 0.5, p, 1.0 - p), _LEAST, 1.0)
    return float(-np.log(said).mean())


def reliability_bins(p: FloatArray, outcome: FloatArray) -> tuple[ReliabilityBin, ...]:
    """Return ten bins of equally many outcomes, fewer where probabilities are tied across their edges."""
    edges = np.percentile(p, np.linspace(0.0, 100.0, N_BINS + 1))
    place = np.searchsorted(edges[1:-1], p)
    count = np.bincount(place, minlength=N_BINS)
    said, came = (np.bincount(place, weights=values, minlength=N_BINS) for values in (p, outcome))
    return tuple(
        ReliabilityBin(p_mean=float(said[k] / count[k]), observed=float(came[k] / count[k]), n=int(count[k]))
        for k in range(N_BINS)
        if count[k]
    )


def _error_by_session(deviations: FloatArray, session: IntArray) -> float:
    _, place = np.unique(session, return_inverse=True)
    return float(np.sqrt((np.bincount(place, weights=deviations) ** 2).sum()) / len(deviations))


def _mean_square(pairs: list[tuple[float, int]]) -> float:
    return sum(n * value * value for value, n in pairs) / sum(n for _, n in pairs)
