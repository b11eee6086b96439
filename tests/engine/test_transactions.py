"""A handler that raises has done nothing: the state is the one before, the failure is on file, trading is halted."""

from __future__ import annotations

# covers: A5, A6, P15, P18, P27
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_desk import Desk, Wish, anomalies_of, assert_replays, enter, leave, orders_of, plan_of, without_market

from LIVE_TRADING.arbitration import CostModel, HorizonArbiter
from LIVE_TRADING.blending import HorizonBlender
from LIVE_TRADING.common.events import OrderFill, PredictionsReady, SystemFault
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OsFileLayer
from LIVE_TRADING.common.types import Action
from LIVE_TRADING.engine import bar_end, deciding, order_reports
from LIVE_TRADING.engine.checkpoint import encode_core
from LIVE_TRADING.engine.commands import CycleSkipped, RunInference, TradingStateChanged
from LIVE_TRADING.engine.cycle import CycleResult
from LIVE_TRADING.engine.digest import RunDigest
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.journal import Journal, read_journal
from LIVE_TRADING.engine.ledger import Ledger
from LIVE_TRADING.engine.market import MarketModel
from LIVE_TRADING.engine.orders import OrderBook
from LIVE_TRADING.engine.state import CoreState, Quotes
from LIVE_TRADING.gating import BarrierGate, SpreadGate
from LIVE_TRADING.learning import RewardTracker
from LIVE_TRADING.prediction.memory import ForecastModel
from LIVE_TRADING.risk import PreTradeRules, RiskGuardrails, TradingState
from LIVE_TRADING.sizing import PositionSizer

MakeDesk = Callable[..., Desk]


class BoomError(Exception):
    """What nobody foresaw."""


def boom(*_: object, **__: object) -> Any:
    raise BoomError("nobody foresaw this")


def kept(state: CoreState, desk: Desk) -> bytes:
    """The state without the market's arrays, whose record is compared by identity: rings are shared along a run."""
    bare = replace(state, risk=desk.plan.core().state.risk, now_ns=0)
    return without_market(encode_core(bare, 0, desk.plan.assembly))


def assert_undone(desk: Desk, before: CoreState, before_bytes: bytes) -> None:
    after = desk.core.state
    assert after.market is before.market
    assert after.quotes is before.quotes
    assert kept(after, desk) == before_bytes
    assert after.risk.state is TradingState.HALTED
    assert [latch.rule_id for latch in after.risk.latches] == ["handler_failed"]


def failures(desk: Desk) -> list[int]:
    assert desk.journal is not None
    return [record.seq for record in read_journal(desk.journal.folder) if record.kind == "failed"]


def fail_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, tell: Callable[[], Any], desk: Desk) -> Any:
    before = desk.core.state
    before_bytes = kept(before, desk)
    seq, desk.dropped_a_step = desk.driver.seq, True
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, boom)
        commands = tell()
    assert_undone(desk, before, before_bytes)
    assert failures(desk) == [seq + 1]
    assert any(isinstance(command, TradingStateChanged) for command in commands)
    return commands


def goes_on(desk: Desk) -> None:
    """After an operator has looked, the next cycle is like any other."""
    desk.control("resume")
    for _ in range(2):
        assert any(isinstance(command, RunInference) for command in desk.cycle())
        desk.predictions()


AT_BAR_END = [
    (MarketModel, "advance"),
    (bar_end, "PendingCycle"),
    (bar_end, "cancel_new_risk"),
    (RiskGuardrails, "evaluate"),
    (RunDigest, "with_account"),
]


