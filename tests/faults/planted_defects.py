"""Defects of the kind that the kill campaign is there to find, put into the engine of a life on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from LIVE_TRADING.common.exceptions import BrokerError
from LIVE_TRADING.common.types import Order
from LIVE_TRADING.engine import trading_engine
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.orders import OrderBook
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.engine.venue_link import VenueLink


def _forget_executions() -> None:
    """What happened while no process listened is not asked for."""

    async def nothing(self: VenueLink, since_ns: int, order_id: str | None) -> None:
        return

    VenueLink._tell_executions = nothing  # type: ignore[method-assign]


def _send_again() -> None:
    """An order whose answer is lost is sent a second time."""
    send = VenueLink.send

    async def twice(self: VenueLink, order: Order) -> None:
        try:
            await self._broker.submit_order(order)
        except BrokerError:
            await send(self, order)

    VenueLink.send = twice  # type: ignore[method-assign]


def _book_twice() -> None:
    """An execution that is reported twice is booked twice."""
    OrderBook.knows = lambda self, fill: False  # type: ignore[method-assign]


def _forget(change: Callable[[EngineCore, CoreState], CoreState]) -> None:
    """A restart loses a part of the state."""
    resume = trading_engine.resume_run

    def forgetful(state_dir: Any, core: EngineCore, *rest: Any, **options: Any) -> Any:
        recovered = resume(state_dir, core, *rest, **options)
        core.restore(change(core, core.state))
        return recovered

    trading_engine.resume_run = forgetful  # type: ignore[attr-defined]


def _forget_cooldowns() -> None:
    _forget(lambda core, state: replace(state, last_order_ns={}))


def _forget_halts() -> None:
    _forget(lambda core, state: replace(state, risk=core.parts.guardrails.initial(state.equity)))


def _forget_open_orders() -> None:
    _forget(lambda core, state: replace(state, orders=replace(state.orders, open={})))


DEFECTS: dict[str, Callable[[], None]] = {
    "executions-forgotten": _forget_executions,
    "sent-again": _send_again,
    "booked-twice": _book_twice,
    "cooldowns-forgotten": _forget_cooldowns,
    "halts-forgotten": _forget_halts,
    "open-orders-forgotten": _forget_open_orders,
}
