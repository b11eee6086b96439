"""The loop over history: predicting a session ahead gives the numbers that predicting bar by bar gives."""

from __future__ import annotations

# covers: P7, P8, P27
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from LIVE_TRADING.backtest.engine import BacktestEngine, BlockPredictor, Peekable
from LIVE_TRADING.backtest.repeated import NotRepeatableError
from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.brokers.simulated import BacktestBroker
from LIVE_TRADING.common.events import PredictionsReady, Stamped
from LIVE_TRADING.common.types import BarBatch, FloatArray, RawPredictions, Session
from LIVE_TRADING.common.units import NS_PER_DAY, NS_PER_MINUTE
from LIVE_TRADING.data.calendars import SessionTable, session_table
from LIVE_TRADING.data.historical import HistoricalDataProvider, LateBar
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.commands import Command, CycleSkipped, RunInference
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.run_setup import RunPlan
from LIVE_TRADING.models.features import FeatureBuilder, FeatureState
from LIVE_TRADING.training.config import TrainingConfig
from LIVE_TRADING.training.train import train_run
from tests.support.runs import LOW_COST, PlainForecast, exchange_for, plan_for, run_backtest, run_shell
from tests.support.told import without_bars

CONFIG = EngineConfig.model_validate(LOW_COST)
TRAIN_SESSIONS = 25
SECOND = 10**9


@dataclass
class Witness:
    """Remembers what the core asked for and what it was given, by cycle."""

    features: dict[int, FloatArray] = field(default_factory=dict)
    raw: dict[int, FloatArray] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)

    def __call__(self, stamped: Stamped, commands: Sequence[Command]) -> None:
        if isinstance(stamped.event, PredictionsReady):
            self.raw[stamped.event.cycle_time_ns] = stamped.event.raw
        for command in commands:
            if isinstance(command, RunInference):
                self.features[command.cycle_time_ns] = command.features.copy()
            elif isinstance(command, CycleSkipped):
                self.skipped[command.cycle_time_ns] = command.reason


@dataclass
class Run:
    """A backtest that was watched."""

    engine: BacktestEngine
    plan: RunPlan
    witness: Witness
    predictor: BlockPredictor
    digests: dict[str, str]
    sessions: list[Session]
    before: FeatureState


def watched(
    panel: BarPanel,
    *,
    start_ns: int,
    feed_start_ns: int | None = None,
    run_root: Path | None = None,
    late: Sequence[LateBar] = (),
    latency: InferenceLatency | None = None,
    exchange: ExchangeConfig | None = None,
    predictor: BlockPredictor | None = None,
    features: FeatureBuilder | None = None,
    strict: bool = True,
) -> Run:
    """Backtest; `feed_start_ns` lets the feed start elsewhere than the plan says."""
    plan = plan_for(panel, CONFIG, start_ns=start_ns, run_root=run_root)
    model = predictor or plan.predictor or PlainForecast(plan.run.feature_names, len(plan.run.horizons))
    witness, core, sessions = Witness(), plan.core(), []
    before = plan.market.features.copy()  # the core writes into the rings of what it starts from
    feed_start_ns = plan.feed_start_ns if feed_start_ns is None else feed_start_ns
    engine = BacktestEngine(
        Driver(core, None, (witness,), strict=strict),
        HistoricalDataProvider(panel, late=late),
        BacktestBroker(exchange_for(panel, feed_start_ns, exchange), panel.sessions),
        model,
        features or plan.assembly.market.features,
        latency=latency,
        on_session=sessions.append,
    )
    engine.run(feed_start_ns, plan.end_ns)
    return Run(engine, plan, witness, model, core.state.digest.texts(), sessions, before)


def reference_features(
    run: Run, panel: BarPanel, feed_start_ns: int, late: Sequence[LateBar] = ()
) -> dict[int, FloatArray]:
    """Advance the features of every bar end by hand, knowing nothing of sessions but the grid."""
    builder, state, last = run.plan.assembly.market.features, run.before, -1
    taken_away = {(bar.bar_end_ns, panel.column_of(bar.symbol)) for bar in late}
    values: dict[int, FloatArray] = {}
    for row in range(len(panel)):
        batch, session = panel.batch(row), panel.session(row)
        if not feed_start_ns < batch.bar_end_ns <= run.plan.end_ns:
            continue
        columns = [column for end_ns, column in taken_away if end_ns == batch.bar_end_ns]
        if columns:
            arrays = [getattr(batch, name).copy() for name in ("open", "high", "low", "close", "volume", "bid", "ask")]
            for array in arrays:
                array[columns] = np.nan
            batch = BarBatch(batch.bar_end_ns, batch.interval_ns, *arrays)
        first, last = session.index != last, session.index
        n_bars = session.n_bars(panel.interval_ns)
        state, features = builder.advance(state, batch, int(panel.slot[row]), n_bars, first)
        values[batch.bar_end_ns] = features.copy()
    return values


