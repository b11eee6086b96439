"""A rule in the live shell decides what it decides in a backtest, also after a restart, whatever it remembers."""

from __future__ import annotations

# covers: P27, P7, P17, P8
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.cli.replay import replay_session
from LIVE_TRADING.common.exceptions import ConfigurationError, StateError
from LIVE_TRADING.common.types import BarBatch, FloatArray
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.data.historical import LateBar
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.archive import journal_start
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.resume import recorded_run, start_core
from LIVE_TRADING.risk import TradingState
from tests.support.runs import LOW_COST, run_backtest, run_shell

CONFIG = EngineConfig.model_validate(LOW_COST)
HALF_SECOND = 500_000_000
FIRST = 3  # session of the first decision


@dataclass
class Averages:
    """Long above the mean of the last bars, short below, and it gives the same array every time, written anew."""

    window: int = 20
    weight: float = 0.03
    closes: list[FloatArray] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    given: FloatArray | None = None

    def targets(self, bars: BarBatch) -> FloatArray:
        self.asked.append(bars.bar_end_ns)
        self.threads.add(threading.current_thread().name)
        self.closes = [*self.closes, bars.close][-self.window :]
        if self.given is None:
            self.given = np.empty_like(bars.close)
        self.given[:] = self.weight * np.sign(bars.close - np.mean(self.closes, axis=0))
        return self.given


class Smoothed(Averages):
    """Never forgets a bar that it has seen."""

    level: FloatArray | float = 0.0

    def targets(self, bars: BarBatch) -> FloatArray:
        close = np.where(np.isnan(bars.close), self.level, bars.close)
        self.level = 0.999 * self.level + 0.001 * close
        return self.weight * np.clip(self.level / close - 0.5, -1.0, 1.0)


class Breaks(Averages):
    """Raises at one bar end."""

    at_ns: int = 0
    error: BaseException = ZeroDivisionError("no mean of nothing")

    def targets(self, bars: BarBatch) -> FloatArray:
        if bars.bar_end_ns == self.at_ns:
            raise self.error
        return super().targets(bars)


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return simulate_market(SimulatedMarketConfig(n_symbols=8, n_sessions=8, bars_per_session=39))


@pytest.fixture(scope="module")
def start_ns(panel: BarPanel) -> int:
    return panel.sessions.sessions[FIRST].open_ns


def replayed(state_dir: Path) -> dict[str, str]:
    run = recorded_run(state_dir)
    assert run is not None
    core = start_core(state_dir, run)
    folder = state_dir / FOLDER
    assert feed_journal(core, read_journal(folder), after_seq=journal_start(folder)[0]).difference is None
    return core.state.digest.texts()


def test_three_shells_agree(panel: BarPanel, start_ns: int, tmp_path: Path) -> None:
    backtest = run_backtest(panel, CONFIG, start_ns=start_ns, rule=Averages())
    rule = Averages()
    shell = run_shell(panel, CONFIG, start_ns=start_ns, state_dir=tmp_path, rule=rule)
    assert backtest.core.state.digest.fill_count > 50
    assert backtest.digests == shell.digests == replayed(tmp_path)
    assert rule.asked == panel.bar_end_ns.tolist()
    assert {name.partition("_")[0] for name in rule.threads} == {"inference"}  # the loop never waits for it
    assert shell.core.state.risk.state is TradingState.ACTIVE


