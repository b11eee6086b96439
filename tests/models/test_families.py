"""Conformance of every model family: a file in models/families/ is enough to be tested here."""

# covers: P9, P30, P31

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.models.families.interface import (
    ImportedFamily,
    Model,
    ModelFamily,
    SequenceModel,
    TrainableFamily,
    family_names,
    get_family,
)
from LIVE_TRADING.models.forest_file import FOREST_FILE
from LIVE_TRADING.models.forest_model import ForestModel
from tests.support.onnx_graphs import gru

N_FEATURES = 12
LOOKBACK = 9
BATCHES = (1, 2, 7, 81, 500)
TRAINABLE = tuple(name for name in family_names() if isinstance(get_family(name), TrainableFamily))
# files of the families that train nothing themselves, which treat missing values as their authors meant
FILES = {"onnx": lambda: gru(LOOKBACK, N_FEATURES, imputed=True).data}


def rows_with_gaps(n_rows: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_rows, N_FEATURES)) * np.logspace(-3, 3, N_FEATURES)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows[:, 3] = rng.integers(0, 4, n_rows)
    rows[:, 5] = 2.0  # constant
    rows[:, 7] = np.nan  # always missing
    return rows


@pytest.fixture(scope="module", params=family_names())
def family(request: pytest.FixtureRequest) -> ModelFamily:
    return get_family(request.param)


@pytest.fixture(scope="module", params=TRAINABLE)
def trainable(request: pytest.FixtureRequest) -> TrainableFamily:
    return get_family(request.param)


def inputs_of(model: Model, rows: np.ndarray) -> np.ndarray:
    """What the model takes for these rows: the rows, or the windows (R, T, F) that end with them."""
    if not isinstance(model, SequenceModel):
        return rows
    before = np.full((model.lookback - 1, rows.shape[1]), np.nan)
    history = np.concatenate([before, rows]).astype(np.float32)
    return np.stack([history[row : row + model.lookback] for row in range(len(rows))])


def answers(model: Model, inputs: np.ndarray) -> np.ndarray:
    return model.predict_windows(inputs) if isinstance(model, SequenceModel) else model.predict(inputs)


@pytest.fixture(scope="module")
def target() -> np.ndarray:
    rows = rows_with_gaps(4000)
    return 0.4 * np.nan_to_num(rows[:, 4]) + rows[:, 3] + np.random.default_rng(9).standard_normal(4000)


@pytest.fixture(scope="module")
def model(family: ModelFamily, target: np.ndarray) -> Model:
    if isinstance(family, ImportedFamily):
        names = tuple(f"feature_{number}" for number in range(N_FEATURES))
        params = family.params(lookback=LOOKBACK, trained_until="2025-01-02", missing="pass")
        return family.accept(FILES[family.name](), features=names, params=params)
    return trained(family, target)


def trained(family: TrainableFamily, target: np.ndarray) -> Model:
    return family.train(rows_with_gaps(4000), target, seed=3, params=family.params())


def test_a_family_trains_or_takes_files_in():
    for name in family_names():
        family = get_family(name)
        assert isinstance(family, TrainableFamily) != isinstance(family, ImportedFamily)
        assert isinstance(family, ImportedFamily) == (name in FILES)


def test_the_families_are_found_by_file():
    assert {"lightgbm", "ridge"} <= set(family_names())
    assert "interface" not in family_names()


def test_an_unknown_family_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"'lightbgm' is unknown; known are .*lightgbm"):
        get_family("lightbgm")


def test_name_is_the_file_and_notes_say_how_missing_values_are_treated(family: ModelFamily, model: Model):
    assert get_family(family.name) is family
    assert model.n_features == N_FEATURES
    assert "missing_values" in model.notes


def test_it_learns(trainable: TrainableFamily, target: np.ndarray):
    forecast = trained(trainable, target).predict(rows_with_gaps(4000))
    assert forecast.shape == (4000,)
    assert np.isfinite(forecast).all()
    assert np.corrcoef(forecast, target)[0, 1] > 0.3


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", BATCHES)
def test_a_row_gets_the_same_bits_in_any_batch(
    family: ModelFamily, model: Model, batch: int, threads: int, compiled: bool, tmp_path_factory, monkeypatch
):
    rows = rows_with_gaps(500, seed=5)
    rows[17] = np.nan
    loaded = family.load(model.files(), threads=threads)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "compiled"))
    if compiled and isinstance(loaded, ForestModel):
        loaded.compile_forest()
        assert loaded.forest is not None
    inputs = inputs_of(model, rows)
    got = np.concatenate([answers(loaded, inputs[start : start + batch]) for start in range(0, 500, batch)])
    assert got.tobytes() == answers(model, inputs).tobytes()
    assert np.isfinite(got).all()
    assert len(np.unique(got)) > 1


