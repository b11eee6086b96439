"""Forecasts that wait for their outcome, and which of them a bar settles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.array_record import ArrayMap, under_prefix, with_prefix
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.types import BarBatch, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class PendingForecast:
    """A forecast made at the end of one bar; its outcome runs from the open of the next bar."""

    bar: int  # bar end / interval
    session: int
    z: FloatArray  # (H, M, N)
    relative: FloatArray  # (H, M, N) raw forecast less its mean over the symbols
    sigma_bps: FloatArray  # (H, N) as of the forecast
    entry: FloatArray  # (N,) open of the next bar, NaN: unknown

    def entered(self, entry: FloatArray) -> PendingForecast:
        """Return the forecast with its entry price."""
        return PendingForecast(self.bar, self.session, self.z, self.relative, self.sigma_bps, entry)

    def only(self, row: int) -> PendingForecast:
        """Return the forecast of one horizon, copied: a view would keep the arrays of all horizons alive."""
        of = slice(row, row + 1)
        return PendingForecast(
            self.bar, self.session, self.z[of].copy(), self.relative[of].copy(), self.sigma_bps[of].copy(), self.entry
        )


PendingRing = tuple[PendingForecast | None, ...]
"""Forecasts by place. A tuple is replaced, never written to, so that earlier records keep what they hold at no cost."""


@dataclass(frozen=True, slots=True, eq=False)
class PendingState:
    """What waits, and the newest bar seen. `newest` is the forecast of that bar, which has no entry yet."""

    bar: int  # bar end / interval, -1: none yet
    slot: int  # of that bar in its session
    bar_session: int  # its session
    ended: bool  # whether it was the last of its session
    session: int  # under way
    newest: PendingForecast | None
    intraday: PendingRing  # by bar modulo the longest intraday horizon
    daily: PendingRing  # by slot, of the 1d horizon alone


@dataclass(frozen=True, slots=True)
class Due:
    """A forecast whose outcome is known: row of the horizon, and where that stands in the forecast's arrays."""

    row: int
    forecast: PendingForecast
    place: int


class PendingForecasts:
    """Which forecast matures at which bar.

    Horizon of h bars: the forecast of bar t at the end of bar t+h of the same session (without nights, of any); 1d: at
    the same slot of the next session. A forecast has an entry only where the very next bar came: the next slot, or the
    first of the next session after the last of this one. What finds no entry or no outcome is dropped.
    """

    def __init__(self, horizons: tuple[Horizon, ...], bars_per_session: int, overnight: bool) -> None:
        self._horizons = horizons
        self._overnight = overnight
        self._daily_row = next((row for row, horizon in enumerate(horizons) if horizon.is_daily), None)
        self._n_daily = 0 if self._daily_row is None else bars_per_session
        self._n_intraday = max(1, *(horizon.bars for horizon in horizons))

    def initial(self) -> PendingState:
        """Return the memory before the first bar."""
        return PendingState(-1, -1, -1, False, -1, None, (None,) * self._n_intraday, (None,) * self._n_daily)

    def open_session(self, state: PendingState, session: int | None) -> PendingState:
        """Return the memory at the start of a session; None: the one after the session under way."""
        return replace(state, session=state.session + 1 if session is None else session)

    def after_bar(self, state: PendingState, bars: BarBatch, slot: int, n_bars_session: int) -> PendingState:
        """Return the memory after a bar end, whose opens are the entries of the newest forecast."""
        in_session = state.bar_session == state.session and slot == state.slot + 1
        over_night = state.bar_session == state.session - 1 and state.ended and slot == 0
        intraday, daily = state.intraday, state.daily
        if state.newest is not None and (in_session or over_night):
            entered = state.newest.entered(np.ascontiguousarray(bars.open))
            intraday = _placed(intraday, state.bar % self._n_intraday, entered)
            if self._daily_row is not None:
                daily = _placed(daily, state.slot, entered.only(self._daily_row))
        return PendingState(
            bar=bars.bar_end_ns // bars.interval_ns,
            slot=slot,
            bar_session=state.session,
            ended=slot == n_bars_session - 1,
            session=state.session,
            newest=None,
            intraday=intraday,
            daily=daily,
        )

    def due(self, state: PendingState) -> list[Due]:
        """Return what matures at the newest bar, by row of the horizon."""
        due = []
        for row, horizon in enumerate(self._horizons):
            if horizon.is_daily:
                daily = state.daily[state.slot]
                if daily is not None and daily.session == state.session - 1:
                    due.append(Due(row, daily, 0))
                continue
            made_at = state.bar - horizon.bars
            made = state.intraday[made_at % self._n_intraday]
            if made is not None and made.bar == made_at and (made.session == state.session or not self._overnight):
                due.append(Due(row, made, row))
        return due

    def add(
        self, state: PendingState, z: FloatArray, relative: FloatArray, sigma_bps: FloatArray, slot: int
    ) -> PendingState:
        """Return the memory with the forecast of bar `slot`; one that the next bar has overtaken is not kept."""
        if slot != state.slot or state.bar_session != state.session:
            return state
        unknown = np.full(z.shape[-1], np.nan)
        made = PendingForecast(state.bar, state.session, z, relative, np.ascontiguousarray(sigma_bps), unknown)
        return PendingState(
            state.bar,
            state.slot,
            state.bar_session,
            state.ended,
            state.session,
            made,
            state.intraday,
            state.daily,
        )


