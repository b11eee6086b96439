"""What the recorder keeps is what the core did."""

from __future__ import annotations

# covers: P7, A12
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from LIVE_TRADING.backtest.engine import BacktestEngine
from LIVE_TRADING.backtest.record import BacktestRecord, PriceLine
from LIVE_TRADING.backtest.recorder import Effort, Recorder
from LIVE_TRADING.backtest.report import render_report
from LIVE_TRADING.backtest.summary import figures
from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.brokers.simulated import BacktestBroker
from LIVE_TRADING.common.events import OrderFill, OrderReject, Stamped
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import BarBatch, FloatArray, Leg, Side
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.commands import Command, CycleDecided, SubmitOrder
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.cycle import STAGES, CycleResult
from LIVE_TRADING.engine.driver import Driver
from tests.support.runs import LOW_COST, PlainForecast, exchange_for, plan_for

# a position limit below what sizing asks for, and bars too thin to fill whole orders
# a cost that is believed to be small, not none, so that it has parts
COST = {"k1_spread": 0.02, "k2_timing": 0.001, "k3_impact": 0.001, "fee_bps_per_side": 0.01}
CONFIG = EngineConfig.model_validate(
    LOW_COST
    | {
        "risk": {**LOW_COST["risk"], "max_position_weight": 0.02},
        "sizing": {"gross_cap": 2.0, "net_cap": 2.0},
        "arbitration": {"cost": COST, "reserve_bps": 0.0},
    }
)
EXCHANGE = ExchangeConfig(participation_frac=0.0002)
EFFORT = Effort(bar_events=5, wall_s=1.5, inference_s=0.5, peak_rss_mb=7.0)


class Facts:
    """An observer that keeps everything, to compare with."""

    def __init__(self) -> None:
        self.fills: list[OrderFill] = []
        self.sent: list[SubmitOrder] = []
        self.cycles: list[CycleResult] = []
        self.warmup = 0

    def __call__(self, stamped: Stamped, commands: Sequence[Command]) -> None:
        if isinstance(stamped.event, OrderFill):
            self.fills.append(stamped.event)
        for command in commands:
            if isinstance(command, SubmitOrder):
                self.sent.append(command)
            elif isinstance(command, CycleDecided) and command.result.is_warmup:
                self.warmup += 1
            elif isinstance(command, CycleDecided):
                self.cycles.append(command.result)


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return simulate_market(SimulatedMarketConfig(n_symbols=12, n_sessions=14, bars_per_session=26))


@pytest.fixture(scope="module")
def ran(panel: BarPanel) -> tuple[EngineCore, Recorder, Facts]:
    plan = plan_for(panel, CONFIG, start_ns=panel.sessions.sessions[11].open_ns)
    core, facts = plan.core(), Facts()
    recorder = Recorder(core, spread_multiple=1.0)
    engine = BacktestEngine(
        Driver(core, None, (recorder, facts), strict=True),
        HistoricalDataProvider(panel),
        BacktestBroker(exchange_for(panel, plan.feed_start_ns, EXCHANGE), panel.sessions),
        PlainForecast(plan.run.feature_names, len(plan.run.horizons)),
        plan.assembly.market.features,
    )
    engine.run(plan.feed_start_ns, plan.end_ns)
    return core, recorder, facts


@pytest.fixture(scope="module")
def record(panel: BarPanel, ran: tuple[EngineCore, Recorder, Facts]) -> BacktestRecord:
    return ran[1].record(panel.sessions.sessions, EFFORT, True, ("a note",))


@pytest.fixture(scope="module")
def facts(ran: tuple[EngineCore, Recorder, Facts]) -> Facts:
    return ran[2]


def test_every_fill_is_kept_with_what_it_cost(record: BacktestRecord, facts: Facts) -> None:
    assert len(record.fills) == len(facts.fills) > 50
    for row, fill in zip(record.fills, facts.fills, strict=True):
        assert (row.symbol, row.side, row.quantity, row.price) == (
            fill.symbol,
            fill.side,
            fill.fill_amount,
            fill.fill_price,
        )
        assert (row.fee, row.execution_id, row.mid_price) == (fill.commission, fill.execution_id, fill.reference_price)
        assert row.slippage_usd >= 0  # spread and impact are paid
        # the venue's quote is that of the bar before: 2 bps, or one tick
        assert 0.9 <= row.half_spread_bps < 3.0


