"""Families of scikit-learn, and quantiles of LightGBM: the numbers are the library's, the files name no other type."""

# covers: P31

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import lightgbm
import numpy as np
import pytest
import skops.io
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor

from LIVE_TRADING.models.families.interface import TrainedModel, get_family
from LIVE_TRADING.models.skops_file import dump_object, load_object

REPO = Path(__file__).resolve().parents[2]
SCIKIT = ("extra_trees", "hist_gradient_boosting", "mlp")
SMALL = {
    "extra_trees": {"n_estimators": 12, "min_samples_leaf": 20},
    "hist_gradient_boosting": {"max_iter": 15, "min_samples_leaf": 50},
    "mlp": {"hidden_layer_sizes": (6, 3), "epochs": 2},
    "quantile_lightgbm": {"num_trees": 15, "min_data_in_leaf": 50},
}


def market(n_rows: int = 1500, n_features: int = 8, seed: int = 0, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_rows, n_features))
    target = 0.8 * rows[:, 0] - 0.5 * np.abs(rows[:, 1]) + noise * rng.standard_normal(n_rows)
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows, target


def small(family: str, seed: int = 3, **params: object) -> TrainedModel:
    rows, target = market()
    chosen = get_family(family)
    return chosen.train(rows, target, seed=seed, params=chosen.params(**{**SMALL[family], **params}))


def estimator(model: TrainedModel) -> object:
    data = model.files()["model.skops"]
    return skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))


@pytest.mark.parametrize("family", ["extra_trees", "hist_gradient_boosting"])
def test_trees_give_the_numbers_of_the_library_to_the_bit(family: str):
    model, (rows, _) = small(family), market(seed=8)
    rows[4] = np.nan
    assert model.predict(rows).tobytes() == estimator(model).predict(rows).tobytes()


def test_boosted_trees_give_the_same_bits_where_threads_share_a_block():
    model, (rows, _) = small("hist_gradient_boosting"), market(n_rows=5000, seed=8)
    loaded = get_family("hist_gradient_boosting").load(model.files(), threads=2)
    whole = loaded.predict(rows)
    assert whole.tobytes() == model.predict(rows).tobytes()
    assert whole[1234:1235].tobytes() == loaded.predict(rows[1234:1235]).tobytes()


def test_the_network_gives_the_numbers_of_the_library():
    model, (rows, _) = small("mlp"), market(seed=8)
    stored = estimator(model)
    z = np.nan_to_num(np.clip((rows - stored["mean"]) / stored["scale"], -5.0, 5.0))
    np.testing.assert_allclose(model.predict(rows), stored["network"].predict(z), rtol=1e-12, atol=1e-14)


def test_the_network_clips_what_is_far_out_and_imputes_the_mean():
    model, (rows, _) = small("mlp"), market()
    calm = np.zeros((3, rows.shape[1]))
    calm[:, 0] = 1e3, 1e9, np.nan
    far, farther, missing = model.predict(calm)
    assert far == farther
    calm[2, 0] = np.nanmean(rows[:, 0])
    assert model.predict(calm)[2] == pytest.approx(missing, rel=1e-12)


def test_features_beyond_single_precision_are_no_error():
    rows = np.zeros((3, 8))
    rows[:, 0] = 1e300, 1e30, -1e300
    far, near, low = small("extra_trees").predict(rows)
    assert far == near != low


def test_quantiles_are_those_of_the_library_averaged():
    model, (rows, _) = small("quantile_lightgbm"), market(seed=8)
    texts = {name: data.decode() for name, data in model.files().items() if name.endswith(".txt")}
    assert sorted(texts) == ["model.q0.25.txt", "model.q0.5.txt", "model.q0.75.txt"]
    levels = [lightgbm.Booster(model_str=texts[name]).predict(rows) for name in sorted(texts)]
    assert (levels[0] < levels[1]).mean() > 0.95
    assert (levels[1] < levels[2]).mean() > 0.95
    np.testing.assert_array_equal(model.predict(rows), (levels[0] + levels[1] + levels[2]) / 3)


def test_compiled_quantiles_have_the_same_bits():
    model, (rows, _) = small("quantile_lightgbm"), market(seed=8)
    before = model.predict(rows)
    model.compile_forest()
    assert model.forest is not None
    assert model.predict(rows).tobytes() == before.tobytes()


