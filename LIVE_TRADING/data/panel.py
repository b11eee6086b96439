"""Recorded bars of many symbols as arrays over one grid of bar ends."""

from __future__ import annotations

import difflib
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from LIVE_TRADING.common.exceptions import DataProviderError
from LIVE_TRADING.common.types import BAR_FIELDS, BarBatch, FloatArray, IntArray, Session
from LIVE_TRADING.data.calendars import SessionTable, parse_date

_HASH_TAG = b"bar-panel 1\n"


@dataclass(frozen=True, eq=False)
class BarPanel:
    """Bars of N symbols (UTF-8 order) at T bar ends. Arrays are read-only.

    The grid holds every bar end of every session in the span; NaN in open, high, low, close and volume: that symbol
    has no bar there. NaN in bid or ask: no quote at that bar's end. `quotes_estimated`: bid and ask were not recorded
    but put around the close with an estimated spread. `session_index` and `slot` (0-based within the session) locate a
    row in `sessions`, whose table may reach beyond the rows. `bars_per_session` is that of the longest session.
    """

    symbols: tuple[str, ...]
    interval_ns: int
    bar_end_ns: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    bid: FloatArray
    ask: FloatArray
    sessions: SessionTable
    session_index: IntArray
    slot: IntArray
    bars_per_session: int
    quotes_estimated: bool = False
    dropped_outside_sessions: int = 0

    def __post_init__(self) -> None:
        if list(self.symbols) != sorted(set(self.symbols)):
            raise DataProviderError("symbols of a panel must be in UTF-8 order, each once; sort them where they enter")
        shape = (len(self.bar_end_ns), len(self.symbols))
        for name in BAR_FIELDS:
            values = getattr(self, name)
            if values.shape != shape or values.dtype != np.float64:
                raise DataProviderError(f"panel array {name} is {values.dtype} {values.shape}; give float64 {shape}")
        for name in (*BAR_FIELDS, "bar_end_ns", "session_index", "slot"):
            getattr(self, name).setflags(write=False)

    @classmethod
    def on_grid(
        cls,
        symbols: Sequence[str],
        interval_ns: int,
        sessions: SessionTable,
        arrays: Mapping[str, FloatArray],
        *,
        quotes_estimated: bool = False,
        dropped_outside_sessions: int = 0,
    ) -> BarPanel:
        """Return the panel over all bars of all sessions; `arrays` holds one (T, N) array for each of `BAR_FIELDS`."""
        bar_end_ns, session_index, slot = sessions.grid(interval_ns)
        return cls(
            symbols=tuple(symbols),
            interval_ns=interval_ns,
            bar_end_ns=bar_end_ns,
            open=arrays["open"],
            high=arrays["high"],
            low=arrays["low"],
            close=arrays["close"],
            volume=arrays["volume"],
            bid=arrays["bid"],
            ask=arrays["ask"],
            sessions=sessions,
            session_index=session_index,
            slot=slot,
            bars_per_session=int(sessions.n_bars(interval_ns).max(initial=0)),
            quotes_estimated=quotes_estimated,
            dropped_outside_sessions=dropped_outside_sessions,
        )

    def __len__(self) -> int:
        return len(self.bar_end_ns)

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 over interval, symbols, times and arrays (little-endian; one NaN pattern, -0 as +0), as hex."""
        digest = hashlib.sha256(_HASH_TAG)
        digest.update(f"{self.interval_ns}\n{len(self.symbols)}\n".encode())
        digest.update("".join(f"{len(symbol.encode())}:{symbol}\n" for symbol in self.symbols).encode())
        digest.update(self.bar_end_ns.astype("<i8").tobytes())
        for name in BAR_FIELDS:
            values = getattr(self, name) + 0.0
            values[np.isnan(values)] = np.nan
            digest.update(np.ascontiguousarray(values, dtype="<f8").data)
        return digest.hexdigest()

    def batch(self, row: int) -> BarBatch:
        """Return the bars of one row of the grid: read-only views of shape (N,)."""
        return BarBatch(
            int(self.bar_end_ns[row]),
            self.interval_ns,
            self.open[row],
            self.high[row],
            self.low[row],
            self.close[row],
            self.volume[row],
            self.bid[row],
            self.ask[row],
        )

    def session(self, row: int) -> Session:
        """Return the session that a row of the grid belongs to."""
        return self.sessions.sessions[int(self.session_index[row])]

    def row_of(self, bar_end_ns: int) -> int | None:
        """Return the row of a bar end; None where the grid has none."""
        row = int(np.searchsorted(self.bar_end_ns, bar_end_ns))
        return row if row < len(self) and self.bar_end_ns[row] == bar_end_ns else None

    def column_of(self, symbol: str) -> int:
        """Return the column of a symbol.

        Raises
        ------
        DataProviderError
            The panel has no such symbol; the nearest is named.
        """
        column = int(np.searchsorted(np.array(self.symbols, dtype=object), symbol))
        if column < len(self.symbols) and self.symbols[column] == symbol:
            return column
        raise DataProviderError(unknown_symbols([symbol], self.symbols))

    def between(self, start_ns: int, end_ns: int) -> BarPanel:
        """Return the bars that end in (start, end], so that a session's open and close select that session.

        The table of sessions stays whole: session indices mean the same in every cut of a panel.
        """
        first, last = np.searchsorted(self.bar_end_ns, [start_ns, end_ns], side="right")
        rows = slice(int(first), max(int(first), int(last)))
        arrays: dict[str, Any] = {
            name: getattr(self, name)[rows] for name in (*BAR_FIELDS, "bar_end_ns", "session_index", "slot")
        }
        return replace(self, **arrays)

    def of_dates(self, start: str | None, end: str | None) -> BarPanel:
        """Return the bars of the sessions from one date to another (YYYY-MM-DD), both included; None: no bound.

        Raises
        ------
        DataProviderError
            No session of the panel lies between them.
        ConfigurationError
            A date is none.
        """
        first = 0 if start is None else bisect_left(self._dates, parse_date("start", start).isoformat())
        last = len(self._dates) if end is None else bisect_right(self._dates, parse_date("end", end).isoformat())
        if last <= first:
            asked = f"from {start or 'the first'} to {end or 'the last'}"
            known = f"{self._dates[0]} to {self._dates[-1]}" if self._dates else "none"
            raise DataProviderError(f"no session {asked}; the data hold {known}")
        return self.between(self.sessions.sessions[first].open_ns, self.sessions.sessions[last - 1].close_ns)

    @cached_property
    def _dates(self) -> list[str]:
        return [session.date for session in self.sessions.sessions]

    def select(self, symbols: Sequence[str]) -> BarPanel:
        """Return the panel of some symbols, given in any order.

        Raises
        ------
        DataProviderError
            A symbol is not in the panel; all of them are named with the nearest known.
        """
        wanted = tuple(sorted(set(symbols)))
        unknown = [symbol for symbol in wanted if symbol not in self.symbols]
        if unknown or not wanted:
            raise DataProviderError(unknown_symbols(unknown, self.symbols))
        columns = [self.column_of(symbol) for symbol in wanted]
        arrays: dict[str, Any] = {name: np.ascontiguousarray(getattr(self, name)[:, columns]) for name in BAR_FIELDS}
        return replace(self, symbols=wanted, **arrays)


def unknown_symbols(unknown: Sequence[str], known: Sequence[str]) -> str:
    """Return the message about symbols that the data do not hold."""
    if not unknown:
        return "symbols: none asked for; name at least one"
    hints = []
    for symbol in unknown:
        nearest = difflib.get_close_matches(symbol, known, n=1, cutoff=0.5)
        hints.append(f"{symbol!r}" + (f" (did you mean {nearest[0]!r}?)" if nearest else ""))
    shown = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
    return f"symbols: the data do not hold {', '.join(hints)}; choose among the {len(known)} they hold: {shown}"