def test_entries_know_their_horizon_and_exits_do_not(record: BacktestRecord) -> None:
    entries = [row for row in record.fills if row.leg is Leg.ENTRY]
    assert entries
    assert all(row.horizon in record.decisions.horizons for row in entries)


def test_orders_are_kept_as_they_ended(record: BacktestRecord, facts: Facts) -> None:
    assert [row.order_id for row in record.orders] == [sent.order.client_order_id for sent in facts.sent]
    filled: dict[str, Decimal] = {}
    value: dict[str, Decimal] = {}
    for fill in facts.fills:
        filled[fill.order_id] = filled.get(fill.order_id, Decimal(0)) + fill.fill_amount
        value[fill.order_id] = value.get(fill.order_id, Decimal(0)) + fill.fill_amount * fill.fill_price
    for row in record.orders:
        assert row.filled_quantity == filled.get(row.order_id, 0)
        if row.filled_quantity:
            assert row.avg_price == value[row.order_id] / row.filled_quantity
        else:
            assert row.avg_price is None
        assert (row.status == "filled") == (row.filled_quantity == row.quantity)
    assert {row.status for row in record.orders} >= {"filled", "cancelled"}
    assert any(0 < row.filled_quantity < row.quantity for row in record.orders)


def test_rejections_name_their_rule(record: BacktestRecord, facts: Facts) -> None:
    refused = [(result.scheduled_time_ns, no.symbol, no.rule_id) for result in facts.cycles for no in result.rejections]
    assert [(row.time_ns, row.symbol, row.rule_id) for row in record.rejections] == refused
    assert "position_limit" in {row.rule_id for row in record.rejections}


def test_decisions_are_those_of_the_traces(record: BacktestRecord, facts: Facts) -> None:
    kept = record.decisions
    assert kept.stages == STAGES
    assert kept.time_ns.tolist() == [result.scheduled_time_ns for result in facts.cycles]
    for number, result in enumerate(facts.cycles):
        trace = result.trace
        assert trace is not None
        np.testing.assert_array_equal(kept.reason[number], trace.reasons)
        np.testing.assert_array_equal(kept.action[number], trace.arbitration.action)
        np.testing.assert_array_equal(kept.target_shares[number], trace.sizing.target_shares)
        np.testing.assert_array_equal(kept.net_bps[number], trace.arbitration.chosen_net_bps)
        for column, row in enumerate(trace.arbitration.horizon.tolist()):
            expected = trace.blend.alpha_bps[row, column] if row >= 0 else np.nan
            np.testing.assert_equal(kept.alpha_bps[number, column], expected)


def test_the_equity_curve_ends_where_the_account_does(
    record: BacktestRecord, ran: tuple[EngineCore, Recorder, Facts], panel: BarPanel
) -> None:
    core = ran[0]
    assert record.equity.equity_usd[-1] == core.state.equity
    assert record.equity.cash_usd[-1] == core.state.ledger.cash["USD"]
    assert len(record.equity.time_ns) == 3 * 26
    for cash, value, equity in zip(
        record.equity.cash_usd, record.equity.positions_usd, record.equity.equity_usd, strict=True
    ):
        assert cash + value == equity
    held = {symbol: position.quantity for symbol, position in core.state.ledger.positions.items()}
    last = {symbol: Decimal(repr(float(panel.close[:, panel.column_of(symbol)][-1]))) for symbol in held}
    assert {symbol: record.marks[symbol] for symbol in held} == last


def test_scope_and_effort_leave_the_warm_up_out(record: BacktestRecord, facts: Facts, panel: BarPanel) -> None:
    assert record.effort.cycles == len(facts.cycles) == 3 * 26
    assert record.effort.warmup_cycles == facts.warmup == 10 * 26
    assert [session.date for session in record.scope.sessions] == [s.date for s in panel.sessions.sessions[11:]]
    assert record.scope.sessions_per_year == 252
    assert record.scope.quotes_estimated
    assert record.notes == ("a note",)
    assert (record.effort.bar_events, record.effort.peak_rss_mb) == (5, 7.0)


