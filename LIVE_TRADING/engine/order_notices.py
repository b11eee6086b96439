"""What the venue says of orders, as notices. Told is what the core took up: a report that comes twice is told once."""

from __future__ import annotations

from collections.abc import Sequence

from LIVE_TRADING.common.events import OrderAck, OrderCancelled, OrderExpired, OrderFill, OrderReject, RunStarted
from LIVE_TRADING.engine.commands import Anomaly, Command, SubmitOrder, TradeClosed
from LIVE_TRADING.engine.cycle_notices import reason_text
from LIVE_TRADING.engine.orders import UNCONFIRMED, OrderBook
from LIVE_TRADING.observability import emit_orders as emit
from LIVE_TRADING.observability.events import Publisher

FILL_SURPRISES = (
    "duplicate_report",
    "foreign_currency",
    "late_fill",
    "mismatched_fill",
    "overfill",
    "unknown_order",
)
_VENUE = "venue"


class OrderNotices:
    """Tells reports of one run's orders; `before` is the order book before the report, `after` the one after it."""

    def __init__(self, bus: Publisher, run: RunStarted) -> None:
        self._bus = bus
        self._horizons = run.horizons
        self.expired = 0

    def submitted(self, command: SubmitOrder, t_ns: int) -> None:
        """Tell an order on its way to the venue."""
        emit.emit_order_submitted(self._bus, t_ns, order=command.order, reason=reason_text(command.reason))

    def acknowledged(self, ack: OrderAck, t_ns: int, before: OrderBook) -> None:
        """Tell the first sign that the venue has an order."""
        record = before.open.get(ack.order_id)
        if record is not None and record.status in UNCONFIRMED:
            emit.emit_order_acknowledged(self._bus, t_ns, client_order_id=ack.order_id, symbol=record.order.symbol)

    def filled(self, fill: OrderFill, t_ns: int, after: OrderBook, commands: Sequence[Command]) -> None:
        """Tell an execution if it was booked, and what is surprising about it."""
        surprises = [c for c in commands if isinstance(c, Anomaly) and c.kind in FILL_SURPRISES]
        if not any(surprise.kind == "duplicate_report" for surprise in surprises):
            record = after.find(fill.order_id)
            emit.emit_order_filled(
                self._bus,
                t_ns,
                client_order_id=fill.order_id,
                execution_id=fill.execution_id,
                symbol=fill.symbol,
                side=fill.side.value,
                leg=record.order.leg.value if record is not None else "unknown",
                quantity=fill.fill_amount,
                price=fill.fill_price,
                fee=fill.commission,
                currency=fill.currency,
                complete=record is not None and record.filled >= record.order.quantity,
            )
        for surprise in surprises:
            emit.emit_surprising_fill(
                self._bus,
                t_ns,
                kind=surprise.kind,
                client_order_id=fill.order_id,
                symbol=fill.symbol,
                message=surprise.message,
            )

    def rejected(self, reject: OrderReject, t_ns: int, before: OrderBook) -> None:
        """Tell the venue's no."""
        record = before.open.get(reject.order_id)
        if record is not None:
            order = record.order
            emit.emit_order_rejected(
                self._bus,
                t_ns,
                source=_VENUE,
                symbol=order.symbol,
                side=order.side.value,
                quantity=order.quantity,
                rule_id=_VENUE,
                message=reject.reason,
                client_order_id=reject.order_id,
            )

    def cancelled(self, report: OrderCancelled, t_ns: int, before: OrderBook) -> None:
        """Tell that an order's rest is off the market."""
        record = before.open.get(report.order_id)
        if record is not None:
            emit.emit_order_cancelled(
                self._bus, t_ns, client_order_id=report.order_id, symbol=record.order.symbol, filled=record.filled
            )

    def has_expired(self, report: OrderExpired, t_ns: int, before: OrderBook) -> None:
        """Tell that an order outlived its session."""
        record = before.open.get(report.order_id)
        if record is not None:
            self.expired += 1
            emit.emit_order_expired(
                self._bus, t_ns, client_order_id=report.order_id, symbol=record.order.symbol, filled=record.filled
            )

    def trade_closed(self, command: TradeClosed, t_ns: int) -> None:
        """Tell a round trip."""
        trade = command.trade
        emit.emit_trade_closed(
            self._bus,
            t_ns,
            symbol=trade.symbol,
            side="long" if trade.side > 0 else "short",
            horizon=self._horizons[trade.horizon] if trade.horizon >= 0 else "",
            net_pnl=trade.net_pnl,
            fees=trade.fees,
            reason=reason_text(trade.exit_reason),
        )
