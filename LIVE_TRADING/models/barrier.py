"""The two barrier classifiers of a run, asked together: is a peak here, is a valley here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.artifacts import PlattCalibration
from LIVE_TRADING.models.families.interface import TrainedModel
from LIVE_TRADING.models.inference import InferenceEngine

_GREATEST_EXPONENT = 700.0  # beyond it exp overflows; the probability is 0 to the last bit long before


@dataclass(frozen=True, slots=True)
class Classifier:
    """Trees that give a margin, and what makes a probability of it."""

    trees: TrainedModel
    calibration: PlattCalibration


def probability(margin: FloatArray, calibration: PlattCalibration) -> FloatArray:
    """Return calibrated probabilities, element by element; NaN stays NaN."""
    log_odds = calibration.slope * margin + calibration.intercept
    p: FloatArray = 1.0 / (1.0 + np.exp(np.minimum(-log_odds, _GREATEST_EXPONENT)))
    return p


class BarrierModels:
    """p_peak and p_valley of all symbols at once. A symbol without a bar (its features all NaN) has neither.

    The trees give the same bits in any batch, and what follows is done element by element: so do the probabilities.
    """

    def __init__(self, peak: Classifier, valley: Classifier) -> None:
        self._calibrations = (peak.calibration, valley.calibration)
        self._engine = InferenceEngine([[peak.trees, valley.trees]])

    def predict(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return p_peak and p_valley (N,) of the features (F, N) of one bar end."""
        return self._probabilities(self._engine.predict(features)[0])

    def predict_block(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return p_peak and p_valley (T, N) of features (T, F, N)."""
        return self._probabilities(self._engine.predict_block(features)[:, 0].swapaxes(0, 1))

    def _probabilities(self, margins: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the probabilities of margins (2, …)."""
        peak, valley = (
            probability(np.ascontiguousarray(margin), calibration)
            for margin, calibration in zip(margins, self._calibrations, strict=True)
        )
        return peak, valley
