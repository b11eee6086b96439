"""A venue, an operator and forecasts that do anything in any order: what must hold of the core all the same."""

from __future__ import annotations

# covers: B5, A12, A18, P15, P27
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
from core_desk import SYMBOLS, Desk, Wish, orders_of

from LIVE_TRADING.common.events import CycleAborted, MarketData, SystemFault
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action, Leg, Order
from LIVE_TRADING.engine.checkpoint import can_checkpoint
from LIVE_TRADING.engine.commands import Command
from LIVE_TRADING.engine.journal import read_journal
from LIVE_TRADING.risk import TradingState

MakeDesk = Callable[..., Desk]
STEPS = 160


class Mischief:
    """Draws what happens next, and keeps a book of its own."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk = desk
        self.chance = np.random.default_rng(seed)
        self.sent: list[Order] = []
        self.cash = Decimal(desk.plan.run.initial_cash)
        self.shares: dict[str, Decimal] = defaultdict(Decimal)
        self.executions = 0
        self.number = 0

    def step(self) -> None:
        before = self.desk.core.state
        kind = self.chance.choice(
            ["cycle", "predictions", "fill", "end", "ack", "cancel_rejected", "session", "control", "odd", "quote"],
            p=[0.24, 0.21, 0.23, 0.1, 0.05, 0.03, 0.03, 0.04, 0.03, 0.04],
        )
        commands = getattr(self, f"_{kind}")()
        self._check(commands, before.risk.state)

    def _cycle(self) -> list[Command]:
        desk = self.desk
        if desk.slot >= 77:
            return self._session()
        moved = {name: max(1.0, desk.prices[name] * float(self.chance.normal(1.0, 0.02))) for name in SYMBOLS}
        gone = self.chance.choice(SYMBOLS)
        if self.chance.random() < 0.1:
            desk.bars(desk.slot + 1, **{**moved, gone: float("nan")})
            desk.prices[gone] = moved[gone]
        else:
            desk.bars(desk.slot + 1, **moved)
        return desk.trigger("cycle", desk.bar_end_ns)

    def _predictions(self) -> list[Command]:
        if self.desk.core.state.pending is None:
            return []
        wishes = {}
        for symbol in SYMBOLS:
            held = self.desk.held(symbol)
            size = int(self.chance.integers(1, 40))
            if not held:
                if self.chance.random() < 0.6:
                    horizon = str(self.chance.choice(["5m", "15m", "1d"]))
                    wishes[symbol] = Wish(Action.ENTER, size * int(self.chance.choice([-1, 1])), horizon)
            else:
                side = 1 if held > 0 else -1
                action = self.chance.choice([Action.EXIT, Action.REVERSE, Action.HOLD, Action.EXTEND, Action.NONE])
                target = 0 if action in (Action.EXIT, Action.REVERSE) else side * size
                reason = Reason.EXIT_REVERSED if action == Action.EXIT else None
                wishes[symbol] = Wish(Action(int(action)), target, "30m", reason)
        late_ns = int(self.chance.choice([0, 0, 0, 40 * 10**9]))
        return self.desk.predictions(late_ns, **wishes)

    def _order(self) -> Order | None:
        return self.sent[-int(self.chance.integers(1, min(len(self.sent), 6) + 1))] if self.sent else None

    def _fill(self) -> list[Command]:
        order = self._order()
        if order is None:
            return []
        known = self.desk.record(order).executions
        if known and self.chance.random() < 0.15:
            return self.desk.fill(order, 1, execution_id=known[0])  # again, and in other words
        left = order.quantity - self.desk.record(order).filled
        quantity = Decimal(int(self.chance.integers(1, max(2, int(left) + 2))))
        price = Decimal(str(round(float(self.chance.uniform(50, 150)), 2)))
        self.executions += 1
        signed = quantity * order.side.sign
        self.cash -= signed * price + Decimal("0.01")
        self.shares[order.symbol] += signed
        return self.desk.fill(order, str(quantity), str(price), execution_id=f"e{self.executions}")

    def _end(self) -> list[Command]:
        order = self._order()
        if order is None:
            return []
        how = str(self.chance.choice(["cancelled", "rejected", "expired"], p=[0.7, 0.2, 0.1]))
        return list(getattr(self.desk, how)(order))

    def _ack(self) -> list[Command]:
        order = self._order()
        return [] if order is None else self.desk.ack(order)

    def _cancel_rejected(self) -> list[Command]:
        order = self._order()
        return [] if order is None else self.desk.cancel_rejected(order)

    def _session(self) -> list[Command]:
        if self.number + 1 >= len(self.desk.sessions):
            return []
        self.number += 1
        self.desk.close()
        return self.desk.open(self.number)

    def _control(self) -> list[Command]:
        return self.desk.control(str(self.chance.choice(["halt", "resume", "resume", "resume", "resume", "reset"])))

    def _odd(self) -> list[Command]:
        pending = self.desk.core.state.pending
        time_ns = pending.cycle_time_ns if pending is not None and self.chance.random() < 0.5 else 5
        self.desk.tell(CycleAborted(time_ns, "timeout"))
        return self.desk.tell(SystemFault("feed", "hiccup", str(self.chance.choice(["warning", "critical"])), 0))

    def _quote(self) -> list[Command]:
        """Trades and quotes, good and impossible, of now, of before and of times to come."""
        symbol, made_s = str(self.chance.choice([*SYMBOLS, "ZZZ"])), int(self.chance.choice([-900, 1, 1, 1, 900]))
        price, bid, ask = self.chance.choice([np.nan, -1.0, 0.0, 99.0, 100.0, 101.0], size=3).tolist()
        told = MarketData(symbol, self.desk.bar_end_ns + made_s * 10**9, price=price, bid=bid, ask=ask)
        commands = self.desk.tell(told)
        assert orders_of(commands) == []
        return commands

    # -- what must hold ----------------------------------------------------------------------------------------------

    def _check(self, commands: list[Command], state_before: TradingState) -> None:
        state, desk = self.desk.core.state, self.desk
        orders = orders_of(commands)
        self.sent += orders
        assert state.ledger.cash == {"USD": self.cash}
        assert {name: held.quantity for name, held in state.ledger.positions.items()} == {
            name: shares for name, shares in self.shares.items() if shares
        }
        ids = [order.client_order_id for order in self.sent]
        assert len(set(ids)) == len(ids)
        assert [order.order_number for order in self.sent] == list(range(1, len(ids) + 1))
        if TradingState.HALTED in (state_before, state.risk.state):
            assert orders == []
        for order in orders:
            held = self.shares[order.symbol]
            if order.leg in (Leg.EXIT, Leg.FLATTEN) or state.risk.state is TradingState.REDUCE_ONLY:
                assert order.side.sign * held < 0
                assert order.quantity <= abs(held)
            assert len(state.orders.of_symbol(order.symbol)) == 1  # none is sent while another works
        for record in state.orders.open.values():
            assert not record.status.is_terminal
            assert record.filled < record.order.quantity
        assert set(state.orders.open).isdisjoint(state.orders.closed)
        assert set(state.orders.open) | set(state.orders.closed) == set(ids)
        assert can_checkpoint(state) == (state.pending is None and not state.collected)
        assert desk.driver.seq > 0


@pytest.mark.parametrize("on_trip", ["reduce_only", "flatten"])
@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens(make_desk: MakeDesk, seed: int, on_trip: str) -> None:
    desk = make_desk(risk={"guardrails": True, "on_trip": on_trip, "max_daily_loss_frac": 0.01, "cooldown_s": 60.0})
    desk.open(0)
    mischief = Mischief(desk, seed)
    for _ in range(STEPS):
        mischief.step()
    assert desk.journal is not None
    assert all(record.kind != "failed" for record in read_journal(desk.journal.folder))
