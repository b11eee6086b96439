"""Draws of horizons: their probabilities, their frequencies, what they depend on and what not.

covers: P20
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import chisquare

from LIVE_TRADING.learning import BanditState, EnsembleWeightOptimizer, Exp3IXBandit, LearningConfig
from LIVE_TRADING.learning.draws import draw_uniforms

# covers: P20

T0 = 1_700_000_000_000_000_000
PINNED = 0.07334216067818722


def optimizer(n_arms=3, losses=None, seed=7, **settings):
    config = LearningConfig(**settings)
    bandit = Exp3IXBandit(config, n_arms)
    state = BanditState(np.zeros(n_arms) if losses is None else np.array(losses), 0 if losses is None else 50)
    return EnsembleWeightOptimizer(config, bandit, state, seed), bandit.probabilities(state)


def names(n):
    return tuple(f"S{i:04d}" for i in range(n))


def test_probability_is_the_tilted_bandit_over_those_that_qualify():
    chooser, p = optimizer(losses=[0.0, 3.0, 1.0])
    score = np.array([[0.6], [1.0], [0.7]])
    qualifies = np.array([[True], [True], [False]])
    row, probability = chooser.select(score, qualifies, T0, ("AAPL",))
    weights = p[:2] * np.exp(score[:2, 0] / 0.25)
    assert row.dtype == np.int16
    assert probability[0] == pytest.approx(weights[row[0]] / weights.sum(), rel=1e-12)


@pytest.mark.parametrize("losses", [None, [0.0, 4.0, 1.5]])
def test_draws_come_as_often_as_their_probability_says(losses):
    chooser, p = optimizer(losses=losses)
    n = 20_000
    score = np.tile(np.array([[0.30], [0.55], [0.42]]), (1, n))
    row, probability = chooser.select(score, np.ones((3, n), bool), T0, names(n))
    expected = p * np.exp(score[:, 0] / 0.25)
    expected /= expected.sum()
    assert chisquare(np.bincount(row, minlength=3), expected * n).pvalue > 0.01
    np.testing.assert_allclose(probability, expected[row], rtol=1e-12)


def test_uniform_numbers_are_uniform_and_pinned():
    values = np.concatenate([draw_uniforms(7, T0 + t, names(10)) for t in range(500)])
    assert ((values >= 0) & (values < 1)).all()
    assert chisquare(np.histogram(values, bins=20, range=(0, 1))[0]).pvalue > 0.01
    # SHA-256 of "horizon-draw/1|7|1700000000000000000|AAPL": a change of it would change every recorded decision
    assert draw_uniforms(7, T0, ("MSFT", "AAPL"))[1] == PINNED


def test_the_best_score_is_taken_when_learning_is_off():
    chooser, _ = optimizer(mode="off", losses=[9.0, 0.0, 0.0])
    score = np.array([[1.0, 2.0, np.nan, 5.0], [3.0, 2.0, 1.0, 9.0], [2.0, 1.0, 0.5, 7.0]])
    qualifies = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]], bool)
    row, probability = chooser.select(score, qualifies, T0, names(4))
    assert row.tolist() == [1, 0, 2, -1]
    np.testing.assert_array_equal(probability, [1.0, 1.0, 1.0, np.nan])


def test_the_bandit_moves_the_draws():
    score, qualifies = np.full((3, 2000), 0.5), np.ones((3, 2000), bool)
    before, _ = optimizer()[0].select(score, qualifies, T0, names(2000))
    after, _ = optimizer(losses=[0.0, 30.0, 30.0])[0].select(score, qualifies, T0, names(2000))
    assert (after == 0).mean() > (before == 0).mean() + 0.3


def test_nothing_qualifies():
    chooser, _ = optimizer()
    row, probability = chooser.select(np.full((3, 2), np.nan), np.zeros((3, 2), bool), T0, names(2))
    assert row.tolist() == [-1, -1]
    assert np.isnan(probability).all()
    row, probability = chooser.select(np.zeros((3, 0)), np.zeros((3, 0), bool), T0, ())
    assert row.shape == probability.shape == (0,)


@given(st.integers(0, 2**31), st.permutations(range(8)), st.integers(0, 255))
def test_other_symbols_and_their_order_change_nothing(seed, order, mask):
    chooser, _ = optimizer(seed=seed, losses=[1.0, 0.0, 2.0])
    rng = np.random.default_rng(seed)
    score, qualifies, symbols = rng.normal(0, 0.5, (3, 8)), rng.random((3, 8)) < 0.7, names(8)
    row, probability = chooser.select(score, qualifies, T0, symbols)
    kept = [i for i in order if mask >> i & 1]
    row2, probability2 = chooser.select(score[:, kept], qualifies[:, kept], T0, tuple(symbols[i] for i in kept))
    np.testing.assert_array_equal(row2, row[kept])
    np.testing.assert_array_equal(probability2, probability[kept])


@given(
    hnp.arrays(np.float64, (4, 5), elements=st.floats(-1e6, 1e6)),
    hnp.arrays(np.bool_, (4, 5)),
    st.lists(st.floats(0, 1e5), min_size=4, max_size=4),
)
def test_the_draw_always_qualifies_and_its_probability_is_positive(score, qualifies, losses):
    chooser, _ = optimizer(4, losses=losses)
    row, probability = chooser.select(score, qualifies, T0, names(5))
    for i in range(5):
        if not qualifies[:, i].any():
            assert row[i] == -1
            assert np.isnan(probability[i])
        else:
            assert qualifies[row[i], i]
            assert 0.0 < probability[i] <= 1.0


def test_seed_and_time_change_the_draws():
    score, qualifies = np.zeros((3, 500)), np.ones((3, 500), bool)
    one, _ = optimizer(seed=1)[0].select(score, qualifies, T0, names(500))
    other_seed, _ = optimizer(seed=2)[0].select(score, qualifies, T0, names(500))
    other_time, _ = optimizer(seed=1)[0].select(score, qualifies, T0 + 1, names(500))
    assert not np.array_equal(one, other_seed)
    assert not np.array_equal(one, other_time)


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_draws_do_not_depend_on_the_hash_seed(hash_seed):
    code = f"from LIVE_TRADING.learning.draws import draw_uniforms; print(draw_uniforms(7, {T0}, ['AAPL'])[0])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) == PINNED


def test_impossible_inputs_are_refused():
    chooser, _ = optimizer()
    with pytest.raises(ValueError, match="should be"):
        chooser.select(np.zeros((2, 1)), np.ones((2, 1), bool), T0, ("A",))
    with pytest.raises(ValueError, match="not finite"):
        chooser.select(np.full((3, 1), np.nan), np.ones((3, 1), bool), T0, ("A",))
