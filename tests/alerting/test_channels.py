"""Channels that work in the background: nothing blocks, nothing is lost silently."""

# covers: P19

from __future__ import annotations

import json
import math
import threading
from queue import Queue

import pytest

from LIVE_TRADING.alerting import Alert, BackgroundChannel, DeliveryError, LogChannel
from LIVE_TRADING.alerting.channels import alert_body
from LIVE_TRADING.observability import EventType, Notice, Severity
from LIVE_TRADING.observability.logging import configure_logging


def alert(time_ns: int = 0, **fields: object) -> Alert:
    return Alert(Severity.ERROR, Notice(EventType.ERROR, time_ns, {"component": "feed", **fields}))


def test_alerts_are_delivered_in_order_and_flushed_on_close() -> None:
    delivered: list[int] = []
    channel = BackgroundChannel("x", lambda sent: delivered.append(sent.notice.time_ns))
    for time_ns in range(50):
        channel.send(alert(time_ns))
    channel.close(20)
    assert delivered == list(range(50))
    assert not channel.failures


def test_a_receiver_that_hangs_blocks_no_sender() -> None:
    release, started = threading.Event(), threading.Event()

    def hang(sent: Alert) -> None:
        started.set()
        release.wait(30)

    channel = BackgroundChannel("x", hang, queue_size=4)
    channel.send(alert())
    assert started.wait(20)
    for time_ns in range(1000):  # comes back at once each time, or this test would hang with the receiver
        channel.send(alert(time_ns))
    assert [failure.message for failure in channel.failures] == ["dropped, too many alerts wait"] * 996
    channel.failures.clear()
    channel.close(0.01)
    assert [failure.message for failure in channel.failures] == ["undelivered at shutdown"] * 4
    release.set()


def test_transient_failures_are_tried_again_and_closing_cuts_the_pauses() -> None:
    tries: Queue[int] = Queue()

    def fail_twice(sent: Alert) -> None:
        tries.put(1)
        if tries.qsize() < 3:
            raise DeliveryError("HTTP 503", transient=True)

    channel = BackgroundChannel("x", fail_twice, backoff_s=3600)
    channel.send(alert())
    channel.close(20)
    assert tries.qsize() == 3
    assert not channel.failures


@pytest.mark.parametrize(
    ("error", "message", "tries"),
    [
        (DeliveryError("HTTP 503", transient=True), "HTTP 503 (2 attempts)", 2),
        (DeliveryError("HTTP 404", transient=False), "HTTP 404 (1 attempts)", 1),
        (ZeroDivisionError("a bug"), "ZeroDivisionError", 1),
    ],
)
def test_what_cannot_be_delivered_is_reported_and_the_next_goes_out(error: Exception, message: str, tries: int) -> None:
    seen: list[int] = []

    def deliver(sent: Alert) -> None:
        seen.append(sent.notice.time_ns)
        if sent.notice.time_ns == 1:
            raise error

    channel = BackgroundChannel("x", deliver, attempts=2, backoff_s=0.001)
    channel.send(alert(1))
    channel.send(alert(2))
    channel.close(20)
    assert seen == [1] * tries + [2]
    assert [(failure.type, failure.message) for failure in channel.failures] == [(EventType.ERROR, message)]


def test_an_alert_says_everything_in_one_line_and_as_json() -> None:
    sent = Alert(Severity.CRITICAL, Notice(EventType.ERROR, 1, {"component": "feed", "severity": "error"}), 2)
    assert sent.text == "[CRITICAL] error 1970-01-01T00:00:00.000000001Z component=feed (and 2 more before)"
    assert json.loads(alert_body(sent)) == {
        "text": sent.text,
        "severity": "critical",
        "type": "error",
        "time_utc": "1970-01-01T00:00:00.000000001Z",
        "held_back": 2,
        "fields": {"component": "feed"},
    }


def test_an_infinite_value_does_not_cost_the_alert() -> None:
    assert json.loads(alert_body(alert(value=math.inf)))["fields"] == {"component": "feed", "value": "inf"}


def test_the_log_channel_writes_at_the_alerts_severity(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning")
    channel = LogChannel()
    channel.send(alert(message="m"))
    channel.close(1)
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["level"], line["type"], line["logger"]) == ("error", "error", "live_trading.alert")
    assert line["fields"] == {"component": "feed", "message": "m"}
