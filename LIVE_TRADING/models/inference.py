"""Features in, raw forecasts out: every model of a run, each called once for all rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.compiled_forest import same_bits
from LIVE_TRADING.models.families.interface import Model, SequenceModel
from LIVE_TRADING.models.forest_model import ForestModel
from LIVE_TRADING.models.joint_forests import JointForests
from LIVE_TRADING.models.windows import FeatureWindows, Windows

_LOG = logging.getLogger("live_trading.models")
_FIRST_ROWS = 512


class InferenceEngine:
    """Calls the models of a grid of horizons × families.

    `models[h][m]` is that of horizon h and family m. A symbol without a bar (its features all NaN) has no forecast.
    Families give bit-equal numbers in any batch, hence so do `predict` and `predict_block`. Models over sequences take
    the newest rows of the windows, as many as they were made for.

    Models that are compiled are walked together. Each is compared with itself alone at once, and with its library on
    the first rows that come, the first real ones: one that differs is told in the log and left to its library.
    """

    def __init__(self, models: Sequence[Sequence[Model]]) -> None:
        placed = [(h, m, model) for h, row in enumerate(models) for m, model in enumerate(row)]
        self._shape = (len(models), len(models[0]) if models else 0)
        self._sequences = [(h, m, model) for h, m, model in placed if isinstance(model, SequenceModel)]
        self._lookback = max((model.lookback for _, _, model in self._sequences), default=0)
        self._models = [(h, m, model) for h, m, model in placed if not isinstance(model, SequenceModel)]
        self._compiled: list[tuple[int, int, ForestModel]] = [
            (h, m, model) for h, m, model in self._models if isinstance(model, ForestModel) and model.forest is not None
        ]
        self._joint = JointForests([model for _, _, model in self._compiled])
        self._verified = False
        for rows in self._joint.probes():
            self._keep_where_equal(rows, lambda model, rows: model.predict(rows))

    @property
    def cheap_calls(self) -> bool:
        """Return whether a call costs next to nothing beyond its rows: every model is walked compiled, as one."""
        return not self._sequences and bool(self._models) and len(self._compiled) == len(self._models)

    def predict(self, features: FloatArray, windows: Windows | None = None) -> FloatArray:
        """Return raw forecasts (H, M, N) of the features (F, N) of one bar end; NaN: no forecast.

        Parameters
        ----------
        windows
            The last feature rows (N, L, F) of each symbol, these ones included; needed where a model is one over
            sequences.

        Raises
        ------
        ValueError
            The windows are missing, or shorter than a model needs.
        """
        raw = self._predict_rows(np.ascontiguousarray(features.T))
        if self._sequences:
            self._ask_sequences(raw, features, self._checked(windows))
        return raw

    def predict_block(self, features: FloatArray, windows: Windows | None = None) -> FloatArray:
        """Return raw forecasts (T, H, M, N) of the features (T, F, N) of several bar ends in a row.

        `windows` are those of the first bar end, as in `predict`; those of the others follow from the features.
        """
        n_times, n_features, n_symbols = features.shape
        rows = np.ascontiguousarray(features.transpose(0, 2, 1)).reshape(n_times * n_symbols, n_features)
        raw = self._predict_rows(rows).reshape(*self._shape, n_times, n_symbols)
        raw = np.ascontiguousarray(raw.transpose(2, 0, 1, 3))
        if self._sequences:
            ring = FeatureWindows.ending_with(self._checked(windows))
            for row in range(n_times):
                ring = ring.advance(features[row]) if row else ring
                self._ask_sequences(raw[row], features[row], ring.windows())
        return raw

    def _checked(self, windows: Windows | None) -> Windows:
        if windows is None or windows.shape[1] < self._lookback:
            found = "none" if windows is None else windows.shape[1]
            raise ValueError(f"windows expected of {self._lookback} rows, which a model takes, found {found}")
        return windows

    def _ask_sequences(self, raw: FloatArray, features: FloatArray, windows: Windows) -> None:
        """Write the forecasts of the models over sequences into raw (H, M, N), where a symbol has a bar."""
        present = ~np.isnan(features).all(axis=0)
        whole = bool(present.all())
        for h, m, model in self._sequences:
            newest = windows[:, -model.lookback :]
            if whole:
                raw[h, m] = model.predict_windows(newest)
            elif present.any():
                raw[h, m, present] = model.predict_windows(newest[present])

    def _predict_rows(self, rows: FloatArray) -> FloatArray:
        """Return raw forecasts (H, M, R) of rows (R, F)."""
        if not np.isnan(rows[:, 0]).any():  # the usual case, told at little cost
            return self._ask(rows)
        present = ~np.isnan(rows).all(axis=1)
        if present.all():
            return self._ask(rows)
        raw = np.full((*self._shape, len(rows)), np.nan)
        if present.any():
            raw[:, :, present] = self._ask(rows[present])
        return raw

    def _ask(self, rows: FloatArray) -> FloatArray:
        """Return the answers (H, M, R) of all models."""
        if self._compiled and not self._verified:
            self._keep_where_equal(rows[:_FIRST_ROWS], lambda model, rows: model.predict_by_library(rows))
        self._verified = True
        raw = np.full((*self._shape, len(rows)), np.nan)
        done = set()
        for (h, m, _), values in zip(self._compiled, self._joint.predict(rows), strict=True):
            raw[h, m] = values
            done.add((h, m))
        for h, m, model in self._models:
            if (h, m) not in done:
                raw[h, m] = model.predict(rows)
        return raw

    def _keep_where_equal(self, rows: FloatArray, expected: Callable[[ForestModel, FloatArray], FloatArray]) -> None:
        """Leave the compiled models out whose values on rows (R, F), walked together, are not as expected."""
        equal = []
        for (h, m, model), values in zip(self._compiled, self._joint.predict(rows), strict=True):
            if same_bits(values, expected(model, rows)):
                equal.append((h, m, model))
            else:
                _LOG.error("model %d of horizon %d is predicted with by its library: compiled, it differs", m, h)
                model.forest = None
        if len(equal) < len(self._compiled):
            self._compiled, self._joint = equal, JointForests([model for _, _, model in equal])