def test_three_shells_agree_with_latency_a_late_bar_and_a_skipped_cycle(
    panel: BarPanel, start_ns: int, tmp_path: Path
) -> None:
    interval_ns = panel.interval_ns
    options = {
        "start_ns": start_ns,
        "late": [LateBar(panel.symbols[3], start_ns + 5 * interval_ns, 3_000_000_000)],
        "latency": InferenceLatency(HALF_SECOND, 3600 * 10**9, {start_ns + 9 * interval_ns: interval_ns + HALF_SECOND}),
        "exchange": ExchangeConfig(ack_latency_ms=40, fill_latency_ms=70),
    }
    backtest = run_backtest(panel, CONFIG, rule=Averages(), **options)
    whole = Averages()
    shell = run_shell(panel, CONFIG, state_dir=tmp_path / "whole", rule=whole, **options)
    assert backtest.digests == shell.digests == replayed(tmp_path / "whole")
    assert len(whole.asked) == len(panel) - 1  # not in the cycle that was skipped
    for max_cycles in (7, 12, None):  # before and after both, each by a rule that knows nothing
        parts = run_shell(
            panel, CONFIG, state_dir=tmp_path / "parts", rule=Averages(), max_cycles=max_cycles, **options
        )
    assert parts.digests == backtest.digests == replayed(tmp_path / "parts")


def test_an_answer_that_comes_too_late_is_on_file_and_remembered(
    panel: BarPanel, start_ns: int, tmp_path: Path
) -> None:
    minute = 60 * 10**9
    latency = InferenceLatency(HALF_SECOND, minute, {start_ns + 9 * panel.interval_ns: 2 * minute})
    options = {"start_ns": start_ns, "latency": latency}
    backtest = run_backtest(panel, CONFIG, rule=Averages(), **options)
    for max_cycles in (5, 20, None):
        shell = run_shell(panel, CONFIG, state_dir=tmp_path, rule=Averages(), max_cycles=max_cycles, **options)
    assert shell.digests == backtest.digests == replayed(tmp_path)
    kinds = [
        entry[1].get("kind")
        for record in read_journal(tmp_path / FOLDER)
        if record.kind == "commands"
        for entry in record.data
    ]
    assert kinds.count("dropped_predictions") == 1


def test_a_stopped_run_goes_on_where_it_stopped(panel: BarPanel, start_ns: int, tmp_path: Path) -> None:
    options = {"start_ns": start_ns, "state_dir": tmp_path}
    whole = run_backtest(panel, CONFIG, start_ns=start_ns, rule=Averages())
    run_shell(panel, CONFIG, rule=Averages(), max_cycles=50, **options)
    run_shell(panel, CONFIG, rule=Averages(), max_cycles=60, **options)
    last = Averages()
    rest = run_shell(panel, CONFIG, rule=last, **options)
    assert rest.digests == whole.digests == replayed(tmp_path)
    assert last.asked == panel.bar_end_ns.tolist()  # each once, whoever asked


def test_a_decision_by_rule_is_explained(
    panel: BarPanel, start_ns: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_shell(panel, CONFIG, start_ns=start_ns, state_dir=tmp_path, rule=Averages(), max_cycles=5)
    at = iso_utc(start_ns + panel.interval_ns)
    assert replay_session(tmp_path, panel.symbols[0], at) == 0
    said = capsys.readouterr().out
    assert "all as recorded" in said
    assert "raw weight" in said


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: Averages(weight=0.02), id="another-size"),
        pytest.param(lambda: Averages(window=19), id="another-window"),
        pytest.param(lambda: _raising(), id="one-that-raises"),
    ],
)
def test_another_rule_is_refused(panel: BarPanel, start_ns: int, tmp_path: Path, other: Callable[[], Averages]) -> None:
    options = {"start_ns": start_ns, "state_dir": tmp_path}
    run_shell(panel, CONFIG, rule=Averages(), max_cycles=50, **options)
    on_file = sorted(path.read_bytes() for path in (tmp_path / FOLDER).iterdir())
    with pytest.raises(StateError, match=r"the rule does not say what is on file: at 2.*give the rule that opened"):
        run_shell(panel, CONFIG, rule=other(), **options)
    assert sorted(path.read_bytes() for path in (tmp_path / FOLDER).iterdir()) == on_file
    rest = run_shell(panel, CONFIG, rule=Averages(), **options)  # the folder is free, and nothing has been lost
    assert rest.digests == run_backtest(panel, CONFIG, start_ns=start_ns, rule=Averages()).digests


