"""`python -m bin.train_models`."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from LIVE_TRADING.cli.compose import holes_text, open_source, settings_for
from LIVE_TRADING.cli.options import named_run_folder
from LIVE_TRADING.cli.settings import engine_config
from LIVE_TRADING.training.model_card import write_model_card
from LIVE_TRADING.training.train import TrainingReport, train_run


class ProgressBars:
    """One bar per kind of work, as training tells them; lines, at every tenth of it, where no terminal shows bars."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._tenths: dict[str, int] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show how far a piece of work is."""
        console = self._progress.console
        if not console.is_terminal:
            tenths = 10 * done // max(total, 1)
            if tenths > self._tenths.get(what, -1):
                self._tenths[what] = tenths
                console.print(f"{what} {done:,} of {total:,}", soft_wrap=True, highlight=False)
            return
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)


def progress_display() -> Progress:
    """Return a display of progress on stderr."""
    columns = (TextColumn("{task.description:<28}"), BarColumn(bar_width=30), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=False)


def train_models(
    data: str,
    run_id: str | None,
    run_root: Path | None,
    until: str | None,
    profile: str | None,
    overrides: list[str] | None,
    interval_minutes: int | None,
    calendar: str,
    replace: bool,
) -> int:
    """Train a run and print what its models are worth out of sample."""
    folder = named_run_folder(run_id, run_root)
    settings = settings_for(profile, overrides)
    started = time.perf_counter()
    source = open_source(data, settings, interval_minutes, calendar)
    with progress_display() as display:
        report = train_run(
            source.panel,
            settings.training,
            folder,
            until,
            ProgressBars(display),
            engine=engine_config(settings),
            replace_run=replace,
        )
    console = Console()
    if holes := holes_text(source.panel):
        console.print(holes, soft_wrap=True, highlight=False)
    console.print(training_table(report, time.perf_counter() - started))
    if silent := silent_text(report):
        console.print(silent, style="bold", soft_wrap=True, highlight=False)
    console.print(classifier_table(report))
    console.print(f"model card: {write_model_card(folder)}", soft_wrap=True)
    return 0


def training_table(report: TrainingReport, wall_s: float) -> Table:
    """Return the out-of-sample evidence of every model."""
    title = f"{report.run_root}: {report.symbols} symbols, {report.sessions} sessions to {report.until}, {wall_s:.0f} s"
    table = Table(title=title, title_justify="left")
    for name in ("horizon", "family", "train rows", "IC", "n effective", "RMSE"):
        table.add_column(name, justify="left" if name in ("horizon", "family") else "right")
    for model in report.models:
        pooled = model.metrics
        table.add_row(
            model.horizon,
            model.family,
            f"{model.train_rows:,}" if model.train_rows else "elsewhere",
            "-" if pooled.ic is None else f"{pooled.ic:+.4f}",
            f"{pooled.n_effective:,.0f}",
            "-" if pooled.rmse is None else f"{pooled.rmse:.4f}",
        )
    return table


def silent_text(report: TrainingReport) -> str:
    """Return, a line each, which models forecast nothing out of sample, and which features never vary; "" for none."""
    silent = [f"{model.horizon}/{model.family}" for model in report.models if not model.metrics.n_forecasts]
    said = []
    if silent:
        said.append(f"{', '.join(silent)}: no number on rows that it had not seen, so nothing tells what it is worth")
    if report.unvarying:
        said.append(f"{', '.join(report.unvarying)}: one value in all rows, or none, so no model learns from it")
    return "\n".join(said)


def classifier_table(report: TrainingReport) -> Table | str:
    """Return the out-of-sample evidence of the barrier classifiers, or why there are none."""
    if not report.classifiers:
        return f"No barrier classifiers, the barrier gate will be off: {report.no_classifiers}."
    table = Table(title="barrier classifiers", title_justify="left", padding=(0, 1, 0, 0))  # whole in 80 columns
    for name in ("target", "train\nrows", "base\nrate", "Brier\nscore", "of the\nbase rate", "gain", "± s.e."):
        table.add_column(name, justify="left" if name == "target" else "right", no_wrap=True)
    for classifier in report.classifiers:
        metrics = classifier.metrics
        table.add_row(
            classifier.target,
            f"{classifier.train_rows:,}",
            f"{metrics.base_rate:.3f}",
            f"{metrics.brier:.5f}",
            f"{metrics.brier_base_rate:.5f}",
            f"{metrics.brier_gain:+.5f}",
            f"{metrics.brier_gain_error:.5f}",
        )
    return table
