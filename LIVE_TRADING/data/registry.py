"""Data providers by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from LIVE_TRADING.common.clock import Clock
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.data.as_of import RecordedFile, RecordedSimulation, Recording
from LIVE_TRADING.data.bars_file import read_bars
from LIVE_TRADING.data.historical import HistoricalDataProvider, LateBar
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedDataProvider, SimulatedMarketConfig

HISTORICAL = "historical"
SIMULATED = "simulated"
SPECS = (f"{HISTORICAL}:PATH", SIMULATED)
_FILE_SUFFIXES = (".parquet", ".csv", ".gz")


@dataclass(frozen=True, slots=True)
class DataOptions:
    """What narrows or details a source; see `read_bars` for the first five."""

    interval_minutes: int | None = None
    calendar: str = "auto"
    symbols: Sequence[str] | None = None
    start: str | None = None
    end: str | None = None
    late: Sequence[LateBar] = ()
    simulated: SimulatedMarketConfig = field(default_factory=SimulatedMarketConfig)


def get_data_provider(
    spec: str, options: DataOptions | None = None, *, clock: Clock | None = None
) -> HistoricalDataProvider:
    """Return the provider that a spec names: `simulated`, or `historical:PATH` (Parquet or CSV of bars), or PATH.

    A path needs its prefix only where its name would not show that it is one.

    Raises
    ------
    ConfigurationError
        No such spec, or an option that the source does not have; what would do is named.
    DataProviderError
        The data cannot be used.
    """
    options = options or DataOptions()
    path = _path_of(spec)
    return _simulated(options, clock) if path is None else _historical(path, options, clock)


def get_recording(spec: str, options: DataOptions | None = None) -> Recording:
    """Return what a spec names so that it can be had as of any instant; of the options, interval and calendar count.

    Raises
    ------
    ConfigurationError, DataProviderError
        As `get_data_provider`.
    """
    options = options or DataOptions()
    path = _path_of(spec)
    if path is not None:
        return RecordedFile(path, options.interval_minutes, options.calendar)
    recording = RecordedSimulation(options.simulated)
    _check_simulated(options, recording.panel())
    return recording


def _path_of(spec: str) -> str | None:
    """Return the file that a spec names, None for the simulated market."""
    if spec == SIMULATED:
        return None
    name, _, path = spec.partition(":")
    if name == HISTORICAL and path:
        return path
    if Path(spec).suffix.lower() in _FILE_SUFFIXES:
        return spec
    suffix = Path(spec).suffix
    if name == spec and (suffix or "/" in spec):
        raise ConfigurationError(
            f"data {spec!r}: a file of bars ends in .parquet, .csv or .csv.gz, not in {suffix or 'nothing'}; name one "
            f"that does, or write {HISTORICAL}:{spec} if it is Parquet under another name"
        )
    nearest = difflib.get_close_matches(name, (HISTORICAL, SIMULATED), n=1)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    raise ConfigurationError(f"data {spec!r}: {hint}give {' or '.join(SPECS)}")


def _historical(path: str, options: DataOptions, clock: Clock | None) -> HistoricalDataProvider:
    panel = read_bars(
        path,
        interval_minutes=options.interval_minutes,
        calendar=options.calendar,
        symbols=options.symbols,
        start=options.start,
        end=options.end,
    )
    return HistoricalDataProvider(panel, late=options.late, clock=clock)


def _simulated(options: DataOptions, clock: Clock | None) -> SimulatedDataProvider:
    provider = SimulatedDataProvider(
        options.simulated,
        symbols=options.symbols,
        start=options.start,
        end=options.end,
        late=options.late,
        clock=clock,
    )
    _check_simulated(options, provider.panel)
    return provider


def _check_simulated(options: DataOptions, panel: BarPanel) -> None:
    minutes = panel.interval_ns // NS_PER_MINUTE
    if options.interval_minutes not in (None, minutes):
        raise ConfigurationError(
            f"interval {options.interval_minutes} minutes: the simulated market has bars of {minutes} minutes; "
            "set bars_per_session"
        )
    if options.calendar not in ("auto", panel.sessions.name):
        raise ConfigurationError(f"calendar {options.calendar}: the simulated market has its own; leave it out")
