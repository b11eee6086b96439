"""The model card of a run: one HTML page made from its artifacts alone, so that equal runs give equal cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.files import write_atomic_bytes
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.artifacts import MANIFEST_FILE, ClassifierMeta, Manifest, ModelMeta, sha256, target_name
from LIVE_TRADING.models.families.interface import ExplainedModel
from LIVE_TRADING.models.loader import ModelLoader
from LIVE_TRADING.pages.environment import render

CARD_FILE = "model_card.html"
TEMPLATE = "model_card.html.j2"


@dataclass(frozen=True, slots=True, eq=False)
class ModelFacts:
    """One model: its description and, where the family offers it, what its features weigh, shape (F,), and in what."""

    meta: ModelMeta
    weights: FloatArray | None
    weights_are: str


@dataclass(frozen=True, slots=True, eq=False)
class RunFacts:
    """All that a card says of a run.

    `models` by horizon, then family; `manifest_sha256` names the run exactly; `no_classifiers` says why there are none.
    """

    name: str
    manifest: Manifest
    manifest_sha256: str
    models: Sequence[ModelFacts]
    classifiers: Sequence[ClassifierMeta]
    no_classifiers: str

    def ic_error(self, model: ModelFacts) -> float:
        """Return the standard error of a model's IC, 1/√(n·(N − 1)); NaN where nothing matured.

        n effective cross-sections of N symbols, whose ranks are taken to be independent over symbols and over time.
        """
        pairs = model.meta.metrics.n_effective * (len(self.manifest.symbols) - 1)
        return float(1.0 / np.sqrt(pairs)) if pairs > 0 else float("nan")


def run_facts(run_root: Path) -> RunFacts:
    """Read a run, every file checked against its checksum.

    Raises
    ------
    ModelLoadError
        A file is missing, altered or of another format.
    """
    loader = ModelLoader(run_root)
    manifest = loader.manifest
    return RunFacts(
        name=run_root.resolve().name,
        manifest=manifest,
        manifest_sha256=sha256((run_root / MANIFEST_FILE).read_bytes()),
        models=[
            _model_facts(loader, target_name(horizon), family)
            for horizon in manifest.horizons
            for family in manifest.families
        ],
        classifiers=[loader.classifier_meta(entry.target) for entry in manifest.classifiers],
        no_classifiers=loader.no_classifiers,
    )


def _model_facts(loader: ModelLoader, target: str, family: str) -> ModelFacts:
    meta, model = loader.meta(target, family), loader.load(target, family)
    if not isinstance(model, ExplainedModel):
        return ModelFacts(meta, None, "")
    weights_are, weights = model.importance()
    return ModelFacts(meta, weights, weights_are)


def model_card(run_root: Path) -> str:
    """Return the card of a run as HTML; raises as `run_facts`."""
    from LIVE_TRADING.training.card_view import view

    return render("LIVE_TRADING.training", TEMPLATE, view(run_facts(run_root)))


def write_model_card(run_root: Path, out: Path | None = None) -> Path:
    """Write the card of a run to `out`, by default beside its manifest, and return where it is.

    Raises
    ------
    ModelLoadError
        As `run_facts`.
    StateError
        The file system refused.
    """
    path = run_root / CARD_FILE if out is None else out
    page = model_card(run_root).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic_bytes(path, page)
    except OSError as error:
        raise StateError(f"{path}: cannot be written ({error.strerror}); check space and permissions") from error
    return path
