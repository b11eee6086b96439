"""Structured logs: one JSON object per line, to stderr and, with a log folder, to a file that rotates."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars, merge_contextvars

from LIVE_TRADING.common.clock import Clock, SystemClock
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.strict_json import json_bytes
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.observability.events import Notice, Severity

LOG_NAME = "live_trading.jsonl"
_ROOT = "live_trading"
_SECRET_WORDS = ("secret", "token", "password", "passphrase", "api_key", "apikey", "authorization", "credential")
_ROTATE_BYTES = 50_000_000
_ROTATE_KEEP = 10


def configure_logging(
    level: str = "info",
    log_dir: Path | None = None,
    *,
    clock: Clock | None = None,
    stream: TextIO | None = None,
) -> None:
    """Set logging up for the process; a second call replaces the first.

    Parameters
    ----------
    level
        debug, info, warning, error or critical.
    log_dir
        Folder for `live_trading.jsonl` (50 MB a file, ten kept); None: stderr only.
    clock
        Source of the time in the lines; None: the wall clock.
    stream
        In place of stderr.

    Raises
    ------
    ConfigurationError
        The level is unknown or the folder cannot be written.
    """
    if level.lower() not in list(Severity):
        raise ConfigurationError(f"--log-level {level}: one of {', '.join(Severity)}")
    handlers: list[logging.Handler] = [logging.StreamHandler(stream or sys.stderr)]
    if log_dir is not None:
        handlers.append(_file_handler(log_dir))
    formatter = _Formatter(
        processors=[_Formatter.remove_processors_meta, _render],
        foreign_pre_chain=[*_shared(clock or SystemClock()), structlog.stdlib.ExtraAdder()],
    )
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if handler.name == _ROOT]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        handler.name = _ROOT
        handler.setFormatter(formatter)
        root.addHandler(handler)
    root.setLevel(logging.WARNING)  # of libraries; httpx tells whole URLs, secrets included, at info
    logging.getLogger(_ROOT).setLevel(Severity(level.lower()).level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(clock or SystemClock()),
            _Formatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a component, e.g. `engine`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(f"{_ROOT}.{name}")
    return logger


def bind_context(**fields: Any) -> None:
    """Put fields (run_id, mode, account, ...) into every line from now on."""
    bind_contextvars(**fields)


def clear_context() -> None:
    """Forget the fields of `bind_context`."""
    clear_contextvars()


class NoticeLogger:
    """Writes every notice it hears as a line of its severity. `bus.subscribe("log", NoticeLogger())`.

    The line is that of `get_logger("notice").log(...)`, made without structlog's chain, which takes five times as long:
    notices come by the dozen in every cycle.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._logger = logging.getLogger(f"{_ROOT}.notice")

    def __call__(self, notice: Notice) -> None:
        """Take a notice."""
        severity = notice.severity
        if not self._logger.isEnabledFor(severity.level):
            return
        line = {
            **notice.to_dict(),
            **get_contextvars(),
            "event": notice.type.value,
            "level": severity.value,
            "logger": self._logger.name,
            "time": iso_utc(self._clock.now_ns()),
        }
        del line["type"]
        line.pop("severity", None)
        text = _render(None, "", _hide_secrets(None, "", line))
        self._logger.handle(_Rendered(self._logger.name, severity.level, "", 0, text, None, None))


class _Rendered(logging.LogRecord):
    """A record whose message is the whole line."""


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """structlog's formatter, which leaves alone what is rendered already."""

    def format(self, record: logging.LogRecord) -> str:
        return str(record.msg) if isinstance(record, _Rendered) else super().format(record)


def _file_handler(log_dir: Path) -> logging.Handler:
    """Return the handler of the rotating file."""
    try:
        log_dir.mkdir(parents=True, exist_ok=True)
        return logging.handlers.RotatingFileHandler(
            log_dir / LOG_NAME, maxBytes=_ROTATE_BYTES, backupCount=_ROTATE_KEEP, encoding="utf-8"
        )
    except OSError as error:
        raise ConfigurationError(f"--log-dir {log_dir}: cannot be written ({error.strerror})") from error


def _shared(clock: Clock) -> list[structlog.typing.Processor]:
    """Return what happens to our own lines and to those of libraries alike."""

    def stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["time"] = iso_utc(clock.now_ns())
        return event

    return [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        stamp,
        structlog.processors.format_exc_info,
        _hide_secrets,
    ]


def _hide_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank the values of keys that sound like secrets."""
    for key in event:
        if _sounds_secret(key):
            event[key] = "**********"
    return event


@lru_cache(maxsize=4096)
def _sounds_secret(key: str) -> bool:
    """Return whether a key names a secret."""
    return any(word in key.lower() for word in _SECRET_WORDS)


def _render(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    """Return the line. What JSON cannot say is said by its repr: a log line is never lost for its contents."""
    try:
        return json_bytes(dict(event)).decode()
    except ValueError:
        return json_bytes({_utf8(key): _utf8(value) for key, value in event.items()}).decode()


def _utf8(value: Any) -> str:
    """Return a value as text that UTF-8 can hold."""
    text = value if isinstance(value, str) else repr(value)
    return text.encode("utf-8", "backslashreplace").decode()