def test_files_round_trip(family: ModelFamily, model: Model):
    again = family.load(model.files())
    assert again.files() == model.files()
    assert again.n_features == model.n_features
    assert all("/" not in name for name in model.files())


def test_equal_training_gives_equal_files(trainable: TrainableFamily, target: np.ndarray):
    rows = rows_with_gaps(4000)
    with ThreadPoolExecutor(2) as pool:  # as training does it
        fits = [pool.submit(trainable.train, rows, target, seed=3, params=trainable.params()) for _ in range(4)]
    assert all(fit.result().files() == fits[0].result().files() for fit in fits[1:])


def test_prediction_leaves_its_input_alone(model: Model):
    inputs = inputs_of(model, rows_with_gaps(50))
    before = inputs.copy()
    answers(model, inputs)
    assert inputs.tobytes() == before.tobytes()


class Trap:
    """What unpickling would carry out: the file `path` would exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_and_not_loaded(
    family: ModelFamily, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "compiled"))
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    pickle.loads(trap)  # noqa: S301  it is one
    (tmp_path / "sprung").unlink()
    for name in model.files():
        files = {**model.files(), name: trap}
        if name == FOREST_FILE:  # can be made again, so it is left aside
            loaded = family.load(files)
            assert isinstance(loaded, ForestModel)
            loaded.compile_forest()
            assert answers(loaded, rows_with_gaps(20)).tobytes() == answers(model, rows_with_gaps(20)).tobytes()
        else:
            with pytest.raises(ValueError):
                family.load(files)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("broken", ["absent", "garbage", "empty"])
def test_bytes_that_are_no_model_are_refused(family: ModelFamily, model: Model, broken: str):
    contents = {
        "absent": {},
        "garbage": dict.fromkeys(model.files(), b"\x00 nonsense"),
        "empty": dict.fromkeys(model.files(), b""),
    }
    with pytest.raises(ValueError):
        family.load(contents[broken])


@pytest.mark.parametrize(
    ("family_name", "contents"),
    [
        pytest.param("lightgbm", {"model.txt": b"tree\nversion=v4\nnum_class=1\n"}, id="trees-cut-short"),
        pytest.param(
            "ridge",
            {"model.json": b'{"intercept": 0, "clip_sd": 5, "mean": [0], "scale": [1], "weight": [1, 2]}'},
            id="a-weight-without-its-feature",
        ),
    ],
)
def test_half_a_model_is_refused(family_name: str, contents: dict[str, bytes]):
    with pytest.raises(ValueError):
        get_family(family_name).load(contents)


def test_too_few_rows_are_refused(trainable: TrainableFamily):
    with pytest.raises(ValueError, match="too few"):
        trainable.train(rows_with_gaps(1), np.ones(1), seed=1, params=trainable.params())


def test_ridge_equals_scikit_learn():
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((3000, 6)) * [1, 10, 0.1, 3, 1, 1] + [0, 5, 0, -7, 0, 1]
    goal = rows @ [0.5, 0.1, 1, 0, -0.2, 0.3] + rng.standard_normal(3000)
    family = get_family("ridge")
    model = family.train(rows, goal, seed=0, params=family.params(alpha=0.2, clip_sd=100.0))
    z = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    expected = Ridge(alpha=0.2 * 3000).fit(z, goal).predict(z)
    np.testing.assert_allclose(model.predict(rows), expected, rtol=1e-9, atol=1e-12)


def test_ridge_clips_what_is_far_out_and_ignores_what_is_missing():
    family = get_family("ridge")
    rows = np.random.default_rng(4).standard_normal((2000, 2))
    model = family.train(rows, rows[:, 0] * 2, seed=0, params=family.params(alpha=1e-9, clip_sd=3.0))
    far = model.predict(np.array([[3.5, 0.0], [1e9, 0.0], [np.nan, 0.0]]))
    assert far[0] == far[1] < 2 * 3.3
    assert far[2] == pytest.approx(np.mean(rows[:, 0] * 2), abs=0.05)


def test_ridge_without_any_usable_feature_forecasts_the_mean():
    family = get_family("ridge")
    model = family.train(np.full((50, 2), np.nan), np.arange(50.0), seed=0, params=family.params())
    assert model.predict(np.full((1, 2), np.nan)) == pytest.approx([24.5])
