"""The bandit against Neu's recursion in 60 digits, against published traces, and its properties.

covers: P20
"""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.learning import BanditState, Exp3IXBandit, LearningConfig

# covers: P20


def play(bandit, state, steps):
    for arm, reward, probability, qualifies in steps:
        state = bandit.update(state, arm, reward, probability, np.array(qualifies))
    return state


def neu_recursion(n_arms, steps, fixed_eta=None):
    """Probabilities after each round, straight from the formulas, in 60 digits."""
    with mp.workdps(60):
        eta_of = lambda t: mp.mpf(fixed_eta) if fixed_eta else mp.sqrt(mp.log(n_arms) / (n_arms * t))  # noqa: E731
        total = [mp.mpf(0)] * n_arms
        out = []
        for t, (arm, reward, probability, qualifies) in enumerate(steps, start=1):
            eta = eta_of(t)
            weights = [mp.e ** (-eta * loss) for loss in total]
            p = [w / mp.fsum(weights) for w in weights]
            estimate = [mp.mpf(0)] * n_arms
            estimate[arm] = (1 - mp.mpf(reward)) / (mp.mpf(probability) + eta / 2)
            awake = [a for a in range(n_arms) if qualifies[a]]
            mixed = mp.fsum(p[a] * mp.e ** (-eta * estimate[a]) for a in awake)
            mix_loss = -mp.log(mixed / mp.fsum(p[a] for a in awake)) / eta
            total = [loss + (estimate[a] if qualifies[a] else mix_loss) for a, loss in enumerate(total)]
            following = [mp.e ** (-eta_of(t + 1) * loss) for loss in total]
            out.append([w / mp.fsum(following) for w in following])
        return out


def rounds(n_arms, n_rounds, seed):
    rng = np.random.default_rng(seed)
    steps = []
    for _ in range(n_rounds):
        qualifies = rng.random(n_arms) < 0.6
        arm = int(rng.integers(n_arms))
        qualifies[arm] = True
        steps.append((arm, float(rng.random()), float(rng.uniform(0.01, 1.0)), qualifies.tolist()))
    return steps


@pytest.mark.parametrize("fixed_eta", [None, 0.05, 1.5])
@pytest.mark.parametrize("n_arms", [2, 3, 6])
def test_equals_the_recursion_in_sixty_digits(n_arms, fixed_eta):
    steps = rounds(n_arms, 60, seed=n_arms)
    bandit = Exp3IXBandit(LearningConfig(eta=fixed_eta), n_arms)
    state = bandit.initial()
    for step, expected in zip(steps, neu_recursion(n_arms, steps, fixed_eta), strict=True):
        state = play(bandit, state, [step])
        np.testing.assert_allclose(bandit.probabilities(state), [float(p) for p in expected], rtol=2e-13)


def test_published_trace_with_fixed_rate():
    """Five rounds of a public EXP3-IX class, eta = sqrt(2 ln K / (K T)), T = 50, checked by its source in 60 digits."""
    actions, rewards = [2, 2, 0, 1, 2], [0.0, 1.0, 0.5, 0.25, 0.1]
    expected = [
        [0.3333333333333333, 0.3333333333333333, 0.3333333333333333],
        [0.3655732622173659, 0.3655732622173659, 0.26885347556526806],
        [0.3655732622173659, 0.3655732622173659, 0.26885347556526806],
        [0.3333039798400766, 0.3841676658348894, 0.282528354325034],
        [0.35875148814450153, 0.3371493300642834, 0.30409918179121515],
        [0.38932692052387297, 0.3658836681333668, 0.2447894113427603],
    ]
    bandit = Exp3IXBandit(LearningConfig(eta=float(np.sqrt(2 * np.log(3) / (3 * 50)))), 3)
    state = bandit.initial()
    for arm, reward, before in zip(actions, rewards, expected[:-1], strict=True):
        p = bandit.probabilities(state)
        np.testing.assert_allclose(p, before, atol=1e-12)
        state = bandit.update(state, arm, reward, float(p[arm]), np.ones(3, bool))
    np.testing.assert_allclose(bandit.probabilities(state), expected[-1], atol=1e-12)


