"""Exp3-IX with sleeping arms: which horizon has paid, learned from the trades it was played in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.types import BoolArray, FloatArray
from LIVE_TRADING.learning.config import LearningConfig


@dataclass(frozen=True, slots=True, eq=False)
class BanditState:
    """What the bandit remembers: cumulative loss estimates (K,), read-only, and the number of rounds played."""

    cumulative_loss: FloatArray
    rounds: int

    def __post_init__(self) -> None:
        loss = np.array(self.cumulative_loss, dtype=np.float64)
        if loss.ndim != 1 or not np.isfinite(loss).all() or self.rounds < 0:
            raise ValueError("cumulative_loss is a finite vector and rounds is not negative")
        loss.flags.writeable = False
        object.__setattr__(self, "cumulative_loss", loss)


class ExponentialWeights:
    """p_t ∝ exp(−η_t L_{t−1}) over K arms, L the cumulative loss: what the learners of this package share."""

    def __init__(self, config: LearningConfig, n_arms: int) -> None:
        if n_arms < 1:
            raise ValueError(f"a bandit needs an arm, not {n_arms}")
        self._fixed_eta = config.eta
        self.n_arms = n_arms

    def initial(self) -> BanditState:
        """Return the state before the first round: every arm equally likely."""
        return BanditState(np.zeros(self.n_arms), 0)

    def eta(self, state: BanditState) -> float:
        """Return the learning rate of the round that follows `state` (0 for a single arm, which needs none)."""
        return self._anytime_eta(state.rounds + 1) if self._fixed_eta is None else self._fixed_eta

    def log_weights(self, state: BanditState) -> FloatArray:
        """Return ln p, shape (K,)."""
        self._check(state)
        logits: FloatArray = -self.eta(state) * state.cumulative_loss
        logits -= logits.max()
        logits -= math.log(float(np.exp(logits).sum()))
        return logits

    def probabilities(self, state: BanditState) -> FloatArray:
        """Return p, shape (K,), non-negative, summing to 1."""
        weights: FloatArray = np.exp(self.log_weights(state))
        weights /= weights.sum()
        return weights

    def _anytime_eta(self, t: int) -> float:
        """Return the learning rate of round t = 1, 2, ... where none is fixed."""
        raise ValueError("a learner without an anytime rate needs a fixed one")

    def _check(self, state: BanditState) -> None:
        if state.cumulative_loss.shape != (self.n_arms,):
            raise ValueError(f"a state of {state.cumulative_loss.size} arms given to a bandit of {self.n_arms}")


class Exp3IXBandit(ExponentialWeights):
    """p_t ∝ exp(−η_t L̂_{t−1});   L̂_t = L̂_{t−1} + ℓ̂_t.

    For the arm played          ℓ̂ = (1 − r) / (π + γ_t),   γ_t = η_t / 2   (implicit exploration, no uniform mixing)
    for other arms that could   ℓ̂ = 0
    for arms that slept         ℓ̂ = −(1/η_t) ln( Σ_{a∈A} p_a e^{−η_t ℓ̂_a} / Σ_{a∈A} p_a ),   the mix loss of A

    K     number of arms
    r     reward in [0, 1]
    π     probability with which the arm was drawn at the time, any tilt included
    A     arms that qualified when the arm was drawn
    η_t   √(ln K / (K t)) in round t = 1, 2, …, applied to the whole L̂ (anytime), or fixed

    The mix loss is the constant that leaves a sleeping arm's share of the weight as it was. p and η are those at the
    time of the update, π is that of the draw.

    Sources: G. Neu, "Explore no more", NIPS 2015, Algorithm 1 and Theorem 1 (η_t = 2 γ_t = √(ln K / (K t)));
    Y. Freund, R. Schapire, Y. Singer, M. Warmuth, "Using and combining predictors that specialize", STOC 1997.
    """

    def _anytime_eta(self, t: int) -> float:
        return math.sqrt(math.log(self.n_arms) / (self.n_arms * t))

    def update(
        self, state: BanditState, arm: int, reward: float, probability: float, qualifies: BoolArray
    ) -> BanditState:
        """Return the state after one matured trade.

        Parameters
        ----------
        state
            State at maturity.
        arm
            Arm played, one of `qualifies`.
        reward
            In [0, 1].
        probability
            π, probability of the draw, in (0, 1].
        qualifies
            Shape (K,), the arms that could have been drawn then.

        Raises
        ------
        ValueError
            An argument is outside its range, or NaN.
        """
        self._check(state)
        awake = np.asarray(qualifies, dtype=np.bool_)
        if awake.shape != (self.n_arms,) or not 0 <= arm < self.n_arms or not awake[arm]:
            raise ValueError(f"arm {arm} is not among the {self.n_arms} arms that qualified: {awake.tolist()}")
        if not 0.0 <= reward <= 1.0 or not 0.0 < probability <= 1.0:
            raise ValueError(f"reward {reward} is outside [0, 1] or probability {probability} outside (0, 1]")
        eta = self.eta(state)
        estimate = (1.0 - reward) / (probability + eta / 2.0)
        increment = np.zeros(self.n_arms)
        if not awake.all():
            increment[~awake] = self._mix_loss(state, arm, estimate, awake)
        increment[arm] = estimate
        return BanditState(state.cumulative_loss + increment, state.rounds + 1)

    def _mix_loss(self, state: BanditState, arm: int, estimate: float, awake: BoolArray) -> float:
        """Return the mix loss of the arms awake, of which only `arm` has a loss estimate that is not zero."""
        eta = self.eta(state)
        log_p = self.log_weights(state)
        top = log_p[awake].max()
        log_mass = top + math.log(float(np.exp(log_p[awake] - top).sum()))
        share = math.exp(log_p[arm] - log_mass)
        return -math.log1p(share * math.expm1(-eta * estimate)) / eta
