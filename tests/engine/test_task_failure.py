"""A bug in a task of the shell: the others are cut off, the error is named, what left is on file, nobody trades."""

from __future__ import annotations

# covers: B13, B11
import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from LIVE_TRADING.common.events import OrderEvent
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.types import Order
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.orders import OrderStatus
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.resume import recorded_run, start_core
from LIVE_TRADING.engine.task_failure import first_error
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.observability import EventType
from LIVE_TRADING.risk import TradingState
from tests.support.scripted_sessions import LOW_COST_CONFIG, listened, panel, start_ns
from tests.support.told import Ear, MoodyBroker, engine_of, run_told


class _Crashes(MoodyBroker):
    """Its stream of reports has a bug that shows at the first report; two orders are then still being sent."""

    stalls = True
    reached: list[str]
    on_the_way: list[str]

    async def submit_order(self, order: Order) -> None:
        if not self.stalls:
            await super().submit_order(order)
            return
        first = not self.reached and not self.on_the_way
        if first:
            self.reached.append(order.client_order_id)
            await super().submit_order(order)
            return
        self.on_the_way.append(order.client_order_id)
        if len(self.on_the_way) == 2:
            await super().submit_order(order)  # the venue has it, and the answer never comes
        await asyncio.Event().wait()

    async def get_next_event(self) -> OrderEvent:
        event = await super().get_next_event()
        if self.stalls:
            raise ZeroDivisionError("an adapter's bug")
        return event


def crashed(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[TradingEngine, _Crashes, Ear]:
    monkeypatch.setattr("tests.support.told.MoodyBroker", _Crashes)
    bus, ear = listened()
    engine, broker = engine_of(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), state_dir=state_dir)
    assert isinstance(broker, _Crashes)
    broker.reached, broker.on_the_way = [], []
    with closing(engine), pytest.raises(ZeroDivisionError, match="an adapter's bug"):
        asyncio.run(engine.run())
    return engine, broker, ear


def test_a_task_that_fails_takes_the_others_along_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, broker, ear = crashed(tmp_path, monkeypatch)
    assert len(broker.on_the_way) >= 2
    (failed,) = [n for n in ear.of(EventType.ERROR) if n.fields["component"] == "task_failed"]
    said = str(failed.fields["message"])
    assert said.startswith("pump_reports failed: ZeroDivisionError: an adapter's bug; cut off: ")
    for order_id in broker.on_the_way:
        assert f"send {order_id}" in said
    assert "pump_feed" in said
    assert "pump_schedule" in said
    assert ear.of(EventType.ENGINE_STOP)[0].fields["reason"] == "it failed"
    (engine_error,) = [n for n in ear.of(EventType.ERROR) if n.fields["component"] == "engine"]
    assert engine_error.fields["message"] == "ZeroDivisionError: an adapter's bug"


def test_the_journal_is_whole_and_has_every_order_that_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, broker, _ = crashed(tmp_path, monkeypatch)
    run = recorded_run(tmp_path)
    assert run is not None
    replayed = start_core(tmp_path, run)
    assert feed_journal(replayed, read_journal(tmp_path / FOLDER)).difference is None
    assert replayed.state.orders == engine.core.state.orders
    assert set(broker.reached) | set(broker.on_the_way) <= set(replayed.state.orders.open)
    assert replayed.state.risk.state is TradingState.HALTED
    assert [latch.rule_id for latch in replayed.state.risk.latches] == ["task_failed"]


def test_the_next_start_asks_for_what_was_cut_off_and_waits_for_an_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash, broker, _ = crashed(tmp_path, monkeypatch)
    monkeypatch.setattr(_Crashes, "stalls", False)
    resumed = run_told(panel(), LOW_COST_CONFIG, None, start_ns=start_ns(), state_dir=tmp_path, max_cycles=4)
    state = resumed.core.state
    statuses = {order_id: state.orders.find(order_id).status for order_id in broker.on_the_way}  # type: ignore[union-attr]
    at_venue = broker.on_the_way[1]
    assert {status for order_id, status in statuses.items() if order_id != at_venue} == {OrderStatus.NOT_AT_VENUE}
    assert statuses[at_venue] in (OrderStatus.FILLED, OrderStatus.CANCELLED)
    assert state.risk.state is TradingState.HALTED
    assert state.order_number == crash.core.state.order_number  # not one has been sent since


class _DiskGone(MoodyBroker):
    def observe_bars(self, batch: object) -> None:
        raise StateError("paper_venue.json: cannot be written")


def test_an_error_of_ours_stays_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the process ends with its exit code, and says what was the matter."""
    monkeypatch.setattr("tests.support.told.MoodyBroker", _DiskGone)
    bus, ear = listened()
    engine, _ = engine_of(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), state_dir=tmp_path)
    with closing(engine), pytest.raises(StateError, match=r"paper_venue\.json"):
        asyncio.run(engine.run())
    assert engine.core.state.risk.state is TradingState.ACTIVE
    (told,) = [n for n in ear.of(EventType.ERROR) if n.fields["component"] == "task_failed"]
    assert str(told.fields["message"]).startswith("pump_feed failed: StateError")


def test_the_first_error_is_raised_and_the_others_are_noted() -> None:
    inner = BaseExceptionGroup("inner", [ValueError("second"), KeyError("third")])
    error = first_error(BaseExceptionGroup("outer", [OSError("first"), inner]))
    assert str(error) == "first"
    assert error.__notes__ == ["and then ValueError: second", "and then KeyError: 'third'"]
    asked_to_end = first_error(BaseExceptionGroup("outer", [OSError("first"), KeyboardInterrupt()]))
    assert isinstance(asked_to_end, KeyboardInterrupt)
