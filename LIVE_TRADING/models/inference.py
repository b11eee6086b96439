"""Features in, raw forecasts out: every model of a run, each called once for all rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.families.interface import TrainedModel


class InferenceEngine:
    """Calls the models of a grid of horizons × families.

    `models[h][m]` is that of horizon h and family m. A symbol without a bar (its features all NaN) has no forecast.
    Families give bit-equal numbers in any batch, hence so do `predict` and `predict_block`.
    """

    def __init__(self, models: Sequence[Sequence[TrainedModel]]) -> None:
        self._models = [list(row) for row in models]
        self._shape = (len(self._models), len(self._models[0]) if self._models else 0)

    def predict(self, features: FloatArray) -> FloatArray:
        """Return raw forecasts (H, M, N) of the features (F, N) of one bar end; NaN: no forecast."""
        return self._predict_rows(np.ascontiguousarray(features.T))

    def predict_block(self, features: FloatArray) -> FloatArray:
        """Return raw forecasts (T, H, M, N) of the features (T, F, N) of several bar ends."""
        n_times, n_features, n_symbols = features.shape
        rows = np.ascontiguousarray(features.transpose(0, 2, 1)).reshape(n_times * n_symbols, n_features)
        raw = self._predict_rows(rows).reshape(*self._shape, n_times, n_symbols)
        return np.ascontiguousarray(raw.transpose(2, 0, 1, 3))

    def _predict_rows(self, rows: FloatArray) -> FloatArray:
        """Return raw forecasts (H, M, R) of rows (R, F)."""
        present = ~np.isnan(rows).all(axis=1)
        if present.all():
            return self._ask(rows)
        raw = np.full((*self._shape, len(rows)), np.nan)
        if present.any():
            raw[:, :, present] = self._ask(rows[present])
        return raw

    def _ask(self, rows: FloatArray) -> FloatArray:
        """Return the answers (H, M, R) of all models."""
        raw = np.empty((*self._shape, len(rows)))
        for h, family_models in enumerate(self._models):
            for m, model in enumerate(family_models):
                raw[h, m] = model.predict(rows)
        return raw
