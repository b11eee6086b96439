"""Putting the parts of a run together: data, venue, plan. The composition root of every verb."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from LIVE_TRADING.brokers.exchange import SimulatedExchange
from LIVE_TRADING.cli.settings import Settings, load_settings
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import BarBatch, Instrument
from LIVE_TRADING.common.units import iso_utc, money
from LIVE_TRADING.data.as_of import OfSymbols, Recording
from LIVE_TRADING.data.calendars import ALWAYS_OPEN
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.instruments import InstrumentsConfig, instruments_for
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.registry import DataOptions, get_data_provider, get_recording
from LIVE_TRADING.engine.run_setup import CENT, DataFacts
from LIVE_TRADING.models.loader import ModelLoader

NAMED = 20  # symbols that a message names at most
HISTORY_SESSIONS = 12  # the exchange's statistics reach back ten sessions


@dataclass(frozen=True, slots=True)
class Source:
    """Recorded or simulated bars, and what the venue allows for their symbols.

    `left_out` are the symbols of the data that the models do not know.
    """

    provider: HistoricalDataProvider
    facts: DataFacts
    instruments: dict[str, Instrument]
    left_out: tuple[str, ...] = ()

    @property
    def panel(self) -> BarPanel:
        """Return the bars."""
        return self.provider.panel


def settings_for(
    profile: str | None,
    overrides: Sequence[str] | None,
    *,
    cash_usd: float | None = None,
    trade_symbols: Sequence[str] = (),
) -> Settings:
    """Return the configuration with the flags of a verb on top."""
    given = list(overrides or ())
    if cash_usd is not None:
        given.append(f"engine.initial_cash_usd={cash_usd}")
    if trade_symbols:
        given.append(f"engine.trade_symbols=[{', '.join(repr(name) for name in trade_symbols)}]")
    return load_settings(profile, given).config


def open_source(
    spec: str,
    settings: Settings,
    interval_minutes: int | None,
    calendar: str = "auto",
    run_root: Path | None = None,
) -> Source:
    """Read the bars that a spec names; of those, the universe of the run where one is given.

    Raises
    ------
    ConfigurationError, DataProviderError
        No such source, or something is wrong with its bars.
    """
    options = DataOptions(interval_minutes=interval_minutes, calendar=calendar, simulated=settings.simulated)
    provider = get_data_provider(spec, options)
    strangers: tuple[str, ...] = ()
    if run_root is not None:
        universe = ModelLoader(run_root).manifest.symbols
        strangers = not_known(universe, provider.symbols)
        if strangers:
            provider = provider.of_symbols(universe)
    return replace(source_of(provider, settings), left_out=strangers)


def not_known(universe: Sequence[str], symbols: Sequence[str]) -> tuple[str, ...]:
    """Return the symbols of data that hold a universe and more, less the universe; none where a part of it lacks."""
    return tuple(name for name in symbols if name not in set(universe)) if set(universe) < set(symbols) else ()


def left_out_text(symbols: Sequence[str], used: int) -> str:
    """Return, in a sentence, which symbols of the data are left out beside those used; empty where none is."""
    if not symbols:
        return ""
    total = used + len(symbols)
    return (
        f"{len(symbols):,} of {total:,} symbols of the data left out, for the models do not know them: "
        f"{_named(symbols)}"
    )


def without_bars_text(panel: BarPanel, start_ns: int, end_ns: int) -> str:
    """Return, in a sentence, which symbols have no bar in (start, end]; empty where none lacks them."""
    span = slice(*panel.bar_end_ns.searchsorted((start_ns, end_ns), side="right").tolist())
    silent = [panel.symbols[column] for column in np.flatnonzero(np.isnan(panel.close[span]).all(axis=0)).tolist()]
    if not silent or span.start == span.stop:
        return ""
    return (
        f"{len(silent):,} of {len(panel.symbols):,} symbols without a bar between {iso_utc(start_ns)} and "
        f"{iso_utc(end_ns)}, so that nothing is forecast or traded of them: {_named(silent)}"
    )


def holes_text(panel: BarPanel) -> str:
    """Return, in a sentence, what the data lack of their calendar and have beside it; empty where they fit."""
    silent = np.isnan(panel.close).all(axis=1)
    said = []
    if silent.any():
        n_bars = np.bincount(panel.session_index)
        whole = np.bincount(panel.session_index, weights=silent) == n_bars
        dates = [panel.sessions.sessions[index].date for index in np.flatnonzero(whole & (n_bars > 0)).tolist()]
        among = (
            f", those of {len(dates):,} whole session{'s' * (len(dates) > 1)} among them: {_named(dates)}"
            if dates
            else ""
        )
        said.append(f"no symbol has a bar at {np.count_nonzero(silent):,} of {len(panel):,} bar ends{among}")
    if panel.dropped_outside_sessions:
        said.append(f"{panel.dropped_outside_sessions:,} bars outside regular sessions are left out")
    return "; ".join(said)


def _named(symbols: Sequence[str]) -> str:
    return ", ".join(symbols[:NAMED]) + (f" and {len(symbols) - NAMED} more" if len(symbols) > NAMED else "")


def source_of(provider: HistoricalDataProvider, settings: Settings) -> Source:
    """Return the bars of a provider with what the venue allows for their symbols."""
    panel = provider.panel
    facts = DataFacts(
        panel.symbols,
        panel.interval_ns,
        panel.sessions.name,
        panel.bars_per_session,
        panel.sessions.sessions,
        provider.data_hash,
    )
    return Source(provider, facts, instruments_for(panel.symbols, _instruments(settings, panel.sessions.name)))


def open_recording(
    spec: str, settings: Settings, interval_minutes: int | None, calendar: str, run_root: Path
) -> tuple[Recording, tuple[str, ...]]:
    """Return the bars that a spec names, of the universe of a run, so that they can be had as of any instant.

    Beside them the symbols that the models do not know, which are left out.

    Raises
    ------
    ConfigurationError, DataProviderError, ModelLoadError
        As `open_source`.
    """
    options = DataOptions(interval_minutes=interval_minutes, calendar=calendar, simulated=settings.simulated)
    recording = get_recording(spec, options)
    universe = ModelLoader(run_root).manifest.symbols
    strangers = not_known(universe, recording.panel().symbols)
    return (OfSymbols(recording, universe) if strangers else recording), strangers


def _instruments(settings: Settings, calendar: str) -> InstrumentsConfig:
    """Return the instruments' settings; a market that never closes is crypto unless something else is said."""
    given = settings.instruments
    if calendar == ALWAYS_OPEN and "asset_class" not in given.model_fields_set:
        return given.model_copy(update={"asset_class": "crypto"})
    return given


