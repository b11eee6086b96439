"""Hedge against its recursion in 60 digits, its regret bound, and what an entry's horizons teach."""

# covers: P20

from __future__ import annotations

from itertools import permutations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.learning import BanditState, EnsembleWeightOptimizer, Hedge, HedgeLearner, LearningConfig, reward
from LIVE_TRADING.learning.bandit import ExponentialWeights
from LIVE_TRADING.learning.hedge import HorizonOutcomes


def recursion(steps, n_arms, fixed_eta=None):
    """Probabilities after each round, straight from the formulas, in 60 digits."""
    with mp.workdps(60):
        eta_of = lambda t: mp.mpf(fixed_eta) if fixed_eta else mp.sqrt(8 * mp.log(n_arms) / t)  # noqa: E731
        total, out = [mp.mpf(0)] * n_arms, []
        for t, (rewards, awake) in enumerate(steps, start=1):
            eta = eta_of(t)
            weights = [mp.e ** (-eta * loss) for loss in total]
            on = [a for a in range(n_arms) if awake[a]]
            mixed = mp.fsum(weights[a] * mp.e ** (-eta * (1 - mp.mpf(rewards[a]))) for a in on)
            mix_loss = -mp.log(mixed / mp.fsum(weights[a] for a in on)) / eta
            total = [loss + (1 - mp.mpf(rewards[a]) if awake[a] else mix_loss) for a, loss in enumerate(total)]
            following = [mp.e ** (-eta_of(t + 1) * loss) for loss in total]
            out.append([float(w / mp.fsum(following)) for w in following])
        return out


def rounds(n_arms, n_rounds, seed):
    rng = np.random.default_rng(seed)
    steps = []
    for _ in range(n_rounds):
        awake = rng.random(n_arms) < 0.6
        awake[rng.integers(n_arms)] = True
        steps.append((rng.random(n_arms).tolist(), awake.tolist()))
    return steps


@pytest.mark.parametrize("fixed_eta", [None, 0.05, 1.5])
@pytest.mark.parametrize("n_arms", [2, 3, 6])
def test_equals_the_recursion_in_sixty_digits(n_arms, fixed_eta):
    steps = rounds(n_arms, 60, seed=n_arms)
    hedge = Hedge(LearningConfig(eta=fixed_eta), n_arms)
    state = hedge.initial()
    for (rewards, awake), expected in zip(steps, recursion(steps, n_arms, fixed_eta), strict=True):
        state = hedge.update(state, np.array(rewards), np.array(awake))
        np.testing.assert_allclose(hedge.probabilities(state), expected, rtol=2e-13)


