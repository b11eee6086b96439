"""Which notices become alerts, how often, and where they go."""

# covers: P19

from __future__ import annotations

from pathlib import Path

import pytest
from notice_samples import emit_all
from receivers import KeepingChannel

from LIVE_TRADING.alerting import AlertingConfig, AlertManager, AlertRule, LogChannel, alert_channels
from LIVE_TRADING.alerting.channels import DeliveryFailure
from LIVE_TRADING.common.config import FrozenConfig, load_tree
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.observability import EventType, NoticeBus, Severity
from LIVE_TRADING.observability.emit import (
    emit_error,
    emit_kill_switch,
    emit_order_rejected,
    emit_trading_state_changed,
)

REPO = Path(__file__).resolve().parents[2]


def attached(config: AlertingConfig, *channels: KeepingChannel) -> NoticeBus:
    bus = NoticeBus()
    AlertManager(config, channels).attach(bus)
    return bus


def reject(bus: NoticeBus, time_s: float, rule_id: str = "r", symbol: str = "A") -> None:
    emit_order_rejected(
        bus,
        round(time_s * NS_PER_S),
        source="pre_trade",
        symbol=symbol,
        side="buy",
        quantity=1,  # type: ignore[arg-type]
        rule_id=rule_id,
        message="m",
    )


def test_every_type_is_heard() -> None:
    channel = KeepingChannel()
    bus = attached(AlertingConfig(min_severity=Severity.DEBUG), channel)
    emit_all(bus)
    assert sorted(alert.notice.type for alert in channel.alerts) == sorted(EventType)
    assert not bus.failures


def test_by_default_warnings_and_worse_are_alerts() -> None:
    channel = KeepingChannel()
    emit_all(attached(AlertingConfig(), channel))
    assert channel.alerts
    assert all(alert.severity.level >= Severity.WARNING.level for alert in channel.alerts)
    assert {EventType.KILL_SWITCH, EventType.GUARDRAIL_TRIPPED, EventType.HANDLER_FAILED} <= {
        alert.notice.type for alert in channel.alerts
    }


