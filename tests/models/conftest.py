"""A small run on file: two horizons, both families, random features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from LIVE_TRADING.models.artifacts import (
    MANIFEST_FILE,
    META_FILE,
    SNAPSHOT_FILE,
    Manifest,
    ModelEntry,
    ModelMeta,
    ModelMetrics,
    model_folder,
    record_bytes,
    sha256,
    target_name,
)
from LIVE_TRADING.models.families.interface import TrainedModel, get_family
from LIVE_TRADING.models.snapshot import encode_arrays
from LIVE_TRADING.training.publish import publish_run

FEATURES = ("ret_1", "rsi_14", "volume_ratio", "slot")
INTERVAL_NS = 300 * 10**9
SMALL = {
    "lightgbm": {"num_trees": 5, "num_leaves": 4, "min_data_in_leaf": 5},
    "ridge": {},
}


def feature_rows(n_rows: int, *, seed: int = 0, missing: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_rows, len(FEATURES)))
    rows[rng.random(rows.shape) < missing] = np.nan
    return rows


@dataclass(frozen=True)
class SmallRun:
    root: Path
    contents: dict[PurePosixPath, bytes]
    models: dict[tuple[str, str], TrainedModel]


def build_run(root: Path, horizons: tuple[str, ...] = ("5m", "1d")) -> SmallRun:
    contents: dict[PurePosixPath, bytes] = {}
    models, entries = {}, []
    for number, horizon in enumerate(horizons):
        for family in sorted(SMALL):
            target = target_name(horizon)
            rows = feature_rows(400, seed=number)
            goal = np.nan_to_num(rows[:, number % 4]) + np.random.default_rng(number).standard_normal(400)
            params = get_family(family).params(**SMALL[family])
            model = get_family(family).train(rows, goal, seed=1, params=params)
            metrics = ModelMetrics(ic=0.01 * (number + 1), n_effective=50.0, rmse=1.1, n_forecasts=400, folds=())
            files = model.files()
            meta = ModelMeta(
                format=1,
                target=target,
                horizon=horizon,
                family=family,
                view="cross_sectional",
                interval_ns=INTERVAL_NS,
                features=FEATURES,
                files={name: sha256(data) for name, data in files.items()},
                params=params.model_dump(),
                notes=dict(model.notes),
                seed=1,
                train_start="2025-01-02",
                train_end="2025-03-02",
                train_rows=400,
                data_hash="d" * 64,
                code_version="0",
                metrics=metrics,
            )
            folder = model_folder(target, family)
            contents |= {folder / name: data for name, data in files.items()}
            contents[folder / META_FILE] = record_bytes(meta)
            entries.append(
                ModelEntry(
                    target=target,
                    family=family,
                    meta_sha256=sha256(contents[folder / META_FILE]),
                    ic=metrics.ic if horizon != "1d" else None,
                    n_effective=50.0 if horizon != "1d" else 0.0,
                    rmse=1.1 if horizon != "1d" else None,
                )
            )
            models[(target, family)] = model
    snapshot = encode_arrays({"features": {"ring": np.arange(6.0).reshape(2, 3), "count": np.array(4)}})
    contents[PurePosixPath(SNAPSHOT_FILE)] = snapshot
    manifest = Manifest(
        format=1,
        code_version="0",
        calendar="XNYS",
        interval_ns=INTERVAL_NS,
        bars_per_session=78,
        session_minutes=390,
        symbols=("AAA", "BBB", "CCC"),
        horizons=horizons,
        families=tuple(sorted(SMALL)),
        features=FEATURES,
        quotes_estimated=True,
        data_hash="d" * 64,
        data_start="2025-01-02",
        until="2025-03-02",
        until_ns=1_740_000_000 * 10**9,
        training_config={},
        memory_config={},
        models=tuple(entries),
        snapshot_sha256=sha256(snapshot),
    )
    contents[PurePosixPath(MANIFEST_FILE)] = record_bytes(manifest)
    publish_run(root, contents, replace=False)
    return SmallRun(root, contents, models)


@pytest.fixture
def small_run(tmp_path: Path) -> SmallRun:
    return build_run(tmp_path / "run")
