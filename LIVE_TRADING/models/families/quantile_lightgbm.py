"""Gradient-boosted quantiles, LightGBM: the middle of a return's distribution, whatever its tails do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field, ValidationError, model_validator

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.families.lightgbm import FAMILY as LIGHTGBM
from LIVE_TRADING.models.families.lightgbm import LightGbmModel, LightGbmParams
from LIVE_TRADING.models.forest_model import ForestModel, stored_tables
from LIVE_TRADING.models.forest_trees import Forest
from LIVE_TRADING.models.skops_file import only_file

_INDEX = "model.json"
_TEXT = "model.txt"  # the name the lightgbm family gives its file
_MIN_ROWS = 20


class _Index(FrozenConfig):
    """What model.json holds."""

    quantiles: tuple[float, ...] = Field(min_length=1)


class QuantileLightGbmParams(LightGbmParams):
    """Parameters of the trees of each quantile, by LightGBM's own names, and which quantiles."""

    num_trees: int = Field(default=60, ge=1, le=10_000, description="boosting rounds per quantile")
    learning_rate: float = Field(default=0.1, gt=0, le=1, description="shrinkage of each tree")
    quantiles: tuple[Annotated[float, Field(ge=0.001, le=0.999)], ...] = Field(
        default=(0.25, 0.5, 0.75),
        min_length=1,
        max_length=9,
        description="quantiles whose mean is the forecast; ascending, symmetric about one half",
    )

    @model_validator(mode="after")
    def _symmetric(self) -> QuantileLightGbmParams:
        levels = np.array(self.quantiles)
        if not (levels[0] > 0.0 and (np.diff(levels) > 0).all() and np.allclose(levels + levels[::-1], 1.0)):
            raise ValueError(f"quantiles {self.quantiles} are not ascending and symmetric about one half")
        return self


class QuantileLightGbmModel(ForestModel):
    """forecast = (1/K) Σ_k q_k(x), added in the order of the quantiles.

    q_k   forecast of quantile τ_k, from its own trees; NaN goes the way each split learned for missing values
    """

    notes: Mapping[str, str] = {
        "missing_values": "passed to the trees as they are",
        "forecast": "mean of the quantiles of params.quantiles, which are not forced to be in order",
    }

    def __init__(
        self, quantiles: Sequence[float], models: Sequence[LightGbmModel], stored: bytes | None = None
    ) -> None:
        super().__init__(stored)
        self._quantiles = tuple(quantiles)
        self._models = list(models)
        self.n_features = models[0].n_features
        if any(model.n_features != self.n_features for model in models):
            raise ValueError("its quantiles take different numbers of features")

    def forests(self) -> list[Forest]:
        """Return one forest per quantile."""
        return [forest for model in self._models for forest in model.forests()]

    def of_sums(self, sums: FloatArray) -> FloatArray:
        """Return the mean (R,) of the quantiles' forecasts (K, R)."""
        total = np.zeros(sums.shape[1])
        for forecasts in sums:
            total += forecasts
        total /= len(sums)
        return total

    def predict_by_library(self, features: FloatArray) -> FloatArray:
        """Return what `predict` returns, from the boosters themselves."""
        return self.of_sums(np.stack([model.predict_by_library(features) for model in self._models]))

    def model_files(self) -> dict[str, bytes]:
        """Return the list of quantiles, and the trees of each as text."""
        texts = {_file(q): model.model_files()[_TEXT] for q, model in zip(self._quantiles, self._models, strict=True)}
        return {_INDEX: _Index(quantiles=self._quantiles).model_dump_json().encode(), **texts}

    def importance(self) -> tuple[str, FloatArray]:
        """Return each feature's share of the splits' gain, the mean over the quantiles, shape (F,)."""
        found = [model.importance() for model in self._models]
        return "share of the splits' gain", np.mean([shares for _, shares in found], axis=0)


class QuantileLightGbmFamily:
    """Pinball loss (Koenker & Bassett 1978) at evenly spaced levels, averaged with equal weights.

    The median alone loses a third of the data's efficiency where returns are near normal. The mean of a few evenly
    spaced quantiles (composite quantile regression: Zou & Yuan 2008; averages of quantiles: Koenker 2005, section 5.1)
    keeps most of it and stays robust to the tails. Being symmetric, it cancels what features say about the spread of
    the return alone, which moves low and high quantiles apart but not their mean.
    """

    name = "quantile_lightgbm"
    params: type[FrozenConfig] = QuantileLightGbmParams

    def train(
        self, features: FloatArray, target: FloatArray, *, seed: int, params: QuantileLightGbmParams
    ) -> QuantileLightGbmModel:
        """Fit features (R, F) to target (R,), one set of trees per quantile, on one thread.

        Raises
        ------
        ValueError
            There are fewer than 20 rows.
        """
        import lightgbm as lgb

        if len(target) < _MIN_ROWS:
            raise ValueError(f"{len(target)} rows are too few to train on; {_MIN_ROWS} are needed")
        settings = params.model_dump(exclude={"num_trees", "quantiles"}) | {
            "objective": "quantile",
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        texts = {}
        for level in params.quantiles:
            at_level = settings | {"alpha": level}
            booster = lgb.train(at_level, lgb.Dataset(features, target, params=at_level), params.num_trees)
            texts[_file(level)] = booster.model_to_string().encode()
        return self.load({_INDEX: _Index(quantiles=params.quantiles).model_dump_json().encode(), **texts})

    def load(self, files: Mapping[str, bytes], *, threads: int = 1) -> QuantileLightGbmModel:
        """Return the model of a list of quantiles and their text forms.

        Raises
        ------
        ValueError
            A file is missing, or not what `files` writes.
        """
        try:
            quantiles = _Index.model_validate_json(only_file(files, _INDEX)).quantiles
        except ValidationError as error:
            raise ValueError(f"{_INDEX}: {error}") from error
        models = [LIGHTGBM.load({_TEXT: only_file(files, _file(q))}, threads=threads) for q in quantiles]
        return QuantileLightGbmModel(quantiles, models, stored_tables(files))


def _file(quantile: float) -> str:
    return f"model.q{quantile!r}.txt"


FAMILY = QuantileLightGbmFamily()
