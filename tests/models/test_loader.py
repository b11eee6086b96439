"""The loader takes exactly what was trained and says why it refuses anything else."""

# covers: P9, P30

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from LIVE_TRADING.common.exceptions import ModelLoadError
from LIVE_TRADING.models import loader as loader_module
from LIVE_TRADING.models.artifacts import model_folder, sha256
from LIVE_TRADING.models.forest_model import ForestModel
from LIVE_TRADING.models.loader import ModelLoader

MODEL = "targets/ret_5m/models/view=cross_sectional/family=lightgbm"


def rewrite(path: Path, **changes: object) -> str:
    content = json.loads(path.read_bytes()) | changes
    path.write_text(json.dumps(content))
    return sha256(path.read_bytes())


def rewrite_meta(root: Path, **changes: object) -> None:
    """Alter a model_meta.json and mend the manifest's checksum of it."""
    digest = rewrite(root / MODEL / "model_meta.json", **changes)
    manifest = json.loads((root / "manifest.json").read_bytes())
    for entry in manifest["models"]:
        if (entry["target"], entry["family"]) == ("ret_5m", "lightgbm"):
            entry["meta_sha256"] = digest
    (root / "manifest.json").write_text(json.dumps(manifest))


def test_layout_is_the_documented_one(small_run):
    assert str(model_folder("ret_5m", "lightgbm")) == MODEL
    names = sorted(path.name for path in (small_run.root / MODEL).iterdir())
    assert names == ["forest.npz", "model.txt", "model_meta.json"]


def test_models_load_bit_equal_and_once(small_run):
    loader = ModelLoader(small_run.root)
    rows = np.random.default_rng(1).standard_normal((9, 4))
    for (target, family), model in small_run.models.items():
        assert loader.load(target, family).predict(rows).tobytes() == model.predict(rows).tobytes()
    shutil.rmtree(small_run.root)
    assert loader.load("ret_5m", "ridge") is loader.load("ret_5m", "ridge")


def test_nothing_is_read_before_it_is_asked_for(small_run, tmp_path):
    ModelLoader(tmp_path / "absent")
    (small_run.root / MODEL / "model.txt").unlink()
    assert ModelLoader(small_run.root).load("ret_5m", "ridge").n_features == 4


def test_artifacts_describe_the_run(small_run):
    artifacts = ModelLoader(small_run.root).artifacts
    assert artifacts.horizons == ("5m", "1d")
    assert artifacts.families == ("lightgbm", "ridge")
    assert artifacts.interval_ns == 300 * 10**9
    assert artifacts.snapshot_path.is_file()
    np.testing.assert_array_equal(artifacts.validation.ic, [[0.01, 0.01], [0.0, 0.0]])
    np.testing.assert_array_equal(artifacts.validation.n_effective, [[50.0, 50.0], [0.0, 0.0]])
    np.testing.assert_array_equal(artifacts.validation.rmse, [[1.1, 1.1], [np.nan, np.nan]])


def test_snapshot_comes_back(small_run):
    parts = ModelLoader(small_run.root).snapshot()
    np.testing.assert_array_equal(parts["features"]["ring"], [[0, 1, 2], [3, 4, 5]])
    assert parts["features"]["count"] == 4


def test_what_the_caller_feeds_is_accepted_when_it_fits(small_run):
    loader = ModelLoader(
        small_run.root,
        interval_ns=300 * 10**9,
        features=("ret_1", "rsi_14", "volume_ratio", "slot"),
        symbols=("BBB", "AAA"),
    )
    assert loader.manifest.symbols == ("AAA", "BBB", "CCC")


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        pytest.param(
            {"interval_ns": 60 * 10**9},
            "bar interval: the run wants 5 minutes, the bars have 1 minute; use",
            id="interval",
        ),
        pytest.param(
            {"features": ("ret_1", "rsi_9", "volume_ratio", "slot")},
            "the run wants rsi_14, not given here; the code here gives rsi_9, not known to the run; use",
            id="features",
        ),
        pytest.param(
            {"features": ("rsi_14", "ret_1", "volume_ratio", "slot")},
            "the code here gives rsi_14, ret_1",
            id="feature-order",
        ),
        pytest.param({"symbols": ("AAA", "ZZZ")}, "not trained on ZZZ, but on AAA, BBB, CCC; leave", id="symbols"),
    ],
)
def test_a_run_for_something_else_is_refused(small_run, expectation, message):
    with pytest.raises(ModelLoadError, match=message):
        _ = ModelLoader(small_run.root, **expectation).manifest


