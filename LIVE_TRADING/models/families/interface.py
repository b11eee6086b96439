"""What a model family is, and how one is found by name.

A family is one file of this package: its module is named like the family and holds `FAMILY`. The conformance suite in
tests/models/test_families.py runs over every file here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.compiled_forest import CompiledForest

_PACKAGE = "LIVE_TRADING.models.families"
_NOT_A_FAMILY = ("interface",)


class TrainedModel(Protocol):
    """A fitted model.

    `predict` gives bit-equal numbers for a row alone, in any batch and with any thread count. `notes` says in words how
    the model treats what a reader of its file cannot see (missing values, clipping); it is stored in model_meta.json.
    """

    n_features: int
    notes: Mapping[str, str]

    def predict(self, features: FloatArray) -> FloatArray:
        """Return forecasts (R,) of features (R, F), float64 and C-contiguous; NaN in a feature is a missing value."""
        ...

    def files(self) -> dict[str, bytes]:
        """Return the model as files, by plain file name; equal models give equal bytes."""
        ...


@runtime_checkable
class CompilableModel(TrainedModel, Protocol):
    """A fitted model whose `predict` can be made faster, with the same bits."""

    def compile_forest(self) -> None:
        """Make it faster where that is verified to change nothing; where not, the log says why."""
        ...


@runtime_checkable
class ForestModel(CompilableModel, Protocol):
    """A fitted model that is one forest of trees; `forest` is its compiled form, or None: its library predicts."""

    forest: CompiledForest | None

    def predict_by_library(self, features: FloatArray) -> FloatArray:
        """Return what `predict` returns, without the compiled form."""
        ...


class ModelFamily(Protocol):
    """Trains and reads models of one kind. Reads and writes no file itself: the loader hands it verified bytes."""

    name: str
    params: type[FrozenConfig]

    def train(self, features: FloatArray, target: FloatArray, *, seed: int, params: Any) -> TrainedModel:
        """Fit features (R, F), NaN allowed, to a finite target (R,), on one thread: training runs several fits at once.

        Equal input gives equal files. `params` is an instance of `self.params`.

        Raises
        ------
        ValueError
            There are too few rows.
        """
        ...

    def load(self, files: Mapping[str, bytes], *, threads: int = 1) -> TrainedModel:
        """Return the model that `TrainedModel.files` described.

        Raises
        ------
        ValueError
            The bytes are no model of this family.
        """
        ...


def family_names() -> tuple[str, ...]:
    """Return the names of the families that exist, sorted."""
    package = importlib.import_module(_PACKAGE)
    return tuple(sorted(info.name for info in pkgutil.iter_modules(package.__path__) if info.name not in _NOT_A_FAMILY))


def get_family(name: str) -> ModelFamily:
    """Return a family by its name.

    Raises
    ------
    ConfigurationError
        There is no such family; the known ones are named.
    """
    if name not in family_names():
        raise ConfigurationError(f"model family {name!r} is unknown; known are {', '.join(family_names())}")
    family: ModelFamily = importlib.import_module(f"{_PACKAGE}.{name}").FAMILY
    return family
