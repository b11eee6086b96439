"""Scores of probabilities against scikit-learn's, and against what defines them."""

# covers: P13

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as log_loss_of_scikit_learn

from LIVE_TRADING.training.classifier_metrics import Scored, classifier_metrics, reliability_bins


def drawn(n: int = 5_000, seed: int = 0, sharpness: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return probabilities that are right, outcomes, and 50 sessions."""
    rng = np.random.default_rng(seed)
    p = 1.0 / (1.0 + np.exp(-(rng.standard_normal(n) * sharpness - 0.8)))
    return p, (rng.random(n) < p).astype(float), np.repeat(np.arange(50), n // 50)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_scikit_learn(seed: int) -> None:
    p, outcome, session = drawn(seed=seed)
    metrics = classifier_metrics(Scored(p, outcome, session), ())
    rate = np.full_like(p, outcome.mean())
    assert metrics.brier == pytest.approx(brier_score_loss(outcome, p), rel=1e-12)
    assert metrics.brier_base_rate == pytest.approx(brier_score_loss(outcome, rate), rel=1e-12)
    assert metrics.log_loss == pytest.approx(log_loss_of_scikit_learn(outcome, p), rel=1e-12)
    assert metrics.log_loss_base_rate == pytest.approx(log_loss_of_scikit_learn(outcome, rate), rel=1e-12)
    observed, p_mean = calibration_curve(outcome, p, n_bins=10, strategy="quantile")
    np.testing.assert_allclose([b.observed for b in metrics.reliability], observed, rtol=1e-12)
    np.testing.assert_allclose([b.p_mean for b in metrics.reliability], p_mean, rtol=1e-12)
    assert [b.n for b in metrics.reliability] == [500] * 10


def test_ties_leave_fewer_bins_as_in_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    p = rng.choice([0.2, 0.3, 0.31], 1_000, p=[0.8, 0.1, 0.1])
    outcome = (rng.random(1_000) < p).astype(float)
    observed, p_mean = calibration_curve(outcome, p, n_bins=10, strategy="quantile")
    bins = reliability_bins(p, outcome)
    np.testing.assert_allclose([b.observed for b in bins], observed)
    np.testing.assert_allclose([b.p_mean for b in bins], p_mean)
    assert sum(b.n for b in bins) == 1_000


def test_the_decomposition_adds_up_where_a_bin_says_one_thing() -> None:
    rng = np.random.default_rng(2)
    p = np.repeat(np.linspace(0.05, 0.95, 10), 400)
    outcome = (rng.random(4_000) < p**1.3).astype(float)
    metrics = classifier_metrics(Scored(p, outcome, np.repeat(np.arange(40), 100)), ())
    summed = metrics.brier_reliability - metrics.brier_resolution + metrics.brier_uncertainty
    assert metrics.brier == pytest.approx(summed, rel=1e-12)
    assert metrics.brier_gain == pytest.approx(metrics.brier_base_rate - metrics.brier, rel=1e-12)
    assert metrics.brier_skill == pytest.approx(1 - metrics.brier / metrics.brier_base_rate, rel=1e-12)


def test_the_error_of_the_gain_is_its_spread_over_repetitions() -> None:
    """Outcomes of a session share a shock, which an error that counts rows as independent would not see."""
    gains, errors = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        shock = np.repeat(rng.standard_normal(60) * 0.5, 40)
        known = rng.standard_normal(2_400) * 0.4
        outcome = (rng.random(2_400) < 1.0 / (1.0 + np.exp(-(shock + known)))).astype(float)
        p = 1.0 / (1.0 + np.exp(-known))
        metrics = classifier_metrics(Scored(p, outcome, np.repeat(np.arange(60), 40)), ())
        gains.append(metrics.brier_gain)
        errors.append(metrics.brier_gain_error)
    assert np.mean(errors) == pytest.approx(np.std(gains), rel=0.2)


def test_always_the_base_rate_gains_nothing() -> None:
    _, outcome, session = drawn()
    metrics = classifier_metrics(Scored(np.full(5_000, outcome.mean()), outcome, session), ())
    assert metrics.brier_gain == pytest.approx(0.0, abs=1e-15)
    assert metrics.brier_resolution == pytest.approx(0.0, abs=1e-15)
    assert len(metrics.reliability) == 1