@pytest.mark.parametrize(("owner", "name"), AT_BAR_END, ids=lambda value: getattr(value, "__name__", value))
def test_a_bar_end_that_fails(desk: Desk, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    desk.decide(slot=2)
    desk.bars()
    fail_at(monkeypatch, owner, name, lambda: desk.trigger("cycle", desk.bar_end_ns), desk)
    goes_on(desk)


def test_a_step_of_the_market_memory_that_was_dropped_leaves_no_trace(
    real_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rings are written in place: a replay, which passes the failed step over, sees the same features."""
    desk = real_desk
    steps = np.random.default_rng(3).normal(0.0, 0.2, (2, 78, 3)).cumsum(axis=1)
    for number in (0, 1):
        desk.open(number)
        for slot in range(78):
            prices = dict(zip(desk.symbols, (100 + steps[number, slot]).tolist(), strict=True))
            if number == 0 and slot == 40:
                desk.bars(slot, **prices)
                fail_at(monkeypatch, RiskGuardrails, "evaluate", lambda: desk.trigger("cycle", desk.bar_end_ns), desk)
                desk.control("resume")
            else:
                desk.cycle(slot, **prices)
                desk.predictions()
    assert_replays(desk)


def test_bars_that_fail(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.decide(slot=2)
    fail_at(monkeypatch, Quotes, "with_bars", desk.bars, desk)
    goes_on(desk)


def test_an_open_that_fails(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.decide(slot=2)
    fail_at(monkeypatch, RiskGuardrails, "open_session", lambda: desk.open(1), desk)
    goes_on(desk)


STAGES = [
    (MarketModel, "predict"),
    (ForecastModel, "forecast_covariance"),
    (HorizonBlender, "blend"),
    (SpreadGate, "judge"),
    (CostModel, "round_trip_bps"),
    (HorizonArbiter, "arbitrate"),
    (BarrierGate, "judge"),
    (PositionSizer, "size"),
    (deciding, "book_view"),
    (deciding, "plan_orders"),
    (RunDigest, "with_cycle"),
]


@pytest.fixture
def real_desk(tmp_path: Path) -> Desk:
    """A desk whose decisions are those of the stages."""
    made = Desk(plan_of(), tmp_path)
    made.open(0)
    return made


@pytest.mark.parametrize(("owner", "name"), STAGES, ids=lambda value: getattr(value, "__name__", value))
def test_a_stage_that_fails(real_desk: Desk, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    desk = real_desk
    desk.decide(slot=2)
    desk.cycle()
    commands = fail_at(monkeypatch, owner, name, desk.predictions, desk)
    assert [c.reason for c in commands if isinstance(c, CycleSkipped)] == ["handler_failed"]
    assert desk.core.state.pending is None
    goes_on(desk)


ORDERING = [
    (PreTradeRules, "check"),
    (deciding, "submit_all"),
    (deciding, "request_cancel"),
    (Ledger, "reclocked"),
    (OrderBook, "with_record"),
    (RewardTracker, "learn"),
    (RunDigest, "with_cycle"),
]


@pytest.mark.parametrize(("owner", "name"), ORDERING, ids=lambda value: getattr(value, "__name__", value))
def test_ordering_that_fails(desk: Desk, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    """A cycle that has everything to do: a matured trade, an extension, an exit behind a resize, an entry."""
    for symbol in ("AAA", "BBB", "CCC"):
        desk.enter(symbol, 10)
    resize, exit_order = orders_of(desk.decide(BBB=Wish(Action.HOLD, 5), CCC=leave()))
    desk.ack(resize)
    desk.fill(exit_order, 10)
    desk.cycle()
    wishes = {"AAA": Wish(Action.EXTEND, 10, "30m"), "BBB": leave(), "CCC": enter(-10)}
    fail_at(monkeypatch, owner, name, lambda: desk.predictions(**wishes), desk)
    goes_on(desk)


REPORTS = [(Ledger, "apply"), (OrderBook, "with_record"), (RunDigest, "with_fill"), (order_reports, "send_exit")]


@pytest.mark.parametrize(("owner", "name"), REPORTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_fill_that_fails_is_booked_whole_or_not_at_all(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    desk.decide(AAA=leave())
    fail_at(monkeypatch, owner, name, lambda: desk.fill(order, 6), desk)
    assert desk.held() == 4
    desk.fill(order, 6)  # reported again
    assert desk.held() == 10


def test_a_fill_that_is_none_is_not_booked(desk: Desk) -> None:
    order = desk.enter(fill=False)
    before = desk.core.state.ledger
    for quantity, price in (("-4", "100"), ("0", "100"), ("4", "0"), ("4", "-1")):
        desk.fill(order, quantity, price)
        assert desk.core.state.ledger is before
    assert len(failures(desk)) == 4


def test_the_fault_itself_must_not_fail(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RiskGuardrails, "halt", boom)
    with pytest.raises(BoomError):
        desk.tell(SystemFault("any", "any", "critical", 0))
    monkeypatch.undo()


# -- what cannot be recorded -----------------------------------------------------------------------------------------


def test_an_event_that_cannot_be_recorded_is_refused_and_halts(real_desk: Desk) -> None:
    desk = real_desk
    desk.cycle(0)
    shape = (len(desk.horizons), 1, 3)
    commands = desk.tell(PredictionsReady(desk.bar_end_ns, np.full(shape, np.inf), None, None))
    assert [latch.rule_id for latch in desk.core.state.risk.latches] == ["event_refused"]
    assert [c.reason for c in commands if isinstance(c, CycleSkipped)] == ["event_refused"]
    assert desk.journal is not None
    assert [record.seq for record in read_journal(desk.journal.folder) if record.kind == "event"] == [1, 2, 3, 4, 5]
    goes_on(desk)


@pytest.mark.parametrize("text", ["\udcff", 2**70], ids=["lone-surrogate", "integer-beyond-64-bits"])
def test_text_and_numbers_beyond_json_are_refused(desk: Desk, text: Any) -> None:
    desk.tell(SystemFault("any", "any", text, 0))
    assert [latch.rule_id for latch in desk.core.state.risk.latches] == ["event_refused"]


def test_amounts_that_are_no_numbers_are_refused(desk: Desk) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, "NaN")
    assert [latch.rule_id for latch in desk.core.state.risk.latches] == ["event_refused"]
    assert desk.held() == 0


def test_commands_that_cannot_be_recorded_have_not_happened(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def infinite(_: CycleResult) -> dict[str, Any]:
        raise ValueError("infinity cannot be recorded")

    desk.cycle(0)
    before = desk.core.state
    with monkeypatch.context() as patched:
        patched.setattr(CycleResult, "to_record", infinite)
        commands = desk.predictions(AAA=enter(10))
    assert orders_of(commands) == []
    assert desk.core.state.orders == before.orders
    assert len(failures(desk)) == 1
    goes_on(desk)


def test_without_a_journal_the_error_is_raised(make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = make_desk(strict=True)
    desk.open(0)
    with monkeypatch.context() as patched, pytest.raises(BoomError):
        patched.setattr(Quotes, "with_bars", boom)
        desk.bars()


# -- a journal that fails --------------------------------------------------------------------------------------------


class FullDisk(OsFileLayer):
    """Writes until it is full, and then half of a record."""

    def __init__(self) -> None:
        self.is_full = False

    def write(self, descriptor: int, data: bytes) -> None:
        if self.is_full:
            super().write(descriptor, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        super().write(descriptor, data)


class FullAfter(FullDisk):
    """Full after so many records."""

    def __init__(self, records: int) -> None:
        super().__init__()
        self.left = records

    def write(self, descriptor: int, data: bytes) -> None:
        self.is_full = self.left <= 0
        self.left -= 1
        super().write(descriptor, data)


@pytest.mark.parametrize("room", [0, 1], ids=["event-not-written", "commands-not-written"])
def test_a_full_disk_undoes_the_event_and_nothing_leaves(wished: object, tmp_path: Path, room: int) -> None:
    desk = Desk(plan_of(), None, wished)  # type: ignore[arg-type]
    files = FullAfter(10**9)
    journal = Journal(tmp_path, files=files)
    journal.append_run(0, {})
    desk.driver = Driver(desk.core, journal)
    desk.open(0)
    desk.cycle(0)
    before, seq = desk.core.state, desk.driver.seq
    files.left = room
    with pytest.raises(StateError, match="No space left"):
        desk.predictions(AAA=enter(10))
    assert desk.core.state is before
    assert desk.driver.seq == seq
    files.left = 10**9  # room again, but what stands after a torn record could not be read
    with pytest.raises(StateError, match="nothing more is written"):
        desk.tell(SystemFault("any", "any", "warning", 0))
    journal.close()
    kinds = [record.kind for record in read_journal(journal.folder)]
    assert kinds[-1] == ("commands" if room == 0 else "event")


def test_observers_hear_of_what_is_on_file(desk: Desk) -> None:
    heard: list[tuple[int, int]] = []
    assert desk.journal is not None
    driver = Driver(desk.core, desk.journal, [lambda s, c: heard.append((s.seq, len(c)))], next_seq=desk.driver.seq + 1)
    desk.driver = driver
    desk.cycle(0)
    assert heard == [(2, 0), (3, 2)]


def test_anomalies_do_not_halt(desk: Desk) -> None:
    order = desk.enter()
    assert anomalies_of(desk.fill(order, 1)) == ["late_fill", "overfill"]
    assert desk.core.state.risk.state is TradingState.ACTIVE
    assert isinstance(OrderFill, type)
