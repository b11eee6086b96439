"""Forecast horizons: their names, their length in bars of an interval, their length in session minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.units import NS_PER_MINUTE

INTRADAY_MINUTES = {"5m": 5, "10m": 10, "15m": 15, "30m": 30, "60m": 60}
DAILY = "1d"
HorizonName = Literal["5m", "10m", "15m", "30m", "60m", "1d"]  # shortest first
HORIZON_NAMES: tuple[HorizonName, ...] = get_args(HorizonName)


@dataclass(frozen=True, slots=True)
class Horizon:
    """One horizon. `bars` is 0 for 1d, which ends at the same slot of the next session."""

    name: str
    bars: int
    session_minutes: int

    @property
    def is_daily(self) -> bool:
        """Return whether this is the horizon that is held overnight."""
        return self.name == DAILY


def parse_horizons(names: Sequence[str], interval_ns: int, session_minutes: int) -> tuple[Horizon, ...]:
    """Return the horizons, shortest first.

    Parameters
    ----------
    names
        Subset of `HORIZON_NAMES`.
    interval_ns
        Bar interval.
    session_minutes
        Minutes of a regular session (390; 1,440 for crypto).

    Raises
    ------
    ConfigurationError
        A horizon is unknown, given twice, or no whole number of bars of this interval; all of them are named.
    """
    unknown = [name for name in names if name not in HORIZON_NAMES]
    if unknown or len(set(names)) != len(names) or not names:
        raise ConfigurationError(
            f"horizons {list(names)}: {unknown or 'empty or repeated'}; "
            f"give each of {', '.join(HORIZON_NAMES)} at most once"
        )
    off_grid = [name for name in names if name != DAILY and (INTRADAY_MINUTES[name] * NS_PER_MINUTE) % interval_ns != 0]
    if off_grid:
        raise ConfigurationError(
            f"horizons {', '.join(off_grid)} are no whole number of bars of {interval_ns / NS_PER_MINUTE:g} minutes; "
            "leave them out or use bars of a smaller interval"
        )
    return tuple(
        Horizon(name, 0, session_minutes)
        if name == DAILY
        else Horizon(name, INTRADAY_MINUTES[name] * NS_PER_MINUTE // interval_ns, INTRADAY_MINUTES[name])
        for name in HORIZON_NAMES
        if name in names
    )