def test_first_anytime_round_equals_scip():
    """SCIP (bandit_exp3ix.c) applies each round's own rate; after one round both forms differ only by that rate.

    Its L̂ after round 1 is read off its published probabilities with eta_1 and must be ours.
    """
    scip_after_one = np.array([0.18931756626028828, 0.4053412168698559, 0.4053412168698559])
    bandit = Exp3IXBandit(LearningConfig(), 3)
    state = bandit.update(bandit.initial(), 0, 0.2, 1 / 3, np.ones(3, bool))
    eta_1 = np.sqrt(np.log(3) / 3)
    weights = np.exp(-eta_1 * state.cumulative_loss)
    np.testing.assert_allclose(weights / weights.sum(), scip_after_one, atol=1e-12)


def test_estimate_is_of_the_loss():
    """Neu's estimate ℓ/(π+γ), on the loss: p 0.2, reward 0.75, γ 0.05 gives 1 and not 3."""
    bandit = Exp3IXBandit(LearningConfig(eta=0.1), 3)
    state = bandit.update(bandit.initial(), 0, 0.75, 0.2, np.ones(3, bool))
    assert state.cumulative_loss == pytest.approx([1.0, 0.0, 0.0], abs=1e-12)
    assert state.rounds == 1


def test_anytime_rate():
    bandit = Exp3IXBandit(LearningConfig(), 6)
    assert bandit.eta(bandit.initial()) == pytest.approx(np.sqrt(np.log(6) / 6))
    assert bandit.eta(BanditState(np.zeros(6), 99)) == pytest.approx(np.sqrt(np.log(6) / 600))


steps_of_four = st.lists(
    st.tuples(st.integers(0, 2), st.floats(0, 1), st.floats(1e-6, 1), st.lists(st.booleans(), min_size=2, max_size=2)),
    max_size=40,
)


@given(steps_of_four, st.floats(0.001, 2.0))
def test_an_arm_that_always_sleeps_keeps_its_share(steps, eta):
    """Arm 3 never qualifies: its probability stays one quarter, whatever happens among the others."""
    bandit = Exp3IXBandit(LearningConfig(eta=eta), 4)
    state = bandit.initial()
    for arm, reward, probability, others in steps:
        qualifies = np.zeros(4, bool)
        qualifies[[a for a in range(3) if a != arm]] = others
        qualifies[arm] = True
        state = bandit.update(state, arm, reward, probability, qualifies)
    assert bandit.probabilities(state)[3] == pytest.approx(0.25, rel=1e-9)


@given(steps_of_four)
def test_probabilities_sum_to_one_and_state_is_never_written_to(steps):
    bandit = Exp3IXBandit(LearningConfig(), 3)
    state = bandit.initial()
    for arm, reward, probability, _ in steps:
        before = state.cumulative_loss.copy()
        following = bandit.update(state, arm, reward, probability, np.ones(3, bool))
        assert np.array_equal(state.cumulative_loss, before)
        state = following
    p = bandit.probabilities(state)
    assert p.sum() == pytest.approx(1.0, abs=1e-14)
    assert (p >= 0).all()
    assert not state.cumulative_loss.flags.writeable


@given(steps_of_four, st.permutations(range(3)))
def test_renaming_the_arms_renames_the_probabilities(steps, order):
    bandit = Exp3IXBandit(LearningConfig(), 3)
    plain = renamed = bandit.initial()
    for arm, reward, probability, _ in steps:
        plain = bandit.update(plain, arm, reward, probability, np.ones(3, bool))
        renamed = bandit.update(renamed, order[arm], reward, probability, np.ones(3, bool))
    np.testing.assert_allclose(bandit.probabilities(renamed)[list(order)], bandit.probabilities(plain), rtol=1e-10)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_worse_reward_never_helps_its_arm(one, other):
    bandit = Exp3IXBandit(LearningConfig(), 5)
    qualifies = np.array([True, True, False, True, True])
    p = [
        bandit.probabilities(bandit.update(bandit.initial(), 1, r, 0.3, qualifies))[1]
        for r in (min(one, other), max(one, other))
    ]
    assert p[0] <= p[1] + 1e-15


