"""A recording as it would have been at an instant: everything that had not ended by then was never there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from LIVE_TRADING.common.exceptions import DataProviderError
from LIVE_TRADING.common.types import BAR_FIELDS
from LIVE_TRADING.common.units import NS_PER_MINUTE, iso_utc
from LIVE_TRADING.data.bars_file import panel_of
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.problems import Problems
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market


class Recording(Protocol):
    """Bars that can be had as of any instant."""

    def panel(self) -> BarPanel:
        """Return all of them."""
        ...

    def as_of(self, instant_ns: int) -> BarPanel:
        """Return what there was at a bar end, made from those bars alone."""
        ...


class RecordedFile:
    """A file of bars.

    It is read once. As of an instant, the rows that had not ended are taken out of the table and all that follows is
    done anew: checks, sessions, grid, estimated spreads. Reading a row does not depend on other rows, so this is what a
    shorter file would give, with three things taken from the whole one: symbols, bar interval and calendar.
    """

    def __init__(self, path: str | Path, interval_minutes: int | None = None, calendar: str = "auto") -> None:
        from LIVE_TRADING.data import bars_table  # here, because pyarrow takes a while to import

        self._path = str(path)
        problems = Problems(self._path)
        self._columns = bars_table.read_columns(Path(path), None, problems)
        interval_ns = None if interval_minutes is None else interval_minutes * NS_PER_MINUTE
        self._whole = panel_of(self._columns, problems, interval_ns, calendar)

    def panel(self) -> BarPanel:
        """Return the whole file."""
        return self._whole

    def as_of(self, instant_ns: int) -> BarPanel:
        """Return the panel of the bars that had ended.

        Raises
        ------
        DataProviderError
            There were none.
        """
        interval_ns = self._whole.interval_ns
        columns = self._columns.ended_by(instant_ns, interval_ns)
        if not len(columns.code):
            raise DataProviderError(f"{self._path}: no bar had ended by {iso_utc(instant_ns)}; give a later instant")
        return panel_of(columns, Problems(self._path), interval_ns, self._whole.sessions.name)


class RecordedSimulation:
    """The simulated market, simulated no further than the session of the instant."""

    def __init__(self, config: SimulatedMarketConfig) -> None:
        self._config = config
        self._whole = simulate_market(config)

    def panel(self) -> BarPanel:
        """Return the whole simulation."""
        return self._whole

    def as_of(self, instant_ns: int) -> BarPanel:
        """Return the sessions that had begun, without the bars that had not ended.

        Raises
        ------
        DataProviderError
            None had begun.
        """
        opened = sum(session.open_ns < instant_ns for session in self._whole.sessions.sessions)
        if not opened:
            raise DataProviderError(f"simulated: no bar had ended by {iso_utc(instant_ns)}; give a later instant")
        panel = simulate_market(self._config.model_copy(update={"n_sessions": opened}))
        ahead = panel.bar_end_ns > instant_ns
        arrays: dict[str, Any] = {name: np.where(ahead[:, None], np.nan, getattr(panel, name)) for name in BAR_FIELDS}
        return replace(panel, **arrays)


class OfSymbols:
    """Some symbols of a recording."""

    def __init__(self, recording: Recording, symbols: Sequence[str]) -> None:
        self._recording = recording
        self._symbols = tuple(symbols)

    def panel(self) -> BarPanel:
        """Return all of their bars."""
        return self._recording.panel().select(self._symbols)

    def as_of(self, instant_ns: int) -> BarPanel:
        """Return what there was of them."""
        return self._recording.as_of(instant_ns).select(self._symbols)
