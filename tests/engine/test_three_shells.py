"""Backtest, asyncio shell in virtual time and replay of its journal take the same decisions."""

from __future__ import annotations

# covers: P27, P8, P17, P22
import shutil
import zlib
from pathlib import Path

import orjson
import pytest

from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.data.historical import LateBar
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.recovery import FeedResult, feed_journal
from LIVE_TRADING.engine.trading_engine import recorded_run, start_core
from tests.support.journals import journal_lines, write_journal
from tests.support.runs import LOW_COST, run_backtest, run_shell

CONFIG = EngineConfig.model_validate(LOW_COST)
HALF_SECOND = 500_000_000


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return simulate_market(SimulatedMarketConfig(n_symbols=12, n_sessions=15))


@pytest.fixture(scope="module")
def start_ns(panel: BarPanel) -> int:
    return panel.sessions.sessions[12].open_ns


def replayed(state_dir: Path) -> tuple[FeedResult, dict[str, str]]:
    run = recorded_run(state_dir)
    assert run is not None
    core = start_core(state_dir, run)
    result = feed_journal(core, read_journal(state_dir / FOLDER))
    return result, core.state.digest.texts()


def test_three_shells_agree(panel: BarPanel, start_ns: int, tmp_path: Path) -> None:
    backtest = run_backtest(panel, CONFIG, start_ns=start_ns)
    shell = run_shell(panel, CONFIG, start_ns=start_ns, state_dir=tmp_path)
    result, digests = replayed(tmp_path)
    assert result.difference is None
    assert backtest.core.state.digest.fill_count > 50
    assert backtest.digests == shell.digests == digests


def test_three_shells_agree_with_latency_a_late_bar_and_a_skipped_cycle(
    panel: BarPanel, start_ns: int, tmp_path: Path
) -> None:
    interval_ns = panel.interval_ns
    late = [LateBar(panel.symbols[3], start_ns + 5 * interval_ns, 3_000_000_000)]
    skipping = start_ns + 9 * interval_ns
    latency = InferenceLatency(HALF_SECOND, 3600 * 10**9, {skipping: interval_ns + HALF_SECOND})
    exchange = ExchangeConfig(ack_latency_ms=40, fill_latency_ms=70)
    options = {"start_ns": start_ns, "late": late, "latency": latency, "exchange": exchange}
    backtest = run_backtest(panel, CONFIG, **options)
    shell = run_shell(panel, CONFIG, state_dir=tmp_path, **options)
    result, digests = replayed(tmp_path)
    assert result.difference is None
    assert backtest.digests == shell.digests == digests
    kinds = [
        entry[1].get("reason", entry[1].get("kind"))
        for record in read_journal(tmp_path / FOLDER)
        if record.kind == "commands"
        for entry in record.data
        if entry[0] in ("CycleSkipped", "Anomaly")
    ]
    assert "skipped_overlap" in kinds
    assert "late_bar" in kinds
    assert backtest.digests != run_backtest(panel, CONFIG, start_ns=start_ns).digests


def test_a_changed_price_is_named_with_cycle_stage_and_symbol(panel: BarPanel, start_ns: int, tmp_path: Path) -> None:
    run_shell(panel, CONFIG, start_ns=start_ns, state_dir=tmp_path / "run", max_cycles=20)
    copied = tmp_path / "copy"
    shutil.copytree(tmp_path / "run", copied)
    column, changed_ns = 5, start_ns + 7 * panel.interval_ns
    lines = []
    for line in journal_lines(copied):
        body = orjson.loads(line)["body"]
        if body["kind"] == "event" and body["data"][0] == "BarBatch" and body["data"][1]["bar_end_ns"] == changed_ns:
            body["data"][1]["close"][column] *= 1.001
        raw = orjson.dumps(body)
        lines.append(b'{"crc":"%08x","body":%b}\n' % (zlib.crc32(raw), raw))
    write_journal(copied, lines)
    result, _ = replayed(copied)
    assert result.difference is not None
    assert result.difference.cycle_time_ns == changed_ns
    assert result.difference.stage == "bars"
    assert result.difference.symbol == panel.symbols[column]


def test_a_stopped_run_goes_on_where_it_stopped(panel: BarPanel, start_ns: int, tmp_path: Path) -> None:
    whole = run_backtest(panel, CONFIG, start_ns=start_ns)
    assert whole.core.state.digest.cycles > 150
    part = run_shell(panel, CONFIG, start_ns=start_ns, state_dir=tmp_path, max_cycles=90)
    assert part.core.state.digest.cycles == 90
    resumed = run_shell(panel, CONFIG, start_ns=start_ns, state_dir=tmp_path, max_cycles=60)
    assert resumed.core.state.digest.cycles == 150
    rest = run_shell(panel, CONFIG, start_ns=start_ns, state_dir=tmp_path)
    assert rest.digests == whole.digests
    result, digests = replayed(tmp_path)
    assert result.difference is None
    assert digests == whole.digests