def test_identity_is_the_core_s_digests(record: BacktestRecord, ran: tuple[EngineCore, Recorder, Facts]) -> None:
    for name, text in ran[0].state.digest.texts().items():
        assert getattr(record.identity, name) == text


def fresh(panel: BarPanel) -> tuple[EngineCore, Recorder, Driver]:
    core = plan_for(panel, CONFIG).core()
    recorder = Recorder(core)
    return core, recorder, Driver(core, None, (recorder,), strict=True)


def stray_fill(symbol: str, at_ns: int) -> OrderFill:
    return OrderFill(
        order_id="stranger",
        execution_id="x1",
        symbol=symbol,
        side=Side.BUY,
        fill_price=Decimal("10"),
        fill_amount=Decimal(3),
        commission=Decimal("0.01"),
        currency="USD",
        timestamp_ns=at_ns,
    )


def test_a_fill_of_an_order_nobody_knows_is_kept(panel: BarPanel) -> None:
    """It has no leg, no horizon and no price to compare with, and half a spread only where a quote is known."""
    core, recorder, driver = fresh(panel)
    at_ns = panel.sessions.sessions[0].open_ns + 1
    driver.step(stray_fill(panel.symbols[0], at_ns), at_ns)
    (row,) = recorder.record(panel.sessions.sessions, EFFORT, False).fills
    assert (row.leg, row.horizon, row.mid_price) == (Leg.FLATTEN, "", Decimal("10"))
    assert np.isnan(row.half_spread_bps)
    assert core.state.ledger.quantity(panel.symbols[0]) == 3


def test_a_fill_outside_the_universe_has_no_spread(panel: BarPanel) -> None:
    _, recorder, driver = fresh(panel)
    at_ns = panel.sessions.sessions[0].open_ns + 1
    driver.step(stray_fill("ELSEWHERE", at_ns), at_ns)
    (row,) = recorder.record(panel.sessions.sessions, EFFORT, False).fills
    assert np.isnan(row.half_spread_bps)


def test_a_run_that_decided_nothing_is_a_record_of_nothing(panel: BarPanel) -> None:
    _, recorder, _ = fresh(panel)
    empty = recorder.record(panel.sessions.sessions, EFFORT, False)
    assert empty.decisions.reason.shape == (0, len(STAGES), len(panel.symbols))
    assert len(empty.equity.time_ns) == 0
    assert empty.orders == empty.fills == empty.trades == []
    assert empty.effort.cycles == 0


def test_the_venue_s_reason_stands_beside_the_decision_s(panel: BarPanel) -> None:
    plan = plan_for(panel, CONFIG, start_ns=panel.sessions.sessions[11].open_ns)
    core = plan.core()
    recorder = Recorder(core)
    driver = Driver(core, None, (recorder,), strict=True)
    refused: list[str] = []

    class Refusing(BacktestBroker):
        def submit(self, order, now_ns):  # type: ignore[no-untyped-def]
            if refused:
                super().submit(order, now_ns)
                return
            refused.append(order.client_order_id)
            driver.step(OrderReject(order.client_order_id, "account is closed", now_ns), now_ns)

    broker = Refusing(exchange_for(panel, plan.feed_start_ns), panel.sessions)
    model = PlainForecast(plan.run.feature_names, len(plan.run.horizons))
    BacktestEngine(driver, HistoricalDataProvider(panel), broker, model, plan.assembly.market.features).run(
        plan.feed_start_ns, plan.end_ns
    )
    row = next(row for row in recorder.record((), EFFORT, False).orders if row.order_id == refused[0])
    assert row.status == "rejected"
    assert row.reason.endswith(": account is closed")
    assert row.reason.split(":")[0] in {reason.name.lower() for reason in Reason}


def test_a_market_that_never_closes_has_a_year_of_every_day(panel: BarPanel) -> None:
    core, recorder, _ = fresh(panel)
    recorder._run = replace(core.run, calendar="24/7")
    assert recorder.record((), EFFORT, False).scope.sessions_per_year == 365


