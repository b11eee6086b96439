"""A core whose decisions are wished for, fed one event at a time: for tests of orders, fills, sessions and switches.

Everything but the stages is the real thing. A wish is keyed by the cycle's time, so a replay decides the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from LIVE_TRADING.common.events import (
    CancelRejected,
    ControlRequest,
    Event,
    OrderAck,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderReject,
    OrderStatusReport,
    OrderUnknown,
    PredictionsReady,
    ScheduledTrigger,
    VenueStatus,
)
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import (
    Action,
    ArbitrationResult,
    BarBatch,
    BlendResult,
    GateResult,
    Instrument,
    Order,
    Session,
    SizingResult,
    SpreadGateResult,
)
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.engine import deciding
from LIVE_TRADING.engine.checkpoint import Checkpoints, can_checkpoint, decode_core, encode_core
from LIVE_TRADING.engine.commands import Anomaly, CancelOrder, Command, CycleDecided, SubmitOrder
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.journal import Journal, read_journal
from LIVE_TRADING.engine.orders import OrderRecord
from LIVE_TRADING.engine.pipeline import BookView, Decision
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.run_setup import DataFacts, RunPlan, open_run
from LIVE_TRADING.models.snapshot import decode_arrays

MINUTE = 60 * 10**9
BAR = 5 * MINUTE
SYMBOLS = ("AAA", "BBB", "CCC")
LIMITS_OFF = {"max_gross": 20.0, "max_net": 20.0, "max_position_weight": 20.0, "cooldown_s": 0.0}

_REASON = {
    Action.NONE: Reason.BELOW_COST,
    Action.ENTER: Reason.ENTRY,
    Action.HOLD: Reason.HOLD,
    Action.EXTEND: Reason.EXTEND,
    Action.EXIT: Reason.EXIT_REVERSED,
    Action.REVERSE: Reason.REVERSE,
}


@dataclass(frozen=True)
class Wish:
    """What arbitration and sizing are to say of a symbol. `horizon` names it."""

    action: Action
    target: float
    horizon: str = "15m"
    reason: Reason | None = None


def enter(shares: float, horizon: str = "15m") -> Wish:
    return Wish(Action.ENTER, shares, horizon)


def leave(reason: Reason = Reason.EXIT_REVERSED) -> Wish:
    return Wish(Action.EXIT, 0.0, reason=reason)


@lru_cache(maxsize=8)
def sessions_of(calendar: str, first: str, last: str) -> tuple[Session, ...]:
    return session_table(calendar, first, last).sessions


def plan_of(
    calendar: str = "XNYS",
    first: str = "2025-11-24",
    last: str = "2025-12-03",
    symbols: Sequence[str] = SYMBOLS,
    lot: str = "1",
    decide_from: int = 0,
    **config: Any,
) -> RunPlan:
    risk = {"guardrails": False, **LIMITS_OFF, **config.pop("risk", {})}
    sessions = sessions_of(calendar, first, last)
    bars = 288 if calendar == "24/7" else 78
    facts = DataFacts(tuple(symbols), BAR, calendar, bars, sessions)
    return open_run(
        EngineConfig.model_validate({"risk": risk, **config}),
        facts,
        {symbol: Instrument(symbol, lot=Decimal(lot)) for symbol in symbols},
        run_id="desk",
        nonce="n",
        account="PAPER",
        start_ns=sessions[0].open_ns + decide_from * BAR,
    )


@dataclass
class Desk:
    """A core, its driver, and the words to talk to it."""

    plan: RunPlan
    folder: Path | None = None
    wished: WishedDecisions = field(default_factory=lambda: WishedDecisions())
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.core = self.plan.core()
        self.sessions = sessions_of_plan(self.plan)
        self.symbols = self.plan.run.symbols
        self.horizons = self.plan.run.horizons
        self.session = self.sessions[0]
        self.slot = -1
        self.prices = dict.fromkeys(self.symbols, 100.0)
        self.journal: Journal | None = None
        if self.folder is not None:
            self.journal = Journal(self.folder)
            self.journal.append_run(0, {})
        self.driver = Driver(self.core, self.journal, strict=self.folder is None)
        self.dropped_a_step = False  # of the market memory: its spare slots then hold what no replay writes
        self._executions = 0

    # -- time ----------------------------------------------------------------------------------------------------

    @property
    def bar_end_ns(self) -> int:
        return self.session.open_ns + (self.slot + 1) * BAR

    def tell(self, event: Event, now_ns: int | None = None) -> list[Command]:
        return self.driver.step(event, self.bar_end_ns if now_ns is None else now_ns)

    def open(self, number: int) -> list[Command]:
        """Open the session of that number."""
        self.session, self.slot = self.sessions[number], -1
        return self.trigger("session_open", self.session.open_ns)

    def close(self) -> list[Command]:
        return self.trigger("session_close", self.session.close_ns)

    def trigger(self, kind: str, scheduled_ns: int) -> list[Command]:
        return self.tell(ScheduledTrigger(kind, scheduled_ns, self.session, scheduled_ns), scheduled_ns)

    def bars(self, slot: int | None = None, **prices: float) -> list[Command]:
        """Send the bars of a slot, flat at the prices; NaN for one that is missing."""
        self.slot = self.slot + 1 if slot is None else slot
        self.prices |= prices
        close = np.array([self.prices[symbol] for symbol in self.symbols])
        volume = np.where(np.isnan(close), np.nan, 1e6)
        batch = BarBatch(self.bar_end_ns, BAR, close, close, close, close, volume, close - 0.01, close + 0.01)
        return self.tell(batch)

    def cycle(self, slot: int | None = None, **prices: float) -> list[Command]:
        """Send the bars of a slot and trigger its cycle."""
        self.bars(slot, **prices)
        return self.trigger("cycle", self.bar_end_ns)

    def predictions(self, delay_ns: int = 0, **wishes: Wish) -> list[Command]:
        """Let the cycle in flight decide what is wished for."""
        pending = self.core.state.pending
        assert pending is not None
        self.wished.wishes[pending.cycle_time_ns] = wishes
        run = self.plan.run
        raw = np.full((len(run.horizons), len(run.families), len(run.symbols)), np.nan)
        ready = PredictionsReady(pending.cycle_time_ns, raw, None, None)
        return self.tell(ready, self.bar_end_ns + delay_ns)

    def decide(
        self, slot: int | None = None, prices: Mapping[str, float] | None = None, **wishes: Wish
    ) -> list[Command]:
        """Take a whole cycle; return the commands of its decision."""
        self.cycle(slot, **(prices or {}))
        return self.predictions(**wishes)

    # -- venue ---------------------------------------------------------------------------------------------------

    def ack(self, order: Order) -> list[Command]:
        return self.tell(OrderAck(order.client_order_id, self.bar_end_ns))

    def fill(
        self,
        order: Order,
        quantity: float | str,
        price: float | str = "100",
        execution_id: str = "",
        now_ns: int | None = None,
        **changes: Any,
    ) -> list[Command]:
        self._executions += 1
        fields: dict[str, Any] = {
            "order_id": order.client_order_id,
            "execution_id": execution_id or f"x{self._executions}",
            "symbol": order.symbol,
            "side": order.side,
            "fill_price": Decimal(price),
            "fill_amount": Decimal(quantity),
            "commission": Decimal("0.01"),
            "currency": "USD",
            "timestamp_ns": self.bar_end_ns,
            **changes,
        }
        return self.tell(OrderFill(**fields), now_ns)

    def cancelled(self, order: Order, now_ns: int | None = None) -> list[Command]:
        return self.tell(OrderCancelled(order.client_order_id, self.bar_end_ns), now_ns)

    def cancel_rejected(self, order: Order) -> list[Command]:
        return self.tell(CancelRejected(order.client_order_id, "too late", self.bar_end_ns))

    def rejected(self, order: Order) -> list[Command]:
        return self.tell(OrderReject(order.client_order_id, "no margin", self.bar_end_ns))

    def expired(self, order: Order) -> list[Command]:
        return self.tell(OrderExpired(order.client_order_id, self.session.close_ns), self.session.close_ns)

    def unknown(self, order: Order) -> list[Command]:
        return self.tell(OrderUnknown(order.client_order_id, "no answer", self.bar_end_ns))

    def answered(self, order: Order, status: VenueStatus, filled: int = 0, *, final: bool = True) -> list[Command]:
        told = OrderStatusReport(order.client_order_id, status, Decimal(filled), final, "asked", self.bar_end_ns)
        return self.tell(told)

    def settle(self, order: Order, outcome: str) -> list[Command]:
        word = ControlRequest("settle", "seen at the venue", self.bar_end_ns, order.client_order_id, outcome)
        return self.tell(word)

    def control(self, action: str, reason: str = "because") -> list[Command]:
        return self.tell(ControlRequest(action, reason, self.bar_end_ns))

    # -- what came of it -----------------------------------------------------------------------------------------

    def held(self, symbol: str = "AAA") -> Decimal:
        return self.core.state.ledger.quantity(symbol)

    def record(self, order: Order) -> OrderRecord:
        found = self.core.state.orders.find(order.client_order_id)
        assert found is not None
        return found

    def enter(self, symbol: str = "AAA", shares: float = 10, horizon: str = "15m", fill: bool = True) -> Order:
        """Enter a position at the next cycle, filled in full."""
        order = orders_of(self.decide(**{symbol: enter(shares, horizon)}))[0]
        if fill:
            self.fill(order, abs(shares))
        return order


def sessions_of_plan(plan: RunPlan) -> tuple[Session, ...]:
    names = ("2025-11-24", "2025-12-03")
    return sessions_of(plan.run.calendar, *names)


def orders_of(commands: Sequence[Command]) -> list[Order]:
    return [command.order for command in commands if isinstance(command, SubmitOrder)]


def cancels_of(commands: Sequence[Command]) -> list[str]:
    return [command.client_order_id for command in commands if isinstance(command, CancelOrder)]


def anomalies_of(commands: Sequence[Command]) -> list[str]:
    return [command.kind for command in commands if isinstance(command, Anomaly)]


def risk_reason(commands: Sequence[Command], column: int = 0) -> Reason:
    """The risk stage's reason for a symbol in a decision."""
    (result,) = (command.result for command in commands if isinstance(command, CycleDecided))
    assert result.trace is not None
    return Reason(int(result.trace.risk_reason[column]))


