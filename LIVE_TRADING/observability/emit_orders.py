"""Emitters of orders, fills and the account."""

from __future__ import annotations

from decimal import Decimal

from LIVE_TRADING.common.types import Order
from LIVE_TRADING.observability.events import EventType, Notice, Publisher


def emit_order_submitted(bus: Publisher, time_ns: int, *, order: Order, reason: str) -> None:
    """Tell that an order leaves for the venue."""
    fields = {
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "quantity": order.quantity,
        "leg": order.leg.value,
        "order_type": order.order_type,
        "reason": reason,
    }
    bus.emit(Notice(EventType.ORDER_SUBMITTED, time_ns, fields))


def emit_order_acknowledged(bus: Publisher, time_ns: int, *, client_order_id: str, symbol: str) -> None:
    """Tell that the venue has an order."""
    fields = {"client_order_id": client_order_id, "symbol": symbol}
    bus.emit(Notice(EventType.ORDER_ACKNOWLEDGED, time_ns, fields))


def emit_order_filled(
    bus: Publisher,
    time_ns: int,
    *,
    client_order_id: str,
    execution_id: str,
    symbol: str,
    side: str,
    leg: str,
    quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    currency: str,
    complete: bool,
) -> None:
    """Tell that an execution is booked. `complete`: nothing of the order is left."""
    fields = {
        "client_order_id": client_order_id,
        "execution_id": execution_id,
        "symbol": symbol,
        "side": side,
        "leg": leg,
        "quantity": quantity,
        "price": price,
        "fee": fee,
        "currency": currency,
        "complete": complete,
    }
    bus.emit(Notice(EventType.ORDER_FILLED, time_ns, fields))


def emit_order_rejected(
    bus: Publisher,
    time_ns: int,
    *,
    source: str,
    symbol: str,
    side: str,
    quantity: Decimal,
    rule_id: str,
    message: str,
    client_order_id: str = "",
) -> None:
    """Tell that a pre-trade rule (`source` pre_trade) or the venue (`source` venue) refused an order."""
    fields = {
        "source": source,
        "symbol": symbol,
        "side": side,
        "quantity": quantity,
        "rule_id": rule_id,
        "message": message,
        "client_order_id": client_order_id,
    }
    bus.emit(Notice(EventType.ORDER_REJECTED, time_ns, fields))


def emit_order_cancelled(bus: Publisher, time_ns: int, *, client_order_id: str, symbol: str, filled: Decimal) -> None:
    """Tell that the rest of an order no longer works."""
    fields = {"client_order_id": client_order_id, "symbol": symbol, "filled": filled}
    bus.emit(Notice(EventType.ORDER_CANCELLED, time_ns, fields))


def emit_order_expired(bus: Publisher, time_ns: int, *, client_order_id: str, symbol: str, filled: Decimal) -> None:
    """Tell that the session ended before an order was filled in full."""
    fields = {"client_order_id": client_order_id, "symbol": symbol, "filled": filled}
    bus.emit(Notice(EventType.ORDER_EXPIRED, time_ns, fields))


def emit_surprising_fill(
    bus: Publisher, time_ns: int, *, kind: str, client_order_id: str, symbol: str, message: str
) -> None:
    """Tell of a fill nobody expected, booked all the same. `kind`: late_fill, overfill, unknown_order, ..."""
    fields = {"kind": kind, "client_order_id": client_order_id, "symbol": symbol, "message": message}
    bus.emit(Notice(EventType.SURPRISING_FILL, time_ns, fields))


def emit_trade_closed(
    bus: Publisher, time_ns: int, *, symbol: str, side: str, horizon: str, net_pnl: Decimal, fees: Decimal, reason: str
) -> None:
    """Tell that a round trip ended flat. `net_pnl` after `fees`; `side`: long or short."""
    fields = {
        "symbol": symbol,
        "side": side,
        "horizon": horizon,
        "net_pnl": net_pnl,
        "fees": fees,
        "reason": reason,
    }
    bus.emit(Notice(EventType.TRADE_CLOSED, time_ns, fields))


def emit_account_marked(
    bus: Publisher,
    time_ns: int,
    *,
    equity: Decimal,
    cash: Decimal,
    positions: int,
    gross: float,
    net: float,
    drawdown_frac: float,
    daily_loss_frac: float,
) -> None:
    """Tell the book at a bar end. `gross` and `net` are shares of equity."""
    fields = {
        "equity": equity,
        "cash": cash,
        "positions": positions,
        "gross": gross,
        "net": net,
        "drawdown_frac": drawdown_frac,
        "daily_loss_frac": daily_loss_frac,
    }
    bus.emit(Notice(EventType.ACCOUNT_MARKED, time_ns, fields))
