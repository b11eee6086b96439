"""learning.mode hedge: the core feeds it from its own bars, and what is learned moves decisions and survives a restart.

The desk's fixture replays every journal and reads every checkpoint back at the end of each test.
"""

# covers: P20

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from core_desk import Desk, WishedDecisions, enter, orders_of, plan_of

from LIVE_TRADING.common.events import Stamped
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine import deciding
from LIVE_TRADING.engine.checkpoint import Checkpoints, decode_core, encode_core
from LIVE_TRADING.engine.commands import BanditUpdated, Command, CycleDecided
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.pipeline import Decision
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.trading_engine import recorded_run, start_core
from tests.support.runs import LOW_COST, Outcome, run_backtest, run_shell

HEDGE = {"learning": {"mode": "hedge"}}
ETA = 0.5


class ShortThirtyMinutes(WishedDecisions):
    """As wished; of the horizons 5m and 15m qualify, which expect a rise, and 30m, which expects a fall."""

    def __call__(self, *args: Any) -> Decision:
        decision = super().__call__(*args)
        names = decision.blend.horizons
        alpha = np.full_like(decision.blend.alpha_bps, 5.0)
        alpha[names.index("30m")] = -5.0
        awake = np.array([name in ("5m", "15m", "30m") for name in names])
        qualifies = np.broadcast_to(awake[:, None], alpha.shape).copy()
        return replace(
            decision,
            blend=replace(decision.blend, alpha_bps=alpha),
            arbitration=replace(decision.arbitration, qualifies=qualifies),
        )


@pytest.fixture
def wished(monkeypatch: pytest.MonkeyPatch) -> WishedDecisions:
    wishes = ShortThirtyMinutes()
    monkeypatch.setattr(deciding, "decide", wishes)
    return wishes


def updates(desk: Desk) -> list[BanditUpdated]:
    """Decide until the six bars of 30m are over; return what was learned."""
    learned: list[BanditUpdated] = []
    for price in (102.0, 101.0, 104.0, 100.0, 100.0, 99.0):
        commands = desk.decide(prices={"AAA": price})
        learned += [command for command in commands if isinstance(command, BanditUpdated)]
    return learned


def test_the_weights_are_those_worked_out_by_hand(make_desk: Callable[..., Desk]):
    desk = make_desk(learning={"mode": "hedge", "eta": ETA})
    desk.open(0)
    desk.enter("AAA", fill=False)
    (only,) = updates(desk)
    # bars are flat: in at 102, out at 102 after 5m, 104 after 15m, 99 after 30m; sigma 20, cost 1
    pnl = {"5m": 0.0 - 1.0, "15m": (104 / 102 - 1) * 1e4 - 1.0, "30m": (1 - 99 / 102) * 1e4 - 1.0}
    loss = {name: 1.0 - min(1.0, max(0.0, 0.5 + value / (6.0 * 20.0))) for name, value in pnl.items()}
    mean = sum(math.exp(-ETA * value) for value in loss.values()) / 3
    asleep = -math.log(mean) / ETA
    weight = [math.exp(-ETA * loss.get(name, asleep)) for name in desk.horizons]
    assert loss["15m"] == loss["30m"] == 0.0
    assert only.rounds == 1
    assert only.probabilities == pytest.approx([value / sum(weight) for value in weight], rel=1e-12)


def test_nothing_is_learned_before_the_last_horizon_has_ended(make_desk: Callable[..., Desk]):
    desk = make_desk(**HEDGE)
    desk.open(0)
    desk.enter("AAA", fill=False)
    for price in (102.0, 101.0, 104.0, 100.0, 100.0):
        desk.decide(prices={"AAA": price})
        assert desk.core.state.bandit.rounds == 0
        assert len(desk.core.state.awaited) == 1
    desk.cycle(AAA=99.0)
    assert desk.core.state.awaited == ()
    assert len(desk.core.state.settled) == 1
    desk.predictions()
    assert desk.core.state.settled == ()
    assert desk.core.state.bandit.rounds == 1


def test_what_became_of_the_order_does_not_matter(make_desk: Callable[..., Desk]):
    """The paper trade is judged, not the fills: a rejected entry teaches what a filled one does."""
    weights = []
    for fate in ("filled", "rejected"):
        desk = make_desk(**HEDGE)
        desk.open(0)
        order = desk.enter("AAA", fill=False)
        if fate == "filled":
            desk.fill(order, 10, price="100")
        else:
            desk.rejected(order)
        weights.append(updates(desk)[-1].probabilities)
    assert weights[0] == weights[1]


def test_two_entries_teach_in_the_order_of_their_ends(make_desk: Callable[..., Desk]):
    desk = make_desk(**HEDGE)
    desk.open(0)
    orders_of(desk.decide(AAA=enter(10), BBB=enter(10)))
    assert [entry.symbol for entry in desk.core.state.awaited] == ["AAA", "BBB"]
    (both,) = updates(desk)
    assert both.rounds == 2


@pytest.mark.parametrize("mode", ["exp3ix", "off"])
def test_in_another_mode_nothing_waits(make_desk: Callable[..., Desk], mode: str):
    desk = make_desk(learning={"mode": mode})
    desk.open(0)
    desk.enter("AAA", fill=False)
    assert desk.core.state.awaited == ()
    assert updates(desk) == []