def venue(source: Source, settings: Settings) -> SimulatedExchange:
    """Return the simulated exchange; it learns spread, volatility and volume from the bars before the run."""
    panel = source.panel

    def history(before_ns: int) -> Iterator[tuple[BarBatch, bool]]:
        end = int(panel.bar_end_ns.searchsorted(before_ns, side="right"))
        first_row = max(0, end - HISTORY_SESSIONS * panel.bars_per_session)
        for row in range(first_row, end):
            new = row == first_row or panel.session_index[row] != panel.session_index[row - 1]
            yield panel.batch(row), bool(new)

    return SimulatedExchange(
        settings.exchange,
        panel.symbols,
        source.instruments,
        money(settings.engine.initial_cash_usd, CENT),
        session_ends=panel.sessions.name != ALWAYS_OPEN,
        history=history,
    )


def session_open_ns(source: Source, text: str | None) -> int | None:
    """Return the open of the first session on or after a date."""
    if text is None:
        return None
    for session in source.facts.sessions:
        if session.date >= text:
            return session.open_ns
    raise ConfigurationError(f"start {text} is after the last session {source.facts.sessions[-1].date} of the data")


def session_close_ns(source: Source, text: str | None) -> int | None:
    """Return the close of the last session on or before a date."""
    if text is None:
        return None
    for session in reversed(source.facts.sessions):
        if session.date <= text:
            return session.close_ns
    raise ConfigurationError(f"end {text} is before the first session {source.facts.sessions[0].date} of the data")


def peak_rss_mb() -> float:
    """Return the most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
