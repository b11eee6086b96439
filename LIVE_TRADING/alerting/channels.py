"""Where alerts go. A channel takes an alert at once and delivers it in its own time."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from LIVE_TRADING.common.strict_json import json_bytes
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.observability.events import EventType, Notice, Severity
from LIVE_TRADING.observability.logging import get_logger

_KEPT_FAILURES = 1000


@dataclass(frozen=True, slots=True)
class Alert:
    """A notice worth somebody's attention. `held_back`: how many like it were not sent since the last one."""

    severity: Severity
    notice: Notice
    held_back: int = 0

    @property
    def text(self) -> str:
        """Return the alert in one line."""
        fields = {name: value for name, value in self.notice.fields.items() if name != "severity"}
        words = " ".join(f"{name}={value}" for name, value in fields.items())
        more = f" (and {self.held_back} more before)" if self.held_back else ""
        return f"[{self.severity.upper()}] {self.notice.type.value} {iso_utc(self.notice.time_ns)} {words}{more}"

    def to_dict(self) -> dict[str, Any]:
        """Return what receivers get."""
        fields = {name: value for name, value in self.notice.fields.items() if name != "severity"}
        return {
            "text": self.text,
            "severity": self.severity.value,
            "type": self.notice.type.value,
            "time_utc": iso_utc(self.notice.time_ns),
            "held_back": self.held_back,
            "fields": fields,
        }


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """An alert that did not arrive."""

    type: EventType
    message: str


class DeliveryError(Exception):
    """A delivery failed. `transient`: trying again may help."""

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class AlertChannel(Protocol):
    """A way out. `send` neither blocks nor raises; what went wrong is appended to `failures`, from any thread."""

    name: str
    min_severity: Severity
    failures: deque[DeliveryFailure]

    def send(self, alert: Alert) -> None:
        """Take an alert."""
        ...

    def close(self, timeout_s: float) -> None:
        """Deliver what is waiting, as far as the time allows, and stop."""
        ...


class LogChannel:
    """Writes alerts into the log."""

    def __init__(self, min_severity: Severity = Severity.DEBUG) -> None:
        self.name = "log"
        self.min_severity = min_severity
        self.failures: deque[DeliveryFailure] = deque(maxlen=_KEPT_FAILURES)
        self._logger = get_logger("alert")

    def send(self, alert: Alert) -> None:
        """Take an alert."""
        fields = {name: value for name, value in alert.to_dict().items() if name not in ("text", "severity")}
        self._logger.log(alert.severity.level, alert.text, **fields)

    def close(self, timeout_s: float) -> None:
        """Do nothing: nothing waits."""


class BackgroundChannel:
    """Delivers in a thread of its own, with retries, so that a receiver that hangs slows nobody down.

    Alerts wait in a bounded queue; while it is full, further ones are dropped and counted as failures. Pauses between
    attempts double from `backoff_s`; closing cuts them short.
    """

    def __init__(
        self,
        name: str,
        deliver: Callable[[Alert], None],
        *,
        min_severity: Severity = Severity.DEBUG,
        attempts: int = 5,
        backoff_s: float = 1.0,
        queue_size: int = 256,
    ) -> None:
        self.name = name
        self.min_severity = min_severity
        self.failures: deque[DeliveryFailure] = deque(maxlen=_KEPT_FAILURES)
        self._deliver = deliver
        self._attempts = attempts
        self._backoff_s = backoff_s
        self._queue: queue.Queue[Alert | None] = queue.Queue(queue_size)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"alerts-{name}", daemon=True)
        self._thread.start()

    def send(self, alert: Alert) -> None:
        """Take an alert, or drop it when too many wait."""
        try:
            self._queue.put_nowait(alert)
        except queue.Full:
            self.failures.append(DeliveryFailure(alert.notice.type, "dropped, too many alerts wait"))

    def close(self, timeout_s: float) -> None:
        """Deliver what is waiting, as far as the time allows, and stop; the rest counts as failed."""
        self._closing.set()
        with contextlib.suppress(queue.Full):  # full: the thread has work, and looks at the flag after each piece of it
            self._queue.put_nowait(None)
        self._thread.join(timeout_s)
        while self._thread.is_alive():
            try:
                alert = self._queue.get_nowait()
            except queue.Empty:
                return
            if alert is not None:
                self.failures.append(DeliveryFailure(alert.notice.type, "undelivered at shutdown"))

    def _work(self) -> None:
        while not (self._closing.is_set() and self._queue.empty()):
            alert = self._queue.get()
            if alert is not None:
                self._attempt(alert)

    def _attempt(self, alert: Alert) -> None:
        """Deliver one alert, again where that may help."""
        for attempt in range(1, self._attempts + 1):
            try:
                self._deliver(alert)
            except DeliveryError as error:
                if attempt == self._attempts or not error.transient:
                    self.failures.append(DeliveryFailure(alert.notice.type, f"{error} ({attempt} attempts)"))
                    return
                self._closing.wait(self._backoff_s * 2 ** (attempt - 1))
            except Exception as error:  # noqa: BLE001  the thread must outlive a bug in one delivery
                self.failures.append(DeliveryFailure(alert.notice.type, type(error).__name__))
                return
            else:
                return


def alert_body(alert: Alert) -> bytes:
    """Return the JSON body of an alert; where a field cannot be said in JSON (infinity), all become text."""
    body = alert.to_dict()
    try:
        return json_bytes(body)
    except ValueError:
        return json_bytes({**body, "fields": {name: str(value) for name, value in body["fields"].items()}})
