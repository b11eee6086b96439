"""The simulated exchange: one synchronous object behind the backtest, the paper broker and the tests.

An order sent after bar t is matched when bar t+1 is complete:

    price    = open(t+1) · (1 ± (½·spread + impact)),  impact = ½·σ_day·√(q / ADV)
    quantity ≤ participation · volume(t+1), in whole lots; the rest works on
    fee      = fee_bps of the fill's notional

spread     bps of the mid of the last quote at or before the end of bar t
q          notional of this fill, USD
σ_day, ADV of the sessions before this one, by `SessionStatistics`, the exchange's own
event time open of bar t+1; arrival its end

The square-root impact is that of Almgren et al. 2005 and Tóth et al. 2011 with coefficient ½. What the venue charges and
what the arbiter believes (`arbitration.CostModel`) are separate on purpose: a model is a belief.

A missing bar moves the match to the next bar of the session. At the session's end the last bar is matched first, then
day orders expire. A limit order that could not be matched because there are no statistics yet is not filled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from typing import Any

import numpy as np
from pydantic import Field

from LIVE_TRADING.brokers.statistics import SessionStatistics
from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.events import (
    CancelRejected,
    OrderAck,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFill,
    OrderReject,
)
from LIVE_TRADING.common.types import BarBatch, Instrument, Leg, Order, Session, Side
from LIVE_TRADING.common.units import BPS, NS_PER_MS, round_to

REMEMBERED_IDS = 1000
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
    price_quantum: Decimal = Field(Decimal("0.0001"), gt=0, description="fill prices are averages, rounded to this")
    fee_quantum: Decimal = Field(Decimal("0.0001"), gt=0, description="fees are rounded to this")


@dataclass(frozen=True, slots=True)
class Report:
    """An event and the instant at which it reaches the engine."""

    arrival_ns: int
    event: OrderEvent


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
        Gives the bars that ended by an instant, each with whether it is the first of its session; asked once, before the
        first bar, so that spread, volatility and volume are known from the start.
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
        self._seen_ids: deque[str] = deque(maxlen=REMEMBERED_IDS)
        self._executions = 0
        self._statistics = SessionStatistics(len(symbols))
        self._spread_bps = np.full(len(symbols), np.nan)
        self._marks = np.full(len(symbols), np.nan)
        self._last_bar_end_ns = -1

    # -- what the engine asks ------------------------------------------------------------------------------------

    def submit(self, order: Order, now_ns: int, session: Session | None) -> list[Report]:
        """Take an order, or refuse it: outside a session, unknown symbol, bad quantity, repeated id."""
        arrival_ns = now_ns + self._config.ack_latency_ms * NS_PER_MS
        problem = self._problem(order, session)
        if problem is not None or session is None:
            return [Report(arrival_ns, OrderReject(order.client_order_id, problem or "market closed", now_ns))]
        self._seen_ids.append(order.client_order_id)
        self._working[order.client_order_id] = WorkingOrder(order, Decimal(0), now_ns, session)
        return [Report(arrival_ns, OrderAck(order.client_order_id, now_ns))]

    def _problem(self, order: Order, session: Session | None) -> str | None:
        if order.client_order_id in self._seen_ids:
            return "duplicate client_order_id"
        if order.symbol not in self._column:
            return f"unknown symbol {order.symbol}"
        if session is None:
            return "market closed"
        lot = self._instruments[order.symbol].lot
        if order.quantity <= 0 or order.quantity % lot != 0:
            return f"quantity {order.quantity} is no positive multiple of the lot {lot}"
        if order.order_type != "market":
            return f"order type {order.order_type} is not traded here"
        return None

    def cancel(self, client_order_id: str, now_ns: int) -> list[Report]:
        """Cancel what is left of an order."""
        arrival_ns = now_ns + self._config.ack_latency_ms * NS_PER_MS
        if self._working.pop(client_order_id, None) is None:
            return [Report(arrival_ns, CancelRejected(client_order_id, "no such working order", now_ns))]
        return [Report(arrival_ns, OrderCancelled(client_order_id, now_ns))]

    def open_orders(self) -> list[Order]:
        """Return the working orders, oldest first."""
        return [working.order for working in self._working.values()]

    def working(self) -> list[WorkingOrder]:
        """Return the working orders with what they have filled, oldest first."""
        return list(self._working.values())

    def portfolio_value(self) -> Decimal:
        """Return cash plus positions at the last closes."""
        return self.cash + sum(
            (
                quantity * Decimal(repr(float(self._marks[self._column[symbol]])))
                for symbol, quantity in sorted(self.positions.items())
            ),
            Decimal(0),
        )

    # -- what the market does ------------------------------------------------------------------------------------

    def prime(self, batch: BarBatch, first_of_session: bool) -> None:
        """Learn spread, volatility and volume from a bar before the run; matches nothing."""
        self._statistics.observe(batch, first_of_session)
        self._learn_quotes(batch)

    def on_bars(self, batch: BarBatch, session: Session) -> list[Report]:
        """Match what works against a complete bar; a bar that comes late or twice is ignored."""
        if batch.bar_end_ns <= self._last_bar_end_ns:
            return []
        if self._last_bar_end_ns < 0 and self._history is not None:
            for earlier, first in self._history(batch.bar_end_ns - batch.interval_ns):
                self.prime(earlier, first)
        reports = self._expire_before(session, batch.bar_end_ns)
        self._statistics.observe(batch, first_of_session=self._last_bar_end_ns <= session.open_ns)
        self._last_bar_end_ns = batch.bar_end_ns
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
            else:
                self._working[order_id] = replace(working, filled=filled)
        self._learn_quotes(batch)
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
        if working.sent_ns >= batch.bar_end_ns or not np.isfinite(opened):
            return None
        spread_bps = float(self._spread_bps[column])
        day_vol_bps, adv_usd = self._statistics.lagged(column)
        if not (np.isfinite(spread_bps) and np.isfinite(day_vol_bps) and np.isfinite(adv_usd) and adv_usd > 0):
            return None
        lot = self._instruments[order.symbol].lot
        if order.symbol not in available:
            cap = Decimal(repr(float(batch.volume[column]) * self._config.participation_frac))
            available[order.symbol] = (cap / lot).to_integral_value(ROUND_DOWN) * lot
        quantity = min(working.remaining, available[order.symbol])
        if quantity <= 0:
            return None
        available[order.symbol] -= quantity
        notional_usd = float(quantity) * opened
        impact_bps = self._config.impact_coefficient * day_vol_bps * float(np.sqrt(notional_usd / adv_usd))
        paid_bps = self._config.spread_multiple * spread_bps / 2 + impact_bps
        price = round_to(
            Decimal(repr(opened * (1 + order.side.sign * paid_bps / BPS))),
            self._config.price_quantum,
        )
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

    def _book(self, fill: OrderFill) -> None:
        signed = fill.fill_amount * fill.side.sign
        position = self.positions.get(fill.symbol, Decimal(0)) + signed
        if position:
            self.positions[fill.symbol] = position
        else:
            self.positions.pop(fill.symbol, None)
        self.cash -= signed * fill.fill_price + fill.commission

    def _learn_quotes(self, batch: BarBatch) -> None:
        mid = (batch.bid + batch.ask) / 2
        quoted = np.isfinite(mid) & (batch.ask >= batch.bid) & (batch.bid > 0)
        spread_bps = np.divide(batch.ask - batch.bid, mid, out=np.full_like(mid, np.nan), where=quoted) * BPS
        self._spread_bps = np.where(quoted, spread_bps, self._spread_bps)
        self._marks = np.where(np.isfinite(batch.close), batch.close, self._marks)

    def _expire_before(self, session: Session, now_ns: int) -> list[Report]:
        """Expire what a session left behind whose last bar never came."""
        if not self._session_ends:
            return []
        stale = [key for key, working in self._working.items() if working.session.close_ns <= session.open_ns]
        return [self._expire(key, now_ns, self._working[key].session.close_ns) for key in stale]

    def _expire_all(self, arrival_ns: int, close_ns: int) -> list[Report]:
        return [self._expire(key, arrival_ns, close_ns) for key in list(self._working)]

    def _expire(self, order_id: str, arrival_ns: int, at_ns: int) -> Report:
        del self._working[order_id]
        return Report(arrival_ns, OrderExpired(order_id, at_ns))

    # -- persistence of the paper venue --------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the venue's whole state as JSON-ready values."""
        return {
            "cash": str(self.cash),
            "positions": {symbol: str(quantity) for symbol, quantity in sorted(self.positions.items())},
            "working": [_working_to_dict(working) for working in self._working.values()],
            "seen_ids": list(self._seen_ids),
            "executions": self._executions,
            "statistics": self._statistics.to_dict(),
            "spread_bps": _nullable(self._spread_bps),
            "marks": _nullable(self._marks),
            "last_bar_end_ns": self._last_bar_end_ns,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `to_dict` gave."""
        self.cash = Decimal(state["cash"])
        self.positions = {symbol: Decimal(quantity) for symbol, quantity in sorted(state["positions"].items())}
        restored = [_working_from_dict(entry) for entry in state["working"]]
        self._working = {working.order.client_order_id: working for working in restored}
        self._seen_ids = deque(state["seen_ids"], maxlen=REMEMBERED_IDS)
        self._executions = state["executions"]
        self._statistics.restore(state["statistics"])
        self._spread_bps = np.array(state["spread_bps"], dtype=np.float64)
        self._marks = np.array(state["marks"], dtype=np.float64)
        self._last_bar_end_ns = state["last_bar_end_ns"]


def _nullable(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _working_to_dict(working: WorkingOrder) -> dict[str, Any]:
    order, session = working.order, working.session
    return {
        "order": {
            "client_order_id": order.client_order_id,
            "order_number": order.order_number,
            "symbol": order.symbol,
            "side": order.side.value,
            "quantity": str(order.quantity),
            "leg": order.leg.value,
            "decision_time_ns": order.decision_time_ns,
        },
        "filled": str(working.filled),
        "sent_ns": working.sent_ns,
        "session": [session.index, session.date, session.open_ns, session.close_ns],
    }


def _working_from_dict(entry: dict[str, Any]) -> WorkingOrder:
    order = entry["order"]
    return WorkingOrder(
        Order(
            client_order_id=order["client_order_id"],
            order_number=order["order_number"],
            symbol=order["symbol"],
            side=Side(order["side"]),
            quantity=Decimal(order["quantity"]),
            leg=Leg(order["leg"]),
            decision_time_ns=order["decision_time_ns"],
        ),
        Decimal(entry["filled"]),
        entry["sent_ns"],
        Session(*entry["session"]),
    )
