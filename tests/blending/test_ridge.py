"""Ridge weights against scipy.linalg, by hand, and in the corners."""

# covers: P11

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from LIVE_TRADING.blending import RidgeConfig, RidgeWeightCalculator
from LIVE_TRADING.blending.ridge import solve_positive_definite

CALCULATOR = RidgeWeightCalculator(RidgeConfig())
NAN = np.nan


def weights_of(mu, covariance, config=None):
    calculator = CALCULATOR if config is None else RidgeWeightCalculator(config)
    return calculator.weights(np.array([mu], dtype=float), np.array([covariance], dtype=float))[0]


def correlated(rng, size):
    factors = rng.normal(size=(size, 4 * size))
    return factors @ factors.T / (4 * size)


@pytest.mark.parametrize(
    ("mu", "covariance", "expected"),
    [
        # λ = 0.15·(1 + 1)/2 = 0.15; (1.15 I)⁻¹ μ ∝ μ
        pytest.param([0.03, 0.01], [[1, 0], [0, 1]], [0.75, 0.25], id="uncorrelated-weights-follow-evidence"),
        # λ = 0.15·(1 + 3)/2 = 0.3: 0.02/1.3 and 0.02/3.3, i.e. 3.3 : 1.3
        pytest.param([0.02, 0.02], [[1, 0], [0, 3]], [3.3 / 4.6, 1.3 / 4.6], id="a-loud-family-weighs-less"),
        # A = [[1.15, 0.9], [0.9, 1.15]]; A⁻¹μ ∝ (1.15·0.03 − 0.9·0.01, 1.15·0.01 − 0.9·0.03) = (0.0255, −0.0155)
        pytest.param([0.03, 0.01], [[1, 0.9], [0.9, 1]], [1.0, 0.0], id="negative-component-is-dropped"),
        pytest.param([-0.01, -0.02], [[1, 0], [0, 1]], [0.0, 0.0], id="no-positive-component-gives-zeros"),
        pytest.param([0.0, 0.0], [[1, 0], [0, 1]], [0.0, 0.0], id="no-evidence-gives-zeros"),
        pytest.param([0.02, NAN], [[1, 0], [0, 1]], [1.0, 0.0], id="unrated-family-is-left-out"),
        pytest.param([NAN, NAN], [[1, 0], [0, 1]], [0.0, 0.0], id="nobody-rated"),
        pytest.param([0.02, 0.03], [[1, NAN], [NAN, NAN]], [1.0, 0.0], id="family-without-variance-is-left-out"),
        pytest.param([0.03, 0.01], [[1, NAN], [NAN, 1]], [0.75, 0.25], id="never-seen-together-is-uncorrelated"),
        pytest.param([0.03, 0.01], [[NAN, NAN], [NAN, NAN]], [0.75, 0.25], id="warm-up-takes-the-identity"),
        pytest.param([0.03, 0.01], [[0, 0], [0, 0]], [0.0, 0.0], id="forecasts-that-never-moved-carry-nothing"),
        pytest.param([0.03, 0.01], [[1, 9], [9, 1]], [0.0, 0.0], id="not-a-covariance-gives-zeros"),
        pytest.param([np.inf, 0.01], [[1, 0], [0, 1]], [0.0, 1.0], id="infinite-evidence-is-none"),
        pytest.param([0.03, 0.01], [[1e-320, 0], [0, 1e-320]], [0.0, 0.0], id="what-overflows-gives-zeros"),
    ],
)
def test_weights_of_one_horizon(mu, covariance, expected):
    assert weights_of(mu, covariance) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("mu", "expected"),
    [
        pytest.param([0.03, 0.01, 0.0], [1 / 3, 1 / 3, 1 / 3], id="evidence-does-not-matter"),
        pytest.param([0.03, NAN, -1.0], [1 / 2, 0.0, 1 / 2], id="but-being-rated-does"),
        pytest.param([NAN, NAN, NAN], [0.0, 0.0, 0.0], id="nobody-rated"),
    ],
)
def test_equal_weights_are_the_neutral(mu, expected):
    covariance = [[1, 0.9, 0], [0.9, 2, NAN], [0, NAN, NAN]]
    assert weights_of(mu, covariance, RidgeConfig(mode="equal")) == pytest.approx(expected)


