"""`python -m bin.check_lookahead`."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from LIVE_TRADING.backtest.lookahead import CutFeed, LookaheadReport, Progress, StartedRun, check_lookahead
from LIVE_TRADING.backtest.observed import FEATURES, FORECASTS, Difference, Watch
from LIVE_TRADING.backtest.user_feature_check import UserFeatureReport, check_user_feature, whole_bars
from LIVE_TRADING.cli.backtest import BacktestRequest, open_backtest
from LIVE_TRADING.cli.compose import left_out_text, open_recording, settings_for, source_of
from LIVE_TRADING.cli.exits import ExitCode
from LIVE_TRADING.cli.options import RunOptions
from LIVE_TRADING.cli.settings import Settings
from LIVE_TRADING.cli.train import ProgressBars, progress_display
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.data.as_of import Recording
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.models.user_features import UserFeatures

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Check:
    """What came out: of the run as a whole, and of each user feature over the whole recording."""

    report: LookaheadReport
    features: tuple[UserFeatureReport, ...]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Return what differs, user features first: they are where a leak of the run would come from."""
        return (*(one.difference for one in self.features if one.difference is not None), *self.report.differences)


def check(
    recording: Recording,
    settings: Settings,
    request: BacktestRequest,
    count: int,
    seed: int,
    progress: Progress = lambda what, done, total: None,
) -> Check:
    """Check a run over a recording, and its user features."""
    cores: list[EngineCore] = []

    def start(panel: BarPanel, feed: CutFeed) -> StartedRun:
        watches: list[Watch] = []

        def watch(core: EngineCore) -> Watch:
            watches.append(Watch(core))
            return watches[0]

        source = source_of(HistoricalDataProvider(panel), settings)
        opened = open_backtest(source, settings, request, watch, feed=feed)
        cores.append(opened.core)
        plan = opened.plan
        return StartedRun(
            opened.engine, opened.core, watches[0], plan.feed_start_ns, plan.run.warmup_until_ns, plan.end_ns
        )

    report = check_lookahead(recording, start, count, seed, progress)
    user = cores[0].market_model.features.user_features
    return Check(report, () if user is None else _check_user(user, recording, report, progress))


def _check_user(
    user: UserFeatures, recording: Recording, report: LookaheadReport, progress: Progress
) -> tuple[UserFeatureReport, ...]:
    bars = whole_bars(recording.panel())
    unlike_itself = {one.name for one in report.differences} if report.not_repeatable else set()
    features = [one for one in user.features if one.name not in unlike_itself]  # those tell nothing of later bars
    reports = []
    for number, feature in enumerate(features, start=1):
        reports.append(check_user_feature(feature, bars, report.instants_ns, report.observed))
        progress("user features", number, len(features))
    return tuple(reports)


def check_run(run: RunOptions, count: int, seed: int) -> int:
    """Check a run and say what was compared and what differs."""
    settings = settings_for(run.profile, run.overrides)
    request = BacktestRequest(run.folder, run.name, *run.sessions)
    recording, strangers = open_recording(run.data, settings, run.interval_minutes, run.calendar, run.folder)
    if strangers:
        used = len(recording.panel().symbols)
        Console(stderr=True).print(left_out_text(strangers, used), soft_wrap=True, highlight=False)
    with progress_display() as display:
        found = check(recording, settings, request, count, seed, ProgressBars(display))
    console = Console()
    for line in (_heading(found.report, request.run_id), compared_table(found), *verdict(found)):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return int(ExitCode.HALTED if found.differences else ExitCode.DONE)


def _heading(report: LookaheadReport, name: str) -> str:
    first, last = iso_utc(report.instants_ns[0]), iso_utc(report.instants_ns[-1])
    return f"{name}: {len(report.instants_ns)} instants from {first} to {last}"


def compared_table(found: Check) -> Table:
    """Return what was compared: known numbers by stage, forecasts by family too, and each user feature."""
    report = found.report
    table = Table()
    table.add_column("compared")
    table.add_column("known numbers", justify="right")
    for stage, numbers in report.numbers.items():  # order: in which one follows from the other
        table.add_row(stage, f"{numbers:,}")
        if stage == FORECASTS:
            for family, forecasts in report.forecasts.items():  # order: of the run
                table.add_row(f"  of {family}", f"{forecasts:,}")
        if stage == FEATURES:
            for one in found.features:
                table.add_row(f"  {one.name} over the whole recording", f"{one.compared:,}")
    return table


def verdict(found: Check) -> list[str]:
    """Return what to say, a difference a line."""
    report = found.report
    lines = [
        f"user feature {one.name}: {one.other:,} of {one.known:,} values of the engine are not what the whole "
        "recording gives: it looks back further than features.extra_lookback (no look-ahead)"
        for one in found.features
        if one.other and one.difference is None
    ]
    lines.append(f"{report.orders:,} orders and {report.fills:,} fills by the last instant")
    if not found.differences:
        return [*lines, f"no difference at {len(report.agreed_ns)} instants: what comes later changes nothing"]
    user = found.differences[: len(found.differences) - len(report.differences)]
    said = _said_of_itself if report.not_repeatable else _said
    lines += [*map(_said, user), *map(said, report.differences)][:SHOWN]
    if len(found.differences) > SHOWN:
        lines.append(f"and {len(found.differences) - SHOWN} more at that instant")
    if report.not_repeatable:
        lines.append(
            "a feature that draws, or keeps what it saw in an earlier call, gives another value each time: let it "
            "depend on the bars it is given alone"
        )
    if report.differences:
        what = "not repeatable" if report.not_repeatable else "look-ahead"
        lines.append(f"{what}: {len(report.agreed_ns)} instants agreed before; nothing was compared after")
    return lines


def _where(one: Difference) -> str:
    of = f", {one.symbol}" if one.symbol else ""
    return f"{iso_utc(one.instant_ns)}, {one.stage}, {one.name}{of}"


def _said(one: Difference) -> str:
    return f"look-ahead at {_where(one)}: {one.whole} over the whole recording, {one.cut} with the future cut off"


def _said_of_itself(one: Difference) -> str:
    return f"not repeatable at {_where(one)}: {one.whole} in the cycle, {one.cut} computed ahead of the same bars"
