"""Gradient-boosted trees, LightGBM (Ke et al. 2017), stored in its text format; missing values pass as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.forest_model import ForestModel, stored_tables
from LIVE_TRADING.models.forest_trees import Forest
from LIVE_TRADING.models.lightgbm_text import read_lightgbm

_FILE = "model.txt"
_MIN_ROWS = 20


class LightGbmParams(FrozenConfig):
    """Parameters of the trees, by LightGBM's own names."""

    num_trees: int = Field(default=150, ge=1, le=10_000, description="boosting rounds")
    num_leaves: int = Field(default=31, ge=2, le=1024, description="leaves per tree")
    learning_rate: float = Field(default=0.03, gt=0, le=1, description="shrinkage of each tree")
    min_data_in_leaf: int = Field(
        default=1000, ge=1, le=1_000_000_000, description="rows per leaf; large, since signals are weak"
    )
    max_bin: int = Field(default=63, ge=2, le=255, description="histogram bins per feature")
    bagging_fraction: float = Field(default=0.5, ge=0.01, le=1, description="share of rows drawn for a tree")
    bagging_freq: int = Field(default=5, ge=0, description="trees between draws of rows; 0: no draw")
    feature_fraction: float = Field(default=0.7, gt=0, le=1, description="share of features drawn for a tree")
    lambda_l2: float = Field(default=10.0, ge=0, description="L2 penalty on leaf values")


class LightGbmModel(ForestModel):
    """A fitted booster. The library's predictions do not depend on batch size or threads; nor does the compiled form.

    NaN goes the way each split learned for missing values.
    """

    notes: Mapping[str, str] = {"missing_values": "passed to the trees as they are"}

    def __init__(self, booster: Any, text: str, threads: int, stored: bytes | None = None) -> None:
        super().__init__(stored)
        self._booster = booster
        self._text = text
        self._threads = threads
        self.n_features = booster.num_feature()

    def forests(self) -> list[Forest]:
        """Return its trees as one forest."""
        return [read_lightgbm(self._text.encode())]

    def predict_by_library(self, features: FloatArray) -> FloatArray:
        """Return what `predict` returns, from the booster itself."""
        forecasts = self._booster.predict(features, num_threads=self._threads, validate_features=False)
        return np.asarray(forecasts, dtype=np.float64)

    def model_files(self) -> dict[str, bytes]:
        """Return the text form."""
        return {_FILE: self._text.encode()}

    def importance(self) -> tuple[str, FloatArray]:
        """Return each feature's share of the gain of all splits, shape (F,); all 0 for trees without a split."""
        gain = np.asarray(self._booster.feature_importance(importance_type="gain"), dtype=np.float64)
        total = float(gain.sum())
        return "share of the splits' gain", gain / total if total > 0.0 else np.zeros(len(gain))


class LightGbmFamily:
    """Regression on squared error. The library is imported where it is used: that takes a second."""

    name = "lightgbm"
    params: type[FrozenConfig] = LightGbmParams

    def train(self, features: FloatArray, target: FloatArray, *, seed: int, params: LightGbmParams) -> LightGbmModel:
        """Fit features (R, F) to target (R,); fewer rows than two leaves take give the mean.

        On one thread: the library's threads wait for each other at every split, which on a busy machine takes many
        times longer than one thread alone.

        Raises
        ------
        ValueError
            There are fewer than 20 rows.
        """
        return self._model(fit_trees(features, target, "regression", seed, params), 1)

    def load(self, files: Mapping[str, bytes], *, threads: int = 1) -> LightGbmModel:
        """Return the model of a text form.

        Raises
        ------
        ValueError
            The file is missing, or no LightGBM model.
        """
        if _FILE not in files:
            raise ValueError(f"{_FILE} is missing")
        return self._model(files[_FILE].decode(), threads, stored_tables(files))

    def _model(self, text: str, threads: int, stored: bytes | None = None) -> LightGbmModel:
        return LightGbmModel(read_booster(text), text, threads, stored)


def fit_trees(features: FloatArray, target: FloatArray, objective: str, seed: int, params: LightGbmParams) -> str:
    """Return, as text, the trees fitted to a target (R,) with one of the library's objectives.

    Raises
    ------
    ValueError
        There are fewer than 20 rows, or the library refuses them.
    """
    import lightgbm as lgb

    if len(target) < _MIN_ROWS:
        raise ValueError(f"{len(target)} rows are too few to train on; {_MIN_ROWS} are needed")
    settings = params.model_dump(exclude={"num_trees"}) | {
        "objective": objective,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lgb.Dataset(features, target, params=settings)
    try:
        text: str = lgb.train(settings, data, num_boost_round=params.num_trees).model_to_string()
    except lgb.basic.LightGBMError as error:  # of few rows, the share that is drawn can be none
        raise ValueError(f"LightGBM: {error}") from error
    return text


def read_booster(text: str) -> Any:
    """Return the booster of a text form.

    Raises
    ------
    ValueError
        It is no LightGBM model.
    """
    import lightgbm as lgb

    if not text.startswith("tree\n"):  # the library logs and goes on, or aborts, on some malformed texts
        raise ValueError(f"{_FILE} does not begin like a LightGBM text model")
    try:
        return lgb.Booster(model_str=text)
    except lgb.basic.LightGBMError as error:
        raise ValueError(f"{_FILE}: {error}") from error


FAMILY = LightGbmFamily()
