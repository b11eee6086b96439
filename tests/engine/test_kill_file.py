"""The kill file: nothing leaves while it is there, what works is cancelled, and removing it lifts nothing."""

from __future__ import annotations

# covers: P15, P22
import asyncio
from contextlib import closing
from pathlib import Path

from LIVE_TRADING.engine.kill_file import NAME, KillFile
from LIVE_TRADING.engine.orders import OrderStatus
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.observability import EventType, Notice
from LIVE_TRADING.risk import TradingState
from tests.support.scripted_sessions import LOW_COST_CONFIG, bar_end, listened, panel, start_ns
from tests.support.told import MoodyBroker, real_time_engine, run_told


class _Counts(MoodyBroker):
    """Remembers what reached the venue, and pulls the switch when the first order of a cycle arrives."""

    sent: list[str]
    pull_at: int
    folder: Path

    async def submit_order(self, order):
        type(self).sent.append(order.client_order_id)
        if order.decision_time_ns >= self.pull_at:
            (self.folder / NAME).touch()
        await super().submit_order(order)


def test_the_orders_of_the_same_cycle_stay_here_once_the_file_is_there(monkeypatch, tmp_path: Path) -> None:
    class Counts(_Counts):
        sent, pull_at, folder = [], bar_end(4), tmp_path

    bus, ear = listened()
    monkeypatch.setattr("tests.support.told.MoodyBroker", Counts)
    engine = run_told(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), state_dir=tmp_path, max_cycles=12)
    state = engine.core.state
    assert state.risk.state is TradingState.HALTED
    assert "kill file" in state.risk.latches[-1].message
    never_sent = [r for r in state.orders.closed.values() if r.venue_reason.startswith("never sent: kill file")]
    submitted = {notice.fields["client_order_id"] for notice in ear.of(EventType.ORDER_SUBMITTED)}
    assert {record.status for record in never_sent} == {OrderStatus.REJECTED}
    assert {record.order.client_order_id for record in never_sent} == submitted - set(Counts.sent)
    assert len(Counts.sent) == len(set(Counts.sent))
    assert not [record for record in state.orders.open.values() if record.cancel_asked_ns < 0]
    assert state.ledger.positions  # killing does not flatten


def test_removing_it_lifts_nothing_and_resuming_under_it_halts_again(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()

    def resume(engine: TradingEngine, broker: MoodyBroker, now_ns: int) -> None:
        if now_ns == bar_end(3):
            assert engine.core.state.risk.state is TradingState.HALTED
            (tmp_path / NAME).unlink()
        if now_ns == bar_end(4):
            assert engine.core.state.risk.state is TradingState.HALTED
            engine.control("resume", "looked into it")
        if now_ns == bar_end(8):
            (tmp_path / NAME).touch()

    engine = run_told(
        panel(), LOW_COST_CONFIG, None, start_ns=start_ns(), state_dir=tmp_path, max_cycles=12, on_cycle=resume
    )
    assert [latch.rule_id for latch in engine.core.state.risk.latches] == ["operator"]
    resumed = run_told(panel(), LOW_COST_CONFIG, None, start_ns=start_ns(), state_dir=tmp_path, max_cycles=1)
    assert resumed.core.state.risk.state is TradingState.HALTED


def test_resuming_while_it_is_there_halts_again(tmp_path: Path) -> None:
    sent_under_it: list[int] = []

    def resume(engine: TradingEngine, broker: MoodyBroker, now_ns: int) -> None:
        if now_ns == bar_end(2):
            (tmp_path / NAME).touch()
        if now_ns == bar_end(4):
            assert engine.core.state.risk.state is TradingState.HALTED
            engine.control("resume", "looked into it")
            sent_under_it.append(engine.core.state.order_number)

    engine = run_told(
        panel(), LOW_COST_CONFIG, None, start_ns=start_ns(), state_dir=tmp_path, max_cycles=8, on_cycle=resume
    )
    state = engine.core.state
    assert state.risk.state is TradingState.HALTED
    assert "kill file" in state.risk.latches[-1].message
    assert [state.order_number] == sent_under_it


def test_it_is_seen_while_nothing_happens(tmp_path: Path) -> None:
    bus, _ = listened()  # the first bar is minutes away
    engine = real_time_engine(panel(), LOW_COST_CONFIG, speed=1.0, state_dir=tmp_path, bus=bus)

    def answer(notice: Notice) -> None:
        if notice.type is EventType.BROKER_CONNECTED:
            (tmp_path / NAME).touch()
        else:
            engine.request_stop()

    bus.subscribe("answer", answer, [EventType.BROKER_CONNECTED, EventType.KILL_SWITCH])
    with closing(engine):
        asyncio.run(asyncio.wait_for(engine.run(), 60))
    assert engine.core.state.risk.state is TradingState.HALTED


def test_what_cannot_be_looked_at_counts_as_pulled(tmp_path: Path) -> None:
    assert KillFile(None).pulled() == ""
    assert KillFile(tmp_path).pulled() == ""
    (tmp_path / "file").touch()
    assert "cannot be looked at" in KillFile(tmp_path / "file").pulled()
