"""Bad input through the command line: a clear error, the exit code of its class, and nothing changed on disk."""

# covers: P6, P26, P30, A14

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from real_runs import AFTER_TRAINING, UNTIL, World, tree
from typer.testing import CliRunner

from bin import config, replay_session, run_backtest, run_live_trading, train_models
from LIVE_TRADING.common.determinism import glob_sorted
from tests.support.journals import last_segment

USAGE, HALTED = 2, 4
VERBS = {
    "train_models": train_models.app,
    "run_backtest": run_backtest.app,
    "run_live_trading": run_live_trading.app,
    "replay_session": replay_session.app,
    "config": config.app,
}


@dataclass(frozen=True)
class Desk:
    """A folder to work in, and the verbs as a user types them."""

    folder: Path
    bars: Path
    run_root: Path

    def says(self, verb: str, *arguments: str) -> tuple[int, str]:
        """Return exit code and what was said of it, on one line."""
        result = CliRunner().invoke(VERBS[verb], [str(argument) for argument in arguments], env={"COLUMNS": "500"})
        return result.exit_code, " ".join(result.output.split())

    def refuses(self, verb: str, *arguments: str) -> tuple[int, str]:
        """Return the same; nothing in the folder may have changed."""
        before = tree(self.folder)
        said = self.says(verb, *arguments)
        assert tree(self.folder) == before
        assert "Traceback" not in said[1]
        return said

    def arguments(self, verb: str, bars: Path) -> tuple[str, ...]:
        """Return what to type to use a file of bars."""
        if verb == "train_models":
            return ("--data", f"{bars}", "--run-root", f"{self.folder / 'new'}")
        where = ("--out", self.folder / "out") if verb == "run_backtest" else ("--state-dir", self.folder / "state")
        common = ("--data", f"historical:{bars}", "--run-root", f"{self.run_root}", "--start", AFTER_TRAINING)
        return (*common, where[0], f"{where[1]}", "--profile", "low_cost")


