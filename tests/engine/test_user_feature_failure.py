"""A user feature that fails at one bar, live: trading halts, the process watches on, and a replay passes the place."""

# covers: P9, R3

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.resume import recorded_run, start_core
from LIVE_TRADING.risk import TradingState
from tests.support.runs import LOW_COST, run_backtest, run_shell
from tests.support.scripted_sessions import bar_end, panel, start_ns

MODULE = "features_that_fail_once"
FAILS_AT = 4


FAILURES = {"assert False, 'no such thing'": "AssertionError: no such thing", "sys.exit(3)": "SystemExit: 3"}


@pytest.fixture(params=sorted(FAILURES))
def raised(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def config(raised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineConfig:
    (tmp_path / f"{MODULE}.py").write_text(
        f"import sys\n\ndef fragile(bars):\n    if bars.bar_end_ns[-1] == {bar_end(FAILS_AT)}:\n        {raised}\n"
        "    return bars.close\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return EngineConfig.model_validate(LOW_COST | {"features": {"extra": [f"{MODULE}:fragile"]}})


def test_live_it_halts_trading_and_the_engine_watches_on(raised: str, config: EngineConfig, tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    core = run_shell(panel(), config, start_ns=start_ns(), state_dir=state_dir).core
    assert core.state.risk.state is TradingState.HALTED
    assert core.state.market.advanced_to_ns == panel().bar_end_ns[-1]
    records = list(read_journal(state_dir / FOLDER))
    (failed,) = [record for record in records if record.kind == "failed"]
    assert f"features.extra {MODULE}:fragile: raised {FAILURES[raised]}" in str(failed.data)
    commands = [(record.t_ns, name) for record in records if record.kind == "commands" for name, _ in record.data]
    assert any(name == "SubmitOrder" and t_ns < bar_end(FAILS_AT) for t_ns, name in commands)
    assert not any(name == "SubmitOrder" and t_ns >= bar_end(FAILS_AT) for t_ns, name in commands)
    assert any(name == "CycleDecided" and t_ns > bar_end(FAILS_AT) for t_ns, name in commands)
    run = recorded_run(state_dir)
    assert run is not None
    again = start_core(state_dir, run)
    fed = feed_journal(again, iter(records))
    assert fed.difference is None
    assert again.state.digest == core.state.digest


def test_a_backtest_ends_and_says_why(raised: str, config: EngineConfig) -> None:
    with pytest.raises(ConfigurationError, match=f"{MODULE}:fragile: raised {FAILURES[raised]}"):
        run_backtest(panel(), config, start_ns=start_ns())
