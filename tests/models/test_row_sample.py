"""The sample of rows that a run keeps: real, with gaps among them, the same for equal rows, refused where altered."""

# covers: P9

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
import pytest

from LIVE_TRADING.common.exceptions import ModelLoadError
from LIVE_TRADING.models import compiled_forest
from LIVE_TRADING.models.artifacts import MANIFEST_FILE, SAMPLE_FILE, Manifest, record_bytes, sha256
from LIVE_TRADING.models.forest_kernel import walk_across
from LIVE_TRADING.models.forest_model import ForestModel
from LIVE_TRADING.models.loader import ModelLoader
from LIVE_TRADING.models.row_sample import SAMPLE_ROWS, decode_sample, encode_sample
from LIVE_TRADING.models.snapshot import encode_arrays


def rows_of(n_whole: int, n_gaps: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((n_whole + n_gaps, 4))
    rows[n_whole:, 2] = np.nan
    return rows[rng.permutation(len(rows))]


@pytest.mark.parametrize(
    ("n_whole", "n_gaps", "expected", "with_gaps"),
    [
        pytest.param(9000, 2000, 256, 64, id="a-quarter-has-gaps"),
        pytest.param(9000, 10, 256, 10, id="few-have-gaps"),
        pytest.param(0, 900, 256, 256, id="all-have-gaps"),
        pytest.param(30, 40, 70, 40, id="all-that-there-is"),
        pytest.param(0, 0, 0, 0, id="none"),
    ],
)
def test_it_is_spread_over_rows_with_gaps_and_without(n_whole: int, n_gaps: int, expected: int, with_gaps: int):
    rows = rows_of(n_whole, n_gaps)
    sample = decode_sample(encode_sample(rows), 4)
    assert len(sample) == expected <= SAMPLE_ROWS
    assert np.isnan(sample).any(axis=1).sum() == with_gaps
    places = [np.flatnonzero((rows == row).sum(axis=1) >= 3)[0] for row in sample]
    assert sorted(places) == places
    assert len(set(places)) == expected
    assert encode_sample(rows) == encode_sample(rows.copy())


@pytest.mark.parametrize(
    "data",
    [b"", encode_sample(rows_of(5, 0)[:, :3]), encode_arrays({"sample": {"features": np.zeros((2, 4), np.int64)}})],
    ids=["empty", "other-features", "integers"],
)
def test_what_is_no_sample_of_these_features_is_refused(data: bytes):
    with pytest.raises(ValueError):
        decode_sample(data, 4)


def with_sample(run, data: bytes) -> None:
    """Put a sample into a run as training would have."""
    manifest = Manifest.model_validate_json(run.contents[PurePosixPath(MANIFEST_FILE)])
    signed = manifest.model_copy(update={"sample_sha256": sha256(data)})
    (run.root / MANIFEST_FILE).write_bytes(record_bytes(signed))
    (run.root / SAMPLE_FILE).write_bytes(data)


def test_a_run_without_one_is_read_all_the_same(small_run):
    assert ModelLoader(small_run.root).sample() is None


def test_models_are_compared_with_their_libraries_on_it(small_run, monkeypatch):
    monkeypatch.setattr(compiled_forest, "load_walk", lambda name, folder: walk_across)
    rows = rows_of(300, 100)
    with_sample(small_run, encode_sample(rows))
    asked: list[np.ndarray] = []
    plain = ForestModel.compile_forest

    def watched(self: ForestModel, name: str = "", real_rows: np.ndarray | None = None) -> None:
        asked.append(real_rows)
        plain(self, name, real_rows)

    monkeypatch.setattr(ForestModel, "compile_forest", watched)
    loader = ModelLoader(small_run.root, compiled=True)
    model = loader.load("ret_5m", "lightgbm")
    assert model.forest is not None
    assert [found.tobytes() for found in asked] == [decode_sample(encode_sample(rows), 4).tobytes()]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [("gone", "no such file"), ("altered", "SHA-256 expected"), ("other-features", "no rows of 4 features")],
)
def test_a_sample_that_is_not_what_was_written_is_refused(small_run, damage: str, reason: str):
    path = small_run.root / SAMPLE_FILE
    with_sample(small_run, encode_sample(rows_of(30, 3)[:, : 3 if damage == "other-features" else 4]))
    if damage == "gone":
        path.unlink()
    elif damage == "altered":
        path.write_bytes(encode_sample(rows_of(31, 3)))
    with pytest.raises(ModelLoadError, match=reason):
        ModelLoader(small_run.root, compiled=True).load("ret_5m", "lightgbm")
