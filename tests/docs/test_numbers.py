"""Simulated numbers that the documentation gives."""

# covers: P20

from __future__ import annotations

import numpy as np
import pytest

from LIVE_TRADING.learning import Exp3IXBandit, LearningConfig

K = 6
REWARD_SD = 1 / 6  # one volatility of the horizon, at the default reward scale
BANDIT = Exp3IXBandit(LearningConfig(), K)


def played(means: list[float], seed: int, n_trades: int) -> np.ndarray:
    """Probabilities after trades in which the first arms, as many as there are means, could be drawn."""
    n_awake = len(means)
    awake = np.arange(K) < n_awake
    rng, state = np.random.default_rng(seed), BANDIT.initial()
    for _ in range(n_trades):
        p = BANDIT.probabilities(state)[:n_awake]
        draw = p / p.sum()
        arm = int(rng.choice(n_awake, p=draw))
        reward = float(np.clip(means[arm] + REWARD_SD * rng.standard_normal(), 0.0, 1.0))
        state = BANDIT.update(state, arm, reward, float(draw[arm]), awake)
    return BANDIT.probabilities(state)


@pytest.mark.parametrize(
    ("means", "n_trades", "lowest", "highest"),
    [
        pytest.param([0.5] * 5, 1_000, 0.167, 0.185, id="equal-arms"),
        pytest.param([0.40, 0.45, 0.50, 0.55, 0.60], 1_000, 0.17, 0.20, id="unequal-arms"),
        pytest.param([0.40, 0.45, 0.50, 0.55, 0.60], 10_000, 0.23, 0.27, id="unequal-arms-for-long"),
    ],
)
def test_a_sleeping_arm_gains_a_little_under_the_anytime_rate(
    means: list[float], n_trades: int, lowest: float, highest: float
) -> None:
    shares = [played(means, seed, n_trades)[-1] for seed in range(3)]
    assert lowest <= min(shares)
    assert max(shares) <= highest


def test_a_better_arm_is_found_in_thousands_of_trades() -> None:
    after = [np.mean([played([0.5] * 5 + [0.6], seed, n)[-1] for seed in range(6)]) for n in (100, 1_000)]
    assert after[0] < 0.25
    assert 0.28 < after[1] < 0.45
