"""The webhook against a real receiver on the loopback."""

# covers: P19

from __future__ import annotations

import threading

import pytest
from pydantic import SecretStr
from receivers import receiver

from LIVE_TRADING.alerting import AlertingConfig, AlertManager, WebhookChannel, WebhookConfig, alert_channels
from LIVE_TRADING.common.config import FrozenConfig, load_tree
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.observability import EventType, NoticeBus, Severity
from LIVE_TRADING.observability.emit import emit_kill_switch, emit_order_rejected


def config(url: str, **changes: object) -> WebhookConfig:
    return WebhookConfig(url=SecretStr(url), backoff_s=0.01, **changes)  # type: ignore[arg-type]


def manager(webhook: WebhookConfig) -> tuple[NoticeBus, AlertManager, WebhookChannel]:
    bus, channel = NoticeBus(), WebhookChannel(webhook)
    alerts = AlertManager(AlertingConfig(webhook=webhook), [channel])
    alerts.attach(bus)
    return bus, alerts, channel


def test_an_alert_arrives_and_a_warning_does_not() -> None:
    with receiver() as host:
        bus, alerts, _ = manager(config(host.url))
        emit_order_rejected(
            bus,
            1,
            source="venue",
            symbol="A",
            side="buy",
            quantity=1,
            rule_id="r",
            message="m",  # type: ignore[arg-type]
        )
        emit_kill_switch(bus, 2, source="file", reason="touched")
        body = host.take()
        alerts.close()
        assert host.bodies.empty()
    assert (body["type"], body["severity"]) == ("kill_switch", "critical")
    assert body["fields"] == {"source": "file", "reason": "touched"}
    assert body["text"].startswith("[CRITICAL] kill_switch")


def test_a_busy_receiver_is_tried_again() -> None:
    with receiver([500, 429]) as host:
        bus, alerts, channel = manager(config(host.url))
        emit_kill_switch(bus, 1, source="file", reason="r")
        assert [host.take()["type"] for _ in range(3)] == ["kill_switch"] * 3
        alerts.close()
    assert not channel.failures


@pytest.mark.parametrize(
    ("statuses", "message"), [([404], "HTTP 404 (1 attempts)"), ([503] * 2, "HTTP 503 (2 attempts)")]
)
def test_a_refusal_becomes_a_notice_without_the_url(statuses: list[int], message: str) -> None:
    with receiver(statuses) as host:
        bus, alerts, _ = manager(config(host.url, attempts=2))
        heard = []
        bus.subscribe("ear", heard.append, [EventType.ALERT_FAILED])
        emit_kill_switch(bus, 1, source="file", reason="r")
        alerts.close()
    assert [notice.fields for notice in heard] == [{"channel": "webhook", "alert": "kill_switch", "message": message}]


def test_a_url_that_leads_nowhere_is_reported_and_stays_secret() -> None:
    bus, alerts, _ = manager(config("http://127.0.0.1:1/s3cret", attempts=1))
    heard = []
    bus.subscribe("ear", heard.append, [EventType.ALERT_FAILED])
    emit_kill_switch(bus, 1, source="file", reason="r")
    alerts.close()
    assert [notice.fields["message"] for notice in heard] == ["ConnectError (1 attempts)"]


@pytest.mark.parametrize("url", ["ftp://s3cret", "http://[s3cret", "s3cret", "http:///s3cret"])
def test_what_is_no_web_address_is_refused_without_repeating_it(url: str) -> None:
    class Tree(FrozenConfig):
        alerting: AlertingConfig = AlertingConfig()

    with pytest.raises(ConfigurationError) as caught:
        load_tree(Tree, env={"LIVE_TRADING__ALERTING__WEBHOOK__URL": url})
    assert str(caught.value).endswith(
        "LIVE_TRADING__ALERTING__WEBHOOK__URL: alerting.webhook.url = **********: "
        "must start with http:// or https:// and name a host"
    )


def test_a_hanging_receiver_times_out() -> None:
    with receiver() as host:
        host.hang = threading.Event()
        bus, alerts, _ = manager(config(host.url, attempts=1, timeout_s=0.05))
        heard = []
        bus.subscribe("ear", heard.append, [EventType.ALERT_FAILED])
        emit_kill_switch(bus, 1, source="file", reason="r")
        alerts.close()
    assert [notice.fields["message"] for notice in heard] == ["ReadTimeout (1 attempts)"]


def test_the_configured_channels() -> None:
    with receiver() as host:
        channels = alert_channels(AlertingConfig(webhook=config(host.url, min_severity=Severity.CRITICAL)))
        assert [(channel.name, channel.min_severity) for channel in channels] == [
            ("log", Severity.DEBUG),
            ("webhook", Severity.CRITICAL),
        ]
        for channel in channels:
            channel.close(20)
