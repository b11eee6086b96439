"""What a model family is, and how one is found by name.

A family is one file of this package: its module is named like the family and holds `FAMILY`. It trains its models
(`TrainableFamily`), or takes in files of models that were trained elsewhere (`ImportedFamily`). The conformance suite
in tests/models/test_families.py runs over every file here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol, runtime_checkable

from pydantic import Field, field_validator

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.windows import Windows

_PACKAGE = "LIVE_TRADING.models.families"
_NOT_A_FAMILY = ("interface",)


class StoredModel(Protocol):
    """A model as it stands on file.

    It gives bit-equal numbers for a row alone, in any batch and with any thread count. `notes` says in words how it
    treats what a reader of its file cannot see (missing values, clipping); it is stored in model_meta.json.
    """

    n_features: int
    notes: Mapping[str, str]

    def files(self) -> dict[str, bytes]:
        """Return the model as files, by plain file name; equal models give equal bytes."""
        ...


class TrainedModel(StoredModel, Protocol):
    """A model of one row of features per symbol."""

    def predict(self, features: FloatArray) -> FloatArray:
        """Return forecasts (R,) of features (R, F), float64 and C-contiguous; NaN in a feature is a missing value."""
        ...


@runtime_checkable
class SequenceModel(StoredModel, Protocol):
    """A model of the last `lookback` rows of features per symbol, whose windows stand in the market memory."""

    lookback: int

    def predict_windows(self, windows: Windows) -> FloatArray:
        """Return forecasts (R,) of windows (R, lookback, F), float32, oldest row first.

        NaN in a window is a missing value; a row that a symbol has not had yet is all NaN. NaN forecast: no view.
        """
        ...


Model = TrainedModel | SequenceModel


@runtime_checkable
class ExplainedModel(Protocol):
    """A fitted model that can say what its features weigh."""

    def importance(self) -> tuple[str, FloatArray]:
        """Return in words what is measured, and it for each feature, shape (F,); larger in size is more."""
        ...


class ModelFamily(Protocol):
    """Reads models of one kind. Reads and writes no file itself: the loader hands it verified bytes."""

    name: str
    params: type[FrozenConfig]

    def load(self, files: Mapping[str, bytes], *, threads: int = 1) -> Model:
        """Return the model that `StoredModel.files` described.

        Raises
        ------
        ValueError
            The bytes are no model of this family.
        """
        ...


@runtime_checkable
class TrainableFamily(ModelFamily, Protocol):
    """A family that fits its models."""

    def train(self, features: FloatArray, target: FloatArray, *, seed: int, params: Any) -> TrainedModel:
        """Fit features (R, F), NaN allowed, to a finite target (R,), on one thread: training runs several fits at once.

        Equal input gives equal files. `params` is an instance of `self.params`.

        Raises
        ------
        ValueError
            There are too few rows.
        """
        ...


class ImportParams(FrozenConfig):
    """Models that were trained elsewhere: which files, over which window, and what they have seen."""

    files: dict[str, str] = Field(
        default={}, description="file of each target that is trained, by its name (ret_5m: path)"
    )
    lookback: int = Field(default=60, ge=1, le=10_000, description="bars of the window that the models take")
    trained_until: str | None = Field(
        default=None,
        description="last date that training, tuning or choosing them has seen, labels included, YYYY-MM-DD; must be "
        "given: sessions up to it are no evidence for them",
    )

    @field_validator("trained_until")
    @classmethod
    def _is_a_date(cls, value: str | None) -> str | None:
        if value is not None and date.fromisoformat(value).isoformat() != value:
            raise ValueError(f"{value!r} is no date YYYY-MM-DD")
        return value


@runtime_checkable
class ImportedFamily(ModelFamily, Protocol):
    """A family whose models were trained elsewhere; `params` is a kind of `ImportParams`."""

    def accept(self, data: bytes, *, features: tuple[str, ...], params: Any) -> SequenceModel:
        """Return the model of a file that takes windows of these features, in this order.

        Raises
        ------
        ValueError
            The bytes are no model of this family, or one that does not fit.
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
