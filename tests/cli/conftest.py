"""A desk for the command line: a small market as files, one trained run, a configuration folder, all of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from cli_bench import BUSY, RUN_ID, STOP_AFTER, TRAIN_SESSIONS, TRAINING, Bench, run_verb, trade_on_paper
from market_files import EXTRA, SYMBOLS, market, write_bars

from LIVE_TRADING.cli import settings


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return the files, with a run trained on the first sessions."""
    root = tmp_path_factory.mktemp("cli")
    config = root / "CONFIG"
    (config / "profiles").mkdir(parents=True)
    (config / "live_trading.yaml").write_text("live_trading: {}\n")
    (config / "profiles" / "busy.yaml").write_text(BUSY)
    panel, dates = market()
    made = Bench(
        root,
        dates,
        write_bars(panel, root / "bars.parquet", SYMBOLS),
        write_bars(panel, root / "wide.parquet", (*SYMBOLS, EXTRA)),
        write_bars(panel, root / "narrow.parquet", SYMBOLS[1:]),
        write_bars(panel, root / "dear.parquet", SYMBOLS, price_factor=2.0),
        write_bars(panel, root / "silent.parquet", SYMBOLS, last_bars={"S0003": dates[TRAIN_SESSIONS - 1]}),
        config,
        root / "runs",
        dates[TRAIN_SESSIONS - 1],
        {"LIVE_TRADING_CONFIG": str(config), "LIVE_TRADING_RUNS": str(root / "runs")},
    )
    with pytest.MonkeyPatch.context() as patched:
        for name, value in made.environment.items():
            patched.setenv(name, value)
        result = run_verb("train_models", "--data", made.bars, "--run-id", RUN_ID, "--until", made.until, *TRAINING)
    assert result.exit_code == 0, result.output
    return made


@pytest.fixture(scope="session")
def recorded(bench: Bench) -> Path:
    """Return the state folder of a session that was traded to the end of the data; copy it before changing it."""
    state = bench.root / "recorded"
    with pytest.MonkeyPatch.context() as patched:
        for name, value in bench.environment.items():
            patched.setenv(name, value)
        result = trade_on_paper(bench, state)
    assert result.exit_code == 0, result.output
    return state


@pytest.fixture(scope="session")
def stopped(bench: Bench) -> Path:
    """Return the state folder of a session that was stopped while positions and orders were open."""
    state = bench.root / "stopped"
    with pytest.MonkeyPatch.context() as patched:
        for name, value in bench.environment.items():
            patched.setenv(name, value)
        result = trade_on_paper(bench, state, "--max-cycles", STOP_AFTER)
    assert result.exit_code == 0, result.output
    return state


@pytest.fixture(autouse=True)
def of_its_own(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder, with the bench's runs and configuration; leave logging as it was."""
    for name, value in bench.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    settings._cached.cache_clear()
    logger, root = logging.getLogger("live_trading"), logging.getLogger()
    levels, handlers = (logger.level, root.level), list(root.handlers)
    yield
    settings._cached.cache_clear()
    logger.setLevel(levels[0])
    root.setLevel(levels[1])
    for handler in [one for one in root.handlers if one not in handlers]:
        root.removeHandler(handler)
        handler.close()
    structlog.reset_defaults()
