"""The ranges of the families' parameters: what is taken as configuration, the libraries take too."""

# covers: P2, P9

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from LIVE_TRADING.models.families.interface import TrainableFamily, get_family

ROWS = np.random.default_rng(3).standard_normal((400, 4))
TARGET = ROWS[:, 0] + np.random.default_rng(4).standard_normal(400)


def family(name: str) -> TrainableFamily:
    found = get_family(name)
    assert isinstance(found, TrainableFamily)
    return found


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("lightgbm", {"num_trees": 2, "min_data_in_leaf": 1_000_000_000}),
        ("lightgbm", {"num_trees": 2, "bagging_fraction": 0.01, "bagging_freq": 1}),
        ("lightgbm", {"num_trees": 2, "max_bin": 2, "num_leaves": 1024, "min_data_in_leaf": 1}),
        ("quantile_lightgbm", {"num_trees": 2, "quantiles": (0.001, 0.5, 0.999)}),
        ("hist_gradient_boosting", {"max_iter": 2, "min_samples_leaf": 1_000_000_000}),
        ("hist_gradient_boosting", {"max_iter": 2, "max_bins": 2, "max_leaf_nodes": 1024, "min_samples_leaf": 1}),
        ("extra_trees", {"n_estimators": 2, "min_samples_leaf": 1_000_000_000}),
        ("extra_trees", {"n_estimators": 2, "max_leaf_nodes": 65_536, "min_samples_leaf": 1}),
        ("mlp", {"hidden_layer_sizes": (1,) * 5, "epochs": 1}),
        ("mlp", {"hidden_layer_sizes": (4_096,), "epochs": 1}),
    ],
)
def test_the_ends_of_a_range_can_be_trained_with(name: str, params: dict[str, Any]) -> None:
    of = family(name)
    model = of.train(ROWS, TARGET, seed=1, params=of.params(**params))
    assert np.isfinite(model.predict(ROWS)).all()


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("lightgbm", {"min_data_in_leaf": 2**31}),
        ("lightgbm", {"bagging_fraction": 1e-9}),
        ("quantile_lightgbm", {"quantiles": (1e-12, 1 - 1e-12)}),
        ("quantile_lightgbm", {"quantiles": (1e-9, 0.5, 1.0)}),
        ("hist_gradient_boosting", {"min_samples_leaf": 10**12}),
        ("extra_trees", {"min_samples_leaf": 10**20}),
        ("extra_trees", {"max_leaf_nodes": 10**12}),
        ("mlp", {"hidden_layer_sizes": (0,)}),
        ("mlp", {"hidden_layer_sizes": (16, -1)}),
    ],
)
def test_what_the_library_would_refuse_is_no_configuration(name: str, params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(params))):
        family(name).params(**params)


def test_rows_that_lightgbm_refuses_are_an_error_of_the_rows() -> None:
    of = family("lightgbm")
    params = of.params(num_trees=2, bagging_fraction=0.01, bagging_freq=1)  # of thirty rows, none
    with pytest.raises(ValueError, match="LightGBM: "):
        of.train(ROWS[:30], TARGET[:30], seed=1, params=params)
