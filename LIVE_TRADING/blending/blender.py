"""Blending stage: calibrated scores of the families in, expected return per horizon out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LIVE_TRADING.blending.ridge import RidgeConfig, RidgeWeightCalculator
from LIVE_TRADING.blending.temperature import TemperatureCompressor, TemperatureConfig
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import AllPredictions, BlendResult, BoolArray, CodeArray, FloatArray

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
        scores = predictions.calibrated
        silent = np.isnan(scores)
        no_view = np.logical_and.reduce(silent, axis=1)
        usable = (sigma_bps > 0.0) & ~no_view
        alpha = _weighted_sum(weights, np.where(silent, 0.0, scores)) * sigma_bps
        alpha[~usable] = np.nan
        return BlendResult(self._names, weights, alpha, sigma_bps, _reasons(weights, no_view, usable))

    def _weights(self, ic: FloatArray, covariance: FloatArray) -> FloatArray:
        """Return compressed ridge weights; the last answer is kept, since the evidence changes once per session."""
        evidence, spread = ic.tobytes(), covariance.tobytes()
        if self._last is None or self._last[:2] != (evidence, spread):
            weights = self._compressor.compress(self._ridge.weights(ic, covariance))
            weights.setflags(write=False)
            self._last = (evidence, spread, weights)
        return self._last[2]


def _weighted_sum(weights: FloatArray, scores: FloatArray) -> FloatArray:
    """Return Σ_m w_m s_m (H, N), added family by family.

    `einsum` and `sum` change the order of the additions, and so the last bit, with the memory layout of their input.
    """
    total = weights[:, 0, None] * scores[:, 0]
    for family in range(1, weights.shape[1]):
        total += weights[:, family, None] * scores[:, family]
    return total


def _reasons(weights: FloatArray, no_view: BoolArray, usable: BoolArray) -> CodeArray:
    """Say per symbol whether there is an alpha at any horizon, and if not, what is missing."""
    reason = np.full(usable.shape[1], _OK if weights.any() else _NO_POSITIVE_WEIGHT, dtype=np.int16)
    has_alpha = np.logical_or.reduce(usable, axis=0)
    if not has_alpha.all():
        reason[~has_alpha] = _VOL_UNKNOWN
        reason[np.logical_and.reduce(no_view, axis=0)] = _NO_VIEW
    return reason
