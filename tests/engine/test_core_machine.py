"""A venue that says anything in any order, an operator, kills and restarts: what must hold of the core all the same.

Hypothesis chooses the rules and shrinks what breaks to the shortest story. The book that the core is held to is
computed here, in decimals, from the executions that were told and from nothing else.
"""

from __future__ import annotations

# covers: B27, B5, A12, B9, B10, P15
import shutil
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from core_desk import SYMBOLS, Desk, Wish, assert_replays, enter, install, leave, plan_of
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from other_code import Other, fed_to_other_code, what_happened

from LIVE_TRADING.common.events import (
    BrokerSnapshot,
    CancelRejected,
    ControlRequest,
    CycleAborted,
    Event,
    OrderAck,
    OrderCancelled,
    OrderExpired,
    OrderFill,
    OrderReject,
    OrderStatusReport,
    OrderUnknown,
    Stamped,
    VenueStatus,
)
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action, Leg, Order, Side
from LIVE_TRADING.engine import deciding
from LIVE_TRADING.engine.checkpoint import Checkpoints, can_checkpoint
from LIVE_TRADING.engine.commands import Anomaly, BookAdjusted, Command, SubmitOrder
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.order_plan import client_order_id
from LIVE_TRADING.engine.orders import TERMINAL, OrderStatus
from LIVE_TRADING.engine.resume import resume_run, take_over
from LIVE_TRADING.risk import TradingState
from LIVE_TRADING.risk.state import SEVERITY

FEE = Decimal("0.01")
MAX_GROSS, CASH_USD = 0.03, 100_000.0  # where cash binds there is as much of it as the book may be worth otherwise
STRANGER = "by-hand"
OTHER_WISHES = {"AAA": enter(-7), "BBB": leave(), "CCC": enter(3)}  # of code that is not that which decided
SEEN: Counter[str] = Counter()  # over a campaign: that it plays what it is meant to play
REFUSED_FILLS = (("0", "100"), ("-1", "100"), ("1", "0"), ("1", "-5"))

places = st.integers(0, 5)
quantities = st.integers(1, 35)
prices = st.decimals("50", "150", places=2)
symbols = st.sampled_from(SYMBOLS)
sides = st.sampled_from([-1, 1])
wish_lists = st.lists(st.tuples(symbols, st.sampled_from(list(Action)), sides, quantities), max_size=3)
market_moves = st.tuples(*[st.integers(-300, 300)] * len(SYMBOLS))  # bps


@dataclass
class Sent:
    """An order as the venue saw it leave, and what was told of it."""

    order_id: str
    symbol: str
    sign: int
    quantity: Decimal
    executions: dict[str, Decimal] = field(default_factory=dict)
    ended_as: OrderStatus | None = None

    @property
    def filled(self) -> Decimal:
        return sum(self.executions.values(), Decimal(0))

    @property
    def remaining(self) -> Decimal:
        return Decimal(0) if self.ended_as is not None else self.quantity - self.filled


