"""The compiled models of a run, walked together: a row is read once for all that are walked in the same way."""

from __future__ import annotations

from collections.abc import Sequence

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.compiled_forest import CompiledForest, probe_rows
from LIVE_TRADING.models.forest_model import ForestModel

_SEED = 0x101117


class JointForests:
    """Models over the same features, of any family, each of them compiled."""

    def __init__(self, models: Sequence[ForestModel]) -> None:
        compiled = [(model, model.forest) for model in models if model.forest is not None]
        if len(compiled) < len(models):
            raise ValueError("a model is not compiled")
        self._n_models = len(models)
        # per walk: which models are in it, and where their sums begin
        self._walks: list[tuple[CompiledForest, list[tuple[int, ForestModel, slice]]]] = []
        for walk, numbers in CompiledForest.joined([forest for _, forest in compiled]):
            places, end = [], 0
            for number in numbers:
                model, forest = compiled[number]
                places.append((number, model, slice(end, end + forest.tables.n_forests)))
                end += forest.tables.n_forests
            self._walks.append((walk, places))

    def predict(self, rows: FloatArray) -> list[FloatArray]:
        """Return forecasts (R,) of rows (R, F), one array per model, in the order in which they were given."""
        forecasts: dict[int, FloatArray] = {}
        for walk, places in self._walks:
            sums = walk.predict(rows)
            for number, model, of_model in places:
                forecasts[number] = model.of_sums(sums[of_model])
        return [forecasts[number] for number in range(self._n_models)]

    def probes(self) -> list[FloatArray]:
        """Return rows (R, F), per walk, at and next to the thresholds of all models that are in it."""
        return [probe_rows(walk.tables, _SEED) for walk, _ in self._walks]
