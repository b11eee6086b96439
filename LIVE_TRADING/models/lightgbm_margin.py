"""Gradient-boosted trees for a yes or no: LightGBM on log loss, asked for its margin and not for its probability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.families.lightgbm import LightGbmModel, LightGbmParams, fit_trees, read_booster
from LIVE_TRADING.models.forest_model import stored_tables
from LIVE_TRADING.models.forest_trees import Forest
from LIVE_TRADING.models.lightgbm_text import read_lightgbm

_FILE = "model.txt"


class LightGbmMargin(LightGbmModel):
    """A fitted booster of the binary objective; `predict` gives log odds (R,), before any calibration."""

    def forests(self) -> list[Forest]:
        """Return its trees as one forest."""
        return [read_lightgbm(self._text.encode(), raw_score=True)]

    def predict_by_library(self, features: FloatArray) -> FloatArray:
        """Return what `predict` returns, from the booster itself."""
        margin = self._booster.predict(features, raw_score=True, num_threads=self._threads, validate_features=False)
        return np.asarray(margin, dtype=np.float64)


def train_margin(features: FloatArray, outcome: FloatArray, *, seed: int, params: LightGbmParams) -> LightGbmMargin:
    """Fit features (R, F), NaN allowed, to outcomes (R,) of 0 and 1, on one thread.

    Raises
    ------
    ValueError
        There are fewer than 20 rows.
    """
    return _model(fit_trees(features, outcome, "binary", seed, params), 1)


def load_margin(files: Mapping[str, bytes], *, threads: int = 1) -> LightGbmMargin:
    """Return the model of a text form.

    Raises
    ------
    ValueError
        The file is missing, no LightGBM model, or one of another objective.
    """
    if _FILE not in files:
        raise ValueError(f"{_FILE} is missing")
    text = files[_FILE].decode()
    if "\nobjective=binary" not in text.partition("\nTree=")[0]:
        raise ValueError(f"{_FILE} is no classifier of two classes")
    return _model(text, threads, stored_tables(files))


def _model(text: str, threads: int, stored: bytes | None = None) -> LightGbmMargin:
    booster: Any = read_booster(text)
    return LightGbmMargin(booster, text, threads, stored)
