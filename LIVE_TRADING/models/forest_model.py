"""What the tree families share: a compiled form that gives their library's bits, or the library."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.compiled_forest import CompiledForest, probe_rows, same_bits
from LIVE_TRADING.models.forest_file import FOREST_FILE, decode_tables, encode_tables
from LIVE_TRADING.models.forest_tables import ForestTables
from LIVE_TRADING.models.forest_trees import Forest

_LOG = logging.getLogger("live_trading.models")
_SEED = 0x5EED


class ForestModel(ABC):
    """A fitted model whose forecast follows from the sums of one forest or several.

    `forest` is its compiled form, None until `compile_forest` has made one: then the library predicts. `stored` is the
    `forest.npz` that was read with the model, if there was one.
    """

    n_features: int

    def __init__(self, stored: bytes | None = None) -> None:
        self.forest: CompiledForest | None = None
        self._stored = stored

    @abstractmethod
    def forests(self) -> Sequence[Forest]:
        """Return the model's M forests.

        Raises
        ------
        ValueError
            Its forecast does not follow from sums of leaves; says why.
        """

    @abstractmethod
    def predict_by_library(self, features: FloatArray) -> FloatArray:
        """Return what `predict` returns, from the library that fitted the model."""

    @abstractmethod
    def model_files(self) -> dict[str, bytes]:
        """Return the model as files, without its tables."""

    def of_sums(self, sums: FloatArray) -> FloatArray:
        """Return forecasts (R,) of the forests' sums (M, R)."""
        forecasts: FloatArray = sums[0]
        return forecasts

    def predict(self, features: FloatArray) -> FloatArray:
        """Return forecasts (R,) of features (R, F), by the compiled form if there is one."""
        if self.forest is None:
            return self.predict_by_library(features)
        return self.of_sums(self.forest.predict(features))

    def files(self) -> dict[str, bytes]:
        """Return the model as files, with the tables of its compiled form where it can be compiled."""
        try:
            tables = {FOREST_FILE: encode_tables(ForestTables.of_forests(self.forests(), self.n_features))}
        except ValueError:
            tables = {}  # at load the log says why
        return {**self.model_files(), **tables}

    def compile_forest(self, name: str = "", real_rows: FloatArray | None = None) -> None:
        """Predict by compiled trees from now on where that gives the library's bits; where not, the log says why.

        They are compared on random rows, those at thresholds, missing, infinite and next to zero among them, and on
        `real_rows` (R, F) if given. `name` is the model's in the log.
        """
        self.forest = None
        try:
            forest = CompiledForest(self._tables(name))
        except (ValueError, ImportError, OSError) as error:
            _LOG.warning("model %s is predicted with by its library: %s", name, error)
            return
        probes = [probe_rows(forest.tables, _SEED), *([] if real_rows is None else [real_rows])]
        if all(same_bits(self.of_sums(forest.predict(rows)), self.predict_by_library(rows)) for rows in probes):
            self.forest = forest
        else:
            _LOG.error("model %s is predicted with by its library: compiled, its forecasts are others", name)

    def _tables(self, name: str) -> ForestTables:
        """Return the tables that were stored with the model, or, where they cannot be used, make them from it."""
        if self._stored is not None:
            try:
                tables = decode_tables(self._stored)
                if int(tables.n_features) != self.n_features:
                    raise ValueError(f"it is over {tables.n_features} features, not {self.n_features}")
                return tables
            except ValueError as error:
                _LOG.warning("model %s: its %s is not used (%s) and made again", name, FOREST_FILE, error)
        return ForestTables.of_forests(self.forests(), self.n_features)


def stored_tables(files: Mapping[str, bytes]) -> bytes | None:
    """Return the file of tables among a model's files."""
    return files.get(FOREST_FILE)
