"""The whole configuration tree, and where it is read from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from dotenv import dotenv_values

from LIVE_TRADING.alerting.config import AlertingConfig
from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.cli.config_folder import VARIABLE, config_folder, folder_in_words
from LIVE_TRADING.common.config import Loaded, load_tree, lookup
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.data.instruments import InstrumentsConfig
from LIVE_TRADING.data.simulated import SimulatedMarketConfig
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.training.config import TrainingConfig

FILES = ("live_trading.yaml", "symbols.yaml", "alerts.yaml")


class Settings(EngineConfig):
    """Every section under the top key `live_trading`."""

    instruments: InstrumentsConfig = InstrumentsConfig()
    exchange: ExchangeConfig = ExchangeConfig()
    simulated: SimulatedMarketConfig = SimulatedMarketConfig()
    training: TrainingConfig = TrainingConfig()
    alerting: AlertingConfig = AlertingConfig()


DEFAULT_CONFIG = Settings()


def load_settings(profile: str | None = None, overrides: Sequence[str] = ()) -> Loaded[Settings]:
    """Read CONFIG/, the profile on top, then .env and the environment, then `section.key=value` overrides.

    The folder is $LIVE_TRADING_CONFIG, else CONFIG/ of this checkout. `.env` is read from the working folder; what the
    environment sets wins over it.

    Raises
    ------
    ConfigurationError
        Everything that is wrong, at once.
    """
    folder = config_folder()
    if not folder.is_dir():
        raise ConfigurationError(f"{VARIABLE}: {folder} is no folder; give the one with {FILES[0]}")
    files = [folder / name for name in FILES if (folder / name).exists()]
    if profile is not None:
        path = folder / "profiles" / f"{profile}.yaml"
        if not path.exists():
            known = ", ".join(sorted(entry.stem for entry in (folder / "profiles").glob("*.yaml"))) or "none"
            raise ConfigurationError(
                f"--profile {profile}: there is no {path}; profiles: {known}; the configuration is read from "
                f"{folder_in_words()}"
            )
        files.append(path)
    pairs = dict(_pair(text) for text in overrides)
    given = {name: value for name, value in sorted(dotenv_values(".env").items()) if value is not None}
    return load_tree(Settings, files, {**given, **os.environ}, pairs)


def engine_config(settings: Settings) -> EngineConfig:
    """Return the part that decisions depend on."""
    return EngineConfig(**{name: getattr(settings, name) for name in EngineConfig.model_fields})


def get_cfg(key: str, default: Any = ...) -> Any:
    """Return a value of the configuration tree by its dotted key, e.g. `live_trading.blending.ridge_lambda`.

    Raises
    ------
    ConfigurationError
        There is no such key and no default is given; the nearest is named.
    """
    return lookup(_cached(), key) if default is ... else lookup(_cached(), key, default)


@lru_cache(maxsize=1)
def _cached() -> Settings:
    return load_settings().config


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ConfigurationError(f"--set {text}: write section.key=value")
    return key.strip(), value
