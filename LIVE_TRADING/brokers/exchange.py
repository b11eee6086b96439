"""The simulated exchange: one synchronous object behind the backtest, the paper broker and the tests.

An order sent after bar t is matched when bar t+1 is complete:

    price    = open(t+1) · (1 ± (½·spread + impact)),  impact = ½·σ_day·√(q / ADV)
    quantity ≤ participation · volume(t+1), in whole lots; the rest works on
    fee      = fee_bps of the fill's notional

spread     bps of the mid of the last quote at or before the end of bar t
q          notional of this fill, USD
σ_day, ADV of the sessions before this one, by `SessionStatistics`, the exchange's own
event time open of bar t+1; arrival its end

The square-root impact is that of Almgren et al. 2005 and Tóth et al. 2011 with coefficient ½. What the venue charges
and what the arbiter believes (`arbitration.CostModel`) are separate on purpose: a model is a belief.

A missing bar moves the match to the next bar of the session; so does one without a volume, or before spread, σ_day and
ADV are known. At the session's end the last bar is matched first, then day orders expire.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any

from pydantic import Field

from LIVE_TRADING.brokers.market import VenueMarket
from LIVE_TRADING.common.codec import record_from, to_json_value
from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.events import (
    DUPLICATE_ID,
    CancelRejected,
    OrderAck,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFill,
    OrderReject,
    VenueStatus,
)
from LIVE_TRADING.common.records import quick_init, replaced
from LIVE_TRADING.common.types import BarBatch, Instrument, Order, Session
from LIVE_TRADING.common.units import BPS, NS_PER_MS, round_to

REMEMBERED_IDS = 1000
REMEMBERED_FILLS = 1000
History = Callable[[int], Iterable[tuple[BarBatch, bool]]]


class ExchangeConfig(FrozenConfig):
    """What the simulated venue charges and how fast it is."""

    fee_bps: float = Field(0.5, ge=0, description="commission, bps of the fill's notional")
    impact_coefficient: float = Field(0.5, ge=0, description="impact = coefficient · σ_day · √(q/ADV)")
    spread_multiple: float = Field(1.0, ge=0, description="share of the quoted spread that is charged, half a side")
    participation_frac: float = Field(
        0.05, gt=0, le=1, description="largest share of a bar's volume that one bar fills"
    )
    ack_latency_ms: int = Field(0, ge=0, description="order sent to acknowledgement")
    fill_latency_ms: int = Field(0, ge=0, description="end of the matching bar to the report's arrival")
    price_quantum: Decimal = Field(
        Decimal("0.0001"),
        gt=0,
        description="fill prices are averages, rounded to this, or to the tick where it is finer",
    )
    fee_quantum: Decimal = Field(Decimal("0.0001"), gt=0, description="fees are rounded to this")


@quick_init
@dataclass(frozen=True, slots=True)
class Report:
    """An event and the instant at which it reaches the engine."""

    arrival_ns: int
    event: OrderEvent


@quick_init
@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order at the venue."""

    order: Order
    filled: Decimal
    sent_ns: int
    session: Session

    @property
    def remaining(self) -> Decimal:
        """Return what is left to fill."""
        return self.order.quantity - self.filled


@quick_init
@dataclass(frozen=True, slots=True)
class VenueOrder:
    """How an order stands at the venue, working or over."""

    status: VenueStatus
    filled: Decimal
    reason: str


