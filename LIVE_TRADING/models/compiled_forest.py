"""Tree models compiled: the sums of a library, bit for bit, in a fraction of its time; where not equal, the library."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.artifacts import sha256
from LIVE_TRADING.models.forest_cache import read_tables, write_tables
from LIVE_TRADING.models.forest_kernel import ZERO_BOUND, Walk, load_walk
from LIVE_TRADING.models.forest_tables import GREATEST, WALKED, ForestTables, join_tables
from LIVE_TRADING.models.private_cache import private_cache

_LOG = logging.getLogger("live_trading.models")
_PROBE_ROWS = 512
_FAR = 1e300
_TINY = float(np.finfo(np.float64).smallest_subnormal)
_SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, GREATEST, -GREATEST, 0.0, -0.0]
    + [sign * value for sign in (1.0, -1.0) for value in (_TINY, ZERO_BOUND, np.nextafter(ZERO_BOUND, 1.0), 1e-30)]
)


class CompiledForest:
    """M forests over the same features, walked together: a row is read once for all of them."""

    def __init__(self, tables: ForestTables, walk: Walk) -> None:
        self.tables = tables
        self._walk = walk
        self._arrays = tuple(getattr(tables, name) for name in WALKED)
        self._shape = (len(tables.first_tree) - 1, int(tables.n_features))

    def predict(self, features: FloatArray) -> FloatArray:
        """Return the forests' values (M, R) of features (R, F); the interpreter's lock is released meanwhile.

        A row's values do not depend on the rows beside it.
        """
        n_forests, n_features = self._shape
        if features.ndim != 2 or features.shape[1] != n_features:  # the walk reads unchecked
            raise ValueError(f"features of shape {features.shape}, expected (rows, {n_features})")
        rows = np.require(features, np.float64, ["C", "W"])
        out = np.empty((n_forests, len(rows)))
        self._walk(rows, *self._arrays, out)
        return out

    @staticmethod
    def joined(forests: Sequence[CompiledForest]) -> CompiledForest:
        """Return several forests over the same features as one, in order."""
        return CompiledForest(join_tables([forest.tables for forest in forests]), forests[0]._walk)


def compile_forest(
    model: bytes,
    n_features: int,
    read: Callable[[bytes], ForestTables],
    library: Callable[[FloatArray], FloatArray],
    real_rows: FloatArray | None = None,
) -> CompiledForest | None:
    """Return a model compiled, or None, and a line in the log, where only the library can predict with it.

    Parameters
    ----------
    model
        The model's file, whose SHA-256 names its tables in the cache.
    read
        Makes the tables of that file, ValueError where its kind of model cannot be compiled.
    library
        Forecasts (R,) of rows (R, F). The compiled forest gives the same bits on random rows, those at thresholds,
        missing, infinite and next to zero among them, and on `real_rows` (R, F) if given; or it is not used.
    """
    digest = sha256(model)
    try:
        tables = _tables(model, digest, read)
        if (int(tables.n_features), len(tables.first_tree)) != (n_features, 2):
            raise ValueError(f"its tables are over {tables.n_features} features, not {n_features}")
        forest = CompiledForest(tables, load_walk(_folder("numba")))
    except (ValueError, ImportError, OSError) as error:
        _LOG.warning("model %s is predicted with by its library: %s", digest[:12], error)
        return None
    probes = [probe_rows(tables, int(digest[:16], 16)), *([] if real_rows is None else [real_rows])]
    if not all(same_bits(forest.predict(rows)[0], library(rows)) for rows in probes):
        _LOG.error("model %s is predicted with by its library: compiled, its forecasts are others", digest[:12])
        return None
    return forest


def same_bits(values: FloatArray, expected: FloatArray) -> bool:
    """Tell whether two arrays of forecasts are equal to the last bit."""
    return values.tobytes() == np.asarray(expected, dtype=np.float64).tobytes()


def probe_rows(tables: ForestTables, seed: int) -> FloatArray:
    """Return rows (R, F) that reach what is special in a forest: thresholds and their neighbours, missing, zero, far.

    Half of the values are at or next to thresholds of their feature, so that rows spread over the leaves.
    """
    rng = np.random.default_rng(seed)
    rows = np.empty((_PROBE_ROWS, int(tables.n_features)))
    of_node = tables.feature[tables.column]
    for feature in range(rows.shape[1]):
        bounds = np.append(tables.threshold[of_node == feature], [0.0, 1.0])
        with np.errstate(over="ignore"):  # beyond the greatest number is infinity
            near = np.concatenate([bounds, np.nextafter(bounds, np.inf), np.nextafter(bounds, -np.inf)])
        finite = bounds[np.abs(bounds) < _FAR]
        kind = rng.random(_PROBE_ROWS)
        values = rng.uniform(finite.min() - 1.0, finite.max() + 1.0, _PROBE_ROWS)
        values = np.where(kind < 0.5, rng.choice(near, _PROBE_ROWS), values)
        rows[:, feature] = np.where(kind > 0.85, rng.choice(_SPECIAL, _PROBE_ROWS), values)
    rows[: len(_SPECIAL)] = _SPECIAL[:, None]
    return rows


def _tables(model: bytes, digest: str, read: Callable[[bytes], ForestTables]) -> ForestTables:
    """Return a model's tables from the cache, or made and kept there."""
    folder = _folder("forests")
    kept = None if folder is None else read_tables(folder, digest)
    if kept is not None:
        return kept
    tables = read(model)
    if folder is not None:
        write_tables(folder, digest, tables)
    return tables


def _folder(name: str) -> Path | None:
    """Return a private cache folder, or None where there cannot be one."""
    try:
        return private_cache(name)
    except OSError as error:
        _LOG.warning("compiled forests are not kept between starts: %s", error)
        return None
