"""The files of a trained run, as bytes: equal data, configuration and code give equal files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from LIVE_TRADING import __version__
from LIVE_TRADING.common.config import config_dict
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.market import MarketModel
from LIVE_TRADING.models.artifacts import (
    BARRIER_FAMILY,
    FORMAT,
    MANIFEST_FILE,
    META_FILE,
    SAMPLE_FILE,
    SNAPSHOT_FILE,
    VIEW,
    ClassifierEntry,
    ClassifierMeta,
    ClassifierMetrics,
    Manifest,
    ModelEntry,
    ModelMeta,
    ModelMetrics,
    memory_config,
    model_folder,
    record_bytes,
    sha256,
    target_name,
)
from LIVE_TRADING.models.row_sample import encode_sample
from LIVE_TRADING.models.snapshot import encode_arrays
from LIVE_TRADING.training.barrier_labels import BARRIER_HORIZON
from LIVE_TRADING.training.barriers import Barriers, FittedClassifier
from LIVE_TRADING.training.config import TrainingConfig
from LIVE_TRADING.training.dataset import Dataset
from LIVE_TRADING.training.fitting import Fitted, FittedOn
from LIVE_TRADING.training.imported import Imported
from LIVE_TRADING.training.validation import Validation, model_metrics
from LIVE_TRADING.training.walk_forward import Fold

Contents = dict[PurePosixPath, bytes]


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One model of the run: what it was fitted on, and what its like were worth out of sample."""

    horizon: str
    family: str
    train_rows: int
    metrics: ModelMetrics


@dataclass(frozen=True, slots=True)
class ClassifierReport:
    """One barrier classifier of the run: what it was fitted on, and what its like were worth out of sample."""

    target: str
    train_rows: int
    metrics: ClassifierMetrics


@dataclass(frozen=True, slots=True, eq=False)
class TrainedRun:
    """All that training found."""

    dataset: Dataset
    market: MarketModel
    folds: Sequence[Fold]
    fitted: Fitted
    barriers: Barriers
    validation: Validation
    config: TrainingConfig
    engine: EngineConfig
    imported: Imported

    def fitted_on(self, on: FittedOn, family: str) -> FittedOn:
        """Return what a family was fitted on, `on` what families are that are fitted here."""
        until = self.imported.until.get(family)
        return on if until is None else FittedOn(0, "", until)


def model_reports(run: TrainedRun) -> tuple[ModelReport, ...]:
    """Return one report per horizon and family, horizons first."""
    return tuple(
        ModelReport(
            horizon.name,
            family,
            run.fitted_on(run.fitted.on[h], family).n_rows,
            model_metrics(
                run.dataset,
                run.folds,
                run.validation,
                [run.fitted_on(on[h], family) for on in run.fitted.folds_on],
                h,
                m,
            ),
        )
        for h, horizon in enumerate(run.dataset.horizons)
        for m, family in enumerate(run.config.families)
    )


def classifier_reports(barriers: Barriers) -> tuple[ClassifierReport, ...]:
    """Return one report per barrier classifier."""
    return tuple(ClassifierReport(fitted.target, fitted.on.n_rows, fitted.metrics) for fitted in barriers.classifiers)


def run_contents(run: TrainedRun, reports: Sequence[ModelReport]) -> Contents:
    """Return every file of the run by its path below the run root."""
    memory = replace(run.dataset.memory, forecast=run.validation.memory)
    snapshot = encode_arrays(run.market.to_parts(memory))
    sample = encode_sample(run.dataset.features.reshape(-1, run.dataset.features.shape[-1]))
    contents: Contents = {PurePosixPath(SNAPSHOT_FILE): snapshot, PurePosixPath(SAMPLE_FILE): sample}
    entries = []
    for number, report in enumerate(reports):
        h, m = divmod(number, len(run.config.families))
        model = run.fitted.models[h][m]
        files = model.files()
        on = run.fitted_on(run.fitted.on[h], report.family)
        meta = _meta(run, report, on, dict(model.notes), files)
        folder = model_folder(meta.target, meta.family)
        contents |= {folder / name: data for name, data in files.items()}
        contents[folder / META_FILE] = record_bytes(meta)
        entries.append(_entry(meta, contents[folder / META_FILE]))
    classifiers = []
    for fitted in run.barriers.classifiers:
        files = fitted.trees.files()
        folder = model_folder(fitted.target, BARRIER_FAMILY)
        contents |= {folder / name: data for name, data in files.items()}
        contents[folder / META_FILE] = record_bytes(_classifier_meta(run, fitted, files))
        classifiers.append(_classifier_entry(fitted, contents[folder / META_FILE]))
    manifest = _manifest(run, tuple(entries), tuple(classifiers), snapshot, sample)
    contents[PurePosixPath(MANIFEST_FILE)] = record_bytes(manifest)
    return contents


