"""A sample of the rows of features that a run was trained on: real numbers to compare a compiled model with."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.snapshot import decode_arrays, encode_arrays

SAMPLE_ROWS = 256
_PART, _ARRAY = "sample", "features"


def encode_sample(features: FloatArray) -> bytes:
    """Return the file of a sample of rows (R, F).

    A quarter of it are rows that lack features, if there are so many, the rest rows that lack none; both evenly spread
    over all, so that equal rows give equal bytes.
    """
    n_missing = np.isnan(features).sum(axis=1)
    gaps, whole = np.flatnonzero(n_missing > 0), np.flatnonzero(n_missing == 0)
    with_gaps = _spread(gaps, SAMPLE_ROWS // 4 if len(whole) else SAMPLE_ROWS)
    chosen = np.concatenate([with_gaps, _spread(whole, SAMPLE_ROWS - len(with_gaps))])
    return encode_arrays({_PART: {_ARRAY: features[np.sort(chosen)]}})


def decode_sample(data: bytes, n_features: int) -> FloatArray:
    """Return the rows (R, F) that `encode_sample` chose.

    Raises
    ------
    ValueError
        The bytes are no such file, or its rows are of another number of features.
    """
    rows = decode_arrays(data).get(_PART, {}).get(_ARRAY)
    if rows is None or rows.dtype != np.float64 or rows.ndim != 2 or rows.shape[1] != n_features:
        raise ValueError(f"it holds no rows of {n_features} features")
    return np.ascontiguousarray(rows)


def _spread(places: np.ndarray, count: int) -> np.ndarray:
    """Return `count` of these, or all if they are fewer, evenly spread."""
    if len(places) <= count:
        return places
    return places[np.arange(count) * len(places) // count]
