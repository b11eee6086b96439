"""What to train and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model, field_validator

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.horizons import HORIZON_NAMES, HorizonName
from LIVE_TRADING.models.families.interface import family_names, get_family
from LIVE_TRADING.models.families.lightgbm import LightGbmParams

if TYPE_CHECKING:
    FamilyParams = FrozenConfig
else:  # a section per family there is, so that its parameters are read, checked and shown like any other setting
    _SECTIONS: dict[str, Any] = {name: (get_family(name).params, get_family(name).params()) for name in family_names()}
    FamilyParams = create_model(
        "FamilyParams", __base__=FrozenConfig, __module__=__name__, __doc__="Parameters by family.", **_SECTIONS
    )


class BarrierTreesConfig(LightGbmParams):
    """Trees of the barrier classifiers, by LightGBM's own names."""

    num_trees: int = Field(default=100, ge=1, le=10_000, description="boosting rounds")


class BarrierTrainingConfig(FrozenConfig):
    """The barrier classifiers will_peak_5m and will_valley_5m: LightGBM on log loss, calibrated by Platt's method."""

    enabled: bool = Field(
        True, description="false: none are trained, and the barrier gate is off in runs of these models"
    )
    params: BarrierTreesConfig = BarrierTreesConfig()
    max_rows: int = Field(500_000, ge=1_000, description="rows of one fit; of more, some bar ends are left out")


class TrainingConfig(FrozenConfig):
    """Training of one run: a model per horizon and family, and the barrier classifiers."""

    horizons: tuple[HorizonName, ...] = Field(HORIZON_NAMES, min_length=1, description="horizons to train, by name")
    families: tuple[str, ...] = Field(("lightgbm", "ridge"), description="model families, by file name")
    folds: int = Field(4, ge=4, le=50, description="validation folds of the walk-forward")
    seed: int = Field(7, ge=0, lt=2**31, description="seed of every fit")
    threads: int = Field(2, ge=1, le=256, description="fits at the same time; the models do not depend on it")
    max_rows: int = Field(2_000_000, ge=1_000, description="rows of one fit; of more, some bar ends are left out")
    barrier: BarrierTrainingConfig = BarrierTrainingConfig()
    params: FamilyParams = FamilyParams()

    @field_validator("horizons", "families")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        if twice:
            raise ValueError(f"{', '.join(twice)}: given twice; name each once")
        return names

    @field_validator("families")
    @classmethod
    def _families_exist(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError(f"name at least one model family; known are {', '.join(family_names())}")
        try:
            for name in names:
                get_family(name)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return names

    def params_of(self, family: str) -> FrozenConfig:
        """Return the parameters of a family.

        Raises
        ------
        ConfigurationError
            There is no such family.
        """
        params: FrozenConfig = getattr(self.params, get_family(family).name)
        return params