class SimulatedExchange:
    """Matches orders against bars and keeps the account's book.

    Parameters
    ----------
    symbols
        In the order of the bars' columns.
    instruments
        Tick, lot and currency by symbol.
    initial_cash
        Cash in `currency` at the start.
    history
        Gives the bars that ended by an instant, each with whether it is the first of its session; asked once, before
        the first bar, so that spread, volatility and volume are known from the start.
    session_ends
        False for a market that never closes: day orders then work on past the end of the UTC day.
    """

    def __init__(
        self,
        config: ExchangeConfig,
        symbols: tuple[str, ...],
        instruments: dict[str, Instrument],
        initial_cash: Decimal,
        currency: str = "USD",
        session_ends: bool = True,
        history: History | None = None,
    ) -> None:
        self._config = config
        self._session_ends = session_ends
        self._history = history
        self._column = {symbol: column for column, symbol in enumerate(symbols)}
        self._instruments = instruments
        self._currency = currency
        self.cash = initial_cash
        self.positions: dict[str, Decimal] = {}
        self._working: dict[str, WorkingOrder] = {}
        self._seen_ids: dict[str, None] = {}  # oldest first
        self._ended: dict[str, VenueOrder] = {}
        self._fills: deque[OrderFill] = deque(maxlen=REMEMBERED_FILLS)
        self._fill_entries: dict[str, dict[str, Any]] = {}  # their JSON by execution, of those written before
        self._executions = 0
        self._market = VenueMarket(len(symbols))
        self._last_bar_end_ns = -1  # of bars that could fill
        self._observed_ns = -1  # of those seen before as well

    # -- what the engine asks ------------------------------------------------------------------------------------

    def submit(self, order: Order, now_ns: int, session: Session | None) -> list[Report]:
        """Take an order, or refuse it: outside a session, unknown symbol, bad quantity, repeated id."""
        arrival_ns = now_ns + self._config.ack_latency_ms * NS_PER_MS
        problem = self._problem(order, session)
        if problem is not None or session is None:
            if order.client_order_id not in self._seen_ids:
                self._end(order.client_order_id, VenueStatus.REJECTED, Decimal(0), problem or "market closed")
            return [Report(arrival_ns, OrderReject(order.client_order_id, problem or "market closed", now_ns))]
        self._seen_ids[order.client_order_id] = None
        if len(self._seen_ids) > REMEMBERED_IDS:
            del self._seen_ids[next(iter(self._seen_ids))]
        self._working[order.client_order_id] = WorkingOrder(order, Decimal(0), now_ns, session)
        return [Report(arrival_ns, OrderAck(order.client_order_id, now_ns))]

    def _problem(self, order: Order, session: Session | None) -> str | None:
        if order.client_order_id in self._seen_ids:
            return DUPLICATE_ID
        if order.symbol not in self._column:
            return f"unknown symbol {order.symbol}"
        if session is None:
            return "market closed"
        lot = self._instruments[order.symbol].lot
        if order.quantity <= 0 or order.quantity % lot != 0:
            return f"quantity {order.quantity} is no positive multiple of the lot {lot}"
        if order.order_type != "market" or order.time_in_force != "day":
            return f"{order.order_type} orders, {order.time_in_force}, are not traded here: market, day"
        return None

    def cancel(self, client_order_id: str, now_ns: int) -> list[Report]:
        """Cancel what is left of an order."""
        arrival_ns = now_ns + self._config.ack_latency_ms * NS_PER_MS
        working = self._working.pop(client_order_id, None)
        if working is None:
            return [Report(arrival_ns, CancelRejected(client_order_id, "no such working order", now_ns))]
        self._end(client_order_id, VenueStatus.CANCELLED, working.filled, "cancelled")
        return [Report(arrival_ns, OrderCancelled(client_order_id, now_ns))]

    def open_orders(self) -> list[Order]:
        """Return the working orders, oldest first."""
        return [working.order for working in self._working.values()]

    def working(self) -> list[WorkingOrder]:
        """Return the working orders with what they have filled, oldest first."""
        return list(self._working.values())

    def order(self, client_order_id: str) -> VenueOrder | None:
        """Return where an order stands, working or ended; None for one that never came here, or long ago."""
        working = self._working.get(client_order_id)
        if working is not None:
            return VenueOrder(VenueStatus.WORKING, working.filled, "")
        return self._ended.get(client_order_id)

    def executions(self, since_ns: int) -> list[OrderFill]:
        """Return the last 1,000 executions, oldest first, without those before an instant."""
        return [fill for fill in self._fills if fill.timestamp_ns >= since_ns]

    def _end(self, order_id: str, status: VenueStatus, filled: Decimal, reason: str) -> None:
        self._ended[order_id] = VenueOrder(status, filled, reason)
        if len(self._ended) > REMEMBERED_IDS:
            del self._ended[next(iter(self._ended))]

    def portfolio_value(self) -> Decimal:
        """Return cash plus positions at the last closes."""
        return self.cash + sum(
            (
                quantity * Decimal(repr(self._market.mark(self._column[symbol])))
                for symbol, quantity in sorted(self.positions.items())
            ),
            Decimal(0),
        )

    # -- what the market does ------------------------------------------------------------------------------------

    def prime(self, batch: BarBatch, first_of_session: bool) -> None:
        """Learn spread, volatility and volume from a bar before the run; matches nothing."""
        self._market.observe(batch, first_of_session)
        self._market.learn_quotes(batch)
        self._observed_ns = batch.bar_end_ns

    def on_bars(self, batch: BarBatch, session: Session) -> list[Report]:
        """Match what works against a complete bar; a bar that comes late or twice is ignored."""
        if batch.bar_end_ns <= self._last_bar_end_ns:
            return []
        if self._last_bar_end_ns < 0 and self._history is not None:
            for earlier, first in self._history(batch.bar_end_ns - batch.interval_ns):
                self.prime(earlier, first)
        reports = self._expire_before(session, batch.bar_end_ns)
        self._market.observe(batch, first_of_session=self._observed_ns <= session.open_ns)
        self._last_bar_end_ns = self._observed_ns = batch.bar_end_ns
        open_ns = batch.bar_end_ns - batch.interval_ns
        arrival_ns = batch.bar_end_ns + self._config.fill_latency_ms * NS_PER_MS
        available: dict[str, Decimal] = {}
        for order_id, working in list(self._working.items()):
            fill = self._match(working, batch, open_ns, available)
            if fill is None:
                continue
            self._book(fill)
            reports.append(Report(arrival_ns, fill))
            filled = working.filled + fill.fill_amount
            if filled == working.order.quantity:
                del self._working[order_id]
                self._end(order_id, VenueStatus.FILLED, filled, "")
            else:
                self._working[order_id] = replaced(working, filled=filled)
        self._market.learn_quotes(batch)
        if self._session_ends and batch.bar_end_ns >= session.close_ns:
            reports += self._expire_all(arrival_ns, session.close_ns)
        return reports

    def _match(
        self, working: WorkingOrder, batch: BarBatch, open_ns: int, available: dict[str, Decimal]
    ) -> OrderFill | None:
        order = working.order
        column = self._column[order.symbol]
        opened = float(batch.open[column])
        # "sent after bar t": anything that arrived before this bar was complete counts, once bar t had ended
        if working.sent_ns >= batch.bar_end_ns or not math.isfinite(opened):
            return None
        if order.symbol not in available:
            available[order.symbol] = self._takes(order.symbol, float(batch.volume[column]))
        quantity = min(working.remaining, available[order.symbol])
        if quantity <= 0:
            return None
        paid_bps = self._market.cost_bps(
            column, float(quantity) * opened, self._config.spread_multiple, self._config.impact_coefficient
        )
        if paid_bps is None:
            return None
        available[order.symbol] -= quantity
        quantum = min(self._config.price_quantum, self._instruments[order.symbol].tick)
        # nothing is given away, however thin the market
        price = max(round_to(Decimal(repr(opened * (1 + order.side.sign * paid_bps / BPS))), quantum), quantum)
        fee = round_to(
            quantity * price * Decimal(repr(self._config.fee_bps)) / Decimal(10_000), self._config.fee_quantum
        )
        self._executions += 1
        return OrderFill(
            order_id=order.client_order_id,
            execution_id=f"x{self._executions:010d}",
            symbol=order.symbol,
            side=order.side,
            fill_price=price,
            fill_amount=quantity,
            commission=fee,
            currency=self._currency,
            timestamp_ns=open_ns,
            reference_price=Decimal(repr(opened)),
        )

    def _takes(self, symbol: str, volume: float) -> Decimal:
        """Return how much of a symbol one bar fills, in whole lots; nothing of a bar whose volume is not known."""
        lot = self._instruments[symbol].lot
        if not math.isfinite(volume):
            return Decimal(0)
        return (Decimal(repr(volume * self._config.participation_frac)) / lot).to_integral_value(ROUND_DOWN) * lot

    def _book(self, fill: OrderFill) -> None:
        signed = fill.fill_amount * fill.side.sign
        position = self.positions.get(fill.symbol, Decimal(0)) + signed
        if position:
            self.positions[fill.symbol] = position
        else:
            self.positions.pop(fill.symbol, None)
        self.cash -= signed * fill.fill_price + fill.commission
        self._fills.append(fill)

    def _expire_before(self, session: Session, now_ns: int) -> list[Report]:
        """Expire what a session left behind whose last bar never came."""
        if not self._session_ends:
            return []
        stale = [key for key, working in self._working.items() if working.session.close_ns <= session.open_ns]
        return [self._expire(key, now_ns, self._working[key].session.close_ns) for key in stale]

    def _expire_all(self, arrival_ns: int, close_ns: int) -> list[Report]:
        return [self._expire(key, arrival_ns, close_ns) for key in list(self._working)]

    def _expire(self, order_id: str, arrival_ns: int, at_ns: int) -> Report:
        self._end(order_id, VenueStatus.EXPIRED, self._working.pop(order_id).filled, "session over")
        return Report(arrival_ns, OrderExpired(order_id, at_ns))

    # -- persistence of the paper venue --------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the venue's whole state; `common.strict_json` writes its arrays, NaN as null."""
        return {
            "symbols": list(self._column),
            "cash": str(self.cash),
            "positions": {symbol: str(quantity) for symbol, quantity in sorted(self.positions.items())},
            "working": [to_json_value(working) for working in self._working.values()],
            "seen_ids": list(self._seen_ids),
            "ended": {order_id: to_json_value(ended) for order_id, ended in self._ended.items()},  # order: of ending
            "fills": self._written_fills(),
            "executions": self._executions,
            "market": self._market.to_dict(),
            "last_bar_end_ns": self._last_bar_end_ns,
        }

    def _written_fills(self) -> list[dict[str, Any]]:
        """Return the remembered executions as JSON values, each made once: the paper venue writes them at every bar."""
        before = self._fill_entries
        self._fill_entries = {
            fill.execution_id: before.get(fill.execution_id) or to_json_value(fill) for fill in self._fills
        }
        return list(self._fill_entries.values())  # order: of booking

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `to_dict` gave.

        Raises
        ------
        ValueError, KeyError, TypeError, ArithmeticError
            It is none, or one of a venue for other symbols.
        """
        if state["symbols"] != list(self._column):
            raise ValueError(f"it is of a venue for {', '.join(state['symbols'])}")
        self.cash = Decimal(state["cash"])
        self.positions = {symbol: Decimal(quantity) for symbol, quantity in sorted(state["positions"].items())}
        restored = [record_from(WorkingOrder, entry) for entry in state["working"]]
        self._working = {working.order.client_order_id: working for working in restored}
        self._seen_ids = dict.fromkeys(state["seen_ids"])
        self._ended = {key: record_from(VenueOrder, entry) for key, entry in state["ended"].items()}  # order: as above
        fills = [record_from(OrderFill, entry) for entry in state["fills"]]
        self._fills = deque(fills, maxlen=REMEMBERED_FILLS)
        self._executions = state["executions"]
        self._market.restore(state["market"])
        self._last_bar_end_ns = self._observed_ns = int(state["last_bar_end_ns"])
