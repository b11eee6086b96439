"""A rule in place of models: its targets become orders through the same ledger, limits, venue and digests."""

from __future__ import annotations

# covers: P7, P27
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pytest

from LIVE_TRADING.backtest.engine import BacktestEngine
from LIVE_TRADING.backtest.record import BacktestRecord
from LIVE_TRADING.backtest.recorder import Effort, Recorder
from LIVE_TRADING.brokers.simulated import BacktestBroker
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import BarBatch, FloatArray
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.cycle import STAGES
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.sizing import SizingConfig, TargetSizer
from tests.support.runs import PlainForecast, exchange_for, plan_for

N = 4
FREE = {"risk": {"guardrails": False, "max_gross": 3.0, "max_net": 3.0, "max_position_weight": 1.0}}


@dataclass
class Scripted:
    """Gives a target as a function of how many bars it has seen."""

    target: Callable[[int], object]
    seen: list[int] = field(default_factory=list)

    def targets(self, bars: BarBatch) -> FloatArray:
        self.seen.append(bars.bar_end_ns)
        return np.broadcast_to(np.asarray(self.target(len(self.seen)), dtype=np.float64), (N,)).copy()


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return simulate_market(SimulatedMarketConfig(n_symbols=N, n_sessions=4, bars_per_session=13, halt_probability=0.0))


def played(panel: BarPanel, rule: Scripted, config: object = FREE) -> tuple[EngineCore, Recorder]:
    start_ns = panel.sessions.sessions[1].open_ns
    plan = plan_for(panel, EngineConfig.model_validate(config), start_ns=start_ns, rule=rule)
    core = plan.core()
    recorder = Recorder(core)
    engine = BacktestEngine(
        Driver(core, None, (recorder,), strict=True),
        HistoricalDataProvider(panel),
        BacktestBroker(exchange_for(panel, plan.feed_start_ns), panel.sessions),
        rule,
        plan.assembly.market.features,
    )
    engine.run(plan.feed_start_ns, plan.end_ns)
    return core, recorder


def run(panel: BarPanel, rule: Scripted, config: object = FREE) -> BacktestRecord:
    _, recorder = played(panel, rule, config)
    return recorder.record(panel.sessions.sessions, Effort(0, 0.0, 0.0, 0.0), False)


def test_it_is_asked_once_per_bar_end_the_warm_up_included(panel: BarPanel) -> None:
    rule = Scripted(lambda _: np.nan)
    record = run(panel, rule)
    assert rule.seen == panel.bar_end_ns.tolist()
    assert record.effort.warmup_cycles == 13
    assert record.orders == []


def test_a_constant_target_is_bought_once_and_held_within_the_band(panel: BarPanel) -> None:
    record = run(panel, Scripted(lambda _: 0.02))
    assert [(order.symbol, order.leg) for order in record.orders] == [(symbol, "entry") for symbol in panel.symbols]
    equity = float(record.equity.equity_usd[0])
    for order in record.orders:  # what 2 % of equity buys at the close of the first bar, in whole shares
        close = panel.close[13, panel.symbols.index(order.symbol)]
        assert int(order.quantity) == int(0.02 * equity / close)


def test_a_target_of_nothing_leaves_whatever_the_band_and_costs_are_those_of_the_venue(panel: BarPanel) -> None:
    record = run(panel, Scripted(lambda bar: 0.02 if bar < 20 else 0.0))
    assert [order.leg for order in record.orders] == ["entry"] * N + ["exit"] * N
    assert len(record.trades) == N
    assert all(fill.fee > 0 for fill in record.fills)
    cash = Decimal(100_000) - sum(fill.signed_quantity * fill.price + fill.fee for fill in record.fills)
    assert record.equity.cash_usd[-1] == cash == record.equity.equity_usd[-1]


