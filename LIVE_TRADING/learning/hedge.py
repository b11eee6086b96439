"""Hedge with sleeping arms: which horizon would have paid, where the result of every horizon is known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.types import BoolArray, FloatArray
from LIVE_TRADING.learning.bandit import BanditState, ExponentialWeights
from LIVE_TRADING.learning.config import LearningConfig
from LIVE_TRADING.learning.rewards import reward


class Hedge(ExponentialWeights):
    """p_t ∝ exp(−η_t L_{t−1});   L_t = L_{t−1} + ℓ_t.

    For arms that were awake    ℓ = 1 − r, known for each of them, played or not
    for arms that slept         ℓ = −(1/η_t) ln( Σ_{a∈A} p_a e^{−η_t ℓ_a} / Σ_{a∈A} p_a ),   the mix loss of A

    K     number of arms
    r     reward in [0, 1]
    A     arms that qualified and whose result is known
    η_t   √(8 ln K / t) in round t = 1, 2, …, applied to the whole L (anytime), or fixed

    With all arms awake the expected loss of a draw from p exceeds that of the best arm by at most
    2 √(n/2 · ln K) + √(ln K / 8) after any n rounds, whatever the losses are.

    Sources: Y. Freund, R. Schapire, "A decision-theoretic generalization of on-line learning and an application to
    boosting", JCSS 55 (1997), Hedge(β) with β = e^{−η}; the anytime rate and its bound: N. Cesa-Bianchi, G. Lugosi,
    "Prediction, learning, and games" (2006), theorem 2.3; sleeping arms: Y. Freund, R. Schapire, Y. Singer,
    M. Warmuth, "Using and combining predictors that specialize", STOC 1997.
    """

    def _anytime_eta(self, t: int) -> float:
        return math.sqrt(8.0 * math.log(self.n_arms) / t)

    def update(self, state: BanditState, rewards: FloatArray, awake: BoolArray) -> BanditState:
        """Return the state after one round.

        Parameters
        ----------
        rewards
            Shape (K,), in [0, 1] for the arms awake; others are not read.
        awake
            Shape (K,), at least one arm.

        Raises
        ------
        ValueError
            A shape is wrong, no arm is awake, or a reward of one that is lies outside [0, 1] or is NaN.
        """
        self._check(state)
        values, on = np.asarray(rewards, dtype=np.float64), np.asarray(awake, dtype=np.bool_)
        if values.shape != (self.n_arms,) or on.shape != (self.n_arms,) or not on.any():
            raise ValueError(f"rewards {values.tolist()} and awake {on.tolist()} do not fit {self.n_arms} arms")
        if not ((values[on] >= 0.0) & (values[on] <= 1.0)).all():
            raise ValueError(f"rewards {values[on].tolist()} are not all in [0, 1]")
        loss = np.where(on, 1.0 - values, 0.0)
        if not on.all():
            loss[~on] = self._mix_loss(state, loss[on], on)
        return BanditState(state.cumulative_loss + loss, state.rounds + 1)

    def _mix_loss(self, state: BanditState, losses: FloatArray, on: BoolArray) -> float:
        """Return the mix loss of the arms awake."""
        eta, log_p = self.eta(state), self.log_weights(state)[on]
        share = np.exp(log_p - log_p.max())
        share /= share.sum()
        return -math.log1p(float((share * np.expm1(-eta * losses)).sum())) / eta


@dataclass(frozen=True, slots=True)
class HorizonOutcomes:
    """What every horizon that qualified for an entry came to, each over its own span: one entry per horizon.

    order_number   number of the entry order
    settled_ns     end of the longest of those spans
    qualifies      the horizons that the entry was drawn from
    side           +1 or −1, the sign of that horizon's alpha; not read where it does not qualify
    return_bps     open of the bar after the decision to the close that ends the horizon, as a label; NaN: unknown
    sigma_h_bps    volatility over the horizon, at entry
    cost_bps       of a round trip, as the arbiter believed at entry

    Every horizon is measured by this same paper trade, the one that was played too: its fills, stops and resizes are
    not those that another would have had, and would make it look better or worse than it is.
    """

    order_number: int
    settled_ns: int
    qualifies: tuple[bool, ...]
    side: tuple[int, ...]
    return_bps: tuple[float, ...]
    sigma_h_bps: tuple[float, ...]
    cost_bps: float

    def rewards(self, scale: float) -> tuple[FloatArray, BoolArray]:
        """Return r = clip(½ + (side · return − cost)/(2 · S · σ_h), 0, 1) and which are known, (K,) each.

        A horizon is known where it qualified and return, volatility and cost are finite.
        """
        n_arms = len(self.qualifies)
        values, known = np.full(n_arms, np.nan), np.zeros(n_arms, dtype=np.bool_)
        for arm in range(n_arms):
            pnl_bps = self.side[arm] * self.return_bps[arm] - self.cost_bps
            sigma_h_bps = self.sigma_h_bps[arm]
            if self.qualifies[arm] and math.isfinite(pnl_bps) and 0.0 < sigma_h_bps < math.inf:
                values[arm], known[arm] = reward(pnl_bps, sigma_h_bps, scale), True
        return values, known


class HedgeLearner:
    """Teaches Hedge what the horizons of an entry came to, in the order of (settled_ns, order number)."""

    def __init__(self, config: LearningConfig, hedge: Hedge) -> None:
        self._scale = config.reward_scale
        self._hedge = hedge

    def learn(self, state: BanditState, outcomes: Iterable[HorizonOutcomes]) -> BanditState:
        """Return the state after these entries; one of which nothing is known, or one horizon alone, is no round.

        A single known horizon has no other to be compared with: its loss is the mix loss of all, and moves nothing.
        """
        for entry in sorted(outcomes, key=lambda entry: (entry.settled_ns, entry.order_number)):
            values, known = entry.rewards(self._scale)
            if known.sum() > 1:
                state = self._hedge.update(state, values, known)
        return state
