"""What to train and how."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.horizons import HORIZON_NAMES
from LIVE_TRADING.models.families.interface import get_family
from LIVE_TRADING.models.families.lightgbm import LightGbmParams


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

    horizons: tuple[str, ...] = Field(HORIZON_NAMES, min_length=1, description="horizons to train, by name")
    families: tuple[str, ...] = Field(("lightgbm", "ridge"), min_length=1, description="model families, by file name")
    params: dict[str, dict[str, Any]] = Field({}, description="parameters by family; what is left out is the default")
    folds: int = Field(4, ge=4, le=50, description="validation folds of the walk-forward")
    seed: int = Field(7, ge=0, lt=2**31, description="seed of every fit")
    threads: int = Field(2, ge=1, le=256, description="fits at the same time; the models do not depend on it")
    max_rows: int = Field(2_000_000, ge=1_000, description="rows of one fit; of more, some bar ends are left out")
    barrier: BarrierTrainingConfig = BarrierTrainingConfig()

    @model_validator(mode="after")
    def _families_and_params_fit(self) -> Self:
        if len(set(self.families)) != len(self.families):
            raise ValueError(f"families {', '.join(self.families)}: one is given twice")
        try:
            for name in (*self.families, *self.params):
                self.params_of(name)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return self

    def params_of(self, family: str) -> FrozenConfig:
        """Return the parameters of a family.

        Raises
        ------
        ConfigurationError
            There is no such family.
        """
        return get_family(family).params.model_validate(self.params.get(family, {}))
