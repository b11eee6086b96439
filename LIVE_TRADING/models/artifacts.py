"""What a training run leaves on file, and how it is laid out.

    <run_root>/manifest.json
    <run_root>/snapshot.npz
    <run_root>/sample.npz
    <run_root>/targets/<target>/models/view=cross_sectional/family=<family>/{model.*, forest.npz, model_meta.json}

Targets are `ret_<horizon>`, whose models forecast, and the barriers `will_peak_5m` and `will_valley_5m`, whose models
give probabilities.

The manifest holds the SHA-256 of every model_meta.json, of the snapshot and of the sample of rows, a model_meta.json
those of its model's files. forest.npz is the compiled form of a model of trees: it may be missing, for it can be made
from the model again, but not be another than the one listed.
Nothing depends on when or where a run was trained: equal data, configuration and code give equal files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from LIVE_TRADING.common.config import FrozenConfig, flat
from LIVE_TRADING.common.strict_json import json_bytes
from LIVE_TRADING.common.types import FloatArray

FORMAT: Literal[1] = 1
VIEW: Literal["cross_sectional"] = "cross_sectional"
MANIFEST_FILE = "manifest.json"
META_FILE = "model_meta.json"
SNAPSHOT_FILE = "snapshot.npz"
SAMPLE_FILE = "sample.npz"
TARGET_PREFIX = "ret_"
PEAK_TARGET, VALLEY_TARGET = "will_peak_5m", "will_valley_5m"
BARRIER_FAMILY = "lightgbm"
BARRIER_TARGETS = (PEAK_TARGET, VALLEY_TARGET)
_MEMORY_KEYS = ("features.", "volatility.", "adv.", "prediction.standardizer.", "prediction.skill.")
_EXTRA_KEYS = ("features.extra", "features.extra_lookback")

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class FoldMetrics(FrozenConfig):
    """Out-of-sample figures of one fold. None: nothing matured in it."""

    train_rows: int
    train_start: str = Field(description="first session trained on")
    train_end: str = Field(description="last session trained on")
    validation_start: str
    validation_end: str
    ic: float | None = Field(description="mean rank correlation of z with r/sigma per matured cross-section")
    n_effective: float = Field(description="matured cross-sections / bars in the horizon, since labels overlap")
    rmse: float | None = Field(description="of the forecast against r/sigma, both clipped at 4")
    n_forecasts: int = Field(description="pairs behind rmse")


class ModelMetrics(FrozenConfig):
    """Out-of-sample figures pooled over the folds, and the folds."""

    ic: float | None
    n_effective: float
    rmse: float | None
    n_forecasts: int
    folds: tuple[FoldMetrics, ...]


class ModelMeta(FrozenConfig):
    """model_meta.json."""

    format: Literal[1]
    target: str
    horizon: str
    family: str
    view: Literal["cross_sectional"]
    interval_ns: int
    features: tuple[str, ...]
    files: dict[FileName, Sha256]
    params: dict[str, Any]
    notes: dict[str, str]
    seed: int
    train_start: str = Field(description="first session trained on; empty: trained elsewhere")
    train_end: str = Field(description="last session trained on; trained elsewhere: the date until which, as given")
    train_rows: int = Field(description="0: trained elsewhere")
    data_hash: str
    code_version: str
    metrics: ModelMetrics


class ReliabilityBin(FrozenConfig):
    """One bin of a reliability curve: what was said on average, how often it came so, of how many."""

    p_mean: float
    observed: float
    n: int


class ClassifierFold(FrozenConfig):
    """Out-of-sample figures of one fold. None: it only calibrated the folds after it."""

    train_rows: int
    train_start: str = Field(description="first session trained on")
    train_end: str = Field(description="last session trained on")
    validation_start: str
    validation_end: str
    n: int = Field(description="outcomes known in it")
    base_rate: float = Field(description="share of them that came so")
    brier: float | None
    brier_base_rate: float | None


class ClassifierMetrics(FrozenConfig):
    """Out-of-sample figures of a classifier over the folds after the first.

    Each fold's probabilities are those of trees and of a calibration made before it.
    """

    n: int = Field(description="outcomes behind the figures")
    n_sessions: int = Field(description="sessions that they lie in")
    base_rate: float = Field(description="share of outcomes that came so")
    brier: float = Field(description="mean squared error of the probability")
    brier_base_rate: float = Field(description="that of always saying base_rate")
    brier_gain: float = Field(description="brier_base_rate - brier: above 0 something is known")
    brier_gain_error: float = Field(description="standard error of the gain, by session")
    brier_skill: float = Field(description="brier_gain / brier_base_rate")
    brier_reliability: float = Field(description="of the decomposition over the bins: mean (p_mean - observed)^2")
    brier_resolution: float = Field(description="mean (observed - base_rate)^2")
    brier_uncertainty: float = Field(description="base_rate (1 - base_rate)")
    log_loss: float
    log_loss_base_rate: float = Field(description="that of always saying base_rate")
    reliability: tuple[ReliabilityBin, ...] = Field(description="ten bins of equally many outcomes, lowest first")
    folds: tuple[ClassifierFold, ...]


class PlattCalibration(FrozenConfig):
    """p = 1 / (1 + exp(-(slope · margin + intercept))), margin the log odds of the trees. Platt (1999)."""

    slope: float = Field(ge=0.0, description="0: the trees know nothing, p is the base rate")
    intercept: float
    n: int = Field(description="out-of-fold outcomes it was fitted to")


class ClassifierMeta(FrozenConfig):
    """model_meta.json of a barrier classifier."""

    format: Literal[1]
    target: str
    horizon: str = Field(description="time within which the barrier must be reached, whose σ is its distance")
    family: str
    view: Literal["cross_sectional"]
    interval_ns: int
    features: tuple[str, ...]
    files: dict[FileName, Sha256]
    params: dict[str, Any]
    notes: dict[str, str]
    seed: int
    train_start: str = Field(description="first session trained on")
    train_end: str = Field(description="last session trained on")
    train_rows: int
    data_hash: str
    code_version: str
    calibration: PlattCalibration
    metrics: ClassifierMetrics


class ClassifierEntry(FrozenConfig):
    """One barrier classifier in the manifest."""

    target: str
    family: str
    meta_sha256: Sha256
    brier: float
    brier_base_rate: float


class ModelEntry(FrozenConfig):
    """One model in the manifest. `ic`, `rmse` None: nothing matured; `n_effective` is 0 then."""

    target: str
    family: str
    meta_sha256: Sha256
    ic: float | None
    n_effective: float
    rmse: float | None


class Manifest(FrozenConfig):
    """manifest.json."""

    format: Literal[1]
    code_version: str
    calendar: str
    interval_ns: int
    bars_per_session: int
    session_minutes: int
    symbols: tuple[str, ...]
    horizons: tuple[str, ...]
    families: tuple[str, ...]
    features: tuple[str, ...]
    feature_sources: dict[str, Sha256] = Field(
        {}, description="SHA-256 of the module of each user feature, by its path"
    )
    quotes_estimated: bool
    data_hash: str
    data_start: str
    until: str = Field(description="last session of the training data; no label ends later")
    until_ns: int = Field(description="close of that session; the snapshot is as of then")
    training_config: dict[str, Any]
    memory_config: dict[str, Any] = Field(description="settings the features and the snapshot depend on")
    models: tuple[ModelEntry, ...]
    classifiers: tuple[ClassifierEntry, ...] = Field((), description="of barriers: a peak and a valley, or none")
    no_classifiers: str = Field("", description="why there are none")
    snapshot_sha256: Sha256
    sample_sha256: Sha256 | None = Field(
        None, description="rows of features that were trained on, to compare a compiled model with its library on"
    )


@dataclass(frozen=True, slots=True, eq=False)
class ValidationFigures:
    """Out-of-sample evidence per horizon and family, (H, M) each.

    `ic` is 0 where `n_effective` is 0 (no evidence); `rmse` is NaN there.
    """

    ic: FloatArray
    n_effective: FloatArray
    rmse: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class RunArtifacts:
    """A run as its readers see it: horizons shortest first, families as they were configured, symbols sorted."""

    run_root: Path
    horizons: tuple[str, ...]
    families: tuple[str, ...]
    features: tuple[str, ...]
    symbols: tuple[str, ...]
    calendar: str
    interval_ns: int
    bars_per_session: int
    session_minutes: int
    until_ns: int
    data_hash: str
    validation: ValidationFigures
    snapshot_path: Path


def target_name(horizon: str) -> str:
    """Return the training target of a horizon: ret_5m for 5m."""
    return TARGET_PREFIX + horizon


def model_folder(target: str, family: str) -> PurePosixPath:
    """Return a model's folder relative to the run root."""
    return PurePosixPath("targets", target, "models", f"view={VIEW}", f"family={family}")


def memory_config(config: BaseModel) -> dict[str, Any]:
    """Return the settings that the market memory of a run and its features depend on, by dotted key.

    `config` has the sections features, volatility, adv and prediction. Without user features nothing depends on theirs.
    """
    settings = {key: value for key, value in flat(config).items() if key.startswith(_MEMORY_KEYS)}
    if not settings.get("features.extra"):
        settings = {key: value for key, value in settings.items() if key not in _EXTRA_KEYS}
    return settings


def sha256(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def record_bytes(record: FrozenConfig) -> bytes:
    """Return a record as it stands on file."""
    return json_bytes(record.model_dump(mode="json"), indent=True) + b"\n"
