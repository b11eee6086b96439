"""One week of real bars, three times the same: backtest, asyncio shell in virtual time, replay of the journal."""

# covers: P27, P8, P9, P33

from __future__ import annotations

import asyncio
import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from digests_of_world import LATE_SYMBOL, bar_end_ns, both_shells
from real_runs import WEEK, Trail, World, low_cost, source_of

from LIVE_TRADING.backtest.outputs import write_outputs
from LIVE_TRADING.backtest.record import BacktestRecord
from LIVE_TRADING.cli.backtest import BacktestRequest, backtest
from LIVE_TRADING.cli.live import LiveRequest, build_engine, trade
from LIVE_TRADING.cli.replay import replay_session
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.units import NS_PER_DAY
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.recovery import FeedResult, feed_journal
from LIVE_TRADING.engine.trading_engine import recorded_run, start_core

REPO = Path(__file__).resolve().parents[2]
NAMES = ("decision_digest", "trace_digest", "fills_digest", "run_digest")


@dataclass(frozen=True)
class Week:
    """The three runs of the week."""

    record: BacktestRecord
    live: dict[str, str]
    live_positions: dict[str, Decimal]
    replayed: dict[str, str]
    fed: FeedResult
    state_dir: Path

    @property
    def backtested(self) -> dict[str, str]:
        return {name: getattr(self.record.identity, name) for name in NAMES}


@pytest.fixture(scope="module")
def week(world: World, panel: BarPanel, tmp_path_factory: pytest.TempPathFactory) -> Week:
    settings, state_dir = low_cost(), tmp_path_factory.mktemp("week") / "state"
    source = source_of(panel, settings)
    record = backtest(source, settings, BacktestRequest(world.run_root, "week", *WEEK))
    engine = build_engine(source, settings, LiveRequest(world.run_root, "week", *WEEK, state_dir=state_dir))
    try:
        asyncio.run(trade(engine))
    finally:
        engine.close()
    run = recorded_run(state_dir)
    assert run is not None
    core = start_core(state_dir, run)
    fed = feed_journal(core, read_journal(state_dir / FOLDER))
    state = engine.core.state
    return Week(
        record,
        state.digest.texts(),
        {symbol: held.quantity for symbol, held in state.ledger.positions.items()},
        core.state.digest.texts(),
        fed,
        state_dir,
    )


def test_backtest_shell_and_replay_give_equal_digests(week: Week) -> None:
    assert week.fed.difference is None
    assert week.backtested == week.live == week.replayed
    assert all(len(week.backtested[name]) == 64 for name in NAMES)
    assert len(set(week.backtested.values())) == len(NAMES)


def test_the_week_is_worth_comparing(week: Week) -> None:
    """Fills, parts of fills, refused orders, positions held overnight: without them equal digests would say little."""
    record = week.record
    assert len(record.scope.symbols) == 81
    assert record.effort.cycles == 4 * 78 + 42
    assert record.effort.warmup_cycles == 78
    assert len(record.fills) >= 50
    assert {fill.side for fill in record.fills} == {"buy", "sell"}
    assert {order.leg for order in record.orders} >= {"entry", "exit"}
    filled_in_parts = len(record.fills) - len({fill.order_id for fill in record.fills})
    assert filled_in_parts >= 1
    assert any(0 < order.filled_quantity < order.quantity for order in record.orders)
    assert {refused.rule_id for refused in record.rejections} == {"position_limit"}
    overnight = [
        trade for trade in record.trades if trade.exit_time_ns // NS_PER_DAY > trade.entry_time_ns // NS_PER_DAY
    ]
    assert sum(trade.horizon == "1d" for trade in overnight) >= 1
    assert {trade.side for trade in record.trades} == {"long", "short"}


def test_the_venue_of_the_shell_holds_what_the_ledger_says(week: Week) -> None:
    venue = json.loads((week.state_dir / "paper_venue.json").read_bytes())["exchange"]
    assert {name: Decimal(held) for name, held in venue["positions"].items()} == week.live_positions
    assert Decimal(venue["cash"]) == week.record.equity.cash_usd[-1]


