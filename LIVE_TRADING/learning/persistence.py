"""What the bandit remembers, as plain JSON values and back, to the last bit."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.learning.bandit import BanditState
from LIVE_TRADING.learning.config import LearningConfig

SCHEMA_VERSION = 1
FRESH = "start with a fresh bandit (another state folder)"


class BanditPersistence:
    """Writes and reads `BanditState` of the named arms.

    A state is refused when it is of a newer format, of other arms, or learned in another mode, or with another learning
    rate or reward scale: its cumulative losses would mean something else. Floats are JSON numbers, whose shortest form
    reads back to the same double.
    """

    def __init__(self, config: LearningConfig, arms: tuple[str, ...]) -> None:
        self._arms = arms
        self._settings: dict[str, Any] = {"eta": config.eta, "reward_scale": config.reward_scale}
        if config.mode == "hedge":  # its losses are all horizons', not estimates from the one that was played
            self._settings["mode"] = config.mode

    @property
    def fingerprint(self) -> str:
        """Return SHA-256 over the settings that give the cumulative losses their meaning."""
        text = json.dumps({"arms": self._arms, **self._settings}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    def to_dict(self, state: BanditState) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "config_fingerprint": self.fingerprint,
            "settings": dict(self._settings),
            "arms": list(self._arms),
            "rounds": state.rounds,
            "cumulative_loss": state.cumulative_loss.tolist(),
        }

    def from_dict(self, data: Mapping[str, Any]) -> BanditState:
        """Return the state that `to_dict` wrote.

        Raises
        ------
        StateError
            Newer format, other arms, other settings, or not such a state; says what to do.
        """
        self._check_origin(data)
        rounds, losses = data.get("rounds"), data.get("cumulative_loss")
        readable = (
            _is_count(rounds)
            and isinstance(losses, list)
            and len(losses) == len(self._arms)
            and all(_is_finite(loss) for loss in losses)
        )
        if not readable:
            raise StateError(
                f"bandit state: rounds must be a count and cumulative_loss {len(self._arms)} finite numbers, "
                f"one per arm; restore the previous checkpoint, or {FRESH}"
            )
        return BanditState(np.array(losses, dtype=np.float64), data["rounds"])

    def _check_origin(self, data: Mapping[str, Any]) -> None:
        version: Any = data.get("schema_version") if isinstance(data, Mapping) else None
        if not _is_count(version) or version == 0:
            raise StateError(f"bandit state: no readable schema_version; restore the previous checkpoint, or {FRESH}")
        if version > SCHEMA_VERSION:
            raise StateError(
                f"bandit state: format {version}, but this version reads up to {SCHEMA_VERSION}: "
                f"start it with the version that wrote it, or {FRESH}"
            )
        if data.get("arms") != list(self._arms):
            raise StateError(
                f"bandit state: its arms are {data.get('arms')}, the configuration has {list(self._arms)}: "
                f"restore those horizons, or {FRESH}"
            )
        if data.get("config_fingerprint") != self.fingerprint:
            raise StateError(
                f"bandit state: learned with {data.get('settings')}, the configuration has {self._settings}: "
                f"restore learning.mode, learning.eta and learning.reward_scale, or {FRESH}"
            )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_finite(value: Any) -> bool:
    # compared and not converted: NaN fails, and so does an integer beyond the doubles
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and abs(value) <= sys.float_info.max