def _raising() -> Averages:
    rule = Breaks()
    rule.at_ns = simulate_market(SimulatedMarketConfig(n_symbols=8, n_sessions=8, bars_per_session=39)).bar_end_ns[60]
    return rule


def test_a_rule_does_not_go_on_with_what_models_began(panel: BarPanel, start_ns: int, tmp_path: Path) -> None:
    run_shell(panel, CONFIG, start_ns=start_ns, state_dir=tmp_path, max_cycles=3)
    with pytest.raises(
        ConfigurationError, match=r"started differently \(families: only on file .*; only now target_rule"
    ):
        run_shell(panel, CONFIG, start_ns=start_ns, state_dir=tmp_path, rule=Averages())


@pytest.mark.parametrize("error", [ZeroDivisionError("no mean of nothing"), SystemExit(3)])
def test_a_rule_that_raises_halts_and_comes_back_halted(
    panel: BarPanel, start_ns: int, tmp_path: Path, error: BaseException
) -> None:
    def breaking() -> Breaks:
        rule = Breaks()
        rule.error = error
        rule.at_ns = start_ns + 7 * panel.interval_ns
        return rule

    options = {"start_ns": start_ns, "state_dir": tmp_path}
    first = run_shell(panel, CONFIG, rule=breaking(), max_cycles=20, **options).core.state
    assert first.risk.state is TradingState.HALTED
    assert [latch.rule_id for latch in first.risk.latches] == ["inference_failed"]
    again = run_shell(panel, CONFIG, rule=breaking(), max_cycles=20, **options).core.state
    assert again.risk.state is TradingState.HALTED
    mended = run_shell(panel, CONFIG, rule=Averages(), **options)
    assert mended.core.state.risk.state is TradingState.HALTED
    assert mended.digests == replayed(tmp_path)


@pytest.mark.parametrize("given", [np.full(3, 0.01), np.array([np.inf] + [0.0] * 7), "no numbers"])
def test_targets_that_are_none_abort_the_cycle_and_halt(
    panel: BarPanel, start_ns: int, tmp_path: Path, given: object
) -> None:
    class Odd(Averages):
        def targets(self, bars: BarBatch) -> FloatArray:
            return given if bars.bar_end_ns > start_ns else super().targets(bars)  # type: ignore[return-value]

    state = run_shell(panel, CONFIG, start_ns=start_ns, state_dir=tmp_path, rule=Odd()).core.state
    assert [latch.rule_id for latch in state.risk.latches] == ["inference_failed"]
    assert state.pending is None
    replayed(tmp_path)


def test_with_retention_a_rule_is_filled_from_what_is_kept(panel: BarPanel, start_ns: int, tmp_path: Path) -> None:
    config = EngineConfig.model_validate(LOW_COST | {"engine": {"journal_keep_days": 1.5, "min_free_disk_mb": 0.0}})
    whole = run_backtest(panel, config, start_ns=start_ns, rule=Averages())
    options = {"start_ns": start_ns, "state_dir": tmp_path}
    run_shell(panel, config, rule=Averages(), max_cycles=100, **options)
    run_shell(panel, config, rule=Averages(), max_cycles=50, **options)
    assert journal_start(tmp_path / FOLDER)[0] > 0
    rule = Averages()
    rest = run_shell(panel, config, rule=rule, **options)
    assert len(rule.asked) < len(panel)
    assert rest.digests == whole.digests


def test_with_retention_a_rule_that_needs_more_is_refused(panel: BarPanel, start_ns: int, tmp_path: Path) -> None:
    config = EngineConfig.model_validate(LOW_COST | {"engine": {"journal_keep_days": 1.5, "min_free_disk_mb": 0.0}})
    options = {"start_ns": start_ns, "state_dir": tmp_path}
    run_shell(panel, config, rule=Smoothed(), max_cycles=100, **options)
    assert journal_start(tmp_path / FOLDER)[0] > 0
    with pytest.raises(StateError, match=r"or keep more of its bars \(engine\.journal_keep_days\)"):
        run_shell(panel, config, rule=Smoothed(), **options)