class AnyVenue(RuleBasedStateMachine):
    """The core between a venue, an operator, a market and kills, all of them drawn."""

    @initialize(
        mode=st.sampled_from(["strict", "warn", "auto_sync"]),
        on_trip=st.sampled_from(["reduce_only", "flatten"]),
        binds=st.sampled_from(["gross_limit", "gross_limit", "buying_power"]),
    )
    def begin(self, mode: str, on_trip: str, binds: str) -> None:
        self.patch = pytest.MonkeyPatch()
        self.folder = Path(tempfile.mkdtemp(prefix="machine"))
        self.options: dict[str, Any] = {
            "risk": {
                "guardrails": True,
                "on_trip": on_trip,
                "max_daily_loss_frac": 0.01,
                "max_gross": MAX_GROSS if binds == "gross_limit" else 20.0,
                "limit_tolerance_frac": 0.0,
                "initial_margin_frac": 1.0,
            },
            "engine": {"initial_cash_usd": CASH_USD * (1.0 if binds == "gross_limit" else MAX_GROSS)},
            "reconcile": {"mode": mode, "max_auto_sync_usd": 2000.0},
        }
        wished = install(self.patch)
        self.desk = Desk(plan_of(**self.options), self.folder, wished, self.options)
        self._write_checkpoint()
        self.mode = mode
        self.largest = MAX_GROSS if binds == "gross_limit" else 1.0
        self.sent: dict[str, Sent] = {}
        self.cash = Decimal(self.desk.plan.run.initial_cash)
        self.shares: dict[str, Decimal] = defaultdict(Decimal)
        self.strangers: set[str] = set()
        self.told: list[Event] = []
        self.adopting = False
        self.n_executions = self.n_refused = 0
        self.number = 0
        self.desk.open(0)
        self.desk.cycle()
        self.desk.predictions(AAA=Wish(Action.ENTER, 20), BBB=Wish(Action.ENTER, -10))
        self._take(self.desk.core.state.orders.open)

    def _take(self, records: Any) -> None:
        for record in records.values():
            self._sent(record.order)

    def teardown(self) -> None:
        if not hasattr(self, "desk"):
            return
        try:
            assert_replays(self.desk)
            self._other_code_takes_what_is_on_file()
            failed = [str(record.data) for record in read_journal(self.folder / FOLDER) if record.kind == "failed"]
            assert [text for text in failed if "cannot be booked" not in text] == [], failed
            assert len(failed) == self.n_refused
        finally:
            if self.desk.journal is not None:
                self.desk.journal.close()
            self.patch.undo()
            shutil.rmtree(self.folder)

    def _other_code_takes_what_is_on_file(self) -> None:
        """Code that wants the reverse, fed with the journal, has the same orders and book, and is as restricted."""
        fed, state = fed_to_other_code(self.desk, OTHER_WISHES)
        assert not fed.stopped, str(fed.difference)
        assert what_happened(state) == what_happened(self.desk.core.state)
        order = SEVERITY.index
        assert order(state.risk.state) >= order(self.desk.core.state.risk.state)

    # -- the market and the clock ----------------------------------------------------------------------------------

    @precondition(lambda self: self.desk.slot < 77 and self.desk.core.state.pending is None)
    @rule(moves=market_moves, missing=st.sampled_from([None, *SYMBOLS]))
    def bar(self, moves: tuple[int, ...], missing: str | None) -> None:
        before = dict(self.desk.prices)
        moved = {
            name: max(5.0, round(before[name] * (1 + move / 10_000), 2))
            for name, move in zip(SYMBOLS, moves, strict=True)
        }
        bars = moved if missing is None else {**moved, missing: float("nan")}
        self._follow(self.desk.bars(None, **bars))
        self.desk.prices |= moved
        self._follow(self.desk.trigger("cycle", self.desk.bar_end_ns))

    @precondition(lambda self: self.desk.core.state.pending is not None)
    @rule(wishes=wish_lists, late=st.booleans())
    def decision(self, wishes: list[tuple[str, Action, int, int]], late: bool) -> None:
        wanted = {symbol: self._wish(symbol, action, sign * size) for symbol, action, sign, size in wishes}
        self._follow(self.desk.predictions(40 * 10**9 if late else 0, **wanted))

    @precondition(lambda self: self.desk.slot < 77 and self.desk.core.state.pending is None)
    @rule(moves=market_moves, wishes=wish_lists, resumed=st.sampled_from([True, True, True, False]))
    def cycle(self, moves: tuple[int, ...], wishes: list[tuple[str, Action, int, int]], resumed: bool) -> None:
        """Bars, trigger, predictions and orders at once, so that something trades."""
        if resumed:
            self.control("resume")
        self.bar(moves, None)
        if self.desk.core.state.pending is not None:
            self.decision(wishes, False)

    @precondition(lambda self: self.desk.slot < 77 and self.desk.core.state.pending is None)
    @rule(symbol=symbols, sign=sides, size=quantities)
    def entry_or_exit(self, symbol: str, sign: int, size: int) -> None:
        action = Action.EXIT if self.shares[symbol] else Action.ENTER
        self.cycle((0, 0, 0), [(symbol, action, sign, size)], True)

    def _wish(self, symbol: str, action: Action, target: int) -> Wish:
        """What the stages could say: nothing of a position that is not there, no entry where there is one."""
        held = self.shares[symbol]
        if not held:
            return Wish(Action.ENTER, target, "30m") if action is not Action.NONE else Wish(action, 0, "30m")
        if action in (Action.EXIT, Action.REVERSE):
            return Wish(action, 0, "30m", Reason.EXIT_REVERSED if action is Action.EXIT else None)
        if action is Action.EXTEND:
            return Wish(action, abs(target) * (1 if held > 0 else -1), "30m")
        return Wish(Action.HOLD, float(held), "30m")

    @precondition(lambda self: self.desk.core.state.pending is not None)
    @rule()
    def no_predictions(self) -> None:
        self._tell(CycleAborted(self.desk.core.state.pending.cycle_time_ns, "timeout"))  # type: ignore[union-attr]

    @precondition(lambda self: self.number + 1 < len(self.desk.sessions))
    @rule()
    def next_session(self) -> None:
        self.number += 1
        self._follow(self.desk.close())
        self._follow(self.desk.open(self.number))
        self._follow(self.desk.cycle())

    # -- the venue -------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.sent)
    @rule(
        place=places,
        how=st.sampled_from([OrderAck, OrderCancelled, OrderExpired, OrderReject, CancelRejected, OrderUnknown]),
    )
    def report(self, place: int, how: Any) -> None:
        because = () if how in (OrderAck, OrderCancelled, OrderExpired) else ("a reason",)
        self._say(how(self._order(place).order_id, *because, self.now_ns))

    @precondition(lambda self: self.sent)
    @rule(place=places, quantity=quantities, price=prices)
    def fill(self, place: int, quantity: int, price: Decimal) -> None:
        """In part, in full, too much, and too late, as it comes."""
        self._say(self._fill(self._order(place), quantity, price))

    @precondition(lambda self: self.sent)
    @rule(place=places, price=prices)
    def fill_of_the_rest(self, place: int, price: Decimal) -> None:
        order = self._order(place)
        if order.quantity > order.filled:
            self._say(self._fill(order, int(order.quantity - order.filled), price))

    @precondition(lambda self: self.sent)
    @rule(place=places, quantity=quantities, price=prices, symbol=symbols, sign=sides)
    def fill_in_other_words(self, place: int, quantity: int, price: Decimal, symbol: str, sign: int) -> None:
        """The id of an execution that is known, with another quantity; or another symbol and side than the order's."""
        order = self._order(place)
        known = next(iter(order.executions), None)
        if known is not None:
            self._say(self._fill(order, quantity, price, execution_id=known))
        else:
            self._say(self._fill(order, quantity, price, symbol=symbol, side=Side.BUY if sign > 0 else Side.SELL))

    @rule(quantity=quantities, price=prices, symbol=st.sampled_from([*SYMBOLS, "ZZZ"]), sign=sides, again=st.booleans())
    def fill_of_nobody(self, quantity: int, price: Decimal, symbol: str, sign: int, again: bool) -> None:
        known = sorted(self.strangers)
        stranger = Sent(STRANGER, symbol, sign, Decimal(quantity))
        self._say(self._fill(stranger, quantity, price, execution_id=known[0] if again and known else ""))

    @precondition(lambda self: self.sent)
    @rule(place=places, numbers=st.sampled_from(REFUSED_FILLS))
    def fill_that_cannot_be(self, place: int, numbers: tuple[str, str]) -> None:
        quantity, price = map(Decimal, numbers)
        self.n_refused += 1
        self._follow(self._step(self._fill(self._order(place), quantity, price)))
        assert self.desk.core.state.risk.state is TradingState.HALTED

    @precondition(lambda self: self.sent)
    @rule(
        place=places,
        status=st.sampled_from(list(VenueStatus)),
        filled=st.sampled_from(["known", "none", "all", "more"]),
        final=st.booleans(),
    )
    def status(self, place: int, status: VenueStatus, filled: str, final: bool) -> None:
        order = self._order(place)
        said = {"known": order.filled, "none": Decimal(0), "all": order.quantity, "more": order.quantity + 1}[filled]
        before = self.desk.core.state.orders.find(order.order_id)
        self._say(OrderStatusReport(order.order_id, status, said, final, "asked", self.now_ns))
        after = self.desk.core.state.orders.find(order.order_id)
        assert before is not None
        assert after is not None
        if after.status is OrderStatus.NOT_AT_VENUE and before.status is not OrderStatus.NOT_AT_VENUE:
            assert (status, final, order.filled) == (VenueStatus.ABSENT, True, 0)
        if said > order.filled and order.ended_as is None:
            assert after == before  # a status that lacks executions settles nothing

    @precondition(lambda self: self.told)
    @rule(place=places)
    def again(self, place: int) -> None:
        """Any report once more, word for word, whatever has happened since."""
        self._say(self.told[-1 - place % len(self.told)])

    @rule(how=st.sampled_from([OrderAck, OrderCancelled, OrderExpired]))
    def report_on_nobody(self, how: Any) -> None:
        commands = self._say(how("lt-nobody", self.now_ns))
        assert [c.kind for c in commands if isinstance(c, Anomaly)] == ["unknown_order"]

    @rule(
        what=st.sampled_from(["equal", "quantity", "extra", "cash", "lost", "foreign", "stale"]),
        size=st.integers(1, 60),
        twice=st.booleans(),
    )
    def snapshot(self, what: str, size: int, twice: bool) -> None:
        """The venue's book: ours, or another one, once or twice in the same words."""
        state = self.desk.core.state
        positions = {name: shares for name, shares in self.shares.items() if shares}
        cash, listed, version = self.cash, list(state.orders.open), state.book_version
        if what == "quantity":
            positions["AAA"] = self.shares["AAA"] + size
        elif what == "extra":
            positions["CCC"] = self.shares["CCC"] - size
        elif what == "cash":
            cash += 10 * size
        elif what == "lost":
            listed = []
        elif what == "foreign":
            listed.append(client_order_id("another", size))
        elif what == "stale":
            positions, cash, version = {}, Decimal(1), version - 1
        told = BrokerSnapshot(
            version, {k: v for k, v in positions.items() if v}, {"USD": cash}, tuple(listed), False, self.now_ns
        )
        for _ in range(1 + twice):
            commands = self._step(told)
            for adjusted in (c for c in commands if isinstance(c, BookAdjusted)):
                assert self.mode == "auto_sync" or self.adopting
                assert what not in ("equal", "stale", "lost")
                self.cash = cash
                self.shares = defaultdict(Decimal, told.positions)
                assert set(adjusted.positions) <= set(SYMBOLS)
                self.adopting = False
            self._follow(commands)

    # -- the operator ----------------------------------------------------------------------------------------------

    @rule(action=st.sampled_from(["halt", "resume", "resume", "resume", "reset", "adopt", "ignore", "dance"]))
    def control(self, action: str) -> None:
        commands = self._step(ControlRequest(action, "because", self.now_ns))
        if action == "adopt" and not any(isinstance(c, Anomaly) for c in commands):
            self.adopting = True
        self._follow(commands)

    @precondition(lambda self: self.sent)
    @rule(place=places, outcome=st.sampled_from(["cancelled", "not_at_venue", "expired", "rejected", "married"]))
    def settle(self, place: int, outcome: str) -> None:
        order = self._order(place)
        self._follow(self._step(ControlRequest("settle", "seen", self.now_ns, order.order_id, outcome)))

    # -- kills -----------------------------------------------------------------------------------------------------

    @precondition(lambda self: can_checkpoint(self.desk.core.state))
    @rule()
    def checkpoint(self) -> None:
        self._write_checkpoint()

    @rule()
    def killed(self) -> None:
        before = self.desk.core.state
        self._restart()
        after = self.desk.core.state
        assert (after.ledger, after.order_number, after.risk.latches) == (
            before.ledger,
            before.order_number,
            before.risk.latches,
        )

    @rule()
    def killed_and_gone_on_with_by_other_code(self) -> None:
        """It would have decided otherwise; what is on file stands, and nothing is opened until somebody says so."""
        before = self.desk.core.state
        self._restart(other_code=True)
        after = self.desk.core.state
        assert (after.ledger.cash, after.order_number) == (before.ledger.cash, before.order_number)
        assert after.orders.open.keys() == before.orders.open.keys()
        assert SEVERITY.index(after.risk.state) >= SEVERITY.index(before.risk.state)

    @precondition(lambda self: self.sent)
    @rule(place=places, price=prices, what=st.sampled_from(["fill", "cancelled"]))
    def killed_between_an_event_and_its_commands(self, place: int, price: Decimal, what: str) -> None:
        """The event is on file, what follows from it is not: so it never left."""
        order = self._order(place)
        event: Event = OrderCancelled(order.order_id, self.now_ns)
        if what == "fill":
            event = self._fill(order, 1, price)
        assert self.desk.journal is not None
        now_ns = max(self.now_ns, self.desk.core.state.now_ns)
        self.desk.journal.append_event(Stamped(self.desk.driver.seq + 1, now_ns, event))
        self._book(event)
        self._restart()

    def _write_checkpoint(self) -> None:
        plan, desk = self.desk.plan, self.desk
        Checkpoints(self.folder, plan.run, plan.assembly).write_arrays(desk.core.state, desk.driver.seq)

    def _restart(self, *, other_code: bool = False) -> None:
        """What a new process does: the newest checkpoint, the journal after it, doubts about what has no answer."""
        desk = self.desk
        assert desk.journal is not None
        SEEN["kill with an order open"] += any(order.ended_as is None for order in self.sent.values())
        desk.journal.close()
        desk.plan = plan_of(**self.options)
        with pytest.MonkeyPatch.context() as patched:
            if other_code:
                patched.setattr(deciding, "decide", Other(OTHER_WISHES))
            recovered = resume_run(self.folder, desk.plan.core())
        change = recovered.change
        assert other_code or change is None
        desk.driver, desk.core, desk.journal = recovered.driver, recovered.driver.core, recovered.driver.journal
        for order in orders_on_file(self.folder):
            self._sent(order)
        self._see_ends()
        take_over(recovered, self.folder)
        if change is not None:
            self._follow(self._step(change))
            assert SEVERITY.index(desk.core.state.risk.state) >= SEVERITY.index(TradingState.REDUCE_ONLY)
            SEEN["restart by code that would have decided otherwise"] += 1
        for record in tuple(desk.core.state.orders.open.values()):
            if record.status in (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN):
                self._follow(self._step(OrderUnknown(record.order.client_order_id, "restart", self.now_ns)))

    # -- what is kept here -----------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        return self.desk.bar_end_ns

    def _order(self, place: int) -> Sent:
        """One that works, more often than not, or one of the last."""
        working = [order for order in self.sent.values() if order.ended_as is None]
        among = working if working and place < 4 else list(self.sent.values())[-6:]
        return among[-1 - place % len(among)]

    def _fill(self, order: Sent, quantity: int | Decimal, price: Decimal, **changes: Any) -> OrderFill:
        self.n_executions += 1
        fields: dict[str, Any] = {
            "order_id": order.order_id,
            "execution_id": f"e{self.n_executions}",
            "symbol": order.symbol,
            "side": Side.BUY if order.sign > 0 else Side.SELL,
            "fill_price": price,
            "fill_amount": Decimal(quantity),
            "commission": FEE,
            "currency": "USD",
            "timestamp_ns": self.now_ns,
        }
        return OrderFill(**fields | {key: value for key, value in changes.items() if value})

    def _step(self, event: Event) -> list[Command]:
        return self.desk.tell(event)

    def _tell(self, event: Event) -> None:
        self._follow(self._step(event))

    def _say(self, event: Event) -> list[Command]:
        """Let the venue report, and book here what it says."""
        self.told.append(event)
        self._book(event)
        commands = self._step(event)
        self._follow(commands)
        return commands

    def _book(self, event: Event) -> None:
        """Cash and shares follow from executions, each of which counts once."""
        if not isinstance(event, OrderFill):
            return
        order = self.sent.get(event.order_id)
        booked = [order] if order is not None else list(self.sent.values())
        if event.execution_id in self.strangers or any(event.execution_id in other.executions for other in booked):
            return
        if order is None:
            self.strangers.add(event.execution_id)
        else:
            SEEN["late fill" if order.ended_as is not None else "fill"] += 1
            order.executions[event.execution_id] = event.fill_amount
        sign = 1 if event.side is Side.BUY else -1
        self.cash -= sign * event.fill_amount * event.fill_price + event.commission
        self.shares[event.symbol] += sign * event.fill_amount

    def _sent(self, order: Order) -> None:
        sign = 1 if order.side is Side.BUY else -1
        self.sent.setdefault(order.client_order_id, Sent(order.client_order_id, order.symbol, sign, order.quantity))

    def _follow(self, commands: list[Command]) -> None:
        """Take what leaves: nothing while halted, no id twice, nothing beyond the limit on the reserved book."""
        state = self.desk.core.state
        orders = [command.order for command in commands if isinstance(command, SubmitOrder)]
        if orders and state.risk.state is TradingState.HALTED:
            raise AssertionError(f"sent while halted: {orders}")
        for order in orders:
            assert order.client_order_id not in self.sent
            held = self.shares[order.symbol]
            if order.leg in (Leg.EXIT, Leg.FLATTEN) or state.risk.state is TradingState.REDUCE_ONLY:
                assert order.side.sign * held < 0
                assert order.quantity <= abs(held)
        before_usd = self._reserved_gross_usd()
        for order in orders:
            self._sent(order)
            SEEN["order beside one of unknown fate"] += any(
                record.status is OrderStatus.UNKNOWN for record in state.orders.open.values()
            )
        self._see_ends()
        if orders and (after_usd := self._reserved_gross_usd()) > before_usd * (1 + 1e-9):
            assert after_usd <= self.largest * float(state.equity) * (1 + 1e-9)

    def _reserved_gross_usd(self) -> float:
        """What the book could become through all that may still fill, orders of unknown fate among it."""
        close = self.desk.core.state.quotes.price
        total = 0.0
        for at, symbol in enumerate(self.desk.symbols):
            open_orders = [order for order in self.sent.values() if order.symbol == symbol]
            buys = sum((order.remaining for order in open_orders if order.sign > 0), Decimal(0))
            sells = sum((order.remaining for order in open_orders if order.sign < 0), Decimal(0))
            held = self.shares[symbol]
            most = max(abs(held), abs(held + buys), abs(held - sells))
            total += float(most) * float(close[at]) if most else 0.0
        return total

    def _see_ends(self) -> None:
        """Note how an order ended the first time that it is seen to have."""
        orders = self.desk.core.state.orders
        for order in self.sent.values():
            record = orders.find(order.order_id)
            if record is not None and record.status.is_terminal and order.ended_as is None:
                order.ended_as = record.status
                SEEN[f"ended as {record.status}"] += 1

    # -- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def cash_and_positions_follow_from_the_executions(self) -> None:
        ledger = self.desk.core.state.ledger
        assert ledger.cash == {"USD": self.cash}
        held = {name: position.quantity for name, position in ledger.positions.items()}
        assert held == {name: shares for name, shares in self.shares.items() if shares}

    @invariant()
    def orders_are_what_was_told_of_them(self) -> None:
        orders = self.desk.core.state.orders
        for order in self.sent.values():
            record = orders.find(order.order_id)
            assert record is not None
            assert (record.filled, record.executions) == (order.filled, tuple(order.executions))
            if order.ended_as is not None:
                assert record.status is order.ended_as  # final, whatever came later
            else:
                assert record.filled < record.order.quantity
                assert (record.status is OrderStatus.PARTIALLY_FILLED) == (record.filled > 0)
            if record.status is OrderStatus.FILLED:
                assert record.filled >= record.order.quantity

    @invariant()
    def no_id_twice_and_one_order_per_symbol(self) -> None:
        state = self.desk.core.state
        assert len(self.sent) == state.order_number
        assert set(self.sent) == set(state.orders.open) | set(state.orders.closed)
        working = [record.order.symbol for record in state.orders.open.values()]
        assert len(working) == len(set(working))