class WishedDecisions:
    """Stands in for `decide`: the wishes of the desk that is being tested."""

    def __init__(self) -> None:
        self.wishes: dict[int, dict[str, Wish]] = {}
        self.seen: list[BookView] = []

    def __call__(
        self, stages: object, predictions: Any, covariance: object, view: Any, book: BookView, selector: object
    ) -> Decision:
        self.seen.append(book)
        wishes = self.wishes.get(book.moment.scheduled_time_ns, {})
        n, names = len(book.symbols), predictions.horizons
        nan, ok = np.full(n, np.nan), np.zeros(n, dtype=np.int16)
        grid = np.full((len(names), n), np.nan)
        action, horizon, side, reason = (np.zeros(n, dtype=np.int16) for _ in range(4))
        horizon[:] = -1
        reason[:] = Reason.BELOW_COST
        target = book.held_shares.copy()
        for symbol, wish in wishes.items():
            at = book.symbols.index(symbol)
            row = names.index(wish.horizon)
            leaves = wish.action is Action.EXIT
            action[at], horizon[at] = wish.action, -1 if leaves else row
            side[at] = 0 if leaves else np.sign(wish.target)
            reason[at] = wish.reason or _REASON[wish.action]
            allowed = book.may_increase[at] or wish.action is not Action.ENTER
            target[at] = wish.target if allowed else book.held_shares[at]
        chosen = ArbitrationResult(
            cost_bps=np.full(n, 1.0),
            net_bps=grid,
            score=grid,
            qualifies=np.ones((len(names), n), dtype=np.bool_),
            action=action,
            horizon=horizon,
            side=side,
            chosen_net_bps=nan,
            entry_probability=np.full(n, 0.5),
            reason=reason,
        )
        return Decision(
            BlendResult(names, np.zeros((len(names), 1)), grid, np.full(grid.shape, 20.0), ok),
            chosen,
            GateResult(np.ones(n, dtype=np.bool_), np.ones(n), ok),
            SpreadGateResult(nan, nan, np.ones(n, dtype=np.bool_), ok),
            SizingResult(nan, nan, target, ok),
        )


