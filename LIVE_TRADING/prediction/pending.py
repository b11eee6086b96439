"""Forecasts that wait for their outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.array_record import ArrayMap
from LIVE_TRADING.common.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class PendingForecast:
    """A forecast made at the end of one bar; the outcome runs from the open of the next bar (`entry`, NaN: not yet)."""

    bar: int  # bar end / interval
    session: int
    z: FloatArray  # (H, M, N)
    relative: FloatArray  # (H, M, N) raw forecast less its mean over the symbols
    sigma_bps: FloatArray  # (H, N) as of the forecast
    entry: FloatArray  # (N,)


PendingRing = tuple[PendingForecast | None, ...]
"""Forecasts by place. A tuple is replaced, never written to: earlier records keep what they hold at no cost."""


def placed(ring: PendingRing, place: int, forecast: PendingForecast) -> PendingRing:
    """Return the ring with `forecast` at `place`."""
    return (*ring[:place], forecast, *ring[place + 1 :])


def with_entry(ring: PendingRing, place: int, bar: int, entry: FloatArray) -> PendingRing:
    """Return the ring with the entry price of the forecast of `bar`, if that is the one at `place`."""
    waiting = ring[place]
    return ring if waiting is None or waiting.bar != bar else placed(ring, place, replace(waiting, entry=entry))


def ring_to_arrays(ring: PendingRing, n_horizons: int, n_families: int, n_symbols: int) -> ArrayMap:
    """Return a ring as arrays over the places that are taken."""
    taken = [(place, forecast) for place, forecast in enumerate(ring) if forecast is not None]
    forecasts = [forecast for _, forecast in taken]
    scores = (n_horizons, n_families, n_symbols)
    return {
        "size": np.asarray(len(ring)),
        "place": np.array([place for place, _ in taken], dtype=np.int64),
        "bar": np.array([forecast.bar for forecast in forecasts], dtype=np.int64),
        "session": np.array([forecast.session for forecast in forecasts], dtype=np.int64),
        "z": _stacked([forecast.z for forecast in forecasts], scores),
        "relative": _stacked([forecast.relative for forecast in forecasts], scores),
        "sigma_bps": _stacked([forecast.sigma_bps for forecast in forecasts], (n_horizons, n_symbols)),
        "entry": _stacked([forecast.entry for forecast in forecasts], (n_symbols,)),
    }


def ring_from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> PendingRing:
    """Return the ring whose `ring_to_arrays` gave these arrays."""
    ring: list[PendingForecast | None] = [None] * int(arrays["size"])
    for row, place in enumerate(arrays["place"].tolist()):
        ring[place] = PendingForecast(
            bar=int(arrays["bar"][row]),
            session=int(arrays["session"][row]),
            z=arrays["z"][row].copy(),
            relative=arrays["relative"][row].copy(),
            sigma_bps=arrays["sigma_bps"][row].copy(),
            entry=arrays["entry"][row].copy(),
        )
    return tuple(ring)


def _stacked(rows: Sequence[FloatArray], shape: tuple[int, ...]) -> FloatArray:
    return np.stack(rows) if rows else np.empty((0, *shape))