def test_quantiles_withstand_tails_that_squared_error_does_not():
    rows, target = market(4000, noise=0.0)
    wild = target + np.random.default_rng(5).standard_t(1.1, len(target))
    fresh, truth = market(4000, seed=9, noise=0.0)
    scores = {}
    for family in ("lightgbm", "quantile_lightgbm"):
        chosen = get_family(family)
        params = chosen.params(num_trees=60, learning_rate=0.1, min_data_in_leaf=100)
        scores[family] = np.corrcoef(chosen.train(rows, wild, seed=1, params=params).predict(fresh), truth)[0, 1]
    assert scores["quantile_lightgbm"] > 0.8 > scores["lightgbm"] + 0.1


def test_quantiles_do_not_take_a_wider_spread_for_a_forecast():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((6000, 2))
    target = np.exp(rows[:, 0]) * rng.standard_normal(6000)
    forecast = small_quantiles(rows, target, (0.25, 0.5, 0.75))
    high = small_quantiles(rows, target, (0.1, 0.9), only=1)
    assert np.corrcoef(high, rows[:, 0])[0, 1] > 0.7
    assert forecast.std() < 0.1 * high.std()


def small_quantiles(rows, target, levels, only=None):
    family = get_family("quantile_lightgbm")
    model = family.train(rows, target, seed=1, params=family.params(num_trees=60, quantiles=levels))
    return model.predict(rows) if only is None else model._models[only].predict(rows)


@pytest.mark.parametrize(
    "quantiles", [(), (0.5, 0.25, 0.75), (0.25, 0.5), (0.0, 1.0), (0.5, 0.5), (float("nan"),), (-1.0, 2.0)]
)
def test_quantiles_that_would_lean_to_one_side_are_refused(quantiles):
    with pytest.raises(ValueError, match="quantiles"):
        get_family("quantile_lightgbm").params(quantiles=quantiles)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"model.q0.5.txt": None}, id="a-quantile-is-missing"),
        pytest.param({"model.json": b'{"quantiles": [0.5], "x": 1}'}, id="unknown-key"),
        pytest.param({"model.json": b'{"quantiles": []}'}, id="no-quantile"),
        pytest.param({"model.json": None}, id="no-list"),
    ],
)
def test_half_a_set_of_quantiles_is_refused(changes):
    files = {**small("quantile_lightgbm").files(), **changes}
    with pytest.raises(ValueError, match=r"model\."):
        get_family("quantile_lightgbm").load({name: data for name, data in files.items() if data is not None})


def test_quantiles_of_different_features_are_refused():
    family, (rows, target) = get_family("quantile_lightgbm"), market()
    narrow = family.train(rows[:, :4], target, seed=1, params=family.params(**SMALL["quantile_lightgbm"]))
    files = {**small("quantile_lightgbm").files(), "model.q0.5.txt": narrow.files()["model.q0.5.txt"]}
    with pytest.raises(ValueError, match="different numbers of features"):
        family.load(files)


@pytest.mark.parametrize("family", SCIKIT)
def test_another_type_in_the_file_is_refused_before_anything_is_built(family: str):
    for stranger in (LinearRegression(), DummyRegressor(), {"network": print}, [Path("x")]):
        with pytest.raises(ValueError, match="not allowed"):
            get_family(family).load({"model.skops": skops.io.dumps(stranger)})


def test_a_type_that_skops_trusts_is_still_refused_when_it_is_not_listed():
    data = dump_object({"a": LinearRegression()})
    assert skops.io.get_untrusted_types(data=data) == []
    with pytest.raises(ValueError, match=r"types that are not allowed: sklearn\.linear_model\._base\.LinearRegression"):
        load_object(data, frozenset())


@pytest.mark.parametrize(
    ("family", "stored"),
    [
        pytest.param("extra_trees", ExtraTreesRegressor(), id="trees-not-fitted"),
        pytest.param("hist_gradient_boosting", HistGradientBoostingRegressor(), id="boosting-not-fitted"),
        pytest.param("mlp", {"network": MLPRegressor()}, id="network-not-fitted"),
        pytest.param("mlp", MLPRegressor(), id="network-without-its-scale"),
        pytest.param("extra_trees", ["nothing"], id="a-list"),
        pytest.param("hist_gradient_boosting", ["nothing"], id="another-list"),
    ],
)
def test_what_is_not_fitted_is_refused(family: str, stored: object):
    with pytest.raises(ValueError, match=r"model\.skops: no fitted"):
        get_family(family).load({"model.skops": dump_object(stored)})