def test_extreme_losses_neither_overflow_nor_vanish():
    bandit = Exp3IXBandit(LearningConfig(eta=1.0), 3)
    state = BanditState(np.array([0.0, 1e6, 2e6]), 10)
    assert bandit.probabilities(state) == pytest.approx([1.0, 0.0, 0.0])
    after = bandit.update(state, 2, 0.0, 1e-9, np.array([False, True, True]))
    assert np.isfinite(after.cumulative_loss).all()
    assert after.cumulative_loss[0] == pytest.approx(0.0, abs=1e-9)


def test_concentrates_on_the_best_arm():
    bandit = Exp3IXBandit(LearningConfig(), 4)
    means = np.array([0.45, 0.50, 0.75, 0.40])
    rng = np.random.default_rng(3)
    state = bandit.initial()
    for _ in range(1500):
        p = bandit.probabilities(state)
        arm = int(rng.choice(4, p=p))
        value = float(np.clip(rng.normal(means[arm], 0.2), 0, 1))
        state = bandit.update(state, arm, value, float(p[arm]), np.ones(4, bool))
    p = bandit.probabilities(state)
    assert p.argmax() == 2
    assert p[2] > 0.8


def test_sleeping_does_not_beat_playing():
    """Arm 1 sleeps most of the time and is worse when awake: it must not end up ahead by having lost less often."""
    bandit = Exp3IXBandit(LearningConfig(), 2)
    rng = np.random.default_rng(5)
    state = bandit.initial()
    for t in range(1500):
        qualifies = np.array([True, t % 4 == 0])
        p = bandit.probabilities(state) * qualifies
        p = p / p.sum()
        arm = int(rng.choice(2, p=p))
        state = bandit.update(state, arm, (0.6, 0.3)[arm], float(p[arm]), qualifies)
    assert bandit.probabilities(state)[0] > 0.8


def test_a_single_arm_stays_certain():
    bandit = Exp3IXBandit(LearningConfig(), 1)
    state = bandit.update(bandit.initial(), 0, 0.2, 1.0, np.ones(1, bool))
    assert bandit.probabilities(state) == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("arm", "reward", "probability", "qualifies"),
    [
        pytest.param(0, 1.5, 0.5, [True, True], id="reward-above-one"),
        pytest.param(0, np.nan, 0.5, [True, True], id="reward-nan"),
        pytest.param(0, 0.5, 0.0, [True, True], id="drawn-with-probability-zero"),
        pytest.param(0, 0.5, np.nan, [True, True], id="probability-nan"),
        pytest.param(0, 0.5, 0.5, [False, True], id="arm-asleep"),
        pytest.param(2, 0.5, 0.5, [True, True], id="no-such-arm"),
        pytest.param(-1, 0.5, 0.5, [True, True], id="negative-arm"),
        pytest.param(0, 0.5, 0.5, [True], id="flags-missing"),
    ],
)
def test_impossible_rounds_are_refused(arm, reward, probability, qualifies):
    bandit = Exp3IXBandit(LearningConfig(), 2)
    with pytest.raises(ValueError, match=r"arm|reward"):
        bandit.update(bandit.initial(), arm, reward, probability, np.array(qualifies))


def test_foreign_or_broken_states_are_refused():
    with pytest.raises(ValueError, match="2 arms given to a bandit of 3"):
        Exp3IXBandit(LearningConfig(), 3).probabilities(BanditState(np.zeros(2), 0))
    with pytest.raises(ValueError, match="finite"):
        BanditState(np.array([0.0, np.nan]), 0)
    with pytest.raises(ValueError, match="needs an arm"):
        Exp3IXBandit(LearningConfig(), 0)


@pytest.mark.parametrize(
    "settings", [{"mode": "ucb"}, {"eta": 0.0}, {"tau_bps": -1.0}, {"reward_scale": 0.0}, {"x": 1}]
)
def test_settings_outside_their_range_are_refused_by_name(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        LearningConfig(**settings)