def pending_to_arrays(state: PendingState, shape: tuple[int, int, int]) -> ArrayMap:
    """Return the memory as a flat mapping of arrays; `shape` is (H, M, N)."""
    clock = (state.bar, state.slot, state.bar_session, int(state.ended), state.session)
    return {
        "clock": np.array(clock, dtype=np.int64),
        **with_prefix("newest", _ring_to_arrays((state.newest,), shape)),
        **with_prefix("intraday", _ring_to_arrays(state.intraday, shape)),
        **with_prefix("daily", _ring_to_arrays(state.daily, (1, *shape[1:]))),
    }


def pending_from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> PendingState:
    """Return the memory whose `pending_to_arrays` gave these arrays."""
    bar, slot, bar_session, ended, session = arrays["clock"].tolist()
    (newest,) = _ring_from_arrays(under_prefix("newest", arrays))
    intraday = _ring_from_arrays(under_prefix("intraday", arrays))
    daily = _ring_from_arrays(under_prefix("daily", arrays))
    return PendingState(bar, slot, bar_session, bool(ended), session, newest, intraday, daily)


def _placed(ring: PendingRing, place: int, forecast: PendingForecast) -> PendingRing:
    return (*ring[:place], forecast, *ring[place + 1 :])


def _ring_to_arrays(ring: PendingRing, shape: tuple[int, int, int]) -> ArrayMap:
    """Return a ring as arrays over the places that are taken."""
    taken = [(place, forecast) for place, forecast in enumerate(ring) if forecast is not None]
    forecasts = [forecast for _, forecast in taken]
    n_horizons, _, n_symbols = shape
    return {
        "size": np.asarray(len(ring)),
        "place": np.array([place for place, _ in taken], dtype=np.int64),
        "bar": np.array([forecast.bar for forecast in forecasts], dtype=np.int64),
        "session": np.array([forecast.session for forecast in forecasts], dtype=np.int64),
        "z": _stacked([forecast.z for forecast in forecasts], shape),
        "relative": _stacked([forecast.relative for forecast in forecasts], shape),
        "sigma_bps": _stacked([forecast.sigma_bps for forecast in forecasts], (n_horizons, n_symbols)),
        "entry": _stacked([forecast.entry for forecast in forecasts], (n_symbols,)),
    }


def _ring_from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> PendingRing:
    ring: list[PendingForecast | None] = [None] * int(arrays["size"])
    for row, place in enumerate(arrays["place"].tolist()):
        # copies: a view would keep the stored arrays of all places alive
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
