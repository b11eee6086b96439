"""Platt's calibration against scikit-learn's and against the likelihood itself."""

# covers: P13

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.calibration import _SigmoidCalibration

from LIVE_TRADING.models.artifacts import PlattCalibration
from LIVE_TRADING.models.barrier import probability
from LIVE_TRADING.training.platt import fit_platt


def drawn(slope: float, intercept: float, n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    margin = rng.standard_normal(n) * 0.4 - 0.8
    return margin, (rng.random(n) < 1.0 / (1.0 + np.exp(-(slope * margin + intercept)))).astype(float)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.4, -0.6), (2.5, 1.0), (1.0, -6.0)])
def test_equal_to_scikit_learn(slope: float, intercept: float) -> None:
    margin, outcome = drawn(slope, intercept)
    theirs = _SigmoidCalibration().fit(margin, outcome)
    ours = fit_platt(margin, outcome)
    np.testing.assert_allclose(probability(margin, ours), theirs.predict(margin), rtol=2e-4)
    assert ours.n == 20_000


def test_no_other_line_has_less_loss() -> None:
    margin, outcome = drawn(0.7, -0.2, n=3_000)
    n_yes, n_no = outcome.sum(), (1 - outcome).sum()
    goal = np.where(outcome == 1, (n_yes + 1) / (n_yes + 2), 1 / (n_no + 2))

    def loss(point: np.ndarray) -> float:
        p = 1.0 / (1.0 + np.exp(-(point[0] * margin + point[1])))
        return -float((goal * np.log(p) + (1 - goal) * np.log(1 - p)).sum())

    found = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9, "maxiter": 2_000})
    ours = fit_platt(margin, outcome)
    np.testing.assert_allclose([ours.slope, ours.intercept], found.x, atol=1e-5)


def test_the_truth_is_found() -> None:
    ours = fit_platt(*drawn(0.5, -0.3, n=400_000))
    assert (ours.slope, ours.intercept) == pytest.approx((0.5, -0.3), abs=0.03)


def test_a_margin_that_is_wrong_way_round_says_the_base_rate() -> None:
    margin, outcome = drawn(-1.0, 0.0)
    ours = fit_platt(margin, outcome)
    assert ours.slope == 0.0
    assert probability(margin, ours) == pytest.approx(outcome.mean(), abs=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e3])
def test_classes_that_separate_and_margins_that_do_not_vary_stay_finite(scale: float) -> None:
    margin = np.repeat([-1.0, 1.0], 50) * scale
    ours = fit_platt(margin, (np.arange(100) >= 50).astype(float))
    p = probability(margin, ours)
    assert np.isfinite([ours.slope, ours.intercept]).all()
    assert ((p > 0) & (p < 1)).all()


def test_probabilities_are_monotone_bounded_and_nan_where_there_is_no_margin() -> None:
    margin = np.array([-np.inf, -1e300, -1e3, -1.0, 0.0, 1.0, 1e3, 1e300, np.inf, np.nan])
    p = probability(margin, PlattCalibration(slope=0.8, intercept=0.1, n=1))
    assert np.isnan(p[-1])
    assert (np.diff(p[:-1]) >= 0).all()
    assert p[0] == pytest.approx(0.0, abs=1e-300)
    assert p[-2] == 1.0