def assert_as_one_at_a_time(run: Run, expected: dict[int, FloatArray]) -> None:
    """The core's features are those made by hand; every forecast is the one that its features alone give."""
    asked = run.witness.features
    assert len(asked) > 50
    for cycle_ns, features in asked.items():
        np.testing.assert_array_equal(features, expected[cycle_ns])
    for cycle_ns, raw in run.witness.raw.items():
        alone = run.predictor.predict(asked[cycle_ns]).raw  # type: ignore[attr-defined]
        np.testing.assert_array_equal(raw.view(np.int64), alone.view(np.int64))


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    """Twelve symbols, 29 sessions of 26 bars."""
    return simulate_market(SimulatedMarketConfig(n_symbols=12, n_sessions=29, bars_per_session=26))


@pytest.fixture(scope="module")
def run_root(panel: BarPanel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with both families."""
    small = {"num_trees": 8, "num_leaves": 7, "min_data_in_leaf": 200, "learning_rate": 0.2}
    config = TrainingConfig(horizons=("15m", "1d"), families=("lightgbm", "ridge"), params={"lightgbm": small})
    root = tmp_path_factory.mktemp("models") / "run"
    train_run(panel, config, root, panel.sessions.sessions[TRAIN_SESSIONS - 1].date, engine=CONFIG)
    return root


@pytest.fixture(scope="module")
def start_ns(panel: BarPanel) -> int:
    return panel.sessions.sessions[TRAIN_SESSIONS].open_ns


@pytest.mark.parametrize("what", ["plain", "late-bar", "missing-batches", "missing-first-and-last"])
def test_a_block_of_models_predicts_what_each_bar_alone_would(
    panel: BarPanel, run_root: Path, start_ns: int, what: str
) -> None:
    bar = panel.interval_ns
    late = [
        LateBar(panel.symbols[2], start_ns + 4 * bar, 3 * SECOND),
        LateBar(panel.symbols[7], start_ns + 26 * bar, 2 * bar),
    ]
    lost = {"missing-batches": (5, 6, 11), "missing-first-and-last": (1, 26)}.get(what, ())
    data = without_bars(panel, *(start_ns + number * bar for number in lost)) if lost else panel
    late = late if what == "late-bar" else []
    run = watched(data, start_ns=start_ns, run_root=run_root, late=late)
    assert_as_one_at_a_time(run, reference_features(run, data, run.plan.feed_start_ns, late))
    assert len(run.sessions) == 4
    assert len(run.witness.raw) == 4 * 26


def test_the_shell_that_predicts_bar_by_bar_takes_the_same_decisions(
    panel: BarPanel, run_root: Path, start_ns: int
) -> None:
    late = [LateBar(panel.symbols[2], start_ns + 4 * panel.interval_ns, 3 * SECOND)]
    run = watched(panel, start_ns=start_ns, run_root=run_root, late=late)
    shell = run_shell(panel, CONFIG, start_ns=start_ns, run_root=run_root, late=late)
    assert shell.core.state.digest.fill_count > 5
    assert run.digests == shell.digests


def test_compiled_trees_take_the_decisions_of_their_library(panel: BarPanel, run_root: Path, start_ns: int) -> None:
    assert CONFIG.engine.compiled_forest
    by_library = CONFIG.model_copy(update={"engine": CONFIG.engine.model_copy(update={"compiled_forest": False})})
    runs = [run_backtest(panel, config, start_ns=start_ns, run_root=run_root) for config in (CONFIG, by_library)]
    assert runs[0].core.state.digest.fill_count > 5
    assert runs[0].digests == runs[1].digests


def test_a_batch_that_never_comes_is_a_batch_of_missing_bars(panel: BarPanel, start_ns: int) -> None:
    first = int(np.searchsorted(panel.bar_end_ns, start_ns, side="right"))
    lost = [int(panel.bar_end_ns[first + number]) for number in (2, 30, 51)]

    class Gappy(HistoricalDataProvider):
        def timeline(self, start_ns: int, end_ns: int):  # type: ignore[no-untyped-def]
            return (item for item in super().timeline(start_ns, end_ns) if item.batch.bar_end_ns not in lost)

    plan = plan_for(panel, CONFIG, start_ns=start_ns)
    witness, core = Witness(), plan.core()
    engine = BacktestEngine(
        Driver(core, None, (witness,), strict=True),
        Gappy(panel),
        BacktestBroker(exchange_for(panel, plan.feed_start_ns), panel.sessions),
        PlainForecast(plan.run.feature_names, len(plan.run.horizons)),
        plan.assembly.market.features,
    )
    engine.run(plan.feed_start_ns, plan.end_ns)
    empty = watched(without_bars(panel, *lost), start_ns=start_ns)
    assert core.state.digest.texts() == empty.digests
    for cycle_ns, features in empty.witness.features.items():
        np.testing.assert_array_equal(witness.features[cycle_ns], features)


@pytest.mark.parametrize("bars", [1, 9, 25])
def test_a_feed_that_starts_within_a_session_predicts_the_rest_of_it(panel: BarPanel, start_ns: int, bars: int) -> None:
    feed_start_ns = start_ns - 3 * NS_PER_DAY
    session = next(s for s in panel.sessions.sessions if s.close_ns > feed_start_ns)
    feed_start_ns = session.open_ns + bars * panel.interval_ns
    run = watched(panel, start_ns=start_ns, feed_start_ns=feed_start_ns)
    assert min(run.witness.features) == feed_start_ns + panel.interval_ns
    assert_as_one_at_a_time(run, reference_features(run, panel, feed_start_ns))


def test_decisions_may_start_within_a_session(panel: BarPanel, run_root: Path, start_ns: int) -> None:
    begins_ns = start_ns + 11 * panel.interval_ns
    whole = watched(panel, start_ns=start_ns, run_root=run_root)
    run = watched(panel, start_ns=begins_ns, run_root=run_root)
    assert run.engine.bar_events == whole.engine.bar_events
    for cycle_ns, raw in whole.witness.raw.items():
        np.testing.assert_array_equal(run.witness.raw[cycle_ns], raw)


def always_open_panel(days: int = 16, n_symbols: int = 11) -> BarPanel:
    """Hourly bars of a market that never closes, random walks without quotes missing."""
    table: SessionTable = session_table("24/7", "2025-03-01", f"2025-03-{days:02d}")
    hour = 60 * NS_PER_MINUTE
    rng = np.random.default_rng(11)
    shape = (24 * days, n_symbols)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 4e-3, shape), axis=0))
    opens = np.vstack([np.full((1, n_symbols), 100.0), close[:-1]])
    arrays = {
        "open": opens,
        "high": np.maximum(opens, close) * 1.001,
        "low": np.minimum(opens, close) * 0.999,
        "close": close,
        "volume": rng.uniform(1e5, 1e6, shape),
        "bid": close * 0.9999,
        "ask": close * 1.0001,
    }
    return BarPanel.on_grid([f"C{n:02d}" for n in range(n_symbols)], hour, table, arrays)


def test_days_that_touch_at_midnight_have_the_features_of_their_own_bars() -> None:
    """The last bar of a day and the opening of the next fall into one instant, and the first bar looks back over it."""
    crypto = always_open_panel()
    start_ns = crypto.sessions.sessions[12].open_ns
    run = watched(crypto, start_ns=start_ns)
    expected = reference_features(run, crypto, run.plan.feed_start_ns)
    assert_as_one_at_a_time(run, expected)
    second_day = next(session for session in run.sessions if session.index == run.sessions[0].index + 1)
    first_bar_ns = second_day.open_ns + crypto.interval_ns
    assert second_day.open_ns in run.witness.features  # the cycle at midnight is the day's before
    names = list(run.plan.run.feature_names)
    row = crypto.row_of(first_bar_ns)
    assert row is not None
    change = np.log(crypto.close[row] / crypto.close[row - 1])
    found = run.witness.features[first_bar_ns][names.index("return_1")]
    np.testing.assert_allclose(np.sign(found), np.sign(change))
    shell = run_shell(crypto, CONFIG, start_ns=start_ns)
    assert shell.core.state.digest.fill_count > 20
    assert run.digests == shell.digests


def test_inference_that_takes_too_long_ends_its_cycle(panel: BarPanel, start_ns: int) -> None:
    bar = panel.interval_ns
    slow, overlapping = start_ns + 3 * bar, start_ns + 8 * bar
    latency = InferenceLatency(SECOND, 30 * SECOND, {slow: 45 * SECOND, overlapping: 29 * SECOND})
    run = watched(panel, start_ns=start_ns, latency=latency)
    assert run.witness.skipped == {slow: "timeout"}
    plain = watched(panel, start_ns=start_ns, latency=InferenceLatency(SECOND, 30 * SECOND))
    assert run.digests != plain.digests
    shell = run_shell(panel, CONFIG, start_ns=start_ns, latency=latency)
    assert run.digests == shell.digests


def test_a_cycle_during_inference_is_skipped_and_the_block_stays_in_step(panel: BarPanel, start_ns: int) -> None:
    bar = panel.interval_ns
    busy = start_ns + 8 * bar
    latency = InferenceLatency(0, 10 * bar, {busy: 2 * bar + SECOND})
    run = watched(panel, start_ns=start_ns, latency=latency)
    assert run.witness.skipped == {busy + bar: "skipped_overlap", busy + 2 * bar: "skipped_overlap"}
    assert_as_one_at_a_time(run, reference_features(run, panel, run.plan.feed_start_ns))


class FaultyFeatures:
    """Features that go wrong by the last bit at one slot, in the copy that runs ahead."""

    def __init__(self, inner: FeatureBuilder, slot: int) -> None:
        self._inner = inner
        self._slot = slot
        self.names = inner.names

    def advance(
        self, state: FeatureState, bars: BarBatch, slot: int, n_bars: int, first_of_session: bool
    ) -> tuple[FeatureState, FloatArray]:
        state, values = self._inner.advance(state, bars, slot, n_bars, first_of_session)
        if slot == self._slot:
            row = int(np.flatnonzero(np.isfinite(values).all(axis=1))[0])
            values[row, 0] = np.nextafter(values[row, 0], np.inf)
        return state, values


def test_features_that_differ_in_one_bit_stop_the_backtest(panel: BarPanel, start_ns: int) -> None:
    plan = plan_for(panel, CONFIG, start_ns=start_ns)
    faulty = FaultyFeatures(plan.assembly.market.features, slot=7)
    with pytest.raises(NotRepeatableError, match="computed twice of the same bars") as stopped:
        watched(panel, start_ns=start_ns, features=faulty)  # type: ignore[arg-type]
    (parting,) = stopped.value.partings
    assert parting.name in faulty.names
    assert parting.symbol == panel.symbols[0]
    assert parting.ahead == np.nextafter(parting.in_cycle, np.inf)
    assert f"{parting.name} of {parting.symbol} (" in str(stopped.value)


class Misshapen:
    """Forecasts on another grid than the run's."""

    def predict_block(self, features: FloatArray) -> RawPredictions:
        return RawPredictions(np.zeros((len(features), 1, 1, 1)))


def test_what_the_core_cannot_handle_stops_a_backtest(panel: BarPanel, start_ns: int) -> None:
    with pytest.raises(ValueError):
        watched(panel, start_ns=start_ns, predictor=Misshapen())


def test_bar_events_count_bars_that_came(panel: BarPanel, start_ns: int) -> None:
    run = watched(panel, start_ns=start_ns)
    fed = (panel.bar_end_ns > run.plan.feed_start_ns) & (panel.bar_end_ns <= run.plan.end_ns)
    assert run.engine.bar_events == np.isfinite(panel.close[fed]).sum()
    assert run.engine.inference_s > 0


def test_orders_keep_their_exact_cash(panel: BarPanel, start_ns: int) -> None:
    """Cash is what fills and fees leave of it, to the last digit."""
    fills = []

    plan = plan_for(panel, CONFIG, start_ns=start_ns)
    core = plan.core()
    engine = BacktestEngine(
        Driver(core, None, (lambda stamped, _: fills.append(stamped.event),), strict=True),
        HistoricalDataProvider(panel),
        BacktestBroker(exchange_for(panel, plan.feed_start_ns), panel.sessions),
        PlainForecast(plan.run.feature_names, len(plan.run.horizons)),
        plan.assembly.market.features,
    )
    engine.run(plan.feed_start_ns, plan.end_ns)
    cash = Decimal(100_000)
    for event in fills:
        if type(event).__name__ == "OrderFill":
            cash -= event.side.sign * event.fill_price * event.fill_amount + event.commission
    assert core.state.ledger.cash["USD"] == cash


def test_items_can_be_looked_at_without_being_taken(panel: BarPanel) -> None:
    feed = Peekable(HistoricalDataProvider(panel).timeline(0, int(panel.bar_end_ns[9])))
    assert feed.next_ns() == panel.bar_end_ns[0]
    ahead = feed.until(int(panel.bar_end_ns[4]))
    assert [item.arrival_ns for item in ahead] == panel.bar_end_ns[:5].tolist()
    assert [feed.pop().arrival_ns for _ in range(10)] == panel.bar_end_ns[:10].tolist()
    assert feed.next_ns() is None
    assert feed.until(2**62) == []