def test_like_alerts_are_held_back_and_counted() -> None:
    channel = KeepingChannel()
    bus = attached(AlertingConfig(min_interval_s=60), channel)
    for time_s in (0, 1, 59.9, 60, 61):
        reject(bus, time_s)
    assert [(alert.notice.time_ns // NS_PER_S, alert.held_back) for alert in channel.alerts] == [(0, 0), (60, 2)]
    assert channel.alerts[1].text.endswith("(and 2 more before)")


def test_a_rise_in_severity_is_never_held_back() -> None:
    channel = KeepingChannel()
    bus = attached(AlertingConfig(), channel)
    for new in ("reduce_only", "halted", "halted", "active"):
        emit_trading_state_changed(bus, 1, old="active", new=new, rule_id="r", message="m")
    assert [alert.notice.fields["new"] for alert in channel.alerts] == ["reduce_only", "halted"]


def test_groups_are_counted_apart() -> None:
    rule = AlertRule(group_by=("rule_id",))
    channel = KeepingChannel()
    bus = attached(AlertingConfig(rules={EventType.ORDER_REJECTED: rule}), channel)
    for rule_id in ("a", "b", "a"):
        reject(bus, 1, rule_id)
    assert [alert.notice.fields["rule_id"] for alert in channel.alerts] == ["a", "b"]


def test_repeated_rejections_alert_once() -> None:
    rule = AlertRule(threshold=3, window_s=10, severity=Severity.ERROR, min_interval_s=1000)
    channel = KeepingChannel()
    bus = attached(AlertingConfig(rules={EventType.ORDER_REJECTED: rule}), channel)
    for time_s in (0, 6, 12, 15, 16, 17):
        reject(bus, time_s)
    assert [(alert.notice.time_ns // NS_PER_S, alert.severity) for alert in channel.alerts] == [(15, Severity.ERROR)]


def test_a_rule_can_switch_a_type_off_and_raise_another() -> None:
    rules = {
        EventType.ERROR: AlertRule(enabled=False),
        EventType.SESSION_OPEN: AlertRule(severity=Severity.WARNING),
        EventType.KILL_SWITCH: AlertRule(min_interval_s=0),
    }
    channel = KeepingChannel()
    bus = attached(AlertingConfig(rules=rules), channel)
    emit_all(bus)
    emit_all(bus)
    kinds = [alert.notice.type for alert in channel.alerts]
    assert EventType.ERROR not in kinds
    assert kinds.count(EventType.SESSION_OPEN) == 1
    assert kinds.count(EventType.KILL_SWITCH) == 2


def test_channels_take_what_is_meant_for_them() -> None:
    rules = {EventType.ERROR: AlertRule(channels=("all",))}
    everything, loud = KeepingChannel("all"), KeepingChannel("loud", Severity.CRITICAL)
    bus = attached(AlertingConfig(rules=rules), everything, loud)
    emit_error(bus, 1, component="x", message="m")
    reject(bus, 1)
    emit_kill_switch(bus, 1, source="cli", reason="r")
    assert [alert.notice.type for alert in loud.alerts] == [EventType.KILL_SWITCH]
    assert len(everything.alerts) == 3


def test_a_channel_that_does_not_exist_is_named() -> None:
    rules = {EventType.ERROR: AlertRule(channels=("pager",))}
    with pytest.raises(
        ConfigurationError, match=r"alerting\.rules\.error\.channels: pager is not set up; there is keep"
    ):
        AlertManager(AlertingConfig(rules=rules), [KeepingChannel()])


def test_failures_are_told_with_the_next_notice_and_not_to_the_channel_that_failed() -> None:
    failing, other = KeepingChannel("failing"), KeepingChannel("other")
    bus = NoticeBus()
    heard = []
    manager = AlertManager(AlertingConfig(), [failing, other])
    manager.attach(bus)
    bus.subscribe("ear", heard.append, [EventType.ALERT_FAILED])
    failing.failures.append(DeliveryFailure(EventType.KILL_SWITCH, "HTTP 500"))
    reject(bus, 3)
    assert [(notice.fields["channel"], notice.fields["alert"], notice.time_ns) for notice in heard] == [
        ("failing", "kill_switch", 3 * NS_PER_S)
    ]
    assert EventType.ALERT_FAILED in [alert.notice.type for alert in other.alerts]
    assert EventType.ALERT_FAILED not in [alert.notice.type for alert in failing.alerts]
    failing.failures.append(DeliveryFailure(EventType.ERROR, "HTTP 500"))
    manager.close()
    assert len(heard) == 2
    assert failing.closed and other.closed
    sent = len(other.alerts)
    reject(bus, 1000)
    assert len(other.alerts) == sent


def test_memory_is_bounded() -> None:
    rule = AlertRule(group_by=("symbol",))
    manager = AlertManager(AlertingConfig(rules={EventType.ORDER_REJECTED: rule}), [])
    bus = NoticeBus()
    manager.attach(bus)
    for number in range(10_050):
        reject(bus, 1, symbol=str(number))
    assert len(manager._groups) == 10_000


def test_the_shipped_rules_are_read_and_name_only_what_exists() -> None:
    class Tree(FrozenConfig):
        alerting: AlertingConfig = AlertingConfig()

    config = load_tree(Tree, [REPO / "CONFIG" / "alerts.yaml"]).config.alerting
    channels = alert_channels(config)
    assert [type(channel) for channel in channels] == [LogChannel]
    channel = KeepingChannel()
    bus = attached(
        config.model_copy(
            update={"rules": {k: r.model_copy(update={"channels": None}) for k, r in config.rules.items()}}
        ),
        channel,
    )
    for time_s in range(20):
        emit_all(bus, time_s * NS_PER_S)
    kinds = {alert.notice.type for alert in channel.alerts}
    assert {EventType.KILL_SWITCH, EventType.ORDER_REJECTED, EventType.JOURNAL_ERROR} <= kinds
    # the log says them as information; as alerts it would say them a second time, as warnings
    assert not kinds & {EventType.CYCLE_START, EventType.ENGINE_START, EventType.ENGINE_STOP}
    assert not bus.failures
