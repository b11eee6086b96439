"""Barrier classifiers give the same bits in any batch, and only what was trained is read."""

# covers: P13, P9, P30

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from LIVE_TRADING.common.exceptions import ConfigurationError, ModelLoadError
from LIVE_TRADING.models.artifacts import (
    BARRIER_TARGETS,
    ClassifierEntry,
    ClassifierMeta,
    ClassifierMetrics,
    PlattCalibration,
    model_folder,
    record_bytes,
    sha256,
)
from LIVE_TRADING.models.barrier import BarrierModels, Classifier
from LIVE_TRADING.models.families.lightgbm import LightGbmParams
from LIVE_TRADING.models.lightgbm_margin import LightGbmMargin, load_margin, train_margin
from LIVE_TRADING.models.loader import ModelLoader
from LIVE_TRADING.prediction.predictor import MultiHorizonPredictor

PARAMS = LightGbmParams(num_trees=15, num_leaves=8, min_data_in_leaf=10, learning_rate=0.2)
CALIBRATIONS = (PlattCalibration(slope=0.7, intercept=-0.3, n=9), PlattCalibration(slope=1.1, intercept=0.2, n=9))
METRICS = ClassifierMetrics(
    n=9,
    n_sessions=3,
    base_rate=0.3,
    brier=0.2,
    brier_base_rate=0.21,
    brier_gain=0.01,
    brier_gain_error=0.002,
    brier_skill=0.048,
    brier_reliability=0.0,
    brier_resolution=0.01,
    brier_uncertainty=0.21,
    log_loss=0.6,
    log_loss_base_rate=0.61,
    reliability=(),
    folds=(),
)


def feature_rows(n_rows: int, *, seed: int, missing: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_rows, 4))
    rows[rng.random(rows.shape) < missing] = np.nan
    return rows


def trees(seed: int, threads: int = 1) -> LightGbmMargin:
    rows = feature_rows(800, seed=seed)
    outcome = (np.nan_to_num(rows[:, seed % 4]) + np.random.default_rng(seed).standard_normal(800) > 0).astype(float)
    return load_margin(train_margin(rows, outcome, seed=1, params=PARAMS).files(), threads=threads)


def models(threads: int = 1) -> BarrierModels:
    return BarrierModels(*(Classifier(trees(k, threads), CALIBRATIONS[k]) for k in range(2)))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [1, 2, 7, 81, 500])
def test_a_row_gets_the_same_bits_in_any_batch(batch: int, threads: int) -> None:
    features = np.ascontiguousarray(feature_rows(500, seed=9, missing=0.3).T)
    features[:, ::17] = np.nan
    whole = np.stack(models().predict(features))
    barriers = models(threads)
    parts = [np.stack(barriers.predict(features[:, start : start + batch])) for start in range(0, 500, batch)]
    assert np.concatenate(parts, axis=1).tobytes() == whole.tobytes()


def test_a_block_gives_the_bits_of_its_rows() -> None:
    block = np.random.default_rng(4).standard_normal((6, 4, 30))
    block[np.random.default_rng(5).random(block.shape) < 0.2] = np.nan
    block[2, :, 7] = block[3] = np.nan
    barriers = models()
    p_peak, p_valley = barriers.predict_block(block)
    alone = [barriers.predict(features) for features in block]
    assert p_peak.tobytes() == np.stack([one[0] for one in alone]).tobytes()
    assert p_valley.tobytes() == np.stack([one[1] for one in alone]).tobytes()
    assert np.isnan(p_peak[2, 7])  # no bar, no probability
    assert np.isnan(p_peak[3]).all()
    assert np.isnan(p_peak).sum() == 31


def test_the_probability_is_the_library_s_where_the_calibration_changes_nothing() -> None:
    model = trees(0)
    rows = feature_rows(200, seed=3)
    plain = PlattCalibration(slope=1.0, intercept=0.0, n=1)
    got, _ = BarrierModels(Classifier(model, plain), Classifier(model, plain)).predict(np.ascontiguousarray(rows.T))
    text = model.files()["model.txt"].decode()
    np.testing.assert_allclose(got, lgb.Booster(model_str=text).predict(rows), rtol=1e-14)