def test_a_restart_in_the_middle_changes_nothing(make_desk: Callable[..., Desk]):
    weights = []
    for stops in (False, True):
        desk = make_desk(**HEDGE)
        desk.open(0)
        desk.enter("AAA", fill=False)
        desk.decide(prices={"AAA": 102.0})
        desk.decide(prices={"AAA": 101.0})
        if stops:
            data = encode_core(desk.core.state, 3, desk.plan.assembly)
            desk.core.restore(decode_core(data, "memory", desk.plan.assembly)[0])
            desk.dropped_a_step = True
        for price in (104.0, 100.0, 100.0, 99.0):
            desk.decide(prices={"AAA": price})
        assert desk.core.state.bandit.rounds == 1
        weights.append(desk.core.state.bandit.cumulative_loss.tobytes())
    assert weights[0] == weights[1]


def test_weights_of_another_mode_are_refused(make_desk: Callable[..., Desk], tmp_path: Path):
    desk = make_desk(**HEDGE)
    desk.open(0)
    data = encode_core(desk.core.state, 3, desk.plan.assembly)
    with pytest.raises(StateError, match=r"restore learning\.mode"):
        decode_core(data, "memory", plan_of(learning={"mode": "exp3ix"}).assembly)
    Checkpoints(tmp_path, desk.plan.run, desk.plan.assembly).write_state(desk.core.state, 3)
    stored = orjson.loads((tmp_path / "bandit_state.json").read_bytes())
    assert stored["settings"]["mode"] == "hedge"


# -- a whole run -----------------------------------------------------------------------------------------------------


def reversing_panel(n_symbols: int = 10) -> BarPanel:
    """A market in which half of each bar's own move is taken back by the next bar, and nothing else can be known."""
    table = session_table("simulated", "2025-01-02", "2025-01-07")
    rng = np.random.default_rng(5)
    n_rows = len(table.bars(300 * 10**9))
    noise = rng.standard_normal((n_rows, n_symbols)) * 1e-3
    steps = noise.copy()
    for row in range(1, n_rows):
        steps[row] = noise[row] - 0.5 * steps[row - 1]
    close = 100.0 * np.exp(np.cumsum(steps, axis=0))
    opens = np.vstack([np.full((1, n_symbols), 100.0), close[:-1]])
    arrays = {
        "open": opens,
        "high": np.maximum(opens, close),
        "low": np.minimum(opens, close),
        "close": close,
        "volume": np.full(close.shape, 1e6),
        "bid": close * 0.99999,
        "ask": close * 1.00001,
    }
    return BarPanel.on_grid([f"S{number:02d}" for number in range(n_symbols)], 300 * 10**9, table, arrays)


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return reversing_panel()


@pytest.fixture(scope="module")
def start_ns(panel: BarPanel) -> int:
    return panel.sessions.sessions[2].open_ns


def config_of(mode: str) -> EngineConfig:
    rank = {"standardizer": {"standardize": "rank"}}  # needs no sessions to warm up over
    return EngineConfig.model_validate({**LOW_COST, "prediction": rank, "learning": {"mode": mode, "tau_bps": 50.0}})


@pytest.fixture(scope="module")
def runs(panel: BarPanel, start_ns: int) -> dict[str, Outcome]:
    return {mode: run_backtest(panel, config_of(mode), start_ns=start_ns) for mode in ("hedge", "exp3ix", "off")}


def test_the_weights_move_to_the_horizon_that_is_better(runs: dict[str, Outcome]):
    core = runs["hedge"].core
    weights = core.parts.bandit.probabilities(core.state.bandit)
    assert core.state.bandit.rounds > 50
    assert core.run.horizons[weights.argmax()] == "5m"
    assert weights.max() > 2.0 / len(weights)
    assert runs["off"].core.state.bandit.rounds == 0


def test_the_three_modes_decide_differently(runs: dict[str, Outcome]):
    assert len({outcome.core.state.digest.decision for outcome in runs.values()}) == 3


def test_backtest_shell_and_replay_agree_through_stops(
    panel: BarPanel, start_ns: int, runs: dict[str, Outcome], tmp_path: Path
):
    for max_cycles in (95, None):
        shell = run_shell(panel, config_of("hedge"), start_ns=start_ns, state_dir=tmp_path, max_cycles=max_cycles)
    assert shell.digests == runs["hedge"].digests
    run = recorded_run(tmp_path)
    assert run is not None
    core = start_core(tmp_path, run)
    assert feed_journal(core, read_journal(tmp_path / FOLDER)).difference is None
    assert core.state.digest.texts() == runs["hedge"].digests


def trace_digests(panel: BarPanel, start_ns: int, until_ns: int) -> list[str]:
    """Return the digests of the decisions of a backtest up to an instant."""
    found: list[str] = []

    def observe(stamped: Stamped, commands: Sequence[Command]) -> None:
        results = [command.result for command in commands if isinstance(command, CycleDecided)]
        found.extend(result.trace_digest for result in results if result.scheduled_time_ns <= until_ns)

    run_backtest(panel, config_of("hedge"), start_ns=start_ns, observers=[observe])
    return found


def test_no_decision_knows_of_bars_to_come_whatever_waits_for_them(panel: BarPanel, start_ns: int):
    cut = start_ns + 130 * panel.interval_ns
    later = (panel.bar_end_ns > cut)[:, None]
    prices = ("open", "high", "low", "close", "bid", "ask")
    changed = {name: np.where(later, 1.1 * getattr(panel, name), getattr(panel, name)) for name in prices}
    other = BarPanel.on_grid(panel.symbols, panel.interval_ns, panel.sessions, {**changed, "volume": panel.volume})
    as_it_was = trace_digests(panel, start_ns, cut)
    assert len(as_it_was) > 100
    assert trace_digests(other, start_ns, cut) == as_it_was