def test_the_files_of_the_backtest_add_up(week: Week, tmp_path: Path) -> None:
    """Cash and positions, recomputed from fills.csv alone, are those of equity.csv."""
    write_outputs(week.record, tmp_path / "out")
    with (tmp_path / "out" / "fills.csv").open(newline="") as stream:
        fills = list(csv.DictReader(stream))
    with (tmp_path / "out" / "equity.csv").open(newline="") as stream:
        last = list(csv.DictReader(stream))[-1]
    cash, held = Decimal(1_000_000), dict.fromkeys(week.record.scope.symbols, Decimal(0))
    for fill in fills:
        signed = Decimal(fill["quantity"]) * (1 if fill["side"] == "buy" else -1)
        held[fill["symbol"]] += signed
        cash -= signed * Decimal(fill["price"]) + Decimal(fill["fee"])
    worth = sum((held[symbol] * mark for symbol, mark in week.record.marks.items()), Decimal(0))
    assert {symbol: quantity for symbol, quantity in held.items() if quantity} == week.live_positions
    assert abs(cash - Decimal(last["cash_usd"])) < Decimal("0.01")
    assert abs(worth - Decimal(last["positions_usd"])) < Decimal("0.01")


def test_the_verb_replays_the_journal(week: Week, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay_session(week.state_dir, None, None) == 0
    said = capsys.readouterr().out
    assert f"{week.fed.events:,} events, {week.fed.commands:,} commands" in said
    assert all(digest in said for digest in week.backtested.values())


# -- the same over processes -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(world: World, panel: BarPanel) -> tuple[Trail, Trail]:
    return both_shells(panel, world.run_root, disturbed=False)


@pytest.fixture(scope="module")
def disturbed(world: World, panel: BarPanel) -> tuple[Trail, Trail]:
    return both_shells(panel, world.run_root, disturbed=True)


def test_both_shells_agree_undisturbed(plain: tuple[Trail, Trail]) -> None:
    backtest_trail, shell_trail = plain
    assert backtest_trail.digests == shell_trail.digests
    assert len(backtest_trail.fills) >= 50


def test_both_shells_agree_with_latency_a_late_bar_and_a_skipped_cycle(
    panel: BarPanel, plain: tuple[Trail, Trail], disturbed: tuple[Trail, Trail]
) -> None:
    for trail in disturbed:
        assert [(skip.reason, skip.cycle_time_ns) for skip in trail.skipped] == [
            ("skipped_overlap", bar_end_ns(panel, 10))
        ]
        late = [said.message for said in trail.anomalies if said.kind == "late_bar"]
        assert len(late) == 1
        assert LATE_SYMBOL in late[0]
        stale = [cycle for cycle in trail.cycles if Reason.STALE_PREDICTIONS in cycle.trace.reasons]
        assert [cycle.scheduled_time_ns for cycle in stale] == [bar_end_ns(panel, 9)]
        assert len(trail.fills) >= 50
    assert disturbed[0].digests == disturbed[1].digests
    assert all(disturbed[0].digests[name] != plain[0].digests[name] for name in NAMES)


@pytest.mark.parametrize(
    ("variables", "reordered"),
    [
        pytest.param({"PYTHONHASHSEED": "0"}, False, id="hash-seed-0"),
        pytest.param({"PYTHONHASHSEED": "1"}, False, id="hash-seed-1"),
        pytest.param({"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}, False, id="two-threads"),
        pytest.param({}, True, id="symbols-in-another-order"),
    ],
)
def test_another_process_gives_the_same(
    world: World,
    plain: tuple[Trail, Trail],
    disturbed: tuple[Trail, Trail],
    variables: dict[str, str],
    reordered: bool,
    tmp_path: Path,
) -> None:
    bars = world.bars
    if reordered:
        bars = tmp_path / "reordered.parquet"
        table = pq.read_table(world.bars)
        rows = pc.sort_indices(table, sort_keys=[("timestamp", "ascending"), ("symbol", "descending")])
        pq.write_table(table.take(rows), bars)
        assert pq.read_table(bars)["symbol"].unique().to_pylist()[0] == "XYZ"
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("digests_of_world.py")), str(bars), str(world.run_root)],
        env={**os.environ, **one_thread, **variables, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "plain backtest": plain[0].digests,
        "plain shell": plain[0].digests,
        "disturbed backtest": disturbed[0].digests,
        "disturbed shell": disturbed[0].digests,
    }