def test_equal_input_gives_equal_bytes_and_reads_back() -> None:
    first, second = trees(0), trees(0)
    assert first.files() == second.files()
    rows = feature_rows(50, seed=3)
    assert load_margin(first.files()).predict(rows).tobytes() == first.predict(rows).tobytes()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({}, "model.txt is missing", id="missing"),
        pytest.param({"model.txt": b"no model"}, "no classifier of two classes", id="no-model"),
        pytest.param({"model.txt": b"\nobjective=binary sigmoid:1\n"}, "does not begin like", id="no-tree"),
    ],
)
def test_what_is_no_classifier_is_refused(files: dict[str, bytes], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_margin(files)


def test_a_regression_is_no_classifier() -> None:
    text = lgb.train({"verbosity": -1}, lgb.Dataset(np.random.default_rng(0).random((50, 4)), np.arange(50.0)), 2)
    with pytest.raises(ValueError, match="no classifier of two classes"):
        load_margin({"model.txt": text.model_to_string().encode()})


def put_classifiers(root: Path, meta: dict[str, Any] | None = None) -> None:
    """Add two classifiers to a run on file, as training writes them; `meta` alters the description of the second."""
    path = root / "manifest.json"
    manifest, entries = json.loads(path.read_bytes()), []
    for number, target in enumerate(BARRIER_TARGETS):
        files = trees(number).files()
        described = ClassifierMeta.model_validate(
            {
                "format": 1,
                "target": target,
                "horizon": "15m",
                "family": "lightgbm",
                "view": "cross_sectional",
                "interval_ns": manifest["interval_ns"],
                "features": manifest["features"],
                "files": {name: sha256(data) for name, data in files.items()},
                "params": {},
                "notes": {},
                "seed": 1,
                "train_start": "2025-01-02",
                "train_end": "2025-03-02",
                "train_rows": 800,
                "data_hash": "d" * 64,
                "code_version": "0",
                "calibration": CALIBRATIONS[number],
                "metrics": METRICS,
            }
            | (meta or {} if number else {})
        )
        folder = root / model_folder(target, "lightgbm")
        folder.mkdir(parents=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        (folder / "model_meta.json").write_bytes(record_bytes(described))
        stored = record_bytes(described)
        entry = ClassifierEntry(
            target=target, family="lightgbm", meta_sha256=sha256(stored), brier=0.2, brier_base_rate=0.21
        )
        entries.append(entry.model_dump())
    path.write_text(json.dumps(manifest | {"classifiers": entries}))


@pytest.fixture
def run(small_run: Any) -> Path:
    put_classifiers(small_run.root)
    root: Path = small_run.root
    return root


def test_the_predictor_asks_them_beside_the_forecasts(run: Path, small_run_features: np.ndarray) -> None:
    predictor = MultiHorizonPredictor(ModelLoader(run))
    said = predictor.predict(small_run_features)
    expected = models().predict(small_run_features)
    assert (said.p_peak.tobytes(), said.p_valley.tobytes()) == tuple(p.tobytes() for p in expected)
    block = predictor.predict_block(small_run_features[None])
    assert block.p_peak.shape == (1, 12)
    assert block.at(0).p_valley.tobytes() == said.p_valley.tobytes()
    assert predictor.no_barriers == ""
    assert list(predictor.model_hashes())[-2:] == [f"{target}/lightgbm" for target in BARRIER_TARGETS]


@pytest.fixture
def small_run_features() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((4, 12))


def test_without_them_there_are_no_probabilities(small_run: Any, small_run_features: np.ndarray) -> None:
    predictor = MultiHorizonPredictor(ModelLoader(small_run.root))
    said = predictor.predict(small_run_features)
    assert said.p_peak is said.p_valley is None
    assert predictor.predict_block(small_run_features[None]).at(0).p_peak is None
    assert "train them again" in predictor.no_barriers
    with pytest.raises(ModelLoadError, match="no classifier will_peak_5m: the models were trained by a version"):
        ModelLoader(small_run.root).classifier("will_peak_5m")


@pytest.mark.parametrize("targets", [("ret_5m", "will_peak_5m"), ("will_valley_5m", "ret_1d")])
def test_one_without_the_other_is_refused(run: Path, targets: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="alone; the barrier gate needs will_peak_5m and will_valley_5m"):
        MultiHorizonPredictor(ModelLoader(run), targets=targets)


def test_barriers_alone_are_no_forecast(run: Path) -> None:
    with pytest.raises(ConfigurationError, match="none given; the run has ret_5m, ret_1d"):
        MultiHorizonPredictor(ModelLoader(run), targets=BARRIER_TARGETS)


@pytest.mark.parametrize("name", ["model.txt", "model_meta.json"])
def test_an_altered_file_refuses_the_start(run: Path, name: str) -> None:
    path = run / model_folder("will_valley_5m", "lightgbm") / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(ModelLoadError, match="SHA-256"):
        MultiHorizonPredictor(ModelLoader(run))


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        pytest.param({"target": "will_peak_5m"}, "target expected will_valley_5m, found will_peak_5m", id="target"),
        pytest.param({"features": ("other",)}, "features expected", id="features"),
        pytest.param({"interval_ns": 60 * 10**9}, "bar interval expected 5 minutes, found 1 minute", id="interval"),
        pytest.param({"family": "forest"}, "family expected lightgbm, found forest", id="family"),
    ],
)
def test_a_description_that_contradicts_the_run_is_refused(small_run: Any, meta: dict[str, Any], message: str) -> None:
    put_classifiers(small_run.root, meta)
    with pytest.raises(ModelLoadError, match=message):
        MultiHorizonPredictor(ModelLoader(small_run.root))
