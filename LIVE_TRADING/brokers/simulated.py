"""The paper broker and the backtest's broker: the same simulated exchange, asked in two ways."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import orjson

from LIVE_TRADING.brokers.exchange import Report, SimulatedExchange
from LIVE_TRADING.brokers.interface import AccountInfo, OrderReport
from LIVE_TRADING.common.async_clock import AsyncClock, Signal
from LIVE_TRADING.common.codec import decode, encode
from LIVE_TRADING.common.events import OrderEvent, OrderFill
from LIVE_TRADING.common.exceptions import BrokerConnectionError, StateError
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.common.files import replace_file
from LIVE_TRADING.common.strict_json import json_bytes
from LIVE_TRADING.common.types import BarBatch, Order, Session

PAPER_ACCOUNT = "PAPER"


class SessionLookup(Protocol):
    """Which session an instant belongs to."""

    def session_of(self, bar_end_ns: int) -> Session | None:
        """Return the session with open < bar end <= close."""
        ...


class BacktestBroker:
    """The exchange with its reports on their way; the backtest's loop asks it synchronously.

    Reports arrive in the order in which the venue made them: one line, on which none overtakes another.
    """

    def __init__(self, exchange: SimulatedExchange, sessions: SessionLookup) -> None:
        self.exchange = exchange
        self._sessions = sessions
        self._reports: deque[Report] = deque()

    def submit(self, order: Order, now_ns: int) -> None:
        """Hand an order to the exchange."""
        self._push(self.exchange.submit(order, now_ns, self._sessions.session_of(now_ns + 1)))

    def cancel(self, client_order_id: str, now_ns: int) -> None:
        """Ask the exchange for a cancel."""
        self._push(self.exchange.cancel(client_order_id, now_ns))

    def observe(self, batch: BarBatch) -> None:
        """Let the exchange match a complete bar."""
        session = self._sessions.session_of(batch.bar_end_ns)
        if session is not None:
            self._push(self.exchange.on_bars(batch, session))

    def next_arrival_ns(self) -> int | None:
        """Return when the next report arrives."""
        return self._reports[0].arrival_ns if self._reports else None

    def pop(self) -> OrderEvent:
        """Return the next report."""
        return self._reports.popleft().event

    def pending(self) -> list[Report]:
        """Return the reports on their way, in order."""
        return list(self._reports)

    def restore(self, reports: Sequence[Report]) -> None:
        """Put reports back on their way, in place of those that are."""
        self._reports.clear()
        self._push(reports)

    def _push(self, reports: Sequence[Report]) -> None:
        for report in reports:
            earliest_ns = self._reports[-1].arrival_ns if self._reports else report.arrival_ns
            late = report.arrival_ns < earliest_ns
            self._reports.append(Report(earliest_ns, report.event) if late else report)


class PaperBroker:
    """The Broker Protocol over the simulated exchange, which has an order at once or never.

    Parameters
    ----------
    clock
        Decides when a report arrives.
    file
        Where the venue keeps its book, so that it outlives the process; an existing one is taken up, as it is when this
        first connects: another process may have traded before this one held the folder's lock.

    Raises
    ------
    StateError
        The file cannot be read or does not hold a venue.
    """

    proves_absence = True

    def __init__(
        self,
        exchange: SimulatedExchange,
        sessions: SessionLookup,
        clock: AsyncClock,
        file: Path | None = None,
        *,
        files: FileLayer = OS_FILES,
    ) -> None:
        self._venue = BacktestBroker(exchange, sessions)
        self._exchange = exchange
        self._clock = clock
        self._file = file
        self._files = files
        self._arrived = Signal()
        self._connected = self._is_taken_up = False
        self._take_up()  # so that a file that is none is refused before anything is touched

    async def connect(self) -> None:
        """Connect; the first time, take up what the file says by now."""
        if not self._is_taken_up:
            self._take_up()
        self._connected = self._is_taken_up = True

    async def disconnect(self) -> None:
        """Disconnect; the book stays."""
        if self._connected:
            self._persist()
        self._connected = False

    async def submit_order(self, order: Order) -> None:
        """Hand an order to the exchange.

        Raises
        ------
        StateError
            The venue's file cannot be written; so do a cancel and bars.
        """
        self._check_connected()
        self._venue.submit(order, self._clock.now_ns())
        self._changed()

    async def cancel_order(self, client_order_id: str) -> None:
        """Ask the exchange for a cancel."""
        self._check_connected()
        self._venue.cancel(client_order_id, self._clock.now_ns())
        self._changed()

    def observe_bars(self, batch: BarBatch) -> None:
        """Let the exchange match a complete bar; the engine's feed calls this before it queues the bar."""
        self._venue.observe(batch)
        self._changed()

    async def get_positions(self) -> dict[str, Decimal]:
        """Return signed quantities by symbol."""
        self._check_connected()
        return dict(sorted(self._exchange.positions.items()))

    async def get_open_orders(self) -> Sequence[Order]:
        """Return the working orders, oldest first."""
        self._check_connected()
        return self._exchange.open_orders()

    async def get_order(self, client_order_id: str) -> OrderReport | None:
        """Return what has become of an order; None for one that the exchange does not know."""
        self._check_connected()
        found = self._exchange.order(client_order_id)
        return None if found is None else OrderReport(client_order_id, found.status, found.filled, found.reason)

    async def get_executions(self, since_ns: int) -> Sequence[OrderFill]:
        """Return the last 1,000 executions from an instant on."""
        self._check_connected()
        return self._exchange.executions(since_ns)

    async def get_account_info(self) -> AccountInfo:
        """Return the paper account."""
        self._check_connected()
        return AccountInfo(PAPER_ACCOUNT, "USD", is_live=False)

    async def get_cash(self) -> dict[str, Decimal]:
        """Return cash by currency."""
        self._check_connected()
        return {"USD": self._exchange.cash}

    async def get_portfolio_value(self) -> Decimal:
        """Return cash plus positions at the last closes."""
        self._check_connected()
        return self._exchange.portfolio_value()

    async def subscribe_market_data(self, symbols: Sequence[str]) -> None:
        """Accept: the paper venue sees the engine's own feed."""
        self._check_connected()

    async def get_next_event(self) -> OrderEvent:
        """Wait until the next report arrives."""
        self._check_connected()
        while True:
            arrival_ns = self._venue.next_arrival_ns()
            if arrival_ns is not None and arrival_ns <= self._clock.now_ns():
                return self._venue.pop()
            await self._clock.wait(self._arrived, arrival_ns)

    def _changed(self) -> None:
        self._persist()
        self._arrived.set()

    def _persist(self) -> None:
        """Write the book. Not synced: a power cut may cost a simulated venue its last bars, a kill may not.

        Reports that were fetched since the last write come again after a kill; the engine knows them by their ids.
        """
        if self._file is None:
            return
        replace_file(self._file, json_bytes(self.to_dict()), files=self._files)

    def _take_up(self) -> None:
        file = self._file
        if file is None or not file.exists():
            return
        try:
            self.restore(orjson.loads(self._files.read_bytes(file)))
        except OSError as error:
            raise StateError(f"{file}: cannot be read ({error}); check permissions and the disk") from error
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise StateError(
                f"{file}: holds no paper venue ({error}); restore it from a copy. Without it the account is lost: move "
                "the whole folder away, or give another --state-dir, to begin a new one"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """Return the venue's state and the reports that the engine has not fetched yet."""
        return {
            "exchange": self._exchange.to_dict(),
            "reports": [[report.arrival_ns, encode(report.event)] for report in self._venue.pending()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `to_dict` gave."""
        self._exchange.restore(state["exchange"])
        self._venue.restore([Report(arrival_ns, decode(entry)) for arrival_ns, entry in state["reports"]])

    def _check_connected(self) -> None:
        if not self._connected:
            raise BrokerConnectionError("paper broker is not connected: call connect() first")
