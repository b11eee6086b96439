"""What the learning remembers, as plain JSON values and back, to the last bit."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.units import plain
from LIVE_TRADING.learning.bandit import BanditState
from LIVE_TRADING.learning.config import LearningConfig
from LIVE_TRADING.learning.rewards import PendingReward, RewardMemory, RoundTrip

SCHEMA_VERSION = 1
FRESH = "move bandit_state.json away to start with a fresh bandit (control reset does the same to a checkpoint)"


@dataclass(frozen=True, slots=True, eq=False)
class LearningMemory:
    """Everything the learning carries from cycle to cycle."""

    bandit: BanditState
    rewards: RewardMemory


class BanditPersistence:
    """Writes and reads `LearningMemory`.

    A state is refused when it is of a newer format, of other arms, or learned with another learning rate or reward
    scale: its cumulative losses would mean something else. Floats are JSON numbers, whose shortest form reads back to
    the same double.
    """

    def __init__(self, config: LearningConfig, arms: tuple[str, ...]) -> None:
        self._arms = arms
        self._settings: dict[str, Any] = {"eta": config.eta, "reward_scale": config.reward_scale}

    @property
    def fingerprint(self) -> str:
        """Return SHA-256 over the settings that give the cumulative losses their meaning."""
        text = json.dumps({"arms": self._arms, **self._settings}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    def to_dict(self, memory: LearningMemory) -> dict[str, Any]:
        """Return the memory as JSON values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "config_fingerprint": self.fingerprint,
            "settings": dict(self._settings),
            "arms": list(self._arms),
            "rounds": memory.bandit.rounds,
            "cumulative_loss": memory.bandit.cumulative_loss.tolist(),
            "pending": [_entry_to_dict(entry) for entry in memory.rewards.pending],
            "matured": [_trip_to_dict(trip) for trip in memory.rewards.matured],
        }

    def from_dict(self, data: Mapping[str, Any]) -> LearningMemory:
        """Return the memory that `to_dict` wrote.

        Raises
        ------
        StateError
            Newer format, other arms, other settings, or not such a state; says what to do.
        """
        self._check_origin(data)
        try:
            losses = [_number(value) for value in data["cumulative_loss"]]
            bandit = BanditState(np.array(losses, dtype=np.float64), _count(data["rounds"]))
            rewards = RewardMemory(
                tuple(_entry_from_dict(entry) for entry in data["pending"]),
                tuple(_trip_from_dict(trip) for trip in data["matured"]),
            )
            entries = (*rewards.pending, *(trip.entry for trip in rewards.matured))
            if {len(losses), *(len(entry.qualifies) for entry in entries)} != {len(self._arms)}:
                raise ValueError(f"losses or qualifying flags are not {len(self._arms)}, one per arm")
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError, InvalidOperation) as error:
            raise StateError(
                f"bandit state cannot be read ({error!r}); restore the previous checkpoint, or {FRESH}"
            ) from error
        return LearningMemory(bandit, rewards)

    def _check_origin(self, data: Mapping[str, Any]) -> None:
        version = data.get("schema_version") if isinstance(data, Mapping) else None
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise StateError(
                f"bandit state has no readable schema_version; restore the previous checkpoint, or {FRESH}"
            )
        if version > SCHEMA_VERSION:
            raise StateError(
                f"bandit state is of format {version}, this version reads up to {SCHEMA_VERSION}: "
                f"start it with the version that wrote it, or {FRESH}"
            )
        arms = data.get("arms")
        if arms != list(self._arms):
            raise StateError(
                f"bandit state has the arms {arms}, the configuration has {list(self._arms)}: "
                f"restore those horizons, or {FRESH}"
            )
        if data.get("config_fingerprint") != self.fingerprint:
            raise StateError(
                f"bandit state was learned with {data.get('settings')}, the configuration has {self._settings}: "
                f"restore learning.eta and learning.reward_scale, or {FRESH}"
            )


def _entry_to_dict(entry: PendingReward) -> dict[str, Any]:
    return {
        "order_number": entry.order_number,
        "symbol": entry.symbol,
        "arm": entry.arm,
        "probability": entry.probability,
        "qualifies": list(entry.qualifies),
        "sigma_h_bps": entry.sigma_h_bps,
        "entry_notional_usd": plain(entry.entry_notional_usd),
    }


def _entry_from_dict(data: Mapping[str, Any]) -> PendingReward:
    return PendingReward(
        order_number=_count(data["order_number"]),
        symbol=_text(data["symbol"]),
        arm=_count(data["arm"]),
        probability=_number(data["probability"]),
        qualifies=tuple(_flag(value) for value in data["qualifies"]),
        sigma_h_bps=_number(data["sigma_h_bps"]),
        entry_notional_usd=Decimal(_text(data["entry_notional_usd"])),
    )


def _trip_to_dict(trip: RoundTrip) -> dict[str, Any]:
    return {
        "entry": _entry_to_dict(trip.entry),
        "exit_time_ns": trip.exit_time_ns,
        "net_pnl_usd": plain(trip.net_pnl_usd),
    }


def _trip_from_dict(data: Mapping[str, Any]) -> RoundTrip:
    pnl = Decimal(_text(data["net_pnl_usd"]))
    if not pnl.is_finite():
        raise ValueError(f"net_pnl_usd {pnl} is not finite")
    return RoundTrip(_entry_from_dict(data["entry"]), _count(data["exit_time_ns"]), pnl)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is not true or false")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value
