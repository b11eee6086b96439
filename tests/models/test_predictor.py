"""The predictor: which models it asks, in which order, and that it verifies all of them at the start."""

# covers: P9

from __future__ import annotations

import numpy as np
import pytest

from LIVE_TRADING.common.exceptions import ConfigurationError, ModelLoadError
from LIVE_TRADING.models.loader import ModelLoader
from LIVE_TRADING.prediction.predictor import MultiHorizonPredictor

FEATURES = np.random.default_rng(5).standard_normal((4, 12))


def test_all_of_a_run_by_default(small_run):
    predictor = MultiHorizonPredictor(ModelLoader(small_run.root))
    assert (predictor.horizons, predictor.families) == (("5m", "1d"), ("lightgbm", "ridge"))
    raw = predictor.predict(FEATURES).raw
    assert raw.shape == (2, 2, 12)
    assert predictor.predict_block(FEATURES[None]).at(0).raw.tobytes() == raw.tobytes()


@pytest.mark.parametrize(
    ("choice", "rows", "columns"),
    [
        pytest.param({"horizons": ("1d",)}, [1], [0, 1], id="horizon"),
        pytest.param({"families": ("ridge",)}, [0, 1], [1], id="family"),
        pytest.param({"targets": ("ret_1d",)}, [1], [0, 1], id="target"),
        pytest.param({"families": ("ridge", "lightgbm"), "targets": ("ret_5m", "ret_1d")}, [0, 1], [1, 0], id="order"),
    ],
)
def test_a_subset_gives_the_same_numbers(small_run, choice, rows, columns):
    loader = ModelLoader(small_run.root)
    whole, part = MultiHorizonPredictor(loader), MultiHorizonPredictor(loader, **choice)
    expected = whole.predict(FEATURES).raw[np.ix_(rows, columns)]
    assert part.predict(FEATURES).raw.tobytes() == expected.tobytes()
    np.testing.assert_array_equal(part.validation.ic, whole.validation.ic[np.ix_(rows, columns)])
    assert set(part.model_hashes()) <= set(whole.model_hashes())


def test_hashes_pin_the_models(small_run):
    hashes = MultiHorizonPredictor(ModelLoader(small_run.root)).model_hashes()
    assert list(hashes) == ["ret_5m/lightgbm", "ret_5m/ridge", "ret_1d/lightgbm", "ret_1d/ridge"]
    assert all(len(digest) == 64 for digest in hashes.values())


@pytest.mark.parametrize("targets", [("ret_30m",), ("ret_5m", "5m"), ()])
def test_an_unknown_target_is_refused_with_the_known(small_run, targets):
    with pytest.raises(ConfigurationError, match="the run has ret_5m, ret_1d"):
        MultiHorizonPredictor(ModelLoader(small_run.root), targets=targets)


def test_an_altered_model_refuses_the_start(small_run):
    path = next(small_run.root.glob("targets/ret_1d/**/family=ridge/model.json"))
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(ModelLoadError, match="SHA-256"):
        MultiHorizonPredictor(ModelLoader(small_run.root))
    assert MultiHorizonPredictor(ModelLoader(small_run.root), horizons=("5m",)).predict(FEATURES).raw.shape == (
        1,
        2,
        12,
    )
