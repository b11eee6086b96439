"""The inference half of stage 1: one model per horizon and family, called once per cycle for all symbols."""

from __future__ import annotations

from collections.abc import Sequence

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import FloatArray, RawPredictions
from LIVE_TRADING.models.artifacts import BARRIER_TARGETS, ValidationFigures, target_name
from LIVE_TRADING.models.barrier import BarrierModels
from LIVE_TRADING.models.inference import InferenceEngine
from LIVE_TRADING.models.loader import ModelLoader
from LIVE_TRADING.models.windows import Windows


class MultiHorizonPredictor:
    """Raw forecasts of every horizon and family of a run; standardising and confidence are the core's.

    With them go the probabilities of the run's barrier classifiers; where it has none, `no_barriers` says why.

    Every model is read and verified here, so that an altered file refuses the start and not a cycle.

    Parameters
    ----------
    loader
        The run's artifacts.
    horizons, families
        Subsets of the run's, in the order given; None: all of the run's.
    targets
        Another way to choose: keeps the horizons whose target (`ret_5m`, …) is named, and the barrier classifiers where
        both, `will_peak_5m` and `will_valley_5m`, are.

    Raises
    ------
    ConfigurationError
        A target names no horizon that is chosen, or none of them does; or one barrier classifier without the other.
    ModelLoadError
        The run lacks a model that was chosen, or a file is missing or altered.
    """

    def __init__(
        self,
        loader: ModelLoader,
        horizons: Sequence[str] | None = None,
        families: Sequence[str] | None = None,
        targets: Sequence[str] | None = None,
    ) -> None:
        chosen, barriers = _without_barriers(targets)
        self.no_barriers = loader.no_classifiers if barriers else "the targets chosen leave the classifiers out"
        self.horizons = _chosen(tuple(horizons or loader.manifest.horizons), chosen)
        self.families = tuple(families or loader.manifest.families)
        self.validation: ValidationFigures = loader.validation(self.horizons, self.families)
        self._hashes = {
            f"{target}/{family}": loader.entry(target, family).meta_sha256
            for target in map(target_name, self.horizons)
            for family in self.families
        }
        self._barriers: BarrierModels | None = None
        if not self.no_barriers:
            self._barriers = BarrierModels(*(loader.classifier(target) for target in BARRIER_TARGETS))
            entries = [loader.classifier_entry(target) for target in BARRIER_TARGETS]
            self._hashes |= {f"{entry.target}/{entry.family}": entry.meta_sha256 for entry in entries}
        self._engine = InferenceEngine(
            [[loader.load(target_name(h), family) for family in self.families] for h in self.horizons]
        )

    def predict(self, features: FloatArray, windows: Windows | None = None) -> RawPredictions:
        """Return raw forecasts (H, M, N) and barrier probabilities (N,) of the features (F, N) of one bar end.

        `windows` (N, L, F) are the last feature rows of each symbol, these included; models over sequences need them.
        """
        barriers = (None, None) if self._barriers is None else self._barriers.predict(features)
        return RawPredictions(self._engine.predict(features, windows), *barriers)

    def predict_block(self, features: FloatArray, windows: Windows | None = None) -> RawPredictions:
        """Return the same of T bar ends of features (T, F, N), bit-equal to `predict` bar by bar.

        `windows` are those of the first bar end.
        """
        barriers = (None, None) if self._barriers is None else self._barriers.predict_block(features)
        return RawPredictions(self._engine.predict_block(features, windows), *barriers)

    @property
    def cheap_calls(self) -> bool:
        """Return whether predicting many bar ends at once saves nothing."""
        return self._engine.cheap_calls

    def model_hashes(self) -> dict[str, str]:
        """Return, by `<target>/<family>`, the SHA-256 of model_meta.json, which pins the model files by theirs."""
        return dict(self._hashes)


def _without_barriers(targets: Sequence[str] | None) -> tuple[list[str] | None, bool]:
    """Return the targets of horizons among these, and whether the barrier classifiers are asked for."""
    if targets is None:
        return None, True
    named = [target for target in BARRIER_TARGETS if target in targets]
    if len(named) == 1:
        raise ConfigurationError(
            f"targets {list(targets)}: {named[0]} alone; the barrier gate needs {' and '.join(BARRIER_TARGETS)}"
        )
    return [target for target in targets if target not in named], bool(named)


def _chosen(horizons: tuple[str, ...], targets: Sequence[str] | None) -> tuple[str, ...]:
    """Return the horizons whose target is named, all of them where no target is."""
    if targets is None:
        return horizons
    by_target = {target_name(horizon): horizon for horizon in horizons}
    unknown = [target for target in targets if target not in by_target]
    if unknown or not targets:
        raise ConfigurationError(
            f"targets {list(targets)}: {', '.join(unknown) or 'none given'}; the run has {', '.join(by_target)}"
        )
    return tuple(horizon for target, horizon in by_target.items() if target in targets)  # order: of the horizons
