"""The choice of a horizon: what the bandit has learned, joined with what the score says now."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.types import BoolArray, CodeArray, FloatArray
from LIVE_TRADING.learning.bandit import BanditState, ExponentialWeights
from LIVE_TRADING.learning.config import LearningConfig
from LIVE_TRADING.learning.draws import draw_uniforms


class EnsembleWeightOptimizer:
    """π_h ∝ p_h · exp(score_h / τ) over the horizons that qualify; one draw per symbol.

    p      the bandit's probabilities (H,)
    score  net expected return per √(5 minutes), bps
    τ      `tau_bps`: small leans on the score, large on the bandit

    The draw for a symbol is a function of (seed, scheduled time, symbol) and of that symbol's column alone: other
    symbols and their order change nothing. With `mode: off` the best score is taken, the lowest row among equals.
    """

    def __init__(self, config: LearningConfig, bandit: ExponentialWeights, state: BanditState, seed: int) -> None:
        self._off = config.mode == "off"
        self._tau_bps = config.tau_bps
        self._log_p = bandit.log_weights(state)
        self._seed = seed

    def select(
        self, score: FloatArray, qualifies: BoolArray, scheduled_time_ns: int, symbols: tuple[str, ...]
    ) -> tuple[CodeArray, FloatArray]:
        """Return, per symbol, the row of the horizon drawn and the probability of that draw.

        Parameters
        ----------
        score
            Shape (H, K), bps, for K candidate symbols; may be NaN where a horizon does not qualify.
        qualifies
            Shape (H, K): horizons that may be drawn.
        scheduled_time_ns
            Scheduled time of the cycle.
        symbols
            The K symbols.

        Returns
        -------
        row, probability
            Shape (K,) each. No horizon qualifies: row -1, probability NaN.

        Raises
        ------
        ValueError
            Shapes disagree, or a horizon qualifies with a score that is not finite.
        """
        expected = (self._log_p.size, len(symbols))
        if score.shape != expected or qualifies.shape != expected:
            raise ValueError(f"score {score.shape} and qualifies {qualifies.shape} should be {expected}")
        masked = np.where(qualifies, score, -np.inf)
        if not (np.isfinite(masked) | ~qualifies).all():
            raise ValueError("a horizon qualifies with a score that is not finite")
        row = np.full(len(symbols), -1, dtype=np.int16)
        probability = np.full(len(symbols), np.nan)
        open_columns = np.flatnonzero(qualifies.any(axis=0))
        if open_columns.size == 0:
            return row, probability
        masked = masked[:, open_columns]
        if self._off:
            row[open_columns] = masked.argmax(axis=0)
            probability[open_columns] = 1.0
            return row, probability
        uniform = draw_uniforms(self._seed, scheduled_time_ns, [symbols[column] for column in open_columns.tolist()])
        row[open_columns], probability[open_columns] = self._draw(masked, uniform)
        return row, probability

    def _draw(self, masked: FloatArray, uniform: FloatArray) -> tuple[CodeArray, FloatArray]:
        """Invert the distribution of each column at its uniform number."""
        logits = self._log_p[:, None] + masked / self._tau_bps
        weights = np.exp(logits - logits.max(axis=0))
        cumulative = weights.cumsum(axis=0)
        # u < 1, so u · total < total also after rounding: the row is always one of positive weight.
        row = (cumulative <= uniform * cumulative[-1]).sum(axis=0)
        chosen = weights[row, np.arange(row.size)] / cumulative[-1]
        return row.astype(np.int16), chosen
