"""Whether a training run fits what it is going to be fed: bars, features, symbols, settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from LIVE_TRADING.common.exceptions import ModelLoadError
from LIVE_TRADING.common.units import interval_text
from LIVE_TRADING.models.artifacts import Manifest


@dataclass(frozen=True, slots=True)
class FedWith:
    """What the caller is going to feed the models; None where it does not say."""

    interval_ns: int | None = None
    features: tuple[str, ...] | None = None
    symbols: tuple[str, ...] | None = None
    memory_config: Mapping[str, Any] | None = None
    feature_sources: Mapping[str, str] | None = None

    def check(self, path: Path, manifest: Manifest) -> None:
        """Refuse a run that was trained for other bars, features or symbols than the caller feeds."""
        if self.interval_ns is not None and self.interval_ns != manifest.interval_ns:
            raise ModelLoadError(
                f"{path}: bar interval: the run wants {interval_text(manifest.interval_ns)}, the bars have "
                f"{interval_text(self.interval_ns)}; use bars of the run's interval or train on these"
            )
        if self.features is not None and self.features != manifest.features:
            raise ModelLoadError(
                f"{path}: features: {_difference(self.features, manifest.features)}; use the feature configuration of "
                "the run, or train with this one"
            )
        if self.memory_config is not None and self.memory_config != manifest.memory_config:
            raise ModelLoadError(
                f"{path}: {_settings_difference(self.memory_config, manifest.memory_config)}; use the settings of the "
                "run, or train with these"
            )
        if self.feature_sources is not None and self.feature_sources != manifest.feature_sources:
            raise ModelLoadError(
                f"{path}: SHA-256 of the modules of user features: "
                f"{_settings_difference(self.feature_sources, manifest.feature_sources)}; restore the version that "
                "the models were trained with, or train again with this one"
            )
        unknown = sorted(set(self.symbols or ()) - set(manifest.symbols))
        if unknown:
            raise ModelLoadError(
                f"{path}: the models were not trained on {', '.join(unknown)}, but on {', '.join(manifest.symbols)}; "
                "leave these symbols out or train on them"
            )


def _difference(here: tuple[str, ...], run: tuple[str, ...]) -> str:
    """Return in words how the names given here differ from those that the run was trained with."""
    wanted = [name for name in run if name not in here]
    given = [name for name in here if name not in run]
    if not wanted and not given:
        return f"the run wants them in the order {', '.join(run)}, the code here gives {', '.join(here)}"
    parts = [f"the run wants {', '.join(wanted)}, not given here"] if wanted else []
    parts += [f"the code here gives {', '.join(given)}, not known to the run"] if given else []
    return "; ".join(parts)


def _settings_difference(here: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Return in words which settings given here are not those of the run."""
    keys = sorted({*here, *run})
    return ", ".join(
        f"{key}: the run has {run.get(key, 'none')}, here it is {here.get(key, 'none')}"
        for key in keys
        if here.get(key) != run.get(key)
    )