@pytest.fixture
def desk(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk whose bars are those of two sessions, in its own folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("LIVE_TRADING.observability.logging.configure_logging", lambda *_: None)
    table = pq.read_table(world.bars)
    near = pc.and_(pc.greater_equal(days_of(table), UNTIL), pc.less_equal(days_of(table), AFTER_TRAINING))
    pq.write_table(table.filter(near), tmp_path / "bars.parquet")
    return Desk(tmp_path, tmp_path / "bars.parquet", world.run_root)


@pytest.fixture
def own_run(desk: Desk) -> Desk:
    """The same with a copy of the run that may be altered."""
    shutil.copytree(desk.run_root, desk.folder / "run")
    return Desk(desk.folder, desk.bars, desk.folder / "run")


def days_of(table: pa.Table) -> pa.ChunkedArray:
    return pc.strftime(table["timestamp"], "%Y-%m-%d")


# -- bars ------------------------------------------------------------------------------------------------------------

ROW = 1234  # of the altered bar


def with_value(table: pa.Table, column: str, value: float) -> pa.Table:
    values = table[column].to_numpy().astype(float)
    values[ROW] = value
    return table.set_column(table.schema.get_field_index(column), column, pa.array(values, from_pandas=False))


def swapped(table: pa.Table) -> pa.Table:
    order = list(range(len(table)))
    order[ROW], order[ROW + 1] = order[ROW + 1], order[ROW]
    return table.take(order)


def naive(table: pa.Table) -> pa.Table:
    times = pc.local_timestamp(table["timestamp"])
    return table.set_column(table.schema.get_field_index("timestamp"), "timestamp", times)


BAD_BARS = [
    pytest.param(lambda t: t.drop_columns(["high", "volume"]), ("column high, volume: missing",), id="missing-columns"),
    pytest.param(swapped, ("column timestamp", "earlier than the bar before", "Sort the file"), id="unsorted"),
    pytest.param(lambda t: t.take([*range(len(t)), ROW]), ("column timestamp", "Keep one row"), id="duplicate"),
    pytest.param(naive, ("column timestamp", "aware UTC"), id="naive-times"),
    pytest.param(lambda t: with_value(t, "close", float("nan")), ("column close", "no value", "nan"), id="nan-price"),
    pytest.param(
        lambda t: with_value(t, "open", float("inf")), ("column open", "infinite", "inf"), id="infinite-price"
    ),
    pytest.param(lambda t: with_value(t, "low", -1.5), ("column low", "zero or negative", "-1.5"), id="negative-price"),
    pytest.param(lambda t: with_value(t, "low", 0.0), ("column low", "zero or negative", "0.0"), id="price-zero"),
    pytest.param(lambda t: with_value(t, "volume", -1.0), ("column volume", "negative", "-1.0"), id="negative-volume"),
    pytest.param(lambda t: with_value(t, "high", 0.01), ("column high", "below open or close"), id="high-below-close"),
    pytest.param(lambda t: t.slice(0, 0), ("no",), id="no-bars"),
]


@pytest.mark.parametrize("verb", ["train_models", "run_backtest", "run_live_trading"])
@pytest.mark.parametrize(("spoil", "expected"), BAD_BARS)
def test_bad_bars_are_refused(
    desk: Desk, spoil: Callable[[pa.Table], pa.Table], expected: tuple[str, ...], verb: str
) -> None:
    table = pq.read_table(desk.bars)
    bad = desk.folder / "bad.parquet"
    pq.write_table(spoil(table), bad)
    code, said = desk.refuses(verb, *desk.arguments(verb, bad))
    assert code == USAGE, said
    assert said.startswith(f"error: {bad}: ")
    assert [text for text in expected if text not in said] == []
    if "in 1 row" in said and "first in" in said:
        symbol, start = table["symbol"][ROW].as_py(), table["timestamp"][ROW].as_py()
        near = {start, start + dt.timedelta(minutes=5)}
        assert any(f"({symbol}, {instant:%Y-%m-%dT%H:%M:%S}" in said for instant in near)


def test_everything_that_is_wrong_with_bars_is_said_at_once(desk: Desk) -> None:
    table = with_value(with_value(swapped(pq.read_table(desk.bars)), "close", -1.0), "volume", float("nan"))
    bad = desk.folder / "bad.parquet"
    pq.write_table(table, bad)
    code, said = desk.refuses("run_backtest", *desk.arguments("run_backtest", bad))
    assert code == USAGE
    assert "3 kinds of problem" in said
    assert all(f"column {name}" in said for name in ("timestamp", "close", "volume"))


# -- bars that the models were not trained on ------------------------------------------------------------------------


def every_second(table: pa.Table) -> pa.Table:
    """Bars of ten minutes, as far as times can tell."""
    minute = pc.minute(table["timestamp"])
    return table.filter(pc.equal(pc.subtract(minute, pc.multiply(pc.divide(minute, 10), 10)), 0))


@pytest.mark.parametrize("verb", ["run_backtest", "run_live_trading"])
@pytest.mark.parametrize(
    ("change", "options", "expected"),
    [
        pytest.param(
            every_second,
            (),
            ("manifest.json", "bar interval: the run wants 5 minutes, the bars have 10 minutes", "train"),
            id="another-interval",
        ),
        pytest.param(lambda t: t, ("--interval", "10"), ("bars of 5 minutes, not of 10 minutes",), id="interval-asked"),
        pytest.param(lambda t: t, ("--calendar", "24/7"), ("calendar XNYS", "24/7", "train"), id="another-calendar"),
        pytest.param(
            lambda t: t.filter(pc.not_equal(t["symbol"], "MSFT")),
            (),
            ("MSFT", "which the data lack"),
            id="lacks-symbol",
        ),
        pytest.param(
            lambda t: t,
            ("--set", "prediction.standardizer.window_sessions=5"),
            ("manifest.json", "prediction.standardizer.window_sessions: the run has 10, here it is 5", "train"),
            id="another-memory",
        ),
        pytest.param(
            lambda t: t,
            ("--set", "features.volume_span=30"),
            ("manifest.json", "features.volume_span: the run has 24, here it is 30"),
            id="other-features",
        ),
        pytest.param(lambda t: t, ("--start", UNTIL), (UNTIL, "--until", "start later"), id="start-in-training"),
        pytest.param(
            lambda t: t, ("--start", "2026-01-01"), ("2026-01-01", "after the last session"), id="start-later"
        ),
        pytest.param(lambda t: t, ("--symbols", "MSFT,NOPE"), ("NOPE",), id="unknown-symbol"),
    ],
)
def test_bars_that_do_not_fit_the_models_are_refused(
    desk: Desk,
    change: Callable[[pa.Table], pa.Table],
    options: tuple[str, ...],
    expected: tuple[str, ...],
    verb: str,
) -> None:
    other = desk.folder / "other.parquet"
    pq.write_table(change(pq.read_table(desk.bars)), other)
    code, said = desk.refuses(verb, *desk.arguments(verb, other), *options)
    assert code == USAGE, said
    assert said.startswith("error: ")
    assert [text for text in expected if text not in said] == []


# -- artifacts -------------------------------------------------------------------------------------------------------

MODEL = "targets/ret_15m/models/view=cross_sectional/family=lightgbm"


def one_byte_more(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def newer_format(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))


ALTERED = [
    pytest.param(f"{MODEL}/model.txt", one_byte_more, ("SHA-256 expected", "found", "altered"), id="model"),
    pytest.param(f"{MODEL}/model.txt", Path.unlink, ("no such file",), id="model-missing"),
    pytest.param(f"{MODEL}/model_meta.json", one_byte_more, ("SHA-256 expected", "found", "altered"), id="meta"),
    pytest.param("snapshot.npz", one_byte_more, ("SHA-256 expected", "found", "altered"), id="snapshot"),
    pytest.param("snapshot.npz", Path.unlink, ("no such file",), id="snapshot-missing"),
    pytest.param("manifest.json", newer_format, ("format expected 1, found 99", "version"), id="newer-format"),
    pytest.param("manifest.json", lambda path: path.write_text("{"), ("is no JSON", "train it again"), id="no-json"),
    pytest.param("manifest.json", Path.unlink, ("no such file", "--run-root"), id="manifest-missing"),
]


@pytest.mark.parametrize("verb", ["run_backtest", "run_live_trading"])
@pytest.mark.parametrize(("name", "alter", "expected"), ALTERED)
def test_altered_artifacts_are_refused(
    own_run: Desk, name: str, alter: Callable[[Path], object], expected: tuple[str, ...], verb: str
) -> None:
    alter(own_run.run_root / name)
    code, said = own_run.refuses(verb, *own_run.arguments(verb, own_run.bars))
    assert code == USAGE, said
    assert said.startswith(f"error: {own_run.run_root / name}: ")
    assert [text for text in expected if text not in said] == []


# -- configuration ---------------------------------------------------------------------------------------------------

WRONG = ("blending.ridge_lamda=0.2", "sizing.max_weight=7", "arbitration.reserve_bps=much", "risk.rules=[cooldwon]")


@pytest.mark.parametrize("verb", ["train_models", "run_backtest", "run_live_trading", "config"])
def test_configuration_errors_are_said_at_once_with_the_nearest_key(desk: Desk, verb: str) -> None:
    arguments = ("check",) if verb == "config" else desk.arguments(verb, desk.bars)
    code, said = desk.refuses(verb, *arguments, *(part for pair in WRONG for part in ("--set", pair)))
    assert code == USAGE
    assert "4 problems" in said
    assert "did you mean blending.ridge_lambda?" in said
    assert "sizing.max_weight = 7" in said
    assert "arbitration.reserve_bps" in said
    assert "cooldwon is no rule; did you mean cooldown?" in said


def test_configuration_errors_of_every_source_are_said_with_their_place(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = desk.folder / "CONFIG"
    folder.mkdir()
    (folder / "live_trading.yaml").write_text("live_trading:\n  gating:\n    spred:\n      enabled: false\n")
    monkeypatch.setenv("LIVE_TRADING_CONFIG", str(folder))
    monkeypatch.setenv("LIVE_TRADING__SIZING__NET_CAP", "-1")
    code, said = desk.refuses("run_backtest", *desk.arguments("run_backtest", desk.bars)[:-2], "--set", "mod=1")
    assert code == USAGE
    assert f"{folder / 'live_trading.yaml'}:3" in said
    assert "did you mean gating.spread?" in said
    assert "LIVE_TRADING__SIZING__NET_CAP" in said
    assert "command line" in said


# -- state -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def session(desk: Desk) -> Path:
    """A state folder of a few cycles."""
    code, said = desk.says("run_live_trading", *desk.arguments("run_live_trading", desk.bars), "--max-cycles", "4")
    assert code == 0, said
    return desk.folder / "state"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def one_figure_changed(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[5] = lines[5].replace(b"1", b"2", 1) if b"1" in lines[5][20:] else lines[5]
    path.write_bytes(b"".join(lines))


def refuses_to_go_on(desk: Desk, *options: str) -> str:
    """Return what the shell says; the folder, but for the lock's owner, stays as it was."""
    before = {name: digest for name, digest in tree(desk.folder).items() if not name.endswith(".lock")}
    code, said = desk.says("run_live_trading", *desk.arguments("run_live_trading", desk.bars), *options)
    assert code == HALTED, said
    assert "Traceback" not in said
    assert {name: digest for name, digest in tree(desk.folder).items() if not name.endswith(".lock")} == before
    return said


def test_an_unreadable_checkpoint_is_refused(desk: Desk, session: Path) -> None:
    for path in glob_sorted(session, "arrays-*.npz"):
        cut(path)
    said = refuses_to_go_on(desk)
    assert "no checkpoint can be read; restore one from a copy, or start a new folder (" in said
    assert f"{session / 'arrays-000000000000.npz'}: the checkpoint cannot be read" in said


def test_an_unreadable_start_cannot_be_replayed(desk: Desk, session: Path) -> None:
    cut(session / "arrays-000000000000.npz")
    code, said = desk.refuses("replay_session", "--state-dir", f"{session}")
    assert code == HALTED
    assert f"{session / 'arrays-000000000000.npz'}: the checkpoint cannot be read" in said


def test_an_altered_journal_is_refused(desk: Desk, session: Path) -> None:
    segment = last_segment(session)
    one_figure_changed(segment)
    expected = f"{segment}:6: the record was altered: its CRC does not match"
    assert expected in refuses_to_go_on(desk)
    code, said = desk.refuses("replay_session", "--state-dir", f"{session}")
    assert code == HALTED
    assert expected in said


def test_an_unreadable_venue_is_refused(desk: Desk, session: Path) -> None:
    cut(session / "paper_venue.json")
    said = refuses_to_go_on(desk)
    assert f"{session / 'paper_venue.json'}: holds no paper venue (" in said
    assert "restore it from a copy" in said
    assert "give another --state-dir" in said


def test_another_configuration_does_not_go_on_with_a_session(desk: Desk, session: Path) -> None:
    before = {name: digest for name, digest in tree(desk.folder).items() if not name.endswith(".lock")}
    code, said = desk.says(
        "run_live_trading",
        *desk.arguments("run_live_trading", desk.bars),
        *("--set", "sizing.max_weight=0.04"),
    )
    assert code == USAGE
    assert "holds a run that was started differently (sizing.max_weight: on file 0.05, now 0.04)" in said
    assert {name: digest for name, digest in tree(desk.folder).items() if not name.endswith(".lock")} == before
    code, said = desk.says("run_live_trading", *desk.arguments("run_live_trading", desk.bars), "--max-cycles", "2")
    assert code == 0, said  # the refused start has given the folder back


def test_a_refused_start_leaves_the_folder_to_the_next(own_run: Desk) -> None:
    """The same process, as a program that embeds the engine would try."""
    model = own_run.run_root / MODEL / "model.txt"
    good = model.read_bytes()
    one_byte_more(model)
    arguments = (*own_run.arguments("run_live_trading", own_run.bars), "--max-cycles", "2")
    assert own_run.refuses("run_live_trading", *arguments)[0] == USAGE
    model.write_bytes(good)
    assert own_run.says("run_live_trading", *arguments)[0] == 0
