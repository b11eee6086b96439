"""Ridge regression on standardised features, in closed form, stored as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field, model_validator

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.scaling import moments, standardise

_FILE = "model.json"
_CHUNK_ROWS = 8_192


class RidgeParams(FrozenConfig):
    """Parameters of the fit."""

    alpha: float = Field(default=0.1, gt=0, description="L2 penalty on standardised weights, per row of training data")
    clip_sd: float = Field(default=5.0, gt=0, description="standardised features are clipped at this many deviations")


class _Coefficients(FrozenConfig):
    """What the file holds: `mean`, `scale`, `weight` have one entry per feature."""

    intercept: float
    clip_sd: float = Field(gt=0)
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weight: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_entry_per_feature(self) -> _Coefficients:
        if len(self.mean) != len(self.weight) or len(self.scale) != len(self.weight):
            raise ValueError(f"{len(self.mean)} means, {len(self.scale)} scales, {len(self.weight)} weights")
        return self


class RidgeModel:
    """forecast = intercept + Σ_j weight_j · z_j, z_j = clip((x_j − mean_j)/scale_j, ±clip_sd); missing: z_j = 0.

    The sum is taken feature by feature: a BLAS product would change in the last bit with the size of the batch, and so
    would numpy's pairwise sum with the layout of the array.
    """

    notes: Mapping[str, str] = {"missing_values": "imputed with the mean of the training rows"}

    def __init__(self, coefficients: _Coefficients) -> None:
        self._coefficients = coefficients
        self._mean = np.array(coefficients.mean)
        self._scale = np.array(coefficients.scale)
        self._weight = np.array(coefficients.weight)
        self.n_features = len(coefficients.weight)

    def predict(self, features: FloatArray) -> FloatArray:
        """Return forecasts (R,) of features (R, F)."""
        terms = standardise(features, self._mean, self._scale, self._coefficients.clip_sd)
        terms *= self._weight
        terms[:, 0] += self._coefficients.intercept
        total: FloatArray = np.add.accumulate(terms, axis=1)[:, -1].copy()
        return total

    def files(self) -> dict[str, bytes]:
        """Return the coefficients as JSON; floats are written so that they read back exactly."""
        return {_FILE: self._coefficients.model_dump_json(indent=1).encode()}

    def importance(self) -> tuple[str, FloatArray]:
        """Return the weight of each standardised feature, signed, shape (F,)."""
        return "coefficient of the standardised feature", self._weight.copy()


class RidgeFamily:
    """Minimises mean (y − intercept − w·z)² + alpha·|w|²; the intercept is not penalised.

    Hoerl & Kennard (1970). `alpha` is per row, so that it means the same for a short and a long training span.
    """

    name = "ridge"
    params: type[FrozenConfig] = RidgeParams

    def train(self, features: FloatArray, target: FloatArray, *, seed: int, params: RidgeParams) -> RidgeModel:
        """Fit features (R, F) to target (R,); `seed` changes nothing.

        A feature that is constant or always missing gets weight 0.

        Raises
        ------
        ValueError
            There are fewer than two rows.
        """
        from scipy.linalg import solve

        if len(target) < 2:
            raise ValueError(f"{len(target)} rows are too few to train on; 2 are needed")
        mean, scale, usable = moments(features)
        gram, cross, centre = _normal_equations(features, target, mean, scale, params.clip_sd)
        weight = np.zeros(features.shape[1])
        if usable.any():
            left = gram[np.ix_(usable, usable)] + params.alpha * np.eye(int(usable.sum()))
            weight[usable] = solve(left, cross[usable], assume_a="pos")
        intercept = float(np.mean(target)) - float(np.sum(weight * centre))
        return RidgeModel(
            _Coefficients(
                intercept=intercept,
                clip_sd=params.clip_sd,
                mean=tuple(mean.tolist()),
                scale=tuple(scale.tolist()),
                weight=tuple(weight.tolist()),
            )
        )

    def load(self, files: Mapping[str, bytes], *, threads: int = 1) -> RidgeModel:
        """Return the model of a JSON form; `threads` changes nothing.

        Raises
        ------
        ValueError
            The file is missing, or not what `files` writes.
        """
        if _FILE not in files:
            raise ValueError(f"{_FILE} is missing")
        return RidgeModel(_Coefficients.model_validate_json(files[_FILE]))


def _normal_equations(
    features: FloatArray, target: FloatArray, mean: FloatArray, scale: FloatArray, clip_sd: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return covariance of z (F, F), covariance of z with the target (F,), mean of z (F,), in chunks of rows.

    Without BLAS, so that the fit does not depend on how many threads it has.
    """
    n_rows, n_features = features.shape
    gram, cross, total = np.zeros((n_features, n_features)), np.zeros(n_features), np.zeros(n_features)
    for start in range(0, n_rows, _CHUNK_ROWS):
        z = standardise(features[start : start + _CHUNK_ROWS], mean, scale, clip_sd)
        gram += np.einsum("ri,rj->ij", z, z)
        cross += np.einsum("ri,r->i", z, target[start : start + _CHUNK_ROWS])
        total += z.sum(axis=0)
    centre = total / n_rows
    return gram / n_rows - np.outer(centre, centre), cross / n_rows - centre * float(np.mean(target)), centre


FAMILY = RidgeFamily()