def install(monkeypatch: Any) -> WishedDecisions:
    """Put wished decisions in the place of the stages."""
    wished = WishedDecisions()
    monkeypatch.setattr(deciding, "decide", wished)
    return wished


def state_bytes(desk: Desk, seq: int = 0) -> bytes:
    return encode_core(desk.core.state, seq, desk.plan.assembly)


def without_market(state_file: bytes) -> bytes:
    return decode_arrays(state_file)["core"]["json"].tobytes()


def assert_replays(desk: Desk) -> None:
    assert desk.journal is not None
    core = plan_of(**desk.options).core()  # a memory of its own: rings are shared along a run
    left_after = Checkpoints(desk.journal.folder.parent, desk.plan.run, desk.plan.assembly).change_after
    fed = feed_journal(core, read_journal(desk.journal.folder), left_after=left_after)
    assert fed.difference is None, str(fed.difference)
    replayed = encode_core(core.state, 0, desk.plan.assembly)
    assert without_market(replayed) == without_market(state_bytes(desk))
    if not desk.dropped_a_step:
        assert replayed == state_bytes(desk)


def assert_reads_back(desk: Desk) -> None:
    state, seq = decode_core(state_bytes(desk, 5), "memory", desk.plan.assembly)
    assert seq == 5
    if can_checkpoint(desk.core.state):
        assert encode_core(state, 5, desk.plan.assembly) == state_bytes(desk, 5)
