"""Forests of trees compiled: the sums of a library, bit for bit, in a fraction of its time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LIVE_TRADING.common.kernels import code_folder
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.forest_compiler import Walk, load_walk
from LIVE_TRADING.models.forest_kernel import ZERO_BOUND
from LIVE_TRADING.models.forest_layouts import MOST_RANKS, across_layout, down_layout, goes_across, nodes_by_feature
from LIVE_TRADING.models.forest_tables import ForestTables
from LIVE_TRADING.models.forest_trees import GREATEST
from LIVE_TRADING.models.snapshot import Array

_PROBE_ROWS, _MOST_PROBE_ROWS, _ROWS_PER_LEAF = 512, 2048, 4
_FAR = 1e300
_TINY = float(np.finfo(np.float64).smallest_subnormal)
_SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, GREATEST, -GREATEST, 0.0, -0.0, 3.5e38, -3.5e38]
    + [sign * value for sign in (1.0, -1.0) for value in (_TINY, ZERO_BOUND, np.nextafter(ZERO_BOUND, 1.0), 1e-30)]
)


class CompiledForest:
    """M forests over the same features, walked together: a row is read once for all of them."""

    def __init__(self, tables: ForestTables, walk: Walk | None = None) -> None:
        """Lay forests out to be walked; `walk` is the function for that, compiled now where it is not given.

        Raises
        ------
        ValueError, ImportError, OSError
            It cannot be compiled here.
        """
        self.tables = tables
        self.across = goes_across(tables)
        self._walk = walk or load_walk("across" if self.across else "down", code_folder())
        self._layout = across_layout(tables) if self.across else down_layout(tables)
        self._n_features = int(tables.n_features)

    def predict(self, features: FloatArray) -> FloatArray:
        """Return the forests' sums (M, R) of features (R, F); the interpreter's lock is released meanwhile.

        A row's sums do not depend on the rows beside it.
        """
        if features.ndim != 2 or features.shape[1] != self._n_features:  # the walk reads unchecked
            raise ValueError(f"features of shape {features.shape}, expected (rows, {self._n_features})")
        rows = np.require(features, np.float64, ["C", "W"])
        out = np.empty((self.tables.n_forests, len(rows)))
        self._walk(rows, *self._layout, out)
        return out

    @staticmethod
    def joined(forests: Sequence[CompiledForest]) -> list[tuple[CompiledForest, list[int]]]:
        """Return several forests over the same features as few, each with the numbers of those that are in it.

        Together are those that are walked in the same way, as long as the ranks of their thresholds can be told apart.
        """
        groups: list[list[int]] = []
        for across in (True, False):
            n_ranks: Array = np.zeros(0)
            for number, forest in enumerate(forests):
                if forest.across != across:
                    continue
                n_nodes = nodes_by_feature(forest.tables)
                if not len(n_ranks) or (across and np.any(n_ranks + n_nodes > MOST_RANKS)):
                    groups.append([])
                    n_ranks = np.zeros(len(n_nodes))
                groups[-1].append(number)
                n_ranks = n_ranks + n_nodes
        return [(_together([forests[number] for number in group]), group) for group in groups]


def _together(forests: Sequence[CompiledForest]) -> CompiledForest:
    return CompiledForest(ForestTables.joined([forest.tables for forest in forests]), forests[0]._walk)


def same_bits(values: FloatArray, expected: FloatArray) -> bool:
    """Tell whether two arrays of forecasts are equal to the last bit."""
    return values.tobytes() == np.asarray(expected, dtype=np.float64).tobytes()


def probe_rows(tables: ForestTables, seed: int) -> FloatArray:
    """Return rows (R, F) that reach what is special in a forest: thresholds and their neighbours, missing, zero, far.

    Half of the values are at or next to thresholds of their feature, so that rows spread over the leaves; the wider the
    trees, the more rows there are, up to 2,048.
    """
    rng = np.random.default_rng(seed)
    n_rows = min(_MOST_PROBE_ROWS, max(_PROBE_ROWS, _ROWS_PER_LEAF * tables.widest()))
    rows = np.empty((n_rows, int(tables.n_features)))
    of_node, threshold = tables.split_features(), tables.threshold
    for feature in range(rows.shape[1]):
        bounds = np.append(threshold[of_node == feature], [0.0, 1.0])
        with np.errstate(over="ignore"):  # beyond the greatest number is infinity
            near = np.concatenate([bounds, np.nextafter(bounds, np.inf), np.nextafter(bounds, -np.inf)])
        finite = bounds[np.abs(bounds) < _FAR]
        kind = rng.random(n_rows)
        values = rng.uniform(finite.min() - 1.0, finite.max() + 1.0, n_rows)
        values = np.where(kind < 0.5, rng.choice(near, n_rows), values)
        rows[:, feature] = np.where(kind > 0.85, rng.choice(_SPECIAL, n_rows), values)
    rows[: len(_SPECIAL)] = _SPECIAL[:, None]
    return rows
