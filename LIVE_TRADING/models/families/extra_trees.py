"""Extremely randomised trees of scikit-learn (Geurts, Ernst & Wehenkel 2006), stored through skops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.forest_model import ForestModel, stored_tables
from LIVE_TRADING.models.forest_trees import Forest
from LIVE_TRADING.models.scikit_trees import averaged_trees
from LIVE_TRADING.models.skops_file import dump_object, load_object, only_file

_FILE = "model.skops"
_MIN_ROWS = 20
_NO_CHILD = -1
_ALLOWED = frozenset(
    {
        "sklearn.ensemble._forest.ExtraTreesRegressor",
        "sklearn.tree._classes.ExtraTreeRegressor",
        "sklearn.tree._tree.Tree",
    }
)


class ExtraTreesParams(FrozenConfig):
    """Parameters of the trees, by scikit-learn's own names."""

    n_estimators: int = Field(default=100, ge=1, le=10_000, description="trees")
    max_leaf_nodes: int | None = Field(
        default=None, ge=2, le=65_536, description="leaves per tree; none: as many as rows allow"
    )
    min_samples_leaf: int = Field(
        default=250, ge=1, le=1_000_000_000, description="rows drawn per leaf; large, since signals are weak"
    )
    max_features: float = Field(default=0.5, gt=0, le=1, description="share of features drawn for a split")
    max_samples: float = Field(default=0.25, gt=0, le=1, description="rows drawn per tree, as a share of all")


class ExtraTreesModel(ForestModel):
    """forecast = (Σ_k tree_k(x)) / K, added in the order of the trees.

    Not compiled, the trees are asked directly: the library's own `predict` adds them up in whatever order its threads
    finish, and checks its input anew for every tree.
    """

    notes: Mapping[str, str] = {
        "missing_values": "each split sends them to the side drawn for them in training; where training had none, to "
        "the larger side",
        "precision": "features are rounded to float32, forecasts are float64",
    }

    def __init__(self, estimator: Any, data: bytes, stored: bytes | None = None) -> None:
        super().__init__(stored)
        self._data = data
        self._trees = [member.tree_ for member in estimator.estimators_]
        self.n_features = int(estimator.n_features_in_)
        _check(self._trees, self.n_features)

    def forests(self) -> list[Forest]:
        """Return its trees as one forest, of whose sum the forecast is a share."""
        return [averaged_trees(self._trees)]

    def of_sums(self, sums: FloatArray) -> FloatArray:
        """Return the mean (R,) of the trees, of their sum (1, R)."""
        forecasts: FloatArray = sums[0] / len(self._trees)
        return forecasts

    def predict_by_library(self, features: FloatArray) -> FloatArray:
        """Return what `predict` returns, from the library's trees."""
        with np.errstate(over="ignore"):  # beyond float32 is infinite, and that is on the right side of every split
            single = features.astype(np.float32)
        total = np.zeros(len(features))
        for tree in self._trees:
            total += tree.predict(single)[:, 0]
        total /= len(self._trees)
        return total

    def model_files(self) -> dict[str, bytes]:
        """Return the estimator as skops archive."""
        return {_FILE: self._data}

    def importance(self) -> tuple[str, FloatArray]:
        """Return each feature's share of the variance that splits took away, shape (F,); 0 without a split."""
        taken = np.sum([tree.compute_feature_importances() for tree in self._trees], axis=0)
        total = float(taken.sum())
        return "share of the variance taken by splits", taken / total if total > 0.0 else taken


class ExtraTreesFamily:
    """Regression on squared error; each tree on its own draw of rows, which is faster, and costs little where labels
    overlap.
    """

    name = "extra_trees"
    params: type[FrozenConfig] = ExtraTreesParams

    def train(
        self, features: FloatArray, target: FloatArray, *, seed: int, params: ExtraTreesParams
    ) -> ExtraTreesModel:
        """Fit features (R, F) to target (R,); fewer rows than two leaves take give the mean.

        Raises
        ------
        ValueError
            There are fewer than 20 rows.
        """
        from sklearn.ensemble import ExtraTreesRegressor

        if len(target) < _MIN_ROWS:
            raise ValueError(f"{len(target)} rows are too few to train on; {_MIN_ROWS} are needed")
        estimator = ExtraTreesRegressor(**params.model_dump(), bootstrap=True, n_jobs=1, random_state=seed)
        estimator.fit(features, target)
        return self.load({_FILE: dump_object(estimator)})

    def load(self, files: Mapping[str, bytes], *, threads: int = 1) -> ExtraTreesModel:
        """Return the model of a skops archive; `threads` changes nothing.

        Raises
        ------
        ValueError
            The file is missing, or no such estimator.
        """
        data = only_file(files, _FILE)
        estimator = load_object(data, _ALLOWED)
        try:
            return ExtraTreesModel(estimator, data, stored_tables(files))
        except (AttributeError, TypeError, LookupError) as error:
            raise ValueError(f"{_FILE}: no fitted ExtraTreesRegressor ({error})") from error


def _check(trees: list[Any], n_features: int) -> None:
    """Refuse trees that would be walked outside their memory, or for ever."""
    for tree in trees:
        inner = np.flatnonzero(tree.children_left != _NO_CHILD)
        children = np.stack((tree.children_left[inner], tree.children_right[inner]))
        forward = (children > inner) & (children < tree.node_count)
        known = (tree.feature[inner] >= 0) & (tree.feature[inner] < n_features)
        if not (tree.node_count and tree.n_features == n_features and forward.all() and known.all()):
            raise ValueError(f"{_FILE}: a tree points outside itself")


FAMILY = ExtraTreesFamily()
