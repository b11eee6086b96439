"""Blending stage: calibrated scores of the families in, expected return per horizon out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LIVE_TRADING.blending.ridge import RidgeConfig, RidgeWeightCalculator
from LIVE_TRADING.blending.temperature import TemperatureCompressor, TemperatureConfig
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import AllPredictions, BlendResult, CodeArray, FloatArray

_OK, _NO_VIEW = int(Reason.OK), int(Reason.NO_VIEW)
_NO_POSITIVE_WEIGHT, _VOL_UNKNOWN = int(Reason.NO_POSITIVE_WEIGHT), int(Reason.VOL_UNKNOWN)


class BlendingConfig(RidgeConfig, TemperatureConfig):
    """Settings of the blending stage: those of the weights and those of their compression."""


class HorizonBlender:
    """α_h = σ_h · Σ_m w_m s̃_m, in bps over horizon h (Grinold 1994: IC × volatility × score).

    s̃    calibrated score z · c of a family (its IC is part of c)
    w    ridge weights after compression, shape (H, M)
    σ_h  volatility over the horizon, bps

    A family without a view (NaN) counts 0 and the weights are not renormalised: what one family says alone is worth its
    own weight, no more. α is NaN, no view, where every family is NaN or σ_h is unknown.

    Reads stage 1 and the volatility model; read by arbitration.
    """

    def __init__(self, config: BlendingConfig, horizons: Sequence[Horizon]) -> None:
        self._names = tuple(horizon.name for horizon in horizons)
        self._ridge = RidgeWeightCalculator(config)
        self._compressor = TemperatureCompressor(config, horizons)
        self._last: tuple[bytes, bytes, FloatArray] | None = None

    def blend(self, predictions: AllPredictions, covariance: FloatArray, sigma_bps: FloatArray) -> BlendResult:
        """Return the blend of one cycle.

        Parameters
        ----------
        predictions
            Stage 1 for the horizons of this blender, in their order.
        covariance
            (H, M, M), see `RidgeWeightCalculator`.
        sigma_bps
            (H, N) volatility over each horizon; NaN or not positive: unknown, no view.

        Raises
        ------
        ValueError
            The predictions are for other horizons.
        """
        if predictions.horizons != self._names:
            raise ValueError(f"predictions for {predictions.horizons}, blender for {self._names}")
        weights = self._weights(predictions.ic, covariance)
        alpha, reason = np.empty(sigma_bps.shape), np.empty(sigma_bps.shape[1], dtype=np.int16)
        scores = np.ascontiguousarray(predictions.calibrated)
        blend_scores(weights, scores, np.ascontiguousarray(sigma_bps), alpha, reason)
        return BlendResult(self._names, weights, alpha, sigma_bps, reason)

    def _weights(self, ic: FloatArray, covariance: FloatArray) -> FloatArray:
        """Return compressed ridge weights; the last answer is kept, since the evidence changes once per session."""
        evidence, spread = ic.tobytes(), covariance.tobytes()
        if self._last is None or self._last[:2] != (evidence, spread):
            weights = self._compressor.compress(self._ridge.weights(ic, covariance))
            weights.setflags(write=False)
            self._last = (evidence, spread, weights)
        return self._last[2]


@kernel(
    "void(Array(float64, 2, 'C', readonly=True), float64[:, :, ::1], Array(float64, 2, 'C', readonly=True), "
    "float64[:, ::1], int16[::1])"
)
def blend_scores(
    weights: FloatArray, scores: FloatArray, sigma_bps: FloatArray, alpha: FloatArray, reason: CodeArray
) -> None:
    """Write α = σ · Σ_m w_m s̃_m (H, N), added family by family, and per symbol (N,) what its best horizon lacks.

    `weights` (H, M), `scores` (H, M, N), `sigma_bps` (H, N). NaN: no view, σ unknown.
    """
    n_horizons, n_families, n = scores.shape
    weightless = True
    reason[:] = _NO_VIEW
    for h in range(n_horizons):
        total, sigma, viewed = alpha[h], sigma_bps[h], np.zeros(n, dtype=np.bool_)
        total[:] = 0.0
        for m in range(n_families):
            weight, score = weights[h, m], scores[h, m]
            weightless &= weight == 0.0
            for i in range(n):
                known = score[i] == score[i]
                total[i] += weight * score[i] if known else 0.0
                viewed[i] |= known
        for i in range(n):
            usable = viewed[i] & (sigma[i] > 0.0)
            total[i] = total[i] * sigma[i] if usable else np.nan
            if usable:
                reason[i] = _OK
            elif viewed[i] and reason[i] == _NO_VIEW:
                reason[i] = _VOL_UNKNOWN
    if weightless:
        for i in range(n):
            if reason[i] == _OK:
                reason[i] = _NO_POSITIVE_WEIGHT
