"""A cancel that is on file and may never have left is asked for again before the first bar of the next process."""

from __future__ import annotations

# covers: B9, P22
from contextlib import closing
from pathlib import Path

import pytest

from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.brokers.simulated import PaperBroker
from LIVE_TRADING.cli.control import control
from LIVE_TRADING.common.types import BarBatch
from LIVE_TRADING.engine.commands import CancelOrder, SubmitOrder
from LIVE_TRADING.engine.kill_file import NAME
from LIVE_TRADING.engine.orders import OrderStatus
from LIVE_TRADING.engine.recovery import end_unsent
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.risk import TradingState
from tests.support import told
from tests.support.scripted_sessions import LOW_COST_CONFIG, bar_end, panel, start_ns

THIN = ExchangeConfig(participation_frac=0.0001)  # orders fill in parts, and go on working


class Noting(told.MoodyBroker):
    """Notes what it is asked to cancel before its first bar."""

    asked: list[str]
    has_bars: bool

    async def cancel_order(self, client_order_id: str) -> None:
        if not type(self).has_bars:
            type(self).asked.append(client_order_id)
        await super().cancel_order(client_order_id)

    def observe_bars(self, batch: BarBatch) -> None:
        type(self).has_bars = True
        super().observe_bars(batch)


def run(state_dir: Path, max_cycles: int, on_cycle: told.OnCycle | None = None) -> TradingEngine:
    return told.run_told(
        panel(),
        LOW_COST_CONFIG,
        None,
        start_ns=start_ns(),
        state_dir=state_dir,
        exchange=THIN,
        max_cycles=max_cycles,
        on_cycle=on_cycle,
    )


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> type[Noting]:
    class Fresh(Noting):
        asked, has_bars = [], False

    monkeypatch.setattr(told, "MoodyBroker", Fresh)
    return Fresh


def test_what_an_operator_halted_meanwhile_is_cancelled_before_the_first_bar(
    tmp_path: Path, noting: type[Noting]
) -> None:
    stopped = run(tmp_path, 4).core.state
    working = [key for key, record in stopped.orders.open.items() if record.filled < record.order.quantity]
    assert working
    assert control("halt", "lunch", tmp_path) == 0
    noting.asked, noting.has_bars = [], False
    after = run(tmp_path, 3).core.state
    assert after.risk.state is TradingState.HALTED
    assert noting.asked == working
    assert after.orders.open == {}
    assert after.ledger == stopped.ledger  # nothing filled under the halt


def test_a_cancel_that_a_kill_cut_off_is_asked_for_again(
    tmp_path: Path, noting: type[Noting], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(self: PaperBroker, client_order_id: str) -> None:
        """Reach nobody."""

    def halt(engine: TradingEngine, broker: told.MoodyBroker, now_ns: int) -> None:
        if now_ns == bar_end(4):
            (tmp_path / NAME).touch()

    with monkeypatch.context() as cut:
        cut.setattr(Noting, "cancel_order", lost)
        stopped = run(tmp_path, 4, halt).core.state
    cut_off = [key for key, record in stopped.orders.open.items() if record.cancel_asked_ns >= 0]
    assert cut_off
    noting.asked, noting.has_bars = [], False
    after = run(tmp_path, 2).core.state
    assert set(cut_off) <= set(noting.asked)
    assert after.orders.open == {}


def test_an_order_that_no_engine_could_send_is_over_and_not_asked_for(tmp_path: Path) -> None:
    run(tmp_path, 4)
    engine, _ = told.engine_of(panel(), LOW_COST_CONFIG, None, start_ns=start_ns(), state_dir=tmp_path, exchange=THIN)
    with closing(engine):
        driver = engine.recovered.driver
        order = next(iter(driver.core.state.orders.open.values())).order
        end_unsent(driver, [SubmitOrder(order, 0), CancelOrder("lt-other", "", 0)], "never sent: no engine was running")
        ended = driver.core.state.orders.closed[order.client_order_id]
    assert (ended.status, ended.venue_reason) == (OrderStatus.REJECTED, "never sent: no engine was running")


def test_nothing_is_cancelled_that_nobody_wanted_to_cancel(tmp_path: Path, noting: type[Noting]) -> None:
    assert run(tmp_path, 4).core.state.orders.open
    noting.asked, noting.has_bars = [], False
    run(tmp_path, 1)
    assert noting.asked == []
