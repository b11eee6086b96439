"""Features on one scale, for the families that need it: centred, in deviations, clipped, missing values at the mean."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.types import BoolArray, FloatArray


def moments(features: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return (F,) mean, standard deviation and whether it varies at all, of what is present of features (R, F).

    A feature that does not vary, or is always missing, has mean 0 and deviation 1.
    """
    n_features = features.shape[1]
    mean, scale, usable = np.zeros(n_features), np.ones(n_features), np.zeros(n_features, dtype=bool)
    for j in range(n_features):
        column = features[:, j]
        present = column[~np.isnan(column)]
        if present.size > 1 and present.min() < present.max():
            mean[j], scale[j], usable[j] = present.mean(), present.std(), True
    return mean, scale, usable


def standardise(features: FloatArray, mean: FloatArray, scale: FloatArray, clip_sd: float) -> FloatArray:
    """Return clip((x − mean)/scale, ±clip_sd) of features (R, F), missing values 0."""
    z = (features - mean) / scale
    np.clip(z, -clip_sd, clip_sd, out=z)
    z[np.isnan(z)] = 0.0
    return z
