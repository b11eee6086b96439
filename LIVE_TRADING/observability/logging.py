"""Structured logs: one JSON object per line, to stderr and, with a log folder, to a file that rotates."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars, merge_contextvars

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
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
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
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
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
    """Writes every notice it hears as a line of its severity. `bus.subscribe("log", NoticeLogger())`."""

    def __init__(self) -> None:
        self._logger = get_logger("notice")
        self._python_logger = logging.getLogger(f"{_ROOT}.notice")

    def __call__(self, notice: Notice) -> None:
        """Take a notice."""
        level = notice.severity.level
        if self._python_logger.isEnabledFor(level):
            fields = {name: value for name, value in notice.to_dict().items() if name not in ("type", "severity")}
            self._logger.log(level, notice.type.value, **fields)


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
        if any(word in key.lower() for word in _SECRET_WORDS):
            event[key] = "**********"
    return event


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
