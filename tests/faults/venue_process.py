"""A paper venue in a process of its own: JSON lines over a loopback socket, a book that no engine's death touches.

Its market moves when it is told that a bar has ended. Reports go to the connection that asked for them, and nowhere
while there is none: what an engine missed it has to ask for. The process ends with its first connection, the owner's.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from kill_market import VENUE, panel

from LIVE_TRADING.brokers.exchange import Report, SimulatedExchange
from LIVE_TRADING.common.codec import encode, record_from, to_json_value
from LIVE_TRADING.common.events import OrderFill
from LIVE_TRADING.common.types import Order
from tests.support.runs import exchange_for

HOST = "127.0.0.1"
LIFETIME_S = 3600.0


class Venue:
    """The exchange, what came to it, and the connection that gets the reports."""

    def __init__(self) -> None:
        start_ns = panel().sessions.sessions[0].open_ns
        self.exchange: SimulatedExchange = exchange_for(panel(), start_ns, VENUE)
        self.now_ns = start_ns
        self.submitted: list[Order] = []
        self.fills: list[OrderFill] = []
        self.listener: asyncio.StreamWriter | None = None
        self.gone = asyncio.Event()
        self.gone.set()
        self._row = 0

    def submit(self, order: dict[str, Any], now_ns: int) -> None:
        sent = record_from(Order, order)
        self.submitted.append(sent)
        self.now_ns = max(self.now_ns, now_ns)
        self._report(self.exchange.submit(sent, self.now_ns, panel().sessions.session_of(self.now_ns + 1)))

    def cancel(self, order_id: str, now_ns: int) -> None:
        self.now_ns = max(self.now_ns, now_ns)
        self._report(self.exchange.cancel(order_id, self.now_ns))

    def bars(self, until_ns: int) -> None:
        """Let the market move on to an instant; what is past already stays as it was."""
        while self._row < len(panel()) and panel().batch(self._row).bar_end_ns <= until_ns:
            self.advance(1)

    def advance(self, n_bars: int) -> None:
        """Let the market move on by bars, whether an engine is there or not."""
        for _ in range(min(n_bars, len(panel()) - self._row)):
            batch = panel().batch(self._row)
            self._row += 1
            session = panel().sessions.session_of(batch.bar_end_ns)
            assert session is not None
            self.now_ns = max(self.now_ns, batch.bar_end_ns)
            self._report(self.exchange.on_bars(batch, session))

    def order(self, order_id: str) -> dict[str, Any] | None:
        found = self.exchange.order(order_id)
        return None if found is None else to_json_value(found)

    def executions(self, since_ns: int) -> list[Any]:
        return [encode(fill) for fill in self.exchange.executions(since_ns)]

    def open_orders(self) -> list[Any]:
        return [to_json_value(order) for order in self.exchange.open_orders()]

    def book(self) -> dict[str, Any]:
        positions = {symbol: str(held) for symbol, held in sorted(self.exchange.positions.items())}
        return {"cash": str(self.exchange.cash), "positions": positions, "value": str(self.exchange.portfolio_value())}

    def log(self) -> dict[str, Any]:
        """Return every order that ever came, repeated ones too, and every execution."""
        return {
            "orders": [to_json_value(order) for order in self.submitted],
            "fills": [to_json_value(fill) for fill in self.fills],
        }

    def _report(self, reports: list[Report]) -> None:
        self.fills += [report.event for report in reports if isinstance(report.event, OrderFill)]
        if self.listener is None:
            return
        for report in reports:
            _write(self.listener, {"report": encode(report.event), "arrival_ns": report.arrival_ns})


def _write(writer: asyncio.StreamWriter, frame: dict[str, Any]) -> None:
    if not writer.is_closing():
        writer.write(json.dumps(frame).encode() + b"\n")


async def _serve(told: Connection) -> None:
    venue, over = Venue(), asyncio.Event()
    verbs: dict[str, Callable[..., Any]] = {
        name: getattr(venue, name)
        for name in ("submit", "cancel", "bars", "advance", "order", "executions", "open_orders", "book", "log")
    }
    owners: list[asyncio.StreamWriter] = []

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        owners.append(writer)
        try:
            while line := await reader.readline():
                asked = json.loads(line)
                verb, values = asked["do"], asked["with"]
                if verb == "listen":
                    venue.listener, answer = writer, None
                    venue.gone.clear()
                elif verb == "await_gone":
                    await venue.gone.wait()
                    answer = None
                else:
                    answer = verbs[verb](*values)
                _write(writer, {"id": asked["id"], "answer": answer})
        except (ConnectionError, asyncio.CancelledError):
            pass  # the engine at the other end was killed, or this process ends
        finally:
            if venue.listener is writer:
                venue.listener = None
                venue.gone.set()
            if writer is owners[0]:
                over.set()
            writer.close()

    server = await asyncio.start_server(on_connection, HOST, 0, limit=2**24)
    told.send(server.sockets[0].getsockname()[1])
    async with server, asyncio.timeout(LIFETIME_S):
        await over.wait()


def serve(told: Connection) -> None:
    """Run a venue; tell the port."""
    asyncio.run(_serve(told))


class VenueClient:
    """Asks a venue synchronously: its owner, and whoever checks a book."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=30.0)
        self._file = self._socket.makefile("rwb")

    def ask(self, verb: str, *values: Any) -> Any:
        self._file.write(json.dumps({"id": 0, "do": verb, "with": values}).encode() + b"\n")
        self._file.flush()
        line = self._file.readline()
        if not line:
            raise ConnectionError("the venue is gone")
        return json.loads(line)["answer"]

    def close(self) -> None:
        self._file.close()
        self._socket.close()
