"""Proof against look-ahead: a run over the whole recording against one that has never seen what comes next.

The second run goes from instant to instant. What feeds it from one to the next is made of the bars that had ended by
the next and of nothing else, so at each instant it stands at the end of its world, with a state that has come about in
the same way. What the two know, forecast and decide there must be the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from LIVE_TRADING.backtest.engine import BacktestEngine
from LIVE_TRADING.backtest.observed import FEATURES, FORECASTS, OBSERVED, Difference, Observation, Watch, differences
from LIVE_TRADING.backtest.repeated import NotRepeatableError
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import Session
from LIVE_TRADING.data.as_of import Recording
from LIVE_TRADING.data.calendars import SessionTable
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.interface import Arrival
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.core import EngineCore

_STREAM = 1  # second half of the Philox key: what the draws are for
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A backtest before its first bar. It decides in (start, end] and is fed from `feed_start_ns` on."""

    engine: BacktestEngine
    core: EngineCore
    watch: Watch
    feed_start_ns: int
    start_ns: int
    end_ns: int


Start = Callable[[BarPanel, "CutFeed"], StartedRun]


class CutFeed:
    """A recording that grows: bars of the newest cut, sessions of the calendar, which is known ahead."""

    def __init__(self, panel: BarPanel, calendar: SessionTable) -> None:
        self._provider = HistoricalDataProvider(panel)
        self._calendar = calendar

    def grow(self, panel: BarPanel) -> None:
        """Take a later cut in place of the one before."""
        self._provider = HistoricalDataProvider(panel)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the columns of every batch."""
        return self._provider.symbols

    @property
    def interval_ns(self) -> int:
        """Return the bar interval."""
        return self._provider.interval_ns

    @property
    def sessions(self) -> SessionTable:
        """Return the trading sessions, those to come among them."""
        return self._calendar

    def session_of(self, bar_end_ns: int) -> Session | None:
        """Return the session with open < bar end <= close."""
        return self._calendar.session_of(bar_end_ns)

    def timeline(self, start_ns: int, end_ns: int) -> Iterator[Arrival]:
        """Yield what arrives in (start, end], in the order of arrival."""
        return self._provider.timeline(start_ns, end_ns)


@dataclass(frozen=True, slots=True)
class LookaheadReport:
    """What was compared and what came out.

    `numbers` by stage: how many were compared and known (no NaN); `forecasts` likewise by family. `differences` of the
    first instant that has any, in the order in which one follows from the other; `agreed_ns` the instants before it.
    `not_repeatable`: they are within one run, between a feature and itself, computed once more of the same bars.
    `orders`, `fills`: of the run over the whole recording up to the last instant.
    """

    instants_ns: tuple[int, ...]
    agreed_ns: tuple[int, ...]
    numbers: dict[str, int]
    forecasts: dict[str, int]
    orders: int
    fills: int
    differences: tuple[Difference, ...]
    not_repeatable: bool
    observed: dict[int, Observation] = field(repr=False)


def choose_instants(panel: BarPanel, start_ns: int, end_ns: int, count: int, seed: int) -> tuple[int, ...]:
    """Return up to `count` bar ends in (start, end] at which some symbol has a bar, drawn without order, ascending.

    Raises
    ------
    ConfigurationError
        There is none.
    """
    there = (panel.bar_end_ns > start_ns) & (panel.bar_end_ns <= end_ns) & np.isfinite(panel.close).any(axis=1)
    ends = panel.bar_end_ns[there]
    if not len(ends):
        raise ConfigurationError("no bar ends between start and end: nothing to compare; give another --start or --end")
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, _STREAM], dtype=np.uint64)))
    drawn = generator.choice(ends, size=min(count, len(ends)), replace=False)
    return tuple(sorted(int(end) for end in drawn))


def check_lookahead(
    recording: Recording, start: Start, count: int, seed: int, progress: Progress = lambda what, done, total: None
) -> LookaheadReport:
    """Run over the whole recording, then with the future cut off at `count` instants, and compare.

    Parameters
    ----------
    recording
        The bars, and the bars as of an instant.
    start
        Opens the run on a panel, to be fed by a feed over it.
    progress
        Told the kind of work, how much of it is done, and how much there is.

    Raises
    ------
    ConfigurationError
        Nothing was compared: no decision, no known feature, or no known forecast of a family.
    """
    panel = recording.panel()
    calendar = panel.sessions
    whole = start(panel, CutFeed(panel, calendar))
    instants = choose_instants(panel, whole.start_ns, whole.end_ns, count, seed)
    whole.watch.look_at(instants)
    agreed: list[int] = []
    not_repeatable = False
    try:
        progress("whole recording", 0, 1)
        whole.engine.run(whole.feed_start_ns, instants[-1], drain=False)
        progress("whole recording", 1, 1)
        found = _compare(recording, start, calendar, whole.watch, instants, agreed, progress)
    except NotRepeatableError as error:
        not_repeatable = True
        found = [
            Difference(error.cycle_ns, FEATURES, one.name, one.symbol, repr(one.in_cycle), repr(one.ahead))
            for one in error.partings
        ]
    compared = instants[: len(agreed) + bool(found)]
    seen = [whole.watch.seen[instant] for instant in compared if instant in whole.watch.seen]
    report = LookaheadReport(
        instants_ns=instants,
        agreed_ns=tuple(agreed),
        numbers=_known(seen, OBSERVED),
        forecasts=_known_forecasts(seen, whole.core.run.families),
        orders=whole.core.state.order_number,
        fills=whole.core.state.digest.fill_count,
        differences=tuple(found),
        not_repeatable=not_repeatable,
        observed=whole.watch.seen,
    )
    if not found:
        _check_substance(report)
    return report


def _compare(
    recording: Recording,
    start: Start,
    calendar: SessionTable,
    whole: Watch,
    instants: Sequence[int],
    agreed: list[int],
    progress: Progress,
) -> list[Difference]:
    """Run with the future cut off; return the first differences, and in `agreed` the instants before them."""
    first = recording.as_of(instants[0])
    feed = CutFeed(first, calendar)
    cut = start(first, feed)
    cut.watch.look_at(instants)
    before_ns = cut.feed_start_ns
    for number, instant_ns in enumerate(instants, start=1):
        if number > 1:
            feed.grow(recording.as_of(instant_ns))
        cut.engine.run(before_ns, instant_ns, drain=False)
        before_ns = instant_ns
        progress("future cut off", number, len(instants))
        found = differences(
            whole.seen.get(instant_ns, Observation(instant_ns)),
            cut.watch.seen.get(instant_ns, Observation(instant_ns)),
            first.symbols,
        )
        if found:
            return found
        agreed.append(instant_ns)
    return []


def _known(observations: Collection[Observation], stages: Sequence[str]) -> dict[str, int]:
    """Return by stage how many numbers are known; texts count one each."""
    counts = dict.fromkeys(stages, 0)
    for observation in observations:
        for stage, rows in observation.rows.items():  # order: none, counts
            counts[stage] += sum(int(np.isfinite(row).sum()) for row in rows.values())  # order: none, counts
        for stage, texts in observation.texts.items():  # order: none, counts
            counts[stage] += len(texts)
    return counts


def _known_forecasts(observations: Collection[Observation], families: Sequence[str]) -> dict[str, int]:
    counts = dict.fromkeys(families, 0)
    for observation in observations:
        for name, row in observation.rows.get(FORECASTS, {}).items():  # order: none, counts
            family = name.rpartition("/")[2]
            if family in counts:
                counts[family] += int(np.isfinite(row).sum())
    return counts


def _check_substance(report: LookaheadReport) -> None:
    """Refuse to say that nothing differed where nothing was there to differ."""
    empty = [name for name, known in report.forecasts.items() if not known]  # order: of the run
    decided = sum(seen.is_whole for seen in report.observed.values())  # order: none, a count
    if decided < len(report.instants_ns) or not report.numbers[FEATURES] or empty:
        missing = (
            f"no known forecast of {', '.join(empty)}" if empty else "not every instant has features and a decision"
        )
        raise ConfigurationError(
            f"nothing to compare: {missing} at {len(report.instants_ns)} instants; give more sessions, a later "
            "--start, or another --seed"
        )