def session_minutes(panel: BarPanel) -> int:
    """Return the minutes of a regular session."""
    return panel.bars_per_session * panel.interval_ns // NS_PER_MINUTE


def _meta(
    run: TrainedRun, report: ModelReport, on: FittedOn, notes: dict[str, str], files: dict[str, bytes]
) -> ModelMeta:
    return ModelMeta(
        format=FORMAT,
        target=target_name(report.horizon),
        horizon=report.horizon,
        family=report.family,
        view=VIEW,
        interval_ns=run.dataset.panel.interval_ns,
        features=run.market.features.names,
        files={name: sha256(data) for name, data in files.items()},
        params=config_dict(run.config.params_of(report.family)),
        notes=notes,
        seed=run.config.seed,
        train_start=on.first_session,
        train_end=on.last_session,
        train_rows=on.n_rows,
        data_hash=run.dataset.panel.data_hash,
        code_version=__version__,
        metrics=report.metrics,
    )


def _classifier_meta(run: TrainedRun, fitted: FittedClassifier, files: dict[str, bytes]) -> ClassifierMeta:
    return ClassifierMeta(
        format=FORMAT,
        target=fitted.target,
        horizon=BARRIER_HORIZON,
        family=BARRIER_FAMILY,
        view=VIEW,
        interval_ns=run.dataset.panel.interval_ns,
        features=run.market.features.names,
        files={name: sha256(data) for name, data in files.items()},
        params=config_dict(run.config.barrier.params),
        notes=dict(fitted.trees.notes),
        seed=run.config.seed,
        train_start=fitted.on.first_session,
        train_end=fitted.on.last_session,
        train_rows=fitted.on.n_rows,
        data_hash=run.dataset.panel.data_hash,
        code_version=__version__,
        calibration=fitted.calibration,
        metrics=fitted.metrics,
    )


def _classifier_entry(fitted: FittedClassifier, stored: bytes) -> ClassifierEntry:
    return ClassifierEntry(
        target=fitted.target,
        family=BARRIER_FAMILY,
        meta_sha256=sha256(stored),
        brier=fitted.metrics.brier,
        brier_base_rate=fitted.metrics.brier_base_rate,
    )


def _entry(meta: ModelMeta, stored: bytes) -> ModelEntry:
    return ModelEntry(
        target=meta.target,
        family=meta.family,
        meta_sha256=sha256(stored),
        ic=meta.metrics.ic,
        n_effective=meta.metrics.n_effective,
        rmse=meta.metrics.rmse,
    )


def _manifest(
    run: TrainedRun,
    entries: tuple[ModelEntry, ...],
    classifiers: tuple[ClassifierEntry, ...],
    snapshot: bytes,
    sample: bytes,
) -> Manifest:
    panel = run.dataset.panel
    first, last = panel.session(0), panel.session(len(panel) - 1)
    return Manifest(
        format=FORMAT,
        code_version=__version__,
        calendar=panel.sessions.name,
        interval_ns=panel.interval_ns,
        bars_per_session=panel.bars_per_session,
        session_minutes=session_minutes(panel),
        symbols=panel.symbols,
        horizons=tuple(horizon.name for horizon in run.dataset.horizons),
        families=run.config.families,
        features=run.market.features.names,
        feature_sources=run.market.features.sources,
        quotes_estimated=panel.quotes_estimated,
        data_hash=panel.data_hash,
        data_start=first.date,
        until=last.date,
        until_ns=last.close_ns,
        training_config=config_dict(run.config),
        memory_config=memory_config(run.engine),
        models=entries,
        classifiers=classifiers,
        no_classifiers=run.barriers.missing,
        snapshot_sha256=sha256(snapshot),
        sample_sha256=sha256(sample),
    )
