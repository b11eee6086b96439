"""Compiled scikit-learn trees, narrow and wide: the library's bits, its rounding and its missing values included."""

# covers: P9, P29, P30

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor

from LIVE_TRADING.models import compiled_forest as module
from LIVE_TRADING.models import forest_layouts
from LIVE_TRADING.models.compiled_forest import CompiledForest, probe_rows
from LIVE_TRADING.models.families.interface import get_family
from LIVE_TRADING.models.forest_compiler import Walk, load_walk
from LIVE_TRADING.models.forest_file import decode_tables, encode_tables
from LIVE_TRADING.models.forest_kernel import walk_across, walk_down
from LIVE_TRADING.models.forest_model import ForestModel
from LIVE_TRADING.models.forest_tables import ForestTables
from LIVE_TRADING.models.forest_trees import Column, Tree, constant
from LIVE_TRADING.models.joint_forests import JointForests
from LIVE_TRADING.models.scikit_trees import before_rounding

N_FEATURES = 5
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e-40, -1e-40, 3.5e38, -3.5e38, 1e300, 1.7976931348623157e308)
EVERY_ROW = {"min_data_in_leaf": 1, "bagging_fraction": 1.0, "lambda_l2": 0.0, "max_bin": 255}
MODELS = {
    "boosted-narrow": ("hist_gradient_boosting", {"max_iter": 20, "max_leaf_nodes": 64, "min_samples_leaf": 2}),
    "boosted-wide": ("hist_gradient_boosting", {"max_iter": 8, "max_leaf_nodes": 200, "min_samples_leaf": 2}),
    "boosted-nothing-to-split": ("hist_gradient_boosting", {"max_iter": 3, "min_samples_leaf": 1000}),
    "extra-narrow": ("extra_trees", {"n_estimators": 11, "max_leaf_nodes": 64, "min_samples_leaf": 1}),
    "extra-wide": ("extra_trees", {"n_estimators": 7, "min_samples_leaf": 1, "max_samples": 1.0}),
    "extra-nothing-to-split": ("extra_trees", {"n_estimators": 3, "min_samples_leaf": 1000}),
    "lightgbm-wide": ("lightgbm", {"num_trees": 6, "num_leaves": 150, **EVERY_ROW}),
    "quantile-wide": ("quantile_lightgbm", {"num_trees": 4, "num_leaves": 90, **EVERY_ROW}),
}


def rows_of(n_rows: int, seed: int, *, special: float = 0.0, missing: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_rows, N_FEATURES)) * np.logspace(-3, 3, N_FEATURES)
    rows[:, 2] = rng.integers(-2, 3, n_rows) / 10.0  # on no float32
    rows[rng.random(rows.shape) < missing] = np.nan
    return np.where(rng.random(rows.shape) < special, rng.choice(SPECIAL, rows.shape), rows)


def training_rows() -> tuple[np.ndarray, np.ndarray]:
    rows = rows_of(800, 1)
    noise = np.random.default_rng(2).standard_normal(800)
    return rows, np.nan_to_num(rows[:, 0]) * 1e3 + np.isnan(rows[:, 3]) + noise


def fitted(name: str) -> ForestModel:
    family, params = MODELS[name]
    chosen = get_family(family)
    return chosen.train(*training_rows(), seed=4, params=chosen.params(**params))


@pytest.fixture(scope="module", autouse=True)
def walks(tmp_path_factory: pytest.TempPathFactory):
    """Code that is compiled once for all of this file's tests."""
    folder: Path = tmp_path_factory.mktemp("numba")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_walk", lambda name, _: load_walk(name, folder))
        yield


@pytest.fixture(scope="module", params=sorted(MODELS))
def fitted_model(request: pytest.FixtureRequest) -> ForestModel:
    return fitted(request.param)


