"""Histogram gradient boosting of scikit-learn, stored through skops; missing values pass as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.forest_model import ForestModel, stored_tables
from LIVE_TRADING.models.forest_trees import Forest
from LIVE_TRADING.models.scikit_trees import boosted_trees
from LIVE_TRADING.models.skops_file import dump_object, load_object, only_file

_FILE = "model.skops"
_MIN_ROWS = 20
_ROWS_WORTH_A_THREAD = 4_096
_ALLOWED = frozenset(
    {
        "sklearn._loss._loss.CyHalfSquaredError",
        "sklearn._loss.link.IdentityLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.loss.HalfSquaredError",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    }
)


class HistGradientBoostingParams(FrozenConfig):
    """Parameters of the trees, by scikit-learn's own names."""

    max_iter: int = Field(default=100, ge=1, le=10_000, description="boosting rounds")
    max_leaf_nodes: int = Field(default=16, ge=2, le=1024, description="leaves per tree")
    learning_rate: float = Field(default=0.05, gt=0, le=1, description="shrinkage of each tree")
    min_samples_leaf: int = Field(
        default=1000, ge=1, le=1_000_000_000, description="rows per leaf; large, since signals are weak"
    )
    max_bins: int = Field(default=63, ge=2, le=255, description="histogram bins per feature")
    max_features: float = Field(default=0.7, gt=0, le=1, description="share of features drawn for a split")
    l2_regularization: float = Field(default=10.0, ge=0, description="L2 penalty on leaf values")


class HistGradientBoostingModel(ForestModel):
    """forecast = baseline + Σ_k tree_k(x), added tree by tree, which is what the library does.

    NaN goes the way each split learned for missing values. Not compiled, the trees are asked directly: the library's
    own `predict` first checks and copies its input, which takes longer than a cycle's few rows take in the trees.
    """

    notes: Mapping[str, str] = {"missing_values": "passed to the trees as they are"}

    def __init__(self, estimator: Any, data: bytes, threads: int, stored: bytes | None = None) -> None:
        super().__init__(stored)
        self._data = data
        self._threads = threads
        self._trees = [tree for (tree,) in estimator._predictors]
        self._baseline = float(estimator._baseline_prediction.item())
        self._categories = estimator._bin_mapper.make_known_categories_bitsets()
        self.n_features = int(estimator.n_features_in_)
        _check([tree.nodes for tree in self._trees], self.n_features)

    def forests(self) -> list[Forest]:
        """Return baseline and trees as one forest."""
        return [boosted_trees(self._baseline, [tree.nodes for tree in self._trees])]

    def predict_by_library(self, features: FloatArray) -> FloatArray:
        """Return what `predict` returns, from the library's trees."""
        threads = self._threads if len(features) >= _ROWS_WORTH_A_THREAD else 1
        total = np.full(len(features), self._baseline)
        for tree in self._trees:
            total += tree.predict(features, *self._categories, threads)
        return total

    def model_files(self) -> dict[str, bytes]:
        """Return the estimator as skops archive."""
        return {_FILE: self._data}


class HistGradientBoostingFamily:
    """Regression on squared error, without early stopping: a random validation share would overlap the labels."""

    name = "hist_gradient_boosting"
    params: type[FrozenConfig] = HistGradientBoostingParams

    def train(
        self, features: FloatArray, target: FloatArray, *, seed: int, params: HistGradientBoostingParams
    ) -> HistGradientBoostingModel:
        """Fit features (R, F) to target (R,); fewer rows than two leaves take give the mean.

        Raises
        ------
        ValueError
            There are fewer than 20 rows.
        """
        from sklearn.ensemble import HistGradientBoostingRegressor

        if len(target) < _MIN_ROWS:
            raise ValueError(f"{len(target)} rows are too few to train on; {_MIN_ROWS} are needed")
        estimator = HistGradientBoostingRegressor(
            **params.model_dump(), early_stopping=False, categorical_features=None, random_state=seed
        )
        estimator.fit(_without_empty_columns(features), target)
        estimator._bin_mapper.n_threads = 1  # how many there were here is no part of the model
        return self.load({_FILE: dump_object(estimator)})

    def load(self, files: Mapping[str, bytes], *, threads: int = 1) -> HistGradientBoostingModel:
        """Return the model of a skops archive.

        Raises
        ------
        ValueError
            The file is missing, or no such estimator.
        """
        data = only_file(files, _FILE)
        estimator = load_object(data, _ALLOWED)
        try:
            return HistGradientBoostingModel(estimator, data, threads, stored_tables(files))
        except (AttributeError, TypeError, LookupError) as error:
            raise ValueError(f"{_FILE}: no fitted HistGradientBoostingRegressor ({error})") from error


def _without_empty_columns(features: FloatArray) -> FloatArray:
    """Return features (R, F) with 0 for one that is always missing, which the library cannot bin; none splits on it."""
    empty = np.isnan(features).all(axis=0)
    return np.where(empty, 0.0, features) if empty.any() else features


def _check(trees: list[Any], n_features: int) -> None:
    """Refuse trees that would be walked outside their memory, or for ever."""
    for nodes in trees:
        inner = nodes[nodes["is_leaf"] == 0]
        place = np.flatnonzero(nodes["is_leaf"] == 0)
        children = np.stack((inner["left"], inner["right"]))
        forward = (children > place) & (children < len(nodes))
        known = (inner["feature_idx"] >= 0) & (inner["feature_idx"] < n_features)
        if not (len(nodes) and forward.all() and known.all() and not nodes["is_categorical"].any()):
            raise ValueError(f"{_FILE}: a tree points outside itself")


FAMILY = HistGradientBoostingFamily()
