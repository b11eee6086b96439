"""Caps on the book: what this cycle may add, and what drift has carried too far."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.types import FloatArray

_ROUNDING = 1e-9  # a net beyond its cap by less is rounding: lots are rounded with a slack of this size


class CapsConfig(FrozenConfig):
    """Caps on the book. `caps: false` is the named neutral: no cap and no drift cut."""

    caps: bool = Field(True, description="false: no gross, net or drift cap")
    gross_cap: float = Field(1.0, gt=0.0, le=20.0, description="largest sum of |weight|")
    net_cap: float = Field(0.3, gt=0.0, le=20.0, description="largest |sum of weight|")
    drift_frac: float = Field(
        0.05, ge=0.0, le=1.0, description="how far beyond a cap drift may carry, share of the cap"
    )


@dataclass(frozen=True, slots=True)
class Room:
    """Sums over the book: what is reserved, gross and net, and what this cycle wants to add on each side."""

    gross: float
    net: float
    long: float
    short: float


Scales = tuple[float, float]  # factors of long and of short increases


class ExposureCaps:
    """Gross Σ|w| ≤ gross_cap and net |Σ w| ≤ net_cap, by scaling what this cycle adds, never the held book.

    All increases shrink by one factor until the gross fits; then those on the side of the excess until the net fits.
    Sums are exact (`math.fsum`), so the order of symbols does not matter. Unknown exposure (NaN) leaves no room.

    Drift: a position beyond (1 + drift_frac) times the cap per name is cut back to that cap; a book beyond
    (1 + drift_frac) times the gross cap is cut back to it, all positions by one factor.
    """

    def __init__(self, config: CapsConfig, max_weight: float) -> None:
        self._gross_cap = config.gross_cap
        self._net_cap = config.net_cap
        self._max_weight = max_weight
        self._tolerance = 1.0 + config.drift_frac

    def cut_drift(self, target: FloatArray, held: FloatArray) -> FloatArray:
        """Return targets (N,) with drift cut, the given array if there is none; a book that is cut adds nothing."""
        size = np.abs(held)
        over = size > self._tolerance * self._max_weight
        if over.any():
            over &= np.abs(target) > self._max_weight
            target = np.where(over, np.copysign(self._max_weight, target), target)
        if exact_sum(size) > self._tolerance * self._gross_cap:
            kept = np.where(np.abs(target) > size, held, target)
            gross = exact_sum(np.abs(kept))
            target = kept * min(1.0, self._gross_cap / gross) if gross > 0.0 else kept
        return target

    def fits(self, room: Room) -> bool:
        """Return whether everything can be added, also if the other side comes to nothing."""
        gross = room.gross + room.long + room.short
        return gross <= self._gross_cap and room.net + room.long <= self._net_cap >= room.short - room.net

    def scales(self, room: Room) -> Scales:
        """Return the factors for long and short increases under both caps."""
        added = room.long + room.short
        free = self._gross_cap - room.gross
        if not free > 0.0 or not math.isfinite(room.net):
            return 0.0, 0.0
        gross_scale = min(1.0, free / added) if added > 0.0 else 1.0
        return self.rescale((gross_scale, gross_scale), room, gross_scale * room.long, gross_scale * room.short)

    def rescale(self, scales: Scales, room: Room, long: float, short: float) -> Scales:
        """Return smaller factors where the net, with `long` and `short` really added, is beyond its cap."""
        net = room.net + long - short
        long_scale, short_scale = scales
        if net > self._net_cap + _ROUNDING and long > 0.0:
            long_scale = min(long_scale, max(0.0, (self._net_cap - room.net + short) / room.long))
        elif net < -self._net_cap - _ROUNDING and short > 0.0:
            short_scale = min(short_scale, max(0.0, (self._net_cap + room.net + long) / room.short))
        return long_scale, short_scale


def reserved_weight(held: FloatArray, working: FloatArray) -> FloatArray:
    """Return the exposure (N,) to reckon with: the larger of what is held and what will be once orders have filled.

    So a working entry counts from the moment it is sent, and an exit frees its room when it has filled, not before.
    """
    after = held + working
    return np.where(np.abs(after) > np.abs(held), after, held)


def room_of(reserved: FloatArray, added: FloatArray) -> Room:
    """Return the sums over the book of reserved and added weights, both (N,) and signed."""
    taken = reserved[reserved != 0.0].tolist()
    long, short = sides(added)
    return Room(math.fsum(map(abs, taken)), math.fsum(taken), long, short)


def sides(added: FloatArray) -> tuple[float, float]:
    """Return the exact sums of the positive and of the negative weights, both as positive numbers."""
    values = added[added != 0.0].tolist()
    return math.fsum([x for x in values if x > 0.0]), -math.fsum([x for x in values if x < 0.0])


def exact_sum(values: FloatArray) -> float:
    """Return the correctly rounded sum of (N,) values, whatever their order."""
    return math.fsum(values.tolist())