@pytest.mark.parametrize("name", ["model.txt", "model_meta.json"])
@pytest.mark.parametrize("change", ["one-bit", "appended", "removed"])
def test_an_altered_file_is_refused(small_run, name, change):
    path = small_run.root / MODEL / name
    data = bytearray(path.read_bytes())
    if change == "removed":
        path.unlink()
    else:
        data[len(data) // 2] ^= change == "one-bit"
        path.write_bytes(bytes(data) + (b" " if change == "appended" else b""))
    wanted = "no such file" if change == "removed" else "SHA-256 expected .*, found .*; the file was altered"
    with pytest.raises(ModelLoadError, match=f"{name}: {wanted}"):
        ModelLoader(small_run.root).load("ret_5m", "lightgbm")


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("change", ["one-bit", "appended"])
def test_altered_tables_are_refused(small_run, change, compiled):
    path = small_run.root / MODEL / "forest.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= change == "one-bit"
    path.write_bytes(bytes(data) + (b" " if change == "appended" else b""))
    with pytest.raises(ModelLoadError, match=r"forest\.npz: SHA-256 expected .*, found .*; the file was altered"):
        ModelLoader(small_run.root, compiled=compiled).load("ret_5m", "lightgbm")


@pytest.mark.parametrize("compiled", [True, False])
def test_tables_that_are_missing_are_made_again_from_the_model(small_run, compiled):
    path = small_run.root / MODEL / "forest.npz"
    before = path.read_bytes()
    path.unlink()
    model = ModelLoader(small_run.root, compiled=compiled).load("ret_5m", "lightgbm")
    assert isinstance(model, ForestModel)
    assert (model.forest is not None) == compiled
    rows = np.random.default_rng(1).standard_normal((9, 4))
    assert model.predict(rows).tobytes() == small_run.models["ret_5m", "lightgbm"].predict(rows).tobytes()
    assert model.files()["forest.npz"] == before
    assert not path.exists()


def test_tables_that_cannot_be_read_are_refused(small_run):
    path = small_run.root / MODEL / "forest.npz"
    path.unlink()
    path.mkdir()
    with pytest.raises(ModelLoadError, match=r"forest\.npz: cannot be read"):
        ModelLoader(small_run.root, compiled=True).load("ret_5m", "lightgbm")


def test_an_altered_snapshot_is_refused(small_run):
    (small_run.root / "snapshot.npz").write_bytes(b"other")
    with pytest.raises(ModelLoadError, match=r"snapshot\.npz: SHA-256"):
        ModelLoader(small_run.root).snapshot()
    rewrite(small_run.root / "manifest.json", snapshot_sha256=sha256(b"other"))
    with pytest.raises(ModelLoadError, match=r"snapshot\.npz: no archive"):
        ModelLoader(small_run.root).snapshot()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"interval_ns": 1}, "bar interval expected 5 minutes, found 1e-09 seconds; restore", id="interval"
        ),
        pytest.param({"features": ["a", "b", "c", "d"]}, "features expected", id="features"),
        pytest.param({"target": "ret_10m"}, "target expected ret_5m, found ret_10m", id="target"),
        pytest.param({"files": {}}, "no lightgbm model .model.txt is missing", id="no-model-file"),
        pytest.param({"format": 2}, "format expected 1, found 2", id="newer-format"),
        pytest.param({"seed": "x"}, "seed", id="wrong-type"),
        pytest.param({"surprise": 1}, "surprise", id="unknown-key"),
        pytest.param({"family": "ridge"}, "family expected lightgbm, found ridge", id="family"),
        pytest.param({"files": {"../../../secret": "0" * 64}}, "files", id="path-outside-the-run"),
    ],
)
def test_a_description_that_contradicts_the_run_is_refused(small_run, changes, message):
    rewrite_meta(small_run.root, **changes)
    with pytest.raises(ModelLoadError, match=message):
        ModelLoader(small_run.root).load("ret_5m", "lightgbm")


def test_a_model_of_other_width_is_refused(small_run):
    features = ["ret_1", "rsi_14", "volume_ratio"]
    rewrite_meta(small_run.root, features=features)
    rewrite(small_run.root / "manifest.json", features=features)
    with pytest.raises(ModelLoadError, match="number of features expected 3, found 4"):
        ModelLoader(small_run.root).load("ret_5m", "lightgbm")


def test_a_family_this_version_lacks_is_refused(small_run, monkeypatch):
    monkeypatch.setattr(loader_module, "family_names", lambda: ("ridge",))
    with pytest.raises(ModelLoadError, match=r"family expected .*ridge.*, found lightgbm; use the version"):
        ModelLoader(small_run.root).load("ret_5m", "lightgbm")


def test_a_model_the_run_lacks_is_refused_with_those_it_has(small_run):
    with pytest.raises(ModelLoadError, match="no model ret_30m/ridge; the run has ret_5m/lightgbm"):
        ModelLoader(small_run.root).load("ret_30m", "ridge")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "no such file; check --run-id", id="absent"),
        pytest.param(b"{", "is no JSON", id="torn"),
        pytest.param(b"[]", "format expected 1, found None", id="other-json"),
        pytest.param(b'{"format": 1}', "calendar", id="empty"),
    ],
)
def test_a_bad_manifest_is_refused(small_run, content, message):
    path = small_run.root / "manifest.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelLoadError, match=f"manifest.json: .*{message}|{message}"):
        _ = ModelLoader(small_run.root).manifest


def test_an_unreadable_file_is_refused(small_run):
    path = small_run.root / "manifest.json"
    path.unlink()
    path.mkdir()
    with pytest.raises(ModelLoadError, match=r"manifest\.json: cannot be read"):
        _ = ModelLoader(small_run.root).manifest
