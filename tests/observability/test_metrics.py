"""Metrics equal the truth of what was emitted."""

# covers: P19

from __future__ import annotations

import urllib.request
from decimal import Decimal

import pytest
from notice_samples import emit_all

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.observability import EventType, NoticeBus, emit
from LIVE_TRADING.observability.metrics import MetricsCollector


@pytest.fixture
def metrics() -> MetricsCollector:
    return MetricsCollector()


@pytest.fixture
def bus(metrics: MetricsCollector) -> NoticeBus:
    bus = NoticeBus()
    bus.subscribe("metrics", metrics)
    return bus


def value(metrics: MetricsCollector, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"live_trading_{name}", labels)


def test_every_type_is_heard(bus: NoticeBus, metrics: MetricsCollector) -> None:
    assert {value(metrics, "notices_total", type=kind.value) for kind in EventType} == {0.0}
    emit_all(bus)
    emit_all(bus)
    assert {value(metrics, "notices_total", type=kind.value) for kind in EventType} == {2.0}
    assert not bus.failures


def test_two_collectors_live_side_by_side(bus: NoticeBus, metrics: MetricsCollector) -> None:
    other = MetricsCollector()
    emit_all(bus)
    assert value(other, "notices_total", type="error") == 0.0


def test_fills_and_trades(bus: NoticeBus, metrics: MetricsCollector) -> None:
    for fee in (Decimal("1.25"), Decimal("-0.5")):
        emit.emit_order_filled(
            bus, 1, client_order_id="o", execution_id="e", symbol="A", side="buy", leg="entry", quantity=Decimal(3),
            price=Decimal("10.5"), fee=fee, currency="USD", complete=True,
        )  # fmt: skip
    for pnl in ("5", "-2", "-1", "0"):
        emit.emit_trade_closed(
            bus, 1, symbol="A", side="long", horizon="5m", net_pnl=Decimal(pnl), fees=Decimal(1), reason="exit_elapsed"
        )
    assert value(metrics, "fills_total", leg="entry", side="buy") == 2
    assert value(metrics, "fees_total", currency="USD") == 1.25
    assert value(metrics, "filled_notional_total", currency="USD") == 63
    assert value(metrics, "trades_closed_total", side="long", result="loss") == 2
    assert value(metrics, "trades_closed_total", side="long", result="flat") == 1
    assert value(metrics, "trades_net_pnl") == 2


def test_cycle_and_stages(bus: NoticeBus, metrics: MetricsCollector) -> None:
    decisions = {"arbitration": {"below_cost": 7}, "risk": {"ordered": 2}}
    emit.emit_cycle_end(
        bus, 1, cycle_time_ns=2_000_000_000, cycle=1, orders=2, rejections=0, decisions=decisions, duration_s=0.004
    )
    emit.emit_stage_completed(bus, 1, cycle_time_ns=1, stage="sizing", reasons={"sized": 3, "below_lot": 1})
    emit.emit_stage_completed(bus, 1, cycle_time_ns=1, stage="sizing", reasons={"sized": 2}, duration_s=0.001)
    emit.emit_inference_completed(bus, 1, cycle_time_ns=1, duration_s=0.02)
    assert value(metrics, "cycle_seconds_count") == 1
    assert value(metrics, "cycle_seconds_bucket", le="0.005") == 1
    assert value(metrics, "cycle_seconds_bucket", le="0.0025") == 0
    assert value(metrics, "cycle_time_seconds") == 2
    assert value(metrics, "stage_symbols_total", stage="sizing", reason="sized") == 5
    assert value(metrics, "stage_seconds_count", stage="sizing") == 1
    assert value(metrics, "inference_seconds_sum") == 0.02
    assert value(metrics, "settled_symbols_total", stage="arbitration", reason="below_cost") == 7


def test_account_and_states(bus: NoticeBus, metrics: MetricsCollector) -> None:
    assert value(metrics, "trading_state", state="active") == 1
    emit.emit_account_marked(
        bus, 1, equity=Decimal("99000.5"), cash=Decimal("50"), positions=2, gross=0.4, net=-0.1, drawdown_frac=-0.01,
        daily_loss_frac=-0.005,
    )  # fmt: skip
    emit.emit_trading_state_changed(bus, 1, old="active", new="halted", rule_id="drawdown", message="m")
    emit.emit_broker_connected(bus, 1, broker="paper", account="x")
    emit.emit_session_open(bus, 1, date="2025-01-02", bars=78)
    assert value(metrics, "equity_usd") == 99000.5
    assert value(metrics, "drawdown_frac") == -0.01
    assert [value(metrics, "trading_state", state=state) for state in ("active", "reduce_only", "halted")] == [0, 0, 1]
    assert (value(metrics, "broker_connected"), value(metrics, "session_open")) == (1, 1)
    emit.emit_broker_disconnected(bus, 1, broker="paper", reason="shutdown", expected=True)
    emit.emit_session_close(bus, 1, date="2025-01-02", expired_orders=0)
    assert (value(metrics, "broker_connected"), value(metrics, "session_open")) == (0, 0)


def test_served_on_loopback(bus: NoticeBus, metrics: MetricsCollector) -> None:
    emit_all(bus)
    port = metrics.serve(0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            body = response.read()
        assert b'live_trading_notices_total{type="kill_switch"} 1.0' in body
        assert b'live_trading_notices_total{type="kill_switch"} 1.0' in metrics.render()
        with pytest.raises(ConfigurationError, match=f"--metrics-port {port}: .* cannot be had"):
            MetricsCollector().serve(port)
    finally:
        metrics.close()
        metrics.close()