@pytest.mark.parametrize("ridge_lambda", [0.0, 0.15, 3.0])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_weights_equal_scipy(size, ridge_lambda):
    rng = np.random.default_rng(size)
    mu = rng.uniform(0.0, 0.05, (6, size))
    covariance = np.array([correlated(rng, size) for _ in range(6)])
    got = RidgeWeightCalculator(RidgeConfig(ridge_lambda=ridge_lambda)).weights(mu, covariance)
    for row in range(6):
        ridge = ridge_lambda * np.trace(covariance[row]) / size
        matrix = covariance[row] + ridge * np.eye(size)
        raw = scipy.linalg.cho_solve(scipy.linalg.cho_factor(matrix), mu[row])
        assert raw == pytest.approx(scipy.linalg.solve(matrix, mu[row], assume_a="pos"), rel=1e-9)
        raw = np.maximum(raw, 0.0)
        assert got[row] == pytest.approx(raw / raw.sum(), rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_solution_equals_scipy(size):
    rng = np.random.default_rng(100 + size)
    matrix, rhs = correlated(rng, size), rng.normal(size=size)
    expected = scipy.linalg.cho_solve(scipy.linalg.cho_factor(matrix), rhs)
    assert solve_positive_definite(matrix.tolist(), rhs.tolist()) == pytest.approx(expected.tolist(), rel=1e-9)


def test_singular_system_has_no_solution():
    assert solve_positive_definite([[1.0, 1.0], [1.0, 1.0]], [1.0, 2.0]) is None


def test_left_out_family_changes_nothing_for_the_others():
    rng = np.random.default_rng(5)
    mu, covariance = rng.uniform(0, 0.05, 2), correlated(rng, 2)
    wider = np.full((3, 3), NAN)
    wider[:2, :2] = covariance
    assert weights_of([*mu, 0.04], wider)[:2].tobytes() == weights_of(mu, covariance).tobytes()


def test_more_ridge_moves_weights_towards_the_evidence():
    mu, covariance = [0.02, 0.02], [[1, 0], [0, 4]]
    loud = [weights_of(mu, covariance, RidgeConfig(ridge_lambda=strength))[1] for strength in (0.0, 0.15, 1.0, 10.0)]
    assert loud == sorted(loud)
    assert loud[0] == pytest.approx(0.2)
    assert loud[-1] < 0.5


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 5),
    mu=hnp.arrays(float, 5, elements=st.one_of(st.just(NAN), st.floats(-0.1, 0.1))),
    hole=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=4),
)
def test_rows_are_distributions_or_zero(seed, size, mu, hole):
    covariance = correlated(np.random.default_rng(seed), size)
    for i, j in hole:
        if i < size and j < size:
            covariance[i, j] = covariance[j, i] = NAN
    got = weights_of(mu[:size], covariance)
    assert (got >= 0.0).all()
    assert got.sum() == pytest.approx(1.0) or not got.any()
    assert not got[np.isnan(mu[:size])].any()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3), order=st.permutations(range(4)))
def test_scale_and_order_of_families_do_not_matter(seed, scale, order):
    rng = np.random.default_rng(seed)
    mu, covariance = rng.uniform(0, 0.05, 4), correlated(rng, 4)
    base = weights_of(mu, covariance)
    assert weights_of(scale * mu, covariance) == pytest.approx(base, rel=1e-9, abs=1e-12)
    assert weights_of(mu, scale * covariance) == pytest.approx(base, rel=1e-9, abs=1e-12)
    order = list(order)
    assert weights_of(mu[order], covariance[np.ix_(order, order)]) == pytest.approx(base[order], rel=1e-8, abs=1e-11)


def test_the_order_of_families_changes_no_bit_of_the_sum():
    mu = [1.0, *[1e-16] * 10]  # ten of them are more than the last bit of 1, one is not
    unknown = np.full((11, 11), NAN)
    assert weights_of(mu[::-1], unknown)[::-1].tobytes() == weights_of(mu, unknown).tobytes()


def test_evidence_and_covariance_of_different_horizons_are_refused():
    with pytest.raises(ValueError, match="zip"):
        CALCULATOR.weights(np.ones((2, 1)), np.ones((1, 1, 1)))


def test_horizons_do_not_touch_each_other():
    rng = np.random.default_rng(9)
    mu, covariance = rng.uniform(0, 0.05, (3, 3)), np.array([correlated(rng, 3) for _ in range(3)])
    together = CALCULATOR.weights(mu, covariance)
    for row in range(3):
        assert together[row].tobytes() == weights_of(mu[row], covariance[row]).tobytes()


@pytest.mark.parametrize("given_value", [-0.1, 1000.0, NAN, np.inf])
def test_impossible_ridge_is_refused(given_value):
    with pytest.raises(ValueError, match="ridge_lambda"):
        RidgeConfig(ridge_lambda=given_value)


def test_unknown_key_and_mode_are_refused():
    with pytest.raises(ValueError, match="lambda_rel"):
        RidgeConfig(lambda_rel=0.1)
    with pytest.raises(ValueError, match="mode"):
        RidgeConfig(mode="lasso")
