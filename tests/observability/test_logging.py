"""Logs are JSON, carry their context, and keep secrets to themselves."""

# covers: B26

from __future__ import annotations

import io
import json
import logging
import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from notice_samples import emit_all

from LIVE_TRADING.common.clock import SimulatedClock
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.observability import EventType, NoticeBus
from LIVE_TRADING.observability.emit import emit_broker_disconnected
from LIVE_TRADING.observability.logging import (
    LOG_NAME,
    NoticeLogger,
    bind_context,
    clear_context,
    configure_logging,
    get_logger,
)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    yield io.StringIO()
    clear_context()
    for handler in [handler for handler in logging.getLogger().handlers if handler.name == "live_trading"]:
        logging.getLogger().removeHandler(handler)
        handler.close()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_and_context(stream: io.StringIO) -> None:
    configure_logging("info", clock=SimulatedClock(1_500_000_000), stream=stream)
    bind_context(run_id="r1", mode="paper")
    get_logger("engine").info("started", equity=Decimal("10.50"), symbols=("A", "B"))
    get_logger("engine").debug("not told")
    assert lines(stream) == [
        {
            "event": "started",
            "equity": "10.5",
            "symbols": ["A", "B"],
            "run_id": "r1",
            "mode": "paper",
            "level": "info",
            "logger": "live_trading.engine",
            "time": "1970-01-01T00:00:01.5Z",
        }
    ]


def test_context_can_be_cleared(stream: io.StringIO) -> None:
    configure_logging(stream=stream)
    bind_context(run_id="r1")
    clear_context()
    get_logger("engine").info("x")
    assert "run_id" not in lines(stream)[0]


def test_secrets_are_blanked(stream: io.StringIO) -> None:
    configure_logging(stream=stream)
    get_logger("engine").info("x", api_key="k1", webhook_token="k2", symbol="A")
    assert "k1" not in stream.getvalue()
    assert "k2" not in stream.getvalue()
    assert lines(stream)[0]["symbol"] == "A"


def test_exceptions_carry_their_trace(stream: io.StringIO) -> None:
    configure_logging(stream=stream)
    try:
        raise ZeroDivisionError("oh")
    except ZeroDivisionError:
        get_logger("engine").exception("failed")
    (line,) = lines(stream)
    assert "ZeroDivisionError: oh" in line["exception"]


def test_libraries_speak_json_from_warning_on(stream: io.StringIO) -> None:
    configure_logging("debug", stream=stream)
    logging.getLogger("httpx").info("HTTP Request: POST https://hooks/secret")
    logging.getLogger("other").warning("careful %s", "now", extra={"code": 3})
    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["level"], line["code"]) == ("careful now", "other", "warning", 3)


@pytest.mark.parametrize("value", [math.inf, object(), "\udcff", {1: 2}])
def test_a_line_is_never_lost_for_its_contents(stream: io.StringIO, value: object) -> None:
    configure_logging(stream=stream)
    get_logger("engine").info("x", value=value)
    assert lines(stream)[0]["event"] == "x"


def test_the_file_holds_what_stderr_shows(stream: io.StringIO, tmp_path: Path) -> None:
    configure_logging(log_dir=tmp_path / "logs", stream=stream)
    get_logger("engine").warning("é")
    assert (tmp_path / "logs" / LOG_NAME).read_text(encoding="utf-8") == stream.getvalue()


def test_a_second_call_replaces_the_first(stream: io.StringIO) -> None:
    configure_logging(stream=io.StringIO())
    configure_logging(stream=stream)
    get_logger("engine").info("x")
    assert len(lines(stream)) == 1


def test_bad_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--log-level loud: one of debug, info"):
        configure_logging("loud")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"--log-dir .*file: cannot be written"):
        configure_logging(log_dir=tmp_path / "file")


def test_a_notice_looks_like_any_other_line(stream: io.StringIO) -> None:
    clock = SimulatedClock(1_500_000_000)
    configure_logging("info", clock=clock, stream=stream)
    bind_context(run_id="r1")
    bus = NoticeBus()
    bus.subscribe("log", NoticeLogger(clock))
    emit_broker_disconnected(bus, 1_000_000_000, broker="paper", reason="shutdown", expected=True)
    fields = {"broker": "paper", "reason": "shutdown", "time_utc": "1970-01-01T00:00:01Z"}
    get_logger("notice").info("broker_disconnected", **fields)
    direct, chained = lines(stream)
    assert direct == chained
    assert direct["run_id"] == "r1"


@pytest.mark.parametrize("level", ["debug", "warning"])
def test_every_notice_is_logged_at_its_severity(stream: io.StringIO, level: str) -> None:
    configure_logging(level, stream=stream)
    bus = NoticeBus()
    heard = []
    bus.subscribe("log", NoticeLogger())
    bus.subscribe("ear", heard.append)
    emit_all(bus)
    assert not bus.failures
    least = logging.getLevelName(level.upper())
    assert [(line["event"], line["level"]) for line in lines(stream)] == [
        (notice.type.value, notice.severity.value) for notice in heard if notice.severity.level >= least
    ]
    assert len(heard) == len(EventType)