def orders_on_file(folder: Path) -> list[Order]:
    """Every order that the journal says was to be sent; each once."""
    found: list[Order] = []
    for record in read_journal(folder / FOLDER):
        for name, fields in record.data if record.kind == "commands" else ():
            if name == "SubmitOrder":
                said = fields["order"]
                found.append(
                    Order(
                        said["client_order_id"],
                        said["order_number"],
                        said["symbol"],
                        Side(said["side"]),
                        Decimal(said["quantity"]),
                        Leg(said["leg"]),
                        said["decision_time_ns"],
                    )
                )
    ids = [order.client_order_id for order in found]
    assert len(ids) == len(set(ids))
    return found


def campaign(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )


def test_any_order_of_reports_words_and_kills() -> None:
    SEEN.clear()
    run_state_machine_as_test(AnyVenue, settings=campaign(60, 40))
    assert min(SEEN[what] for what in ("fill", "late fill", "ended as filled", "kill with an order open")) > 0


@pytest.mark.slow
def test_any_order_of_reports_words_and_kills_at_length() -> None:
    SEEN.clear()
    run_state_machine_as_test(AnyVenue, settings=campaign(500, 100))
    assert min(SEEN[f"ended as {status}"] for status in TERMINAL) > 0
    assert SEEN["order beside one of unknown fate"] > 0
    assert SEEN["restart by code that would have decided otherwise"] > 0