def network(**changes: object) -> bytes:
    stored = estimator(small("mlp"))
    for name, value in changes.items():
        if name in stored:
            stored[name] = value
        else:
            setattr(stored["network"], name, value)
    return dump_object(stored)


@pytest.mark.parametrize(
    "changes",
    [
        {"clip_sd": 0.0},
        {"mean": np.zeros(3)},
        {"activation": "tanh"},
        {"n_features_in_": 7},
        {"coefs_": [np.zeros((8, 2)), np.zeros((3, 1))], "intercepts_": [np.zeros(2), np.zeros(1)]},
        {"coefs_": [np.zeros((8, 2))], "intercepts_": [np.zeros(2)]},
        {"intercepts_": []},
    ],
)
def test_layers_that_do_not_fit_each_other_are_refused(changes):
    with pytest.raises(ValueError, match=r"do not fit|zip"):
        get_family("mlp").load({"model.skops": network(**changes)})


@pytest.mark.parametrize(("field", "value"), [("left", 0), ("right", 10**6), ("feature_idx", 99)])
def test_a_boosted_tree_that_points_outside_itself_is_refused(field: str, value: int):
    altered = estimator(small("hist_gradient_boosting"))
    altered._predictors[3][0].nodes[field][0] = value
    with pytest.raises(ValueError, match="points outside itself"):
        get_family("hist_gradient_boosting").load({"model.skops": dump_object(altered)})


@pytest.mark.parametrize(("field", "value"), [("left_child", 0), ("right_child", 10**6), ("feature", 99)])
def test_a_random_tree_that_points_outside_itself_is_refused(field: str, value: int):
    altered = estimator(small("extra_trees"))
    tree = altered.estimators_[3].tree_
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value
    tree.__setstate__(state)
    with pytest.raises(ValueError, match="points outside itself"):
        get_family("extra_trees").load({"model.skops": dump_object(altered)})


@pytest.mark.parametrize("family", SCIKIT)
@pytest.mark.parametrize("damage", ["no-schema", "no-array", "cut", "schema-is-a-list"])
def test_a_damaged_archive_is_refused(family: str, damage: str):
    data = small(family).files()["model.skops"]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    if damage == "no-schema":
        del contents["schema.json"]
    elif damage == "no-array":
        contents = {"schema.json": contents["schema.json"]}
    elif damage == "schema-is-a-list":
        contents["schema.json"] = b"[]"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, part in contents.items():
            archive.writestr(name, part)
    broken = stream.getvalue()[:-40] if damage == "cut" else stream.getvalue()
    with pytest.raises(ValueError, match="cannot be read as skops archive"):
        get_family(family).load({"model.skops": broken})


@pytest.mark.parametrize("family", SCIKIT)
def test_no_address_or_time_is_in_the_file(family: str):
    with zipfile.ZipFile(io.BytesIO(small(family).files()["model.skops"])) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        arrays = [name for name in archive.namelist() if name.endswith(".npy")]
        assert arrays == [f"{number}.npy" for number in range(len(arrays))]
        assert max(_ids(json.loads(archive.read("schema.json")))) < 10_000


def _ids(value):
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [value["__id__"]] if isinstance(value, dict) and "__id__" in value else []
    return own + [number for part in below for number in _ids(part)]


def digest(family: str) -> str:
    files = small(family).files()
    return hashlib.sha256(b"".join(name.encode() + files[name] for name in sorted(files))).hexdigest()


def test_another_process_trains_equal_files():
    code = "import LIVE_TRADING, test_scikit_families as t; print(*(t.digest(f) for f in sorted(t.SMALL)))"
    env = {
        **os.environ, "PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": f"{REPO}{os.pathsep}{Path(__file__).parent}",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=REPO, capture_output=True, text=True, check=True, timeout=600
    )
    assert done.stdout.split() == [digest(family) for family in sorted(SMALL)]