def test_closed_trades_do_not_wait_for_a_bandit_that_never_learns(panel: BarPanel) -> None:
    core, _ = played(panel, Scripted(lambda bar: 0.02 if bar % 4 < 2 else 0.0))
    assert len(core.state.trades) > 5 * N
    assert len(core.state.matured) <= N  # of the last bar


def test_a_target_across_zero_is_one_order(panel: BarPanel) -> None:
    record = run(panel, Scripted(lambda bar: 0.02 if bar < 20 else -0.02))
    assert [order.leg for order in record.orders] == ["entry"] * N + ["resize"] * N
    assert {trade.side for trade in record.trades} == {"long"}
    assert (record.decisions.side[-1] == -1).all()


def test_unknown_targets_leave_positions_alone(panel: BarPanel) -> None:
    record = run(panel, Scripted(lambda bar: 0.02 if bar < 16 else np.nan))
    assert len(record.orders) == N
    assert (record.decisions.reason[-1, STAGES.index("prediction")] == Reason.NO_FORECAST).all()


def test_pre_trade_limits_bind_a_rule_too(panel: BarPanel) -> None:
    tight = {"risk": {**FREE["risk"], "max_gross": 0.05, "limit_tolerance_frac": 0.0}}
    record = run(panel, Scripted(lambda _: 0.02), tight)
    assert {rejection.rule_id for rejection in record.rejections} == {"gross_limit"}
    assert len(record.fills) == 2


def test_twice_the_same_and_another_with_another_rule(panel: BarPanel) -> None:
    one, again, other = (run(panel, Scripted(lambda bar, w=w: w if bar % 3 else 0.0)) for w in (0.02, 0.02, 0.03))
    assert one.identity == again.identity
    assert one.identity.run_digest != other.identity.run_digest


@pytest.mark.parametrize("target", [np.inf, -np.inf])
def test_an_infinite_target_is_refused(panel: BarPanel, target: float) -> None:
    with pytest.raises(ValueError, match="NaN or finite"):
        run(panel, Scripted(lambda _: target))


def test_a_rule_and_models_are_refused_together(panel: BarPanel) -> None:
    with pytest.raises(ConfigurationError, match="a rule, or models, not both"):
        plan_for(panel, EngineConfig(), rule=Scripted(lambda _: 0.0), predictor=PlainForecast((), 1))


@pytest.mark.parametrize(
    ("wanted", "held", "may", "shares", "reason"),
    [
        pytest.param(0.02, 0.0, True, 20.0, Reason.SIZED, id="entry"),
        pytest.param(0.003, 0.0, True, 0.0, Reason.BELOW_MIN_ENTRY, id="entry-too-small"),
        pytest.param(0.02, 15.0, True, 15.0, Reason.WITHIN_BAND, id="within-the-band"),
        pytest.param(0.03, 15.0, True, 30.0, Reason.SIZED, id="resized"),
        pytest.param(-0.02, 15.0, True, -20.0, Reason.SIZED, id="across-zero"),
        pytest.param(-0.02, 15.0, False, 0.0, Reason.SIZED, id="across-zero-where-nothing-may-grow"),
        pytest.param(0.05, 15.0, False, 15.0, Reason.GATED, id="nothing-may-grow"),
        pytest.param(0.0, 1.0, False, 0.0, Reason.SIZED, id="exit-always"),
        pytest.param(0.0, 0.0, True, 0.0, Reason.OK, id="flat-stays-flat"),
        pytest.param(np.nan, 15.0, True, 15.0, Reason.OK, id="no-word"),
    ],
)
def test_target_sizer(wanted: float, held: float, may: bool, shares: float, reason: Reason) -> None:
    one = np.ones(1)
    sized = TargetSizer(SizingConfig()).size(
        np.array([wanted]), np.array([held]), 100.0 * one, one, 0.0 * one, 100_000.0, np.array([may])
    )
    assert sized.target_shares.tolist() == [shares]
    assert Reason(int(sized.reason[0])) is reason
