"""Reads the artifacts of a training run; what is not exactly what was trained is refused, with file and remedy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from LIVE_TRADING.common.exceptions import ModelLoadError
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.common.units import interval_text
from LIVE_TRADING.models.artifacts import (
    BARRIER_FAMILY,
    BARRIER_TARGETS,
    MANIFEST_FILE,
    META_FILE,
    SAMPLE_FILE,
    SNAPSHOT_FILE,
    ClassifierEntry,
    ClassifierMeta,
    Manifest,
    ModelEntry,
    ModelMeta,
    RunArtifacts,
    ValidationFigures,
    model_folder,
    target_name,
)
from LIVE_TRADING.models.barrier import Classifier
from LIVE_TRADING.models.families.interface import Model, StoredModel, family_names, get_family
from LIVE_TRADING.models.forest_file import FOREST_FILE
from LIVE_TRADING.models.forest_model import ForestModel
from LIVE_TRADING.models.lightgbm_margin import load_margin
from LIVE_TRADING.models.row_sample import decode_sample
from LIVE_TRADING.models.run_files import RETRAIN, mismatch, parse_record, read_file, verified
from LIVE_TRADING.models.run_fit import FedWith
from LIVE_TRADING.models.snapshot import Array, decode_arrays

_LOG = logging.getLogger("live_trading.models")
S = TypeVar("S", bound=StoredModel)


class ModelLoader:
    """Lazy: the manifest is read on first use, a model when it is asked for; both once.

    Parameters
    ----------
    run_root
        Folder of the run.
    interval_ns, features, symbols
        What the caller is going to feed: bar interval, feature names in order, universe. Where given, a run that was
        trained on anything else is refused (for symbols: one that the run does not know).
    memory_config
        Settings of features, volatility, ADV and prediction as `artifacts.memory_config` gives them; where given, a run
        that was trained with others is refused.
    feature_sources
        SHA-256 of the module of each user feature, by its path; where given, a run that was trained with another
        version of one is refused.
    threads
        Prediction threads of the models. One is the safer default on a shared machine; the numbers do not depend on it.
    compiled
        Compile the models that can be (`engine.compiled_forest`); the numbers do not depend on it either.
    """

    def __init__(
        self,
        run_root: Path,
        *,
        interval_ns: int | None = None,
        features: Sequence[str] | None = None,
        symbols: Sequence[str] | None = None,
        memory_config: Mapping[str, Any] | None = None,
        feature_sources: Mapping[str, str] | None = None,
        threads: int = 1,
        compiled: bool = False,
    ) -> None:
        self._run_root = run_root
        self._fed = FedWith(
            interval_ns,
            None if features is None else tuple(features),
            None if symbols is None else tuple(symbols),
            memory_config,
            feature_sources,
        )
        self._threads = threads
        self._compiled = compiled
        self._manifest: Manifest | None = None
        self._models: dict[tuple[str, str], Model] = {}
        self._sample: FloatArray | None = None

    @property
    def manifest(self) -> Manifest:
        """Return the checked manifest.

        Raises
        ------
        ModelLoadError
            It is missing, unreadable, of a newer format, or does not fit what the caller feeds.
        """
        if self._manifest is None:
            path = self._run_root / MANIFEST_FILE
            manifest = parse_record(path, read_file(path), Manifest)
            self._fed.check(path, manifest)
            self._manifest = manifest
        return self._manifest

    @property
    def artifacts(self) -> RunArtifacts:
        """Return the run as its readers see it."""
        manifest = self.manifest
        return RunArtifacts(
            run_root=self._run_root,
            horizons=manifest.horizons,
            families=manifest.families,
            features=manifest.features,
            symbols=manifest.symbols,
            calendar=manifest.calendar,
            interval_ns=manifest.interval_ns,
            bars_per_session=manifest.bars_per_session,
            session_minutes=manifest.session_minutes,
            until_ns=manifest.until_ns,
            data_hash=manifest.data_hash,
            validation=self.validation(manifest.horizons, manifest.families),
            snapshot_path=self._run_root / SNAPSHOT_FILE,
        )

    def validation(self, horizons: Sequence[str], families: Sequence[str]) -> ValidationFigures:
        """Return the out-of-sample figures (H, M) of these horizons and families, in this order."""

        def table(figure: Callable[[ModelEntry], float | None], missing: float) -> FloatArray:
            rows = [[figure(self.entry(target_name(h), family)) for family in families] for h in horizons]
            return np.array([[missing if cell is None else cell for cell in row] for row in rows], dtype=np.float64)

        return ValidationFigures(
            ic=table(lambda entry: entry.ic, 0.0),
            n_effective=table(lambda entry: entry.n_effective, 0.0),
            rmse=table(lambda entry: entry.rmse, np.nan),
        )

    def entry(self, target: str, family: str) -> ModelEntry:
        """Return the manifest's entry of one model.

        Raises
        ------
        ModelLoadError
            The run has no such model; those it has are named.
        """
        for entry in self.manifest.models:
            if (entry.target, entry.family) == (target, family):
                return entry
        known = ", ".join(f"{entry.target}/{entry.family}" for entry in self.manifest.models)
        raise ModelLoadError(
            f"{self._run_root / MANIFEST_FILE}: no model {target}/{family}; the run has {known}; choose one of these "
            "or train a run that has it"
        )

    def meta(self, target: str, family: str) -> ModelMeta:
        """Return the checked description of one model.

        Raises
        ------
        ModelLoadError
            It is missing, altered, unreadable, or contradicts the manifest.
        """
        entry = self.entry(target, family)
        path = self._folder(target, family) / META_FILE
        meta = parse_record(path, verified(path, entry.meta_sha256), ModelMeta)
        self._check_meta(path, meta, entry)
        return meta

    def load(self, target: str, family: str) -> Model:
        """Return a model, read from verified bytes on the first call.

        Raises
        ------
        ModelLoadError
            A file is missing, altered or no model of this family, or takes another number of features. `forest.npz`
            may be missing, since a compiled model can be made of the model again.
        """
        key = (target, family)
        if key not in self._models:
            self._models[key] = self._load(self.meta(target, family))
        return self._models[key]

    def classifier_entry(self, target: str) -> ClassifierEntry:
        """Return the manifest's entry of a barrier classifier.

        Raises
        ------
        ModelLoadError
            The run has no such classifier; says why.
        """
        for entry in self.manifest.classifiers:
            if entry.target == target:
                return entry
        raise ModelLoadError(f"{self._run_root / MANIFEST_FILE}: no classifier {target}: {self.no_classifiers}")

    def classifier_meta(self, target: str) -> ClassifierMeta:
        """Return the checked description of a barrier classifier.

        Raises
        ------
        ModelLoadError
            It is missing, altered, unreadable, or contradicts the manifest.
        """
        entry = self.classifier_entry(target)
        path = self._folder(target, entry.family) / META_FILE
        meta = parse_record(path, verified(path, entry.meta_sha256), ClassifierMeta)
        self._check_meta(path, meta, entry)
        return meta

    def classifier(self, target: str) -> Classifier:
        """Return a barrier classifier, read from verified bytes.

        Raises
        ------
        ModelLoadError
            A file is missing, altered or no classifier, or takes another number of features.
        """
        meta = self.classifier_meta(target)
        if meta.family != BARRIER_FAMILY:
            path = self._folder(target, meta.family) / META_FILE
            raise mismatch(path, "family", BARRIER_FAMILY, meta.family, "use the version that trained it")
        return Classifier(self._stored(meta, load_margin), meta.calibration)

    @property
    def no_classifiers(self) -> str:
        """Return why the run has no barrier classifiers, "" where it has both."""
        manifest = self.manifest
        if {entry.target for entry in manifest.classifiers} >= set(BARRIER_TARGETS):
            return ""
        return manifest.no_classifiers or "the models were trained by a version that had none; train them again"

    def snapshot(self) -> dict[str, dict[str, Array]]:
        """Return the market memory as of the end of training, by part and array name.

        Raises
        ------
        ModelLoadError
            The file is missing, altered or unreadable.
        """
        path = self._run_root / SNAPSHOT_FILE
        data = verified(path, self.manifest.snapshot_sha256)
        try:
            return decode_arrays(data)
        except ValueError as error:
            raise ModelLoadError(f"{path}: {error}; {RETRAIN}") from error

    def sample(self) -> FloatArray | None:
        """Return the sample of rows of features (R, F) that the run was trained on; None for a run that has none.

        Raises
        ------
        ModelLoadError
            The file is missing, altered or unreadable.
        """
        expected = self.manifest.sample_sha256
        if expected is None:
            return None
        if self._sample is None:
            path = self._run_root / SAMPLE_FILE
            data = verified(path, expected)
            try:
                self._sample = decode_sample(data, len(self.manifest.features))
            except ValueError as error:
                raise ModelLoadError(f"{path}: {error}; {RETRAIN}") from error
        return self._sample

    def _load(self, meta: ModelMeta) -> Model:
        folder = self._folder(meta.target, meta.family)
        if meta.family not in family_names():
            raise mismatch(folder / META_FILE, "family", family_names(), meta.family, "use the version that trained it")
        model: Model = self._stored(meta, get_family(meta.family).load)
        return model

    def _stored(self, meta: ModelMeta | ClassifierMeta, read: Callable[..., S]) -> S:
        """Return the model of verified files."""
        folder = self._folder(meta.target, meta.family)
        files = self._files(folder, meta.files)
        try:
            model = read(files, threads=self._threads)
        except ValueError as error:
            raise ModelLoadError(f"{folder}: no {meta.family} model ({error}); {RETRAIN}") from error
        if model.n_features != len(meta.features):
            raise mismatch(folder, "number of features", len(meta.features), model.n_features, RETRAIN)
        if self._compiled and isinstance(model, ForestModel):
            model.compile_forest(f"{meta.target}/{meta.family}", self.sample())
        return model

    def _files(self, folder: Path, digests: Mapping[str, str]) -> dict[str, bytes]:
        """Return the verified files of a model, without tables that are missing."""
        files = {}
        for name, digest in digests.items():  # order: as they are listed
            try:
                files[name] = verified(folder / name, digest)
            except ModelLoadError as error:
                if name != FOREST_FILE or not isinstance(error.__cause__, FileNotFoundError):
                    raise
                if self._compiled:
                    _LOG.warning("%s: no such file; made again from the model, at every start", folder / name)
        return files

    def _check_meta(self, path: Path, meta: ModelMeta | ClassifierMeta, entry: ModelEntry | ClassifierEntry) -> None:
        """Refuse a description that contradicts the manifest."""
        manifest = self.manifest
        for what, found, expected in (
            ("target", meta.target, entry.target),
            ("family", meta.family, entry.family),
            ("bar interval", interval_text(meta.interval_ns), interval_text(manifest.interval_ns)),
            ("features", meta.features, manifest.features),
        ):
            if found != expected:
                raise mismatch(path, what, expected, found, RETRAIN)

    def _folder(self, target: str, family: str) -> Path:
        return self._run_root / model_folder(target, family)
