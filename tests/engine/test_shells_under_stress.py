"""The three shells where orders fill in parts, cross, expire and are flattened; and where no market closes."""

from __future__ import annotations

# covers: P27, P8, A18, B5
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.resume import recorded_run, start_core
from tests.support.runs import LOW_COST, run_backtest, run_shell

IMPATIENT = {**LOW_COST, "arbitration": {**LOW_COST["arbitration"], "exit_bps": 0.01}}
LIMITS = {"on_trip": "flatten", "max_gross": 0.6, "max_net": 0.2, "max_position_weight": 0.04, "cooldown_s": 600.0}
SLOW = InferenceLatency(usual_ns=500_000_000)


def stressed(max_daily_loss_frac: float, participation_frac: float) -> tuple[EngineConfig, ExchangeConfig]:
    config = EngineConfig.model_validate({**IMPATIENT, "risk": {**LIMITS, "max_daily_loss_frac": max_daily_loss_frac}})
    return config, ExchangeConfig(participation_frac=participation_frac, ack_latency_ms=40, fill_latency_ms=70)


def replayed(state_dir: Path) -> dict[str, str]:
    run = recorded_run(state_dir)
    assert run is not None
    core = start_core(state_dir, run)
    assert feed_journal(core, read_journal(state_dir / FOLDER)).difference is None
    return core.state.digest.texts()


def kinds_on_file(state_dir: Path) -> Counter[str]:
    """Types of events, legs of orders, rules of rejections."""
    found: Counter[str] = Counter()
    for record in read_journal(state_dir / FOLDER):
        if record.kind == "event":
            found[record.data[0]] += 1
        elif record.kind == "commands":
            for name, fields in record.data:
                found[name] += 1
                if name == "SubmitOrder":
                    found[fields["order"]["leg"]] += 1
                for no in fields.get("rejections", []):
                    found[no["rule_id"]] += 1
    return found


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return simulate_market(SimulatedMarketConfig(n_symbols=10, n_sessions=14, halt_probability=0.05))


def test_partial_fills_cancels_and_a_flatten_three_times_the_same(panel: BarPanel, tmp_path: Path) -> None:
    config, venue = stressed(0.00005, 0.0001)
    options = {"start_ns": panel.sessions.sessions[12].open_ns, "exchange": venue, "latency": SLOW}
    backtest = run_backtest(panel, config, **options)
    shell = run_shell(panel, config, state_dir=tmp_path, **options)
    assert backtest.digests == shell.digests == replayed(tmp_path)
    found = kinds_on_file(tmp_path)
    assert found["OrderFill"] > found["SubmitOrder"]  # in parts
    for kind in ("OrderCancelled", "CancelRejected", "exit", "flatten", "TradingStateChanged", "cooldown"):
        assert found[kind] > 0, kind
    assert shell.core.state.ledger == backtest.core.state.ledger
    assert shell.core.state.orders == backtest.core.state.orders


def test_a_thin_market_stopped_and_started(panel: BarPanel, tmp_path: Path) -> None:
    config, venue = stressed(0.01, 0.00003)
    options = {"start_ns": panel.sessions.sessions[12].open_ns, "exchange": venue, "latency": SLOW}
    backtest = run_backtest(panel, config, **options)
    for cycles in (30, 7, 1):
        run_shell(panel, config, state_dir=tmp_path, max_cycles=cycles, **options)
    rest = run_shell(panel, config, state_dir=tmp_path, **options)
    assert rest.digests == backtest.digests == replayed(tmp_path)
    found = kinds_on_file(tmp_path)
    assert found["OrderExpired"] > 0
    assert found["OrderCancelled"] > 20


@pytest.fixture(scope="module")
def always_open() -> BarPanel:
    """Fourteen days of 15-minute bars of five symbols, some bars missing."""
    sessions = session_table("24/7", "2025-03-03", "2025-03-16")
    interval_ns = 900 * 10**9
    chance = np.random.default_rng(11)
    n_bars, n = 96 * len(sessions), 5
    close = 100.0 * np.exp(chance.normal(0.0, 0.002, (n_bars, n)).cumsum(axis=0))
    opened = np.vstack([close[:1], close[:-1]])
    volume = chance.lognormal(8.0, 0.5, (n_bars, n))
    gone = chance.random((n_bars, n)) < 0.01
    bars = {
        "open": opened,
        "high": np.maximum(opened, close) * 1.0005,
        "low": np.minimum(opened, close) * 0.9995,
        "close": close,
        "volume": volume,
        "bid": close * 0.9999,
        "ask": close * 1.0001,
    }
    arrays = {name: np.where(gone, np.nan, values) for name, values in bars.items()}
    return BarPanel.on_grid([f"C{number}" for number in range(n)], interval_ns, sessions, arrays)


def test_a_market_that_never_closes_three_times_the_same(always_open: BarPanel, tmp_path: Path) -> None:
    config = EngineConfig.model_validate(IMPATIENT)
    start_ns = always_open.sessions.sessions[11].open_ns
    thin_venue = ExchangeConfig(participation_frac=0.0005, ack_latency_ms=40)
    backtest = run_backtest(always_open, config, start_ns=start_ns, exchange=thin_venue)
    run_shell(always_open, config, start_ns=start_ns, exchange=thin_venue, state_dir=tmp_path, max_cycles=100)
    shell = run_shell(always_open, config, start_ns=start_ns, exchange=thin_venue, state_dir=tmp_path)
    assert backtest.digests == shell.digests == replayed(tmp_path)
    found = kinds_on_file(tmp_path)
    assert found["OrderFill"] > found["SubmitOrder"] > 20
    assert found["OrderExpired"] == 0
