"""The deterministic core: an event in, commands out.

No IO, no threads, no clock, no randomness of its own. Live, backtest and replay feed it the same events and get the
same commands. A handler computes a whole new state and returns it; when it raises, the state is the one before.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from LIVE_TRADING.common.events import (
    ORDER_REPORTS,
    BrokerSnapshot,
    CancelRejected,
    CodeChanged,
    ControlRequest,
    CycleAborted,
    MarketData,
    OrderAck,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderReject,
    OrderStatusReport,
    OrderUnknown,
    PredictionsReady,
    RunStarted,
    ScheduledTrigger,
    Stamped,
    SystemFault,
    TargetsReady,
)
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import BarBatch
from LIVE_TRADING.engine.assembly import Assembly
from LIVE_TRADING.engine.bar_end import on_bars, on_trigger
from LIVE_TRADING.engine.commands import Command
from LIVE_TRADING.engine.context import CoreContext, Step
from LIVE_TRADING.engine.control import on_code_changed, on_control, on_fault
from LIVE_TRADING.engine.deciding import on_aborted, on_predictions
from LIVE_TRADING.engine.digest import RunDigest
from LIVE_TRADING.engine.ledger import Ledger
from LIVE_TRADING.engine.market import MarketMemory, MarketModel
from LIVE_TRADING.engine.market_data import on_market_data
from LIVE_TRADING.engine.order_fate import on_status_report, on_unknown
from LIVE_TRADING.engine.order_reports import (
    on_ack,
    on_cancel_rejected,
    on_cancelled,
    on_expired,
    on_fill,
    on_reject,
)
from LIVE_TRADING.engine.orders import OrderBook
from LIVE_TRADING.engine.quotes import Quotes
from LIVE_TRADING.engine.reconcile import on_snapshot
from LIVE_TRADING.engine.rule import on_targets
from LIVE_TRADING.engine.state import CoreState

HANDLERS: dict[type, Callable[[CoreContext, CoreState, Any, int], Step]] = {
    SystemFault: on_fault,
    OrderAck: on_ack,
    OrderFill: on_fill,
    OrderReject: on_reject,
    OrderCancelled: on_cancelled,
    CancelRejected: on_cancel_rejected,
    OrderExpired: on_expired,
    OrderUnknown: on_unknown,
    OrderStatusReport: on_status_report,
    BrokerSnapshot: on_snapshot,
    ControlRequest: on_control,
    CodeChanged: on_code_changed,
    PredictionsReady: on_predictions,
    TargetsReady: on_targets,
    BarBatch: on_bars,
    ScheduledTrigger: on_trigger,
    CycleAborted: on_aborted,
    MarketData: on_market_data,
}


class EngineCore:
    """The state machine that takes every decision.

    Parameters
    ----------
    run
        What opened the run; a replay uses the recorded one.
    assembly
        Stages and models built from the run's configuration (`assemble`).
    market
        Market memory to start from: the artifacts' snapshot, a checkpoint, or an empty one.
    """

    def __init__(self, run: RunStarted, assembly: Assembly, market: MarketMemory) -> None:
        self.run = run
        self._context = CoreContext(run, assembly)
        cash = Decimal(run.initial_cash)
        self._state = CoreState(
            ledger=Ledger({run.currency: cash}, {}),
            orders=OrderBook({}, {}),
            risk=assembly.guardrails.initial(cash),
            bandit=assembly.bandit.initial(),
            market=market,
            quotes=Quotes.empty(len(run.symbols)),
            digest=RunDigest(),
            equity=cash,
        )

    @property
    def state(self) -> CoreState:
        """Return the current state."""
        return self._state

    @property
    def parts(self) -> Assembly:
        """Return stages and models."""
        return self._context.parts

    @property
    def market_model(self) -> MarketModel:
        """Return the models behind the market memory."""
        return self.parts.market

    def restore(self, state: CoreState) -> None:
        """Go on from a checkpointed state."""
        self._state = state

    def handle(self, stamped: Stamped) -> list[Command]:
        """Take an event and return what follows from it, in order.

        Raises
        ------
        Exception
            Whatever a handler raises; the state is then the one before the event.
        """
        before = self._state
        now_ns = max(stamped.t_ns, before.now_ns)
        state, commands = HANDLERS[type(stamped.event)](self._context, before, stamped.event, now_ns)
        reports = before.reports + isinstance(stamped.event, ORDER_REPORTS)
        if state is before:
            told = now_ns != before.now_ns or reports != before.reports
            state = replaced(before, now_ns=now_ns, reports=reports) if told else before
        else:  # nobody else has the copy that the handler made
            state.__dict__.update(now_ns=now_ns, reports=reports)
        self._state = state
        return commands