@pytest.mark.parametrize("world", ["random", "switching", "against"])
@pytest.mark.parametrize("n_arms", [2, 6])
def test_the_regret_stays_within_the_bound_of_the_theorem_at_every_time(world, n_arms):
    hedge, rng = Hedge(LearningConfig(), n_arms), np.random.default_rng(4)
    state, ours, losses = hedge.initial(), 0.0, np.zeros(n_arms)
    for t in range(1, 1201):
        p = hedge.probabilities(state)
        rewards = rng.random(n_arms)
        if world == "switching":
            rewards = (np.arange(n_arms) == (t // 100) % n_arms).astype(float)
        elif world == "against":
            rewards = (np.arange(n_arms) != p.argmax()).astype(float)
        ours += float(p @ (1.0 - rewards))
        losses += 1.0 - rewards
        state = hedge.update(state, rewards, np.ones(n_arms, bool))
        bound = 2.0 * np.sqrt(t / 2.0 * np.log(n_arms)) + np.sqrt(np.log(n_arms) / 8.0)
        assert ours - losses.min() <= bound


@given(st.integers(0, 2**31), st.integers(2, 6))
def test_sleeping_neither_gains_nor_loses_weight_at_a_fixed_rate(seed, n_arms):
    hedge, rng = Hedge(LearningConfig(eta=0.3), n_arms), np.random.default_rng(seed)
    state = BanditState(rng.normal(0, 3, n_arms), 5)
    awake = np.arange(n_arms) > 0
    after = hedge.update(state, rng.random(n_arms), awake)
    assert hedge.probabilities(after)[0] == pytest.approx(hedge.probabilities(state)[0], rel=1e-12)
    assert after.rounds == 6


@settings(max_examples=50)
@given(st.integers(0, 2**31))
def test_the_names_of_the_arms_do_not_matter_and_what_sleeps_is_not_read(seed):
    hedge, rng = Hedge(LearningConfig(), 5), np.random.default_rng(seed)
    state, rewards, awake = BanditState(rng.normal(0, 2, 5), 9), rng.random(5), np.array([1, 0, 1, 1, 0], bool)
    after = hedge.probabilities(hedge.update(state, rewards, awake))
    order = rng.permutation(5)
    shuffled = hedge.update(BanditState(state.cumulative_loss[order], 9), rewards[order], awake[order])
    np.testing.assert_allclose(hedge.probabilities(shuffled), after[order], rtol=1e-12)
    blank = hedge.update(state, np.where(awake, rewards, np.nan), awake)
    np.testing.assert_array_equal(hedge.probabilities(blank), after)


def test_it_learns_faster_than_from_what_was_played_alone():
    hedge, means = Hedge(LearningConfig(), 6), np.array([0.5, 0.5, 0.6, 0.5, 0.5, 0.5])
    found = []
    for seed in range(30):
        rng, state = np.random.default_rng(seed), hedge.initial()
        for _ in range(100):
            state = hedge.update(state, np.clip(rng.normal(means, 1 / 6), 0, 1), np.ones(6, bool))
        found.append(hedge.probabilities(state)[2])
    assert np.mean(found) > 0.6  # of Exp3-IX one expects 0.19 here


def test_extreme_losses_neither_overflow_nor_vanish():
    hedge = Hedge(LearningConfig(eta=1.0), 3)
    state = BanditState(np.array([0.0, 1e6, 2e6]), 10)
    after = hedge.update(state, np.array([0.5, 0.0, 1.0]), np.array([False, True, True]))
    assert np.isfinite(after.cumulative_loss).all()
    assert after.cumulative_loss[0] == pytest.approx(1.0)


def test_a_single_arm_stays_certain():
    hedge = Hedge(LearningConfig(), 1)
    assert hedge.probabilities(hedge.update(hedge.initial(), np.array([0.2]), np.array([True]))) == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("rewards", "awake"),
    [
        pytest.param([0.5, 1.5], [True, True], id="above-one"),
        pytest.param([0.5, -0.1], [True, True], id="below-zero"),
        pytest.param([np.nan, 0.5], [True, True], id="nan"),
        pytest.param([0.5, 0.5], [False, False], id="all-asleep"),
        pytest.param([0.5], [True, True], id="reward-missing"),
        pytest.param([0.5, 0.5], [True], id="flag-missing"),
    ],
)
def test_impossible_rounds_are_refused(rewards, awake):
    hedge = Hedge(LearningConfig(), 2)
    with pytest.raises(ValueError, match="rewards"):
        hedge.update(hedge.initial(), np.array(rewards), np.array(awake))


def test_foreign_states_and_learners_without_a_rate_are_refused():
    with pytest.raises(ValueError, match="2 arms given to a bandit of 3"):
        Hedge(LearningConfig(), 3).probabilities(BanditState(np.zeros(2), 0))
    bare = ExponentialWeights(LearningConfig(), 2)
    with pytest.raises(ValueError, match="anytime"):
        bare.eta(bare.initial())


def entry(number=1, settled_ns=100, **changes):
    fields = {
        "qualifies": (True, True, False, True),
        "side": (1, -1, 1, 1),
        "return_bps": (20.0, 20.0, 90.0, float("nan")),
        "sigma_h_bps": (10.0, 20.0, 30.0, 40.0),
        "cost_bps": 4.0,
        **changes,
    }
    return HorizonOutcomes(number, settled_ns, **fields)


def test_every_horizon_that_qualified_is_rewarded_on_its_own_side_and_span():
    values, known = entry().rewards(3.0)
    assert known.tolist() == [True, True, False, False]
    assert values[:2].tolist() == [reward(16.0, 10.0), reward(-24.0, 20.0)]
    assert np.isnan(values[2:]).all()


@pytest.mark.parametrize("changes", [{"sigma_h_bps": (0.0, np.nan, 1.0, np.inf)}, {"cost_bps": float("nan")}])
def test_what_cannot_be_measured_is_not_known(changes):
    assert not entry(**changes).rewards(3.0)[1].any()


def test_entries_teach_in_the_order_in_which_they_settled():
    config = LearningConfig()
    hedge = Hedge(config, 4)
    learner = HedgeLearner(config, hedge)
    entries = [entry(3, 200), entry(9, 100, side=(-1, 1, 1, 1)), entry(4, 100, return_bps=(5.0, 1.0, 2.0, 3.0))]
    by_hand = hedge.initial()
    for known in (entries[2], entries[1], entries[0]):
        by_hand = hedge.update(by_hand, *known.rewards(config.reward_scale))
    for arrival in permutations(entries):
        state = learner.learn(hedge.initial(), arrival)
        assert state.cumulative_loss.tobytes() == by_hand.cumulative_loss.tobytes()
        assert state.rounds == 3


@pytest.mark.parametrize("known", [0, 1])
def test_an_entry_with_nothing_to_compare_is_no_round(known):
    config = LearningConfig()
    hedge = Hedge(config, 4)
    lonely = entry(return_bps=(20.0, *[float("nan")] * 3) if known else (float("nan"),) * 4)
    state = hedge.initial()
    assert HedgeLearner(config, hedge).learn(state, [lonely]) is state


def test_the_draw_of_a_horizon_takes_its_probabilities():
    hedge = Hedge(LearningConfig(), 2)
    state = BanditState(np.array([0.0, 50.0]), 20)
    optimizer = EnsembleWeightOptimizer(LearningConfig(tau_bps=1000.0), hedge, state, seed=1)
    symbols = tuple(f"S{i}" for i in range(50))
    row, probability = optimizer.select(np.ones((2, 50)), np.ones((2, 50), bool), 10**18, symbols)
    assert (row == 0).all()
    assert probability[0] == pytest.approx(hedge.probabilities(state)[0])