def test_entries_know_what_was_believed_of_them(record: BacktestRecord, facts: Facts) -> None:
    """Cost by component and the families' shares, recomputed from the cycle's trace; the alpha comes out of them."""
    by_order = {order.client_order_id: cycle for cycle in facts.cycles for order in cycle.orders}
    cost = CONFIG.arbitration.cost
    checked = 0
    for trade in record.trades:
        if trade.belief is None:
            continue
        trace = by_order[trade.entry_order_id].trace
        assert trace is not None
        column = record.scope.symbols.index(trade.symbol)
        row = record.decisions.horizons.index(trade.horizon)
        belief = trade.belief
        assert belief.cost_bps == trade.cost_model_bps
        assert belief.cost_spread_bps == pytest.approx(cost.k1_spread * trace.spread.spread_bps[column])
        assert belief.cost_fees_bps == pytest.approx(2 * cost.fee_bps_per_side)
        assert belief.cost_impact_bps > 0
        assert belief.cost_spread_bps + belief.cost_impact_bps + belief.cost_fees_bps == pytest.approx(belief.cost_bps)
        assert (belief.alpha_bps > 0) == (trade.side == "long")
        assert len(belief.family_shares) == len(record.scope.families)
        assert sum(belief.family_shares) == pytest.approx(1.0)
        level = trace.blend.sigma_bps[row, column]
        parts = [
            level * trace.blend.weights[row, m] * trace.predictions.calibrated[row, m, column]
            for m in range(len(record.scope.families))
        ]
        assert [share * belief.alpha_bps for share in belief.family_shares] == pytest.approx(parts)
        checked += 1
    assert checked > 20


def test_spread_of_a_trade_is_that_of_its_fills(record: BacktestRecord) -> None:
    closed = sum(trade.spread_usd for trade in record.trades)
    fills = sum(float(fill.quantity * fill.mid_price) * fill.half_spread_bps / 1e4 for fill in record.fills)
    assert 0 < closed <= fills
    assert all(0 <= trade.spread_usd <= float(trade.slippage_usd) + 0.01 for trade in record.trades)


def test_prices_are_asked_for_the_most_traded_symbols_only(
    panel: BarPanel, ran: tuple[EngineCore, Recorder, Facts]
) -> None:
    asked: list[str] = []

    def closes(symbol: str) -> PriceLine:
        asked.append(symbol)
        return PriceLine(panel.bar_end_ns, panel.close[:, panel.column_of(symbol)])

    made = ran[1].record(panel.sessions.sessions, EFFORT, True, config={"a.b": 1}, closes=closes)
    counts = Counter(trade.symbol for trade in made.trades)
    assert len(asked) == 4
    assert list(made.prices) == asked == sorted(counts, key=lambda name: (-counts[name], name))[:4]
    assert (made.config, made.scope.timezone) == ({"a.b": 1}, "America/New_York")


class ByTurns:
    """Long for five bars, flat for five."""

    def __init__(self, n_symbols: int) -> None:
        self._n, self._bars = n_symbols, 0

    def targets(self, bars: BarBatch) -> FloatArray:
        self._bars += 1
        return np.full(self._n, 0.02 if self._bars // 5 % 2 else 0.0)


def test_a_rule_s_entries_are_believed_nothing_of_and_its_report_says_no_number_that_is_none(
    panel: BarPanel,
) -> None:
    rule = ByTurns(len(panel.symbols))
    plan = plan_for(panel, CONFIG, start_ns=panel.sessions.sessions[11].open_ns, rule=rule)
    core = plan.core()
    recorder = Recorder(core)
    driver = Driver(core, None, (recorder,), strict=True)
    broker = BacktestBroker(exchange_for(panel, plan.feed_start_ns), panel.sessions)
    BacktestEngine(driver, HistoricalDataProvider(panel), broker, rule, plan.assembly.market.features).run(
        plan.feed_start_ns, plan.end_ns
    )
    made = recorder.record(panel.sessions.sessions, EFFORT, False)
    assert len(made.trades) > 20
    assert {trade.belief for trade in made.trades} == {None}
    html = render_report(made, figures(made))
    assert "By model family" not in html
    assert "By time of entry" in html
    assert re.findall(r"(?:[:\s>])(nan|None|inf)\b", html) == []
