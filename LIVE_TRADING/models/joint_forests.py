"""The compiled models of a run, walked together: a row is read once for all whose trees are of one kind."""

from __future__ import annotations

from collections.abc import Sequence

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.compiled_forest import CompiledForest
from LIVE_TRADING.models.forest_model import ForestModel


class JointForests:
    """Models over the same features, of any family, each of them compiled."""

    def __init__(self, models: Sequence[ForestModel]) -> None:
        compiled = [(model, model.forest) for model in models if model.forest is not None]
        if len(compiled) < len(models):
            raise ValueError("a model is not compiled")
        self._n_models = len(models)
        self._walks = CompiledForest.joined([forest for _, forest in compiled])
        # per walk: which models are in it, and where their sums begin
        self._places: list[list[tuple[int, ForestModel, slice]]] = [[] for _ in self._walks]
        ends = [0] * len(self._walks)
        for number, (model, forest) in enumerate(compiled):
            (row,) = (row for row, walk in enumerate(self._walks) if type(walk.tables) is type(forest.tables))
            self._places[row].append((number, model, slice(ends[row], ends[row] + forest.n_forests)))
            ends[row] += forest.n_forests

    def predict(self, rows: FloatArray) -> list[FloatArray]:
        """Return forecasts (R,) of rows (R, F), one array per model, in the order in which they were given."""
        forecasts: dict[int, FloatArray] = {}
        for walk, places in zip(self._walks, self._places, strict=True):
            sums = walk.predict(rows)
            for number, model, of_model in places:
                forecasts[number] = model.of_sums(sums[of_model])
        return [forecasts[number] for number in range(self._n_models)]
