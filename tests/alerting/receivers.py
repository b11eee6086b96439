"""A real local receiver of webhooks, and a channel that keeps what it is sent."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

from LIVE_TRADING.alerting import Alert
from LIVE_TRADING.alerting.channels import DeliveryFailure
from LIVE_TRADING.observability import Severity


class Receiver:
    """Answers with the statuses given, then with 200; keeps the bodies of all requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.statuses: deque[int] = deque()
        self.bodies: Queue[dict[str, Any]] = Queue()
        self.hang: threading.Event | None = None

    def take(self) -> dict[str, Any]:
        """Wait for the next request."""
        return self.bodies.get(timeout=20)


@contextmanager
def receiver(statuses: Sequence[int] = ()) -> Iterator[Receiver]:
    """Serve on a free port of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if host.hang is not None:
                host.hang.wait(20)
                return
            host.bodies.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(host.statuses.popleft() if host.statuses else 200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    host = Receiver(f"http://127.0.0.1:{server.server_port}/hook/s3cret")
    host.statuses.extend(statuses)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield host
    finally:
        if host.hang is not None:
            host.hang.set()
        server.shutdown()
        thread.join()
        server.server_close()


class KeepingChannel:
    """Keeps what it is sent."""

    def __init__(self, name: str = "keep", min_severity: Severity = Severity.DEBUG) -> None:
        self.name = name
        self.min_severity = min_severity
        self.failures: deque[DeliveryFailure] = deque()
        self.alerts: list[Alert] = []
        self.closed = False

    def send(self, alert: Alert) -> None:
        self.alerts.append(alert)

    def close(self, timeout_s: float) -> None:
        self.closed = True