@pytest.fixture(scope="module", params=["across", "down"])
def model(request: pytest.FixtureRequest, fitted_model: ForestModel) -> Iterator[ForestModel]:
    """A model of each kind, compiled to be walked in both ways, whichever would be chosen."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "down":
            patch.setattr(forest_layouts, "MOST_LEAVES_ACROSS", 0)
        fitted_model.compile_forest()
        assert fitted_model.forest is not None
        assert fitted_model.forest.across == (request.param == "across")
        yield fitted_model


@pytest.mark.parametrize("batch", [1, 2, 7, 50, 81, 500])
def test_a_row_alone_and_in_any_batch_has_the_librarys_bits(model: ForestModel, batch: int):
    rows = np.concatenate([rows_of(300, 5, special=0.3), probe_rows(model.forest.tables, 7)[:200]])
    got = np.concatenate([model.predict(rows[start : start + batch]) for start in range(0, 500, batch)])
    assert got.tobytes() == model.predict_by_library(rows).tobytes()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_row_has_the_librarys_bits(model: ForestModel, data: st.DataObject):
    thresholds = model.forest.tables.threshold
    known = st.sampled_from([*SPECIAL, *thresholds.tolist()[:200]])
    beside = known.map(lambda x: math.nextafter(x, -math.inf)) | known.map(lambda x: math.nextafter(x, math.inf))
    value = known | beside | st.floats(width=64) | st.floats(width=32)
    rows = data.draw(npst.arrays(np.float64, st.tuples(st.integers(1, 9), st.just(N_FEATURES)), elements=value))
    assert model.predict(rows).tobytes() == model.predict_by_library(rows).tobytes()


@pytest.mark.parametrize("walk", [walk_across, walk_down])
def test_the_uncompiled_form_is_the_same(walk: Walk, monkeypatch):
    if walk is walk_down:
        monkeypatch.setattr(forest_layouts, "MOST_LEAVES_ACROSS", 0)
    model = fitted("extra-wide")
    tables, rows = ForestTables.of_forests(model.forests(), N_FEATURES), rows_of(21, 3, special=0.3)
    sums = CompiledForest(tables, walk).predict(rows)
    assert model.of_sums(sums).tobytes() == model.predict_by_library(rows).tobytes()


@pytest.mark.parametrize("name", ["boosted-narrow", "extra-wide"])
def test_it_is_the_estimators_own_forecast(name: str):
    family, params = MODELS[name]
    settings_of_both = get_family(family).params(**params).model_dump()
    estimator = (
        HistGradientBoostingRegressor(early_stopping=False, categorical_features=None, random_state=4)
        if name.startswith("boosted")
        else ExtraTreesRegressor(bootstrap=True, random_state=4, n_jobs=1)
    )
    estimator.set_params(**settings_of_both).fit(*training_rows())
    model, rows = fitted(name), rows_of(200, 9)
    model.compile_forest()
    np.testing.assert_allclose(model.predict(rows), estimator.predict(rows), rtol=1e-12)


@given(st.floats(allow_nan=False, width=64) | st.floats(allow_nan=False, width=32))
def test_rounding_moves_into_the_threshold(threshold: float):
    (bound,) = before_rounding(np.array([threshold]))
    with np.errstate(over="ignore"):
        assert float(np.float32(bound)) <= threshold
        assert threshold == np.inf or float(np.float32(np.nextafter(bound, np.inf))) > threshold


def test_thresholds_that_are_missing_or_infinite_stay():
    assert np.isnan(before_rounding(np.array([np.nan]))).all()
    assert before_rounding(np.array([np.inf])) == np.inf


@pytest.mark.parametrize("name", ["extra-wide", "boosted-narrow"])
def test_tables_come_back_from_their_file(name: str):
    tables = ForestTables.of_forests(fitted(name).forests(), N_FEATURES)
    data = encode_tables(tables)
    again = decode_tables(data)
    assert encode_tables(again) == data == encode_tables(ForestTables.of_forests(fitted(name).forests(), N_FEATURES))


@pytest.mark.parametrize(
    ("most_leaves", "most_ranks", "n_walks"),
    [
        pytest.param(1024, 2**16 - 1, 1, id="all-across"),
        pytest.param(100, 2**16 - 1, 2, id="the-widest-down"),
        pytest.param(100, 400, 4, id="ranks-run-out"),
    ],
)
def test_models_of_all_families_walk_together(most_leaves: int, most_ranks: int, n_walks: int, monkeypatch):
    monkeypatch.setattr(forest_layouts, "MOST_LEAVES_ACROSS", most_leaves)
    monkeypatch.setattr(forest_layouts, "MOST_RANKS", most_ranks)
    monkeypatch.setattr(module, "MOST_RANKS", most_ranks)
    models = [fitted(name) for name in sorted(MODELS)]
    for model in models:
        model.compile_forest()
    joint, rows = JointForests(models), rows_of(150, 9, special=0.2)
    together = joint.predict(rows)
    assert [found.tobytes() for found in together] == [model.predict_by_library(rows).tobytes() for model in models]
    assert len(CompiledForest.joined([model.forest for model in models])) == n_walks
    assert JointForests([]).predict(rows) == []


def test_a_model_that_is_not_compiled_cannot_walk_with_others():
    with pytest.raises(ValueError, match="not compiled"):
        JointForests([fitted("boosted-narrow")])


STUMP = Tree([Column(0, -np.inf, None)], [0.5], [-1], [-2], [1.0, 2.0])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"left": [0]}, "do not form a tree"),
        ({"right": [-1]}, "do not form a tree"),
        ({"right": [7]}, "do not form a tree"),
        ({"left": [-9]}, "do not form a tree"),
        ({"leaf": [1.0]}, "1 leaves and 1 nodes"),
        ({"threshold": [np.nan]}, "a threshold is no number"),
        ({"column": [Column(3, 0.0, None)]}, "beyond the 2 of the model"),
    ],
)
def test_what_is_no_tree_has_no_tables(changes: dict[str, object], reason: str):
    fields = {name: getattr(STUMP, name) for name in ("column", "threshold", "left", "right", "leaf")}
    with pytest.raises(ValueError, match=reason):
        ForestTables.of_forests([[Tree(**{**fields, **changes})]], 2)


@pytest.mark.parametrize("most_leaves", [0, 1024])
def test_a_tree_of_one_leaf_is_a_constant_in_both_walks(most_leaves: int, monkeypatch):
    monkeypatch.setattr(forest_layouts, "MOST_LEAVES_ACROSS", most_leaves)
    rows = rows_of(9, 1)[:, :2]
    forest = CompiledForest(ForestTables.of_forests([[constant(0.25), STUMP, constant(0.5)], []], 2))
    expected = np.where(rows[:, 0] > 0.5, 2.75, 1.75)
    assert forest.predict(rows).tolist() == [expected.tolist(), [0.0] * 9]
    assert CompiledForest(ForestTables.of_forests([[constant(0.25)]], 0)).predict(rows[:, :0]).tolist() == [[0.25] * 9]
